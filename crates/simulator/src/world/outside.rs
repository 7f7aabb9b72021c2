//! The world's own book of what really happened, against which the facts are held.

use qnt9_model::{Actor, CheckId, Command, Entry, Fact, StreamId};

use crate::audit::Broken;
use crate::random::Random;

use super::process::Record;
use super::{Letter, MINUTE, Origin, SECOND, World};

impl World<'_> {
    /// A fact about the outside must have happened there.
    pub(super) fn compare(&self, entry: &Entry) -> Result<(), Broken> {
        let broken = |what: String| Err(Broken::of("outside", entry, what));
        match &entry.fact {
            Fact::StepFinished { attempt, step, outcome, .. } => {
                let process = self.processes.get(&(entry.stream.clone(), attempt.clone()));
                let Some(process) = process else {
                    return broken(format!("no runner ever had {attempt}"));
                };
                let done = process.journal.iter().filter(|record| {
                    matches!(record, Record::Step { step: one, outcome: how, .. }
                        if one == step && how == outcome)
                });
                if done.count() != 1 {
                    return broken(format!("step {step} of {attempt} was not run like that"));
                }
            }
            Fact::LogSealed { attempt, first_line, lines, .. } => {
                let process = self.processes.get(&(entry.stream.clone(), attempt.clone()));
                if process.is_none_or(|process| process.lines < first_line + lines - 1) {
                    return broken(format!("{attempt} wrote no such lines"));
                }
            }
            Fact::WindowJudged { deployment, window, new, old, percent, .. } => {
                let counted = self.gateway.counted(&entry.stream, *deployment, *window);
                if counted != Some((*new, *old, *percent)) {
                    return broken(format!("the gateway counted {counted:?} in window {window}"));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A check was asked; its people or programs answer after a while, most of them.
    pub(super) fn check_asked(&mut self, stream: &StreamId, check: CheckId, random: &mut Random) {
        if random.chance(150) {
            return;
        }
        let passed = !random.chance(self.swarm.work.evidence_fails);
        let reason = "ticket 4711".to_owned();
        let command = Command::AnswerCheck { check, passed, reason };
        let ask = qnt9_model::Ask { stream: stream.clone(), by: Actor::Platform, command };
        let letter = Letter::new(ask, Origin::Nobody);
        let after = random.between(SECOND..=15 * MINUTE);
        self.later(after, super::Event::Arrives(Box::new(letter)));
    }
}
