//! Reads a repository's files and finds the mistakes that would fail later; proposes a `qnt9.toml` for it.
//!
//! - [`inspect`] finds mistakes in workflows, Terraform, Kubernetes manifests, Dockerfiles, and in what
//!   they say about the same things. Every finding has a [`Code`]; [`CODES`] are all of them.
//! - [`secret`] tells kinds of tokens by their shape.
//! - [`propose`] makes the files that qnt9 needs to deliver a repository, and says where each line comes
//!   from.
//!
//! It reads no files itself, runs nothing, asks no server and no clock: the files, the branches and today's
//! month come in as arguments. What is right by the grammar of workflows is `qnt9-workflow`'s to
//! say.

mod checks;
mod code;
mod dockerfile;
mod finding;
mod flow;
mod kubernetes;
mod propose;
mod reading;
mod repository;
mod rules;
pub mod secret;
mod terraform;
mod yaml;

pub use checks::{CODES, inspect};
pub use finding::{Area, Code, Finding, Severity};
pub use propose::{Proposal, Proposed, Source, Wishes, propose, services_below};
pub use reading::Month;
pub use repository::{FILE_BYTES_MAX, Repository};
