//! Workflow files as people wrote them, whether or not every word of them can be run.

use crate::Repository;
use crate::yaml::{Node, documents};

/// One workflow file.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) file: String,
    pub(crate) root: Node,
}

/// One job of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job<'a> {
    pub(crate) key: &'a str,
    pub(crate) name: &'a Node,
    pub(crate) node: &'a Node,
}

impl Flow {
    /// The workflows of a repository that are YAML at all.
    pub(crate) fn all(repository: &Repository) -> Vec<Self> {
        let read = |(file, text): (&str, &str)| {
            let root = documents(text).ok()?.into_iter().next()?;
            Some(Self { file: file.to_owned(), root })
        };
        repository.workflows().filter_map(read).collect()
    }

    pub(crate) fn jobs(&self) -> impl Iterator<Item = Job<'_>> {
        let jobs = self.root.get("jobs").into_iter().flat_map(Node::entries);
        jobs.filter_map(|(name, node)| Some(Job { key: name.text()?, name, node }))
    }

    /// Every `run:` with its job.
    pub(crate) fn scripts(&self) -> impl Iterator<Item = (Job<'_>, &Node)> {
        self.jobs().flat_map(|job| {
            job.steps().iter().filter_map(move |step| Some((job, step.get("run")?)))
        })
    }

    /// Every `uses:` of a step, with its step and its job.
    pub(crate) fn uses(&self) -> impl Iterator<Item = (Job<'_>, &Node, &Node)> {
        self.jobs().flat_map(|job| {
            job.steps().iter().filter_map(move |step| Some((job, step, step.get("uses")?)))
        })
    }

    /// The value of an event under `on:`; `None` when the event starts nothing here.
    pub(crate) fn event(&self, name: &str) -> Option<&Node> {
        let on = self.root.get("on")?;
        on.get(name).or_else(|| on.texts().into_iter().find(|node| node.text() == Some(name)))
    }

    /// The names of its events.
    pub(crate) fn events(&self) -> Vec<&str> {
        let Some(on) = self.root.get("on") else { return Vec::new() };
        match on.texts().as_slice() {
            [] => on.entries().filter_map(|(key, _)| key.text()).collect(),
            texts => texts.iter().filter_map(|node| node.text()).collect(),
        }
    }
}

impl<'a> Job<'a> {
    pub(crate) fn steps(&self) -> &'a [Node] {
        self.node.get("steps").map_or(&[], Node::items)
    }

    /// The keys of the jobs it needs.
    pub(crate) fn needs(&self) -> Vec<&'a Node> {
        self.node.get("needs").map(Node::texts).unwrap_or_default()
    }

    /// The name of its environment, which may be an expression.
    pub(crate) fn environment(&self) -> Option<&'a Node> {
        let environment = self.node.get("environment")?;
        Some(environment.get("name").unwrap_or(environment)).filter(|name| name.text().is_some())
    }

    /// The folder that a step works in, unless it says so itself.
    pub(crate) fn working_directory(&self, flow: &'a Flow) -> Option<&'a Node> {
        let path = ["defaults", "run", "working-directory"];
        self.node.at(&path).or_else(|| flow.root.at(&path))
    }
}

/// `uses: NAME@REFERENCE`, taken apart.
pub(crate) fn action(text: &str) -> Option<(&str, &str)> {
    let (name, reference) = text.trim().split_once('@')?;
    (!name.starts_with('.') && !name.starts_with("docker:")).then_some((name, reference))
}
