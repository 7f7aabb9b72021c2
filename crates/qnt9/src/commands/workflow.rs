//! `qnt9 workflow check`

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use qnt9_workflow::Diagnostic;
use serde::Serialize;

use super::asking::{format, print};
use crate::cli::{Common, Workflow};
use crate::failure::{Exit, Failure};
use crate::render::{count, diagnostics};

/// Where workflows lie in a repository.
const FOLDER: &str = ".github/workflows";

/// What `--json` prints.
#[derive(Serialize)]
struct Checked {
    /// The files that were read.
    files: Vec<String>,
    /// What is wrong in them.
    problems: Vec<Problem>,
}

/// Something wrong.
#[derive(Serialize)]
struct Problem {
    file: String,
    /// From 1.
    line: u32,
    /// In characters, from 1.
    column: u32,
    message: String,
    hint: Option<String>,
}

impl From<&Diagnostic> for Problem {
    fn from(diagnostic: &Diagnostic) -> Self {
        Self {
            file: diagnostic.file.clone(),
            line: diagnostic.line,
            column: diagnostic.column,
            message: diagnostic.message.clone(),
            hint: diagnostic.hint.clone(),
        }
    }
}

/// Says exactly what is wrong with workflow files.
pub fn run(common: &Common, args: &Workflow) -> Result<ExitCode, Failure> {
    let Workflow::Check { files } = args;
    let files = if files.is_empty() { all(Path::new(FOLDER))? } else { files.clone() };
    let (mut checked, mut drawn) =
        (Checked { files: Vec::new(), problems: Vec::new() }, String::new());
    for file in &files {
        let name = file.display().to_string();
        let text = fs::read_to_string(file)
            .map_err(|error| Failure::because(format!("cannot read {name}"), &error))?;
        if let Err(diagnostics) = qnt9_workflow::parse(&name, &text) {
            drawn.push_str(&diagnostics::draw(&text, &diagnostics));
            checked.problems.extend(diagnostics.iter().map(Problem::from));
        }
        checked.files.push(name);
    }
    let right = checked.problems.is_empty();
    print(format(common), &checked, |checked| {
        let problems = match checked.problems.len() {
            0 => "nothing is wrong".to_owned(),
            number => count(number, "problem"),
        };
        format!("{drawn}{}: {problems}", count(checked.files.len(), "file"))
    });
    Ok(if right { ExitCode::SUCCESS } else { ExitCode::from(Exit::Failed as u8) })
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
}
