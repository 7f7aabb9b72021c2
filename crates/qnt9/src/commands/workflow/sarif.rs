//! Findings in SARIF 2.1.0, which code hosts and editors read.

use qnt9_workflow::lint::{CODES, Code, Severity};
use serde_json::{Value, json};

use super::check::Problem;

/// The document, with the rules of all codes that occur in it.
pub(super) fn document(problems: &[Problem]) -> String {
    let used = CODES.iter().filter(|code| problems.iter().any(|problem| problem.code == code.id));
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "qnt9",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": used.map(|code| rule(code)).collect::<Vec<_>>(),
            } },
            "results": problems.iter().map(result).collect::<Vec<_>>(),
        }],
    });
    format!("{document:#}")
}

fn rule(code: &Code) -> Value {
    json!({
        "id": code.id,
        "shortDescription": { "text": code.title },
        "fullDescription": { "text": code.explanation },
        "help": { "text": code.fix },
        "defaultConfiguration": { "level": level(code.severity) },
    })
}

fn result(problem: &Problem) -> Value {
    let text = match &problem.hint {
        Some(hint) => format!("{} ({hint})", problem.message),
        None => problem.message.clone(),
    };
    json!({
        "ruleId": problem.code,
        "level": level(problem.severity),
        "message": { "text": text },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": problem.file },
            "region": { "startLine": problem.line, "startColumn": problem.column },
        } }],
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}
