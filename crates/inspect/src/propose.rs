//! Proposes what qnt9 needs to deliver a repository: a `qnt9.toml`, and a workflow where none delivers.

mod places;
mod program;
mod workflow;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::Repository;
use places::{Environment, environments, health, is_production};
use program::{Program, program};

/// The workflow that is proposed.
const WORKFLOW: &str = ".github/workflows/deliver.yml";

/// What the proposer cannot see in the repository.
#[derive(Clone, Debug)]
pub struct Wishes {
    /// The project's name.
    pub project: String,
    /// Who approves until somebody says otherwise.
    pub approver: String,
    /// The branch that is delivered.
    pub branch: String,
}

/// What is proposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proposal {
    /// The files, the rules first.
    pub files: Vec<Proposed>,
    /// Where each value comes from.
    pub sources: Vec<Source>,
    /// What a person should look at.
    pub notes: Vec<String>,
}

/// A file to write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proposed {
    /// From the top of the repository.
    pub path: String,
    /// Its whole text.
    pub text: String,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// What it is: `service.web.command`.
    pub key: String,
    /// The value.
    pub value: String,
    /// The file and line, or what was assumed.
    pub from: String,
}

/// Something that was learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Learned<T> {
    pub(crate) value: T,
    /// `package.json:7`, or what was assumed.
    pub(crate) from: String,
}

impl<T> Learned<T> {
    pub(crate) fn new(value: T, from: impl Into<String>) -> Self {
        Self { value, from: from.into() }
    }
}

/// Folders at most this deep are looked at for services of their own.
const SERVICE_FOLDERS_DEEP_MAX: usize = 2;

/// The folders of a repository that hold a service each, for one in which the top holds none.
pub fn services_below(repository: &Repository) -> Vec<String> {
    let ancestors = |path: &str| -> Vec<String> {
        let parts: Vec<&str> = path.split('/').collect();
        let deepest = (parts.len() - 1).min(SERVICE_FOLDERS_DEEP_MAX);
        (1..=deepest).map(|deep| parts[..deep].join("/")).collect()
    };
    let is_passed_over = |folder: &String| {
        let parts = ["node_modules", "vendor", "tests", "test", "docs", "examples"];
        folder.split('/').any(|part| part.starts_with('.') || parts.contains(&part))
    };
    let folders: BTreeSet<String> =
        repository.paths().flat_map(ancestors).filter(|folder| !is_passed_over(folder)).collect();
    let mut found: Vec<String> = Vec::new();
    for folder in folders {
        // What lies within a service belongs to it.
        if found.iter().any(|above| folder.starts_with(&format!("{above}/"))) {
            continue;
        }
        let within = repository.texts().filter_map(|(path, text)| {
            let path = path.strip_prefix(&format!("{folder}/"))?;
            Some((path.to_owned(), text.as_bytes().to_vec()))
        });
        if program(&Repository::new(within)).is_some() {
            found.push(folder);
        }
    }
    found
}

/// Proposes the files for a repository; `None` when nothing in it can be run as a service.
pub fn propose(repository: &Repository, wishes: &Wishes) -> Option<Proposal> {
    let program = program(repository)?;
    let health = health(repository, &program);
    let environments = environments(repository, &wishes.branch);
    let mut notes = program.notes.clone();
    if health.value == "/" && !program.is_static {
        notes.push(
            "no health path was found in the repository: `/` counts as well when it answers 200; better is a \
             path that asks what the program needs, such as its database"
                .to_owned(),
        );
    }
    let mut sources = Vec::new();
    let mut files = vec![Proposed {
        path: "qnt9.toml".to_owned(),
        text: rules(wishes, &program, &health, &environments, &mut sources),
    }];
    let delivers = repository.workflows().find(|(_, text)| text.contains("qnt9 deploy"));
    match delivers {
        Some((path, _)) => {
            notes.push(format!("{path} deploys with qnt9 already; no workflow is proposed"));
        }
        None => {
            let text = workflow::deliver(wishes, &program, &environments);
            files.push(Proposed { path: WORKFLOW.to_owned(), text });
            let others: Vec<&str> = repository.workflows().map(|(path, _)| path).collect();
            if !others.is_empty() {
                notes.push(format!(
                    "{} run as they are; none of them deploys with qnt9, so {WORKFLOW} does",
                    others.join(", ")
                ));
            }
        }
    }
    Some(Proposal { files, sources, notes })
}

/// The text of `qnt9.toml`; what each line comes from stands behind it.
fn rules(
    wishes: &Wishes,
    program: &Program,
    health: &Learned<String>,
    environments: &[Environment],
    sources: &mut Vec<Source>,
) -> String {
    let service = &program.service.value;
    let mut lines: Vec<(String, String)> = Vec::new();
    let mut line = |key: &str, text: String, value: String, from: &str| {
        let source = Source { key: key.to_owned(), value, from: from.to_owned() };
        lines.push((text, format!("# {}", source.from)));
        sources.push(source);
    };
    line(
        "project.name",
        format!("[project]\nname = {}", quoted(&wishes.project)),
        wishes.project.clone(),
        "the folder's name",
    );
    let command: Vec<String> = program.command.value.iter().map(|part| quoted(part)).collect();
    let command = format!("[{}]", command.join(", "));
    line("service", format!("\n[service.{service}]"), service.clone(), &program.service.from);
    let text = format!("command = {command}");
    line(&format!("service.{service}.command"), text, command, &program.command.from);
    let text = format!("health = {}", quoted(&health.value));
    line(&format!("service.{service}.health"), text, health.value.clone(), &health.from);
    for environment in environments {
        let name = &environment.name.value;
        let key = format!("environment.{name}");
        line(&key, format!("\n[environment.{name}]"), name.clone(), &environment.name.from);
        let branches: Vec<String> = environment.branches.value.iter().map(|b| quoted(b)).collect();
        let branches = format!("[{}]", branches.join(", "));
        let text = format!("branches = {branches}");
        line(&format!("{key}.branches"), text, branches, &environment.branches.from);
        if let Some(manual) = &environment.manual {
            let text = "trigger = \"manual\"".to_owned();
            line(&format!("{key}.trigger"), text, "manual".to_owned(), &manual.from);
        }
        if let Some(replicas) = &environment.replicas {
            let text = format!("replicas = {}", replicas.value);
            line(&format!("{key}.replicas"), text, replicas.value.to_string(), &replicas.from);
        }
        if is_production(name) {
            let approvals = format!(
                "{{ needed = 1, from = [{}], exclude = \"nobody\" }}",
                quoted(&wishes.approver)
            );
            let from = "you alone, so that nobody is locked out; with more people raise `needed` and write exclude = \"authors\"";
            line(&format!("{key}.approvals"), format!("approvals = {approvals}"), approvals, from);
        }
    }
    let mut text = String::from(
        "# How qnt9 delivers this repository; behind each line stands where it comes from. All keys: docs/gates.md of qnt9.\n\n",
    );
    for (code, comment) in lines {
        match code.rsplit_once('\n') {
            // A heading's comment stands behind it, the first key's below it.
            Some((before, last)) => text.push_str(&format!("{before}\n{last}  {comment}\n")),
            None => text.push_str(&format!("{code}  {comment}\n")),
        }
    }
    text
}

/// A basic string of TOML, JSON and YAML alike.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}
