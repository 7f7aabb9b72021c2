//! `steps:`

use super::fields::Fields;
use super::{Reader, places};
use crate::workflow::{Step, StepAction};
use crate::yaml::{Node, NodeKind};

/// Keys of GitHub's language that this version does not carry out.
const UNSUPPORTED: [&str; 5] = ["background", "wait", "wait-all", "cancel", "parallel"];

/// The keys of every step.
const SHARED: [&str; 6] = ["id", "if", "name", "env", "continue-on-error", "timeout-minutes"];
const OF_RUN: [&str; 3] = ["run", "shell", "working-directory"];
const OF_USES: [&str; 2] = ["uses", "with"];

impl Reader<'_> {
    pub(super) fn steps(&mut self, node: &Node) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        for item in self.sequence(node).unwrap_or_default() {
            let Some(step) = self.step(item) else { continue };
            let is_same = |other: &Step| match (&other.id, &step.id) {
                (Some(other), Some(id)) => other.eq_ignore_ascii_case(id),
                _ => false,
            };
            if steps.iter().any(is_same) {
                self.report_second_id(item);
            }
            steps.push(step);
        }
        steps
    }

    fn report_second_id(&mut self, step: &Node) {
        let NodeKind::Mapping(entries) = &step.kind else { return };
        for (key, id) in entries {
            if let (NodeKind::Scalar(key), NodeKind::Scalar(scalar)) = (&key.kind, &id.kind)
                && key.raw == "id"
            {
                let message = format!(
                    "The identifier '{}' may not be used more than once within the same scope.",
                    scalar.text()
                );
                self.report(id.span.clone(), message);
            }
        }
    }

    fn step(&mut self, node: &Node) -> Option<Step> {
        let is_run = has_key(node, "run");
        let own: &[&str] = match (is_run, has_key(node, "uses")) {
            (true, false) => &OF_RUN,
            (false, true) => &OF_USES,
            _ => &["run", "shell", "working-directory", "uses", "with"],
        };
        let fields = self.fields(node, &[own, &SHARED].concat(), &UNSUPPORTED)?;
        let id = fields.get("id").and_then(|node| {
            let id = self.filled_text(node)?;
            self.check_id(node, &id).then_some(id)
        });
        let condition = fields.get("if").and_then(|node| self.condition(node, &places::STEP_IF));
        let name = fields.get("name").and_then(|node| self.template(node, &places::STEP));
        let env = fields.get("env").map(|node| self.templates(node, &places::STEP));
        let continue_on_error =
            fields.get("continue-on-error").and_then(|node| self.boolean(node, &places::STEP));
        let timeout_minutes =
            fields.get("timeout-minutes").and_then(|node| self.number(node, &places::STEP));
        let action = self.step_action(&fields);
        Some(Step {
            id,
            position: node.position,
            name,
            condition,
            action: action?,
            env: env.unwrap_or_default(),
            continue_on_error,
            timeout_minutes,
        })
    }

    fn step_action(&mut self, fields: &Fields<'_>) -> Option<StepAction> {
        match (fields.get("run"), fields.get("uses")) {
            (Some(run), None) => {
                let script = self.template(run, &places::STEP);
                let shell = fields.get("shell").and_then(|node| self.shell(node, &places::NOWHERE));
                let working_directory = fields
                    .get("working-directory")
                    .and_then(|node| self.template(node, &places::STEP));
                Some(StepAction::Run { script: script?, shell, working_directory })
            }
            (None, Some(uses)) => {
                let reference = self.filled_text(uses)?;
                self.check_reference(uses, &reference);
                let with = fields.get("with").map(|node| self.templates(node, &places::STEP));
                Some(StepAction::Uses { reference, with: with.unwrap_or_default() })
            }
            (Some(_), Some(_)) => {
                let uses = fields.key("uses")?;
                let hint = "a step has either `run` or `uses`".to_owned();
                self.report_with_hint(uses.span.clone(), "Unexpected value 'uses'", hint);
                None
            }
            // A step of a kind that is not supported has been reported as such.
            (None, None) if UNSUPPORTED.iter().any(|key| has_key(fields.owner, key)) => None,
            (None, None) => {
                let start = fields.owner.span.start;
                let missing = if fields.get("with").is_some() { "uses" } else { "run or uses" };
                self.report(start..start, format!("Required property is missing: {missing}"));
                None
            }
        }
    }

    /// Reports a reference that names neither an action in a repository nor one in the workspace.
    fn check_reference(&mut self, node: &Node, reference: &str) {
        if reference.starts_with("docker://") {
            self.report_unsupported(node, "uses: docker://");
            return;
        }
        if reference.starts_with("./") || reference.starts_with(".\\") {
            return;
        }
        let is_complete = reference.split_once('@').is_some_and(|(path, version)| {
            let segments: Vec<&str> = path.split('/').collect();
            segments.len() >= 2
                && !version.is_empty()
                && segments.iter().all(|part| !part.is_empty())
        });
        if !is_complete {
            let message =
                format!("Expected format {{org}}/{{repo}}[/path]@ref. Actual '{reference}'");
            let hint = "an action of the same repository begins with `./`".to_owned();
            self.report_with_hint(node.span.clone(), message, hint);
        }
    }
}

/// Whether a mapping has a key.
pub(super) fn has_key(node: &Node, name: &str) -> bool {
    let NodeKind::Mapping(entries) = &node.kind else { return false };
    entries.iter().any(|(key, _)| matches!(&key.kind, NodeKind::Scalar(key) if key.raw == name))
}
