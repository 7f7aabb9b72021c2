//! Attempts: handed over, their steps and logs, ended or lost.

use std::collections::BTreeMap;

use qnt9_model::fact::Span;
use qnt9_model::{AttemptId, Fact, JobKey, RunId};

use super::Applying;
use crate::state::{Artifact, Attempt, LegPhase, LogChunk, StepState};

impl Applying<'_> {
    pub(super) fn attempt(&mut self, fact: &Fact) {
        let time = self.time();
        match fact {
            Fact::JobStarted { attempt, runner } => self.leg(attempt.run, &attempt.job, |leg| {
                leg.phase = LegPhase::Running;
                leg.attempts.push(Attempt {
                    number: attempt.attempt,
                    runner: runner.clone(),
                    started: time,
                    finished: None,
                    result: None,
                    steps: BTreeMap::new(),
                    log: Vec::new(),
                    outputs: Vec::new(),
                    summary: None,
                    reason: None,
                });
            }),
            Fact::StepFinished {
                attempt,
                step,
                name,
                outcome,
                conclusion,
                started,
                finished,
                user,
                own,
            } => self.try_of(attempt, |state| {
                let span = Span { started: *started, finished: *finished };
                let done = StepState {
                    name: name.clone(),
                    outcome: *outcome,
                    conclusion: *conclusion,
                    span,
                    user: *user,
                    own: own.clone(),
                };
                state.steps.insert(*step, done);
            }),
            Fact::LogSealed { attempt, first_line, lines, blob } => self.try_of(attempt, |state| {
                let chunk = LogChunk { first_line: *first_line, lines: *lines, blob: blob.clone() };
                state.log.push(chunk);
            }),
            Fact::JobFinished { attempt, result, outputs, reason, summary } => {
                let reason = reason.as_ref().map(|reason| reason.show().to_owned());
                self.try_of(attempt, |state| {
                    state.finished = Some(time);
                    state.result = Some(*result);
                    state.outputs.clone_from(outputs);
                    state.summary.clone_from(summary);
                    state.reason.clone_from(&reason);
                });
                self.leg(attempt.run, &attempt.job, |leg| {
                    leg.phase = LegPhase::Done(*result, time);
                    leg.reason = reason;
                });
                self.release_environment(attempt.run, &attempt.job);
            }
            Fact::JobLost { attempt, reason, retry } => {
                self.try_of(attempt, |state| {
                    state.finished = Some(time);
                    state.reason = Some(reason.clone());
                });
                let phase = if *retry { LegPhase::Open } else { LegPhase::Lost };
                self.leg(attempt.run, &attempt.job, |leg| {
                    leg.phase = phase;
                    leg.reason = Some(reason.clone());
                });
            }
            Fact::JobRerun { attempt } => self.leg(attempt.run, &attempt.job, |leg| {
                leg.phase = LegPhase::Open;
                leg.reason = None;
            }),
            Fact::ArtifactKept { attempt, name, blob, bytes, expires } => {
                let artifact = Artifact {
                    blob: blob.clone(),
                    bytes: *bytes,
                    expires: *expires,
                    attempt: attempt.clone(),
                };
                self.project.artifacts.insert((attempt.run, name.clone()), artifact);
            }
            _ => {}
        }
    }

    fn try_of(&mut self, id: &AttemptId, change: impl FnOnce(&mut Attempt)) {
        self.leg(id.run, &id.job, |leg| {
            let attempt = leg.attempts.iter_mut().find(|attempt| attempt.number == id.attempt);
            if let Some(attempt) = attempt {
                change(attempt);
            }
        });
    }

    fn release_environment(&mut self, run: RunId, job: &JobKey) {
        self.project.holders.retain(|_, holder| !(holder.0 == run && &holder.1 == job));
    }
}
