//! What somebody may ask.

use serde_json::Value;

use crate::fact::{Commit, Counts, Entrance, Outcome, RefUpdate, Span, Subjects};
use crate::ids::{
    AttemptId, CallKey, CheckId, DeploymentId, EnvironmentName, JobKey, Millis, NotificationId,
    Place, PushId, ReleaseDigest, RunId, Sha, StreamId,
};
use crate::people::{Actor, Person, Role};
use crate::plan::PlanSummary;
use crate::policy::Policy;

/// A command with where and by whom. The door has checked who `by` is; whether they may is decided
/// by the engine.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// The stream it concerns.
    pub stream: StreamId,
    /// Who asks.
    pub by: Actor,
    /// What.
    pub command: Command,
}

/// What is asked. Each names its subject completely, so that asking twice is recognised.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Only time has passed.
    Tick,
    /// The machine begins to take answers, after a start or a change of hands.
    Wake,

    /// Adds a person; the same person again changes nothing.
    AddPerson { person: Person },
    /// Changes a role.
    ChangeRole { person: String, role: Role },
    /// Issues a token whose sha256 is given.
    IssueToken { person: String, digest: String, label: String },
    /// Revokes a token.
    RevokeToken { digest: String },
    /// Creates a project.
    CreateProject { project: StreamId, embedded: bool, time_scale: u32, default_branch: String },

    /// Announces a push before it is written.
    OfferPush { updates: Vec<RefUpdate> },
    /// Says which refs a push did move, and what is at their new places.
    SettlePush { push: PushId, moved: Vec<RefMoved>, commits: Vec<Commit> },
    /// Makes the first commits of a project known without starting anything.
    ImportCommits { moved: Vec<RefMoved>, commits: Vec<Commit> },
    /// Starts a workflow by hand. `workflow` is the file at `commit`.
    Dispatch {
        reference: String,
        commit: Sha,
        workflow: WorkflowFile,
        inputs: Vec<(String, String)>,
    },
    /// Runs an ended run once more, or a part of it, as a new run of the same commit and event that
    /// takes over the rest.
    Rerun { run: RunId, what: Again },
    /// Runs an ended run once more where one of its jobs failed, from the step with this number on.
    RetryFrom { run: RunId, job: JobKey, step: u32 },
    /// Stops a run.
    CancelRun { run: RunId },
    /// Ends a run at once.
    ForceCancelRun { run: RunId },
    /// Approves a waiting job of an environment. `seen` is what the person was shown, when known: if
    /// it has changed since, they are asked to look again.
    Approve {
        run: RunId,
        environment: EnvironmentName,
        seen: Option<Subjects>,
        comment: Option<String>,
    },
    /// Rejects it.
    Reject { run: RunId, environment: EnvironmentName, comment: Option<String> },
    /// A check answers whether the job may go on.
    AnswerCheck { check: CheckId, passed: bool, reason: String },
    /// A check was asked, or could not be reached.
    CheckTried { check: CheckId, failure: Option<String> },
    /// Hands an attempt to a runner.
    StartJob { attempt: AttemptId, runner: String },
    /// A step ended.
    FinishStep {
        attempt: AttemptId,
        step: u32,
        name: String,
        outcome: Outcome,
        conclusion: Outcome,
        span: Span,
        user: bool,
        own: Vec<Span>,
    },
    /// Log lines were sealed.
    SealLog { attempt: AttemptId, first_line: u64, lines: u64, blob: String },
    /// An attempt ended.
    FinishJob {
        attempt: AttemptId,
        result: Outcome,
        outputs: Vec<(String, String)>,
        reason: Option<String>,
        summary: Option<String>,
    },
    /// An attempt's runner is gone.
    LoseJob { attempt: AttemptId, reason: String },
    /// The runner of an attempt lives. Asked as often as one likes, it is rarely a fact.
    RenewLease { attempt: AttemptId },
    /// The runner of a lost attempt came back; `proof` says what shows that it is the same.
    ResumeJob { attempt: AttemptId, proof: String },
    /// A person decides what becomes of a lost attempt.
    ResolveLost { run: RunId, job: JobKey, decision: Decision },
    /// Keeps an artifact.
    KeepArtifact { attempt: AttemptId, name: String, blob: String, bytes: u64, retention_days: u32 },

    /// A step waits `for_ms` (before shortening).
    Wait { call: CallKey, for_ms: i64, reason: String },
    /// A step drove load.
    DriveLoad { call: CallKey, span: Span },
    /// A step built a release.
    BuildRelease {
        call: CallKey,
        release: ReleaseDigest,
        service: String,
        configuration: Vec<(String, String)>,
        bytes: u64,
        /// Services that run from it beside `service`.
        further: Vec<String>,
    },
    /// A step proved something, of the run's commit and of the release that `environment` serves.
    RecordEvidence {
        call: CallKey,
        kind: String,
        environment: Option<EnvironmentName>,
        passed: bool,
        summary: String,
    },
    /// A step recorded a plan.
    RecordPlan { call: CallKey, environment: EnvironmentName, hash: String, summary: PlanSummary },
    /// A step deploys.
    Deploy {
        call: CallKey,
        environment: EnvironmentName,
        release: ReleaseDigest,
        settings: Vec<(String, String)>,
    },
    /// A person takes an environment back to a release that ran there.
    Rollback { environment: EnvironmentName, to: ReleaseDigest },
    /// A person lets a release that runs beside the old one have the traffic.
    Promote { environment: EnvironmentName },
    /// A person writes down why something failed in an environment, so that it may be tried again.
    NoteCause { environment: EnvironmentName, kind: String, cause: String },
    /// A person stops a rollout that is going on.
    AbortRollout { environment: EnvironmentName },
    /// Posts a notification.
    Notify { call: Option<CallKey>, title: String, text: String, webhook: Option<String> },

    /// Locks a state.
    LockState { workspace: String, lock: String, info: String },
    /// Unlocks it; without a lock id whoever holds it (force-unlock).
    UnlockState { workspace: String, lock: Option<String> },
    /// Writes a new version.
    WriteState {
        workspace: String,
        lock: Option<String>,
        serial: u64,
        lineage: String,
        md5: String,
        blob: String,
        bytes: u64,
    },
    /// Deletes the state.
    DeleteState { workspace: String, lock: Option<String> },

    /// Chooses a place's address.
    AssignAddress { place: Place, entrance: Entrance, address: String },
    /// A replica answers.
    ReplicaReady { deployment: DeploymentId, replica: u32, address: String },
    /// A replica is gone.
    ReplicaLost { deployment: DeploymentId, replica: u32, reason: String },
    /// A replica did not become healthy.
    ReplicaFailed { deployment: DeploymentId, replica: u32, report: String },
    /// The gateway applied a generation.
    TrafficApplied { place: Place, generation: u64 },
    /// The gateway counted a window.
    CountWindow { deployment: DeploymentId, generation: u64, window: u64, new: Counts, old: Counts },
    /// The gateway counted a window of a release that serves and is watched; `slow` of its requests took
    /// longer than they should.
    WatchWindow { deployment: DeploymentId, window: u64, counts: Counts, slow: u64 },
    /// A release that runs and has no traffic yet was tried.
    SmokeTested { deployment: DeploymentId, passed: bool, report: String },
    /// A replica that is to go has nothing in flight.
    ReplicaDrained { deployment: DeploymentId, replica: u32 },
    /// An arm carries nothing more.
    ArmDrained { deployment: DeploymentId },
    /// A notification was delivered, or not.
    NotificationTried { notification: NotificationId, failure: Option<String> },

    /// Sets a secret.
    SetSecret { name: String, environment: Option<EnvironmentName>, value: String },
    /// Removes a secret.
    RemoveSecret { name: String, environment: Option<EnvironmentName> },
}

/// What of an ended run is run again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Again {
    /// Everything.
    All,
    /// The jobs that failed or were cancelled, and those that need them.
    Failed,
    /// One job, or one leg of a matrix, and the jobs that need it.
    Job(JobKey),
}

/// What a person decides about a lost attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Look for its runner once more: if it is found, what it did counts.
    Resume,
    /// Try the job again.
    Rerun,
    /// The job failed.
    Abandon,
}

/// A ref that moved, with what lies at its new place.
#[derive(Clone, Debug, PartialEq)]
pub struct RefMoved {
    /// The move.
    pub update: RefUpdate,
    /// Paths that differ between old and new; `None` when there was no old.
    pub changed_paths: Option<Vec<String>>,
    /// The workflow files at the new commit.
    pub workflows: Vec<WorkflowFile>,
    /// `qnt9.toml` at the new commit: its rules, or the error.
    pub policy: Option<Result<Policy, String>>,
}

/// A workflow file, parsed.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkflowFile {
    /// Its path in the repository.
    pub path: String,
    /// The workflow as JSON, or its errors.
    pub workflow: Result<Value, String>,
}

/// A moment at which something is due.
pub type Deadline = Option<Millis>;
