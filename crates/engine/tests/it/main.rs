//! The machine as its users see it: whole conversations, and invariants under random ones.

mod approvals;
mod checks;
mod delivery;
mod explain;
mod groups;
mod invariants;
mod judging;
mod oracle;
mod repeats;
mod rollouts;
mod runs;
mod scale;
mod schedules;
mod snapshots;
mod source;
mod stopping;
mod strategies;
mod terraform;
mod windows;
mod world;
