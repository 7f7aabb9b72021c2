//! The database that the services of one environment share: its tables, as versioned steps, and the rule by
//! which a step is taken while older releases are serving.
//!
//! A release only adds what it needs (*expand*); what nobody reads any more is removed by a later release
//! (*contract*). That no release in use is hurt is not left to care: [`migrate`] lets PostgreSQL itself
//! prepare every statement of those releases against the new tables before a step is committed.
//!
//! It does not know what the services ask; each enters its own statements.

mod migrate;
mod releases;
mod steps;
mod trigram;

pub use migrate::{LOCK, MigrateError, Migrated, Postponed, migrate};
pub use releases::{Release, SEEN_EVERY, enter};
pub use steps::{Phase, STEPS, Step};
pub use trigram::{Trigram, trigram};
