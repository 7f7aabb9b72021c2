//! How a command ends when it does not do what was asked: a sentence, the facts behind it, what to
//! do next, and an exit code.

use std::error::Error;
use std::fmt;

use qnt9_model::Why;
use qnt9_server::api::shapes::{ErrorClass, ErrorShape};
use serde_json::json;

/// The exit codes, documented in `qnt9 --help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The thing asked for failed.
    Failed = 1,
    /// The command line cannot be understood.
    Usage = 2,
    /// A gate holds it.
    Held = 3,
    /// The machine lacks something.
    Lacks = 4,
    /// Somebody pressed Ctrl-C.
    Interrupted = 130,
}

/// Why a command did not do what was asked.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What happened, in one sentence.
    pub message: String,
    /// Further lines: where, why.
    pub details: Vec<String>,
    /// What to do next.
    pub hint: Option<String>,
    /// The word that `--json` gives the kind.
    class: Option<ErrorClass>,
    why: Option<Box<Why>>,
}

impl Failure {
    /// The thing asked for failed.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Failed,
            message: message.into(),
            details: Vec::new(),
            hint: None,
            class: None,
            why: None,
        }
    }

    /// The machine lacks something.
    pub fn lacks(message: impl Into<String>) -> Self {
        Self { exit: Exit::Lacks, ..Self::new(message) }
    }

    /// The command line cannot be understood.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, ..Self::new(message) }
    }

    /// A gate holds it.
    pub fn held(message: impl Into<String>) -> Self {
        Self { exit: Exit::Held, ..Self::new(message) }
    }

    /// Somebody pressed Ctrl-C.
    pub fn interrupted() -> Self {
        Self { exit: Exit::Interrupted, ..Self::new("interrupted") }
    }

    /// `what` failed because of `error`; the error's own causes become further lines.
    pub fn because(what: impl Into<String>, error: &dyn Error) -> Self {
        let mut failure = Self::new(format!("{}: {error}", what.into()));
        let mut source = error.source();
        while let Some(cause) = source {
            failure.details.push(format!("because: {cause}"));
            source = cause.source();
        }
        failure
    }

    /// The same with what to do next.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with one more line.
    pub fn detail(mut self, line: impl Into<String>) -> Self {
        self.details.push(line.into());
        self
    }

    /// What the server answered.
    pub fn refused(error: ErrorShape) -> Self {
        let exit = if error.class == ErrorClass::Held { Exit::Held } else { Exit::Failed };
        let details = error.why.as_ref().map(Why::lines).unwrap_or_default();
        let mut failure = Self::new(error.message);
        failure.exit = exit;
        failure.details = details;
        failure.class = Some(error.class);
        failure.why = error.why.map(Box::new);
        if error.class == ErrorClass::Unauthorized {
            failure.hint = Some("say who you are: --as PERSON, or QNT9_TOKEN".to_owned());
        }
        failure
    }

    /// The shape that `--json` prints.
    pub fn to_json(&self) -> serde_json::Value {
        json!({ "error": {
            "class": self.class.unwrap_or(ErrorClass::Failed),
            "message": self.message,
            "details": self.details,
            "hint": self.hint,
            "why": self.why,
        }})
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        for line in self.details.iter().flat_map(|detail| detail.lines()) {
            write!(f, "\n  {line}")?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}
