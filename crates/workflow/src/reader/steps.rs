//! `steps:`

use super::{Lowering, condition, template};
use crate::language::Token;
use crate::workflow::{Step, StepAction};

/// Keys of GitHub's language that this version does not carry out.
const UNSUPPORTED: [&str; 5] = ["background", "wait", "wait-all", "cancel", "parallel"];

impl Lowering<'_> {
    pub(super) fn steps(&mut self, steps: &Token) -> Vec<Step> {
        steps.items().iter().filter_map(|step| self.step(step)).collect()
    }

    fn step(&mut self, step: &Token) -> Option<Step> {
        self.report_unsupported_keys(step, &UNSUPPORTED);
        let action = self.action(step)?;
        Some(Step {
            id: step.get("id").map(Token::text),
            position: step.position(),
            name: step.get("name").map(template),
            condition: condition(step.get("if")),
            action,
            env: self.templates(step.get("env")),
            continue_on_error: step.get("continue-on-error").map(template),
            timeout_minutes: step.get("timeout-minutes").map(template),
        })
    }

    /// What the step does; none of what is not supported, which has been reported.
    fn action(&mut self, step: &Token) -> Option<StepAction> {
        if let Some(script) = step.get("run") {
            let shell = step.get("shell").and_then(|token| self.shell(token));
            let working_directory = step.get("working-directory").map(template);
            return Some(StepAction::Run { script: template(script), shell, working_directory });
        }
        let uses = step.get("uses")?;
        let reference = uses.text();
        if reference.starts_with("docker://") {
            self.report_unsupported(uses, "uses: docker://");
        }
        Some(StepAction::Uses { reference, with: self.templates(step.get("with")) })
    }
}
