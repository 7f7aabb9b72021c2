//! Running the cases that others have written for this language, in the formats they have.
//!
//! A case is text in and text out; reading folders and printing is for the caller.

pub mod expressions;
mod lint_case;
mod reader_case;

pub use lint_case::{BEYOND, SHELLCHECK, run as run_lint_case};
pub use reader_case::run as run_reader_case;

/// What a case expected, and what came instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    pub expected: String,
    pub got: String,
}
