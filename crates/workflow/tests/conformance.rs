//! The cases of others that lie outside this repository, where they are there.

use std::fs;
use std::path::{Path, PathBuf};

use qnt9_workflow::conformance;

/// The files of a folder of cases beside the repository, if there is one.
#[expect(clippy::print_stdout, reason = "a test that has nothing to run says so")]
fn cases(folder: &str) -> Option<Vec<PathBuf>> {
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance").join(folder);
    let Ok(entries) = fs::read_dir(&root) else {
        println!("skipped: there are no cases at {}", root.display());
        return None;
    };
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.expect("an entry can be read").path()).collect();
    paths.sort();
    Some(paths)
}

#[test]
fn github_s_reader_cases_pass() {
    let Some(paths) = cases("workflow-reader") else { return };
    let mut failed = Vec::new();
    for path in &paths {
        let name = path.file_name().unwrap().to_str().unwrap();
        let text = fs::read_to_string(path).unwrap();
        if let Err(mismatch) = conformance::run_reader_case(name, &text) {
            println!("--- {name}\nexpected {}\ngot {}", mismatch.expected, mismatch.got);
            failed.push(name.to_owned());
        }
    }
    assert!(failed.is_empty(), "{} of {} failed: {failed:?}", failed.len(), paths.len());
}

#[test]
fn actionlint_s_cases_pass() {
    let mut failed = Vec::new();
    for folder in ["ok", "err", "examples"] {
        let Some(paths) = cases(&format!("actionlint/{folder}")) else { return };
        for path in paths.iter().filter(|path| path.extension().is_some_and(|it| it == "yaml")) {
            let name = format!("{folder}/{}", path.file_name().unwrap().to_str().unwrap());
            if conformance::BEYOND.iter().any(|(known, _)| *known == name) {
                continue;
            }
            let text = fs::read_to_string(path).unwrap();
            let expected = fs::read_to_string(path.with_extension("out")).ok();
            let surroundings = qnt9_workflow::lint::Surroundings::NOTHING;
            let result = conformance::run_lint_case(
                &name,
                &text,
                expected.as_deref(),
                &surroundings,
                vec![],
            );
            if let Err(mismatch) = result {
                println!("--- {name}\nexpected\n{}\ngot\n{}", mismatch.expected, mismatch.got);
                failed.push(name);
            }
        }
    }
    assert!(failed.is_empty(), "{} failed: {failed:?}", failed.len());
}
