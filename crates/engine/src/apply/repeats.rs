//! Re-runs: what a run takes over from the one it repeats.

use qnt9_model::fact::Repeat;
use qnt9_model::{EnvironmentName, RunId};

use super::Applying;
use crate::state::{JobPlan, LegState, Run};

impl Applying<'_> {
    /// Gives a new run the jobs, artifacts and plans of an earlier one that it does not make again.
    pub(super) fn take_over(&mut self, run: &mut Run, of: RunId, repeat: &Repeat) {
        let project = &mut *self.project;
        let Some(earlier) = project.runs.get(&of) else { return };
        run.first = earlier.first;
        run.attempt = repeat.attempt;
        project.repeats.insert(earlier.first, repeat.attempt);
        for job in &mut run.jobs {
            if let Some(known) = earlier.job(&job.key).filter(|job| takes_over(repeat, job)) {
                job.plan = known.plan.clone();
            }
        }
        for (key, leg) in &earlier.legs {
            if repeat.jobs.contains(&leg.job) || repeat.legs.contains(key) {
                run.legs.insert(key.clone(), leg.clone());
            } else if run.job(&leg.job).is_some_and(|job| job.plan != JobPlan::Waiting) {
                let leg = LegState::planned(leg.leg.clone(), &leg.job, run.created);
                run.legs.insert(key.clone(), leg);
            }
        }
        let kept = |key| run.legs.get(key).is_some_and(|leg| !leg.attempts.is_empty());
        let artifacts = project.artifacts.range((of, String::new())..);
        let artifacts = artifacts.take_while(|((owner, _), _)| *owner == of);
        let artifacts = artifacts.filter(|(_, artifact)| kept(&artifact.attempt.job));
        let artifacts: Vec<_> = artifacts
            .map(|((_, name), artifact)| ((run.id, name.clone()), artifact.clone()))
            .collect();
        project.artifacts.extend(artifacts);
        let kept = |key| run.legs.get(key).is_some_and(|leg| !leg.attempts.is_empty());
        let plans = project.plans.range((of, EnvironmentName::from(""))..);
        let plans = plans.take_while(|((owner, _), _)| *owner == of);
        let plans = plans.filter(|(_, plan)| kept(&plan.call.attempt.job));
        let plans: Vec<_> = plans
            .map(|((_, environment), plan)| ((run.id, environment.clone()), plan.clone()))
            .collect();
        project.plans.extend(plans);
        if let Some(resumes) = &repeat.resumes
            && let Some(leg) = run.legs.get_mut(&resumes.attempt.job)
        {
            leg.resumes = Some(resumes.clone());
        }
        for leg in run.legs.values() {
            if let Some(concurrency) = &leg.leg.concurrency
                && run.is_in_group(&concurrency.group)
            {
                project.groups.entry(concurrency.group.clone()).or_default().insert(run.id);
            }
        }
    }
}

/// Whether the job keeps its plan: none or only some of its legs are run again.
fn takes_over(repeat: &Repeat, job: &crate::state::Job) -> bool {
    let JobPlan::Planned { legs, .. } = &job.plan else { return repeat.jobs.contains(&job.key) };
    let resumed = repeat.resumes.as_ref().map(|resumes| &resumes.attempt.job);
    repeat.jobs.contains(&job.key)
        || legs.iter().any(|leg| repeat.legs.contains(leg) || Some(leg) == resumed)
}
