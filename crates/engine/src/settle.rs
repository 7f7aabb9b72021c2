//! What follows by itself: runs leave their queues, jobs are planned when their needs have ended,
//! gates open or close, rollouts take their next step, runs end.

use qnt9_model::fact::{Fact, Leg, Outcome};
use qnt9_model::why::Holds;
use qnt9_model::{AttemptId, JobKey, Millis, StreamId, UserText};
use qnt9_workflow::{
    Condition, EvaluationError, Job as JobDefinition, Object, Scope, Value, Verdict,
};

use crate::agenda::Rest;
use crate::contexts;
use crate::gates::Gate;
use crate::orders::Stops;
use crate::rollout;
use crate::state::{Job, JobPlan, LegPhase, LegState, Platform, Project, Run, State};

/// The next facts that follow, all about one subject; empty when the state is at rest. Looks only at
/// what was touched since the state was last at rest, and at what is due by now.
pub(crate) fn settle(state: &mut State, stream: &StreamId, now: Millis) -> Vec<Fact> {
    let Some(project) = state.projects.get_mut(stream) else { return Vec::new() };
    project.agenda.wake(now);
    while let Some(id) = project.agenda.first() {
        let Some(run) = project.live_run(id) else {
            project.agenda.forget(id);
            continue;
        };
        let on = Settling { platform: &state.platform, project, now };
        let facts = on.run(run);
        if !facts.is_empty() {
            return facts;
        }
        let rest = on.rest(run);
        project.agenda.rests(id, &rest);
    }
    Settling { platform: &state.platform, project, now }.rollouts().into_iter().collect()
}

/// As [`settle`], looking at every run that is not over: the same, which tests hold it to.
pub(crate) fn settle_looking_at_everything(
    state: &mut State,
    stream: &StreamId,
    now: Millis,
) -> Vec<Fact> {
    let Some(project) = state.projects.get(stream) else { return Vec::new() };
    let on = Settling { platform: &state.platform, project, now };
    project
        .live_runs()
        .map(|run| on.run(run))
        .find(|facts| !facts.is_empty())
        .unwrap_or_else(|| on.rollouts().into_iter().collect())
}

/// The next moment at which time alone changes something for a run.
pub(crate) fn due(
    platform: &Platform,
    project: &Project,
    run: &Run,
    now: Millis,
) -> Option<Millis> {
    Settling { platform, project, now }.due(run)
}

struct Settling<'a> {
    platform: &'a Platform,
    project: &'a Project,
    now: Millis,
}

impl Settling<'_> {
    fn rollouts(&self) -> Option<Fact> {
        let active = self.project.places.values().filter_map(|place| place.active);
        let mut active = active.filter_map(|id| self.project.deployments.get(&id));
        active.find_map(|deployment| rollout::next(self.project, deployment, self.now))
    }

    fn run(&self, run: &Run) -> Vec<Fact> {
        if run.started.is_none() {
            return self.queued_run(run);
        }
        if let Some(fact) = run.jobs.iter().find_map(|job| self.plan(run, job)) {
            return vec![fact];
        }
        let stopped = self.stopped(run);
        if !stopped.is_empty() {
            return stopped;
        }
        if let Some(fact) = run.legs.values().find_map(|leg| self.gate(run, leg)) {
            return vec![fact];
        }
        self.finish(run).into_iter().collect()
    }

    /// What a run waits for from which nothing follows now.
    fn rest(&self, run: &Run) -> Rest {
        let gated = run.legs.values().any(|leg| leg.phase == LegPhase::Gated);
        Rest { gated, due: self.due(run) }
    }

    /// The next moment at which time alone changes something for this run: everything that `run`
    /// compares with the clock has its moment here.
    fn due(&self, run: &Run) -> Option<Millis> {
        let gated = run.legs.values().filter(|leg| leg.phase == LegPhase::Gated);
        let gates = gated.filter_map(|leg| Gate::of(self.platform, self.project, run, leg));
        gates.filter_map(|gate| gate.deadline(self.now)).min()
    }

    /// A run that has not started: cancelled, overtaken, or its turn.
    fn queued_run(&self, run: &Run) -> Vec<Fact> {
        if run.cancel.is_some() {
            return vec![Fact::RunFinished { run: run.id, result: Outcome::Cancelled }];
        }
        let Some(concurrency) = &run.concurrency else {
            return vec![Fact::RunStarted { run: run.id }];
        };
        let others = self.project.groups.get(&concurrency.group).into_iter().flatten();
        let others = others.filter_map(|id| self.project.live_run(*id));
        let others = others.filter(|other| other.id != run.id);
        let Some(running) = others.clone().find(|other| other.started.is_some()) else {
            return vec![Fact::RunStarted { run: run.id }];
        };
        let newer = others.filter(|other| other.id > run.id && other.started.is_none());
        if let Some(newer) = newer.last() {
            let over = format!("concurrency group `{}`", concurrency.group);
            return vec![Fact::RunSuperseded { run: run.id, by: newer.id, over }];
        }
        if concurrency.cancel_in_progress && running.cancel.is_none() {
            let reason = format!("run {} of the same concurrency group came", run.id);
            return vec![Fact::RunCancelRequested { run: running.id, reason }];
        }
        Vec::new()
    }

    /// Plans a job whose needs have all ended.
    fn plan(&self, run: &Run, job: &Job) -> Option<Fact> {
        if job.plan != JobPlan::Waiting {
            return None;
        }
        let key = job.key.as_str();
        let job = run.workflow.as_ref()?.job(key)?;
        if !job.needs.iter().all(|need| run.job_result(need).is_some()) {
            return None;
        }
        let contexts = contexts::of_job(self.project, run, job);
        let scope = Scope::new(&contexts).with_status(contexts::status(run, key));
        let (run_id, key) = (run.id, key.to_owned());
        let verdict = match verdict(job, &scope) {
            Ok(verdict) => verdict,
            Err(error) => {
                let reason = UserText::from(format!("if: {error}"));
                return Some(Fact::JobImpossible { run: run_id, key, reason });
            }
        };
        if !verdict.holds {
            let reason = UserText::from(skip_reason(run, job, &verdict.trace.to_string()));
            return Some(Fact::JobSkipped { run: run_id, key, reason });
        }
        Some(match legs(job, &contexts, &scope) {
            Ok(planned) => Fact::JobPlanned {
                run: run_id,
                key,
                legs: planned.legs,
                fail_fast: planned.fail_fast,
                max_parallel: planned.max_parallel,
                condition: UserText::from(verdict.trace.to_string()),
            },
            Err(reason) => Fact::JobImpossible { run: run_id, key, reason: UserText::from(reason) },
        })
    }

    /// The legs that are to be stopped before they were with a runner, or while theirs is lost.
    fn stopped(&self, run: &Run) -> Vec<Fact> {
        let mut stops = Stops::of(self.project, run);
        let waits = |leg: &&LegState| {
            matches!(leg.phase, LegPhase::Gated | LegPhase::Open | LegPhase::Lost)
        };
        let legs = run.legs.values().filter(waits).filter(|leg| stops.stop(leg));
        let reason = || match &run.cancel {
            Some(reason) => reason.clone(),
            None => "another leg of the matrix failed".to_owned(),
        };
        legs.map(|leg| never_started(run, leg, Outcome::Cancelled, reason())).collect()
    }

    fn gate(&self, run: &Run, leg: &LegState) -> Option<Fact> {
        if leg.phase != LegPhase::Gated {
            return None;
        }
        let gate = Gate::of(self.platform, self.project, run, leg)?;
        if let Some(newer) = self.newer_waiting(run, leg) {
            let job = leg.leg.job.clone();
            return Some(Fact::JobSuperseded { run: run.id, job, by: newer, over: None });
        }
        let why = gate.why(self.now);
        let job = leg.leg.job.clone();
        match why.holds {
            Holds::NotYet => None,
            Holds::Yes => Some(Fact::GatesOpened {
                run: run.id,
                job,
                environment: gate.environment.clone(),
                subjects: gate.subjects(),
                proof: why.lines(),
            }),
            Holds::No => {
                Some(Fact::GatesClosed { run: run.id, job, reason: why.closed().join("; ") })
            }
        }
    }

    /// A newer run whose same job waits for the same environment, and may get there.
    fn newer_waiting(&self, run: &Run, leg: &LegState) -> Option<qnt9_model::RunId> {
        let newer = self.project.live.range(run.id..).skip(1);
        let newer = newer.filter_map(|id| self.project.live_run(*id));
        let same_job = |other: &&Run| {
            let leg_there = other.legs.get(&leg.leg.job).filter(|there| {
                there.phase == LegPhase::Gated && there.leg.environment == leg.leg.environment
            });
            let gate =
                leg_there.and_then(|there| Gate::of(self.platform, self.project, other, there));
            other.path == run.path
                && other.reference == run.reference
                && gate.is_some_and(|gate| gate.why(self.now).holds != Holds::No)
        };
        newer.filter(same_job).map(|other| other.id).last()
    }

    fn finish(&self, run: &Run) -> Option<Fact> {
        if run.workflow.is_none() {
            return Some(Fact::RunFinished { run: run.id, result: Outcome::Failure });
        }
        let results: Option<Vec<Outcome>> = run.jobs.iter().map(|job| run.result_of(job)).collect();
        let worst = results?.into_iter().filter(|result| *result != Outcome::Skipped).max();
        let result = match worst {
            _ if run.cancel.is_some() && worst != Some(Outcome::Failure) => Outcome::Cancelled,
            Some(worst) => worst,
            None => Outcome::Skipped,
        };
        Some(Fact::RunFinished { run: run.id, result })
    }
}

/// Whether a job's `if` holds as things stand now. An expression without a value does not hold.
pub(crate) fn condition_holds(project: &Project, run: &Run, key: &str) -> bool {
    let Some(job) = run.workflow.as_ref().and_then(|workflow| workflow.job(key)) else {
        return false;
    };
    let contexts = contexts::of_job(project, run, job);
    let scope = Scope::new(&contexts).with_status(contexts::status(run, key));
    verdict(job, &scope).is_ok_and(|verdict| verdict.holds)
}

fn verdict(job: &JobDefinition, scope: &Scope<'_>) -> Result<Verdict, EvaluationError> {
    match &job.condition {
        Some(condition) => condition.evaluate(scope),
        None => Ok(Condition::verdict_of_none(scope)),
    }
}

/// A leg that ends without having been with a runner: attempt 0.
fn never_started(run: &Run, leg: &LegState, result: Outcome, reason: String) -> Fact {
    let attempt = AttemptId { run: run.id, job: leg.leg.job.clone(), attempt: 0 };
    Fact::JobFinished {
        attempt,
        result,
        outputs: Vec::new(),
        reason: Some(reason.into()),
        summary: None,
    }
}

fn skip_reason(run: &Run, job: &JobDefinition, trace: &str) -> String {
    let unmet: Vec<String> = job
        .needs
        .iter()
        .filter_map(|need| Some((need, run.job_result(need)?)))
        .filter(|(_, result)| *result != Outcome::Success)
        .map(|(need, result)| format!("{need} is {}", result.word()))
        .collect();
    match (&job.condition, unmet.is_empty()) {
        (None, false) => format!("it needs what did not succeed: {}", unmet.join(", ")),
        (None, true) => "what it depends on did not all run".to_owned(),
        (Some(_), true) => format!("its `if` is false:\n{trace}"),
        (Some(_), false) => format!("its `if` is false ({}):\n{trace}", unmet.join(", ")),
    }
}

struct Planned {
    legs: Vec<Leg>,
    fail_fast: bool,
    max_parallel: Option<u32>,
}

const MINUTE_MS: f64 = 60_000.0;
/// GitHub's default for `timeout-minutes` of a job.
const TIMEOUT_MINUTES: f64 = 360.0;

fn legs(job: &JobDefinition, contexts: &Object, scope: &Scope<'_>) -> Result<Planned, String> {
    let at =
        |key: &'static str| move |error: qnt9_workflow::EvaluationError| format!("{key}: {error}");
    let Some(strategy) = &job.strategy else {
        let leg = leg(job, contexts, scope, None, 1)?;
        return Ok(Planned { legs: vec![leg], fail_fast: false, max_parallel: None });
    };
    let expanded = strategy.legs(scope).map_err(|error| format!("matrix: {error}"))?;
    let total = expanded.len();
    let legs: Result<Vec<Leg>, String> =
        expanded.iter().map(|matrix| leg(job, contexts, scope, Some(matrix), total)).collect();
    Ok(Planned {
        legs: legs?,
        fail_fast: strategy.fails_fast(scope).map_err(at("fail-fast"))?,
        max_parallel: strategy.parallel_max(scope).map_err(at("max-parallel"))?,
    })
}

fn leg(
    job: &JobDefinition,
    contexts: &Object,
    scope: &Scope<'_>,
    matrix: Option<&qnt9_workflow::Leg>,
    total: usize,
) -> Result<Leg, String> {
    let mut contexts = contexts.clone();
    let values = matrix.map_or_else(|| Value::Object(Object::new()), |m| m.values.clone().into());
    contexts.insert("matrix", values.clone());
    contexts.insert("strategy", strategy(job, matrix, total, scope)?);
    let scope = Scope { contexts: &contexts, ..*scope };
    let at =
        |key: &'static str| move |error: qnt9_workflow::EvaluationError| format!("{key}: {error}");
    let name = job.display_name(matrix, &scope).map_err(at("name"))?;
    let environment = job.environment.as_ref().map(|e| e.name.interpolate(&scope)).transpose();
    let environment = environment.map_err(at("environment"))?.filter(|name| !name.is_empty());
    let tolerant = job.continue_on_error.as_ref().map_or(Ok(false), |t| t.boolean(&scope));
    let minutes = job.timeout_minutes.as_ref().map_or(Ok(TIMEOUT_MINUTES), |t| t.number(&scope));
    let index = matrix.map_or(0, |m| m.index as u32);
    let key = match matrix {
        Some(_) => format!("{}.{}", job.key, index + 1),
        None => job.key.clone(),
    };
    Ok(Leg {
        job: JobKey(key),
        name,
        index,
        matrix: UserText::from(values.to_json_text()),
        environment: environment.map(Into::into),
        continue_on_error: tolerant.map_err(at("continue-on-error"))?,
        timeout_ms: (minutes.map_err(at("timeout-minutes"))? * MINUTE_MS) as i64,
        concurrency: None,
    })
}

/// The `strategy` context; a job without a strategy has one too, as on GitHub.
fn strategy(
    job: &JobDefinition,
    matrix: Option<&qnt9_workflow::Leg>,
    total: usize,
    scope: &Scope<'_>,
) -> Result<Value, String> {
    if let (Some(strategy), Some(matrix)) = (&job.strategy, matrix) {
        let context = strategy.context(matrix.index, total, scope);
        return context.map(Value::Object).map_err(|error| format!("strategy: {error}"));
    }
    Ok(Value::Object(Object::from_iter([
        ("fail-fast", Value::Bool(true)),
        ("job-index", Value::Number(0.0)),
        ("job-total", Value::Number(1.0)),
        ("max-parallel", Value::Number(1.0)),
    ])))
}
