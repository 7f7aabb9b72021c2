//! Owns processes: the shim of a job with its steps and built-in actions, service replicas, git,
//! terraform and PostgreSQL. No other crate starts a process.
//!
//! It decides nothing: which job runs where and whether a dead one is tried again is the engine's;
//! which replicas are wanted is the cluster's. It reads neither its environment nor a command line:
//! what it needs of both is handed in.

mod archive;
mod causes;
mod clock;
mod commands;
mod detach;
mod env_files;
pub mod git;
mod globs;
mod http;
pub mod journal;
pub mod kept;
pub mod limits;
mod lines;
mod mask;
mod own_time;
mod paths;
pub mod postgres;
pub mod preflight;
mod process;
pub mod replica;
mod room;
pub mod shim;
mod shim_dir;
mod smoke;
mod socket;
pub mod spec;
pub mod tools;
mod which;

pub use causes::with_causes;
pub use detach::{Detached, leave_session, spawn_detached};
pub use mask::Masker;
pub use own_time::note_own_time;
pub use process::ProcessId;
pub use smoke::{Ran, run_to_end};
