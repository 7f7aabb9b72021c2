//! GitHub's language: YAML and `${{ }}` to tokens, driven by a grammar.
//!
//! It says what is written where, and nothing of what it means: that is for [`crate::plan`].

mod grammar;
mod memory;
mod problem;
mod reader;
mod scalars;
mod token;
mod yaml;

pub(crate) use grammar::GRAMMAR;
pub(crate) use memory::Memory;
pub(crate) use problem::PROBLEMS_MAX;
pub(crate) use reader::{Reading, read};
pub(crate) use yaml::{Anchor, readable};

pub use grammar::Feature;
pub use memory::Limits;
pub use problem::{Problem, shown_on_github};
pub use reader::Anchors;
pub use token::{Place, Token, TokenKind};

#[cfg(test)]
mod tests;
