//! A run: its jobs and their legs.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use qnt9_model::fact::{Cause, Concurrency, Leg, Outcome, ResumePoint, Subjects};
use qnt9_model::{AttemptId, CheckId, JobKey, Millis, RunId, Sha, StreamId, UserText};
use qnt9_workflow::Workflow;
use serde::{Deserialize, Serialize};

use super::{Attempt, Delivery};
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
    /// Since when it is to be cancelled.
    pub cancelled: Option<Millis>,
    /// Whether it is to end at once: nothing more of it starts, not even with `always()`.
    pub killed: bool,
    /// The run that this one repeats in the end, itself when it repeats none.
    pub first: RunId,
    /// Which attempt at the first run this is, from 1.
    pub attempt: u32,
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

    /// Whether the run, or one of its jobs that has not ended, is in that concurrency group.
    #[must_use]
    pub fn is_in_group(&self, group: &str) -> bool {
        let same = |concurrency: &Option<Concurrency>| {
            concurrency.as_ref().is_some_and(|concurrency| concurrency.group == group)
        };
        let waits_or_runs = |leg: &&LegState| !matches!(leg.phase, LegPhase::Done(..));
        let mut legs = self.legs.values().filter(waits_or_runs);
        self.finished.is_none()
            && (same(&self.concurrency) || legs.any(|leg| same(&leg.leg.concurrency)))
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
    /// Who else was asked whether it may go on, oldest first.
    pub checks: Vec<Check>,
    /// Since when and why it alone is to be cancelled.
    pub cancel: Option<(Millis, String)>,
    /// Where its first attempt takes up an earlier one.
    pub resumes: Option<ResumePoint>,
    /// Its attempts, oldest first; the last one counts.
    pub attempts: Vec<Attempt>,
    /// Why it ended without a step saying so.
    pub reason: Option<String>,
}

impl LegState {
    /// A leg that was planned at that moment.
    pub(crate) fn planned(leg: Leg, job: &str, queued: Millis) -> Self {
        let mut state = Self {
            job: job.to_owned(),
            queued,
            phase: LegPhase::Queued,
            opened: None,
            approvals: Vec::new(),
            checks: Vec::new(),
            cancel: None,
            resumes: None,
            attempts: Vec::new(),
            reason: None,
            leg,
        };
        if state.leg.concurrency.is_none() {
            state.admit();
        }
        state
    }

    /// It does not wait for its concurrency group any more.
    pub(crate) fn admit(&mut self) {
        let gated = self.leg.environment.is_some();
        self.phase = if gated { LegPhase::Gated } else { LegPhase::Open };
    }

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
    /// It waits for its concurrency group.
    Queued,
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

impl LegPhase {
    /// Whether runners have, or should have, something to do with it.
    #[must_use]
    pub fn is_at_work(self) -> bool {
        matches!(self, Self::Open | Self::Running | Self::Lost)
    }
}

/// A check that was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Its id.
    pub id: CheckId,
    /// Its name in `qnt9.toml`.
    pub name: String,
    /// Where it is asked.
    pub url: String,
    /// The secret that signs the question, by name.
    pub secret: Option<String>,
    /// What the answer is for.
    pub subjects: Subjects,
    /// When it was asked for.
    pub requested: Millis,
    /// Silence until then fails it.
    pub until: Millis,
    /// When it was reached.
    pub delivered: Option<Millis>,
    /// Tries at reaching it that failed, when the next one is due, and the last one's reason.
    pub delivery: Delivery,
    /// When it answered, whether the job may go on, and what it said.
    pub answer: Option<(Millis, bool, UserText)>,
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
    /// sha256 of the rollback plan that was stated to them.
    pub rollback_plan: Option<String>,
}
