//! The house rules of ARCHITECTURE.md that a machine can check, from `cargo metadata` and the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// Which rooms may know which: the whole table, so that a new arrow is a decision.
const IMPORTS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("workflow", &["model"]),
    ("engine", &["model", "workflow"]),
    ("store", &["model"]),
    ("simulator", &["model", "workflow", "engine", "store"]),
    ("runner", &["model", "workflow"]),
    ("github", &["model", "store"]),
    ("terraform", &["model", "store"]),
    ("registry", &["model", "store"]),
    ("cluster", &["model"]),
    ("load", &["model"]),
    ("inspect", &[]),
    ("database", &["model"]),
    ("console", &["model", "engine", "workflow"]),
    (
        "server",
        &[
            "model",
            "workflow",
            "engine",
            "store",
            "runner",
            "github",
            "terraform",
            "registry",
            "cluster",
            "load",
            "console",
        ],
    ),
    (
        "qnt9",
        &[
            "model",
            "workflow",
            "engine",
            "store",
            "simulator",
            "runner",
            "cluster",
            "load",
            "database",
            "registry",
            "terraform",
            "inspect",
            "server",
        ],
    ),
];

const PURE: &[&str] = &["model", "workflow", "engine", "simulator"];

/// Licences that ask for nothing but their text.
const LICENCES: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "0BSD",
    "CDLA-Permissive-2.0",
    "Unlicense",
    "BSL-1.0",
    "CC0-1.0",
    "MIT-0",
];

/// Packages that the lock file holds in more than one version, at most this many.
const DUPLICATES_MAX: usize = 14;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the root").to_owned()
}

fn metadata() -> Metadata {
    let mut command = MetadataCommand::new();
    command.manifest_path(root().join("Cargo.toml")).other_options(vec!["--locked".to_owned()]);
    command.exec().expect("cargo metadata works")
}

/// Rust sources of a room, without its tests and examples.
fn sources(room: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("crates").join(room).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && path.file_name().is_none_or(|name| name != "tests.rs")
                && !path.iter().any(|part| part == "tests")
            {
                let text = fs::read_to_string(&path).expect("a source is text");
                // Unit tests at the end of a file may do what the room itself may not.
                let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
                found.push((path, text.to_owned()));
            }
        }
    }
    found
}

/// Lines of code (no comments) of these rooms that contain one of the words.
fn lines_with(rooms: &[&str], words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for room in rooms {
        for (path, text) in sources(room) {
            for (number, line) in text.lines().enumerate() {
                let code = line.trim_start();
                if !code.starts_with("//") && words.iter().any(|word| code.contains(word)) {
                    let path = path.strip_prefix(root()).expect("below the root").display();
                    found.push(format!("{path}:{}: {}", number + 1, code));
                }
            }
        }
    }
    found
}

fn rooms() -> Vec<String> {
    let entries = fs::read_dir(root().join("crates")).expect("there are crates").flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn rooms_but(left_out: &[&str]) -> Vec<String> {
    rooms().into_iter().filter(|room| !left_out.contains(&room.as_str())).collect()
}

fn check(found: &[String], rule: &str) {
    assert!(found.is_empty(), "{rule}:\n  {}", found.join("\n  "));
}

#[test]
fn rooms_know_only_the_rooms_they_may() {
    let metadata = metadata();
    let table: BTreeMap<&str, BTreeSet<&str>> =
        IMPORTS.iter().map(|(room, known)| (*room, known.iter().copied().collect())).collect();
    let mut wrong = Vec::new();
    for package in metadata.workspace_packages() {
        let name = package.name.strip_prefix("qnt9-").unwrap_or(&package.name);
        if name == "xtask" {
            continue;
        }
        let Some(may) = table.get(name) else {
            wrong.push(format!("{name} is not in the table"));
            continue;
        };
        for dependency in &package.dependencies {
            let ours = dependency.name.strip_prefix("qnt9-");
            if let Some(other) = ours.filter(|_| dependency.kind == DependencyKind::Normal)
                && !may.contains(other)
            {
                wrong.push(format!("{name} imports {other}"));
            }
        }
    }
    check(&wrong, "a room imports what it may not know");
}

#[test]
fn pure_rooms_ask_nothing_of_the_outside() {
    let words = [
        "std::fs",
        "std::net",
        "std::process",
        "std::thread",
        "std::env",
        "std::time::Instant",
        "SystemTime",
        "tokio",
        "HashMap",
        "HashSet",
        "getrandom",
        " rand::",
    ];
    check(&lines_with(PURE, &words), "model, workflow, engine and simulator are pure");
}

#[test]
fn only_the_binary_reads_the_environment_and_prints() {
    let rooms = rooms_but(&["qnt9"]);
    let rooms: Vec<&str> = rooms.iter().map(String::as_str).collect();
    let words =
        ["env::var", "env::args", "println!", "eprintln!", "print!(", "io::stdout", "io::stderr"];
    check(&lines_with(&rooms, &words), "only qnt9 reads environment and command line, and prints");
}

#[test]
fn only_the_runner_starts_processes() {
    let rooms = rooms_but(&["runner"]);
    let rooms: Vec<&str> = rooms.iter().map(String::as_str).collect();
    let words = ["process::Command", "Command::new("];
    let found = lines_with(&rooms, &words);
    let found: Vec<String> = found.into_iter().filter(|line| !line.contains("clap::")).collect();
    check(&found, "only runner starts processes");
}

#[test]
fn only_the_store_knows_sql() {
    let rooms = rooms_but(&["store", "runner", "database"]);
    let rooms: Vec<&str> = rooms.iter().map(String::as_str).collect();
    let words = ["rusqlite", "tokio_postgres", "INSERT INTO", "SELECT ", "CREATE TABLE"];
    check(
        &lines_with(&rooms, &words),
        "only store knows SQL (and runner and database, whose business databases are)",
    );
}

/// What a build without further wishes contains, and so every release.
#[test]
fn no_fault_is_planted_by_default() {
    let metadata = metadata();
    let nodes = &metadata.resolve.as_ref().expect("cargo resolves the workspace").nodes;
    let planted = nodes
        .iter()
        .filter(|node| node.features.iter().any(|feature| feature.as_str() == "planted"))
        .map(|node| node.id.to_string());
    check(&planted.collect::<Vec<_>>(), "planted faults are for the board alone");
}

#[test]
fn names_say_something() {
    let empty = ["utils", "util", "common", "helpers", "helper", "misc", "manager"];
    let mut wrong = Vec::new();
    for room in rooms() {
        for (path, _) in sources(&room) {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if empty.contains(&stem.as_str()) || empty.contains(&room.as_str()) {
                wrong.push(path.display().to_string());
            }
        }
    }
    check(&wrong, "no crate or module is called utils, common, helpers, misc or manager");
}

#[test]
fn every_room_opens_with_what_it_does() {
    let mut wrong = Vec::new();
    for room in rooms() {
        let source = root().join("crates").join(&room).join("src");
        let path = [source.join("lib.rs"), source.join("main.rs")].into_iter().find(|p| p.exists());
        let text = path.map(|path| fs::read_to_string(path).expect("a source is text"));
        if !text.is_some_and(|text| text.starts_with("//! ")) {
            wrong.push(room);
        }
    }
    check(&wrong, "each crate's first lines say what it does and what it does not do");
}

#[test]
fn licences_are_permissive() {
    let mut wrong = Vec::new();
    for package in &metadata().packages {
        let Some(licence) = &package.license else {
            wrong.push(format!("{} names no licence", package.name));
            continue;
        };
        let licence = licence.replace('/', " OR ");
        let allows = |part: &str| {
            let part = part.trim().trim_matches(['(', ')']);
            part.split(" AND ").all(|one| {
                let one = one.trim().trim_matches(['(', ')']);
                let one = one.split(" WITH ").next().unwrap_or(one).trim();
                LICENCES.contains(&one)
            })
        };
        let any_of_or = licence.split(" OR ").any(allows);
        let all_of_and = licence.split(" AND ").all(|group| group.split(" OR ").any(allows));
        if !(any_of_or || all_of_and) {
            wrong.push(format!("{}: {licence}", package.name));
        }
    }
    check(&wrong, "licences are permissive");
}

#[test]
fn duplicate_versions_stay_few() {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in &metadata().packages {
        versions.entry(package.name.to_string()).or_default().insert(package.version.to_string());
    }
    let twice: Vec<String> = versions
        .iter()
        .filter(|(name, versions)| {
            // Windows import libraries are never compiled here.
            versions.len() > 1 && !name.starts_with("windows")
        })
        .map(|(name, versions)| format!("{name}: {versions:?}"))
        .collect();
    assert!(
        twice.len() <= DUPLICATES_MAX,
        "at most {DUPLICATES_MAX} packages in two versions:\n  {}",
        twice.join("\n  ")
    );
}

/// Delivering the reference system must work on a machine that has compiled qnt9 and has no network.
#[test]
fn the_reference_system_needs_no_package_that_qnt9_does_not() {
    let packages = |path: &Path| -> BTreeSet<String> {
        let text = fs::read_to_string(path).expect("there is a lock file");
        let value = |line: &str, key: &str| {
            line.strip_prefix(key).map(|rest| rest.trim_matches([' ', '=', '"']).to_owned())
        };
        let mut found = BTreeSet::new();
        for package in text.split("[[package]]").filter(|text| text.contains("source = ")) {
            let name = package.lines().find_map(|line| value(line, "name"));
            let version = package.lines().find_map(|line| value(line, "version"));
            found.extend(name.zip(version).map(|(name, version)| format!("{name} {version}")));
        }
        found
    };
    let ours = packages(&root().join("Cargo.lock"));
    let theirs = packages(&root().join("qnt9-srs").join("Cargo.lock"));
    let extra: Vec<String> = theirs.difference(&ours).cloned().collect();
    assert!(!theirs.is_empty());
    check(&extra, "qnt9-srs/Cargo.lock holds only packages of ours");
}
