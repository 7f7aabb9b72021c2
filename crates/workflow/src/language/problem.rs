//! What is wrong in a workflow, in GitHub's words and drawn in the file.

use crate::Diagnostic;

/// One error. GitHub's words are the message of the diagnostic; what GitHub shows of it, with its
/// own way to name the place, is kept beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub diagnostic: Diagnostic,
    /// `FILE (Line: 1, Col: 2): MESSAGE`; GitHub leaves the place out of some.
    pub on_github: String,
}

/// The most problems that a step of reading tells; more than that nobody reads.
pub(crate) const PROBLEMS_MAX: usize = 200;
/// The longest message that GitHub shows, in UTF-16 code units.
const MESSAGE_CHARS_MAX: usize = 500;
/// The most errors that GitHub shows of one workflow.
const PROBLEMS_SHOWN_MAX: usize = 10;

/// The messages that GitHub shows of these problems.
pub fn shown_on_github(problems: &[Problem]) -> Vec<String> {
    problems.iter().take(PROBLEMS_SHOWN_MAX).map(|problem| cut(&problem.on_github)).collect()
}

fn cut(message: &str) -> String {
    let units: Vec<u16> = message.encode_utf16().collect();
    if units.len() <= MESSAGE_CHARS_MAX {
        return message.to_owned();
    }
    format!("{}[...]", String::from_utf16_lossy(&units[..MESSAGE_CHARS_MAX]))
}
