//! `on:`

use super::Lowering;
use crate::forecast::{dispatch_input, filter, schedules, texts};
use crate::language::Token;
use crate::trigger::Trigger;

impl Lowering<'_> {
    pub(super) fn triggers(&mut self, on: &Token) -> Vec<Trigger> {
        let bare = on.items().iter().chain(on.as_str().map(|_| on)).map(|name| (name, None));
        let with_more = on.entries().iter().map(|(name, config)| (name, Some(config)));
        let mut triggers = Vec::new();
        for (name, config) in bare.chain(with_more).collect::<Vec<_>>() {
            triggers.extend(self.trigger(name, config));
        }
        triggers
    }

    /// One event; none of those that nothing raises here yet, which are reported.
    fn trigger(&mut self, name: &Token, config: Option<&Token>) -> Option<Trigger> {
        Some(match name.as_str().unwrap_or_default() {
            "push" => Trigger::Push {
                branches: filter(config, "branches"),
                tags: filter(config, "tags"),
                paths: filter(config, "paths"),
            },
            "pull_request" => Trigger::PullRequest {
                types: config.map(|config| texts(config.get("types"))).unwrap_or_default(),
                branches: filter(config, "branches"),
                paths: filter(config, "paths"),
            },
            "workflow_dispatch" => {
                let inputs = config.and_then(|config| config.get("inputs"));
                let inputs = inputs.map_or(&[][..], Token::entries).iter();
                let inputs = inputs.map(|(name, definition)| dispatch_input(name, definition));
                Trigger::WorkflowDispatch { inputs: inputs.collect() }
            }
            "schedule" => Trigger::Schedule(schedules(config)),
            other => {
                self.report_unsupported(name, other);
                return None;
            }
        })
    }
}
