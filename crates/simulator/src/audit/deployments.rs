//! Deployments: one at a time in an environment, and no step further than the judge and the data let.

use qnt9_model::fact::{Counts, DeploymentOutcome, Direction, Verdict};
use qnt9_model::policy::{Promote, Strategy};
use qnt9_model::{Actor, DeploymentId, Entry, Fact};

use std::collections::BTreeSet;

use super::Broken;
use super::book::{DeploymentBook, Project};

impl Project {
    pub(super) fn deployments(&mut self, entry: &Entry) -> Result<(), Broken> {
        match &entry.fact {
            Fact::DeploymentRequested { .. } => self.request(entry),
            Fact::ReplicaReady { deployment, replica, .. } => {
                self.known(entry, *deployment)?.ready.insert(*replica);
                self.taken_over(*deployment, |ready| {
                    ready.insert(*replica);
                });
                Ok(())
            }
            Fact::ReplicaLost { deployment, replica, .. } => {
                self.taken_over(*deployment, |ready| {
                    ready.remove(replica);
                });
                if !self.known(entry, *deployment)?.ready.remove(replica) {
                    return Err(Broken::of("replica", entry, "it was not ready"));
                }
                Ok(())
            }
            Fact::WeightChanged { deployment, percent } => self.weigh(entry, *deployment, *percent),
            Fact::WindowJudged { deployment, window, new, old, verdict, .. } => {
                let known = self.under_way(entry, *deployment)?;
                if known.verdict == Verdict::Bad {
                    return Err(Broken::of("rollout", entry, "it goes on, and was judged bad"));
                }
                if *window <= known.window {
                    return Err(Broken::of("window-once", entry, "it was counted before"));
                }
                known.window = *window;
                known.new = known.new.plus(*new);
                known.old = known.old.plus(*old);
                known.verdict = *verdict;
                known.carried = known.carried.map(|at| at.min(entry.time));
                if *verdict == Verdict::Good && !may_be_good(known) {
                    return Err(Broken::of("judge", entry, "there is no data to say so"));
                }
                Ok(())
            }
            Fact::DeploymentFinished { deployment, outcome } => {
                let known = self.under_way(entry, *deployment)?;
                known.is_over = true;
                let (place, percent) = (known.place.clone(), known.percent);
                self.active_places.remove(&place);
                let others = self.active_places.keys();
                if !others.into_iter().any(|other| other.environment == place.environment) {
                    self.active.remove(&place.environment);
                    self.went_bad.remove(&place.environment);
                }
                if *outcome == DeploymentOutcome::Succeeded {
                    if percent != 100 {
                        let what = format!("it has {percent} % of the traffic");
                        return Err(Broken::of("rollout", entry, what));
                    }
                    self.known(entry, *deployment)?.has_served = true;
                    self.serving.insert(place, *deployment);
                }
                Ok(())
            }
            Fact::ArmDrained { deployment } => {
                let is_over = self.known(entry, *deployment)?.is_over;
                let needs = |id: &DeploymentId| {
                    let takes_over =
                        |known: &DeploymentBook| known.terms.takes_over == Some(*deployment);
                    id == deployment || self.deployments.get(id).is_some_and(takes_over)
                };
                if !is_over || self.serving.values().any(needs) {
                    return Err(Broken::of("traffic", entry, "it is still needed"));
                }
                Ok(())
            }
            Fact::TrafficApplied { place, generation } => {
                let applied = self.applied.entry(place.clone()).or_default();
                if *generation <= *applied {
                    return Err(Broken::of("traffic", entry, "an older generation counts"));
                }
                *applied = *generation;
                let active = self.active_places.get(place);
                if let Some(known) = active.and_then(|id| self.deployments.get_mut(id)) {
                    let earliest = known.carried.map_or(entry.time, |at| at.min(entry.time));
                    known.carried = Some(earliest);
                }
                Ok(())
            }
            _ => self.conduct(entry),
        }
    }

    /// What there is to rollouts beside shares of the traffic, and what comes after them.
    fn conduct(&mut self, entry: &Entry) -> Result<(), Broken> {
        match &entry.fact {
            Fact::SmokeTested { deployment, passed, .. } => {
                let known = self.under_way(entry, *deployment)?;
                if known.smoke.replace(*passed).is_some() || known.percent > 0 {
                    return Err(Broken::of("smoke", entry, "it was not to be tried"));
                }
            }
            Fact::Promoted { deployment } => {
                let known = self.under_way(entry, *deployment)?;
                known.is_promoted = true;
                if entry.actor.person().is_none() || known.percent > 0 {
                    return Err(Broken::of("promotion", entry, "nobody was to promote it"));
                }
            }
            Fact::ReplicasShifted { deployment, own, former } => {
                let known = self.under_way(entry, *deployment)?;
                if *own < known.own || *own > known.replicas || *former == 0 {
                    return Err(Broken::of("rolling", entry, "replicas are lost"));
                }
                known.own = *own;
            }
            Fact::WatchEnded { deployment, verdict, .. } => {
                let known = self.known(entry, *deployment)?;
                if !known.has_served || std::mem::replace(&mut known.watch_ended, true) {
                    return Err(Broken::of("watch", entry, "it was not watched"));
                }
                let environment = known.place.environment.clone();
                if *verdict == Verdict::Bad {
                    self.went_bad.insert(environment);
                }
            }
            Fact::WindowWatched { deployment, .. } => {
                let known = self.known(entry, *deployment)?;
                if !known.has_served || known.watch_ended {
                    return Err(Broken::of("watch", entry, "it is not watched"));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Changes what is known of the ready replicas wherever they were taken over from this deployment.
    fn taken_over(&mut self, from: DeploymentId, change: impl Fn(&mut BTreeSet<u32>)) {
        let active = self.active_places.values().copied().collect::<Vec<_>>();
        for id in active {
            if let Some(known) = self.deployments.get_mut(&id)
                && known.terms.takes_over == Some(from)
            {
                change(&mut known.ready);
            }
        }
    }

    fn known(&mut self, entry: &Entry, id: DeploymentId) -> Result<&mut DeploymentBook, Broken> {
        let known = self.deployments.get_mut(&id);
        known.ok_or_else(|| Broken::of("deployment", entry, "there is no such deployment"))
    }

    fn under_way(
        &mut self,
        entry: &Entry,
        id: DeploymentId,
    ) -> Result<&mut DeploymentBook, Broken> {
        let known = self.known(entry, id)?;
        if known.is_over {
            return Err(Broken::of("deployment-ends-once", entry, "it was over"));
        }
        Ok(known)
    }

    fn request(&mut self, entry: &Entry) -> Result<(), Broken> {
        let Fact::DeploymentRequested {
            call,
            place,
            release,
            replicas,
            steps,
            step_for_ms,
            min_requests,
            service,
            direction,
            terms,
            ..
        } = &entry.fact
        else {
            return Ok(());
        };
        let broken = |invariant, what: String| Err(Broken::of(invariant, entry, what));
        let id = DeploymentId(entry.sequence);
        let environment = &place.environment;
        let known = |other: &DeploymentId| self.deployments.get(other);
        let same_release = |other: &DeploymentBook| {
            other.release == *release && other.call == *call && other.place != *place
        };
        if let Some(other) = self.active.insert(environment.clone(), id)
            && !known(&other).is_some_and(same_release)
        {
            return broken("one-deployment", format!("deployment {other} is rolling out there"));
        }
        if !self.releases.contains_key(release) {
            return broken("release-is-known", "there is no such release".to_owned());
        }
        match &entry.actor {
            Actor::Job(attempt) => {
                let Some(leg) = self.leg(attempt) else {
                    return broken("gates", "no such job".to_owned());
                };
                if leg.environment.as_ref() != Some(environment) || leg.opened.is_none() {
                    return broken("gates", "the job's gates never opened".to_owned());
                }
                self.is_what_was_approved(entry, leg, environment, release)?;
            }
            Actor::Person { .. } | Actor::Platform => {
                let by_itself = self.went_bad.contains(environment);
                if entry.actor == Actor::Platform && !by_itself {
                    return broken("gates", "nobody asked for it".to_owned());
                }
                let served = self.deployments.values().any(|deployment| {
                    deployment.place == *place
                        && deployment.release == *release
                        && deployment.has_served
                });
                if !served {
                    return broken("rollback", "it never served there".to_owned());
                }
            }
        }
        let kept = terms.takes_over.and_then(|kept| self.deployments.get(&kept));
        if terms.takes_over.is_some() && kept.is_none_or(|kept| kept.release != *release) {
            return broken("rollback", "those replicas run another release".to_owned());
        }
        let ready = kept.map(|kept| kept.ready.clone()).unwrap_or_default();
        let is_tried = service.as_ref().is_some_and(|service| !service.smoke.is_empty())
            && *direction == Direction::Forward;
        let has_previous = self.serving.contains_key(place);
        let own = match terms.strategy {
            Strategy::Rolling { max_surge, .. } if has_previous => max_surge.min(*replicas),
            _ => *replicas,
        };
        self.active_places.insert(place.clone(), id);
        let rules = self.policy.as_ref().and_then(|policy| policy.environment(environment));
        let book = DeploymentBook {
            place: place.clone(),
            release: release.clone(),
            replicas: *replicas,
            min_requests: *min_requests,
            call: call.clone(),
            steps: steps.clone(),
            step_for_ms: *step_for_ms,
            has_previous,
            carried: None,
            rules: rules.cloned(),
            ready,
            percent: 0,
            window: 0,
            new: Counts::default(),
            old: Counts::default(),
            verdict: Verdict::Undecided,
            is_over: false,
            has_served: false,
            terms: terms.clone(),
            smoke: (!is_tried).then_some(true),
            is_promoted: false,
            own,
            watch_ended: false,
        };
        self.deployments.insert(id, book);
        Ok(())
    }

    fn weigh(&mut self, entry: &Entry, id: DeploymentId, percent: u32) -> Result<(), Broken> {
        let known = self.under_way(entry, id)?;
        let broken = |what: &str| Err(Broken::of("rollout", entry, what));
        if percent <= known.percent || percent > 100 {
            return broken("shares only rise, to 100");
        }
        if known.percent == 0 && (known.ready.len() as u32) < known.own {
            return broken("not all of its replicas are well");
        }
        if known.smoke != Some(true) {
            return broken("its smoke tests have not passed");
        }
        let by_hand =
            matches!(known.terms.strategy, Strategy::BlueGreen { promote: Promote::Manual, .. });
        if by_hand && known.has_previous && !known.is_promoted {
            return broken("nobody promoted it");
        }
        if known.has_previous && matches!(known.terms.strategy, Strategy::Rolling { .. }) {
            if percent == 100 && known.own < known.replicas {
                return broken("not all of its replicas were started");
            }
            (known.percent, known.carried) = (percent, None);
            (known.new, known.old) = (Counts::default(), Counts::default());
            known.verdict = Verdict::Undecided;
            return Ok(());
        }
        if known.percent > 0 && known.verdict != Verdict::Good {
            return broken("its last step was not judged well");
        }
        let next = known.steps.iter().find(|step| **step > known.percent).copied();
        // The first release of a place has nothing to be compared with.
        let next = if known.has_previous { next } else { Some(100) };
        if next != Some(percent) {
            return broken(&format!("the next step is {next:?}"));
        }
        let over = known.carried.map(|since| since.plus(known.step_for_ms));
        if known.percent > 0 && over.is_none_or(|over| entry.time < over) {
            return broken("the time of its last step is not over");
        }
        (known.percent, known.carried) = (percent, None);
        (known.new, known.old) = (Counts::default(), Counts::default());
        known.verdict = Verdict::Undecided;
        Ok(())
    }
}

/// Whether these counts can be called good: enough requests of both, and no worse a share than twice
/// the old one's or one in a hundred.
fn may_be_good(known: &DeploymentBook) -> bool {
    let (new, old) = (known.new, known.old);
    let tolerated = (old.bad * 2000).checked_div(old.requests).unwrap_or(0).max(10);
    new.requests >= known.min_requests
        && new.requests > 0
        && old.requests > 0
        && new.bad * 1000 <= new.requests * tolerated
}
