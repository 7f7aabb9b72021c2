//! `qnt9 expr`

use std::fs;
use std::process::ExitCode;

use qnt9_workflow::{
    ErrorKind, EvaluationError, JsonError, Object, Position, Scope, SyntaxError, Template, Value,
    evaluate,
};
use serde::Serialize;

use super::asking::{format, print};
use crate::cli::{Common, Expr};
use crate::failure::Failure;

/// What `--json` prints.
#[derive(Serialize)]
struct Evaluated {
    /// `Null`, `Boolean`, `Number`, `String`, `Array` or `Object`.
    kind: &'static str,
    /// The value; `NaN` and the infinities, which JSON lacks, are null.
    value: Value,
}

/// Evaluates an expression as a workflow would, and prints its value as JSON.
pub fn run(common: &Common, args: &Expr) -> Result<ExitCode, Failure> {
    let contexts = match &args.context {
        Some(file) => {
            let name = file.display();
            let text = fs::read_to_string(file)
                .map_err(|error| Failure::because(format!("cannot read {name}"), &error))?;
            contexts(&text).map_err(|reason| {
                Failure::new(format!("{name} holds no contexts: {reason}")).hint(
                    "it must be one JSON object, a property for each context: \
                     {\"github\": {\"ref\": \"refs/heads/main\"}}",
                )
            })?
        }
        None => Object::new(),
    };
    let value = value(&args.expression, &Scope::new(&contexts))
        .map_err(|error| failure(&error, args.context.is_some()))?;
    let evaluated = Evaluated { kind: value.kind_name(), value };
    print(format(common), &evaluated, |evaluated| evaluated.value.to_json_text());
    Ok(ExitCode::SUCCESS)
}

/// The value of what may stand alone or between `${{` and `}}`.
fn value(expression: &str, scope: &Scope<'_>) -> Result<Value, EvaluationError> {
    if expression.trim_start().starts_with("${{") {
        return Template::new(expression.trim(), Position::default()).value(scope);
    }
    evaluate(expression, scope)
}

fn contexts(text: &str) -> Result<Object, String> {
    match Value::from_json_text(text) {
        Ok(Value::Object(contexts)) => Ok(contexts),
        Ok(other) => Err(format!("it is JSON, but of the kind {}", other.kind_name())),
        Err(error) => Err(not_json(&error)),
    }
}

fn not_json(error: &JsonError) -> String {
    format!("it is not JSON: {error}")
}

fn failure(error: &EvaluationError, has_contexts: bool) -> Failure {
    let EvaluationError::Syntax { error, .. } = error else {
        return Failure::new(error.to_string());
    };
    let SyntaxError { kind, message, hint, .. } = error;
    let failure = Failure::new(message.clone());
    match hint {
        Some(name) => failure.hint(format!("did you mean `{name}`?")),
        None if *kind == ErrorKind::Parsing
            && message.starts_with("Unrecognized named-value")
            && !has_contexts =>
        {
            failure.hint("contexts come from a file: --context FILE.json")
        }
        None => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(expression: &str, contexts_text: &str) -> String {
        let contexts = contexts(contexts_text).unwrap();
        match value(expression, &Scope::new(&contexts)) {
            Ok(value) => value.to_json_text(),
            Err(error) => failure(&error, !contexts.is_empty()).to_string(),
        }
    }

    #[test]
    fn the_value_is_printed_as_json() {
        let contexts = r#"{"github": {"ref": "refs/heads/main", "labels": [{"name": "a"}]}}"#;
        let cases = [
            ("github.ref", "\"refs/heads/main\""),
            ("github.REF == 'refs/heads/MAIN'", "true"),
            ("github.labels.*.name", "[\n  \"a\"\n]"),
            ("${{ 1 > 0 }}", "true"),
            (" ${{ github.ref }}!", "\"refs/heads/main!\""),
            ("", "null"),
            ("always()", "true"),
        ];
        for (expression, expected) in cases {
            assert_eq!(shown(expression, contexts), expected, "{expression}");
        }
    }

    #[test]
    fn what_has_no_value_says_why_and_what_to_do() {
        assert_eq!(
            shown("github.ref", "{}"),
            "error: Unrecognized named-value: 'github'. Located at position 1 within expression: \
             github.ref\nhint: contexts come from a file: --context FILE.json"
        );
        assert_eq!(
            shown("gihub.ref", r#"{"github": {}}"#),
            "error: Unrecognized named-value: 'gihub'. Located at position 1 within expression: \
             gihub.ref\nhint: did you mean `github`?"
        );
        assert_eq!(
            shown("format('{1}', 0)", "{}"),
            "error: The following format string references more arguments than were supplied: {1}"
        );
    }

    #[test]
    fn a_file_without_contexts_says_what_it_is() {
        assert_eq!(contexts("[]").unwrap_err(), "it is JSON, but of the kind Array");
        assert_eq!(
            contexts("{").unwrap_err(),
            "it is not JSON: a key in double quotes is missing at line 1, column 2"
        );
    }
}
