//! Cases of the expression language in the format of GitHub's own suite:
//! `{group: [{expr, contexts?, options?, result: {kind, value} | err: {kind, value}}]}`.
//!
//! The suite serves several programs; `options.skip` names those that do not pass a case, and none of
//! them is this one. The message of an error is what GitHub's message contains.

use std::fmt;

use super::Mismatch;
use crate::expression::evaluate_with;
use crate::value::{JsonError, Object, Value};
use crate::{EvaluationError, Scope};

/// An expression and what must come of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpressionCase {
    pub group: String,
    pub expression: String,
    pub contexts: Object,
    pub expected: Expected,
}

/// What must come of an expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    Value {
        /// The name of its kind, such as `Boolean`.
        kind: String,
        value: Value,
    },
    Error {
        /// `lexing`, `parsing` or `evaluation`.
        kind: String,
        /// What the message contains.
        message: String,
    },
}

/// Why a file of cases cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaseError {
    #[error("it is not JSON: {0}")]
    Json(JsonError),
    #[error("{place} must be {wanted}")]
    Shape { place: String, wanted: &'static str },
}

/// Reads a file of cases.
pub fn expression_cases(json: &str) -> Result<Vec<ExpressionCase>, CaseError> {
    let file = Value::from_json_text(json).map_err(CaseError::Json)?;
    let mut cases = Vec::new();
    for (group, list) in object(&file, "the file")?.iter() {
        let Value::Array(list) = list else {
            return Err(shape(group, "a list of cases"));
        };
        for (at, case) in list.iter().enumerate() {
            cases.push(read(group, &format!("{group}[{at}]"), case)?);
        }
    }
    Ok(cases)
}

fn read(group: &str, place: &str, case: &Value) -> Result<ExpressionCase, CaseError> {
    let case = object(case, place)?;
    let contexts = match case.get("contexts") {
        Some(contexts) => object(contexts, &format!("{place}.contexts"))?.clone(),
        None => Object::new(),
    };
    let expected = match (case.get("result"), case.get("err")) {
        (Some(result), None) => {
            let place = format!("{place}.result");
            let result = object(result, &place)?;
            let value =
                result.get("value").cloned().ok_or_else(|| shape(&place, "with a value"))?;
            Expected::Value { kind: text(result, "kind", &place)?, value }
        }
        (None, Some(error)) => {
            let place = format!("{place}.err");
            let error = object(error, &place)?;
            Expected::Error {
                kind: text(error, "kind", &place)?,
                message: text(error, "value", &place)?,
            }
        }
        _ => return Err(shape(place, "with either `result` or `err`")),
    };
    let expression = text(case, "expr", place)?;
    Ok(ExpressionCase { group: group.to_owned(), expression, contexts, expected })
}

impl ExpressionCase {
    /// Evaluates the expression, with the functions that are there everywhere.
    pub fn run(&self) -> Result<(), Mismatch> {
        let got = evaluate_with(&self.expression, &Scope::new(&self.contexts), &[]);
        if self.expected.is_met_by(&got) {
            return Ok(());
        }
        let got = match got {
            Ok(value) => Expected::Value { kind: value.kind_name().to_owned(), value },
            Err(error) => {
                Expected::Error { kind: error.kind().to_string(), message: github_text(&error) }
            }
        };
        Err(Mismatch { expected: self.expected.to_string(), got: got.to_string() })
    }
}

impl Expected {
    fn is_met_by(&self, got: &Result<Value, EvaluationError>) -> bool {
        match (self, got) {
            (Self::Value { kind, value }, Ok(got)) => {
                kind == got.kind_name() && is_same(value, got)
            }
            (Self::Error { kind, message }, Err(error)) => {
                *kind == error.kind().to_string() && github_text(error).contains(message)
            }
            _ => false,
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value { kind, value } => write!(f, "{kind} {}", value.to_json_text()),
            Self::Error { kind, message } => write!(f, "{kind} error: {message}"),
        }
    }
}

/// Whether two values look the same as JSON, in which `NaN` and the infinities are null.
fn is_same(expected: &Value, got: &Value) -> bool {
    match (expected, got) {
        (Value::Null, Value::Number(number)) => !number.is_finite(),
        _ => expected.to_json_text() == got.to_json_text(),
    }
}

/// The message without what we say around GitHub's.
fn github_text(error: &EvaluationError) -> String {
    match error {
        EvaluationError::Syntax { error, .. } => error.to_string(),
        other => other.to_string(),
    }
}

fn object<'v>(value: &'v Value, place: &str) -> Result<&'v Object, CaseError> {
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(shape(place, "an object")),
    }
}

fn text(object: &Object, key: &str, place: &str) -> Result<String, CaseError> {
    match object.get(key) {
        Some(Value::String(text)) => Ok(text.clone()),
        _ => Err(shape(&format!("{place}.{key}"), "a string")),
    }
}

fn shape(place: &str, wanted: &'static str) -> CaseError {
    CaseError::Shape { place: place.to_owned(), wanted }
}

#[cfg(test)]
mod tests;
