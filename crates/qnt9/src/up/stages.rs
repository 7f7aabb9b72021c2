//! The stages of a delivery: the jobs of its runs under the names that people use for them.

use qnt9_engine::accounting::{Ledger, wall_of_job};
use qnt9_engine::state::{JobPlan, LegPhase, Project, Run};
use qnt9_model::fact::{Outcome, Span};
use qnt9_model::{Millis, RunId};
use serde::Serialize;

/// One stage as `up --json` reports it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stage {
    /// `staging/load-test`.
    pub name: String,
    /// `success`, `failure`, `cancelled`, `skipped`; `null` while it is going on.
    pub result: Option<&'static str>,
    /// When it could begin, in milliseconds since 1970-01-01T00:00:00Z.
    pub started: Option<Millis>,
    /// Seconds of qnt9's own.
    pub own_s: f64,
    /// Seconds of declared waits.
    pub waiting_s: f64,
    /// Seconds of the user's own commands and load.
    pub user_s: f64,
    /// The run.
    pub run: RunId,
    /// What there is to say about it in a few words.
    #[serde(skip)]
    pub note: String,
}

/// Jobs that are checks and shown as one stage.
const CHECKS: &[&str] = &["format", "lint", "test", "terraform"];

/// The stages of a run, in the order of its file. `part` is the environment's name, with a number
/// behind it for a second delivery.
pub fn of_run(project: &Project, run: &Run, part: &str, now: Millis) -> Vec<Stage> {
    let ledger = Ledger::of(project, [run], now);
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for job in &run.jobs {
        let name = if CHECKS.contains(&job.key.as_str()) { "checks" } else { job.key.as_str() };
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, keys)) => keys.push(&job.key),
            None => groups.push((name, vec![&job.key])),
        }
    }
    let stage = |(name, keys): (&str, Vec<&str>)| {
        let walls: Vec<Span> = keys.iter().filter_map(|key| wall_of_job(run, key, now)).collect();
        let started = walls.iter().map(|wall| wall.started).min();
        let finished = walls.iter().map(|wall| wall.finished).max();
        let wall = started.zip(finished).map(|(started, finished)| Span { started, finished });
        let shares = wall.map(|wall| ledger.share(wall)).unwrap_or_default();
        let results: Option<Vec<Outcome>> = keys.iter().map(|key| run.job_result(key)).collect();
        Stage {
            name: format!("{part}/{name}"),
            result: results.and_then(|results| results.into_iter().max()).map(Outcome::word),
            started,
            own_s: seconds(shares.own_ms),
            waiting_s: seconds(shares.waiting_ms),
            user_s: seconds(shares.user_ms),
            run: run.id,
            note: note(project, run, name, &keys),
        }
    };
    groups.into_iter().map(stage).collect()
}

/// Milliseconds as seconds, to the hundredth.
pub fn seconds(ms: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a delivery does not last for ages")]
    let seconds = (ms as f64 / 10.0).round() / 100.0;
    seconds
}

fn note(project: &Project, run: &Run, name: &str, keys: &[&str]) -> String {
    let failed = keys.iter().find_map(|key| failure(run, key));
    if let Some(failed) = failed {
        return failed;
    }
    match name {
        "checks" => keys.join(", "),
        "infrastructure" | "plan" => {
            let plans = project.plans.iter().filter(|((of, _), _)| *of == run.id);
            let plans = plans.map(|(_, plan)| {
                let summary = &plan.summary;
                format!("+{} ~{} -{}", summary.add, summary.change, summary.destroy)
            });
            plans.collect::<Vec<_>>().join(", ")
        }
        "release" => project.release_of(&run.commit).map(|r| r.digest.short()).unwrap_or_default(),
        "deploy" => {
            let mut of_run = project.deployments.values().filter(|deployment| {
                deployment.call.as_ref().is_some_and(|call| call.attempt.run == run.id)
            });
            of_run.next_back().map_or_else(String::new, |deployment| {
                let count = deployment.replicas;
                let replicas = if count == 1 { "replica" } else { "replicas" };
                let steps: Vec<String> =
                    deployment.history.iter().map(|(_, percent)| percent.to_string()).collect();
                let release = deployment.release.short();
                format!("{release} on {count} {replicas}, {} %", steps.join(" → "))
            })
        }
        _ => {
            let evidence = project.evidence.iter().filter(|evidence| {
                evidence.call.as_ref().is_some_and(|call| {
                    call.attempt.run == run.id
                        && run.legs.get(&call.attempt.job).is_some_and(|leg| leg.job == name)
                })
            });
            evidence.map(|evidence| evidence.summary.clone()).collect::<Vec<_>>().join(", ")
        }
    }
}

/// Why a job did not succeed, in a few words.
fn failure(run: &Run, key: &str) -> Option<String> {
    match &run.job(key)?.plan {
        JobPlan::Skipped { reason } | JobPlan::Impossible { reason } => {
            // What follows the first line's colon is how the condition came out, part by part.
            let first = reason.show().lines().next().unwrap_or_default();
            Some(first.trim_end_matches(':').to_owned())
        }
        JobPlan::Waiting => None,
        JobPlan::Planned { legs, .. } => legs.iter().find_map(|leg| {
            let leg = run.legs.get(leg)?;
            let LegPhase::Done(Outcome::Failure | Outcome::Cancelled, _) = leg.phase else {
                return None;
            };
            let attempt = leg.attempts.last();
            let step = attempt.and_then(|attempt| {
                attempt.steps.values().find(|step| step.conclusion == Outcome::Failure)
            });
            Some(match (&leg.reason, step) {
                (Some(reason), _) => format!("{}: {reason}", leg.leg.name),
                (None, Some(step)) => {
                    format!(
                        "{}: step `{}` failed; qnt9 logs {}.{}",
                        leg.leg.name, step.name, run.id, leg.leg.job
                    )
                }
                (None, None) => format!("{} did not succeed", leg.leg.name),
            })
        }),
    }
}
