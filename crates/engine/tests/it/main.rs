//! The machine as its users see it: whole conversations, and invariants under random ones.

mod approvals;
mod delivery;
mod explain;
mod groups;
mod invariants;
mod rollouts;
mod runs;
mod scale;
mod snapshots;
mod source;
mod stopping;
mod terraform;
mod world;
