//! A release that runs and has no traffic yet: its replicas come up, it is tried, and where a person is to
//! promote it, it waits for them at an address of its own.

use qnt9_model::fact::Direction;
use qnt9_model::limits::{PROMOTE_MS, REPLICAS_START_MS, SMOKE_MS};
use qnt9_model::planted::{self, Fault};
use qnt9_model::policy::{Promote, SmokeTest, Strategy};
use qnt9_model::{Fact, Millis, Place};

use super::{Arm, applied, backends, companions, fail, rolling};
use crate::gates::duration;
use crate::state::{Deployment, Project};

/// The next fact about a deployment without traffic.
pub(super) fn start(project: &Project, deployment: &Deployment, now: Millis) -> Option<Fact> {
    if let Some(report) = &deployment.replica_failure {
        return Some(fail(deployment, report.clone()));
    }
    if let Some((false, report)) = &deployment.smoke {
        let report = format!("its smoke tests failed\n{}", report.show());
        return Some(fail(deployment, report.into()));
    }
    if is_prepared(deployment) && companions(project, deployment).all(is_prepared) {
        return Some(Fact::WeightChanged {
            deployment: deployment.id,
            percent: first_share(deployment),
        });
    }
    (now >= deadline(project, deployment)).then(|| fail(deployment, late(deployment, now).into()))
}

/// The first release of a place has nothing to be compared with. An old one whose replicas are down at
/// this moment is no such case: they are being started again.
fn first_share(deployment: &Deployment) -> u32 {
    match (deployment.previous, deployment.shift) {
        (None, _) => 100,
        (Some(_), None) => deployment.steps[0],
        (Some(_), Some(shift)) => rolling::share(deployment, shift),
    }
}

/// Whether nothing is missing that it must have before it gets traffic.
fn is_prepared(deployment: &Deployment) -> bool {
    let has_failed = deployment.replica_failure.is_some() || deployment.outcome.is_some();
    deployment.percent > 0
        || (!has_failed
            && is_up(deployment)
            && (smoke_tests(deployment).is_empty() || matches!(deployment.smoke, Some((true, _))))
            && (!is_promoted_by_hand(deployment) || deployment.promoted.is_some()))
}

fn is_up(deployment: &Deployment) -> bool {
    let enough = if planted::is(Fault::StartsWithOneReplica) { 1 } else { deployment.wanted() };
    deployment.ready.len() as u32 >= enough
}

fn late(deployment: &Deployment, now: Millis) -> String {
    let (ready, wanted) = (deployment.ready.len(), deployment.wanted());
    let waited = duration(now.since(deployment.requested));
    match deployment.all_ready {
        None => {
            let seconds = now.since(deployment.requested) / 1000;
            format!("{ready} of {wanted} replicas became healthy in {seconds} s")
        }
        Some(_) if !is_up(deployment) => {
            format!("{ready} of {wanted} replicas are healthy, {waited} after it was asked for")
        }
        Some(_) if must_be_tried(deployment) => {
            format!("its smoke tests had not ended {waited} after it was asked for")
        }
        Some(_) if is_promoted_by_hand(deployment) && deployment.promoted.is_none() => {
            format!("nobody promoted it within {waited}")
        }
        Some(_) => format!("the other services of its release were not there after {waited}"),
    }
}

/// When it is given up.
pub(super) fn deadline(project: &Project, deployment: &Deployment) -> Millis {
    match deployment.all_ready {
        None => {
            let patience = deployment.health_timeout_ms + REPLICAS_START_MS;
            deployment.requested.max(project.woke).plus(patience)
        }
        Some(since) => {
            let by_hand = if is_promoted_by_hand(deployment) { PROMOTE_MS } else { 0 };
            since.max(project.woke).plus(deployment.health_timeout_ms + SMOKE_MS + by_hand)
        }
    }
}

fn is_promoted_by_hand(deployment: &Deployment) -> bool {
    let by_hand =
        matches!(deployment.terms.strategy, Strategy::BlueGreen { promote: Promote::Manual, .. });
    by_hand && deployment.previous.is_some()
}

/// Whether everything else is there and a person has yet to promote it.
#[must_use]
pub fn awaits_promotion(deployment: &Deployment) -> bool {
    deployment.outcome.is_none()
        && deployment.percent == 0
        && is_promoted_by_hand(deployment)
        && deployment.promoted.is_none()
        && is_up(deployment)
        && !must_be_tried(deployment)
        && !matches!(deployment.smoke, Some((false, _)))
}

/// What is tried of a deployment's release. One that has served there is not tried again.
#[must_use]
pub fn smoke_tests(deployment: &Deployment) -> &[SmokeTest] {
    match (&deployment.service, deployment.direction) {
        (Some(service), Direction::Forward) => &service.smoke,
        _ => &[],
    }
}

/// Whether its release runs and has yet to be tried.
#[must_use]
pub fn must_be_tried(deployment: &Deployment) -> bool {
    deployment.outcome.is_none()
        && deployment.percent == 0
        && deployment.smoke.is_none()
        && !smoke_tests(deployment).is_empty()
        && is_up(deployment)
}

/// Where a release that has no traffic yet is reached: at its preview, once the gateway carries that;
/// without one, at its first replica.
#[must_use]
pub fn tried_at<'a>(project: &'a Project, deployment: &'a Deployment) -> Option<&'a str> {
    if has_preview(deployment) {
        let place = project.places.get(&deployment.place)?;
        let carried = place.applied >= place.generation && applied(project, deployment);
        return place.preview.as_deref().filter(|_| carried);
    }
    deployment.ready.values().next().map(String::as_str)
}

/// Whether a deployment is reached at an address of its own while it rolls out.
pub(crate) fn has_preview(deployment: &Deployment) -> bool {
    deployment.outcome.is_none()
        && matches!(deployment.terms.strategy, Strategy::BlueGreen { .. })
        && deployment.terms.takes_over.is_none()
}

/// What the gateway carries at a place's preview address: the release that waits there.
#[must_use]
pub fn previewed(project: &Project, place: &Place) -> Option<Arm> {
    let active = project.places.get(place)?.active?;
    let deployment = project.deployments.get(&active).filter(|active| has_preview(active))?;
    let backends = backends(deployment, u32::MAX);
    Some(Arm { deployment: deployment.id, percent: 100, backends })
}
