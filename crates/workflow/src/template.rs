//! Text with `${{ }}` in it.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::Value;
use crate::expression::{ErrorKind, EvaluationError, Scope, SyntaxError, evaluate};

/// Where something stands in a workflow file: line and column from 1, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Position {
    pub line: u32,
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// The source of a scalar in which `${{ }}` stands for a value. [`crate::parse`] has checked its
/// expressions; they are read again when evaluated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    pub source: String,
    pub position: Position,
}

impl Template {
    pub fn new(source: impl Into<String>, position: Position) -> Self {
        Self { source: source.into(), position }
    }

    /// Whether anything in it depends on the scope.
    pub fn has_expressions(&self) -> bool {
        self.source.contains(OPEN)
    }

    /// The text with every expression replaced by its value.
    ///
    /// # Errors
    /// An expression fails, or the whole is one expression whose value is an array or an object.
    pub fn interpolate(&self, scope: &Scope<'_>) -> Result<String, EvaluationError> {
        match self.value(scope)? {
            value if value.is_primitive() => Ok(value.to_text()),
            value => Err(self.kind_error("text", &value)),
        }
    }

    /// The value: a lone `${{ x }}` keeps its type, everything else is a string.
    pub fn value(&self, scope: &Scope<'_>) -> Result<Value, EvaluationError> {
        let segments = self.segments()?;
        if let [Segment::Expression(span)] = segments.as_slice() {
            return evaluate(&self.source[span.clone()], scope);
        }
        let mut text = String::new();
        for segment in segments {
            match segment {
                Segment::Text(span) => text.push_str(&self.source[span]),
                Segment::Expression(span) => {
                    text.push_str(&evaluate(&self.source[span], scope)?.to_text());
                }
            }
        }
        Ok(Value::String(text))
    }

    /// The value where a boolean is needed: `true`, `false`, or an expression that yields one.
    pub fn boolean(&self, scope: &Scope<'_>) -> Result<bool, EvaluationError> {
        match (self.has_expressions(), self.value(scope)?) {
            (_, Value::Bool(value)) => Ok(value),
            (false, Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(true),
            (false, Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(false),
            (_, value) => Err(self.kind_error("true or false", &value)),
        }
    }

    /// The value where a number is needed: a number, or an expression that yields one.
    pub fn number(&self, scope: &Scope<'_>) -> Result<f64, EvaluationError> {
        let value = self.value(scope)?;
        let number = match &value {
            Value::Number(number) => *number,
            Value::String(_) if !self.has_expressions() => value.to_number(),
            _ => f64::NAN,
        };
        if number.is_nan() { Err(self.kind_error("a number", &value)) } else { Ok(number) }
    }

    fn segments(&self) -> Result<Vec<Segment>, EvaluationError> {
        segments(&self.source).map_err(|error| EvaluationError::Syntax {
            expression: crate::excerpt(&self.source),
            error,
        })
    }

    fn kind_error(&self, wanted: &'static str, found: &Value) -> EvaluationError {
        let found = match found {
            Value::Array(_) => "an array".to_owned(),
            Value::Object(_) => "an object".to_owned(),
            other => crate::excerpt(&other.to_literal()),
        };
        EvaluationError::Kind { source_text: crate::excerpt(&self.source), wanted, found }
    }
}

pub(crate) const OPEN: &str = "${{";
const CLOSE: &str = "}}";

/// A stretch of a template, in bytes of its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    Text(Range<usize>),
    /// What stands between the braces, without the white space around it.
    Expression(Range<usize>),
}

/// Takes a template apart.
pub(crate) fn segments(source: &str) -> Result<Vec<Segment>, SyntaxError> {
    let mut segments = Vec::new();
    let mut at = 0;
    while let Some(found) = source[at..].find(OPEN) {
        let open = at + found;
        if open > at {
            segments.push(Segment::Text(at..open));
        }
        let start = open + OPEN.len();
        let end = closing(source, start).ok_or_else(|| SyntaxError {
            kind: ErrorKind::Parsing,
            message: "The expression is not closed. An unescaped ${{ sequence was found, but the \
                      closing }} sequence was not found."
                .to_owned(),
            offset: open,
            length: OPEN.len(),
            hint: None,
        })?;
        let span = trimmed(source, start..end);
        if span.is_empty() {
            return Err(SyntaxError {
                kind: ErrorKind::Parsing,
                message: "An expression was expected".to_owned(),
                offset: open,
                length: end + CLOSE.len() - open,
                hint: None,
            });
        }
        segments.push(Segment::Expression(span));
        at = end + CLOSE.len();
    }
    if at < source.len() {
        segments.push(Segment::Text(at..source.len()));
    }
    Ok(segments)
}

/// Where the braces close that opened before `start`; those within a string do not count.
fn closing(source: &str, start: usize) -> Option<usize> {
    let mut is_in_string = false;
    let bytes = source.as_bytes();
    (start..bytes.len()).find(|&at| {
        if bytes[at] == b'\'' {
            is_in_string = !is_in_string;
        }
        !is_in_string && bytes[at..].starts_with(CLOSE.as_bytes())
    })
}

fn trimmed(source: &str, span: Range<usize>) -> Range<usize> {
    let text = &source[span.clone()];
    let start = span.start + (text.len() - text.trim_start().len());
    start..start + text.trim().len()
}

#[cfg(test)]
mod tests;
