//! Replicas of the new release take the place of the old one's, a few at a time. Replicas that are to go
//! get no new requests, and stop when none is in flight. One of the old release always stays until all of
//! the new one are well, so that there is a way back.

use qnt9_model::fact::Verdict;
use qnt9_model::limits::REPLICAS_START_MS;
use qnt9_model::policy::Strategy;
use qnt9_model::{Fact, Millis};

use super::{applied, roll_back};
use crate::state::{Deployment, Project, Shift};

/// How a rolling deployment begins: as many replicas as may be there beyond the old one's. `None` when it
/// is not rolling, or nothing is there to take the place of.
pub(crate) fn first_shift(
    strategy: &Strategy,
    replicas: u32,
    former: Option<&Deployment>,
    now: Millis,
) -> Option<Shift> {
    let Strategy::Rolling { max_surge, .. } = strategy else { return None };
    let own = replicas.min(*max_surge).max(1);
    Some(Shift { own, former: former?.replicas, since: now })
}

/// The next fact about a rolling deployment that has traffic, but not all.
pub(super) fn step(project: &Project, deployment: &Deployment, now: Millis) -> Option<Fact> {
    let shift = deployment.shift?;
    if deployment.verdict == Verdict::Bad {
        return Some(roll_back(deployment, deployment.verdict_reason.clone()));
    }
    if let Some(report) = &deployment.replica_failure {
        return Some(roll_back(deployment, report.show().to_owned()));
    }
    if (deployment.ready.len() as u32) < shift.own {
        let late = now >= deadline(project, deployment)?;
        let (ready, own) = (deployment.ready.len(), shift.own);
        return late.then(|| {
            roll_back(deployment, format!("{ready} of {own} replicas became healthy in time"))
        });
    }
    let percent = share(deployment, shift);
    if percent > deployment.percent {
        return Some(Fact::WeightChanged { deployment: deployment.id, percent });
    }
    let carried = applied(project, deployment) && leaving(project, deployment).next().is_none();
    let next = further(deployment, shift).filter(|_| carried)?;
    let (own, former) = next;
    Some(Fact::ReplicasShifted { deployment: deployment.id, own, former })
}

/// When the replicas that it waits for are given up.
pub(super) fn deadline(project: &Project, deployment: &Deployment) -> Option<Millis> {
    let shift = deployment.shift?;
    let waits = (deployment.ready.len() as u32) < shift.own;
    let patience = deployment.health_timeout_ms + REPLICAS_START_MS;
    waits.then(|| shift.since.max(project.woke).plus(patience))
}

/// The new release's share when it has so many replicas and the old one so many.
pub(super) fn share(deployment: &Deployment, shift: Shift) -> u32 {
    if shift.own >= deployment.replicas {
        return 100;
    }
    (shift.own * 100 / (shift.own + shift.former)).clamp(1, 99)
}

/// How many replicas of both there are to be next: first old ones leave, then new ones come, never more
/// together than allowed.
fn further(deployment: &Deployment, shift: Shift) -> Option<(u32, u32)> {
    let Strategy::Rolling { max_surge, max_unavailable } = deployment.terms.strategy else {
        return None;
    };
    let wanted = deployment.replicas;
    let needed = wanted.saturating_sub(max_unavailable).saturating_sub(shift.own).max(1);
    let former = shift.former.min(needed);
    if former < shift.former {
        return Some((shift.own, former));
    }
    let own = wanted.min((wanted + max_surge).saturating_sub(former)).max(shift.own + 1);
    (shift.own < wanted).then_some((own.min(wanted), former))
}

/// How many of a deployment's replicas still get traffic: all, unless the next one takes their place.
pub(super) fn kept(project: &Project, deployment: &Deployment) -> u32 {
    successor(project, deployment)
        .and_then(|next| next.shift)
        .map_or(u32::MAX, |shift| shift.former)
}

/// The rolling deployment that takes this one's place.
fn successor<'a>(project: &'a Project, deployment: &Deployment) -> Option<&'a Deployment> {
    let place = project.places.get(&deployment.place)?;
    let active = project.deployments.get(&place.active?)?;
    (active.id != deployment.id && active.previous == Some(deployment.id)).then_some(active)
}

/// The replicas of a deployment that get no traffic any more and have not stopped yet.
pub fn leaving_replicas<'a>(
    project: &'a Project,
    deployment: &'a Deployment,
) -> impl Iterator<Item = u32> + 'a {
    let kept = kept(project, deployment).min(deployment.replicas);
    (kept..deployment.replicas).filter(|replica| !deployment.gone.contains(replica))
}

/// The replicas of the one before it that have yet to stop.
fn leaving<'a>(project: &'a Project, of: &Deployment) -> impl Iterator<Item = u32> + 'a {
    let former = of.previous.and_then(|id| project.deployments.get(&id));
    former.into_iter().flat_map(|former| leaving_replicas(project, former))
}
