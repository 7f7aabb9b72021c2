//! The tree of a file to a typed workflow. Whatever is not understood is reported, never dropped.

mod fields;
mod jobs;
mod matrix;
mod needs;
mod places;
mod steps;
mod triggers;

use crate::Diagnostic;
use crate::expression::Vocabulary;
use crate::source::Source;
use crate::template::Template;
use crate::workflow::{Access, Concurrency, Defaults, Permissions, Queue, Workflow};
use crate::yaml::{Node, NodeKind};

/// Reads a workflow. `file` is its path, which errors and [`Workflow::path`] repeat.
///
/// # Errors
/// Everything that is wrong with it, in the order of the file. If the text is not even YAML, that
/// is the only error.
pub fn parse(file: &str, text: &str) -> Result<Workflow, Vec<Diagnostic>> {
    let source = Source::new(file, text);
    let root = crate::yaml::read(&source).map_err(|diagnostic| vec![diagnostic])?;
    let mut reader = Reader { source: &source, diagnostics: Vec::new() };
    let workflow = reader.workflow(&root);
    let mut diagnostics = reader.diagnostics;
    // What an alias stands for is read at each alias, and would be reported as often.
    diagnostics.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
    diagnostics.dedup();
    match workflow {
        Some(workflow) if diagnostics.is_empty() => Ok(workflow),
        _ => Err(diagnostics),
    }
}

struct Reader<'a> {
    source: &'a Source<'a>,
    diagnostics: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn workflow(&mut self, root: &Node) -> Option<Workflow> {
        const KEYS: [&str; 8] =
            ["name", "run-name", "on", "permissions", "env", "defaults", "concurrency", "jobs"];
        let fields = self.fields(root, &KEYS, &["description"])?;
        let name =
            fields.get("name").and_then(|node| self.scalar(node)).map(|name| name.raw.clone());
        let run_name =
            fields.get("run-name").and_then(|node| self.template(node, &places::RUN_NAME));
        let on = self.required(&fields, "on").map(|node| self.triggers(node)).unwrap_or_default();
        let permissions = fields.get("permissions").and_then(|node| self.permissions(node));
        let env = fields.get("env").map(|node| self.templates(node, &places::WORKFLOW_ENV));
        let defaults = fields.get("defaults").map(|node| self.defaults(node, &places::NOWHERE));
        let concurrency = fields
            .get("concurrency")
            .and_then(|node| self.concurrency(node, &places::WORKFLOW_CONCURRENCY));
        let jobs = self.required(&fields, "jobs").map(|node| self.jobs(node))?;
        Some(Workflow {
            path: self.source.file.to_owned(),
            name,
            run_name,
            on,
            env: env.unwrap_or_default(),
            defaults: defaults.unwrap_or_default(),
            concurrency,
            permissions,
            jobs,
        })
    }

    fn defaults(&mut self, node: &Node, place: &Vocabulary<'_>) -> Defaults {
        let Some(fields) = self.fields(node, &["run"], &[]) else { return Defaults::default() };
        let Some(run) = fields.get("run") else { return Defaults::default() };
        let Some(fields) = self.fields(run, &["shell", "working-directory"], &[]) else {
            return Defaults::default();
        };
        Defaults {
            shell: fields.get("shell").and_then(|node| self.shell(node, place)),
            working_directory: fields
                .get("working-directory")
                .and_then(|node| self.filled_template(node, place)),
        }
    }

    fn concurrency(&mut self, node: &Node, place: &Vocabulary<'_>) -> Option<Concurrency> {
        if matches!(node.kind, NodeKind::Scalar(_)) {
            let group = self.filled_template(node, place)?;
            return Some(Concurrency { group, cancel_in_progress: None, queue: Queue::Single });
        }
        let fields = self.fields(node, &["group", "cancel-in-progress", "queue"], &[])?;
        let cancel_in_progress =
            fields.get("cancel-in-progress").and_then(|node| self.boolean(node, place));
        let queues = [("single", Queue::Single), ("max", Queue::Max)];
        let queue = fields.get("queue").and_then(|node| self.one_of(node, queues));
        let queue = queue.unwrap_or_default();
        let is_true = |template: &Template| template.source == "true";
        if let Some(key) = fields.key("queue")
            && queue == Queue::Max
            && cancel_in_progress.as_ref().is_some_and(is_true)
        {
            let message = "`queue: max` and `cancel-in-progress: true` cannot be used together";
            self.report(key.span.clone(), message);
        }
        let group = self.required(&fields, "group")?;
        let group = self.filled_template(group, place)?;
        Some(Concurrency { group, cancel_in_progress, queue })
    }

    fn permissions(&mut self, node: &Node) -> Option<Permissions> {
        const SCOPES: [&str; 17] = [
            "actions",
            "artifact-metadata",
            "attestations",
            "checks",
            "contents",
            "deployments",
            "discussions",
            "id-token",
            "issues",
            "models",
            "packages",
            "pages",
            "pull-requests",
            "repository-projects",
            "security-events",
            "statuses",
            "vulnerability-alerts",
        ];
        if matches!(node.kind, NodeKind::Scalar(_)) {
            let all = [("read-all", Permissions::ReadAll), ("write-all", Permissions::WriteAll)];
            return self.one_of(node, all);
        }
        let fields = self.fields(node, &SCOPES, &[])?;
        let levels = [("none", Access::None), ("read", Access::Read), ("write", Access::Write)];
        let scopes = fields.entries.iter().filter_map(|(scope, _, value)| {
            // GitHub grants these only in the one way that means something.
            let is_possible = |access| match scope.as_str() {
                "id-token" => access != Access::Read,
                "models" | "vulnerability-alerts" => access != Access::Write,
                _ => true,
            };
            let possible = levels.into_iter().filter(|(_, access)| is_possible(*access));
            Some((scope.clone(), self.one_of(value, possible.collect::<Vec<_>>())?))
        });
        Some(Permissions::Scopes(scopes.collect()))
    }
}

#[cfg(test)]
mod tests;
