//! How shapes look on a terminal: plain text, aligned, readable without colour.
//!
//! Everything here is a function from a shape and a [`Clock`] to text. It asks nobody and prints
//! nothing.

pub mod clock;
pub mod deployments;
pub mod diagnostics;
pub mod difference;
pub mod environments;
pub mod lost;
pub mod policy;
pub mod run;
pub mod runs;
pub mod status;
pub mod table;
pub mod things;
pub mod why;

use qnt9_model::fact::Outcome;

pub use clock::Clock;
pub use table::Table;

/// What works.
pub const AT_WORK: char = '◐';
/// What waits for a gate or a person.
pub const WAITS: char = '‖';
/// What waits for something before it.
pub const NOT_YET: char = '·';

/// The sign of how something ended.
pub const fn sign(outcome: Outcome) -> char {
    match outcome {
        Outcome::Success => '✓',
        Outcome::Skipped => '○',
        Outcome::Cancelled => '–',
        Outcome::Failure => '✗',
    }
}

/// `main` of `refs/heads/main`.
pub fn short_reference(reference: &str) -> &str {
    let branch = reference.strip_prefix("refs/heads/");
    branch.or_else(|| reference.strip_prefix("refs/tags/")).unwrap_or(reference)
}

/// `1 run`, `2 runs`.
pub fn count(number: usize, one: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {one}{ending}")
}

/// The first line, cut to so many characters.
pub fn cut(text: &str, chars_max: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= chars_max {
        return line.to_owned();
    }
    let kept: String = line.chars().take(chars_max.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// The text without characters that would steer a terminal: much of what is shown was written by
/// somebody else.
pub fn harmless(text: &str) -> String {
    let replace = |char: char| if char.is_control() && char != '\n' { '\u{fffd}' } else { char };
    text.chars().map(replace).collect()
}

#[cfg(test)]
pub mod sample;
#[cfg(test)]
mod tests;
