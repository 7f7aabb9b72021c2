//! Attempts: handed over, their steps and logs, ended or lost.

use std::collections::BTreeMap;

use qnt9_model::fact::{Outcome, ResumePoint, Span};
use qnt9_model::planted::{self, Fault};
use qnt9_model::{AttemptId, Fact, JobKey, RunId};

use super::Applying;
use crate::state::{Artifact, Attempt, LegPhase, LogChunk, StepState};

impl Applying<'_> {
    pub(super) fn attempt(&mut self, fact: &Fact) {
        let time = self.time();
        match fact {
            Fact::JobStarted { attempt, runner, resumes } => {
                let started = Attempt {
                    number: attempt.attempt,
                    runner: runner.clone(),
                    started: time,
                    finished: None,
                    result: None,
                    steps: self.steps_before(resumes.as_ref()),
                    log: Vec::new(),
                    outputs: Vec::new(),
                    summary: None,
                    reason: None,
                    resumes: resumes.clone(),
                    heard: time,
                    asked: None,
                    kill: None,
                };
                self.leg(attempt.run, &attempt.job, |leg| {
                    leg.phase = LegPhase::Running;
                    leg.attempts.push(started);
                });
            }
            Fact::LeaseRenewed { attempt } => self.hear(attempt, |_| {}),
            Fact::JobUnheard { attempt } | Fact::JobResumeRequested { attempt } => {
                self.try_of(attempt, |state| state.asked = Some(time));
            }
            Fact::JobKillRequested { attempt, reason } => self.try_of(attempt, |state| {
                state.kill.get_or_insert_with(|| (time, reason.clone()));
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
            } => self.hear(attempt, |state| {
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
            Fact::LogSealed { attempt, first_line, lines, blob } => self.hear(attempt, |state| {
                let chunk = LogChunk { first_line: *first_line, lines: *lines, blob: blob.clone() };
                state.log.push(chunk);
            }),
            Fact::JobFinished { attempt, result, outputs, reason, summary } => {
                let reason = reason.as_ref().map(|reason| reason.show().to_owned());
                self.try_of(attempt, |state| {
                    state.finished = Some(time);
                    state.result = Some(*result);
                    if *result == Outcome::Success || !planted::is(Fault::OutputsOfFailureLost) {
                        state.outputs.clone_from(outputs);
                    }
                    state.summary.clone_from(summary);
                    state.reason.clone_from(&reason);
                    state.asked = None;
                });
                self.close_checks(attempt.run, &attempt.job);
                self.leg(attempt.run, &attempt.job, |leg| {
                    leg.phase = LegPhase::Done(*result, time);
                    leg.reason = reason;
                });
                if *result == Outcome::Success || !planted::is(Fault::EnvironmentKeptAfterFailure) {
                    self.release_environment(attempt.run, &attempt.job);
                }
                self.leave_groups(attempt.run);
            }
            Fact::JobLost { attempt, reason, retry } => {
                self.try_of(attempt, |state| {
                    state.finished = Some(time);
                    state.reason = Some(reason.clone());
                    state.asked = None;
                });
                let phase = if *retry { LegPhase::Open } else { LegPhase::Lost };
                self.leg(attempt.run, &attempt.job, |leg| {
                    leg.phase = phase;
                    leg.reason = Some(reason.clone());
                });
                if planted::is(Fault::EnvironmentFreedWhenLost) {
                    self.release_environment(attempt.run, &attempt.job);
                }
            }
            Fact::JobRerun { attempt } => self.leg(attempt.run, &attempt.job, |leg| {
                leg.phase = LegPhase::Open;
                leg.reason = None;
            }),
            Fact::JobResumed { attempt, .. } => {
                self.hear(attempt, |state| {
                    state.finished = None;
                    state.reason = None;
                });
                self.leg(attempt.run, &attempt.job, |leg| {
                    leg.phase = LegPhase::Running;
                    leg.reason = None;
                });
            }
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

    /// The steps that an attempt finds done because an earlier attempt did them.
    fn steps_before(&self, resumes: Option<&ResumePoint>) -> BTreeMap<u32, StepState> {
        let found = resumes.and_then(|from| {
            let run = self.project.runs.get(&from.attempt.run)?;
            let leg = run.legs.get(&from.attempt.job)?;
            let number = from.attempt.attempt;
            let source = leg.attempts.iter().find(|attempt| attempt.number == number)?;
            Some(source.steps.range(..from.step))
        });
        found.into_iter().flatten().map(|(number, step)| (*number, step.clone())).collect()
    }

    /// The attempt's runner was heard of.
    fn hear(&mut self, id: &AttemptId, change: impl FnOnce(&mut Attempt)) {
        let (time, settled) = (self.time(), self.project.agenda.settled());
        let mut was_asked = false;
        self.try_of(id, |attempt| {
            // A clock that was set back does not shorten a lease.
            let heard = if planted::is(Fault::HeardFromNoFact) { settled } else { time };
            attempt.heard = attempt.heard.max(heard);
            was_asked = attempt.asked.take().is_some();
            change(attempt);
        });
        // Its lease runs again.
        if was_asked {
            self.project.agenda.touch_run(id.run);
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
