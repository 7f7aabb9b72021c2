//! The words of qnt9: ids, facts, commands, orders, refusals, limits, and the door they pass through.
//!
//! Everything that crosses a border between crates is named here once. A *fact* is in the past tense
//! and persisted, a *command* is somebody asking, a *refusal* is a command answered with no, and an
//! *order* is what the outside world should now do.
//!
//! This crate decides nothing, does no I/O and imports nothing of ours.

pub mod command;
pub mod door;
pub mod entry;
pub mod fact;
pub mod ids;
pub mod limits;
pub mod order;
pub mod people;
pub mod plan;
pub mod planted;
pub mod policy;
pub mod refusal;
pub mod text;
pub mod why;

pub use command::{Ask, Command};
pub use door::Door;
pub use entry::Entry;
pub use fact::Fact;
pub use ids::*;
pub use order::Order;
pub use people::{Actor, Person, Role};
pub use policy::Policy;
pub use refusal::Refusal;
pub use text::UserText;
pub use why::Why;
