//! Real mistakes of real pipelines, one folder each: the command that `expected.toml` names finds the mistake
//! at its line, by its code, and says what to do. And repositories without a mistake are left alone.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn folders(of: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(tests().join(of)).unwrap();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

/// Runs the program in a folder of a copy, so that git knows nothing of what lies around it.
fn qnt9(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_qnt9"))
        .args(args)
        .arg("--json")
        .current_dir(folder)
        .env("XDG_CONFIG_HOME", folder.join("../config"))
        .env("XDG_DATA_HOME", folder.join("../data"))
        .output()
        .unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, to).unwrap();
        }
    }
}

/// Everything that an answer of any command says of places: code, file, line, text.
fn findings(answer: &Value) -> Vec<(String, String, u64, String)> {
    let text = |value: &Value, keys: &[&str]| {
        keys.iter().find_map(|key| value[*key].as_str()).unwrap_or_default().to_owned()
    };
    let lists = ["checks", "problems", "findings", "secrets"];
    let found = lists.iter().filter_map(|key| answer[*key].as_array()).flatten();
    let mut all = Vec::new();
    for one in found {
        let code = text(one, &["code", "id"]);
        let said = format!("{} {}", text(one, &["message", "found"]), text(one, &["hint"]));
        match one["places"].as_array() {
            Some(places) => all.extend(places.iter().map(|place| {
                (
                    code.clone(),
                    text(place, &["file"]),
                    place["line"].as_u64().unwrap_or(0),
                    said.clone(),
                )
            })),
            None => all.push((code, text(one, &["file"]), one["line"].as_u64().unwrap_or(0), said)),
        }
    }
    all
}

#[test]
fn every_mistake_is_named_at_its_line_with_its_fix() {
    let mut missed = Vec::new();
    let all = folders("mistakes");
    for folder in &all {
        let name = folder.file_name().unwrap().to_str().unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let place = scratch.path().join("repo");
        copy(folder, &place);
        let text = fs::read_to_string(place.join("expected.toml")).unwrap();
        fs::remove_file(place.join("expected.toml")).unwrap();
        let expected: toml_edit::DocumentMut = text.parse().unwrap();
        let word = |key: &str| expected[key].as_str().unwrap().to_owned();
        if let Some(branches) = expected.get("branches").and_then(|all| all.as_array()) {
            make_branches(&place, branches.iter().map(|branch| branch.as_str().unwrap()));
        }
        let command = word("command");
        let output = qnt9(&place, &command.split(' ').collect::<Vec<_>>());
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let line = u64::try_from(expected["line"].as_integer().unwrap()).unwrap();
        let is_it = findings(&answer).iter().any(|(code, file, at, said)| {
            *code == word("code")
                && *file == word("file")
                && *at == line
                && said.contains(&word("fix"))
        });
        if !is_it {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let also = String::from_utf8_lossy(&output.stderr).into_owned();
            missed.push(format!("{name}: {text}{said}{also}"));
        }
    }
    assert!(all.len() >= 30, "{}", all.len());
    assert!(missed.is_empty(), "{} of {}:\n{}", missed.len(), all.len(), missed.join("\n"));
}

/// Makes the folder a repository with these branches, the first one checked out.
fn make_branches<'a>(folder: &Path, branches: impl Iterator<Item = &'a str>) {
    let git = |args: &[&str]| {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=a", "-c", "user.email=a@example.com"]).args(args);
        let output = command.current_dir(folder).env("GIT_CONFIG_NOSYSTEM", "1").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    for (at, branch) in branches.enumerate() {
        match at {
            0 => {
                git(&["init", "-q", "-b", branch]);
                git(&["add", "."]);
                git(&["commit", "-q", "-m", "All"]);
            }
            _ => git(&["branch", branch]),
        }
    }
}

#[test]
fn repositories_without_a_mistake_are_left_alone() {
    let mut good = folders("projects");
    good.push(tests().join("../../../qnt9-srs"));
    for folder in good {
        let output = qnt9(&folder, &["doctor", "repo"]);
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answer["failures"], 0, "{}: {answer:#}", folder.display());
        assert_eq!(output.status.code(), Some(0), "{}", folder.display());
    }
}
