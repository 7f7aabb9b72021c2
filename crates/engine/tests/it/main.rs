//! The machine as its users see it: whole conversations, and invariants under random ones.

mod accounting;
mod approvals;
mod checks;
mod comparing;
mod delivery;
mod explain;
mod groups;
mod invariants;
mod judging;
mod oracle;
mod people;
mod repeats;
mod rollouts;
mod runs;
mod scale;
mod schedules;
mod snapshots;
mod source;
mod standings;
mod stopping;
mod strategies;
mod terraform;
mod trial;
mod windows;
mod world;
