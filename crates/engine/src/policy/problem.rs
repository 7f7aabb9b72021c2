//! Something wrong with the file, and where.

use std::fmt;
use std::ops::Range;

/// One thing wrong with `qnt9.toml`. Lines and columns count from 1, columns and lengths in
/// characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyProblem {
    /// The file, as the reader was told to call it.
    pub file: String,
    /// The line.
    pub line: u32,
    /// The column at which the wrong part begins.
    pub column: u32,
    /// How many characters of that line are wrong, at least 1.
    pub length: u32,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for PolicyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, message, hint, .. } = self;
        write!(f, "{file}:{line}:{column}: {message}")?;
        hint.as_ref().map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

/// The problems found so far.
pub(super) struct Problems<'a> {
    file: &'a str,
    text: &'a str,
    /// With the byte at which each begins, to sort by.
    list: Vec<(usize, PolicyProblem)>,
}

impl<'a> Problems<'a> {
    pub(super) const fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, list: Vec::new() }
    }

    /// Notes a problem with the bytes `at`; what lies beyond the first line is not marked.
    pub(super) fn add(
        &mut self,
        at: &Range<usize>,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        let before = self.before(at.start);
        let marked = self.text.get(before.len()..at.end).unwrap_or_default();
        let marked = marked.lines().next().unwrap_or_default().chars().count();
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let problem = PolicyProblem {
            file: self.file.to_owned(),
            line: self.line_of(at.start),
            column: count(column),
            length: count(marked.max(1)),
            message: message.into(),
            hint,
        };
        self.list.push((at.start, problem));
    }

    /// The line of a byte of the text.
    pub(super) fn line_of(&self, byte: usize) -> u32 {
        count(self.before(byte).matches('\n').count() + 1)
    }

    pub(super) fn into_result<T>(self, value: T) -> Result<T, Vec<PolicyProblem>> {
        if self.list.is_empty() { Ok(value) } else { Err(self.into_list()) }
    }

    pub(super) fn into_list(mut self) -> Vec<PolicyProblem> {
        self.list.sort_by_key(|(start, _)| *start);
        self.list.into_iter().map(|(_, problem)| problem).collect()
    }

    /// The text up to a byte, or up to the character that the byte is part of.
    fn before(&self, byte: usize) -> &'a str {
        let byte = byte.min(self.text.len());
        let whole = (0..=byte).rev().find(|&at| self.text.is_char_boundary(at)).unwrap_or(0);
        &self.text[..whole]
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
