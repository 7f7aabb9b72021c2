//! Deployments: who may start one, and what runners and gateway report of it.

use std::collections::BTreeSet;

use qnt9_model::fact::{DeploymentOutcome, Direction, Entrance, Fact, RolloutTerms};
use qnt9_model::planted::{self, Fault};
use qnt9_model::policy::{Promote, RolloutRule, Strategy, WatchRule};
use qnt9_model::{
    CallKey, Command, DeploymentId, EnvironmentName, Place, Refusal, ReleaseDigest, Role, UserText,
};

use super::On;
use crate::judge::judge;
use crate::state::Deployment;
use crate::{aftermath, announcement, rollback, rollout};

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
            Request { environment, release, settings }.facts(on, call)
        }
        Command::Rollback { environment, to } => {
            on.person("roll back", Role::Approver)?;
            nothing_rolls_out(on, environment)?;
            roll_back(on, environment, to)
        }
        Command::AbortRollout { environment } => {
            let person = on.person("stop a rollout", Role::Approver)?;
            let stopped = |active: &Deployment| Fact::DeploymentFinished {
                deployment: active.id,
                outcome: DeploymentOutcome::RolledBack {
                    reason: format!("{person} stopped it"),
                    at_percent: active.percent,
                },
            };
            // The first: those of the other services of its release follow it.
            let first = on.project.rolling_out(environment).next().map(stopped);
            let first = first.ok_or_else(|| Refusal::Unknown {
                what: "rollout to",
                name: environment.to_string(),
                known: None,
            })?;
            Ok(announcement::with(on.project, vec![first], on.now))
        }
        Command::Promote { environment } => promote(on, environment),
        _ => {
            on.platform_only("speak for runner or gateway")?;
            report(on, command)
        }
    }
}

fn nothing_rolls_out(on: &On<'_>, environment: &EnvironmentName) -> Result<(), Refusal> {
    match on.project.rolling_out(environment).next() {
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
}

impl Request<'_> {
    /// One request for each service of the release.
    fn facts(&self, on: &On<'_>, call: &CallKey) -> Result<Vec<Fact>, Refusal> {
        let release = on
            .project
            .releases
            .get(self.release)
            .ok_or_else(|| self.refusal("there is no such release here".to_owned()))?;
        nothing_rolls_out(on, self.environment)?;
        release.services().map(|service| self.fact(on, call, service)).collect()
    }

    fn fact(&self, on: &On<'_>, call: &CallKey, service: &str) -> Result<Fact, Refusal> {
        let policy = on.project.policy.as_ref().map(|(_, policy)| policy);
        let said = policy.and_then(|policy| policy.service(service)).ok_or_else(|| {
            self.refusal(format!("qnt9.toml has no [service.{service}] that says how to run it"))
        })?;
        let rules = policy.and_then(|policy| policy.environment(self.environment));
        let rollout = rules.map_or_else(RolloutRule::at_once, |rules| rules.rollout.clone());
        let strategy = match rollout.strategy {
            Strategy::BlueGreen { promote, keep_ms } => {
                Strategy::BlueGreen { promote, keep_ms: on.project.scaled(keep_ms) }
            }
            other => other,
        };
        let watch = rules.and_then(|rules| rules.watch.clone()).map(|watch| {
            let for_ms = on.project.scaled(watch.for_ms);
            WatchRule { for_ms, ..watch }
        });
        let place = Place { environment: self.environment.clone(), service: service.to_owned() };
        Ok(Fact::DeploymentRequested {
            call: Some(call.clone()),
            place,
            release: self.release.clone(),
            direction: Direction::Forward,
            replicas: rules.and_then(|rules| rules.replicas).unwrap_or(said.replicas),
            steps: rollout.steps,
            step_for_ms: on.project.scaled(rollout.step_for_ms),
            min_requests: rollout.min_requests,
            health_timeout_ms: said.health_timeout_ms,
            service: Some(said.clone()),
            settings: self
                .settings
                .iter()
                .map(|(name, value)| (name.clone(), UserText::from(value.as_str())))
                .collect(),
            terms: RolloutTerms { strategy, watch, takes_over: None },
        })
    }

    fn refusal(&self, reason: String) -> Refusal {
        Refusal::Release {
            release: self.release.short(),
            environment: self.environment.clone(),
            reason,
        }
    }
}

/// Back to a release that has served this environment, with the settings it had then.
fn roll_back(
    on: &On<'_>,
    environment: &EnvironmentName,
    to: &ReleaseDigest,
) -> Result<Vec<Fact>, Refusal> {
    let refuse = |reason: String| Refusal::Release {
        release: to.short(),
        environment: environment.clone(),
        reason,
    };
    let served = |d: &&Deployment| {
        d.place.environment == *environment
            && matches!(d.outcome, Some((DeploymentOutcome::Succeeded, _)))
    };
    let served = on.project.deployments.values().filter(served);
    if !served.clone().any(|d| d.release == *to) {
        let known: BTreeSet<String> = served.map(|d| d.release.short()).collect();
        return Err(refuse(if known.is_empty() {
            "nothing has served there yet".to_owned()
        } else {
            let known = super::names(known.iter());
            format!("it never served there; a rollback goes to one of {known}")
        }));
    }
    if on.project.serving_environment(environment).is_some_and(|d| d.release == *to) {
        return Err(refuse("it is what serves there now".to_owned()));
    }
    rollback::facts(on.project, environment, to).map_err(refuse)
}

/// A person lets what waits beside the serving release have the traffic.
fn promote(on: &On<'_>, environment: &EnvironmentName) -> Result<Vec<Fact>, Refusal> {
    on.person("promote a release", Role::Approver)?;
    let waiting: Vec<&Deployment> = on.project.rolling_out(environment).collect();
    if waiting.is_empty() {
        return Err(Refusal::Unknown {
            what: "rollout to",
            name: environment.to_string(),
            known: None,
        });
    }
    // Asked again while the switch is under way, it changes nothing.
    if waiting.iter().all(|d| d.promoted.is_some()) {
        return Ok(Vec::new());
    }
    if let Some(unready) = waiting.iter().find(|d| !rollout::awaits_promotion(d)) {
        let reason = match unready.terms.strategy {
            Strategy::BlueGreen { promote: Promote::Manual, .. } => {
                let (ready, wanted) = (unready.ready.len(), unready.wanted());
                let tried = match rollout::must_be_tried(unready) {
                    true => ", and its smoke tests have not ended",
                    false => "",
                };
                format!("it is not ready: {ready} of {wanted} replicas are healthy{tried}")
            }
            _ => {
                "it needs nobody to promote it; `promote = \"manual\"` of a blue-green rollout does"
                    .to_owned()
            }
        };
        return Err(Refusal::Release {
            release: unready.release.short(),
            environment: environment.clone(),
            reason,
        });
    }
    Ok(waiting.iter().map(|d| Fact::Promoted { deployment: d.id }).collect())
}

fn report(on: &On<'_>, command: &Command) -> Result<Vec<Fact>, Refusal> {
    let known = |id: &DeploymentId| on.project.deployments.get(id);
    Ok(match command {
        Command::AssignAddress { place, entrance, address } => {
            assign(on, place, *entrance, address).into_iter().collect()
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
        _ => return report_beside(on, command),
    })
}

/// An address for a place that has none yet.
fn assign(on: &On<'_>, place: &Place, entrance: Entrance, address: &str) -> Option<Fact> {
    let known = on.project.places.get(place)?;
    let assigned = match entrance {
        Entrance::Main => &known.address,
        Entrance::Preview => &known.preview,
    };
    // Two that are looked for at the same time may find the same one free: the second looks again.
    let mut all = on.project.places.values().flat_map(|state| [&state.address, &state.preview]);
    let taken = all.any(|known| known.as_deref() == Some(address));
    let (place, address) = (place.clone(), address.to_owned());
    (assigned.is_none() && !taken).then_some(Fact::AddressAssigned { place, entrance, address })
}

/// What is reported of rollouts beside replicas and shares of the traffic.
fn report_beside(on: &On<'_>, command: &Command) -> Result<Vec<Fact>, Refusal> {
    let known = |id: &DeploymentId| on.project.deployments.get(id);
    Ok(match command {
        Command::SmokeTested { deployment, passed, report } => {
            let (deployment, passed) = (*deployment, *passed);
            let awaited = known(&deployment).is_some_and(rollout::must_be_tried);
            let report = UserText::from(report.as_str());
            let fact = Fact::SmokeTested { deployment, passed, report };
            if awaited { vec![fact] } else { Vec::new() }
        }
        Command::ReplicaDrained { deployment, replica } => {
            let (deployment, replica) = (*deployment, *replica);
            let leaving = known(&deployment)
                .is_some_and(|d| rollout::leaving_replicas(on.project, d).any(|r| r == replica));
            let fact = Fact::ReplicaDrained { deployment, replica };
            if leaving { vec![fact] } else { Vec::new() }
        }
        Command::WatchWindow { deployment, window, counts, slow } => {
            let watched = known(deployment)
                .and_then(|d| aftermath::count(d, *window, *counts, *slow, on.now));
            watched.into_iter().collect()
        }
        _ => return Err(on.wrong("ask it here")),
    })
}
