//! `jobs:`

use super::{Reader, needs, places};
use crate::Diagnostic;
use crate::workflow::{EnvironmentRef, Job, RunsOn, Strategy};
use crate::yaml::{Node, NodeKind};

/// Keys of GitHub's language that this version does not carry out.
const UNSUPPORTED: [&str; 7] =
    ["container", "services", "uses", "with", "secrets", "snapshot", "cancel-timeout-minutes"];

impl Reader<'_> {
    pub(super) fn jobs(&mut self, node: &Node) -> Vec<Job> {
        let entries = self.mapping(node).unwrap_or_default();
        if entries.is_empty() && matches!(node.kind, NodeKind::Mapping(_)) {
            self.report(node.span.clone(), needs::NO_START);
        }
        let mut jobs = Vec::new();
        let mut named = Vec::new();
        for (key, value) in entries {
            let name = self.filled_text(key);
            let Some(name) = name.filter(|name| self.check_id(key, name)) else { continue };
            let needs = self.needs(value);
            if let Some(job) = self.job(name.clone(), key, value) {
                jobs.push(job);
            }
            named.push(needs::Needing { key: name, span: key.span.clone(), needs });
        }
        for needs::Problem { span, message, hint } in needs::problems(&named) {
            let diagnostic = self.source.diagnostic(span, message);
            self.diagnostics.push(Diagnostic { hint, ..diagnostic });
        }
        for job in &mut jobs {
            job.needs = needs::spelled_as_defined(&job.needs, &named);
        }
        jobs
    }

    /// The `needs:` of a job, if it is a job at all; what is wrong with it is reported by `job`.
    fn needs(&mut self, node: &Node) -> Vec<(String, std::ops::Range<usize>)> {
        let NodeKind::Mapping(entries) = &node.kind else { return Vec::new() };
        let is_needs =
            |key: &Node| matches!(&key.kind, NodeKind::Scalar(key) if key.raw == "needs");
        match entries.iter().find(|(key, _)| is_needs(key)) {
            Some((_, value)) => self.texts(value),
            None => Vec::new(),
        }
    }

    fn job(&mut self, key: String, key_node: &Node, node: &Node) -> Option<Job> {
        const KEYS: [&str; 14] = [
            "name",
            "needs",
            "if",
            "runs-on",
            "strategy",
            "environment",
            "concurrency",
            "env",
            "defaults",
            "outputs",
            "timeout-minutes",
            "continue-on-error",
            "permissions",
            "steps",
        ];
        let fields = self.fields(node, &KEYS, &UNSUPPORTED)?;
        let name = fields.get("name").and_then(|node| self.template(node, &places::JOB));
        let needs = self.needs(node).into_iter().map(|(need, _)| need).collect();
        let condition = fields.get("if").and_then(|node| self.condition(node, &places::JOB_IF));
        let strategy = fields.get("strategy").and_then(|node| self.strategy(node));
        let environment = fields.get("environment").and_then(|node| self.environment(node));
        let concurrency =
            fields.get("concurrency").and_then(|node| self.concurrency(node, &places::JOB));
        let env = fields.get("env").map(|node| self.templates(node, &places::JOB_ENV));
        let defaults =
            fields.get("defaults").map(|node| self.defaults(node, &places::JOB_DEFAULTS));
        let outputs = fields.get("outputs").map(|node| self.templates(node, &places::JOB_OUTPUTS));
        let timeout_minutes =
            fields.get("timeout-minutes").and_then(|node| self.number(node, &places::JOB));
        let continue_on_error =
            fields.get("continue-on-error").and_then(|node| self.boolean(node, &places::JOB));
        let permissions = fields.get("permissions").and_then(|node| self.permissions(node));
        let steps = fields.get("steps").map(|node| self.steps(node));
        // A job that calls a workflow runs nowhere itself, and has been reported as not supported.
        let is_call = super::steps::has_key(node, "uses");
        let runs_on = match fields.get("runs-on") {
            None if is_call => None,
            _ => self.required(&fields, "runs-on"),
        };
        let runs_on = runs_on.and_then(|node| self.runs_on(node));
        Some(Job {
            key,
            position: key_node.position,
            name,
            needs,
            condition,
            strategy,
            environment,
            concurrency,
            env: env.unwrap_or_default(),
            defaults: defaults.unwrap_or_default(),
            outputs: outputs.unwrap_or_default(),
            timeout_minutes,
            continue_on_error,
            runs_on: runs_on?,
            permissions,
            steps: steps.unwrap_or_default(),
        })
    }

    fn runs_on(&mut self, node: &Node) -> Option<RunsOn> {
        let (group, labels) = match &node.kind {
            NodeKind::Mapping(_) => {
                let fields = self.fields(node, &["group", "labels"], &[])?;
                let group =
                    fields.get("group").and_then(|node| self.filled_template(node, &places::JOB));
                (group, fields.get("labels"))
            }
            _ => (None, Some(node)),
        };
        let labels = match labels {
            None => Vec::new(),
            Some(Node { kind: NodeKind::Sequence(items), .. }) => items.iter().collect(),
            Some(label) => vec![label],
        };
        let labels: Vec<_> = labels
            .into_iter()
            .filter_map(|label| self.filled_template(label, &places::JOB))
            .collect();
        Some(RunsOn { group, labels })
    }

    fn environment(&mut self, node: &Node) -> Option<EnvironmentRef> {
        if matches!(node.kind, NodeKind::Scalar(_)) {
            return Some(EnvironmentRef { name: self.template(node, &places::JOB)?, url: None });
        }
        let fields = self.fields(node, &["name", "url"], &["deployment"])?;
        let url = fields.get("url").and_then(|node| self.template(node, &places::ENVIRONMENT_URL));
        let name = self.required(&fields, "name")?;
        Some(EnvironmentRef { name: self.template(name, &places::JOB)?, url })
    }

    fn strategy(&mut self, node: &Node) -> Option<Strategy> {
        let fields = self.fields(node, &["matrix", "fail-fast", "max-parallel"], &[])?;
        Some(Strategy {
            matrix: fields.get("matrix").and_then(|node| self.matrix(node)),
            fail_fast: fields
                .get("fail-fast")
                .and_then(|node| self.boolean(node, &places::STRATEGY)),
            max_parallel: fields
                .get("max-parallel")
                .and_then(|node| self.number(node, &places::STRATEGY)),
        })
    }

    /// Reports an id of a job or step that GitHub would not take.
    pub(super) fn check_id(&mut self, node: &Node, id: &str) -> bool {
        const ID_CHARS_MAX: usize = 99;
        let starts_well = id.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
        let is_plain = id.chars().all(|each| each.is_ascii_alphanumeric() || "_-".contains(each));
        if !starts_well || !is_plain || id.len() > ID_CHARS_MAX {
            let message = format!(
                "The identifier '{id}' is invalid. IDs may only contain alphanumeric characters, \
                 '_', and '-'. IDs must start with a letter or '_' and and must be less than 100 \
                 characters."
            );
            self.report(node.span.clone(), message);
            return false;
        }
        if id.starts_with("__") {
            let message =
                format!("The identifier '{id}' is invalid. IDs starting with '__' are reserved.");
            self.report(node.span.clone(), message);
            return false;
        }
        true
    }
}
