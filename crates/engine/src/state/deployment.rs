//! Where services run, and what is rolled out there.

use std::collections::BTreeMap;

use qnt9_model::fact::{Counts, DeploymentOutcome, Direction, Verdict};
use qnt9_model::policy::{EnvironmentPolicy, Service};
use qnt9_model::{Actor, CallKey, DeploymentId, Millis, Place, ReleaseDigest, UserText};
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
}

/// Where a service runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlaceState {
    /// The gateway's address for it.
    pub address: Option<String>,
    /// The deployment that serves it.
    pub serving: Option<DeploymentId>,
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
}
