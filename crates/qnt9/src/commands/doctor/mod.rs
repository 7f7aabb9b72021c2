//! `qnt9 doctor`: looks at this machine, a repository, an environment, and says what is lacking, where, why,
//! and what to do. It fetches nothing; it changes nothing unless `--fix` is said.

mod cluster;
mod environment;
mod machine;
mod repository;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use super::asking::{format, print};
use crate::cli::{Common, Doctor, DoctorWhat};
use crate::failure::{Exit, Failure};
use crate::render::count;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Ok,
    /// It works today by luck.
    Warn,
    /// It does not work, or will not.
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// `machine.git`, or the code of a mistake.
    pub id: String,
    /// `machine`, `workflow`, `terraform`, ...
    pub category: String,
    pub verdict: Verdict,
    /// What was found, in one sentence.
    pub found: String,
    /// What the check is for.
    pub explanation: String,
    /// What to do, where something is to be done.
    pub hint: Option<String>,
    /// Where in the repository.
    #[serde(flatten)]
    pub place: Option<Place>,
    /// `--fix` mended it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub fixed: bool,
}

/// A place in a file of the repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    pub file: String,
    /// From 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
}

impl Check {
    /// A check of this id, which came out well.
    pub fn ok(id: &str, found: impl Into<String>, explanation: &str) -> Self {
        let category = id.split('.').next().unwrap_or(id);
        Self {
            id: id.to_owned(),
            category: category.to_owned(),
            verdict: Verdict::Ok,
            found: found.into(),
            explanation: explanation.to_owned(),
            hint: None,
            place: None,
            fixed: false,
        }
    }

    /// The same, but not well.
    pub fn but(mut self, verdict: Verdict, hint: impl Into<String>) -> Self {
        self.verdict = verdict;
        self.hint = Some(hint.into());
        self
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Examination {
    checks: Vec<Check>,
    warnings: usize,
    failures: usize,
}

/// Looks; exit code 4 when something is lacking.
pub async fn run(common: &Common, args: &Doctor) -> Result<ExitCode, Failure> {
    let mut checks = match &args.what {
        None => {
            let mut checks = machine::look(common, args.fix).await?;
            if is_repository(&args.repo) {
                checks.extend(repository::look(&args.repo, repository::Part::Whole).await?);
            }
            checks
        }
        Some(DoctorWhat::Machine) => machine::look(common, args.fix).await?,
        Some(DoctorWhat::Repo) => repository::look(&args.repo, repository::Part::Whole).await?,
        Some(DoctorWhat::Workflow) => {
            repository::look(&args.repo, repository::Part::Workflows).await?
        }
        Some(DoctorWhat::Env { name }) => environment::look(common, name, &args.repo).await?,
        Some(DoctorWhat::Cluster) => cluster::look(common).await?,
    };
    select(&mut checks, &args.only, &args.skip)?;
    let number = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
    let (warnings, failures) = (number(Verdict::Warn), number(Verdict::Fail));
    let examination = Examination { checks, warnings, failures };
    print(format(common), &examination, text);
    Ok(if failures > 0 { ExitCode::from(Exit::Lacks as u8) } else { ExitCode::SUCCESS })
}

/// Whether a folder is one whose files are worth a look without being asked.
fn is_repository(folder: &Path) -> bool {
    [".git", "qnt9.toml", ".github/workflows"].iter().any(|name| folder.join(name).exists())
}

/// Keeps those that are wanted. A name that no check has is a mistake of the command line.
fn select(checks: &mut Vec<Check>, only: &[String], skip: &[String]) -> Result<(), Failure> {
    let is = |check: &Check, name: &String| {
        check.id.eq_ignore_ascii_case(name)
            || check.category.eq_ignore_ascii_case(name)
            || check.id.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case(name))
    };
    let is_code = |name: &&String| super::explain::is_known(name);
    for name in only.iter().chain(skip).filter(|name| !is_code(name)) {
        if !checks.iter().any(|check| is(check, name)) {
            let mut known: Vec<&str> = checks.iter().map(|check| check.category.as_str()).collect();
            known.dedup();
            return Err(Failure::usage(format!("no check of this examination is called `{name}`"))
                .hint(format!("categories: {}; `--json` shows every id", known.join(", "))));
        }
    }
    checks.retain(|check| only.is_empty() || only.iter().any(|name| is(check, name)));
    checks.retain(|check| !skip.iter().any(|name| is(check, name)));
    Ok(())
}

fn text(examination: &Examination) -> String {
    let Examination { checks, warnings, failures } = examination;
    let mut text = String::new();
    let mut category = "";
    let width =
        checks.iter().filter(|check| check.place.is_none()).map(|check| name(check).len()).max();
    let width = width.unwrap_or(0);
    for check in checks {
        if check.category != category {
            category = &check.category;
            text.push_str(&format!("{}{category}\n", if text.is_empty() { "" } else { "\n" }));
        }
        let sign = match check.verdict {
            Verdict::Ok => '✓',
            Verdict::Warn => '!',
            Verdict::Fail => '✗',
        };
        match &check.place {
            Some(Place { file, line, column }) => {
                text.push_str(&format!(
                    "  {sign} {file}:{line}:{column}  {}\n      {}\n",
                    check.id, check.found
                ));
            }
            None => text.push_str(&format!("  {sign} {:<width$}  {}\n", name(check), check.found)),
        }
        if let Some(hint) = &check.hint {
            text.push_str(&format!("      {hint}\n"));
        }
    }
    let well = checks.len() - warnings - failures;
    text.push_str(&format!("\n{well} well, {}, {failures} failed\n", count(*warnings, "warning")));
    let code = checks.iter().find(|check| check.place.is_some()).map(|check| &check.id);
    if let Some(code) = code {
        text.push_str(&format!("what a code means: qnt9 explain {code}\n"));
    }
    text
}

/// An id without its category.
fn name(check: &Check) -> &str {
    check.id.split_once('.').map_or(check.id.as_str(), |(_, name)| name)
}
