//! GitHub's language: git over http, artifacts.
//!
//! | module        | idea                                                                   |
//! |---------------|------------------------------------------------------------------------|
//! | [`git`]       | clone, fetch and push over git's smart http protocol                   |
//! | [`artifacts`] | files that jobs keep for later jobs and for people                     |
//!
//! What this crate does not do: it starts no process and touches no repository. Whoever owns
//! processes implements [`git::Repositories`]; whether a push is taken is asked at the
//! [`Door`](qnt9_model::Door) before git sees the first byte of it.

mod access;
pub mod artifacts;
pub mod git;

pub use artifacts::{Artifact, ArtifactIndex, ArtifactServer};
