//! A project: where its refs point, its rules, its runs and all that belongs to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use qnt9_model::door::Workspace;
use qnt9_model::fact::{Commit, RefUpdate, Schedule, Span, Subjects};
use qnt9_model::{
    AttemptId, CallKey, CheckId, DeploymentId, EnvironmentName, JobKey, Millis, NotificationId,
    Place, Policy, PushId, ReleaseDigest, RunId, Sha, UserText,
};
use serde::{Deserialize, Serialize};

use crate::agenda::Agenda;

use super::{
    Artifact, Check, Deployment, Evidence, History, LegPhase, LegState, Notification, PlaceState,
    Plan, Release, Run, StoredWorkflow, Wait,
};

/// One project.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Project {
    /// The last entry's sequence number.
    pub sequence: u64,
    /// The embedded reference project.
    pub embedded: bool,
    /// Declared waits and load tests are divided by this.
    pub time_scale: u32,
    /// The branch whose `qnt9.toml` is in force.
    pub default_branch: String,
    /// Where refs point.
    pub refs: BTreeMap<String, Sha>,
    /// Known commits.
    pub commits: BTreeMap<Sha, Commit>,
    /// How they follow one another.
    #[serde(skip)]
    pub(crate) history: History,
    /// Who pushed a commit as the new head of a ref.
    pub pushers: BTreeMap<Sha, BTreeSet<String>>,
    /// The rules in force and where they are from.
    pub policy: Option<(Sha, Policy)>,
    /// The newest problem with `qnt9.toml`, if the last push of it was refused.
    pub policy_problem: Option<(Sha, UserText)>,
    /// Workflow files that could not be read, newest last.
    pub workflow_problems: Vec<(Sha, String, UserText)>,
    /// Pushes offered and not yet settled.
    pub pushes: BTreeMap<PushId, Push>,
    /// All runs; those that are over are packed.
    pub runs: BTreeMap<RunId, Run>,
    /// The workflows of the runs, each under the first run of it.
    pub workflows: BTreeMap<RunId, StoredWorkflow>,
    /// The runs that are not over: only these are looked at when something happens.
    pub live: BTreeSet<RunId>,
    /// Of these, the runs that have something for runners: a job that is open, running or lost.
    pub at_work: BTreeSet<RunId>,
    /// Of the runs that are not over, those of each concurrency group.
    pub groups: BTreeMap<String, BTreeSet<RunId>>,
    /// What has yet to be looked at.
    #[serde(skip)]
    pub agenda: Agenda,
    /// The schedules of the default branch's workflows.
    pub schedules: Vec<ScheduleState>,
    /// The checks that may still answer, and which job waits for them.
    pub checks: BTreeMap<CheckId, (RunId, JobKey)>,
    /// Since when the machine takes answers without having been away.
    pub woke: Millis,
    /// The last attempt at each run that was repeated.
    pub repeats: BTreeMap<RunId, u32>,
    /// The last run number of each workflow file.
    pub numbers: BTreeMap<String, u64>,
    /// Which job holds an environment.
    pub holders: BTreeMap<EnvironmentName, (RunId, JobKey)>,
    /// Where services run.
    pub places: BTreeMap<Place, PlaceState>,
    /// All deployments.
    pub deployments: BTreeMap<DeploymentId, Deployment>,
    /// The deployments of which something may still be running: neither over nor drained.
    pub up: BTreeSet<DeploymentId>,
    /// Releases by digest.
    pub releases: BTreeMap<ReleaseDigest, Release>,
    /// Which releases were built from a commit, oldest first.
    pub built: BTreeMap<Sha, Vec<ReleaseDigest>>,
    /// Evidence, oldest first.
    pub evidence: Vec<Evidence>,
    /// The last plan a run recorded for an environment.
    pub plans: BTreeMap<(RunId, EnvironmentName), Plan>,
    /// Terraform states.
    pub workspaces: BTreeMap<String, Workspace>,
    /// Notifications.
    pub notifications: BTreeMap<NotificationId, Notification>,
    /// The notifications that are to be delivered somewhere and are not yet, nor given up.
    pub undelivered: BTreeSet<NotificationId>,
    /// Waits that steps declared.
    pub waits: BTreeMap<CallKey, Wait>,
    /// Load that steps drove.
    pub loads: BTreeMap<CallKey, Span>,
    /// Artifacts by run and name.
    pub artifacts: BTreeMap<(RunId, String), Artifact>,
    /// Secrets by name and environment.
    pub secrets: BTreeMap<(String, Option<EnvironmentName>), UserText>,
}

impl Project {
    /// The runs that are not over, oldest first.
    pub fn live_runs(&self) -> impl DoubleEndedIterator<Item = &Run> {
        self.live.iter().filter_map(|id| self.runs.get(id))
    }

    /// A run, if it is not over.
    #[must_use]
    pub fn live_run(&self, id: RunId) -> Option<&Run> {
        self.runs.get(&id).filter(|run| run.finished.is_none())
    }

    /// Whether a rollout is going on anywhere.
    #[must_use]
    pub fn is_rolling_out(&self) -> bool {
        self.places.values().any(|place| place.active.is_some())
    }

    /// A check whose answer is still waited for.
    #[must_use]
    pub fn check(&self, id: CheckId) -> Option<&Check> {
        let (run, job) = self.checks.get(&id)?;
        self.runs.get(run)?.legs.get(job)?.checks.iter().find(|check| check.id == id)
    }

    /// Keeps a workflow for its runs, once for all that have the very same: under the first of them,
    /// which is returned.
    pub(crate) fn keep_workflow(
        &mut self,
        run: RunId,
        path: &str,
        source: &serde_json::Value,
    ) -> RunId {
        let mut newest = self.workflows.iter().rev().filter(|(_, stored)| stored.path == path);
        let same = newest.find(|(_, stored)| *stored.source == *source).map(|(first, _)| *first);
        same.unwrap_or_else(|| {
            self.workflows.insert(run, StoredWorkflow::new(path.to_owned(), source.clone()));
            run
        })
    }

    /// The workflow of a file as it was when a run of another one was last made.
    pub(crate) fn newest_workflow(&self, path: &str) -> Option<&StoredWorkflow> {
        self.workflows.values().rev().find(|stored| stored.path == path)
    }

    /// The newest release built from a commit.
    #[must_use]
    pub fn release_of(&self, commit: &Sha) -> Option<&Release> {
        let built = self.built.get(commit).into_iter().flatten();
        built.filter_map(|digest| self.releases.get(digest)).max_by_key(|release| release.built)
    }

    /// The newest evidence of a kind in an environment.
    #[must_use]
    pub fn newest_evidence(&self, environment: &EnvironmentName, kind: &str) -> Option<&Evidence> {
        let same = |known: &&Evidence| {
            known.kind == kind && known.environment.as_ref() == Some(environment)
        };
        self.evidence.iter().rfind(same)
    }

    /// The same, when it failed and nobody has written down why.
    pub(crate) fn evidence_to_explain(
        &mut self,
        environment: &EnvironmentName,
        kind: &str,
    ) -> Option<&mut Evidence> {
        let same = |known: &&mut Evidence| {
            known.kind == kind && known.environment.as_ref() == Some(environment)
        };
        self.evidence.iter_mut().rfind(same).filter(|newest| newest.is_unexplained())
    }

    /// What a job of `run` in `environment` would deploy.
    #[must_use]
    pub fn subjects(&self, run: &Run, environment: &EnvironmentName) -> Subjects {
        Subjects {
            release: self.release_of(&run.commit).map(|release| release.digest.clone()),
            plan: self.plans.get(&(run.id, environment.clone())).map(|plan| plan.hash.clone()),
        }
    }

    /// The deployment that serves a place.
    #[must_use]
    pub fn serving(&self, place: &Place) -> Option<&Deployment> {
        self.deployments.get(&self.places.get(place)?.serving?)
    }

    /// The newest deployment that serves one of an environment's services.
    #[must_use]
    pub fn serving_environment(&self, environment: &EnvironmentName) -> Option<&Deployment> {
        self.places
            .iter()
            .filter(|(place, _)| &place.environment == environment)
            .filter_map(|(_, state)| self.deployments.get(&state.serving?))
            .max_by_key(|deployment| deployment.id)
    }

    /// The leg that an attempt belongs to, when that attempt is the one that counts.
    #[must_use]
    pub fn running_leg(&self, attempt: &AttemptId) -> Option<&LegState> {
        let leg = self.runs.get(&attempt.run)?.legs.get(&attempt.job)?;
        let current = leg.phase == LegPhase::Running
            && leg.attempts.last().is_some_and(|last| last.number == attempt.attempt);
        current.then_some(leg)
    }

    /// A declared duration under this project's time scale.
    #[must_use]
    pub fn scaled(&self, duration_ms: i64) -> i64 {
        duration_ms / i64::from(self.time_scale.max(1))
    }

    /// Commits reachable from `head` and not from `base`, in no particular order.
    #[must_use]
    pub fn commits_between(&self, base: Option<&Sha>, head: &Sha) -> Vec<&Commit> {
        self.history.between(&self.commits, base, head)
    }
}

/// One schedule of a workflow of the default branch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScheduleState {
    /// The workflow's file.
    pub path: String,
    /// The workflow as stored.
    pub workflow: Arc<serde_json::Value>,
    /// When it is due.
    pub schedule: Schedule,
    /// Moments at or before this one have been dealt with.
    pub after: Millis,
    /// The next moment; `None` when there will be none, as with the 30th of February.
    pub due: Option<Millis>,
}

/// A push on its way into the repository.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Push {
    /// Who pushes.
    pub by: String,
    /// What it wants to move.
    pub updates: Vec<RefUpdate>,
    /// Since when.
    pub offered: Millis,
}
