use super::*;
use std::fs;
use std::path::Path;

/// Runs every file of cases in a folder; returns how many there were and what failed.
fn run_folder(folder: &Path) -> (usize, Vec<String>) {
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut count = 0;
    let mut failures = Vec::new();
    for file in files {
        let cases = expression_cases(&fs::read_to_string(&file).unwrap()).unwrap();
        for case in &cases {
            if let Err(Mismatch { expected, got }) = case.run() {
                let expression = &case.expression;
                failures.push(format!("{expression}\n  expected {expected}\n  got {got}"));
            }
        }
        count += cases.len();
    }
    (count, failures)
}

#[test]
fn githubs_own_cases_pass() {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance/expressions");
    if !folder.is_dir() {
        eprintln!("skipped: there are no outside cases at {}", folder.display());
        return;
    }
    let (count, failures) = run_folder(&folder);
    assert!(count > 0, "{} has no cases", folder.display());
    assert!(failures.is_empty(), "{} of {count} fail:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn our_own_cases_pass() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let (count, failures) = run_folder(&folder);
    assert!(count > 0, "{} has no cases", folder.display());
    assert!(failures.is_empty(), "{} of {count} fail:\n{}", failures.len(), failures.join("\n"));
}

fn failure(case: &str) -> String {
    let cases = expression_cases(&format!("{{\"group\": [{case}]}}")).unwrap();
    let Mismatch { expected, got } = cases[0].run().unwrap_err();
    format!("expected {expected}, got {got}")
}

#[test]
fn a_case_fails_when_kind_value_or_message_differ() {
    assert_eq!(
        failure(r#"{"expr": "1", "result": {"kind": "Number", "value": 2}}"#),
        "expected Number 2, got Number 1"
    );
    assert_eq!(
        failure(r#"{"expr": "1", "result": {"kind": "String", "value": 1}}"#),
        "expected String 1, got Number 1"
    );
    assert_eq!(
        failure(r#"{"expr": "a", "result": {"kind": "Null", "value": null}}"#),
        "expected Null null, got parsing error: Unrecognized named-value: 'a'. Located at position 1 \
         within expression: a"
    );
    assert_eq!(
        failure(r#"{"expr": "'", "err": {"kind": "parsing", "value": "Unexpected symbol"}}"#),
        "expected parsing error: Unexpected symbol, got lexing error: Unexpected symbol: '''. Located \
         at position 1 within expression: '"
    );
    assert_eq!(
        failure(r#"{"expr": "success()", "err": {"kind": "parsing", "value": "Located at 2"}}"#),
        "expected parsing error: Located at 2, got parsing error: Unrecognized function: 'success'. \
         Located at position 1 within expression: success()"
    );
}

#[test]
fn a_file_that_holds_no_cases_says_where() {
    let error = |json: &str| expression_cases(json).unwrap_err().to_string();
    assert_eq!(error("{"), "it is not JSON: a key in double quotes is missing at line 1, column 2");
    assert_eq!(error("[]"), "the file must be an object");
    assert_eq!(error(r#"{"a": {}}"#), "a must be a list of cases");
    assert_eq!(error(r#"{"a": [{}]}"#), "a[0] must be with either `result` or `err`");
    assert_eq!(
        error(r#"{"a": [{"err": {"kind": "parsing", "value": ""}}]}"#),
        "a[0].expr must be a string"
    );
    assert_eq!(
        error(r#"{"a": [{"expr": "1", "result": {"kind": "Null"}}]}"#),
        "a[0].result must be with a value"
    );
}
