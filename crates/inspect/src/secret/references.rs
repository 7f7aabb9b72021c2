//! Where a repository refers to secrets.

use hcl_edit::Span as _;
use serde::Serialize;

use crate::Repository;
use crate::flow::{Flow, Job};
use crate::kubernetes::objects;
use crate::terraform::{Module, label};
use crate::yaml::Node;

/// What refers to a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReferredBy {
    /// `${{ secrets.NAME }}`
    Workflow,
    /// A sensitive variable without a value, as `TF_VAR_NAME`.
    Terraform,
    /// `secretKeyRef` to a Secret that no manifest has, as `SECRET/KEY`.
    Manifest,
}

/// A place that refers to a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Reference {
    /// The secret.
    pub name: String,
    /// What refers to it.
    pub by: ReferredBy,
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
    /// The environment of the job; `None` for a job without one.
    pub environment: Option<String>,
    /// Whether the environment is known only when the job runs.
    pub is_computed: bool,
}

/// Every reference of a repository, by name.
pub fn references(repository: &Repository) -> Vec<Reference> {
    let flows = Flow::all(repository);
    let mut found = Vec::new();
    for flow in &flows {
        of_flow(flow, &mut found);
    }
    of_terraform(repository, &flows, &mut found);
    of_manifests(repository, &flows, &mut found);
    found.sort();
    found.dedup();
    found
}

fn of_flow(flow: &Flow, found: &mut Vec<Reference>) {
    for (key, node) in
        flow.root.entries().filter(|(key, _)| !matches!(key.text(), Some("jobs" | "on")))
    {
        in_tree(flow, key.text().unwrap_or_default(), node, None, found);
    }
    for job in flow.jobs() {
        in_tree(flow, "", job.node, Some(job), found);
    }
}

fn in_tree(flow: &Flow, key: &str, node: &Node, job: Option<Job<'_>>, found: &mut Vec<Reference>) {
    let environment = job.and_then(|job| job.environment()).and_then(Node::text);
    let is_computed = environment.is_some_and(|name| name.contains("${{"));
    let mut scalars = Vec::new();
    node.scalars(key, &mut scalars);
    for (key, scalar) in scalars {
        for (line, text) in scalar.lines() {
            // Outside of `${{ }}` only conditions are expressions.
            if key != "if" && !text.contains("${{") {
                continue;
            }
            for name in names(text) {
                found.push(Reference {
                    name: name.to_owned(),
                    by: ReferredBy::Workflow,
                    file: flow.file.clone(),
                    line,
                    column: scalar.place.column,
                    environment: environment.filter(|_| !is_computed).map(str::to_owned),
                    is_computed,
                });
            }
        }
    }
}

/// The names after `secrets.` and in `secrets['..']`.
fn names(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (at, word) in text.match_indices("secrets") {
        let is_part = text[..at].ends_with(|c: char| {
            c.is_ascii_alphanumeric() || c == '_' || c == '.' || c == '-' || c == '/'
        });
        let rest = &text[at + word.len()..];
        let name = match rest.strip_prefix('.') {
            Some(rest) => rest,
            None => match rest.strip_prefix("['").or_else(|| rest.strip_prefix("[\"")) {
                Some(rest) => rest,
                None => continue,
            },
        };
        let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
        // GitHub sets this one itself.
        if !is_part && end > 0 && !name[..end].eq_ignore_ascii_case("GITHUB_TOKEN") {
            found.push(&name[..end]);
        }
    }
    found
}

/// Sensitive variables that no file and no workflow gives a value.
fn of_terraform(repository: &Repository, flows: &[Flow], found: &mut Vec<Reference>) {
    let scripts: Vec<String> =
        flows.iter().filter_map(|flow| repository.text(&flow.file).map(str::to_owned)).collect();
    let set: Vec<String> = repository
        .ending(&[".tfvars"])
        .filter_map(|(_, text)| hcl_edit::parser::parse_body(text).ok())
        .flat_map(|body| {
            body.attributes().map(|one| one.key.as_str().to_owned()).collect::<Vec<_>>()
        })
        .collect();
    for module in Module::all(repository).iter().filter(|module| module.is_root()) {
        for (file, block) in module.blocks("variable") {
            let Some(name) = label(block, 0) else { continue };
            let is_sensitive = block
                .body
                .get_attribute("sensitive")
                .is_some_and(|one| one.value.as_bool() == Some(true));
            let is_given = block.body.has_attribute("default")
                || set.iter().any(|one| one == name)
                || scripts.iter().any(|script| {
                    script.contains(&format!("TF_VAR_{name}"))
                        || script.contains(&format!("-var {name}="))
                        || script.contains(&format!("-var=\"{name}="))
                });
            if is_sensitive && !is_given {
                let place = file.place(block.span());
                found.push(Reference {
                    name: format!("TF_VAR_{name}"),
                    by: ReferredBy::Terraform,
                    file: file.path.to_owned(),
                    line: place.line,
                    column: place.column,
                    environment: None,
                    is_computed: true,
                });
            }
        }
    }
}

/// Keys of Secrets that no manifest has and no script makes.
fn of_manifests(repository: &Repository, flows: &[Flow], found: &mut Vec<Reference>) {
    let objects = objects(repository);
    let makes = |name: &str| {
        let made = objects.iter().any(|one| {
            matches!(one.kind.as_str(), "Secret" | "ExternalSecret" | "SealedSecret")
                && one.name == name
        });
        let script = |script: &Node| {
            script.text().is_some_and(|text| text.contains("create secret") && text.contains(name))
        };
        made || flows.iter().any(|flow| flow.scripts().any(|(_, one)| script(one)))
    };
    for object in &objects {
        for container in object.containers() {
            for entry in container.node.get("env").map(Node::items).unwrap_or_default() {
                let Some(reference) = entry.at(&["valueFrom", "secretKeyRef"]) else { continue };
                let Some((name, key)) =
                    reference.text_at(&["name"]).zip(reference.text_at(&["key"]))
                else {
                    continue;
                };
                if reference.text_at(&["optional"]) == Some("true") || makes(name) {
                    continue;
                }
                found.push(Reference {
                    name: format!("{name}/{key}"),
                    by: ReferredBy::Manifest,
                    file: object.file.clone(),
                    line: reference.place.line,
                    column: reference.place.column,
                    environment: None,
                    is_computed: true,
                });
            }
        }
    }
}
