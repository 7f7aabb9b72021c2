//! Deployments: asked for, their replicas and traffic, ended.

use std::collections::BTreeMap;

use qnt9_model::fact::{Counts, DeploymentOutcome, Verdict};
use qnt9_model::planted::{self, Fault};
use qnt9_model::policy::EnvironmentPolicy;
use qnt9_model::{DeploymentId, EnvironmentName, Fact, Place};

use super::Applying;
use crate::packed::Packed;
use crate::state::Deployment;

impl Applying<'_> {
    pub(super) fn deployment(&mut self, fact: &Fact) {
        let time = self.time();
        match fact {
            Fact::AddressAssigned { place, address } => {
                let state = self.project.places.entry(place.clone()).or_default();
                state.address = Some(address.clone());
                state.generation += 1;
            }
            Fact::DeploymentRequested { .. } => self.request_deployment(fact),
            Fact::ReplicaReady { deployment, replica, address } => {
                self.rollout(*deployment, |d| {
                    d.ready.insert(*replica, address.clone());
                });
            }
            Fact::ReplicaLost { deployment, replica, .. } => {
                self.rollout(*deployment, |d| {
                    d.ready.remove(replica);
                });
            }
            Fact::ReplicaFailed { deployment, report, .. } => {
                self.rollout(*deployment, |d| d.replica_failure = Some(report.clone()));
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
        } = fact
        else {
            return;
        };
        let id = DeploymentId(self.entry.sequence);
        let state = self.project.places.entry(place.clone()).or_default();
        state.active = Some(id);
        let deployment = Deployment {
            id,
            call: call.clone(),
            by: self.entry.actor.clone(),
            place: place.clone(),
            release: release.clone(),
            direction: *direction,
            previous: state.serving,
            replicas: *replicas,
            steps: steps.clone(),
            step_for_ms: *step_for_ms,
            min_requests: *min_requests,
            health_timeout_ms: *health_timeout_ms,
            service: service.clone(),
            rules: self.rules_of(&place.environment),
            settings: settings.clone(),
            requested: self.entry.time,
            ready: BTreeMap::new(),
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
            }
        });
        let Some(deployment) = self.project.deployments.get(&id) else { return };
        if let Some(state) = self.project.places.get_mut(&deployment.place) {
            let succeeded = *outcome == DeploymentOutcome::Succeeded;
            if succeeded || !planted::is(Fault::PlaceStaysBusy) {
                state.active = None;
            }
            if succeeded || planted::is(Fault::RolledBackServes) {
                state.serving = Some(id);
            }
        }
    }
}
