//! The machine as its users see it: whole conversations, and invariants under random ones.

mod approvals;
mod delivery;
mod explain;
mod invariants;
mod rollouts;
mod runs;
mod scale;
mod snapshots;
mod source;
mod terraform;
mod world;
