//! Gates: approvals, opened, closed, overtaken.

use qnt9_model::fact::Outcome;
use qnt9_model::{EnvironmentName, Fact, JobKey, RunId};

use super::Applying;
use crate::state::{Approval, LegPhase, LegState};

impl Applying<'_> {
    pub(super) fn gates(&mut self, fact: &Fact) {
        let (at, demo) = (self.time(), self.by_demo());
        match fact {
            Fact::ApprovalGiven { run, environment, person, subjects, comment, rollback_plan } => {
                let approval = Approval {
                    person: person.clone(),
                    demo,
                    at,
                    subjects: subjects.clone(),
                    approved: true,
                    comment: comment.clone(),
                    rollback_plan: rollback_plan.clone(),
                };
                self.gated_legs(*run, environment, |leg| leg.approvals.push(approval.clone()));
            }
            Fact::ApprovalRejected { run, environment, person, comment } => {
                let approval = Approval {
                    person: person.clone(),
                    demo,
                    at,
                    subjects: Default::default(),
                    approved: false,
                    comment: comment.clone(),
                    rollback_plan: None,
                };
                self.gated_legs(*run, environment, |leg| leg.approvals.push(approval.clone()));
            }
            Fact::JobAdmitted { run, job } => self.leg(*run, job, LegState::admit),
            Fact::JobCancelRequested { run, job, reason } => self.leg(*run, job, |leg| {
                leg.cancel.get_or_insert_with(|| (at, reason.clone()));
            }),
            Fact::GatesOpened { run, job, environment, subjects, proof } => {
                self.close_checks(*run, job);
                self.project.holders.insert(environment.clone(), (*run, job.clone()));
                self.leg(*run, job, |leg| {
                    leg.phase = LegPhase::Open;
                    leg.opened = Some((at, subjects.clone(), proof.clone()));
                });
            }
            Fact::GatesClosed { run, job, reason } => {
                self.close_checks(*run, job);
                self.leg(*run, job, |leg| {
                    leg.phase = LegPhase::Done(Outcome::Failure, at);
                    leg.reason = Some(reason.clone());
                });
                self.leave_groups(*run);
            }
            Fact::JobSuperseded { run, job, by, over } => {
                self.close_checks(*run, job);
                let over = over.as_ref().map(|over| format!(" in {over}")).unwrap_or_default();
                self.leg(*run, job, |leg| {
                    leg.phase = LegPhase::Done(Outcome::Cancelled, at);
                    leg.reason = Some(format!("superseded by run {by}{over}"));
                });
                self.leave_groups(*run);
            }
            _ => {}
        }
    }

    pub(super) fn leg(&mut self, run: RunId, job: &JobKey, change: impl FnOnce(&mut LegState)) {
        let known = self.project.runs.get_mut(&run);
        let Some(leg) = known.and_then(|run| run.legs.get_mut(job)) else { return };
        let before = leg.phase.is_at_work();
        change(leg);
        if leg.phase.is_at_work() != before {
            self.note_work(run);
        }
    }

    /// Notes whether a run has something for runners.
    pub(super) fn note_work(&mut self, run: RunId) {
        let project = &mut *self.project;
        let mut legs = project.live_run(run).into_iter().flat_map(|run| run.legs.values());
        if legs.any(|leg| leg.phase.is_at_work()) {
            project.at_work.insert(run);
        } else {
            project.at_work.remove(&run);
        }
    }

    fn gated_legs(
        &mut self,
        run: RunId,
        environment: &EnvironmentName,
        mut change: impl FnMut(&mut LegState),
    ) {
        let Some(run) = self.project.runs.get_mut(&run) else { return };
        let waits = |leg: &&mut LegState| {
            leg.phase == LegPhase::Gated && leg.leg.environment.as_ref() == Some(environment)
        };
        run.legs.values_mut().filter(waits).for_each(&mut change);
    }
}
