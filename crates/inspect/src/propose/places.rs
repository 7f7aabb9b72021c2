//! Where a repository is deployed, and what says that it is well.

use super::{Learned, Program};
use crate::Repository;
use crate::code::health_routes;
use crate::dockerfile::{asked, dockerfiles};
use crate::kubernetes::{Object, objects};
use crate::repository::name_of;
use crate::yaml::{Node, documents};

/// An environment to propose.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    pub(crate) name: Learned<String>,
    pub(crate) branches: Learned<Vec<String>>,
    /// Only by hand.
    pub(crate) manual: Option<Learned<()>>,
    pub(crate) replicas: Option<Learned<u32>>,
}

/// Whether an environment is the one that users use.
pub(crate) fn is_production(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["prod", "prd", "live"].iter().any(|word| name.starts_with(word) || name.ends_with(word))
}

/// Development before staging before production.
fn environment_order(name: &str) -> u8 {
    let lower = name.to_ascii_lowercase();
    match () {
        () if is_production(name) => 3,
        () if lower.starts_with("dev") || lower.starts_with("test") => 0,
        () if lower.starts_with("stag") || lower.starts_with("stg") || lower.starts_with("pre") => {
            2
        }
        () => 1,
    }
}

/// The environments that workflows or variable files name; staging and production where none is named.
pub(crate) fn environments(repository: &Repository, branch: &str) -> Vec<Environment> {
    let mut found = of_workflows(repository, branch);
    if found.is_empty() {
        found = of_variable_files(repository, branch);
    }
    if found.is_empty() {
        for name in ["staging", "production"] {
            found.push(plain(
                Learned::new(name.to_owned(), "assumed: no workflow names an environment"),
                branch,
            ));
        }
    }
    found.sort_by_key(|environment| environment_order(&environment.name.value));
    let replicas = replicas(repository);
    for environment in found.iter_mut().filter(|one| is_production(&one.name.value)) {
        environment.replicas = Some(
            replicas
                .clone()
                .unwrap_or_else(|| Learned::new(2, "assumed: two, so that one may fail")),
        );
    }
    found
}

fn plain(name: Learned<String>, branch: &str) -> Environment {
    let branches = Learned::new(vec![branch.to_owned()], "the branch that is checked out");
    Environment { name, branches, manual: None, replicas: None }
}

fn of_workflows(repository: &Repository, branch: &str) -> Vec<Environment> {
    let mut found: Vec<Environment> = Vec::new();
    for (path, text) in repository.workflows() {
        let Ok(documents) = documents(text) else { continue };
        let Some(root) = documents.first() else { continue };
        let (branches, is_manual) = triggers(root, path);
        for (_, job) in root.get("jobs").into_iter().flat_map(Node::entries) {
            let Some(environment) = job.get("environment") else { continue };
            let name = environment.get("name").unwrap_or(environment);
            let Some(text) = name.text().filter(|text| is_name(text)) else { continue };
            if found.iter().any(|known| known.name.value == text) {
                continue;
            }
            let from = format!("{path}:{}", name.place.line);
            let mut environment = plain(Learned::new(text.to_owned(), from), branch);
            if let Some(branches) = branches.clone() {
                environment.branches = branches;
            }
            environment.manual = is_manual.clone();
            found.push(environment);
        }
    }
    found
}

/// The plain branches whose push starts a workflow; and whether only a person does.
fn triggers(root: &Node, path: &str) -> (Option<Learned<Vec<String>>>, Option<Learned<()>>) {
    let Some(on) = root.get("on") else { return (None, None) };
    let branches = on.at(&["push", "branches"]);
    let named = branches.map(|node| {
        let names = node.texts().into_iter().filter_map(Node::text);
        let plain = names.filter(|name| !name.contains(['*', '!', '?', '[']));
        Learned::new(plain.map(str::to_owned).collect(), format!("{path}:{}", node.place.line))
    });
    let named = named.filter(|named: &Learned<Vec<String>>| !named.value.is_empty());
    let names: Vec<&str> = match on.texts().as_slice() {
        [] => on.entries().filter_map(|(key, _)| key.text()).collect(),
        texts => texts.iter().filter_map(|node| node.text()).collect(),
    };
    let is_manual = names == ["workflow_dispatch"];
    let manual =
        is_manual.then(|| Learned::new((), format!("{path}:{}: only dispatched", on.place.line)));
    (named, manual)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

fn of_variable_files(repository: &Repository, branch: &str) -> Vec<Environment> {
    let files = repository.paths().filter_map(|path| {
        let name = name_of(path).strip_suffix(".tfvars")?;
        let is_one = is_name(name) && !name.starts_with("terraform");
        is_one.then(|| plain(Learned::new(name.to_owned(), path.to_owned()), branch))
    });
    files.collect()
}

/// The replicas that a manifest asks for.
fn replicas(repository: &Repository) -> Option<Learned<u32>> {
    objects(repository).iter().filter(|object| object.kind == "Deployment").find_map(|object| {
        let node = object.root.at(&["spec", "replicas"])?;
        let number = node.text()?.parse().ok().filter(|number| (1..=100).contains(number))?;
        Some(Learned::new(number, format!("{}:{}", object.file, node.place.line)))
    })
}

/// The path that says whether the service is well: of a probe, a `HEALTHCHECK`, the source, or `/`.
pub(crate) fn health(repository: &Repository, program: &Program) -> Learned<String> {
    let of_source = || {
        let mut routes = health_routes(repository);
        // Readiness first: it asks what the program needs.
        routes.sort_by_key(|route| !name_of(&route.path).starts_with("ready"));
        routes
            .into_iter()
            .next()
            .map(|route| Learned::new(route.path, format!("{}:{}", route.file, route.line)))
    };
    let found = of_source().or_else(|| of_image(repository)).or_else(|| of_probe(repository));
    match found {
        Some(found) if !program.is_static => found,
        _ => Learned::new("/".to_owned(), "assumed: the front page"),
    }
}

fn of_probe(repository: &Repository) -> Option<Learned<String>> {
    objects(repository).iter().flat_map(Object::containers).find_map(|container| {
        let node = container.node.at(&["readinessProbe", "httpGet", "path"])?;
        Some(Learned::new(
            node.text()?.to_owned(),
            format!("{}:{}", container.file, node.place.line),
        ))
    })
}

fn of_image(repository: &Repository) -> Option<Learned<String>> {
    dockerfiles(repository).find_map(|(path, file)| {
        let check = file.last("HEALTHCHECK")?;
        let (_, asks) = asked(&check.args)?;
        Some(Learned::new(asks, format!("{path}:{}", check.line)))
    })
}
