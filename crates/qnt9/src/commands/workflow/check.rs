//! `qnt9 workflow check`

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use qnt9_workflow::lint::{Finding, Severity, Surroundings, check};
use serde::Serialize;

use super::scripts::{self, File};
use super::{FOLDER, all, file_of, read, repository_of, sarif, secrets};
use crate::cli::{CheckFormat, Common, WorkflowCheck};
use crate::commands::asking::{format, print};
use crate::failure::{Exit, Failure};
use crate::render::{count, diagnostics};
use crate::talk::{self, Format};

/// Where repositories have actions of their own.
const ACTIONS: &str = ".github/actions";

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
pub(super) struct Problem {
    /// `qnt9 explain` tells what it means.
    pub(super) code: &'static str,
    pub(super) severity: Severity,
    pub(super) file: String,
    /// From 1.
    pub(super) line: u32,
    /// In characters, from 1.
    pub(super) column: u32,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl From<&Finding> for Problem {
    fn from(finding: &Finding) -> Self {
        let diagnostic = &finding.diagnostic;
        Self {
            code: finding.code.id,
            severity: finding.code.severity,
            file: diagnostic.file.clone(),
            line: diagnostic.line,
            column: diagnostic.column,
            message: diagnostic.message.clone(),
            hint: diagnostic.hint.clone(),
        }
    }
}

/// Says exactly what is wrong with workflow files.
pub(super) async fn run(common: &Common, args: &WorkflowCheck) -> Result<ExitCode, Failure> {
    let paths = if args.files.is_empty() { workflows_and_actions()? } else { args.files.clone() };
    let mut files = Vec::new();
    for path in &paths {
        files.push((path.display().to_string(), read(path)?));
    }
    let (secrets, unknown_secrets) = secrets::known(common, args.secrets.as_deref()).await?;
    let given: Vec<File<'_>> = files.iter().map(|(name, text)| File { name, text }).collect();
    let of_scripts = scripts::check(&given).await?;
    let is_for_people = format(common) == Format::Text && args.format.is_none();
    if is_for_people {
        unknown_secrets.iter().for_each(|note| talk::say(note));
        if of_scripts.is_none() {
            talk::say("note: shell scripts are not checked: shellcheck is not on PATH");
        }
    }
    let mut of_scripts = of_scripts.unwrap_or_default().into_iter();
    let mut checked = Checked { files: Vec::new(), problems: Vec::new() };
    let mut drawn = String::new();
    for (path, (name, text)) in paths.iter().zip(files) {
        let repository = repository_of(path);
        let surroundings = Surroundings {
            files: &|path| file_of(&repository, path),
            runner_labels: &args.label,
            secrets: secrets.as_deref(),
        };
        let mut findings = check(&name, &text, &surroundings);
        findings.extend(of_scripts.next().unwrap_or_default());
        findings.sort_by_key(|finding| (finding.diagnostic.line, finding.diagnostic.column));
        drawn.push_str(&diagnostics::findings(&text, &findings));
        checked.problems.extend(findings.iter().map(Problem::from));
        checked.files.push(name);
    }
    let errors = number_of(&checked, Severity::Error);
    match args.format {
        Some(CheckFormat::Sarif) => {
            talk::line(&sarif::document(&checked.problems));
        }
        None => print(format(common), &checked, |checked| format!("{drawn}{}", summary(checked))),
    }
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::from(Exit::Failed as u8) })
}

/// The workflows of this repository, and the actions where repositories have them.
fn workflows_and_actions() -> Result<Vec<PathBuf>, Failure> {
    let mut files = all(Path::new(FOLDER))?;
    let mut folders = vec![PathBuf::new()];
    // Without that folder there are no actions in it.
    if let Ok(entries) = fs::read_dir(ACTIONS) {
        let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        found.sort();
        folders.extend(found);
    }
    for folder in folders {
        let names = ["action.yml", "action.yaml"].map(|name| folder.join(name));
        files.extend(names.into_iter().find(|file| file.is_file()));
    }
    Ok(files)
}

fn number_of(checked: &Checked, severity: Severity) -> usize {
    checked.problems.iter().filter(|problem| problem.severity == severity).count()
}

fn summary(checked: &Checked) -> String {
    let files = count(checked.files.len(), "file");
    let (errors, warnings) =
        (number_of(checked, Severity::Error), number_of(checked, Severity::Warning));
    if errors + warnings == 0 {
        return format!("{files}: nothing is wrong");
    }
    let (errors, warnings) = (count(errors, "error"), count(warnings, "warning"));
    format!("{files}: {errors}, {warnings}; `qnt9 explain CODE` tells what a code means")
}
