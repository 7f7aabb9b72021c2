//! What the outside should now do, computed from the state alone.

use qnt9_model::fact::Entrance;
use qnt9_model::order::WantedReplica;
use qnt9_model::planted::{self, Fault};
use qnt9_model::{AttemptId, Millis, Order, Place};

use crate::state::{
    Check, Deployment, Job, JobPlan, LegPhase, LegState, Platform, Project, Run, State,
};
use crate::stops::Stops;
use crate::{aftermath, rollout, schedules, settle};

pub use crate::stops::should_stop;

/// All outstanding orders of a project, in the order in which they should be begun.
#[must_use]
pub fn orders(project: &Project) -> Vec<Order> {
    let mut orders: Vec<Order> = project.pushes.keys().copied().map(Order::SettlePush).collect();
    for run in project.at_work.iter().filter_map(|id| project.runs.get(id)) {
        orders.extend(job_orders(project, run));
    }
    orders.extend(traffic(project));
    orders.extend(project.undelivered.iter().copied().map(Order::Notify));
    let unasked = open_checks(project).filter(|check| check.delivered.is_none());
    orders.extend(unasked.map(|check| Order::AskCheck(check.id)));
    orders
}

/// The checks whose answers are waited for.
fn open_checks(project: &Project) -> impl Iterator<Item = &Check> {
    project.checks.keys().filter_map(|id| project.check(*id))
}

/// Before which moment an order is not to be begun; only tries that failed have one.
#[must_use]
pub fn not_before(project: &Project, order: &Order) -> Option<Millis> {
    match order {
        Order::Notify(id) => project.notifications.get(id)?.delivery.retry,
        Order::AskCheck(id) => project.check(*id)?.delivery.retry,
        _ => None,
    }
}

/// What is to be done about the jobs of a run, in the order of the file.
fn job_orders(project: &Project, run: &Run) -> Vec<Order> {
    let mut orders = Vec::new();
    // A run that repeats another one has jobs before it has its turn.
    let has_its_turn = run.started.is_some();
    let mut stops = Stops::of(project, run);
    for job in &run.jobs {
        let JobPlan::Planned { legs, .. } = &job.plan else { continue };
        let mut room = room_of(run, job);
        for leg in legs.iter().filter_map(|key| run.legs.get(key)) {
            let id = leg.attempt_id(run.id);
            match leg.phase {
                LegPhase::Open if room > 0 && has_its_turn => {
                    room -= 1;
                    orders.push(Order::StartJob(id));
                }
                LegPhase::Running => {
                    orders.push(Order::FollowJob(id.clone()));
                    orders.extend(asked(leg).then(|| Order::AskJob(id.clone())));
                    if killed(leg) {
                        orders.push(Order::KillJob(id));
                    } else if stops.stop(leg) {
                        orders.push(Order::CancelJob(id));
                    }
                }
                LegPhase::Lost if asked(leg) => orders.push(Order::AskJob(id)),
                _ => {}
            }
        }
    }
    orders
}

fn asked(leg: &LegState) -> bool {
    leg.attempts.last().is_some_and(|attempt| attempt.asked.is_some())
}

fn killed(leg: &LegState) -> bool {
    leg.attempts.last().is_some_and(|attempt| attempt.kill.is_some())
}

/// How many more legs of this job `max-parallel` lets start.
pub(crate) fn room(run: &Run, job: &str) -> usize {
    run.job(job).map_or(usize::MAX, |job| room_of(run, job))
}

fn room_of(run: &Run, job: &Job) -> usize {
    let JobPlan::Planned { legs, max_parallel: Some(limit), .. } = &job.plan else {
        return usize::MAX;
    };
    // A lost leg may be brought back, so it keeps its place.
    let forgotten =
        |leg: &LegState| leg.phase == LegPhase::Lost && planted::is(Fault::MaxParallelForgetsLost);
    let is_taken = |leg: &&LegState| {
        matches!(leg.phase, LegPhase::Running | LegPhase::Lost) && !forgotten(leg)
    };
    let taken = legs.iter().filter_map(|key| run.legs.get(key)).filter(is_taken).count();
    (*limit as usize).saturating_sub(taken)
}

fn traffic(project: &Project) -> Vec<Order> {
    let mut orders = Vec::new();
    let mut generations: Vec<(Place, u64)> = Vec::new();
    for (place, state) in &project.places {
        if state.address.is_none() {
            orders.push(Order::AssignAddress(place.clone(), Entrance::Main));
        }
        if state.preview.is_none() && rollout::previewed(project, place).is_some() {
            orders.push(Order::AssignAddress(place.clone(), Entrance::Preview));
        }
        generations.push((place.clone(), state.generation));
    }
    let up = || project.up.iter().filter_map(|id| project.deployments.get(id));
    let wanted: Vec<WantedReplica> = up()
        .filter(|deployment| keeps_replicas(project, deployment))
        .flat_map(|deployment| {
            let own = if deployment.terms.takes_over.is_some() { 0 } else { deployment.wanted() };
            let stays = |replica: &u32| !deployment.gone.contains(replica);
            (0..own).filter(stays).map(|replica| WantedReplica {
                place: deployment.place.clone(),
                deployment: deployment.id,
                replica,
                release: deployment.release.clone(),
            })
        })
        .collect();
    orders.push(Order::KeepReplicas(wanted));
    let behind = |(place, generation): &&(Place, u64)| {
        project
            .places
            .get(place)
            .is_some_and(|state| state.address.is_some() && state.applied < *generation)
    };
    if generations.iter().any(|generation| behind(&generation)) {
        orders.push(Order::CarryTraffic(generations));
    }
    for deployment in up() {
        let place = project.places.get(&deployment.place);
        let carried = place.is_some_and(|place| place.applied >= place.generation);
        if is_leaving(project, deployment) && !deployment.drained && carried {
            orders.push(Order::DrainArm(deployment.place.clone(), deployment.id));
        }
        let leaving = rollout::leaving_replicas(project, deployment).filter(|_| carried);
        orders.extend(
            leaving.map(|replica| {
                Order::DrainReplica(deployment.place.clone(), deployment.id, replica)
            }),
        );
        if rollout::must_be_tried(deployment) && rollout::tried_at(project, deployment).is_some() {
            orders.push(Order::SmokeTest(deployment.id));
        }
    }
    orders
}

/// Whether the deployment's replicas are still needed: it rolls out, serves, or still drains.
#[must_use]
pub fn keeps_replicas(project: &Project, deployment: &Deployment) -> bool {
    let drained = deployment.drained || planted::is(Fault::DrainNotWaited);
    !(is_leaving(project, deployment) && drained)
}

/// Whether the deployment ended and nothing new is to reach its replicas: it does not serve, is not kept to go
/// back to, and no other deployment has taken them over.
#[must_use]
pub fn is_leaving(project: &Project, deployment: &Deployment) -> bool {
    let place = project.places.get(&deployment.place);
    let serves = place.is_some_and(|place| place.serving == Some(deployment.id));
    let is_warm = place.is_some_and(|place| place.warm.is_some_and(|(id, _)| id == deployment.id));
    let mut up = project.up.iter().filter_map(|id| project.deployments.get(id));
    let is_taken_over = up.any(|other| other.terms.takes_over == Some(deployment.id));
    let needed_yet = is_warm || is_taken_over;
    deployment.outcome.is_some()
        && !needed_yet
        && (!serves || planted::is(Fault::ServingReplicasStopped))
}

/// The next moment at which something happens by time alone.
#[must_use]
pub fn deadline(state: &State, now: Millis) -> Option<Millis> {
    let of_project = |project| deadline_of(&state.platform, project, now);
    state.projects.values().filter_map(of_project).min()
}

/// The same of one project.
#[must_use]
pub fn deadline_of(platform: &Platform, project: &Project, now: Millis) -> Option<Millis> {
    let due = |id| settle::due(platform, project, project.live_run(id)?, now);
    let runs = if now < project.agenda.settled() {
        project.live.iter().filter_map(|id| due(*id)).min()
    } else {
        project.agenda.touched().filter_map(due).chain(project.agenda.next_due()).min()
    };
    let active = project.places.values().filter_map(|place| place.active);
    let active = active.filter_map(|id| project.deployments.get(&id));
    let rollouts = active.filter_map(|deployment| rollout::deadline(project, deployment, now));
    let afterwards = aftermath::deadline(project);
    rollouts.chain(afterwards).chain(runs).chain(schedules::due(project)).min()
}

/// The attempt that an order is about, for fencing.
#[must_use]
pub fn attempt_of(order: &Order) -> Option<&AttemptId> {
    match order {
        Order::StartJob(id)
        | Order::FollowJob(id)
        | Order::CancelJob(id)
        | Order::KillJob(id)
        | Order::AskJob(id) => Some(id),
        _ => None,
    }
}
