//! What is wrong with a workflow beyond its grammar, and what will go wrong with it.
//!
//! [`check`] gives everything that can be said of one file: what GitHub refuses, in its words, and
//! findings of our own. Each has a code; [`CODES`] explains them all.

mod actions;
mod codes;
mod composite;
mod contexts;
mod events;
mod expressions;
mod grants;
mod jobs;
mod matrices;
mod reach;
mod runners;
pub mod scripts;
mod types;
mod untrusted;
mod walk;

pub use codes::CODES;

use serde::Serialize;

use crate::Diagnostic;
use crate::language::{Problem, Token};
use crate::plan::{Options, Outcome, read, read_action};
use crate::source::Source;
use walk::{Role, Walk};

/// A kind of finding, known by its code.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Code {
    /// Such as `QX1020`.
    pub id: &'static str,
    pub severity: Severity,
    /// A few words.
    pub title: &'static str,
    /// Why it is a mistake, and what happens.
    pub explanation: &'static str,
    /// How it looks.
    pub example: &'static str,
    /// How it is mended.
    pub fix: &'static str,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// It cannot run, or cannot do what it says.
    Error,
    /// It runs, and something about it is dangerous or in vain.
    Warning,
}

/// Something found in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub code: &'static Code,
    pub diagnostic: Diagnostic,
    /// The line at which the value begins in which it stands: that of the key of a script, say.
    pub value_line: u32,
}

/// What is known of the repository and the machine around a workflow.
pub struct Surroundings<'a> {
    /// Takes a path of the repository to the text of the file, if there is one.
    pub files: &'a dyn Fn(&str) -> Option<String>,
    /// Labels of runners of one's own.
    pub runner_labels: &'a [String],
    /// The secrets that are set, where that is known.
    pub secrets: Option<&'a [KnownSecret]>,
}

/// A secret that is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownSecret {
    pub name: String,
    /// The environment whose jobs receive it; all jobs do without one.
    pub environment: Option<String>,
}

impl Surroundings<'_> {
    /// Where nothing is known.
    pub const NOTHING: Surroundings<'static> =
        Surroundings { files: &|_| None, runner_labels: &[], secrets: None };
}

/// Everything that can be said of a workflow, in the order of the file; of an action, if the file is
/// named so.
pub fn check(file: &str, text: &str, surroundings: &Surroundings<'_>) -> Vec<Finding> {
    let mut findings = if is_action(file) {
        of_action(file, text, surroundings)
    } else {
        of_workflow(file, text, surroundings)
    };
    findings.sort_by(|left, right| key(left).cmp(&key(right)));
    findings.dedup();
    findings
}

fn of_action(file: &str, text: &str, surroundings: &Surroundings<'_>) -> Vec<Finding> {
    let outcome = read_action(file, text, &Options::default());
    let mut findings = of_problems(&outcome.problems);
    if let Some(root) = &outcome.root {
        let source = Source::new(file, text);
        let mut walk = Walk { source: &source, surroundings, findings: Vec::new() };
        walk.composite(root);
        findings.extend(walk.findings);
    }
    findings
}

fn of_workflow(file: &str, text: &str, surroundings: &Surroundings<'_>) -> Vec<Finding> {
    let options = Options::default();
    let nothing_is_called = |_: &str| Err("calls are not followed here".to_owned());
    let outcome = read(file, text, &nothing_is_called, &options);
    let mut findings = of_problems(&outcome.problems);
    // What GitHub would say once the rest is right, and does not say before.
    findings.extend(of_problems(&outcome.later));
    findings.extend(of_meaning(file, text, &outcome, surroundings));
    findings
}

/// What contradicts itself in `on:`, so that no run can be made of it.
pub(crate) fn contradictions(file: &str, text: &str, root: Option<&Token>) -> Vec<Diagnostic> {
    let source = Source::new(file, text);
    let mut walk =
        Walk { source: &source, surroundings: &Surroundings::NOTHING, findings: Vec::new() };
    if let Some(on) = root.and_then(|root| root.get("on")) {
        walk.events(on, &contexts::of_workflow(Some(on)));
    }
    let errors = walk.findings.into_iter();
    errors
        .filter(|finding| finding.code.severity == Severity::Error)
        .map(|finding| finding.diagnostic)
        .collect()
}

/// The names of the secrets that anything below a token names.
pub(crate) fn secrets_below(token: &Token) -> Vec<String> {
    let mut found = Vec::new();
    jobs::collect_secrets(token, &mut found);
    found.into_iter().map(|(_, name)| name).collect()
}

/// Whether a file is an action rather than a workflow, by its name.
pub fn is_action(file: &str) -> bool {
    matches!(file.rsplit('/').next(), Some("action.yml" | "action.yaml"))
}

fn key(finding: &Finding) -> (u32, u32, &'static str) {
    (finding.diagnostic.line, finding.diagnostic.column, finding.code.id)
}

fn of_problems(problems: &[Problem]) -> Vec<Finding> {
    let finding = |problem: &Problem| Finding {
        code: codes::language(),
        diagnostic: problem.diagnostic.clone(),
        value_line: problem.diagnostic.line,
    };
    problems.iter().map(finding).collect()
}

fn of_meaning(
    file: &str,
    text: &str,
    outcome: &Outcome,
    surroundings: &Surroundings<'_>,
) -> Vec<Finding> {
    let source = Source::new(file, text);
    let mut walk = Walk { source: &source, surroundings, findings: Vec::new() };
    walk.mixed(&outcome.mixed);
    walk.anchors(&outcome.anchors);
    if let Some(root) = &outcome.root {
        walk.workflow(root);
    }
    walk.findings
}

#[cfg(test)]
mod tests;
