//! Why something stands where it stands, as a tree.

use axum::Json;
use axum::extract::{Path, State};
use qnt9_engine::gates::{Gate, duration};
use qnt9_engine::state::{Deployment, JobPlan, LegPhase, LegState, Platform, Project, Run};
use qnt9_model::fact::{DeploymentOutcome, Outcome};
use qnt9_model::why::Holds;
use qnt9_model::{DeploymentId, EnvironmentName, Millis, Why};

use super::error::ApiError;
use super::request::Caller;
use super::runs::{find, leg_key};
use super::shapes::WhyShape;
use crate::Core;
use crate::machine::now;

/// Of a run, `RUN.JOB`, an environment, or `deployment ID`.
pub(super) async fn why(
    State(core): State<Core>,
    caller: Caller,
    Path((project, subject)): Path<(String, String)>,
) -> Result<Json<WhyShape>, ApiError> {
    let now = now();
    caller.look(&core, &project, |state, _, project| {
        let ask = Asked { platform: &state.platform, project, now };
        ask.of(subject.trim()).map(Json)
    })
}

struct Asked<'a> {
    platform: &'a Platform,
    project: &'a Project,
    now: Millis,
}

impl Asked<'_> {
    fn of(&self, subject: &str) -> Result<WhyShape, ApiError> {
        if let Some(id) = subject.strip_prefix("deployment").map(|id| id.trim_matches([' ', '-'])) {
            let found = id.parse::<DeploymentId>().ok();
            let found = found.and_then(|id| self.project.deployments.get(&id));
            let found = found.ok_or_else(|| ApiError::unknown("deployment", id, None))?;
            return Ok(self.deployment(found));
        }
        if let Some((run, job)) = subject.split_once('.') {
            let run = find(self.project, run)?;
            return Ok(self.leg(run, &run.legs[&leg_key(run, job)?]));
        }
        if subject.parse::<u64>().is_ok() {
            return Ok(self.run(find(self.project, subject)?));
        }
        self.environment(&EnvironmentName::from(subject))
    }

    /// The newest job that waits for the environment, or the last one of it.
    fn environment(&self, name: &EnvironmentName) -> Result<WhyShape, ApiError> {
        let legs = self.project.runs.values().rev().flat_map(|run| {
            let legs = run.legs.values().map(move |leg| (run, leg));
            legs.filter(|(_, leg)| leg.leg.environment.as_ref() == Some(name))
        });
        let legs: Vec<(&Run, &LegState)> = legs.collect();
        let waiting = legs.iter().find(|(_, leg)| leg.phase == LegPhase::Gated);
        if let Some((run, leg)) = waiting.or_else(|| legs.first()) {
            return Ok(self.leg(run, leg));
        }
        let policy = self.project.policy.as_ref().map(|(_, policy)| policy);
        if policy.is_some_and(|policy| policy.environment(name).is_some()) {
            let why = Why::leaf(format!("nothing was ever to go to {name}"), Holds::NotYet);
            return Ok(WhyShape { subject: format!("environment {name}"), why, next: Vec::new() });
        }
        let known = policy.map(|policy| {
            let names = policy.environments.iter().map(|rules| rules.name.to_string());
            names.collect::<Vec<_>>().join(", ")
        });
        Err(ApiError::unknown("run, job or environment", name, known))
    }

    fn run(&self, run: &Run) -> WhyShape {
        let parts = run.jobs.iter().map(|job| self.job(run, job)).collect();
        let mut why = Why::all(format!("run {} of {}", run.id, run.name), parts);
        match (&run.superseded, &run.cancel, run.finished) {
            (Some((by, over)), ..) => {
                why.holds = Holds::No;
                why.evidence = Some(format!("superseded by run {by} in {over}"));
            }
            (_, _, Some((outcome, at))) => {
                why.holds = of_outcome(outcome);
                let took = duration(at.since(run.created));
                why.evidence = Some(format!("{} after {took}", outcome.word()));
            }
            (_, Some(reason), None) => why.evidence = Some(format!("being cancelled: {reason}")),
            (_, None, None) if run.started.is_none() => {
                let group = run.concurrency.as_ref().map(|concurrency| concurrency.group.clone());
                let group = group.unwrap_or_default();
                why.evidence = Some(format!("waits for its turn in the group `{group}`"));
            }
            _ => {}
        }
        let waiting = run.legs.values().filter(|leg| leg.phase == LegPhase::Gated);
        let next = waiting.flat_map(|leg| self.next(run, leg)).collect();
        WhyShape { subject: format!("run {}", run.id), why, next }
    }

    fn job(&self, run: &Run, job: &qnt9_engine::state::Job) -> Why {
        match &job.plan {
            JobPlan::Waiting => {
                let in_file = run.workflow.as_ref().and_then(|workflow| workflow.job(&job.key));
                let open = in_file.into_iter().flat_map(|job| &job.needs);
                let open: Vec<&str> =
                    open.filter(|key| run.job_result(key).is_none()).map(String::as_str).collect();
                let evidence = format!("waits for {}", super::request::list(&open));
                Why::leaf(job.key.clone(), Holds::NotYet).because(evidence)
            }
            JobPlan::Skipped { reason } => Why::leaf(job.key.clone(), Holds::Yes)
                .because(format!("skipped: {}", reason.show())),
            JobPlan::Impossible { reason } => {
                Why::leaf(job.key.clone(), Holds::No).because(reason.show())
            }
            JobPlan::Planned { legs, .. } => {
                let legs: Vec<&LegState> =
                    legs.iter().filter_map(|key| run.legs.get(key)).collect();
                match legs.as_slice() {
                    [only] => self.tree(run, only),
                    several => {
                        let parts = several.iter().map(|leg| self.tree(run, leg)).collect();
                        Why::all(job.key.clone(), parts)
                    }
                }
            }
        }
    }

    fn leg(&self, run: &Run, leg: &LegState) -> WhyShape {
        let subject = format!("job {} of run {}", leg.leg.name, run.id);
        WhyShape { subject, why: self.tree(run, leg), next: self.next(run, leg) }
    }

    /// Why a leg stands where it stands: its gates while it waits, else how it came out.
    fn tree(&self, run: &Run, leg: &LegState) -> Why {
        let gate = Gate::of(self.platform, self.project, run, leg);
        let name = leg.leg.name.clone();
        match (leg.phase, gate) {
            (LegPhase::Gated, Some(gate)) => gate.why(self.now),
            (LegPhase::Gated | LegPhase::Open, _) => {
                Why::leaf(name, Holds::NotYet).because("waits for a free runner")
            }
            (LegPhase::Running, _) => {
                let since = leg.attempts.last().map_or(leg.queued, |attempt| attempt.started);
                let since = duration(self.now.since(since).max(0));
                Why::leaf(name, Holds::NotYet).because(format!("running for {since}"))
            }
            (LegPhase::Lost, _) => {
                let reason = leg.attempts.last().and_then(|attempt| attempt.reason.clone());
                let reason = reason.unwrap_or_else(|| "its runner was lost".to_owned());
                Why::leaf(name, Holds::NotYet).because(format!("{reason}; a person must decide"))
            }
            (LegPhase::Done(outcome, at), _) => {
                let mut why = Why::leaf(name, of_outcome(outcome));
                why.evidence = Some(ended(leg, outcome, at));
                why.of = proof(leg);
                why
            }
        }
    }

    /// The commands that would change what a leg waits for.
    fn next(&self, run: &Run, leg: &LegState) -> Vec<String> {
        let Some(environment) = &leg.leg.environment else { return Vec::new() };
        match leg.phase {
            LegPhase::Gated => {
                let Some(gate) = Gate::of(self.platform, self.project, run, leg) else {
                    return Vec::new();
                };
                let people = able(&gate.why(self.now));
                let commit = run.commit.short();
                let approve =
                    |person: String| format!("qnt9 approve {environment} {commit} --as {person}");
                people.into_iter().map(approve).collect()
            }
            LegPhase::Lost => ["rerun", "abandon"]
                .map(|decision| format!("qnt9 resolve {}.{} {decision}", run.id, leg.leg.job))
                .to_vec(),
            _ => Vec::new(),
        }
    }

    fn deployment(&self, of: &Deployment) -> WhyShape {
        let mut parts = Vec::new();
        let ready = of.ready.len();
        let holds = if ready as u32 >= of.replicas { Holds::Yes } else { Holds::NotYet };
        let healthy = Why::leaf(format!("{} replicas are healthy", of.replicas), holds);
        parts.push(match &of.replica_failure {
            Some(report) => Why { holds: Holds::No, ..healthy.because(report.show()) },
            None => healthy.because(format!("{ready} are")),
        });
        for step in &of.steps {
            let reached = of.percent_reached >= *step;
            let now = of.percent == *step && of.outcome.is_none() && *step < 100;
            let holds = if reached && !now { Holds::Yes } else { Holds::NotYet };
            let mut part = Why::leaf(format!("{step} % of the traffic"), holds);
            if of.percent_reached == *step && !of.verdict_reason.is_empty() {
                part = part.because(of.verdict_reason.clone());
            }
            parts.push(part);
        }
        let rule = format!("deployment {} of {} to {}", of.id, of.release.short(), of.place);
        let mut why = Why::all(rule, parts);
        match &of.outcome {
            None => {}
            Some((DeploymentOutcome::Succeeded, _)) => why.holds = Holds::Yes,
            Some((DeploymentOutcome::RolledBack { reason, at_percent }, _)) => {
                why.holds = Holds::No;
                why.evidence = Some(format!("rolled back at {at_percent} %: {reason}"));
            }
            Some((DeploymentOutcome::Failed { reason }, _)) => {
                why.holds = Holds::No;
                why.evidence = Some(reason.show().to_owned());
            }
        }
        WhyShape { subject: format!("deployment {}", of.id), why, next: Vec::new() }
    }
}

/// The gates as they stood when they opened.
fn proof(leg: &LegState) -> Vec<Why> {
    let lines = leg.opened.as_ref().map_or(&[][..], |(_, _, proof)| proof);
    // The one tree is the whole rule, which whoever prints this says in other words.
    Why::read(lines).into_iter().flat_map(|whole| whole.of).collect()
}

fn ended(leg: &LegState, outcome: Outcome, at: Millis) -> String {
    let took = duration(at.since(leg.queued).max(0));
    let failed = leg.attempts.last().and_then(|attempt| {
        let step = attempt.steps.values().find(|step| step.conclusion == Outcome::Failure)?;
        Some(format!(" in step `{}`", step.name))
    });
    let reason = leg.reason.as_ref().map(|reason| format!(": {reason}"));
    format!(
        "{} after {took}{}{}",
        outcome.word(),
        failed.unwrap_or_default(),
        reason.unwrap_or_default()
    )
}

/// The people who could make a tree hold.
fn able(why: &Why) -> Vec<String> {
    if why.holds != Holds::NotYet {
        return Vec::new();
    }
    let mut people = why.who.clone();
    people.extend(why.of.iter().flat_map(able));
    people
}

const fn of_outcome(outcome: Outcome) -> Holds {
    match outcome {
        Outcome::Success | Outcome::Skipped => Holds::Yes,
        Outcome::Cancelled | Outcome::Failure => Holds::No,
    }
}
