//! The expression language: what stands between `${{` and `}}`, and after `if:`.

mod ast;
mod evaluator;
mod functions;
mod lexer;
mod memory;
mod operand;
mod parser;

use std::fmt;
use std::ops::Range;

pub(crate) use ast::{Comparison, Function, Node, NodeKind};
pub(crate) use evaluator::{evaluate_condition, evaluate_node};
pub(crate) use parser::parse;

use crate::value::{JsonError, Object, Value};

/// The longest expression, counted in UTF-16 code units as GitHub counts.
pub const EXPRESSION_LENGTH_MAX: usize = 21_000;
/// The deepest nesting of an expression's parts.
pub const EXPRESSION_DEPTH_MAX: usize = 50;
/// What an evaluation may hold in memory at once, in bytes as GitHub counts them: two for a character.
pub const EXPRESSION_MEMORY_BYTES_MAX: u32 = 10 << 20;

/// Takes patterns of files to the hash of what matches them, or says why it cannot.
pub type HashFiles<'a> = dyn Fn(&[String]) -> Result<String, String> + 'a;

/// What an expression is evaluated against.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// The contexts (`github`, `needs`, `steps`, ...) by name. A name that is not here is an error.
    pub contexts: &'a Object,
    /// What `success()`, `failure()` and `cancelled()` answer.
    pub status: Status,
    /// Hashes the files that match the patterns, for `hashFiles`; without it that function is an error.
    pub hash_files: Option<&'a HashFiles<'a>>,
}

impl<'a> Scope<'a> {
    /// A scope in which all went well so far and no files are at hand.
    pub fn new(contexts: &'a Object) -> Self {
        Self { contexts, status: Status::Success, hash_files: None }
    }

    pub fn with_status(self, status: Status) -> Self {
        Self { status, ..self }
    }
}

/// How things went before the condition at hand: for a job its ancestors, for a step the job so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Only `success()` holds.
    Success,
    /// Only `failure()` holds.
    Failure,
    /// Only `cancelled()` holds.
    Cancelled,
    /// None of the three holds: an ancestor of the job was skipped and none failed.
    Skipped,
}

/// An expression that is not one, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    pub kind: ErrorKind,
    /// In GitHub's words.
    pub message: String,
    /// The byte at which the offending text starts, within the expression.
    pub offset: usize,
    /// The length of the offending text in bytes.
    pub length: usize,
    /// The nearest known name, when one was mistyped.
    pub hint: Option<String>,
}

/// At what an expression fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// A stretch of it is no token of the language. Such an error is reported before the others.
    Lexing,
    /// Its tokens make no expression, or name what is not there.
    Parsing,
    /// It is an expression, but has no value.
    Evaluation,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lexing => "lexing",
            Self::Parsing => "parsing",
            Self::Evaluation => "evaluation",
        })
    }
}

impl SyntaxError {
    /// An error at a place of the expression, worded as GitHub does: `position` counts from 1, in
    /// UTF-16 code units.
    fn located(kind: ErrorKind, problem: &str, source: &str, place: Range<usize>) -> Self {
        let position = source[..place.start].encode_utf16().count() + 1;
        let text = &source[place.clone()];
        let message = format!(
            "{problem}: '{text}'. Located at position {position} within expression: {source}"
        );
        Self { kind, message, offset: place.start, length: place.len(), hint: None }
    }

    /// An error of the expression as a whole.
    fn of_all(kind: ErrorKind, message: String, source: &str) -> Self {
        Self { kind, message, offset: 0, length: source.len(), hint: None }
    }
}

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    #[error("the expression `{expression}` cannot be read: {error}")]
    Syntax { expression: String, error: SyntaxError },
    #[error("The following format string is invalid: {0}")]
    FormatInvalid(String),
    #[error("The following format string references more arguments than were supplied: {0}")]
    FormatArgumentMissing(String),
    #[error("The format specifiers '{specifiers}' are not valid for objects of type '{kind}'")]
    FormatSpecifiers { specifiers: String, kind: &'static str },
    #[error("case predicate must evaluate to a boolean value")]
    CasePredicate,
    #[error("Error parsing fromJson: {reason}, in the text {text}")]
    Json { reason: JsonError, text: String },
    #[error(
        "The maximum allowed memory size was exceeded while evaluating the following expression: {expression}"
    )]
    Memory { expression: String },
    #[error("`hashFiles` cannot be used here: there is no workspace yet")]
    NoWorkspace,
    #[error("`hashFiles` failed: {0}")]
    HashFiles(String),
    #[error("`{source_text}` has the value {found}, but {wanted} is needed here")]
    Kind { source_text: String, wanted: &'static str, found: String },
    #[error(transparent)]
    Matrix(#[from] crate::MatrixError),
}

impl EvaluationError {
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Syntax { error, .. } => error.kind,
            _ => ErrorKind::Evaluation,
        }
    }
}

/// The value of one expression, without the surrounding `${{ }}`. The empty expression is null.
///
/// The names that may occur are those of the scope's contexts.
pub fn evaluate(expression: &str, scope: &Scope<'_>) -> Result<Value, EvaluationError> {
    evaluate_with(expression, scope, Function::ALL)
}

/// The value of an expression at a place that has only some of the functions.
pub(crate) fn evaluate_with(
    expression: &str,
    scope: &Scope<'_>,
    functions: &[Function],
) -> Result<Value, EvaluationError> {
    match parse_with(expression, scope, functions)? {
        Some(node) => evaluate_node(&node, expression, scope),
        None => Ok(Value::Null),
    }
}

/// Parses with the names that the scope offers.
pub(crate) fn parse_in_scope<'s>(
    expression: &'s str,
    scope: &Scope<'_>,
) -> Result<Option<Node<'s>>, EvaluationError> {
    parse_with(expression, scope, Function::ALL)
}

fn parse_with<'s>(
    expression: &'s str,
    scope: &Scope<'_>,
    functions: &[Function],
) -> Result<Option<Node<'s>>, EvaluationError> {
    let names: Vec<&str> = scope.contexts.iter().map(|(name, _)| name).collect();
    parse(expression, &Vocabulary { contexts: &names, functions })
        .map_err(|error| EvaluationError::Syntax { expression: expression.to_owned(), error })
}

/// The names that an expression may use at its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vocabulary<'a> {
    pub(crate) contexts: &'a [&'a str],
    /// The functions that belong to the place (such as `hashFiles`), or all of them.
    pub(crate) functions: &'a [Function],
}

impl Vocabulary<'_> {
    /// Whether the place is the `if:` of a job: other jobs are known, but no steps yet.
    fn is_of_job(&self) -> bool {
        self.contexts.contains(&"needs") && !self.contexts.contains(&"steps")
    }
}

#[cfg(test)]
mod tests;
