//! Deployments: asked for, their replicas and traffic, ended.

use std::collections::BTreeSet;

use qnt9_model::fact::{Counts, DeploymentOutcome, Direction, Entrance, Verdict};
use qnt9_model::planted::{self, Fault};
use qnt9_model::policy::{EnvironmentPolicy, Strategy};
use qnt9_model::{DeploymentId, EnvironmentName, Fact, Place};

use super::Applying;
use crate::packed::Packed;
use crate::rollout;
use crate::state::{Deployment, Shift, Watched};

impl Applying<'_> {
    pub(super) fn deployment(&mut self, fact: &Fact) {
        let time = self.time();
        match fact {
            Fact::AddressAssigned { place, entrance, address } => {
                let state = self.project.places.entry(place.clone()).or_default();
                match entrance {
                    Entrance::Main => state.address = Some(address.clone()),
                    Entrance::Preview => state.preview = Some(address.clone()),
                }
                state.generation += 1;
            }
            Fact::DeploymentRequested { .. } => self.request_deployment(fact),
            Fact::ReplicaReady { deployment, replica, address } => {
                self.replicas(*deployment, |d| {
                    d.ready.insert(*replica, address.clone());
                    if d.ready.len() as u32 >= d.wanted() {
                        d.all_ready.get_or_insert(time);
                    }
                });
            }
            Fact::ReplicaLost { deployment, replica, .. } => {
                self.replicas(*deployment, |d| {
                    d.ready.remove(replica);
                });
            }
            Fact::ReplicaFailed { deployment, report, .. } => {
                self.replicas(*deployment, |d| d.replica_failure = Some(report.clone()));
            }
            Fact::WeightChanged { deployment, percent } => {
                let generation = self.rollout(*deployment, |d| {
                    d.percent = *percent;
                    d.percent_reached = d.percent_reached.max(*percent);
                    d.step_since = None;
                    (d.new, d.old) = (Counts::default(), Counts::default());
                    d.verdict = Verdict::Undecided;
                    d.verdict_reason = String::new();
                    d.history.push((time, *percent));
                });
                if let Some(d) = self.project.deployments.get_mut(deployment) {
                    d.weighted_at = generation;
                }
            }
            Fact::TrafficApplied { place, generation } => self.traffic_applied(place, *generation),
            Fact::WindowJudged { deployment, window, percent, new, old, verdict, reason } => {
                if let Some(d) = self.project.deployments.get_mut(deployment) {
                    d.window = *window;
                    (d.new, d.old) = (d.new.plus(*new), d.old.plus(*old));
                    (d.verdict, d.verdict_reason) = (*verdict, reason.clone());
                    d.windows.push((time, *percent, *new, *old));
                    // A clock that was set back would have the step wait until it is there again.
                    d.step_since = d.step_since.map(|since| since.min(time));
                }
            }
            Fact::DeploymentFinished { deployment, outcome } => {
                self.finish_deployment(*deployment, outcome);
            }
            Fact::ArmDrained { deployment } => {
                if let Some(d) = self.project.deployments.get_mut(deployment) {
                    d.drained = true;
                }
                self.project.up.remove(deployment);
            }
            _ => self.conduct(fact),
        }
    }

    /// What there is to rollouts beside shares of the traffic, and what comes after them.
    fn conduct(&mut self, fact: &Fact) {
        let time = self.time();
        let actor = self.entry.actor.clone();
        let deployments = &mut self.project.deployments;
        match fact {
            Fact::SmokeTested { deployment, passed, report } => {
                if let Some(d) = deployments.get_mut(deployment) {
                    d.smoke = Some((*passed, report.clone()));
                }
            }
            Fact::Promoted { deployment } => {
                if let Some(d) = deployments.get_mut(deployment) {
                    d.promoted = Some((actor, time));
                }
            }
            Fact::ReplicasShifted { deployment, own, former } => {
                self.rollout(*deployment, |d| {
                    d.shift = Some(Shift { own: *own, former: *former, since: time });
                });
            }
            Fact::ReplicaDrained { deployment, replica } => {
                self.rollout(*deployment, |d| {
                    d.gone.insert(*replica);
                    d.ready.remove(replica);
                });
            }
            Fact::WarmEnded { deployment } => {
                let place = deployments.get(deployment).map(|d| d.place.clone());
                if let Some(state) = place.and_then(|place| self.project.places.get_mut(&place)) {
                    state.warm = None;
                }
            }
            Fact::WindowWatched { deployment, window, counts, slow, verdict, reason } => {
                let d = deployments.get_mut(deployment);
                if let Some(watched) = d.and_then(|d| d.watched.as_mut()) {
                    watched.window = *window;
                    watched.count(time, *counts, *slow);
                    (watched.verdict, watched.reason) = (*verdict, reason.clone());
                }
            }
            Fact::WatchEnded { deployment, verdict, reason } => {
                let d = deployments.get_mut(deployment);
                if let Some(watched) = d.and_then(|d| d.watched.as_mut()) {
                    watched.ended = Some(time);
                    watched.recent.clear();
                    (watched.verdict, watched.reason) = (*verdict, reason.clone());
                }
            }
            _ => {}
        }
    }

    fn rules_of(&self, environment: &EnvironmentName) -> Option<EnvironmentPolicy> {
        let (_, policy) = self.project.policy.as_ref()?;
        policy.environment(environment).cloned()
    }

    fn request_deployment(&mut self, fact: &Fact) {
        let Fact::DeploymentRequested {
            call,
            place,
            release,
            direction,
            replicas,
            steps,
            step_for_ms,
            min_requests,
            health_timeout_ms,
            service,
            settings,
            terms,
        } = fact
        else {
            return;
        };
        let id = DeploymentId(self.entry.sequence);
        let state = self.project.places.entry(place.clone()).or_default();
        state.active = Some(id);
        let previous = state.serving;
        if terms.takes_over.is_some() {
            state.warm = None;
        }
        let kept = terms.takes_over.and_then(|id| self.project.deployments.get(&id));
        let ready = kept.map(|kept| kept.ready.clone()).unwrap_or_default();
        let former = previous.and_then(|id| self.project.deployments.get(&id));
        let time = self.entry.time;
        let deployment = Deployment {
            id,
            call: call.clone(),
            by: self.entry.actor.clone(),
            place: place.clone(),
            release: release.clone(),
            direction: *direction,
            previous,
            replicas: *replicas,
            steps: steps.clone(),
            step_for_ms: *step_for_ms,
            min_requests: *min_requests,
            health_timeout_ms: *health_timeout_ms,
            service: service.clone(),
            rules: self.rules_of(&place.environment),
            settings: settings.clone(),
            requested: self.entry.time,
            all_ready: (ready.len() as u32 >= *replicas).then_some(time),
            ready,
            replica_failure: None,
            percent: 0,
            percent_reached: 0,
            weighted_at: 0,
            step_since: None,
            new: Counts::default(),
            old: Counts::default(),
            window: 0,
            verdict: Verdict::Undecided,
            verdict_reason: String::new(),
            history: Vec::new(),
            windows: Packed::default(),
            outcome: None,
            drained: false,
            terms: terms.clone(),
            smoke: None,
            promoted: None,
            shift: rollout::first_shift(&terms.strategy, *replicas, former, time),
            gone: BTreeSet::new(),
            watched: None,
        };
        self.project.up.insert(id);
        self.project.deployments.insert(id, deployment);
    }

    /// Changes a deployment and, because its place may now carry its traffic differently, counts the
    /// place's generation up. Returns the new generation.
    fn rollout(&mut self, id: DeploymentId, change: impl FnOnce(&mut Deployment)) -> u64 {
        let Some(deployment) = self.project.deployments.get_mut(&id) else { return 0 };
        change(deployment);
        let state = self.project.places.entry(deployment.place.clone()).or_default();
        state.generation += 1;
        state.generation
    }

    /// Changes what is known of a deployment's replicas, also where another has taken them over.
    fn replicas(&mut self, id: DeploymentId, change: impl Fn(&mut Deployment)) {
        self.rollout(id, &change);
        let deployments = self.project.up.iter().filter_map(|id| self.project.deployments.get(id));
        let takes_over = |d: &&Deployment| d.terms.takes_over == Some(id);
        let others: Vec<DeploymentId> = deployments.filter(takes_over).map(|d| d.id).collect();
        for other in others {
            self.rollout(other, &change);
        }
    }

    fn traffic_applied(&mut self, place: &Place, generation: u64) {
        let time = self.time();
        let Some(state) = self.project.places.get_mut(place) else { return };
        state.applied = state.applied.max(generation);
        let active = state.active.and_then(|id| self.project.deployments.get_mut(&id));
        if let Some(d) = active
            && d.percent > 0
            && d.step_since.is_none()
            && generation >= d.weighted_at
        {
            d.step_since = Some(time);
        }
    }

    fn finish_deployment(&mut self, id: DeploymentId, outcome: &DeploymentOutcome) {
        let time = self.time();
        self.rollout(id, |d| {
            d.outcome = Some((outcome.clone(), time));
            d.windows.pack();
            if *outcome != DeploymentOutcome::Succeeded {
                d.percent = 0;
                d.history.push((time, 0));
            } else if let Some(rule) = &d.terms.watch {
                d.watched = Some(Watched::begin(time, rule));
            }
        });
        let Some(deployment) = self.project.deployments.get(&id) else { return };
        let previous = deployment.previous;
        let keep_ms = match deployment.terms.strategy {
            Strategy::BlueGreen { keep_ms, .. } => keep_ms,
            Strategy::ByShare | Strategy::Rolling { .. } => 0,
        };
        let succeeded = *outcome == DeploymentOutcome::Succeeded;
        if let Some(state) = self.project.places.get_mut(&deployment.place) {
            if succeeded || !planted::is(Fault::PlaceStaysBusy) {
                state.active = None;
            }
            if succeeded || planted::is(Fault::RolledBackServes) {
                state.serving = Some(id);
            }
            if succeeded && deployment.direction == Direction::Forward && keep_ms > 0 {
                state.warm = previous.map(|previous| (previous, time.plus(keep_ms)));
            }
        }
        // What made room comes back, since what it made room for is gone.
        if let Some(previous) = previous.and_then(|id| self.project.deployments.get_mut(&id))
            && !succeeded
        {
            previous.gone.clear();
        }
    }
}
