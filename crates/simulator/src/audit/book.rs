//! What the auditor writes down.

use std::collections::{BTreeMap, BTreeSet};

use qnt9_model::fact::{Cause, Concurrency, Counts, Outcome, RolloutTerms, Subjects, Verdict};
use qnt9_model::policy::EnvironmentPolicy;
use qnt9_model::{
    Actor, CallKey, CheckId, DeploymentId, EnvironmentName, JobKey, Millis, NotificationId, Place,
    Policy, PushId, ReleaseDigest, RunId, Sha, UserText,
};

/// One project.
#[derive(Clone, Debug, Default)]
pub(super) struct Project {
    pub(super) sequence: u64,
    pub(super) time_scale: i64,
    pub(super) policy: Option<Policy>,
    pub(super) commits: BTreeMap<Sha, CommitBook>,
    /// Whether a commit came before one of its parents.
    pub(super) disordered: bool,
    pub(super) pushes: BTreeMap<PushId, String>,
    pub(super) numbers: BTreeMap<String, u64>,
    /// The jobs of each file as it was last seen.
    pub(super) files: BTreeMap<String, (serde_json::Value, BTreeMap<String, JobBook>)>,
    pub(super) runs: BTreeMap<RunId, RunBook>,
    pub(super) live: BTreeSet<RunId>,
    /// Who runs in a concurrency group: a run, or one of its jobs.
    pub(super) groups: BTreeMap<String, (RunId, Option<JobKey>)>,
    pub(super) holders: BTreeMap<EnvironmentName, (RunId, JobKey)>,
    /// Jobs that may wait for an environment.
    pub(super) gated: BTreeSet<(RunId, JobKey)>,
    pub(super) releases: BTreeMap<ReleaseDigest, Sha>,
    /// The newest release of each commit, and when it was built.
    pub(super) newest: BTreeMap<Sha, (Millis, ReleaseDigest)>,
    /// What was recorded about each commit, and about each release: oldest first.
    pub(super) of_commit: BTreeMap<Sha, Vec<EvidenceBook>>,
    pub(super) of_release: BTreeMap<ReleaseDigest, Vec<EvidenceBook>>,
    /// The last plan of a run for an environment, and which job made it.
    pub(super) plans: BTreeMap<(RunId, EnvironmentName), (String, JobKey)>,
    pub(super) deployments: BTreeMap<DeploymentId, DeploymentBook>,
    /// The rollout going on in an environment.
    pub(super) active: BTreeMap<EnvironmentName, DeploymentId>,
    /// The same of each of its services.
    pub(super) active_places: BTreeMap<Place, DeploymentId>,
    /// Environments whose newest load test failed, and nobody has said why.
    pub(super) unexplained: BTreeSet<EnvironmentName>,
    /// Environments that did badly while they were watched, and may go back by themselves.
    pub(super) went_bad: BTreeSet<EnvironmentName>,
    pub(super) serving: BTreeMap<Place, DeploymentId>,
    pub(super) applied: BTreeMap<Place, u64>,
    pub(super) checks: BTreeMap<CheckId, CheckBook>,
    pub(super) workspaces: BTreeMap<String, WorkspaceBook>,
    /// Whether each was delivered.
    pub(super) notifications: BTreeMap<NotificationId, bool>,
}

impl Project {
    pub(super) fn new(time_scale: u32) -> Self {
        Self { time_scale: i64::from(time_scale.max(1)), ..Self::default() }
    }
}

#[derive(Clone, Debug)]
pub(super) struct CommitBook {
    /// How many came before it.
    pub(super) nth: usize,
    pub(super) parents: Vec<Sha>,
    pub(super) email: String,
    /// Who pushed it as the head of a ref.
    pub(super) pushers: BTreeSet<String>,
}

#[derive(Clone, Debug)]
pub(super) struct RunBook {
    pub(super) cause: Cause,
    pub(super) reference: String,
    pub(super) commit: Sha,
    pub(super) group: Option<Concurrency>,
    pub(super) started: bool,
    pub(super) superseded: bool,
    pub(super) cancelled: bool,
    pub(super) killed: bool,
    /// Jobs of the file, what each needs, and whether it was planned.
    pub(super) jobs: BTreeMap<String, JobBook>,
    pub(super) legs: BTreeMap<JobKey, LegBook>,
    pub(super) finished: Option<Outcome>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct JobBook {
    pub(super) needs: Vec<String>,
    pub(super) is_planned: bool,
    /// Its result, where it has no legs.
    pub(super) result: Option<Outcome>,
    pub(super) legs: Vec<JobKey>,
    pub(super) max_parallel: Option<u32>,
    pub(super) fail_fast: bool,
    /// Its `if` asks how things went, so that it may run although the run was cancelled.
    pub(super) outlives_cancel: bool,
}

#[derive(Clone, Debug)]
pub(super) struct LegBook {
    pub(super) job: String,
    pub(super) environment: Option<EnvironmentName>,
    pub(super) group: Option<String>,
    pub(super) continue_on_error: bool,
    pub(super) queued: Millis,
    pub(super) admitted: bool,
    pub(super) opened: Option<Subjects>,
    pub(super) approvals: Vec<(String, Subjects)>,
    pub(super) is_rejected: bool,
    /// The checks that were asked whether it may go on.
    pub(super) checks: Vec<CheckId>,
    /// Attempts started, and those that an earlier run had.
    pub(super) attempts: u32,
    pub(super) attempts_before: u32,
    /// Lost attempts of which a person decided to try again.
    pub(super) decided: u32,
    pub(super) is_lost: bool,
    /// A person wants it back if its runner is found.
    pub(super) is_asked_for: bool,
    pub(super) waits_for_retry: bool,
    pub(super) steps: BTreeSet<u32>,
    pub(super) next_line: u64,
    pub(super) is_cancelled: bool,
    pub(super) outputs: Vec<(String, UserText)>,
    pub(super) ended: Option<Outcome>,
}

impl LegBook {
    pub(super) fn is_running(&self) -> bool {
        self.attempts > self.attempts_before
            && self.ended.is_none()
            && !self.is_lost
            && !self.waits_for_retry
    }
}

#[derive(Clone, Debug)]
pub(super) struct EvidenceBook {
    pub(super) kind: String,
    pub(super) environment: Option<EnvironmentName>,
    pub(super) passed: bool,
}

#[derive(Clone, Debug)]
pub(super) struct DeploymentBook {
    pub(super) place: Place,
    pub(super) release: ReleaseDigest,
    pub(super) replicas: u32,
    pub(super) min_requests: u64,
    pub(super) call: Option<CallKey>,
    /// Percent of the traffic, one after the other.
    pub(super) steps: Vec<u32>,
    pub(super) step_for_ms: i64,
    /// Something served before it.
    pub(super) has_previous: bool,
    /// When the gateway carried traffic since its share last changed; the earliest of these moments,
    /// since the clock may have been set back.
    pub(super) carried: Option<Millis>,
    /// The environment's rules when it was made.
    pub(super) rules: Option<EnvironmentPolicy>,
    pub(super) ready: BTreeSet<u32>,
    pub(super) percent: u32,
    pub(super) window: u64,
    pub(super) new: Counts,
    pub(super) old: Counts,
    pub(super) verdict: Verdict,
    pub(super) is_over: bool,
    pub(super) has_served: bool,
    pub(super) terms: RolloutTerms,
    /// Whether its smoke tests passed; `None` while they are to be run.
    pub(super) smoke: Option<bool>,
    pub(super) is_promoted: bool,
    /// How many replicas of its own a rolling deployment has by now.
    pub(super) own: u32,
    pub(super) watch_ended: bool,
}

#[derive(Clone, Debug)]
pub(super) struct CheckBook {
    pub(super) name: String,
    pub(super) subjects: Subjects,
    pub(super) answer: Option<bool>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct WorkspaceBook {
    pub(super) lock: Option<(String, Actor)>,
    pub(super) serial: u64,
    pub(super) lineage: Option<String>,
}
