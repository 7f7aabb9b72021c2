//! Where services run, and what is rolled out there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use qnt9_model::fact::{Counts, DeploymentOutcome, Direction, RolloutTerms, Verdict};
use qnt9_model::limits::WATCH_LOOK_MS;
use qnt9_model::policy::{EnvironmentPolicy, Service, WatchRule};
use qnt9_model::{
    Actor, CallKey, DeploymentId, EnvironmentName, Millis, Place, ReleaseDigest, UserText,
};
use serde::{Deserialize, Serialize};

use super::Project;
use crate::packed::Packed;

/// One deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    /// Its id.
    pub id: DeploymentId,
    /// Which call asked.
    pub call: Option<CallKey>,
    /// Who asked.
    pub by: Actor,
    /// Where.
    pub place: Place,
    /// What.
    pub release: ReleaseDigest,
    /// Forward or back.
    pub direction: Direction,
    /// The deployment it replaces.
    pub previous: Option<DeploymentId>,
    /// How many replicas.
    pub replicas: u32,
    /// Percents.
    pub steps: Vec<u32>,
    /// Least time at a step.
    pub step_for_ms: i64,
    /// Requests needed to judge.
    pub min_requests: u64,
    /// Time its replicas may take.
    pub health_timeout_ms: i64,
    /// How its replicas are started and known to be well.
    pub service: Option<Service>,
    /// The rules of its environment that were in force when it was requested.
    pub rules: Option<EnvironmentPolicy>,
    /// Variables of the service's environment.
    pub settings: Vec<(String, UserText)>,
    /// When it was requested.
    pub requested: Millis,
    /// Ready replicas and where they listen.
    pub ready: BTreeMap<u32, String>,
    /// Since when all of them were ready for the first time.
    pub all_ready: Option<Millis>,
    /// Why a replica did not come up.
    pub replica_failure: Option<UserText>,
    /// Its share of the traffic now.
    pub percent: u32,
    /// The highest share it had.
    pub percent_reached: u32,
    /// The place's generation at which it got that share.
    pub weighted_at: u64,
    /// Since when the gateway carries that share.
    pub step_since: Option<Millis>,
    /// Its requests at this step.
    pub new: Counts,
    /// The old release's requests at this step.
    pub old: Counts,
    /// The last window counted.
    pub window: u64,
    /// What the judge last said, and why.
    pub verdict: Verdict,
    /// The judge's words.
    pub verdict_reason: String,
    /// Every step it took: when, percent.
    pub history: Vec<(Millis, u32)>,
    /// All windows judged: when, percent, new, old; packed once it is over.
    pub windows: Packed<Vec<(Millis, u32, Counts, Counts)>>,
    /// How and when it ended.
    pub outcome: Option<(DeploymentOutcome, Millis)>,
    /// Its replicas carry nothing any more.
    pub drained: bool,
    /// What there is to its rollout beside shares of the traffic.
    pub terms: RolloutTerms,
    /// Whether its smoke tests passed, and what was asked and answered.
    pub smoke: Option<(bool, UserText)>,
    /// Who let it have the traffic, and when.
    pub promoted: Option<(Actor, Millis)>,
    /// How far replicas have been exchanged.
    pub shift: Option<Shift>,
    /// Its replicas that made room for those of the next deployment and have stopped.
    pub gone: BTreeSet<u32>,
    /// How it did after it got all traffic.
    pub watched: Option<Watched>,
}

/// How many replicas of a rolling deployment and of the one before it are to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shift {
    /// Of its own.
    pub own: u32,
    /// Of the one before it.
    pub former: u32,
    /// Since when.
    pub since: Millis,
}

/// A release that is watched after it got all traffic.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Watched {
    /// Since when.
    pub since: Millis,
    /// Until when.
    pub until: Millis,
    /// The last window counted.
    pub window: u64,
    /// The last windows: when, requests, and those of them that took longer than they should.
    pub recent: VecDeque<(Millis, Counts, u64)>,
    /// All of its requests since then.
    pub counts: Counts,
    /// Those of them that took longer than they should.
    pub slow: u64,
    /// What the judge last said.
    pub verdict: Verdict,
    /// The judge's words.
    pub reason: String,
    /// When it ended.
    pub ended: Option<Millis>,
}

impl Watched {
    /// A watch that begins now.
    #[must_use]
    pub(crate) fn begin(since: Millis, rule: &WatchRule) -> Self {
        Self { since, until: since.plus(rule.for_ms), ..Self::default() }
    }

    /// Counts a window, and forgets those that the judge no longer looks at.
    pub(crate) fn count(&mut self, at: Millis, counts: Counts, slow: u64) {
        self.counts = self.counts.plus(counts);
        self.slow += slow;
        self.recent.push_back((at, counts, slow));
        let is_old = |(then, ..): &(Millis, Counts, u64)| at.since(*then) > WATCH_LOOK_MS;
        while self.recent.front().is_some_and(is_old) {
            self.recent.pop_front();
        }
    }

    /// The sum of the last windows, as of this moment.
    #[must_use]
    pub(crate) fn lately(&self, now: Millis) -> (Counts, u64) {
        let near = self.recent.iter().filter(|(at, ..)| now.since(*at) <= WATCH_LOOK_MS);
        near.fold((Counts::default(), 0), |(counts, slow), (_, more, slower)| {
            (counts.plus(*more), slow + slower)
        })
    }
}

impl Deployment {
    /// How many of its replicas are to run.
    #[must_use]
    pub fn wanted(&self) -> u32 {
        self.shift.map_or(self.replicas, |shift| shift.own)
    }

    /// Whether it is being watched.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.watched.as_ref().is_some_and(|watched| watched.ended.is_none())
    }
}

/// Where a service runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlaceState {
    /// The gateway's address for it.
    pub address: Option<String>,
    /// The gateway's address for a release that waits to be promoted.
    pub preview: Option<String>,
    /// The deployment that serves it.
    pub serving: Option<DeploymentId>,
    /// The deployment before it, whose replicas are kept to go back to until then.
    pub warm: Option<(DeploymentId, Millis)>,
    /// The deployment that is rolling out.
    pub active: Option<DeploymentId>,
    /// Grows whenever the traffic it should carry changes.
    pub generation: u64,
    /// The last generation the gateway said it carries.
    pub applied: u64,
}

impl Project {
    /// The deployment that a call asked for. A call of a further attempt of a job that was lost
    /// stands for the same call of the attempts before it, as long as what came of that rolls out or
    /// serves: what happened already does not happen twice.
    #[must_use]
    pub fn deployment_of(&self, call: &CallKey) -> Option<&Deployment> {
        let asked = |d: &&Deployment| d.call.as_ref() == Some(call);
        let of_an_earlier_attempt = |d: &&Deployment| {
            let is_of_earlier = d.call.as_ref().is_some_and(|earlier| {
                (earlier.step, earlier.call) == (call.step, call.call)
                    && earlier.attempt.run == call.attempt.run
                    && earlier.attempt.job == call.attempt.job
                    && earlier.attempt.attempt < call.attempt.attempt
            });
            let stands = self
                .places
                .get(&d.place)
                .is_some_and(|place| [place.active, place.serving].contains(&Some(d.id)));
            is_of_earlier && stands
        };
        let newest_first = || self.deployments.values().rev();
        newest_first().find(asked).or_else(|| newest_first().find(of_an_earlier_attempt))
    }

    /// The deployments that roll out in an environment: one for each service of the one release.
    pub fn rolling_out<'a>(
        &'a self,
        environment: &'a EnvironmentName,
    ) -> impl Iterator<Item = &'a Deployment> {
        let places = self.places.iter().filter(move |(place, _)| &place.environment == environment);
        places.filter_map(|(_, state)| self.deployments.get(&state.active?))
    }
}
