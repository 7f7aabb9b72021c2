//! Runs that are made again, in whole or in part, and runs that are stopped.

use std::collections::BTreeSet;

use qnt9_model::command::Again;
use qnt9_model::fact::{Cause, Fact, Outcome, Repeat, ResumePoint};
use qnt9_model::{AttemptId, Command, JobKey, Refusal, Role, RunId};

use super::On;
use crate::state::{Job, JobPlan, LegPhase, LegState, Run};

pub(super) fn decide(on: &On<'_>, command: &Command) -> Result<Vec<Fact>, Refusal> {
    match command {
        Command::Rerun { run, what } => {
            let by = on.person("run it again", Role::Developer)?;
            let run = ended(on, *run)?;
            let repeat = match what {
                Again::All => Repeat::default(),
                Again::Failed => repeat_of(run, &failed(run)?),
                Again::Job(job) => repeat_of(run, &BTreeSet::from([leg(run, job)?])),
            };
            Ok(vec![again(on, by, run, repeat)])
        }
        Command::RetryFrom { run, job, step } => {
            let by = on.person("run it again", Role::Developer)?;
            let run = ended(on, *run)?;
            let resumes = resume_point(run, job, *step)?;
            let repeat = repeat_of(run, &BTreeSet::from([leg(run, job)?]));
            Ok(vec![again(on, by, run, Repeat { resumes: Some(resumes), ..repeat })])
        }
        Command::CancelRun { run } => {
            let by = on.person("cancel a run", Role::Developer)?;
            let run = going_on(on, *run)?;
            if run.cancel.is_some() {
                return Ok(Vec::new());
            }
            Ok(vec![Fact::RunCancelRequested { run: run.id, reason: format!("{by} cancelled it") }])
        }
        Command::ForceCancelRun { run } => {
            let by = on.person("cancel a run", Role::Developer)?;
            let run = going_on(on, *run)?;
            if run.killed {
                return Ok(Vec::new());
            }
            let reason = format!("{by} ended it at once");
            Ok(vec![Fact::RunKillRequested { run: run.id, reason }])
        }
        _ => Err(on.wrong("ask it here")),
    }
}

fn going_on<'a>(on: &On<'a>, id: RunId) -> Result<&'a Run, Refusal> {
    let run = on.run(id)?;
    match run.finished {
        None => Ok(run),
        Some((outcome, _)) => Err(Refusal::RunOver { run: run.id, how: outcome.word().to_owned() }),
    }
}

fn ended<'a>(on: &On<'a>, id: RunId) -> Result<&'a Run, Refusal> {
    let run = on.run(id)?;
    if run.finished.is_some() {
        return Ok(run);
    }
    Err(Refusal::Invalid {
        what: format!("run {id}"),
        reason: "it is not over; cancel it first or wait for it".to_owned(),
    })
}

/// The new run: its number is the first one's, and its attempt is one more than the last.
fn again(on: &On<'_>, by: &str, run: &Run, repeat: Repeat) -> Fact {
    let attempt = on.project.repeats.get(&run.first).copied().unwrap_or(1) + 1;
    Fact::RunCreated {
        path: run.path.clone(),
        name: run.name.clone(),
        title: run.title.clone(),
        number: run.number,
        cause: Cause::Rerun { by: by.to_owned(), of: run.id },
        reference: run.reference.clone(),
        commit: run.commit.clone(),
        event: run.event.clone(),
        inputs: run.inputs.clone(),
        workflow: (*run.source).clone(),
        concurrency: run.concurrency.clone(),
        repeat: Some(Box::new(Repeat { attempt, ..repeat })),
    }
}

/// The legs and unplanned jobs that failed or were cancelled; a job without legs stands by its key.
fn failed(run: &Run) -> Result<BTreeSet<JobKey>, Refusal> {
    let is_bad = |leg: &&LegState| {
        matches!(leg.phase, LegPhase::Done(Outcome::Failure | Outcome::Cancelled, _))
    };
    let legs = run.legs.values().filter(is_bad).map(|leg| leg.leg.job.clone());
    let impossible = |job: &&Job| matches!(job.plan, JobPlan::Impossible { .. });
    let jobs = run.jobs.iter().filter(impossible).map(|job| JobKey(job.key.clone()));
    let failed: BTreeSet<JobKey> = legs.chain(jobs).collect();
    if failed.is_empty() {
        return Err(Refusal::Invalid {
            what: format!("run {}", run.id),
            reason: "none of its jobs failed; run all of it again, or name a job".to_owned(),
        });
    }
    Ok(failed)
}

/// A leg, or a job as a whole, by its key.
fn leg(run: &Run, key: &JobKey) -> Result<JobKey, Refusal> {
    if run.legs.contains_key(key) || run.job(key.as_str()).is_some() {
        return Ok(key.clone());
    }
    let known = run.jobs.iter().map(|job| &job.key);
    Err(Refusal::Unknown { what: "job", name: key.to_string(), known: Some(super::names(known)) })
}

/// What a run takes over from `run` when these legs and jobs are made again, and with them all that
/// need them. Of a matrix only the legs are made again, unless something before it is, too.
fn repeat_of(run: &Run, wanted: &BTreeSet<JobKey>) -> Repeat {
    let touched = |job: &Job| match &job.plan {
        JobPlan::Planned { legs, .. } => legs.iter().any(|leg| wanted.contains(leg)),
        _ => false,
    };
    let is_wanted = |job: &Job| wanted.contains(&JobKey(job.key.clone())) || touched(job);
    let needs_one = |key: &str| {
        let ancestors = run.workflow.iter().flat_map(|workflow| workflow.ancestors(key));
        let mut known = ancestors.filter_map(|job| run.job(&job.key));
        known.any(&is_wanted)
    };
    let mut repeat = Repeat::default();
    for job in &run.jobs {
        if needs_one(&job.key) {
            continue;
        }
        match &job.plan {
            JobPlan::Planned { legs, .. } if touched(job) => {
                let kept = legs.iter().filter(|leg| !wanted.contains(*leg));
                repeat.legs.extend(kept.cloned());
            }
            _ if is_wanted(job) => {}
            _ => repeat.jobs.push(job.key.clone()),
        }
    }
    repeat
}

/// Where a new run goes on: behind steps that the job's last attempt completed.
fn resume_point(run: &Run, job: &JobKey, step: u32) -> Result<ResumePoint, Refusal> {
    let refuse =
        |reason: String| Refusal::NoSuchStep { run: run.id, job: job.to_string(), step, reason };
    let leg = run.legs.get(job).ok_or_else(|| {
        let known = super::names(run.legs.keys());
        Refusal::Unknown { what: "job", name: job.to_string(), known: Some(known) }
    })?;
    let last =
        leg.attempts.last().ok_or_else(|| refuse("it was never with a runner".to_owned()))?;
    if matches!(leg.phase, LegPhase::Done(Outcome::Success, _)) {
        return Err(refuse("it succeeded; there is nothing to retry".to_owned()));
    }
    let done = (0..).take_while(|step| last.steps.contains_key(step)).count() as u32;
    if step > done {
        let reason = match done {
            0 => "no step of it ended; run the job again from its start".to_owned(),
            1 => "only its first step ended; go on from step 2 or before".to_owned(),
            done => {
                format!("only its first {done} steps ended; go on from step {} or before", done + 1)
            }
        };
        return Err(refuse(reason));
    }
    let definition = run.workflow.as_ref().and_then(|workflow| workflow.job(&leg.job));
    if definition.is_none_or(|job| step as usize >= job.steps.len()) {
        return Err(refuse("it has no such step".to_owned()));
    }
    let attempt = AttemptId { run: run.id, job: job.clone(), attempt: last.number };
    Ok(ResumePoint { attempt, step })
}
