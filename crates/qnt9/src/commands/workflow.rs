//! `qnt9 workflow`: what is wrong with workflow files, what an event would start, what a change changes.

mod check;
mod diff;
mod plan;
mod sarif;
pub mod scripts;
mod secrets;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cli::{Common, Workflow};
use crate::failure::Failure;

/// Where workflows lie in a repository.
const FOLDER: &str = ".github/workflows";

/// Carries out a command about workflow files.
pub async fn run(common: &Common, args: &Workflow) -> Result<ExitCode, Failure> {
    match args {
        Workflow::Check(args) => check::run(common, args).await,
        Workflow::Plan(args) => plan::run(common, args),
        Workflow::Diff(args) => diff::run(common, args).await,
    }
}

/// The workflow files of a folder, by name.
fn all(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let shown = folder.display();
    let entries = fs::read_dir(folder).map_err(|error| {
        Failure::because(format!("cannot read {shown}"), &error)
            .hint("run this in a repository, or name the files")
    })?;
    let mut files = Vec::new();
    for entry in entries {
        let path =
            entry.map_err(|error| Failure::because(format!("cannot read {shown}"), &error))?.path();
        if path.extension().is_some_and(|ending| ending == "yml" || ending == "yaml") {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Failure::new(format!("{shown} has no workflow: no .yml and no .yaml file")));
    }
    Ok(files)
}

fn read(file: &Path) -> Result<String, Failure> {
    fs::read_to_string(file)
        .map_err(|error| Failure::because(format!("cannot read {}", file.display()), &error))
}

/// The repository that a workflow file belongs to: the folder that holds `.github`, or else that in
/// which the command is called.
fn repository_of(file: &Path) -> PathBuf {
    let folder = file.parent().filter(|folder| folder.ends_with(FOLDER));
    match folder.and_then(|folder| folder.ancestors().nth(2)) {
        Some(root) if root.as_os_str().is_empty() => PathBuf::from("."),
        Some(root) => root.to_owned(),
        None => PathBuf::from("."),
    }
}

/// A file of a repository; none when the path leads out of it or nothing can be read there.
fn file_of(repository: &Path, path: &str) -> Option<String> {
    let path = Path::new(path);
    let is_inside = path
        .components()
        .all(|part| matches!(part, std::path::Component::Normal(_) | std::path::Component::CurDir));
    if is_inside { fs::read_to_string(repository.join(path)).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_s_workflows_are_found_by_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.yml", "a.yaml", "README.md"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let found = all(folder.path()).unwrap();
        let names: Vec<_> = found.iter().map(|path| path.file_name().unwrap()).collect();
        assert_eq!(names, ["a.yaml", "b.yml"]);
    }

    #[test]
    fn a_folder_without_workflows_is_said() {
        let folder = tempfile::tempdir().unwrap();
        assert!(all(folder.path()).unwrap_err().to_string().contains("has no workflow"));
        let gone = folder.path().join("gone");
        assert!(all(&gone).unwrap_err().to_string().contains("run this in a repository"));
    }

    #[test]
    fn files_are_read_within_the_repository_only() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "x").unwrap();
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        assert_eq!(file_of(folder.path(), "./a"), Some("x".to_owned()));
        assert_eq!(file_of(&inner, "../a"), None);
        assert_eq!(file_of(&inner, "/etc/hostname"), None);
        assert_eq!(repository_of(Path::new(".github/workflows/a.yml")), Path::new("."));
        assert_eq!(repository_of(Path::new("x/.github/workflows/a.yml")), Path::new("x"));
        assert_eq!(repository_of(Path::new("a.yml")), Path::new("."));
    }
}
