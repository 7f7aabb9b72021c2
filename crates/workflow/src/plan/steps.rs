//! `steps:`

use super::converter::{Converter, IfKind};
use super::ids::Ids;
use super::{PlannedAction, PlannedStep};
use crate::language::{Token, TokenKind};

const DOCKER: &str = "docker://";

impl Converter<'_> {
    pub(super) fn steps(&mut self, steps: &Token) -> Vec<PlannedStep> {
        let mut ids = Ids::default();
        let mut planned = self.steps_of(steps, &mut ids);
        name_steps(&mut planned, &mut ids);
        planned
    }

    fn steps_of(&mut self, steps: &Token, ids: &mut Ids) -> Vec<PlannedStep> {
        steps.items().iter().filter_map(|step| self.step(step, ids)).collect()
    }

    fn step(&mut self, step: &Token, ids: &mut Ids) -> Option<PlannedStep> {
        let id = step.get("id").filter(|id| id.as_str() != Some(""));
        if let Some(id) = id
            && let Err(message) = ids.claim(&id.text())
        {
            self.report(id, message);
        }
        let action = self.action(step, id, ids)?;
        let has_condition =
            matches!(action, PlannedAction::Run { .. } | PlannedAction::Uses { .. });
        let condition = match has_condition {
            true => Some(self.condition(step.get("if"), IfKind::Step)?),
            false => None,
        };
        let made_name = |name: &str| Some(Token::made(TokenKind::String(name.to_owned())));
        let name = step.get("name").cloned().or_else(|| match &action {
            PlannedAction::Wait { .. } => made_name("Wait"),
            PlannedAction::WaitAll => made_name("Wait for all"),
            PlannedAction::Cancel { .. } => made_name("Cancel"),
            _ => None,
        });
        Some(PlannedStep {
            id: id.map(Token::text).unwrap_or_default(),
            name,
            condition,
            continue_on_error: step.get("continue-on-error").cloned(),
            timeout_minutes: step.get("timeout-minutes").cloned(),
            env: step.get("env").cloned(),
            is_background: step.get("background").and_then(Token::as_bool),
            action,
        })
    }

    fn action(&mut self, step: &Token, id: Option<&Token>, ids: &mut Ids) -> Option<PlannedAction> {
        if let Some(script) = step.get("run") {
            return Some(PlannedAction::Run {
                script: script.clone(),
                shell: step.get("shell").cloned(),
                working_directory: step.get("working-directory").cloned(),
            });
        }
        if let Some(reference) = step.get("uses") {
            self.check_reference(reference);
            let with = step.get("with").cloned();
            return Some(PlannedAction::Uses { reference: reference.clone(), with });
        }
        if let Some(steps) = step.get("wait") {
            let steps = match steps.is_sequence() {
                true => steps.items().to_vec(),
                false => vec![steps.clone()],
            };
            steps.iter().for_each(|target| self.check_target(target, id, ids));
            return Some(PlannedAction::Wait { steps });
        }
        if let Some(all) = step.get("wait-all") {
            if all.as_bool() == Some(false) {
                self.report(all, "The value of 'wait-all' must be true or omitted");
            }
            return Some(PlannedAction::WaitAll);
        }
        if let Some(target) = step.get("cancel") {
            self.check_target(target, id, ids);
            return Some(PlannedAction::Cancel { step: target.clone() });
        }
        let steps = step.get("parallel")?;
        Some(PlannedAction::Parallel { steps: self.steps_of(steps, ids) })
    }

    /// Reports what is neither an action of a repository nor one of the workspace nor an image.
    fn check_reference(&mut self, token: &Token) {
        let reference = token.text();
        let is_local = reference.starts_with("./") || reference.starts_with(".\\");
        if reference.starts_with(DOCKER) || is_local || repository(&reference).is_some() {
            return;
        }
        let message = format!("Expected format {{org}}/{{repo}}[/path]@ref. Actual '{reference}'");
        let hint = "an action of the same repository begins with `./`".to_owned();
        self.report_with_hint(token, message, Some(hint));
    }

    /// Reports a step that is waited for and has not begun.
    fn check_target(&mut self, target: &Token, own: Option<&Token>, ids: &Ids) {
        let name = target.text();
        if name.starts_with("__") {
            let message =
                format!("The identifier '{name}' is invalid. IDs starting with '__' are reserved.");
            self.report(target, message);
        } else if own.is_some_and(|own| own.text().eq_ignore_ascii_case(&name)) {
            self.report(target, format!("Step '{name}' cannot reference itself"));
        } else if !ids.is_known(&name) {
            self.report(target, format!("Step references unknown step ID '{name}'"));
        }
    }
}

/// Gives every step without an id one that is made of what it does.
fn name_steps(steps: &mut [PlannedStep], ids: &mut Ids) {
    for step in steps {
        if let PlannedAction::Parallel { steps } = &mut step.action {
            name_steps(steps, ids);
        }
        if !step.id.is_empty() {
            continue;
        }
        let what = match &step.action {
            PlannedAction::Uses { reference, .. } => of_action(&reference.text()),
            PlannedAction::Wait { .. } => "wait".to_owned(),
            PlannedAction::WaitAll => "wait-all".to_owned(),
            PlannedAction::Cancel { .. } => "cancel".to_owned(),
            PlannedAction::Parallel { .. } => "parallel".to_owned(),
            PlannedAction::Run { .. } => "run".to_owned(),
        };
        step.id = ids.make(&what);
    }
}

fn of_action(reference: &str) -> String {
    if let Some(image) = reference.strip_prefix(DOCKER) {
        return image.to_owned();
    }
    if reference.starts_with("./") || reference.starts_with(".\\") {
        return "self".to_owned();
    }
    match repository(reference) {
        Some((owner, name)) => format!("{owner}/{name}"),
        None => "run".to_owned(),
    }
}

/// Owner and name of the repository of `owner/name[/path]@ref`.
pub(crate) fn repository(reference: &str) -> Option<(&str, &str)> {
    let (path, version) = reference.split_once('@')?;
    if version.is_empty() || version.contains('@') {
        return None;
    }
    let mut parts = path.split(['/', '\\']).filter(|part| !part.is_empty());
    Some((parts.next()?, parts.next()?))
}
