//! `qnt9 conformance`: folders of cases that others wrote, run against this program.

mod actionlint;
mod workflows;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use qnt9_workflow::conformance::Mismatch;
use qnt9_workflow::conformance::expressions::expression_cases;
use serde::Serialize;

use super::asking::{format, print};
use crate::cli::{Common, Conformance};
use crate::failure::{Exit, Failure};

/// What `--json` prints.
#[derive(Default, Serialize)]
struct Report {
    passed: usize,
    failed: Vec<Failed>,
    /// Cases that need what is not here, and what.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    passed_over: Vec<String>,
}

/// A case that came out otherwise than it should.
#[derive(Serialize)]
struct Failed {
    /// The file it stands in.
    file: String,
    /// What it is called there.
    case: String,
    expected: String,
    got: String,
}

/// Runs the cases of a folder and prints those that fail.
pub async fn run(common: &Common, args: &Conformance) -> Result<ExitCode, Failure> {
    let mut report = Report::default();
    match args {
        Conformance::Expressions { dir } => expressions(dir, &mut report)?,
        Conformance::Workflows { dir } => workflows::run(dir, &mut report)?,
        Conformance::Actionlint { dir } => actionlint::run(dir, &mut report).await?,
    }
    print(format(common), &report, render);
    let passed = report.failed.is_empty();
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::from(Exit::Failed as u8) })
}

impl Report {
    fn count(&mut self, file: &Path, case: String, result: Result<(), Mismatch>) {
        match result {
            Ok(()) => self.passed += 1,
            Err(Mismatch { expected, got }) => {
                let file = file.display().to_string();
                self.failed.push(Failed { file, case, expected, got });
            }
        }
    }
}

fn expressions(dir: &Path, report: &mut Report) -> Result<(), Failure> {
    for file in files(dir, "json")? {
        let cases = expression_cases(&read(&file)?).map_err(|error| {
            Failure::because(format!("{} holds no cases", file.display()), &error)
        })?;
        for case in cases {
            let name = format!("{}: {}", case.group, case.expression);
            report.count(&file, name, case.run());
        }
    }
    Ok(())
}

/// The files of a folder that end so, by name; an error when there are none.
fn files(dir: &Path, extension: &str) -> Result<Vec<PathBuf>, Failure> {
    let shown = dir.display();
    let cannot = |error| Failure::because(format!("cannot read {shown}"), &error);
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(cannot)? {
        let file = entry.map_err(cannot)?.path();
        if file.extension().is_some_and(|found| found == extension) {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(Failure::new(format!("there is no .{extension} file in {shown}")));
    }
    files.sort();
    Ok(files)
}

fn read(file: &Path) -> Result<String, Failure> {
    let name = file.display();
    fs::read_to_string(file)
        .map_err(|error| Failure::because(format!("cannot read {name}"), &error))
}

fn render(report: &Report) -> String {
    let mut text = String::new();
    for Failed { file, case, expected, got } in &report.failed {
        let lines =
            [format!("{file}: {case}"), indented("expected", expected), indented("got", got)];
        text.push_str(&lines.join("\n"));
        text.push('\n');
    }
    for case in &report.passed_over {
        text.push_str(&format!("passed over: {case}\n"));
    }
    text.push_str(&format!("{} passed, {} failed", report.passed, report.failed.len()));
    text
}

/// A labelled text, its further lines indented like its first.
fn indented(label: &str, text: &str) -> String {
    format!("  {label}: {}", text.trim_end().replace('\n', "\n    "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn failures_are_printed_and_counted() {
        let cases = r#"{"sums": [
            {"expr": "1", "result": {"kind": "Number", "value": 1}},
            {"expr": "2", "result": {"kind": "Number", "value": 1}}
        ]}"#;
        let folder = folder(&[("b.json", cases), ("README.md", "no cases")]);
        let mut report = Report::default();
        expressions(folder.path(), &mut report).unwrap();
        let shown = render(&report).replace(&folder.path().display().to_string(), "DIR");
        expect_test::expect![[r#"
            DIR/b.json: sums: 2
              expected: Number 1
              got: Number 2
            1 passed, 1 failed"#]]
        .assert_eq(&shown);
    }

    #[test]
    fn a_folder_without_cases_is_an_error() {
        let empty = folder(&[]);
        let error = expressions(empty.path(), &mut Report::default()).unwrap_err();
        assert!(error.message.starts_with("there is no .json file in "), "{}", error.message);
        let broken = folder(&[("a.json", "{")]);
        let error = expressions(broken.path(), &mut Report::default()).unwrap_err();
        assert!(error.message.ends_with("a.json holds no cases: it is not JSON: a key in double quotes is missing at line 1, column 2"), "{}", error.message);
        let error = expressions(Path::new("/nowhere"), &mut Report::default()).unwrap_err();
        assert!(error.message.starts_with("cannot read /nowhere: "), "{}", error.message);
    }
}
