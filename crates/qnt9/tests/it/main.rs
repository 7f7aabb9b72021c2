//! The whole program, started as a user starts it, and asked through the doors that users have:
//! command line, git, HTTP.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]
#![expect(clippy::print_stdout, reason = "a test that fails shows what the platform said")]

mod past;
mod platform;
mod project;

mod approvals;
mod console;
mod crashes;
mod database;
mod delivery;
mod deployments;
mod disk;
mod locks;
mod own;
mod pushes;
mod replicas;
mod reproducible;
mod runs;
mod start;
mod survival;
mod trouble;
mod upgrade;
