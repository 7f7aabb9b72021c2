//! What stands after `if:`, whether it holds, and why.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::expression::{
    EvaluationError, Scope, Status, SyntaxError, evaluate_condition, parse_in_scope,
};
use crate::template::{OPEN, Position, Segment, segments};

/// The body of an `if:`: one expression, with or without `${{ }}` around it.
///
/// Text *around* `${{ }}` makes the body a string, which is never empty and hence always true; so it
/// is on GitHub, and [`Condition::is_always_true`] tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    pub source: String,
    pub position: Position,
}

/// The answer of a condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub holds: bool,
    pub trace: Trace,
}

/// How an expression came to its value: the values of its parts, as far as they were looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The text of the expression.
    pub source: String,
    /// Its value as it would be written in an expression, cut when long. `None` when the parts
    /// before it had decided already.
    pub value: Option<String>,
    pub parts: Vec<Self>,
}

impl Trace {
    pub(crate) fn new(source: &str, value: Option<String>, parts: Vec<Self>) -> Self {
        let value = value.map(|value| crate::excerpt(&value));
        Self { source: source.to_owned(), value, parts }
    }

    fn write(&self, depth: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = match &self.value {
            Some(value) => format!("is {value}"),
            None => "was not looked at".to_owned(),
        };
        if depth > 0 {
            writeln!(f)?;
        }
        write!(f, "{}{} {value}", "  ".repeat(depth), one_line(&self.source))?;
        self.parts.iter().try_for_each(|part| part.write(depth + 1, f))
    }
}

impl fmt::Display for Trace {
    /// One line for each part, indented by two spaces below the whole.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(0, f)
    }
}

impl Condition {
    pub fn new(source: impl Into<String>, position: Position) -> Self {
        Self { source: source.into(), position }
    }

    /// Whether it holds, with the implicit `success() &&` when it calls no status function.
    pub fn evaluate(&self, scope: &Scope<'_>) -> Result<Verdict, EvaluationError> {
        match self.body() {
            Ok(Body::Expression(expression)) => match parse_in_scope(expression, scope)? {
                None => Ok(Self::verdict_of_none(scope)),
                Some(node) if node.asks_for_status() => {
                    let (holds, trace) = evaluate_condition(&node, expression, scope)?;
                    Ok(Verdict { holds, trace })
                }
                Some(node) => after_success(expression, scope, || {
                    evaluate_condition(&node, expression, scope)
                }),
            },
            Ok(Body::Text(expressions)) => self.evaluate_text(&expressions, scope),
            Err(error) => Err(EvaluationError::Syntax { expression: self.source.clone(), error }),
        }
    }

    /// The verdict of a job or step without an `if:`, which is that of `success()`.
    pub fn verdict_of_none(scope: &Scope<'_>) -> Verdict {
        let holds = scope.status == Status::Success;
        Verdict { holds, trace: Trace::new("success()", Some(holds.to_string()), Vec::new()) }
    }

    /// Whether the body is text around `${{ }}`, a common slip: it is true whatever the expressions
    /// say.
    pub fn is_always_true(&self) -> bool {
        matches!(self.body(), Ok(Body::Text(_)))
    }

    fn body(&self) -> Result<Body<'_>, SyntaxError> {
        if !self.source.contains(OPEN) {
            return Ok(Body::Expression(self.source.trim()));
        }
        let segments = segments(&self.source)?;
        if let [Segment::Expression(span)] = segments.as_slice() {
            return Ok(Body::Expression(&self.source[span.clone()]));
        }
        let expressions = segments.into_iter().filter_map(|segment| match segment {
            Segment::Text(_) => None,
            Segment::Expression(span) => Some(&self.source[span]),
        });
        Ok(Body::Text(expressions.collect()))
    }

    fn evaluate_text(
        &self,
        expressions: &[&str],
        scope: &Scope<'_>,
    ) -> Result<Verdict, EvaluationError> {
        let mut nodes = Vec::new();
        for expression in expressions {
            nodes.extend(parse_in_scope(expression, scope)?.map(|node| (node, *expression)));
        }
        let asks_for_status = nodes.iter().any(|(node, _)| node.asks_for_status());
        let text = || {
            let parts = nodes
                .iter()
                .map(|(node, source)| {
                    evaluate_condition(node, source, scope).map(|(_, trace)| trace)
                })
                .collect::<Result<_, _>>()?;
            let value = Some("a text, and hence always true".to_owned());
            Ok((true, Trace::new(&self.source, value, parts)))
        };
        if asks_for_status {
            return text().map(|(holds, trace)| Verdict { holds, trace });
        }
        after_success(&self.source, scope, text)
    }
}

enum Body<'a> {
    Expression(&'a str),
    /// The expressions within a text.
    Text(Vec<&'a str>),
}

/// Evaluates `success() && (expression)`.
fn after_success(
    expression: &str,
    scope: &Scope<'_>,
    evaluate: impl FnOnce() -> Result<(bool, Trace), EvaluationError>,
) -> Result<Verdict, EvaluationError> {
    let success = Condition::verdict_of_none(scope);
    let (holds, trace) =
        if success.holds { evaluate()? } else { (false, Trace::new(expression, None, Vec::new())) };
    let source = format!("success() && ({expression})");
    let parts = vec![success.trace, trace];
    Ok(Verdict { holds, trace: Trace::new(&source, Some(holds.to_string()), parts) })
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
