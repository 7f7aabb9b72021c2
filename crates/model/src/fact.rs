//! What has happened. Facts are persisted for ever: a variant or field may be added with a default,
//! never renamed or given another meaning.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::{
    AttemptId, CallKey, CheckId, DeploymentId, EnvironmentName, JobKey, Millis, NotificationId,
    Place, PushId, ReleaseDigest, RunId, Sha, StreamId,
};
use crate::people::{Person, Role};
use crate::plan::PlanSummary;
use crate::policy::{Policy, Service, Strategy, WatchRule};
use crate::text::UserText;

/// One fact. `kind` and `payload` of the envelope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "payload", rename_all = "kebab-case")]
pub enum Fact {
    // The platform's own stream.
    /// Somebody got a name here.
    PersonAdded {
        /// Who.
        person: Person,
    },
    /// A person's role changed.
    RoleChanged {
        /// Who.
        person: String,
        /// The new role.
        role: Role,
    },
    /// A personal token was issued. Only its digest is known.
    TokenIssued {
        /// Whose.
        person: String,
        /// sha256 of the token, in hexadecimal.
        digest: String,
        /// What it is for.
        label: String,
    },
    /// A personal token was revoked.
    TokenRevoked {
        /// sha256 of the token, in hexadecimal.
        digest: String,
    },
    /// A project exists, with a stream of its own.
    ProjectCreated {
        /// Its stream, which is also its name.
        project: StreamId,
        /// The embedded reference project: only there may waits be shortened and people act by
        /// themselves.
        embedded: bool,
        /// Declared waits and load tests are divided by this.
        time_scale: u32,
        /// The branch whose `qnt9.toml` is in force.
        default_branch: String,
    },

    // A project's stream: source.
    /// A push was taken in and is being written to the repository.
    PushOffered {
        /// Who pushed.
        by: String,
        /// The refs it wants to move.
        updates: Vec<RefUpdate>,
    },
    /// The push is done: these of its refs have moved.
    PushSettled {
        /// Which push.
        push: PushId,
        /// The refs that did move.
        moved: Vec<RefUpdate>,
    },
    /// Commits became known.
    CommitsSeen {
        /// In any order; their parents may be among them.
        commits: Vec<Commit>,
    },
    /// The rules of `qnt9.toml` on the default branch are in force from here on.
    PolicyAdopted {
        /// The commit they are from.
        commit: Sha,
        /// The rules.
        policy: Policy,
    },
    /// `qnt9.toml` on the default branch cannot be read; the rules before it stay in force.
    PolicyRefused {
        /// The commit.
        commit: Sha,
        /// The error, with line and column.
        message: UserText,
    },
    /// A workflow file of a pushed commit cannot be read, so it did not run.
    WorkflowRefused {
        /// The commit.
        commit: Sha,
        /// The file.
        path: String,
        /// The errors, with line and column.
        message: UserText,
    },
    /// The schedules of the default branch's workflows are these from here on.
    SchedulesAdopted {
        /// The commit they are from.
        commit: Sha,
        /// The workflows that have any.
        workflows: Vec<ScheduledWorkflow>,
    },
    /// A schedule was due and its run could not be made.
    ScheduleSkipped {
        /// The workflow's file.
        path: String,
        /// Which of its schedules.
        schedule: Schedule,
        /// When it was due.
        due: Millis,
        /// Why there is no run.
        reason: UserText,
    },
    /// The machine takes answers again after it was away: whatever waits for an answer from outside
    /// gets its whole patience from here on.
    MachineWoke {},

    // Runs and jobs.
    /// A run of a workflow was created; its id is this fact's sequence number.
    RunCreated {
        /// The workflow's file.
        path: String,
        /// Its name.
        name: String,
        /// The run's own title: `run-name`, or the commit's message.
        title: UserText,
        /// The number among the runs of this workflow, from 1.
        number: u64,
        /// What started it.
        cause: Cause,
        /// The full ref, `refs/heads/main`.
        reference: String,
        /// The commit.
        commit: Sha,
        /// The event's payload as JSON text, `github.event`.
        event: UserText,
        /// The inputs of a dispatch, by name, JSON values as text.
        inputs: Vec<(String, UserText)>,
        /// The parsed workflow, as this version of qnt9 understood it.
        workflow: Value,
        /// The concurrency group, lower case, and whether a newcomer cancels a running one.
        concurrency: Option<Concurrency>,
        /// What a re-run takes over from the run that it repeats.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        repeat: Option<Box<Repeat>>,
    },
    /// The run left the queue of its concurrency group.
    RunStarted {
        /// Which run.
        run: RunId,
    },
    /// A newer run took this pending one's place.
    RunSuperseded {
        /// Which run.
        run: RunId,
        /// The newer one.
        by: RunId,
        /// What they have in common: a concurrency group or an environment.
        over: String,
    },
    /// Somebody asked that the run be cancelled.
    RunCancelRequested {
        /// Which run.
        run: RunId,
        /// Why.
        reason: String,
    },
    /// A person asked that the run be ended at once: no step of it gets time to clean up, and
    /// `always()` starts nothing more.
    RunKillRequested {
        /// Which run.
        run: RunId,
        /// Why.
        reason: String,
    },
    /// All jobs of the run have ended.
    RunFinished {
        /// Which run.
        run: RunId,
        /// The run's result.
        result: Outcome,
    },
    /// A job's `if` and matrix were evaluated: these legs will run.
    JobPlanned {
        /// The run.
        run: RunId,
        /// The job's key in the file.
        key: String,
        /// One leg for a job without a matrix.
        legs: Vec<Leg>,
        /// Whether one leg's failure stops the others.
        fail_fast: bool,
        /// How many legs may run at once.
        max_parallel: Option<u32>,
        /// How its `if` came out, for `qnt9 why`.
        condition: UserText,
    },
    /// A job will not run.
    JobSkipped {
        /// The run.
        run: RunId,
        /// The job's key in the file.
        key: String,
        /// How its `if` came out, or which of its needs did not succeed.
        reason: UserText,
    },
    /// A job could not be planned (an expression failed, a limit was passed): it failed.
    JobImpossible {
        /// The run.
        run: RunId,
        /// The job's key in the file.
        key: String,
        /// What is wrong.
        reason: UserText,
    },
    /// A job left the queue of its concurrency group, and holds the group until it ends.
    JobAdmitted {
        /// The run.
        run: RunId,
        /// The job.
        job: JobKey,
    },
    /// One job of a run is to be cancelled.
    JobCancelRequested {
        /// The run.
        run: RunId,
        /// The job.
        job: JobKey,
        /// Why.
        reason: String,
    },
    /// A person approved a waiting job for exactly these subjects.
    ApprovalGiven {
        /// The run.
        run: RunId,
        /// The environment.
        environment: EnvironmentName,
        /// Who.
        person: String,
        /// Release and plan the approval is for.
        subjects: Subjects,
        /// What they wrote.
        comment: Option<UserText>,
        /// sha256 of the rollback plan that was stated to them, in hexadecimal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rollback_plan: Option<String>,
    },
    /// A person rejected a waiting job.
    ApprovalRejected {
        /// The run.
        run: RunId,
        /// The environment.
        environment: EnvironmentName,
        /// Who.
        person: String,
        /// What they wrote.
        comment: Option<UserText>,
    },
    /// All gates of the job's environment held; the job holds the environment from here on.
    GatesOpened {
        /// The run.
        run: RunId,
        /// The job.
        job: JobKey,
        /// The environment.
        environment: EnvironmentName,
        /// What it will deploy.
        subjects: Subjects,
        /// The proof, line by line.
        proof: Vec<String>,
    },
    /// The job's gates can no longer open (rejected, expired, forbidden): it failed.
    GatesClosed {
        /// The run.
        run: RunId,
        /// The job.
        job: JobKey,
        /// Why.
        reason: String,
    },
    /// A waiting job was overtaken: by the same job of a newer run, or by a newcomer to its
    /// concurrency group.
    JobSuperseded {
        /// The run.
        run: RunId,
        /// The job.
        job: JobKey,
        /// The newer run.
        by: RunId,
        /// What they have in common, when it is not the environment.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        over: Option<String>,
    },
    /// A check of the job's environment was asked for; its id is this fact's sequence number.
    CheckRequested {
        /// The run.
        run: RunId,
        /// The job.
        job: JobKey,
        /// The environment.
        environment: EnvironmentName,
        /// The check's name in `qnt9.toml`.
        name: String,
        /// Where it is asked.
        url: String,
        /// The secret that signs the question, by name.
        secret: Option<String>,
        /// What the answer will be for.
        subjects: Subjects,
        /// Silence until then fails it.
        until: Millis,
    },
    /// The question reached the check: from here on its answer is waited for.
    CheckDelivered {
        /// Which.
        check: CheckId,
    },
    /// A try at reaching the check failed; it is tried again until its time is over.
    CheckUndelivered {
        /// Which.
        check: CheckId,
        /// What happened.
        reason: String,
    },
    /// The check answered.
    CheckAnswered {
        /// Which.
        check: CheckId,
        /// Whether the job may go on.
        passed: bool,
        /// What it said.
        reason: UserText,
    },
    /// The attempt was handed to a runner. Appended before the runner is told.
    JobStarted {
        /// Which attempt.
        attempt: AttemptId,
        /// Which runner.
        runner: String,
        /// Where an earlier attempt's workspace is taken up, if it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resumes: Option<ResumePoint>,
    },
    /// Whoever follows the attempt has seen that its runner lives.
    LeaseRenewed {
        /// Which attempt.
        attempt: AttemptId,
    },
    /// Nothing was heard of the attempt for the length of its lease: the world is asked.
    JobUnheard {
        /// Which attempt.
        attempt: AttemptId,
    },
    /// The attempt had time to stop by itself and did not, or a person would not wait: its processes
    /// are ended at once.
    JobKillRequested {
        /// Which attempt.
        attempt: AttemptId,
        /// Why.
        reason: String,
    },
    /// A step of the attempt ended.
    StepFinished {
        /// Which attempt.
        attempt: AttemptId,
        /// The step, from 0.
        step: u32,
        /// Its name as shown.
        name: String,
        /// Before `continue-on-error`.
        outcome: Outcome,
        /// After `continue-on-error`.
        conclusion: Outcome,
        /// When it began.
        started: Millis,
        /// When it ended.
        finished: Millis,
        /// Whether it was a `run:` step, whose time is the user's.
        user: bool,
        /// Parts of that time that were qnt9's or terraform's own.
        own: Vec<Span>,
    },
    /// A stretch of the attempt's log was sealed into a blob.
    LogSealed {
        /// Which attempt.
        attempt: AttemptId,
        /// The first line's number, from 1.
        first_line: u64,
        /// How many lines.
        lines: u64,
        /// The blob.
        blob: String,
    },
    /// The attempt ended.
    JobFinished {
        /// Which attempt.
        attempt: AttemptId,
        /// Its result.
        result: Outcome,
        /// Its outputs.
        outputs: Vec<(String, UserText)>,
        /// What went wrong, where the steps do not say.
        reason: Option<UserText>,
        /// What its steps wrote to their summaries, as Markdown.
        summary: Option<UserText>,
    },
    /// The runner of the attempt is gone. Without an environment the job is tried again; with one a
    /// person decides.
    JobLost {
        /// Which attempt.
        attempt: AttemptId,
        /// What is known.
        reason: String,
        /// Whether it is tried again by itself.
        retry: bool,
    },
    /// A person decided that a lost attempt is tried again.
    JobRerun {
        /// The lost attempt.
        attempt: AttemptId,
    },
    /// A person decided that a lost attempt counts after all if its runner is found.
    JobResumeRequested {
        /// The lost attempt.
        attempt: AttemptId,
    },
    /// A lost attempt's runner came back with its journal: the attempt counts again.
    JobResumed {
        /// The attempt.
        attempt: AttemptId,
        /// What proves it.
        proof: String,
    },
    /// A step kept an artifact.
    ArtifactKept {
        /// Whose.
        attempt: AttemptId,
        /// Its name.
        name: String,
        /// The blob.
        blob: String,
        /// Its size.
        bytes: u64,
        /// When it may be deleted.
        expires: Millis,
    },
    /// A step declared a wait.
    WaitDeclared {
        /// Which call.
        call: CallKey,
        /// Until when, already shortened by the time scale.
        until: Millis,
        /// What for.
        reason: UserText,
    },
    /// A step's load test ran, so that its time is not counted as qnt9's own.
    LoadDriven {
        /// Which call.
        call: CallKey,
        /// When the load began.
        started: Millis,
        /// When it ended.
        finished: Millis,
    },

    // Releases and evidence.
    /// A release was built.
    ReleaseBuilt {
        /// Which call built it.
        call: Option<CallKey>,
        /// Its digest.
        release: ReleaseDigest,
        /// The service.
        service: String,
        /// The commit.
        commit: Sha,
        /// Digests of what it is made of beside the image, by name.
        configuration: Vec<(String, String)>,
        /// Bytes of its layers.
        bytes: u64,
        /// Further services that run from it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        further: Vec<String>,
    },
    /// Something was proved, or failed to be.
    EvidenceRecorded {
        /// Which call recorded it.
        call: Option<CallKey>,
        /// What kind: `tests`, `load-test`.
        kind: String,
        /// The environment it was proved in.
        environment: Option<EnvironmentName>,
        /// The commit it is about.
        commit: Sha,
        /// The release it is about.
        release: Option<ReleaseDigest>,
        /// Whether it passed.
        passed: bool,
        /// The figures in one line.
        summary: String,
        /// The time scale it was made under; 1 is the real thing.
        time_scale: u32,
    },
    /// A person wrote down why something was not proved, so that it may be tried again.
    CauseNoted {
        /// What kind: `load-test`.
        kind: String,
        /// The environment in which it failed.
        environment: EnvironmentName,
        /// The cause, in their words.
        cause: UserText,
    },

    // Terraform.
    /// A workspace's state was locked.
    StateLocked {
        /// The workspace.
        workspace: String,
        /// The lock's id, chosen by terraform.
        lock: String,
        /// terraform's lock info as JSON.
        info: UserText,
    },
    /// The lock was released.
    StateUnlocked {
        /// The workspace.
        workspace: String,
        /// The lock's id.
        lock: String,
        /// Whether somebody else than its holder did it.
        forced: bool,
    },
    /// A new version of the state was written.
    StateWritten {
        /// The workspace.
        workspace: String,
        /// terraform's serial.
        serial: u64,
        /// terraform's lineage.
        lineage: String,
        /// md5 of the state, in hexadecimal.
        md5: String,
        /// The sealed blob.
        blob: String,
        /// Its size.
        bytes: u64,
    },
    /// The state was deleted by terraform.
    StateDeleted {
        /// The workspace.
        workspace: String,
    },
    /// A plan was recorded for an environment.
    PlanRecorded {
        /// Which call recorded it.
        call: CallKey,
        /// The environment.
        environment: EnvironmentName,
        /// The hash that approvals name.
        hash: String,
        /// The plan in numbers and lines.
        summary: PlanSummary,
    },

    // Deployments.
    /// An environment's address for a service was chosen.
    AddressAssigned {
        /// Which place.
        place: Place,
        /// `127.0.0.1:9012`.
        address: String,
        /// What is reached there.
        #[serde(default, skip_serializing_if = "Entrance::is_main")]
        entrance: Entrance,
    },
    /// A deployment was requested; its id is this fact's sequence number.
    DeploymentRequested {
        /// Which call asked for it, if a step did.
        call: Option<CallKey>,
        /// Where.
        place: Place,
        /// What.
        release: ReleaseDigest,
        /// Forward, or back to an earlier release.
        direction: Direction,
        /// How many replicas.
        replicas: u32,
        /// Percent of traffic at each step, the last 100.
        steps: Vec<u32>,
        /// Least time at a step, already shortened by the time scale.
        step_for_ms: i64,
        /// Requests needed to judge a step.
        min_requests: u64,
        /// How long its replicas may take to become healthy.
        health_timeout_ms: i64,
        /// How `qnt9.toml` said then that it is started and known to be well. It stays so for this
        /// deployment, whatever the file says later.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service: Option<Service>,
        /// Variables of the service's environment.
        settings: Vec<(String, UserText)>,
        /// What there is to its rollout beside shares of the traffic.
        #[serde(default, skip_serializing_if = "RolloutTerms::is_plain")]
        terms: RolloutTerms,
    },
    /// The release runs, has no traffic yet, and was tried.
    SmokeTested {
        /// The deployment.
        deployment: DeploymentId,
        /// Whether all of it passed.
        passed: bool,
        /// What was asked, expected and got.
        report: UserText,
    },
    /// A person let a release that runs beside the old one have the traffic.
    Promoted {
        /// The deployment.
        deployment: DeploymentId,
    },
    /// So many replicas of a rolling deployment and of the one before it are to be there.
    ReplicasShifted {
        /// The deployment.
        deployment: DeploymentId,
        /// Of its own.
        own: u32,
        /// Of the one before it.
        former: u32,
    },
    /// Nothing of a replica that is to go is in flight any more: it may stop.
    ReplicaDrained {
        /// The deployment.
        deployment: DeploymentId,
        /// The replica, from 0.
        replica: u32,
    },
    /// A replica answers its health check.
    ReplicaReady {
        /// The deployment.
        deployment: DeploymentId,
        /// The replica, from 0.
        replica: u32,
        /// Where it listens.
        address: String,
    },
    /// A replica that was ready is gone.
    ReplicaLost {
        /// The deployment.
        deployment: DeploymentId,
        /// The replica, from 0.
        replica: u32,
        /// What is known.
        reason: String,
    },
    /// A replica did not become healthy.
    ReplicaFailed {
        /// The deployment.
        deployment: DeploymentId,
        /// The replica, from 0.
        replica: u32,
        /// What was asked, expected and got, and the last lines of its log.
        report: UserText,
    },
    /// The deployment's share of its place's traffic is to be this.
    WeightChanged {
        /// The deployment.
        deployment: DeploymentId,
        /// Percent.
        percent: u32,
    },
    /// The gateway carries the traffic as wanted since that generation.
    TrafficApplied {
        /// Which place.
        place: Place,
        /// The place's generation.
        generation: u64,
    },
    /// A window of traffic was counted and judged.
    WindowJudged {
        /// The deployment.
        deployment: DeploymentId,
        /// The gateway's window number.
        window: u64,
        /// Percent during it.
        percent: u32,
        /// The new release's requests in it.
        new: Counts,
        /// The old release's requests in it.
        old: Counts,
        /// What the judge said, over all windows of this step.
        verdict: Verdict,
        /// In words, with figures.
        reason: String,
    },
    /// The deployment is over.
    DeploymentFinished {
        /// The deployment.
        deployment: DeploymentId,
        /// How.
        outcome: DeploymentOutcome,
    },
    /// The gateway sends nothing more to the deployment's replicas and none of its requests is in
    /// flight: they may stop.
    ArmDrained {
        /// The deployment whose replicas are free.
        deployment: DeploymentId,
    },

    /// The replicas of a release that were kept to go back to are not kept any longer.
    WarmEnded {
        /// Whose replicas.
        deployment: DeploymentId,
    },
    /// A window of the traffic of a release that serves was counted, while it is watched.
    WindowWatched {
        /// The deployment.
        deployment: DeploymentId,
        /// The gateway's window number.
        window: u64,
        /// Its requests.
        counts: Counts,
        /// Those of them that took longer than they should.
        slow: u64,
        /// What the judge said, over the last of these windows.
        verdict: Verdict,
        /// In words, with figures.
        reason: String,
    },
    /// The time in which the release was watched is over.
    WatchEnded {
        /// The deployment.
        deployment: DeploymentId,
        /// Good: it kept to what it should. Bad: it did not. Undecided: too little was seen.
        verdict: Verdict,
        /// In words, with figures.
        reason: String,
    },

    // Notifications and secrets.
    /// A notification was posted; its id is this fact's sequence number.
    NotificationPosted {
        /// Which call posted it, if a step did.
        call: Option<CallKey>,
        /// Its title.
        title: UserText,
        /// Its text.
        text: UserText,
        /// Where to send it; without one it is only kept and shown.
        webhook: Option<UserText>,
    },
    /// A notification was delivered.
    NotificationDelivered {
        /// Which.
        notification: NotificationId,
    },
    /// A try at delivering a notification failed.
    NotificationFailed {
        /// Which.
        notification: NotificationId,
        /// What happened.
        reason: String,
    },
    /// A secret was set.
    SecretSet {
        /// Its name.
        name: String,
        /// The environment it is for; without one, every job of the project.
        environment: Option<EnvironmentName>,
        /// Its value, which leaves the store only for a job whose gates opened.
        value: UserText,
    },
    /// A secret was removed.
    SecretRemoved {
        /// Its name.
        name: String,
        /// The environment it was for.
        environment: Option<EnvironmentName>,
    },
}

/// A ref's move. `None` is "does not exist".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefUpdate {
    /// The full ref.
    pub reference: String,
    /// Before.
    pub old: Option<Sha>,
    /// After.
    pub new: Option<Sha>,
}

/// A commit, as far as rules need it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Its object name.
    pub sha: Sha,
    /// Its parents.
    pub parents: Vec<Sha>,
    /// Its author's name.
    pub author: String,
    /// Its author's address.
    pub email: String,
    /// The first line of its message.
    pub title: UserText,
}

/// What started a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// A push by this person.
    Push {
        /// Who.
        by: String,
    },
    /// A dispatch by this person.
    Dispatch {
        /// Who.
        by: String,
    },
    /// A new run of an earlier one, asked by this person.
    Rerun {
        /// Who.
        by: String,
        /// Which run.
        of: RunId,
    },
    /// A schedule of the workflow was due.
    Schedule {
        /// Whoever pushed the commit that it runs on, as far as that is known.
        by: String,
        /// Which schedule.
        schedule: Schedule,
        /// When it was due.
        due: Millis,
        /// How many earlier moments of the same schedule passed without a run.
        missed: u64,
    },
}

impl Cause {
    /// Who.
    #[must_use]
    pub fn by(&self) -> &str {
        match self {
            Self::Push { by }
            | Self::Dispatch { by }
            | Self::Rerun { by, .. }
            | Self::Schedule { by, .. } => by,
        }
    }
}

/// One entry of `on.schedule`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Schedule {
    /// Minute, hour, day of the month, month, day of the week.
    pub cron: String,
    /// The IANA name of its time zone; UTC without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
}

/// A workflow of the default branch that is started by schedules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScheduledWorkflow {
    /// Its file.
    pub path: String,
    /// The parsed workflow.
    pub workflow: Value,
    /// Its schedules.
    pub schedules: Vec<Schedule>,
}

/// What a re-run takes over from the run that it repeats: its results, outputs, artifacts and plans.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeat {
    /// Which attempt at the first run this is; that one was attempt 1.
    pub attempt: u32,
    /// The keys of the jobs that are not run again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<String>,
    /// Legs that are not run again of jobs whose other legs are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub legs: Vec<JobKey>,
    /// The job that begins in its middle, and where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumes: Option<ResumePoint>,
}

/// A place in an earlier attempt from which a job goes on, in a copy of that attempt's workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumePoint {
    /// Whose workspace, and the outcomes of whose earlier steps.
    pub attempt: AttemptId,
    /// The first step to run, from 0.
    pub step: u32,
}

/// A concurrency group of a run or of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concurrency {
    /// Compared in lower case, as GitHub does.
    pub group: String,
    /// Whether a newcomer cancels the running one too.
    pub cancel_in_progress: bool,
    /// How many may wait for it.
    #[serde(default, skip_serializing_if = "Queue::is_single")]
    pub queue: Queue,
}

/// How many may wait for a concurrency group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Queue {
    /// One: a newcomer takes the place of whoever waits.
    #[default]
    Single,
    /// As many as [`crate::limits::CONCURRENCY_QUEUE_MAX`], in the order in which they came.
    Max,
}

impl Queue {
    const fn is_single(&self) -> bool {
        matches!(self, Self::Single)
    }
}

/// A result of a step, a job or a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It did what it should.
    Success,
    /// It was not run.
    Skipped,
    /// It was stopped.
    Cancelled,
    /// It failed.
    Failure,
}

impl Outcome {
    /// GitHub's word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
            Self::Failure => "failure",
        }
    }
}

/// One leg of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Leg {
    /// The leg's own key, unique in the run.
    pub job: JobKey,
    /// Its name as shown: `test (stable)`.
    pub name: String,
    /// Its place among the legs, from 0.
    pub index: u32,
    /// The `matrix` context as JSON text.
    pub matrix: UserText,
    /// The environment whose gates it must pass.
    pub environment: Option<EnvironmentName>,
    /// Whether its failure leaves the run green.
    pub continue_on_error: bool,
    /// How long it may run.
    pub timeout_ms: i64,
    /// Its own concurrency group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
}

/// What an approval or an opened gate is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subjects {
    /// The release of the run's commit, once there is one.
    pub release: Option<ReleaseDigest>,
    /// The hash of the run's plan for the environment, once there is one.
    pub plan: Option<String>,
}

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// From.
    pub started: Millis,
    /// To.
    pub finished: Millis,
}

/// What an address of a place leads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entrance {
    /// What serves: shared out among releases as their rollout says.
    #[default]
    Main,
    /// The release that runs beside it and waits to be promoted.
    Preview,
}

impl Entrance {
    fn is_main(&self) -> bool {
        *self == Self::Main
    }
}

/// What there is to a rollout beside shares of the traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutTerms {
    /// How the new release takes the old one's place; its times are shortened by the time scale.
    #[serde(default, skip_serializing_if = "Strategy::is_by_share")]
    pub strategy: Strategy,
    /// How it is watched afterwards; its time is shortened by the time scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<WatchRule>,
    /// The deployment whose replicas were kept, and which it takes over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub takes_over: Option<DeploymentId>,
}

impl RolloutTerms {
    fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// Forward or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// A release that is new here.
    Forward,
    /// A release that already ran here, asked for by a person.
    Rollback,
}

/// Requests of one release.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All.
    pub requests: u64,
    /// Answered 5xx or not at all.
    pub bad: u64,
}

impl Counts {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self { requests: self.requests + other.requests, bad: self.bad + other.bad }
    }
}

/// What the judge says of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Not enough to say.
    #[default]
    Undecided,
    /// Not worse than the old release.
    Good,
    /// Worse than the old release.
    Bad,
}

/// How a deployment ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeploymentOutcome {
    /// It serves all traffic.
    Succeeded,
    /// The release before it serves all traffic again.
    RolledBack {
        /// Why.
        reason: String,
        /// How far it had come.
        at_percent: u32,
    },
    /// It never got any traffic.
    Failed {
        /// Why.
        reason: UserText,
    },
}
