//! Whose time it was: qnt9's own, waiting that somebody declared, or the user's own commands.
//!
//! Of a stretch of wall time, *waiting* is what declared waits cover: `qnt9 wait`, gates from a job's
//! asking until they opened, and the least times at the steps of a canary. *User* is what the bodies
//! of `run:` steps and load tests cover beyond that, less the parts that were terraform's and qnt9's.
//! All the rest is *own*: the three always add up to the wall.

use qnt9_model::Millis;
use qnt9_model::fact::Span;
use serde::{Deserialize, Serialize};

use crate::state::{Deployment, LegPhase, LegState, Project, Run};

/// A stretch of wall time, shared out. Milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shares {
    /// qnt9's own, terraform, git and PostgreSQL included.
    pub own_ms: i64,
    /// Declared waits.
    pub waiting_ms: i64,
    /// The user's own commands and load tests.
    pub user_ms: i64,
}

/// The waits and the user's commands of some runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Sorted and disjoint.
    waiting: Vec<Span>,
    /// Sorted and disjoint; may overlap `waiting`, which then counts.
    user: Vec<Span>,
}

impl Ledger {
    /// The ledger of these runs of a project. What has not ended lasts until `now`.
    pub fn of<'a>(project: &Project, runs: impl IntoIterator<Item = &'a Run>, now: Millis) -> Self {
        let (mut waiting, mut user) = (Vec::new(), Vec::new());
        for run in runs {
            waiting.extend(run.legs.values().filter_map(|leg| gate_wait(leg, now)));
            user.extend(run.legs.values().flat_map(user_bodies));
            let declared = project.waits.iter().filter(|(call, _)| call.attempt.run == run.id);
            waiting.extend(declared.map(|(_, wait)| span(wait.from, wait.until.min(now))));
            let loads = project.loads.iter().filter(|(call, _)| call.attempt.run == run.id);
            user.extend(loads.map(|(_, load)| *load));
            let of_run = |deployment: &&Deployment| {
                deployment.call.as_ref().is_some_and(|call| call.attempt.run == run.id)
            };
            let rollouts = project.deployments.values().filter(of_run);
            waiting.extend(rollouts.flat_map(|deployment| canary_waits(deployment, now)));
        }
        Self { waiting: union(waiting), user: union(user) }
    }

    /// Shares out this stretch of wall time.
    #[must_use]
    pub fn share(&self, wall: Span) -> Shares {
        let waiting = clip(&self.waiting, wall);
        let user = minus(&clip(&self.user, wall), &waiting);
        let (waiting_ms, user_ms) = (length(&waiting), length(&user));
        let wall_ms = wall.finished.since(wall.started).max(0);
        Shares { own_ms: wall_ms - waiting_ms - user_ms, waiting_ms, user_ms }
    }
}

/// From a run's creation to its end.
#[must_use]
pub fn wall_of_run(run: &Run, now: Millis) -> Span {
    span(run.created, run.finished.map_or(now, |(_, at)| at))
}

/// From the moment a job could go on to the end of its last leg; `None` when it never ran.
#[must_use]
pub fn wall_of_job(run: &Run, key: &str, now: Millis) -> Option<Span> {
    let legs = || run.legs.values().filter(|leg| leg.job == key);
    let started = legs().map(|leg| leg.queued).min()?;
    let finished = legs().map(|leg| end_of(leg, now)).max()?;
    Some(span(started, finished))
}

fn end_of(leg: &LegState, now: Millis) -> Millis {
    match leg.phase {
        LegPhase::Done(_, at) => at,
        _ => now,
    }
}

fn gate_wait(leg: &LegState, now: Millis) -> Option<Span> {
    leg.leg.environment.as_ref()?;
    let until = leg.opened.as_ref().map_or_else(|| end_of(leg, now), |(at, ..)| *at);
    Some(span(leg.queued, until))
}

fn user_bodies(leg: &LegState) -> Vec<Span> {
    let steps = leg.attempts.iter().flat_map(|attempt| attempt.steps.values());
    let bodies = steps.filter(|step| step.user);
    bodies.flat_map(|step| minus(&[step.span], &union(step.own.clone()))).collect()
}

/// The least times at the steps of a canary, as far as they passed.
fn canary_waits(deployment: &Deployment, now: Millis) -> Vec<Span> {
    let end = deployment.outcome.as_ref().map_or(now, |(_, at)| *at);
    let next = deployment.history.iter().skip(1).map(|(at, _)| *at).chain([end]);
    deployment
        .history
        .iter()
        .zip(next)
        .filter(|((_, percent), _)| *percent < 100)
        .map(|((at, _), next)| span(*at, at.plus(deployment.step_for_ms).min(next)))
        .collect()
}

const fn span(started: Millis, finished: Millis) -> Span {
    Span { started, finished }
}

/// The same time, sorted and disjoint. Spans that end before they begin hold no time.
fn union(mut spans: Vec<Span>) -> Vec<Span> {
    spans.retain(|span| span.finished > span.started);
    spans.sort_by_key(|span| span.started);
    let mut joined: Vec<Span> = Vec::with_capacity(spans.len());
    for next in spans {
        match joined.last_mut() {
            Some(last) if next.started <= last.finished => {
                last.finished = last.finished.max(next.finished);
            }
            _ => joined.push(next),
        }
    }
    joined
}

/// What of `spans` lies within `wall`.
fn clip(spans: &[Span], wall: Span) -> Vec<Span> {
    let within = |s: &Span| span(s.started.max(wall.started), s.finished.min(wall.finished));
    union(spans.iter().map(within).collect())
}

/// What of `spans` no span of `holes` covers; `holes` sorted and disjoint.
fn minus(spans: &[Span], holes: &[Span]) -> Vec<Span> {
    let mut rest = Vec::with_capacity(spans.len());
    for whole in spans {
        let mut from = whole.started;
        for hole in holes.iter().filter(|hole| hole.finished > whole.started) {
            if hole.started >= whole.finished {
                break;
            }
            rest.push(span(from, hole.started.max(from)));
            from = from.max(hole.finished);
        }
        rest.push(span(from, whole.finished));
    }
    rest.retain(|span| span.finished > span.started);
    rest
}

fn length(spans: &[Span]) -> i64 {
    spans.iter().map(|span| span.finished.since(span.started)).sum()
}

#[cfg(test)]
mod tests;
