//! What happens next: decides commands, applies facts, derives orders.
//!
//! ```text
//! decide(&State, Ask, now)   -> facts or a refusal   every rule lives here
//! settle(&State, now)        -> facts                what follows by itself: needs, gates, rollouts
//! apply(&mut State, &Entry)                          never fails, never asks the outside
//! orders(&State)             -> orders               what the outside should now do, from state alone
//! ```
//!
//! [`machine::step`] runs them in that order for one command. After a crash the entries are applied
//! again and the orders computed again; nothing else is remembered.
//!
//! No I/O, no clock, no randomness, no hash maps: the same entries always give the same state.

pub mod accounting;
mod aftermath;
pub mod agenda;
mod announcement;
pub mod apply;
pub mod calendar;
pub mod compare;
mod concurrency;
pub mod contexts;
mod decide;
pub mod explain;
pub mod gates;
pub mod judge;
mod launch;
pub mod machine;
pub mod orders;
pub mod packed;
pub mod policy;
pub mod rollback;
pub mod rollout;
mod schedules;
mod settle;
pub mod snapshot;
pub mod state;
mod stops;
pub mod summary;
pub mod trial;

pub use machine::{step, step_looking_at_everything};
pub use orders::{deadline, orders};
pub use state::State;
