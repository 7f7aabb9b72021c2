//! GitHub's language: git over http, artifacts.
//!
//! [`git`] is the smart HTTP transport that every git client speaks. The rules of what a push starts
//! are the engine's; git itself is started by whoever implements [`git::Repositories`].

pub mod git;
