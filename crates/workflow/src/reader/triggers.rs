//! `on:`

use super::Reader;
use super::fields::Fields;
use crate::inputs::{Input, InputKind};
use crate::yaml::{Node, NodeKind, Scalar, ScalarKind};
use crate::{Cron, Filter, Schedule, Trigger, Zone, pattern};

const EVENTS: [&str; 4] = ["push", "pull_request", "workflow_dispatch", "schedule"];

/// Events of GitHub that nothing raises here yet.
const UNSUPPORTED: [&str; 34] = [
    "branch_protection_rule",
    "check_run",
    "check_suite",
    "create",
    "delete",
    "deployment",
    "deployment_status",
    "discussion",
    "discussion_comment",
    "fork",
    "gollum",
    "image_version",
    "issue_comment",
    "issues",
    "label",
    "member",
    "merge_group",
    "milestone",
    "page_build",
    "project",
    "project_card",
    "project_column",
    "public",
    "pull_request_comment",
    "pull_request_review",
    "pull_request_review_comment",
    "pull_request_target",
    "registry_package",
    "release",
    "repository_dispatch",
    "status",
    "watch",
    "workflow_call",
    "workflow_run",
];

const ACTIVITIES: [&str; 17] = [
    "assigned",
    "unassigned",
    "labeled",
    "unlabeled",
    "opened",
    "edited",
    "closed",
    "reopened",
    "synchronize",
    "converted_to_draft",
    "ready_for_review",
    "locked",
    "unlocked",
    "review_requested",
    "review_request_removed",
    "auto_merge_enabled",
    "auto_merge_disabled",
];

/// The most inputs of a `workflow_dispatch`.
const INPUTS_MAX: usize = 25;

impl Reader<'_> {
    pub(super) fn triggers(&mut self, node: &Node) -> Vec<Trigger> {
        match &node.kind {
            NodeKind::Scalar(_) => self.bare_trigger(node).into_iter().collect(),
            NodeKind::Sequence(items) => {
                items.iter().filter_map(|item| self.bare_trigger(item)).collect()
            }
            NodeKind::Mapping(_) => {
                let Some(fields) = self.fields(node, &EVENTS, &UNSUPPORTED) else {
                    return Vec::new();
                };
                fields
                    .entries
                    .iter()
                    .filter_map(|(event, key, value)| self.trigger(event, key, value))
                    .collect()
            }
        }
    }

    /// An event by its name alone.
    fn bare_trigger(&mut self, node: &Node) -> Option<Trigger> {
        let event = self.filled_text(node)?;
        if UNSUPPORTED.contains(&event.as_str()) {
            self.report_unsupported(node, &event);
            return None;
        }
        if !EVENTS.contains(&event.as_str()) {
            self.report_unknown(node, &event, &EVENTS);
            return None;
        }
        if event == "schedule" {
            let hint = "write `schedule:` with a list of `cron:` entries".to_owned();
            self.report_with_hint(node.span.clone(), "`schedule` needs its times", hint);
            return None;
        }
        let nothing = Node {
            kind: NodeKind::Scalar(Scalar { raw: String::new(), kind: ScalarKind::Null }),
            ..node.clone()
        };
        self.trigger(&event, node, &nothing)
    }

    fn trigger(&mut self, event: &str, key: &Node, value: &Node) -> Option<Trigger> {
        match event {
            "push" => {
                const KEYS: [&str; 6] =
                    ["branches", "branches-ignore", "tags", "tags-ignore", "paths", "paths-ignore"];
                let fields = self.optional_fields(value, &KEYS)?;
                Some(Trigger::Push {
                    branches: self.filter(&fields, "branches"),
                    tags: self.filter(&fields, "tags"),
                    paths: self.filter(&fields, "paths"),
                })
            }
            "pull_request" => {
                const KEYS: [&str; 5] =
                    ["types", "branches", "branches-ignore", "paths", "paths-ignore"];
                let fields = self.optional_fields(value, &KEYS)?;
                Some(Trigger::PullRequest {
                    types: fields
                        .get("types")
                        .map(|node| self.activities(node))
                        .unwrap_or_default(),
                    branches: self.filter(&fields, "branches"),
                    paths: self.filter(&fields, "paths"),
                })
            }
            "workflow_dispatch" => {
                let fields = self.optional_fields(value, &["inputs"])?;
                let inputs = fields.get("inputs").map(|node| self.inputs(node));
                Some(Trigger::WorkflowDispatch { inputs: inputs.unwrap_or_default() })
            }
            "schedule" => {
                let entries = self.sequence(value)?;
                if entries.is_empty() {
                    self.report(key.span.clone(), "`schedule` needs at least one `cron:` entry");
                }
                let schedules = entries.iter().filter_map(|entry| self.schedule(entry)).collect();
                Some(Trigger::Schedule(schedules))
            }
            _ => unreachable!("only known events are asked for"),
        }
    }

    /// The entries of a mapping that may also be left empty.
    fn optional_fields<'n>(&mut self, node: &'n Node, known: &[&str]) -> Option<Fields<'n>> {
        match &node.kind {
            NodeKind::Scalar(Scalar { kind: ScalarKind::Null, .. }) => {
                Some(Fields { owner: node, entries: Vec::new() })
            }
            _ => self.fields(node, known, &[]),
        }
    }

    /// The patterns under `name` or `name-ignore`.
    fn filter(&mut self, fields: &Fields<'_>, name: &str) -> Option<Filter> {
        let ignore_name = format!("{name}-ignore");
        if let (Some(_), Some(ignore)) = (fields.get(name), fields.key(&ignore_name)) {
            let message = format!("`{name}` and `{ignore_name}` cannot be used together");
            let hint = format!("use `{name}` alone, with `!` before what to leave out");
            self.report_with_hint(ignore.span.clone(), message, hint);
        }
        if let Some(node) = fields.get(name) {
            return Some(Filter::Only(self.patterns(node)));
        }
        fields.get(&ignore_name).map(|node| Filter::Ignore(self.patterns(node)))
    }

    fn patterns(&mut self, node: &Node) -> Vec<String> {
        let mut patterns = Vec::new();
        for (pattern, span) in self.texts(node) {
            if let Err(error) = pattern::check(&pattern) {
                self.report(span, format!("`{pattern}` is no pattern: {error}"));
            }
            patterns.push(pattern);
        }
        patterns
    }

    fn activities(&mut self, node: &Node) -> Vec<String> {
        let items: Vec<&Node> = match &node.kind {
            NodeKind::Sequence(items) => items.iter().collect(),
            _ => vec![node],
        };
        let values = ACTIVITIES.map(|activity| (activity, activity.to_owned()));
        items.into_iter().filter_map(|item| self.one_of(item, values.clone())).collect()
    }

    fn schedule(&mut self, node: &Node) -> Option<Schedule> {
        let fields = self.fields(node, &["cron", "timezone"], &[])?;
        let timezone = fields.get("timezone").and_then(|node| {
            let name = self.filled_text(node)?;
            if Zone::named(&name).is_none() {
                let message = format!("`{name}` is no time zone");
                let hint = "write a name of the IANA database, such as Europe/Berlin".to_owned();
                self.report_with_hint(node.span.clone(), message, hint);
            }
            Some(name)
        });
        let node = self.required(&fields, "cron")?;
        let cron = self.filled_text(node)?;
        if let Err(error) = Cron::parse(&cron) {
            self.report(node.span.clone(), format!("`{cron}` is no schedule: {error}"));
        }
        Some(Schedule { cron, timezone })
    }

    fn inputs(&mut self, node: &Node) -> Vec<Input> {
        if matches!(&node.kind, NodeKind::Scalar(Scalar { kind: ScalarKind::Null, .. })) {
            return Vec::new();
        }
        let entries = self.mapping(node).unwrap_or_default();
        if entries.len() > INPUTS_MAX {
            let message = format!("a workflow has at most {INPUTS_MAX} inputs");
            self.report(entries[INPUTS_MAX].0.span.clone(), message);
        }
        entries.iter().filter_map(|(key, value)| self.input(key, value)).collect()
    }

    fn input(&mut self, key: &Node, node: &Node) -> Option<Input> {
        const KEYS: [&str; 6] =
            ["description", "type", "required", "default", "options", "deprecationMessage"];
        let name = self.filled_text(key)?;
        self.check_id(key, &name);
        let fields = self.optional_fields(node, &KEYS)?;
        let description = fields.get("description").and_then(|node| self.text(node));
        fields.get("deprecationMessage").map(|node| self.text(node));
        let is_required = fields
            .get("required")
            .and_then(|node| self.boolean(node, &super::places::NOWHERE))
            .is_some_and(|template| template.source == "true");
        let kind = self.input_kind(&fields)?;
        let default = fields.get("default").and_then(|node| {
            let text = self.text(node)?;
            if !text.is_empty()
                && let Err(expected) = kind.read(&text)
            {
                let message = format!("the default `{text}` must be {expected}");
                self.report(node.span.clone(), message);
            }
            Some(text).filter(|text| !text.is_empty())
        });
        Some(Input { name, description, kind, is_required, default })
    }

    fn input_kind(&mut self, fields: &Fields<'_>) -> Option<InputKind> {
        let options = fields
            .get("options")
            .map(|node| self.texts(node).into_iter().map(|(option, _)| option).collect::<Vec<_>>());
        let kinds = [
            ("string", InputKind::String),
            ("boolean", InputKind::Boolean),
            ("number", InputKind::Number),
            ("environment", InputKind::Environment),
            ("choice", InputKind::Choice(options.unwrap_or_default())),
        ];
        let kind = match fields.get("type") {
            Some(node) => self.one_of(node, kinds)?,
            None => InputKind::String,
        };
        match (&kind, fields.key("options")) {
            (InputKind::Choice(options), _) if options.is_empty() => {
                let start = fields.owner.span.start;
                self.report(start..start, "an input of the type `choice` needs `options`");
            }
            (InputKind::Choice(_), _) | (_, None) => {}
            (_, Some(key)) => {
                let hint = "only an input of the type `choice` has options".to_owned();
                self.report_with_hint(key.span.clone(), "Unexpected value 'options'", hint);
            }
        }
        Some(kind)
    }
}
