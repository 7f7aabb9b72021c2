//! Jobs of a run: planned, skipped, impossible.

use qnt9_model::Fact;

use super::Applying;
use crate::state::{JobPlan, LegState};

impl Applying<'_> {
    pub(super) fn plan_job(&mut self, fact: &Fact) {
        let time = self.time();
        let (Fact::JobPlanned { run, key, .. }
        | Fact::JobSkipped { run, key, .. }
        | Fact::JobImpossible { run, key, .. }) = fact
        else {
            return;
        };
        let id = *run;
        let Some(run) = self.project.runs.get_mut(run) else { return };
        let plan = match fact {
            Fact::JobPlanned { legs, fail_fast, max_parallel, condition, .. } => {
                for leg in legs {
                    if let Some(concurrency) = &leg.concurrency {
                        let group = self.project.groups.entry(concurrency.group.clone());
                        group.or_default().insert(run.id);
                    }
                    let state = LegState::planned(leg.clone(), key, time);
                    run.legs.insert(leg.job.clone(), state);
                }
                let legs = legs.iter().map(|leg| leg.job.clone()).collect();
                JobPlan::Planned {
                    legs,
                    fail_fast: *fail_fast,
                    max_parallel: *max_parallel,
                    condition: condition.clone(),
                }
            }
            Fact::JobSkipped { reason, .. } => JobPlan::Skipped { reason: reason.clone() },
            Fact::JobImpossible { reason, .. } => JobPlan::Impossible { reason: reason.clone() },
            _ => return,
        };
        if let Some(job) = run.jobs.iter_mut().find(|job| &job.key == key) {
            job.plan = plan;
        }
        self.note_work(id);
    }
}
