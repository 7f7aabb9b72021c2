//! Which legs are to stop, and since when.

use std::collections::BTreeMap;

use qnt9_model::Millis;
use qnt9_model::fact::Outcome;
use qnt9_model::planted::{self, Fault};

use crate::settle;
use crate::state::{Job, JobPlan, LegPhase, LegState, Project, Run};

/// Which legs of a run are to be stopped; each job is looked at once.
pub(crate) struct Stops<'a> {
    project: &'a Project,
    run: &'a Run,
    /// Whether nothing stops a whole job of the run: it goes on, and no job fails fast.
    goes_on: bool,
    known: BTreeMap<&'a str, Option<Millis>>,
}

impl<'a> Stops<'a> {
    pub(crate) fn of(project: &'a Project, run: &'a Run) -> Self {
        let fails_fast = |job: &Job| matches!(job.plan, JobPlan::Planned { fail_fast: true, .. });
        let goes_on = run.cancelled.is_none() && !run.jobs.iter().any(fails_fast);
        Self { project, run, goes_on, known: BTreeMap::new() }
    }

    /// Whether this leg of the run is to be stopped.
    pub(crate) fn stop(&mut self, leg: &'a LegState) -> bool {
        self.since(leg).is_some()
    }

    /// Since when this leg of the run is to be stopped: the run was ended at once, or cancelled and
    /// the job's `if` does not hold for that, as `always()` does; a sibling failed and the job fails
    /// fast; or the leg alone was cancelled.
    pub(crate) fn since(&mut self, leg: &'a LegState) -> Option<Millis> {
        let own = leg.cancel.as_ref().map(|(at, _)| *at);
        if self.goes_on {
            return own;
        }
        let (project, run) = (self.project, self.run);
        let of_job = *self.known.entry(&leg.job).or_insert_with(|| {
            let cancelled = run
                .cancelled
                .filter(|_| run.killed || !settle::condition_holds(project, run, &leg.job));
            let failed = failed_fast(run, &leg.job);
            earliest(cancelled, failed.filter(|_| !planted::is(Fault::FailFastIgnored)))
        });
        earliest(own, of_job)
    }

    /// Why it is to be stopped, in words.
    pub(crate) fn reason(&self, leg: &LegState) -> String {
        let own = leg.cancel.as_ref().map(|(_, reason)| reason);
        let reason = self.run.cancel.as_ref().or(own).cloned();
        reason.unwrap_or_else(|| "another leg of the matrix failed".to_owned())
    }
}

/// Whether a leg is to be stopped.
#[must_use]
pub fn should_stop(project: &Project, run: &Run, leg: &LegState) -> bool {
    Stops::of(project, run).stop(leg)
}

fn earliest(one: Option<Millis>, other: Option<Millis>) -> Option<Millis> {
    one.into_iter().chain(other).min()
}

/// When the first leg of the job failed, if the job says `fail-fast`, as it does by default.
fn failed_fast(run: &Run, job: &str) -> Option<Millis> {
    let plan = run.job(job).map(|job| &job.plan);
    let Some(JobPlan::Planned { legs, fail_fast: true, .. }) = plan else { return None };
    let failed =
        legs.iter().filter_map(|key| run.legs.get(key)).filter_map(|leg| match leg.phase {
            LegPhase::Done(Outcome::Failure, at) if !leg.leg.continue_on_error => Some(at),
            _ => None,
        });
    failed.min()
}
