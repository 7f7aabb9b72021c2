//! Terraform's language: state with locking over the `http` backend, and plans made readable.
//!
//! | module        | idea                                                                      |
//! |---------------|---------------------------------------------------------------------------|
//! | [`state`]     | the server side of `backend "http"`: read, write, lock, unlock, history   |
//! | [`plan`]      | `terraform show -json` in numbers and lines, and the hash approvals name  |
//! | [`variables`] | values for variables that nobody declared                                 |
//!
//! What this crate does not do: it does not run terraform, and it decides nothing about locks and
//! versions. Those rules live behind the [`Door`](qnt9_model::Door); here they are asked for, and the
//! answers are put into terraform's words. Of its own it keeps only sealed blobs.

pub mod plan;
pub mod state;
pub mod variables;

pub use plan::{Plan, PlanError};
pub use state::StateServer;
pub use variables::{Undeclared, undeclared};
