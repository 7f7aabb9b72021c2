//! What `qnt9.toml` says: services, environments and their gates.

use serde::{Deserialize, Serialize};

use crate::ids::EnvironmentName;

/// The whole file. The one in force is that of the default branch's head, so that a commit cannot
/// loosen its own gates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// `[project] name`.
    pub project: String,
    /// `[service.NAME]`, in file order.
    pub services: Vec<Service>,
    /// `[environment.NAME]`, in file order.
    pub environments: Vec<EnvironmentPolicy>,
}

impl Policy {
    /// The rules of one environment.
    #[must_use]
    pub fn environment(&self, name: &EnvironmentName) -> Option<&EnvironmentPolicy> {
        self.environments.iter().find(|environment| &environment.name == name)
    }

    /// One service.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.name == name)
    }
}

/// `[service.NAME]`: how a release of it is started and known to be well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Program (relative to the unpacked release) and arguments.
    pub command: Vec<String>,
    /// The path that answers 200 when a replica is well.
    pub health: String,
    /// How long a new replica may take until it is healthy.
    pub health_timeout_ms: i64,
    /// Replicas, where the environment does not say.
    pub replicas: u32,
    /// The line of `qnt9.toml` on which `health` stands, for error messages.
    pub health_line: u32,
}

/// What starts a deployment to an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// Any event.
    Any,
    /// Only a person's dispatch.
    Manual,
}

/// `[environment.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentPolicy {
    /// Its name.
    pub name: EnvironmentName,
    /// Branches that may deploy here; empty: all.
    pub branches: Vec<String>,
    /// What may start a deployment.
    pub trigger: Trigger,
    /// Who must approve.
    pub approvals: Option<ApprovalRule>,
    /// Least time between the job's asking and its start.
    pub wait_ms: i64,
    /// What must have been proved.
    pub evidence: Vec<EvidenceRule>,
    /// How traffic moves to a new release.
    pub rollout: RolloutRule,
    /// Replicas of each service, when it differs from the service's own number.
    pub replicas: Option<u32>,
}

/// `approvals = { needed, from, exclude, expire_after }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalRule {
    /// How many different people.
    pub needed: u32,
    /// Of whom.
    pub from: Vec<String>,
    /// Who of them cannot.
    pub exclude: Exclude,
    /// How long the job waits for them before it fails.
    pub expire_after_ms: i64,
}

/// Who cannot approve although listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exclude {
    /// Whoever started the run: GitHub's meaning.
    Dispatcher,
    /// Dispatcher, pusher, and every commit author since the environment's last release.
    Authors,
    /// Nobody.
    Nobody,
}

/// `"tests"` or `"load-test@staging"`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EvidenceRule {
    /// What was proved: `tests`, `load-test`.
    pub kind: String,
    /// In which environment; without one, of the commit itself.
    pub environment: Option<EnvironmentName>,
}

/// `rollout = { strategy, steps, step_for, min_requests }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutRule {
    /// Percent of traffic at each step, rising, the last 100. `[100]` moves all at once.
    pub steps: Vec<u32>,
    /// Least time at a step.
    pub step_for_ms: i64,
    /// Requests the new release must have answered at a step before it is judged well.
    pub min_requests: u64,
}

impl RolloutRule {
    /// All traffic at once, as soon as the replicas are healthy.
    #[must_use]
    pub fn at_once() -> Self {
        Self { steps: vec![100], step_for_ms: 0, min_requests: 0 }
    }
}
