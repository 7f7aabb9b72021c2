//! Attempts that do not stop when they should, and attempts of which nothing is heard.
//!
//! The runner enforces `timeout-minutes` and ends what is cancelled; behind it the machine has
//! deadlines of its own. While it was away itself nobody could answer, so each of them counts from
//! when it woke at the earliest.

use qnt9_model::fact::{Fact, Outcome};
use qnt9_model::limits::{CANCEL_GRACE_MS, KILL_GRACE_MS, LEASE_MS, TIMEOUT_GRACE_MS};
use qnt9_model::{AttemptId, Millis, UserText};

use crate::gates::duration;
use crate::state::{Attempt, LegPhase, LegState, Project, Run};
use crate::stops::Stops;

/// What follows for a running leg by time alone, or because its run is to end at once.
pub(super) fn next<'a>(
    project: &Project,
    run: &Run,
    leg: &'a LegState,
    stops: &mut Stops<'a>,
    now: Millis,
) -> Option<Fact> {
    let attempt = running(leg)?;
    let id = leg.attempt_id(run.id);
    if attempt.kill.is_some() {
        return (now >= declared(project, attempt)?).then(|| declare(leg, id, attempt, stops));
    }
    if run.killed {
        return Some(Fact::JobKillRequested { attempt: id, reason: stops.reason(leg) });
    }
    let stop = stops.since(leg);
    let reason = if stop.is_some_and(|since| now >= stopped(project, attempt, since)) {
        format!("{}, and it did not stop within {}", stops.reason(leg), duration(CANCEL_GRACE_MS))
    } else if now >= timed_out(project, leg, attempt) {
        format!("it ran longer than its {} and did not stop", duration(leg.leg.timeout_ms))
    } else {
        let unheard = attempt.asked.is_none() && now >= silent(project, attempt);
        return unheard.then_some(Fact::JobUnheard { attempt: id });
    };
    Some(Fact::JobKillRequested { attempt: id, reason })
}

/// The next moment at which [`next`] may say something.
pub(super) fn due<'a>(
    project: &Project,
    leg: &'a LegState,
    stops: &mut Stops<'a>,
) -> Option<Millis> {
    let attempt = running(leg)?;
    if attempt.kill.is_some() {
        return declared(project, attempt);
    }
    let stop = stops.since(leg).map(|since| stopped(project, attempt, since));
    let lease = attempt.asked.is_none().then(|| silent(project, attempt));
    [stop, lease, Some(timed_out(project, leg, attempt))].into_iter().flatten().min()
}

fn running(leg: &LegState) -> Option<&Attempt> {
    leg.attempts.last().filter(|_| leg.phase == LegPhase::Running)
}

fn stopped(project: &Project, attempt: &Attempt, since: Millis) -> Millis {
    since.max(attempt.started).max(project.woke).plus(CANCEL_GRACE_MS)
}

fn timed_out(project: &Project, leg: &LegState, attempt: &Attempt) -> Millis {
    let timeout = attempt.started.plus(leg.leg.timeout_ms);
    timeout.max(project.woke).plus(TIMEOUT_GRACE_MS)
}

fn silent(project: &Project, attempt: &Attempt) -> Millis {
    attempt.heard.max(project.woke).plus(LEASE_MS)
}

/// When an attempt that was to be ended at once is taken for ended.
fn declared(project: &Project, attempt: &Attempt) -> Option<Millis> {
    let (since, _) = attempt.kill.as_ref()?;
    Some((*since).max(project.woke).plus(KILL_GRACE_MS))
}

/// The runner did not say that the attempt ended. What a job did to an environment has to be looked
/// at by a person; any other job is over.
fn declare<'a>(leg: &'a LegState, id: AttemptId, attempt: &Attempt, stops: &mut Stops<'a>) -> Fact {
    let why = attempt.kill.as_ref().map(|(_, reason)| reason.as_str()).unwrap_or_default();
    let reason = format!(
        "{why}; its processes were to be ended, and within {} nobody said that they are",
        duration(KILL_GRACE_MS)
    );
    if leg.leg.environment.is_some() {
        return Fact::JobLost { attempt: id, reason, retry: false };
    }
    let result = if stops.stop(leg) { Outcome::Cancelled } else { Outcome::Failure };
    let reason = Some(UserText::from(reason));
    Fact::JobFinished { attempt: id, result, outputs: Vec::new(), reason, summary: None }
}
