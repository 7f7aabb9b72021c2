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
    pub expected: Outcome,
}

/// What comes of an expression, or must come of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Value {
        /// The name of its kind, such as `Boolean`.
        kind: String,
        value: Value,
    },
    Error {
        /// `lexing`, `parsing` or `evaluation`.
        kind: String,
        /// GitHub's message; where it is expected, a part of it.
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
            Outcome::Value { kind: text(result, "kind", &place)?, value }
        }
        (None, Some(error)) => {
            let place = format!("{place}.err");
            let error = object(error, &place)?;
            Outcome::Error {
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
    /// Evaluates the expression and compares what comes of it with what must.
    pub fn run(&self) -> Result<(), Mismatch> {
        let got = Outcome::of(&self.expression, &self.contexts);
        if self.expected.is_met_by(&got) {
            return Ok(());
        }
        Err(Mismatch { expected: self.expected.to_string(), got: got.to_string() })
    }
}

impl Outcome {
    /// What comes of an expression that has only the functions that are there everywhere.
    pub fn of(expression: &str, contexts: &Object) -> Self {
        match evaluate_with(expression, &Scope::new(contexts), &[]) {
            Ok(value) => Self::Value { kind: value.kind_name().to_owned(), value },
            Err(error) => {
                let kind = error.kind().to_string();
                let message = match error {
                    EvaluationError::Syntax { error, .. } => error.to_string(),
                    other => other.to_string(),
                };
                Self::Error { kind, message }
            }
        }
    }

    fn is_met_by(&self, got: &Self) -> bool {
        match (self, got) {
            (Self::Value { kind, value }, Self::Value { kind: got_kind, value: got }) => {
                kind == got_kind && is_same(value, got)
            }
            (Self::Error { kind, message }, Self::Error { kind: got_kind, message: got }) => {
                kind == got_kind && got.contains(message)
            }
            _ => false,
        }
    }
}

impl fmt::Display for Outcome {
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
