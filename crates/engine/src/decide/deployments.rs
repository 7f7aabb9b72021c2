//! Deployments: who may start one, and what runners and gateway report of it.

use std::collections::BTreeSet;

use qnt9_model::fact::{DeploymentOutcome, Direction, Fact};
use qnt9_model::planted::{self, Fault};
use qnt9_model::policy::{RolloutRule, Service};
use qnt9_model::{
    Command, DeploymentId, EnvironmentName, Place, Refusal, ReleaseDigest, Role, UserText,
};

use super::On;
use crate::judge::judge;
use crate::state::Deployment;

pub(super) fn decide(on: &On<'_>, command: &Command) -> Result<Vec<Fact>, Refusal> {
    match command {
        Command::Deploy { call, environment, release, settings } => {
            let (_, leg) = on.caller("deploy", &call.attempt)?;
            let known = on.project.deployment_of(call);
            if known.is_some_and(|known| known.call.as_ref() == Some(call)) {
                return Ok(Vec::new());
            }
            let not_yours = |reason: String| Refusal::NotYours {
                job: call.attempt.to_string(),
                environment: environment.clone(),
                reason,
            };
            if leg.leg.environment.as_ref() != Some(environment)
                && !planted::is(Fault::DeploysWithoutGates)
            {
                return Err(not_yours(format!("it has no `environment: {environment}`")));
            }
            let Some((_, subjects, _)) = &leg.opened else {
                return Err(not_yours("its gates have not opened".to_owned()));
            };
            // Approvals and evidence of other environments are about one release.
            let protected = on.project.policy.as_ref().is_some_and(|(_, policy)| {
                policy.environment(environment).is_some_and(|rules| {
                    rules.approvals.is_some()
                        || rules.evidence.iter().any(|rule| rule.environment.is_some())
                })
            });
            if protected && subjects.release.as_ref() != Some(release) {
                let approved = subjects
                    .release
                    .as_ref()
                    .map_or_else(|| "no release at all".to_owned(), |release| release.short());
                return Err(not_yours(format!("its gates opened for {approved}")));
            }
            // An attempt that was lost asked for the very same, and got it or is getting it.
            let is_the_same = |known: &Deployment| {
                let texts = known.settings.iter().map(|(name, text)| (name, text.show()));
                known.place.environment == *environment
                    && known.release == *release
                    && texts.eq(settings.iter().map(|(name, text)| (name, text.as_str())))
            };
            if known.is_some_and(is_the_same) {
                return Ok(Vec::new());
            }
            let direction = Direction::Forward;
            let request = Request { environment, release, settings, direction, service: None };
            request.facts(on, Some(call.clone()))
        }
        Command::Rollback { environment, to } => {
            on.person("roll back", Role::Approver)?;
            nothing_rolls_out(on, environment)?;
            roll_back(on, environment, to)
        }
        Command::AbortRollout { environment } => {
            let person = on.person("stop a rollout", Role::Approver)?;
            let active = active(on, environment).ok_or_else(|| Refusal::Unknown {
                what: "rollout to",
                name: environment.to_string(),
                known: None,
            })?;
            let outcome = DeploymentOutcome::RolledBack {
                reason: format!("{person} stopped it"),
                at_percent: active.percent,
            };
            Ok(vec![Fact::DeploymentFinished { deployment: active.id, outcome }])
        }
        _ => {
            on.platform_only("speak for runner or gateway")?;
            report(on, command)
        }
    }
}

/// The rollout that is going on in an environment.
fn active<'a>(on: &On<'a>, environment: &EnvironmentName) -> Option<&'a Deployment> {
    let mut places =
        on.project.places.iter().filter(|(place, _)| &place.environment == environment);
    places.find_map(|(_, state)| on.project.deployments.get(&state.active?))
}

fn nothing_rolls_out(on: &On<'_>, environment: &EnvironmentName) -> Result<(), Refusal> {
    match active(on, environment) {
        Some(_) if planted::is(Fault::TwoRollouts) => Ok(()),
        None => Ok(()),
        Some(active) => Err(Refusal::RolloutGoing {
            place: active.place.to_string(),
            environment: environment.clone(),
            what: format!("{} at {} %", active.release.short(), active.percent),
        }),
    }
}

struct Request<'a> {
    environment: &'a EnvironmentName,
    release: &'a ReleaseDigest,
    settings: &'a [(String, String)],
    direction: Direction,
    /// How it ran here before; `qnt9.toml` says it for what did not.
    service: Option<&'a Service>,
}

impl Request<'_> {
    fn facts(&self, on: &On<'_>, call: Option<qnt9_model::CallKey>) -> Result<Vec<Fact>, Refusal> {
        let refuse = |reason: String| Refusal::Release {
            release: self.release.short(),
            environment: self.environment.clone(),
            reason,
        };
        let release = on
            .project
            .releases
            .get(self.release)
            .ok_or_else(|| refuse("there is no such release here".to_owned()))?;
        let policy = on.project.policy.as_ref().map(|(_, policy)| policy);
        let said = || policy.and_then(|policy| policy.service(&release.service));
        let service = self.service.or_else(said);
        let service = service.ok_or_else(|| {
            refuse(format!(
                "qnt9.toml has no [service.{}] that says how to run it",
                release.service
            ))
        })?;
        let rules = policy.and_then(|policy| policy.environment(self.environment));
        let place =
            Place { environment: self.environment.clone(), service: release.service.clone() };
        nothing_rolls_out(on, self.environment)?;
        let rollout = match self.direction {
            Direction::Forward => rules.map(|rules| rules.rollout.clone()),
            Direction::Rollback => None,
        };
        let rollout = rollout.unwrap_or_else(RolloutRule::at_once);
        Ok(vec![Fact::DeploymentRequested {
            call,
            place,
            release: self.release.clone(),
            direction: self.direction,
            replicas: rules.and_then(|rules| rules.replicas).unwrap_or(service.replicas),
            steps: rollout.steps,
            step_for_ms: on.project.scaled(rollout.step_for_ms),
            min_requests: rollout.min_requests,
            health_timeout_ms: service.health_timeout_ms,
            service: Some(service.clone()),
            settings: self
                .settings
                .iter()
                .map(|(name, value)| (name.clone(), UserText::from(value.as_str())))
                .collect(),
        }])
    }
}

/// Back to a release that has served this environment, with the settings it had then.
fn roll_back(
    on: &On<'_>,
    environment: &EnvironmentName,
    to: &ReleaseDigest,
) -> Result<Vec<Fact>, Refusal> {
    let served = |d: &&Deployment| {
        d.place.environment == *environment
            && matches!(d.outcome, Some((DeploymentOutcome::Succeeded, _)))
    };
    let deployments = on.project.deployments.values().filter(served);
    let earlier = deployments.clone().rfind(|d| d.release == *to);
    let earlier = earlier.ok_or_else(|| {
        let known: BTreeSet<String> = deployments.map(|d| d.release.short()).collect();
        Refusal::Release {
            release: to.short(),
            environment: environment.clone(),
            reason: if known.is_empty() {
                "nothing has served there yet".to_owned()
            } else {
                let known = super::names(known.iter());
                format!("it never served there; a rollback goes to one of {known}")
            },
        }
    })?;
    if on.project.serving_environment(environment).is_some_and(|d| d.release == *to) {
        return Err(Refusal::Release {
            release: to.short(),
            environment: environment.clone(),
            reason: "it is what serves there now".to_owned(),
        });
    }
    let settings: Vec<(String, String)> = earlier
        .settings
        .iter()
        .map(|(name, value)| (name.clone(), value.show().to_owned()))
        .collect();
    if earlier.settings.iter().any(|(_, value)| matches!(value, UserText::Sealed(_))) {
        return Err(Refusal::Release {
            release: to.short(),
            environment: environment.clone(),
            reason: "the settings it ran with were erased; deploy it by a workflow".to_owned(),
        });
    }
    let (direction, service) = (Direction::Rollback, earlier.service.as_ref());
    let request = Request { environment, release: to, settings: &settings, direction, service };
    request.facts(on, None)
}

fn report(on: &On<'_>, command: &Command) -> Result<Vec<Fact>, Refusal> {
    let known = |id: &DeploymentId| on.project.deployments.get(id);
    Ok(match command {
        Command::AssignAddress { place, address } => {
            let assigned = on.project.places.get(place).is_none_or(|state| state.address.is_some());
            let (place, address) = (place.clone(), address.clone());
            if assigned { Vec::new() } else { vec![Fact::AddressAssigned { place, address }] }
        }
        Command::ReplicaReady { deployment, replica, address } => {
            let same = known(deployment).is_none_or(|d| d.ready.get(replica) == Some(address));
            let (deployment, replica, address) = (*deployment, *replica, address.clone());
            if same {
                Vec::new()
            } else {
                vec![Fact::ReplicaReady { deployment, replica, address }]
            }
        }
        Command::ReplicaLost { deployment, replica, reason } => {
            let ready = known(deployment).is_some_and(|d| d.ready.contains_key(replica));
            let (deployment, replica, reason) = (*deployment, *replica, reason.clone());
            if ready { vec![Fact::ReplicaLost { deployment, replica, reason }] } else { Vec::new() }
        }
        Command::ReplicaFailed { deployment, replica, report } => {
            let news = known(deployment).is_some_and(|d| d.replica_failure.is_none());
            let (deployment, replica) = (*deployment, *replica);
            let report = UserText::from(report.as_str());
            if news {
                vec![Fact::ReplicaFailed { deployment, replica, report }]
            } else {
                Vec::new()
            }
        }
        Command::TrafficApplied { place, generation } => {
            let behind = on.project.places.get(place).is_some_and(|s| s.applied < *generation);
            let (place, generation) = (place.clone(), *generation);
            if behind { vec![Fact::TrafficApplied { place, generation }] } else { Vec::new() }
        }
        Command::CountWindow { deployment, generation, window, new, old } => {
            let Some(d) = known(deployment) else { return Ok(Vec::new()) };
            let counts = d.outcome.is_none()
                && (1..100).contains(&d.percent)
                && (*generation >= d.weighted_at || planted::is(Fault::WindowOfEarlierShare))
                && (*window > d.window || planted::is(Fault::WindowTwice))
                && (new.requests + old.requests > 0);
            if !counts {
                return Ok(Vec::new());
            }
            let (verdict, reason) = judge(d.new.plus(*new), d.old.plus(*old), d.min_requests);
            vec![Fact::WindowJudged {
                deployment: *deployment,
                window: *window,
                percent: d.percent,
                new: *new,
                old: *old,
                verdict,
                reason,
            }]
        }
        Command::ArmDrained { deployment } => {
            let leaving = known(deployment)
                .is_some_and(|d| !d.drained && crate::orders::is_leaving(on.project, d));
            if leaving { vec![Fact::ArmDrained { deployment: *deployment }] } else { Vec::new() }
        }
        _ => return Err(on.wrong("ask it here")),
    })
}
