//! What follows by itself: runs leave their queues, jobs are planned when their needs have ended,
//! gates open or close, rollouts take their next step, runs end.

mod overdue;
mod planning;

use qnt9_model::fact::{Fact, Outcome, Queue};
use qnt9_model::planted::{self, Fault};
use qnt9_model::why::Holds;
use qnt9_model::{AttemptId, Millis, StreamId, UserText};
use qnt9_workflow::{Condition, EvaluationError, Job as JobDefinition, Scope, Verdict};

use self::planning::Planned;
use crate::agenda::Rest;
use crate::contexts;
use crate::gates::Gate;
use crate::state::{Job, JobPlan, LegPhase, LegState, Platform, Project, Run, State};
use crate::stops::Stops;
use crate::{aftermath, announcement, concurrency, rollout, schedules};

/// The next facts that follow, all about one subject; empty when the state is at rest. Looks only at
/// what was touched since the state was last at rest, and at what is due by now.
pub(crate) fn settle(state: &mut State, stream: &StreamId, now: Millis) -> Vec<Fact> {
    let Some(project) = state.projects.get_mut(stream) else { return Vec::new() };
    if let Some(fact) = schedules::next(stream, project, now) {
        return vec![fact];
    }
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
    Settling { platform: &state.platform, project, now }.rollouts()
}

/// As [`settle`], looking at every run that is not over: the same, which tests hold it to.
pub(crate) fn settle_looking_at_everything(
    state: &mut State,
    stream: &StreamId,
    now: Millis,
) -> Vec<Fact> {
    let Some(project) = state.projects.get(stream) else { return Vec::new() };
    if let Some(fact) = schedules::next(stream, project, now) {
        return vec![fact];
    }
    let on = Settling { platform: &state.platform, project, now };
    project
        .live_runs()
        .map(|run| on.run(run))
        .find(|facts| !facts.is_empty())
        .unwrap_or_else(|| on.rollouts())
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
    fn rollouts(&self) -> Vec<Fact> {
        let active = self.project.places.values().filter_map(|place| place.active);
        let mut active = active.filter_map(|id| self.project.deployments.get(&id));
        match active.find_map(|deployment| rollout::next(self.project, deployment, self.now)) {
            Some(fact) => announcement::with(self.project, vec![fact], self.now),
            None => aftermath::next(self.project, self.now),
        }
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
        if let Some(fact) = self.overdue(run) {
            return vec![fact];
        }
        let waits = |leg: &LegState| match leg.phase {
            LegPhase::Queued => concurrency::leg_waits(self.project, run, leg),
            LegPhase::Gated => self.gate(run, leg),
            _ => None,
        };
        if let Some(fact) = run.legs.values().find_map(waits) {
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
        // Before its turn nothing of it is compared with the clock.
        run.started?;
        let gated = run.legs.values().filter(|leg| leg.phase == LegPhase::Gated);
        let gates = gated.filter_map(|leg| Gate::of(self.platform, self.project, run, leg));
        let mut stops = Stops::of(self.project, run);
        let running =
            run.legs.values().filter_map(|leg| overdue::due(self.project, leg, &mut stops));
        gates.filter_map(|gate| gate.deadline(self.now)).chain(running).min()
    }

    fn overdue(&self, run: &Run) -> Option<Fact> {
        let mut stops = Stops::of(self.project, run);
        let next = |leg| overdue::next(self.project, run, leg, &mut stops, self.now);
        run.legs.values().find_map(next)
    }

    /// A run that has not started: cancelled, overtaken, or its turn.
    fn queued_run(&self, run: &Run) -> Vec<Fact> {
        if run.cancel.is_some() {
            return vec![Fact::RunFinished { run: run.id, result: Outcome::Cancelled }];
        }
        match &run.concurrency {
            None => vec![Fact::RunStarted { run: run.id }],
            Some(terms) => concurrency::run_waits(self.project, run, terms).into_iter().collect(),
        }
    }

    /// Plans a job whose needs have all ended.
    fn plan(&self, run: &Run, job: &Job) -> Option<Fact> {
        if job.plan != JobPlan::Waiting {
            return None;
        }
        let key = job.key.as_str();
        let job = run.workflow.as_ref()?.job(key)?;
        let ended = |need: &String| run.job_result(need).is_some();
        let hasty = planted::is(Fault::NeedsNotWaited) && job.needs.iter().any(ended);
        if !hasty && !job.needs.iter().all(ended) {
            return None;
        }
        if let Some(reason) = run.cancel.as_ref().filter(|_| run.killed) {
            let reason = UserText::from(reason.as_str());
            return Some(Fact::JobSkipped { run: run.id, key: key.to_owned(), reason });
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
        let planned = planning::legs(job, &contexts, &scope);
        Some(match planned.and_then(|planned| can_be_admitted(run, planned)) {
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
            use LegPhase::{Gated, Lost, Open, Queued};
            matches!(leg.phase, Queued | Gated | Open | Lost)
                && !(leg.phase == Open && planted::is(Fault::CancelForgetsOpen))
        };
        let legs = run.legs.values().filter(waits).filter(|leg| stops.stop(leg));
        let legs: Vec<&LegState> = legs.collect();
        let ended = |leg| never_started(run, leg, Outcome::Cancelled, stops.reason(leg));
        legs.into_iter().map(ended).collect()
    }

    fn gate(&self, run: &Run, leg: &LegState) -> Option<Fact> {
        let gate = Gate::of(self.platform, self.project, run, leg)?;
        if let Some(newer) = self.newer_waiting(run, leg) {
            let job = leg.leg.job.clone();
            return Some(Fact::JobSuperseded { run: run.id, job, by: newer, over: None });
        }
        let why = gate.judged(self.now);
        let job = leg.leg.job.clone();
        match why.holds {
            Holds::NotYet => self.ask_check(run, &gate),
            Holds::Yes => Some(Fact::GatesOpened {
                run: run.id,
                job,
                environment: gate.environment.clone(),
                subjects: gate.subjects(),
                proof: why.lines(),
            }),
            Holds::No | Holds::Barred => {
                Some(Fact::GatesClosed { run: run.id, job, reason: why.closed().join("; ") })
            }
        }
    }

    /// Asks the next check that has not been asked about what would be deployed now.
    fn ask_check(&self, run: &Run, gate: &Gate<'_>) -> Option<Fact> {
        let rule = gate.unasked().into_iter().next()?;
        Some(Fact::CheckRequested {
            run: run.id,
            job: gate.leg.leg.job.clone(),
            environment: gate.environment.clone(),
            name: rule.name.clone(),
            url: rule.url.clone(),
            secret: rule.secret.clone(),
            subjects: gate.subjects(),
            until: self.now.plus(rule.timeout_ms),
        })
    }

    /// A newer run whose same job waits for the same environment, and may get there.
    fn newer_waiting(&self, run: &Run, leg: &LegState) -> Option<qnt9_model::RunId> {
        let newer = self.project.live.range(run.id..).skip(1);
        let newer = newer.filter_map(|id| self.project.live_run(*id));
        let newer =
            newer.filter(|other| other.path == run.path && other.reference == run.reference);
        let same_job = |other: &&Run| {
            let leg_there = other.legs.get(&leg.leg.job).filter(|there| {
                may_come_next(there) && there.leg.environment == leg.leg.environment
            });
            let gate =
                leg_there.and_then(|there| Gate::of(self.platform, self.project, other, there));
            gate.is_some_and(|gate| gate.judged(self.now).holds != Holds::No)
        };
        newer.filter(same_job).map(|other| other.id).last()
    }

    fn finish(&self, run: &Run) -> Option<Fact> {
        if run.workflow.is_none() {
            return Some(Fact::RunFinished { run: run.id, result: Outcome::Failure });
        }
        let last = run.jobs.len() - usize::from(planted::is(Fault::FinishesEarly));
        let results: Option<Vec<Outcome>> =
            run.jobs[..last].iter().map(|job| run.result_of(job)).collect();
        let worst = results?.into_iter().filter(|result| *result != Outcome::Skipped).max();
        let result = match worst {
            _ if run.cancel.is_some() && worst != Some(Outcome::Failure) => Outcome::Cancelled,
            Some(worst) => worst,
            None => Outcome::Skipped,
        };
        Some(Fact::RunFinished { run: run.id, result })
    }
}

/// Whether a leg waits for its environment, or for a group that only the last to come gets.
fn may_come_next(leg: &LegState) -> bool {
    let single = leg.leg.concurrency.as_ref().is_some_and(|own| own.queue == Queue::Single);
    leg.phase == LegPhase::Gated || (leg.phase == LegPhase::Queued && single)
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

/// A job whose group its own run holds would wait for itself.
fn can_be_admitted(run: &Run, planned: Planned) -> Result<Planned, String> {
    let held = run.concurrency.as_ref().map(|own| &own.group);
    let groups = planned.legs.iter().filter_map(|leg| leg.concurrency.as_ref());
    match groups.map(|own| &own.group).find(|group| Some(*group) == held) {
        None => Ok(planned),
        Some(group) => Err(format!(
            "concurrency: its run holds the group `{group}` itself, and it would wait for ever; give \
             the job or the workflow another group"
        )),
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
