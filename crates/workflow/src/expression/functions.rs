//! The functions of the language.

use super::ast::{Function, Node};
use super::evaluator::{Evaluator, Operand};
use super::{EvaluationError, Status};
use crate::Value;
use crate::value::fold_case;

pub(super) fn call<'a>(
    evaluator: &Evaluator<'a>,
    function: Function,
    arguments: &[Node],
) -> Result<Operand<'a>, EvaluationError> {
    let argument = |at: usize| evaluator.value(&arguments[at]);
    let status = evaluator.scope.status;
    let value = match function {
        Function::Contains => Value::Bool(contains(argument(0)?, &argument(1)?)),
        Function::StartsWith => {
            Value::Bool(both_texts(&argument(0)?, &argument(1)?, |text, part| {
                text.starts_with(part)
            }))
        }
        Function::EndsWith => {
            Value::Bool(both_texts(&argument(0)?, &argument(1)?, |text, part| text.ends_with(part)))
        }
        Function::Format => Value::String(format(evaluator, arguments)?),
        Function::Join => {
            let separator = arguments.get(1).map(|node| evaluator.value(node)).transpose()?;
            Value::String(join(argument(0)?, separator.as_ref()))
        }
        Function::ToJson => Value::String(argument(0)?.into_value().to_json_text()),
        Function::FromJson => from_json(&argument(0)?.to_text())?,
        Function::Case => return case(evaluator, arguments),
        Function::HashFiles => Value::String(hash_files(evaluator, arguments)?),
        Function::Success => Value::Bool(status == Status::Success),
        Function::Failure => Value::Bool(status == Status::Failure),
        Function::Cancelled => Value::Bool(status == Status::Cancelled),
        Function::Always => Value::Bool(true),
    };
    Ok(value.into())
}

fn contains(haystack: Operand<'_>, needle: &Operand<'_>) -> bool {
    if haystack.primitive().is_some() {
        return both_texts(&haystack, needle, |text, part| text.contains(part));
    }
    haystack.into_items().is_some_and(|items| items.iter().any(|item| item.equals(needle)))
}

/// Tests two texts without regard to case; arrays and objects never pass.
fn both_texts(left: &Operand<'_>, right: &Operand<'_>, test: impl Fn(&str, &str) -> bool) -> bool {
    match (left.primitive(), right.primitive()) {
        (Some(left), Some(right)) => {
            test(&fold_case(&left.to_text()), &fold_case(&right.to_text()))
        }
        _ => false,
    }
}

fn join(items: Operand<'_>, separator: Option<&Operand<'_>>) -> String {
    const SEPARATOR_DEFAULT: &str = ",";
    if let Some(value) = items.primitive() {
        return value.to_text();
    }
    let separator =
        separator.and_then(Operand::primitive).map_or(SEPARATOR_DEFAULT.to_owned(), Value::to_text);
    let texts: Vec<String> =
        items.into_items().unwrap_or_default().iter().map(Operand::to_text).collect();
    texts.join(&separator)
}

fn from_json(text: &str) -> Result<Value, EvaluationError> {
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(json) => Ok(json.into()),
        Err(error) => {
            Err(EvaluationError::Json { reason: error.to_string(), text: crate::excerpt(text) })
        }
    }
}

/// The value after the first condition that is true, or the last argument.
fn case<'a>(evaluator: &Evaluator<'a>, arguments: &[Node]) -> Result<Operand<'a>, EvaluationError> {
    for pair in arguments.chunks(2) {
        let [condition, value] = pair else { break };
        match evaluator.value(condition)?.primitive() {
            Some(Value::Bool(true)) => return evaluator.value(value),
            Some(Value::Bool(false)) => {}
            _ => return Err(EvaluationError::CasePredicate),
        }
    }
    evaluator.value(&arguments[arguments.len() - 1])
}

fn hash_files(evaluator: &Evaluator<'_>, arguments: &[Node]) -> Result<String, EvaluationError> {
    let hash = evaluator.scope.hash_files.ok_or(EvaluationError::NoWorkspace)?;
    let patterns = arguments
        .iter()
        .map(|argument| evaluator.value(argument).map(|value| value.to_text()))
        .collect::<Result<Vec<_>, _>>()?;
    hash(&patterns).map_err(EvaluationError::HashFiles)
}

/// Replaces `{0}`, `{1}`, ...; `{{` and `}}` stand for the braces themselves.
fn format(evaluator: &Evaluator<'_>, arguments: &[Node]) -> Result<String, EvaluationError> {
    let template = evaluator.value(&arguments[0])?.to_text();
    let invalid = || EvaluationError::FormatInvalid(template.clone());
    let mut text = String::new();
    let mut rest = template.as_str();
    while let Some(at) = rest.find(['{', '}']) {
        text.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(brace) {
            text.push_str(brace);
            rest = after;
            continue;
        }
        if brace == "}" {
            return Err(invalid());
        }
        let (index, after) = rest.split_once('}').ok_or_else(invalid)?;
        // .NET allows at most 256 places, and digits only.
        if !index.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(invalid());
        }
        let index = index.parse::<u8>().map_err(|_| invalid())?;
        let argument = arguments
            .get(usize::from(index) + 1)
            .ok_or_else(|| EvaluationError::FormatArgumentMissing(template.clone()))?;
        text.push_str(&evaluator.value(argument)?.to_text());
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}
