//! The door: the loop that decides, appends and carries out, one file per kind of order, and the
//! HTTP wiring.
//!
//! [`machine`] owns the state and is the only one that appends facts. [`Core`] is what everything
//! else in the server sees of it: ask a command, read the state, wait for a change. [`orders`] has one
//! file per kind of order. [`api`] is what people's and jobs' programs call over HTTP.
//!
//! It decides nothing itself: every rule is the engine's. It prints nothing and reads neither the
//! environment nor a command line: [`Config`] says all.

pub mod api;
pub mod config;
mod console;
mod core;
mod identity;
pub mod machine;
pub mod orders;
mod past;
mod repositories;
mod retention;
mod serve;
mod sharing;

pub use config::{Config, LogPlace};
pub use core::Core;
pub use identity::{hash_token, new_token};
pub use repositories::NewProject;
pub use serve::{ServeError, Server};
