//! A run: its jobs and their legs.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use qnt9_model::fact::{Cause, Concurrency, Leg, Outcome, Subjects};
use qnt9_model::{AttemptId, JobKey, Millis, RunId, Sha, StreamId, UserText};
use qnt9_workflow::Workflow;
use serde::{Deserialize, Serialize};

use super::Attempt;
use crate::packed::Packed;

/// One run of a workflow. What only its own page shows is in its [`RunBody`], which is packed once
/// the run is over, and read as if its fields were the run's own: to look at it opens it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The project whose run it is.
    pub stream: StreamId,
    /// The workflow's file.
    pub path: String,
    /// The workflow's name.
    pub name: String,
    /// The run's title.
    pub title: UserText,
    /// Its number among the runs of its workflow.
    pub number: u64,
    /// What started it.
    pub cause: Cause,
    /// Whether a demo person did.
    pub demo: bool,
    /// The full ref.
    pub reference: String,
    /// The commit.
    pub commit: Sha,
    /// The first run of the very same workflow, under which the project keeps it.
    pub written: RunId,
    /// The workflow as stored.
    #[serde(skip)]
    pub source: Arc<serde_json::Value>,
    /// The workflow; `None` when this version of qnt9 cannot read the one stored.
    #[serde(skip)]
    pub workflow: Option<Arc<Workflow>>,
    /// Its concurrency group.
    pub concurrency: Option<Concurrency>,
    /// When it was created.
    pub created: Millis,
    /// When it left its group's queue.
    pub started: Option<Millis>,
    /// Why it is to be cancelled, if so.
    pub cancel: Option<String>,
    /// The newer run that took its place.
    pub superseded: Option<(RunId, String)>,
    /// How and when it ended.
    pub finished: Option<(Outcome, Millis)>,
    /// The rest.
    pub(crate) body: Packed<RunBody>,
}

/// The larger part of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunBody {
    /// `github.event` as JSON text.
    pub event: UserText,
    /// Dispatch inputs as JSON texts.
    pub inputs: Vec<(String, UserText)>,
    /// Its jobs in file order.
    pub jobs: Vec<Job>,
    /// The legs of its planned jobs.
    pub legs: BTreeMap<JobKey, LegState>,
}

impl Deref for Run {
    type Target = RunBody;

    fn deref(&self) -> &RunBody {
        &self.body
    }
}

impl DerefMut for Run {
    fn deref_mut(&mut self) -> &mut RunBody {
        &mut self.body
    }
}

/// A workflow as its file was at some time; runs of it share it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredWorkflow {
    /// The workflow's file.
    pub path: String,
    /// As stored.
    pub source: Arc<serde_json::Value>,
    /// As read; `None` when this version of qnt9 cannot read it.
    #[serde(skip)]
    pub workflow: Option<Arc<Workflow>>,
}

impl StoredWorkflow {
    pub(crate) fn new(path: String, source: serde_json::Value) -> Self {
        let mut stored = Self { path, source: Arc::new(source), workflow: None };
        stored.read();
        stored
    }

    /// Reads it as this version of qnt9 can.
    pub(crate) fn read(&mut self) {
        self.workflow = Workflow::deserialize(&*self.source).ok().map(Arc::new);
    }
}

impl Run {
    /// How many bytes its larger part is packed in, once it is over.
    #[must_use]
    pub fn packed_bytes(&self) -> Option<usize> {
        self.body.packed_bytes()
    }

    /// The job of that key in the file.
    #[must_use]
    pub fn job(&self, key: &str) -> Option<&Job> {
        self.jobs.iter().find(|job| job.key == key)
    }

    /// How a job came out, once all its legs have ended; `continue-on-error` counted as on GitHub.
    #[must_use]
    pub fn job_result(&self, key: &str) -> Option<Outcome> {
        self.result_of(self.job(key)?)
    }

    /// As [`Run::job_result`], of a job of this run.
    pub(crate) fn result_of(&self, job: &Job) -> Option<Outcome> {
        match &job.plan {
            JobPlan::Waiting => None,
            JobPlan::Skipped { .. } => Some(Outcome::Skipped),
            JobPlan::Impossible { .. } => Some(Outcome::Failure),
            JobPlan::Planned { legs, .. } => {
                let mut result = Outcome::Success;
                for leg in legs {
                    let leg = self.legs.get(leg)?;
                    let LegPhase::Done(outcome, _) = leg.phase else { return None };
                    if !(leg.leg.continue_on_error && outcome == Outcome::Failure) {
                        result = result.max(outcome);
                    }
                }
                Some(result)
            }
        }
    }

    /// The ref without `refs/heads/` or `refs/tags/`.
    #[must_use]
    pub fn reference_name(&self) -> &str {
        let name = self.reference.strip_prefix("refs/heads/");
        name.or_else(|| self.reference.strip_prefix("refs/tags/")).unwrap_or(&self.reference)
    }
}

/// A job of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its key in the file.
    pub key: String,
    /// What has become of it so far.
    pub plan: JobPlan,
}

/// What has become of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum JobPlan {
    /// It waits for its needs.
    Waiting,
    /// Its legs, and how its `if` came out.
    Planned {
        /// The legs in order.
        legs: Vec<JobKey>,
        /// Whether one leg's failure stops the others.
        fail_fast: bool,
        /// How many legs may run at once.
        max_parallel: Option<u32>,
        /// The trace of its `if`.
        condition: UserText,
    },
    /// It does not run.
    Skipped {
        /// Why.
        reason: UserText,
    },
    /// It cannot run.
    Impossible {
        /// Why.
        reason: UserText,
    },
}

/// One leg of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LegState {
    /// As planned.
    pub leg: Leg,
    /// The key of its job in the file.
    pub job: String,
    /// When it was planned.
    pub queued: Millis,
    /// Where it stands.
    pub phase: LegPhase,
    /// When its gates opened, and for what.
    pub opened: Option<(Millis, Subjects, Vec<String>)>,
    /// Its approvals, oldest first.
    pub approvals: Vec<Approval>,
    /// Its attempts, oldest first; the last one counts.
    pub attempts: Vec<Attempt>,
    /// Why it ended without a step saying so.
    pub reason: Option<String>,
}

impl LegState {
    /// The id of the attempt that counts now, or of the first one to come.
    #[must_use]
    pub fn attempt_id(&self, run: RunId) -> AttemptId {
        let attempt = self.attempts.len() as u32 + u32::from(!self.has_attempt_running());
        AttemptId { run, job: self.leg.job.clone(), attempt }
    }

    fn has_attempt_running(&self) -> bool {
        matches!(self.phase, LegPhase::Running | LegPhase::Lost)
    }
}

/// Where a leg stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LegPhase {
    /// It waits for the gates of its environment.
    Gated,
    /// It may start as soon as a runner is free.
    Open,
    /// An attempt is with a runner.
    Running,
    /// The last attempt's runner is gone and a person must decide.
    Lost,
    /// It ended.
    Done(Outcome, Millis),
}

/// An approval or a rejection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// Who.
    pub person: String,
    /// Whether they are a demo person.
    pub demo: bool,
    /// When.
    pub at: Millis,
    /// What it was for.
    pub subjects: Subjects,
    /// Yes or no.
    pub approved: bool,
    /// What they wrote.
    pub comment: Option<UserText>,
}
