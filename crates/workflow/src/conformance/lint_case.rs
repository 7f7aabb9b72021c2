//! Cases of linters in the format of actionlint's suite: a workflow, and beside it the findings it must
//! yield, one a line: `file:line:column: message [rule]`, or a regular expression of such between `/`.
//!
//! The wording is everybody's own: a case passes when every line that it names has a finding. Within
//! a text of several lines the suite counts the line at which it begins. A workflow without findings
//! beside it must yield no error.

use super::Mismatch;
use crate::lint::{Finding, Severity, Surroundings, check};

/// What the cases of shell scripts need.
pub const SHELLCHECK: &str = "the program shellcheck";
/// Cases of actionlint that need more than the workflow, and what.
pub const BEYOND: [(&str, &str); 5] = [
    ("err/pyflakes_job_default_shell.yaml", "the program pyflakes"),
    ("err/pyflakes_workflow_default_shell.yaml", "the program pyflakes"),
    ("examples/pyflakes_integration.yaml", "the program pyflakes"),
    ("examples/shellcheck_integration.yaml", SHELLCHECK),
    ("examples/local_action_inputs.yaml", "the file of an action, which is not among the cases"),
];

/// Runs the case of a workflow; `expected` is the text beside it, if there is one, and `more` are
/// findings of other programs.
///
/// # Errors
/// The expected findings that did not come, or the errors that came unasked.
pub fn run(
    name: &str,
    text: &str,
    expected: Option<&str>,
    surroundings: &Surroundings<'_>,
    more: Vec<Finding>,
) -> Result<(), Mismatch> {
    let mut findings = check(name, text, surroundings);
    findings.extend(more);
    let Some(expected) = expected else { return accepted(&findings) };
    let missing: Vec<&str> = expected
        .lines()
        .filter(|line| !line.trim().is_empty())
        .filter(|line| !is_found(line, &findings))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Mismatch { expected: missing.join("\n"), got: list(&findings) })
}

fn accepted(findings: &[Finding]) -> Result<(), Mismatch> {
    let errors: Vec<Finding> = findings
        .iter()
        .filter(|finding| finding.code.severity == Severity::Error)
        .cloned()
        .collect();
    match errors.is_empty() {
        true => Ok(()),
        false => Err(Mismatch { expected: "no error".to_owned(), got: list(&errors) }),
    }
}

/// Whether a line that an expectation names has a finding. Line 0 is a file that cannot be read at all.
fn is_found(expectation: &str, findings: &[Finding]) -> bool {
    let line = expectation.split(':').nth(1).and_then(|line| line.parse::<u32>().ok());
    match line {
        Some(0) => findings.iter().any(|finding| finding.code.severity == Severity::Error),
        Some(line) => findings
            .iter()
            .any(|finding| finding.diagnostic.line == line || finding.value_line == line),
        None => false,
    }
}

fn list(findings: &[Finding]) -> String {
    let lines: Vec<String> = findings
        .iter()
        .map(|finding| format!("{} [{}]", finding.diagnostic, finding.code.id))
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_missed_by_its_line() {
        let text = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: [{ rum: x }]\n";
        let run = |expected| run("t.yml", text, expected, &Surroundings::NOTHING, Vec::new());
        assert_eq!(run(Some("test.yaml:5:15: unexpected key [syntax-check]\n")), Ok(()));
        assert_eq!(run(Some("/test\\.yaml:5:15: .+/")), Ok(()));
        assert_eq!(run(Some("test.yaml:4:1: x")).unwrap_err().expected, "test.yaml:4:1: x");
        assert!(run(None).unwrap_err().got.contains("Unexpected value 'rum'"));
    }
}
