//! Checks: asked for, reached or not, answered.

use qnt9_model::limits::CHECK_PAUSE_MAX_MS;
use qnt9_model::{CheckId, Fact, JobKey, RunId};

use super::Applying;
use crate::state::{Check, Delivery};

impl Applying<'_> {
    pub(super) fn check(&mut self, fact: &Fact) {
        let time = self.time();
        match fact {
            Fact::CheckRequested { run, job, name, url, secret, subjects, until, .. } => {
                let id = CheckId(self.entry.sequence);
                let check = Check {
                    id,
                    name: name.clone(),
                    url: url.clone(),
                    secret: secret.clone(),
                    subjects: subjects.clone(),
                    requested: time,
                    until: *until,
                    delivered: None,
                    delivery: Delivery::default(),
                    answer: None,
                };
                self.project.checks.insert(id, (*run, job.clone()));
                self.leg(*run, job, |leg| leg.checks.push(check));
            }
            Fact::CheckDelivered { check } => {
                self.with_check(*check, |check| check.delivered = Some(time));
            }
            Fact::CheckUndelivered { check, reason } => self.with_check(*check, |check| {
                check.delivery.failed(time, reason, CHECK_PAUSE_MAX_MS);
            }),
            Fact::CheckAnswered { check, passed, reason } => {
                self.with_check(*check, |check| {
                    check.answer = Some((time, *passed, reason.clone()));
                });
                self.project.checks.remove(check);
            }
            _ => {}
        }
    }

    fn with_check(&mut self, id: CheckId, change: impl FnOnce(&mut Check)) {
        let Some((run, job)) = self.project.checks.get(&id).cloned() else { return };
        self.leg(run, &job, |leg| {
            if let Some(check) = leg.checks.iter_mut().find(|check| check.id == id) {
                change(check);
            }
        });
    }

    /// Nobody waits for these answers any more.
    pub(super) fn close_checks(&mut self, run: RunId, job: &JobKey) {
        self.project.checks.retain(|_, asker| (asker.0, &asker.1) != (run, job));
    }
}
