//! Real mistakes of real pipelines, each in a folder of its own beside what must be said of it: every one is
//! found at its line, and repositories without a mistake have no finding.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use qnt9_inspect::{Month, Repository, Wishes, inspect, propose};

/// The calendar of versions is read as of this month, so that the tests say the same next year.
const TODAY: Month = Month { year: 2026, month: 11 };

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(folder: &Path) -> Repository {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                if !["target", "demo"].contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if name != "expected.toml" {
                files.push((name, fs::read(&path).unwrap()));
            }
        }
    }
    Repository::new(files)
}

#[test]
fn every_mistake_is_found_where_it_is() {
    let mut missed = Vec::new();
    let mut seen = 0;
    for entry in fs::read_dir(crates().join("qnt9/tests/mistakes")).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(folder.join("expected.toml")).unwrap();
        let expected: toml_edit::DocumentMut = text.parse().unwrap();
        let word = |key: &str| expected[key].as_str().unwrap().to_owned();
        // The other commands are tried with the whole program.
        if word("command") != "doctor repo" {
            continue;
        }
        seen += 1;
        let mut repository = read(&folder);
        if let Some(branches) = expected.get("branches").and_then(|all| all.as_array()) {
            let names = branches.iter().map(|name| name.as_str().unwrap().to_owned());
            repository = repository.with_branches(names);
        }
        let findings = inspect(&repository, TODAY);
        let line = u32::try_from(expected["line"].as_integer().unwrap()).unwrap();
        let is_it = findings.iter().any(|finding| {
            finding.code == word("code")
                && finding.file == word("file")
                && finding.line == line
                && format!("{} {}", finding.message, finding.hint).contains(&word("fix"))
        });
        // What one mistake is besides: a value that is no base64 is still a secret in a file.
        let also: Vec<&str> = expected
            .get("also")
            .and_then(|codes| codes.as_array())
            .map(|codes| codes.iter().filter_map(|code| code.as_str()).collect())
            .unwrap_or_default();
        let is_other =
            |code: &str| code != expected["code"].as_str().unwrap() && !also.contains(&code);
        let others = findings.iter().filter(|finding| is_other(finding.code)).count();
        if !is_it || others > 0 {
            missed.push(format!("{name}: {text}{findings:#?}"));
        }
    }
    assert!(seen >= 30, "{seen}");
    assert!(missed.is_empty(), "{} of {seen}:\n{}", missed.len(), missed.join("\n"));
}

#[test]
fn repositories_without_a_mistake_have_no_finding() {
    let projects = crates().join("qnt9/tests/projects");
    let mut good: Vec<PathBuf> =
        fs::read_dir(projects).unwrap().map(|entry| entry.unwrap().path()).collect();
    // What people of other habits write: charts, called modules, overlays, images in stages.
    let others = fs::read_dir(crates().join("inspect/tests/good")).unwrap();
    good.extend(others.map(|entry| entry.unwrap().path()));
    good.push(crates().parent().unwrap().join("qnt9-srs"));
    let found = |folder: &PathBuf| {
        let findings = inspect(&read(folder), TODAY);
        (!findings.is_empty()).then(|| format!("{}: {findings:#?}", folder.display()))
    };
    let alarms: Vec<String> = good.iter().filter_map(found).collect();
    assert!(alarms.is_empty(), "{}", alarms.join("\n"));
}

/// Every file of the mistakes, to be torn.
fn material() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(crates().join("qnt9/tests/mistakes")).unwrap() {
        let repository = read(&entry.unwrap().path());
        let of_one = repository
            .paths()
            .filter_map(|path| Some((path.to_owned(), repository.text(path)?.as_bytes().to_vec())));
        files.extend(of_one.collect::<Vec<_>>());
    }
    files
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever is left of a file, it is looked at to its end, and what is found has a place in it.
    #[test]
    fn torn_files_are_looked_at_too(seeds in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0usize..60, "[\\PC\n]{0,8}"), 1..6)) {
        let material = material();
        let mut files = Vec::new();
        for (which, at, length, instead) in seeds {
            let (path, content) = which.get(&material).clone();
            let text = String::from_utf8(content).unwrap();
            let mut characters: Vec<char> = text.chars().collect();
            if !characters.is_empty() {
                let from = at.index(characters.len());
                let to = (from + length).min(characters.len());
                characters.splice(from..to, instead.chars());
            }
            files.push((path, characters.into_iter().collect::<String>().into_bytes()));
        }
        let repository = Repository::new(files);
        for finding in inspect(&repository, TODAY) {
            let lines = repository.text(&finding.file).unwrap().lines().count();
            prop_assert!((1..=lines.max(1) + 1).contains(&(finding.line as usize)), "{finding:?} of {lines} lines");
            prop_assert!(!finding.message.is_empty() && !finding.hint.is_empty());
        }
        qnt9_inspect::secret::references(&repository);
        let wishes = Wishes { project: "p".to_owned(), approver: "a".to_owned(), branch: "main".to_owned() };
        propose(&repository, &wishes);
    }
}
