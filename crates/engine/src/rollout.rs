//! How a deployment goes on by itself: replicas ready, step by step to all traffic, or back. The
//! services of one release take each step together: none goes on before all may, and when one goes back
//! all do.

mod rolling;
mod waiting;

use qnt9_model::fact::{DeploymentOutcome, Outcome, Verdict};
use qnt9_model::limits::{ROLLOUT_STALL_MS, TRAFFIC_STALL_MS};
use qnt9_model::planted::{self, Fault};
use qnt9_model::{DeploymentId, Fact, Millis, UserText};

use crate::gates::duration;
use crate::state::{Deployment, LegPhase, Project};

pub use waiting::{awaits_promotion, must_be_tried, previewed, smoke_tests, tried_at};

/// The next fact about this deployment, if its state and the time call for one.
pub fn next(project: &Project, deployment: &Deployment, now: Millis) -> Option<Fact> {
    if deployment.outcome.is_some() {
        return None;
    }
    if let Some(reason) = given_up(project, deployment).filter(|_| deployment.percent < 100) {
        return Some(match deployment.percent {
            0 => fail(deployment, reason.into()),
            _ => roll_back(deployment, reason),
        });
    }
    if let Some(reason) = left_by_companion(project, deployment) {
        return Some(match deployment.percent {
            0 => fail(deployment, reason.into()),
            _ => roll_back(deployment, reason),
        });
    }
    if not_carried(project, deployment).is_some_and(|late| now >= late) {
        let (percent, long) = (deployment.percent, duration(TRAFFIC_STALL_MS));
        let reason = format!("the gateway did not carry its share of {percent} % for {long}");
        return Some(roll_back(deployment, reason));
    }
    match deployment.percent {
        0 => waiting::start(project, deployment, now),
        100 => {
            let carried = |d: &Deployment| d.percent == 100 && applied(project, d);
            let all = carried(deployment) && companions(project, deployment).all(carried);
            all.then(|| finish(deployment, DeploymentOutcome::Succeeded))
        }
        _ if deployment.shift.is_some() => rolling::step(project, deployment, now),
        _ => step(project, deployment, now),
    }
}

fn step(project: &Project, deployment: &Deployment, now: Millis) -> Option<Fact> {
    if deployment.verdict == Verdict::Bad && !planted::is(Fault::BadIgnored) {
        return Some(roll_back(deployment, deployment.verdict_reason.clone()));
    }
    if let Some(report) = &deployment.replica_failure {
        return Some(roll_back(deployment, report.show().to_owned()));
    }
    let since = deployment.step_since?;
    let level = |other: &Deployment| {
        other.percent > deployment.percent
            || (other.percent == deployment.percent && may_go_on(other, now))
    };
    if may_go_on(deployment, now) && companions(project, deployment).all(level) {
        let mut steps = deployment.steps.iter().copied().filter(|step| *step > deployment.percent);
        let percent = steps.nth(usize::from(planted::is(Fault::StepSkipped)));
        let percent = percent.unwrap_or(100);
        return Some(Fact::WeightChanged { deployment: deployment.id, percent });
    }
    (now >= stall_deadline(project, deployment)?).then(|| {
        let known = match deployment.verdict_reason.as_str() {
            "" => "no request was counted",
            known => known,
        };
        let stood = duration(now.since(since));
        let percent = deployment.percent;
        roll_back(deployment, format!("it could not be judged at {percent} % for {stood}: {known}"))
    })
}

/// Whether the present step is over and was judged well.
fn may_go_on(deployment: &Deployment, now: Millis) -> bool {
    let Some(since) = deployment.step_since else { return false };
    let good = deployment.verdict == Verdict::Good || planted::is(Fault::PromotesUndecided);
    good && (now >= since.plus(deployment.step_for_ms) || planted::is(Fault::StepTooShort))
}

/// The next moment at which time alone moves this deployment.
pub fn deadline(project: &Project, deployment: &Deployment, now: Millis) -> Option<Millis> {
    if deployment.outcome.is_some() {
        return None;
    }
    let shifts = deployment.shift.is_some() && (1..100).contains(&deployment.percent);
    let shifted = shifts.then(|| rolling::deadline(project, deployment)).flatten();
    if let Some(late) = not_carried(project, deployment) {
        // A replica may be lost while the gateway has yet to carry the share.
        return Some(shifted.map_or(late, |shifted| shifted.min(late)));
    }
    if deployment.percent == 0 {
        return Some(waiting::deadline(project, deployment));
    }
    if deployment.shift.is_some() {
        return shifted;
    }
    let step_ends = (deployment.verdict == Verdict::Good)
        .then(|| Some(deployment.step_since?.plus(deployment.step_for_ms)))
        .flatten();
    // A step that is over and good goes on as soon as those of the other services may.
    step_ends.filter(|ends| *ends > now).or_else(|| stall_deadline(project, deployment))
}

/// When a share that the gateway does not carry yet is given up.
fn not_carried(project: &Project, deployment: &Deployment) -> Option<Millis> {
    let (since, _) = deployment.history.last().filter(|(_, percent)| *percent > 0)?;
    let late = (*since).max(project.woke).plus(TRAFFIC_STALL_MS);
    (!applied(project, deployment)).then_some(late)
}

fn stall_deadline(project: &Project, deployment: &Deployment) -> Option<Millis> {
    let longest = ROLLOUT_STALL_MS.max(deployment.step_for_ms * 2);
    let applied = applied(project, deployment);
    (deployment.percent < 100 && applied)
        .then(|| Some(deployment.step_since?.max(project.woke).plus(longest)))?
}

/// Whether the gateway carries the deployment's present share.
#[must_use]
pub fn applied(project: &Project, deployment: &Deployment) -> bool {
    let place = project.places.get(&deployment.place);
    place.is_some_and(|place| place.applied >= deployment.weighted_at)
}

/// Why nobody waits for this rollout any more: the job that asked for it was cancelled or failed, and
/// what follows it in its workflow will not happen. A lost job is none of these until somebody decides.
fn given_up(project: &Project, deployment: &Deployment) -> Option<String> {
    if planted::is(Fault::GivenUpIgnored) {
        return None;
    }
    let attempt = &deployment.call.as_ref()?.attempt;
    let leg = project.runs.get(&attempt.run)?.legs.get(&attempt.job)?;
    match leg.phase {
        LegPhase::Done(outcome @ (Outcome::Cancelled | Outcome::Failure), _) => {
            let (job, run) = (&attempt.job, attempt.run);
            Some(format!("job {job} of run {run} ended with {} before it did", outcome.word()))
        }
        _ => None,
    }
}

/// Why this deployment cannot go on by itself: that of another service of the same release has ended.
fn left_by_companion(project: &Project, deployment: &Deployment) -> Option<String> {
    let ended = |other: &Deployment| {
        let reason = match &other.outcome.as_ref()?.0 {
            DeploymentOutcome::Succeeded => return None,
            DeploymentOutcome::RolledBack { reason, .. } => reason.clone(),
            DeploymentOutcome::Failed { reason } => reason.show().to_owned(),
        };
        Some(format!("{} of the same release did not go on: {reason}", other.place.service))
    };
    companions(project, deployment).find_map(ended)
}

/// The deployments of the other services of the same release, requested by the same word: their ids follow
/// one another.
pub fn companions<'a>(
    project: &'a Project,
    of: &'a Deployment,
) -> impl Iterator<Item = &'a Deployment> {
    let same = move |other: &&Deployment| {
        other.requested == of.requested
            && other.release == of.release
            && other.place.environment == of.place.environment
            && other.place != of.place
    };
    let known = |id| project.deployments.get(&DeploymentId(id));
    let before = (0..of.id.0).rev().map_while(known).take_while(same);
    let after = (of.id.0 + 1..).map_while(known).take_while(same);
    before.chain(after)
}

fn fail(deployment: &Deployment, reason: UserText) -> Fact {
    finish(deployment, DeploymentOutcome::Failed { reason })
}

fn roll_back(deployment: &Deployment, reason: String) -> Fact {
    let at_percent = deployment.percent;
    finish(deployment, DeploymentOutcome::RolledBack { reason, at_percent })
}

fn finish(deployment: &Deployment, outcome: DeploymentOutcome) -> Fact {
    Fact::DeploymentFinished { deployment: deployment.id, outcome }
}

/// The arms of a place: each deployment that gets traffic, its share, and its replicas' addresses.
#[must_use]
pub fn arms(project: &Project, place: &qnt9_model::Place) -> Vec<Arm> {
    let Some(state) = project.places.get(place) else { return Vec::new() };
    let active = state.active.and_then(|id| project.deployments.get(&id));
    let new = active.map(|d| (d, d.percent));
    let rest = 100 - new.map_or(0, |(_, percent)| percent);
    let old = state.serving.and_then(|id| project.deployments.get(&id)).map(|d| (d, rest));
    new.into_iter()
        .chain(old)
        .filter(|(_, percent)| *percent > 0)
        .map(|(deployment, percent)| Arm {
            deployment: deployment.id,
            percent,
            backends: backends(deployment, rolling::kept(project, deployment)),
        })
        .collect()
}

fn backends(deployment: &Deployment, kept: u32) -> Vec<String> {
    deployment.ready.range(..kept).map(|(_, address)| address.clone()).collect()
}

pub(crate) use rolling::first_shift;
pub use rolling::leaving_replicas;

/// One arm of a place's traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arm {
    /// Whose replicas.
    pub deployment: DeploymentId,
    /// Their share.
    pub percent: u32,
    /// Where they listen.
    pub backends: Vec<String>,
}
