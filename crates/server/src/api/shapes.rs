//! What goes over the wire, and what `--json` prints: one documented shape per thing.
//!
//! Moments are milliseconds since 1970-01-01T00:00:00Z. Texts that users put in stand in the clear,
//! or as `(erased)`. Fields are only ever added.

use std::collections::BTreeMap;

use qnt9_model::fact::{Counts, Outcome, Subjects, Verdict};
use qnt9_model::plan::{PlanLine, PlanSummary};
use qnt9_model::{
    DeploymentId, EnvironmentName, JobKey, Millis, NotificationId, ReleaseDigest, RunId, Sha, Why,
};
use serde::{Deserialize, Serialize};

use qnt9_engine::accounting::Shares;

/// Declares shapes: plain data, read and written alike.
macro_rules! shapes {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty,)* })*) => {
        $($(#[$doc])*
        #[derive(Clone, Debug, Serialize, Deserialize)]
        pub struct $name { $($(#[$field_doc])* pub $field: $kind,)* })*
    };
}

/// The kind of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorClass {
    /// No valid token: 401.
    Unauthorized,
    /// No such thing: 404.
    Unknown,
    /// Not allowed to this caller: 403.
    Forbidden,
    /// Against the present state: 409.
    Conflict,
    /// Held by a gate: 409; `why` is its proof tree.
    Held,
    /// The request cannot be accepted: 422, or 400, 413 and 415 for its body.
    Invalid,
    /// Not now: 503.
    Unavailable,
    /// Something of the server's failed: 500.
    Failed,
}

/// Where a leg of a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It waits for its concurrency group.
    Pending,
    /// It waits for the gates of its environment.
    Gated,
    /// It waits for a free runner.
    Queued,
    /// An attempt is with a runner.
    Running,
    /// Its runner was lost, and a person must decide.
    Lost,
    /// It ended.
    Done,
}

/// What has become of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Plan {
    /// It waits for the jobs it needs.
    Waiting,
    /// It has legs, one without a matrix.
    Planned,
    /// It does not run.
    Skipped,
    /// It cannot run, and failed.
    Impossible,
}

/// Where a rollout stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RolloutState {
    /// Its replicas are starting.
    Starting,
    /// It has a part of the traffic.
    Moving,
    /// It serves or served all traffic.
    Succeeded,
    /// The release before it serves again.
    RolledBack,
    /// It never got any traffic.
    Failed,
}

shapes! {
    /// The body of every answer that is no.
    ErrorBody {
        /// The error.
        error: ErrorShape,
    }
    /// Why not.
    ErrorShape {
        /// Its kind.
        class: ErrorClass,
        /// The sentence for people.
        message: String,
        /// The proof tree, where a gate holds.
        why: Option<Why>,
    }
    /// `GET /healthz`.
    Healthz {
        /// `ok` or `trouble`.
        status: String,
        /// The server's version.
        version: String,
        /// Why nothing can be recorded.
        trouble: Option<String>,
        /// The streams that this server decides for, where several share a log.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        decides: Option<Vec<String>>,
    }
    /// A project.
    ProjectShape {
        /// Its name.
        name: String,
        /// The embedded reference project.
        embedded: bool,
        /// Declared waits and load tests are divided by this.
        time_scale: u32,
        /// The branch whose `qnt9.toml` is in force.
        default_branch: String,
        /// Where refs point, by full name.
        refs: BTreeMap<String, Sha>,
        /// Files that could not be read, newest last.
        problems: Vec<ProblemShape>,
        /// The number of the last change.
        sequence: u64,
    }
    /// A file that could not be read.
    ProblemShape {
        /// The commit.
        commit: Sha,
        /// The file.
        path: String,
        /// What is wrong, with line and column.
        message: String,
    }
    /// `GET .../status`: what is going on, or was.
    StatusShape {
        /// The moment it is about; absent: now.
        then: Option<MomentShape>,
        /// The project.
        project: ProjectShape,
        /// What is where.
        environments: Vec<EnvironmentShape>,
        /// Runs that go on and the last ones that ended, newest first.
        runs: Vec<RunShape>,
        /// Jobs that gates hold, the longest waiting first.
        waiting: Vec<WaitingShape>,
    }
    /// An earlier moment.
    MomentShape {
        /// The moment.
        at: Millis,
        /// The last fact that was recorded by then.
        fact: u64,
        /// When it was recorded.
        recorded: Millis,
        /// What it says.
        what: String,
        /// Whose doing it was.
        by: String,
        /// The fact before it.
        previous: Option<u64>,
        /// The fact after it.
        next: Option<u64>,
        /// The newest fact of all, now.
        newest: u64,
    }
    /// A job that gates hold.
    WaitingShape {
        /// The run.
        run: RunId,
        /// The job.
        job: JobKey,
        /// The environment it is for.
        environment: EnvironmentName,
        /// The commit.
        commit: Sha,
        /// Since when.
        since: Millis,
        /// What is missing, one sentence each.
        missing: Vec<String>,
        /// The proof tree.
        why: Why,
    }
    /// A run, in short.
    RunShape {
        /// Its id.
        id: RunId,
        /// The workflow's file.
        path: String,
        /// The workflow's name.
        name: String,
        /// The run's title.
        title: String,
        /// Its number among the runs of its workflow.
        number: u64,
        /// `push`, `workflow_dispatch`.
        event: String,
        /// Who started it.
        by: String,
        /// Whether that was a person of the demonstration.
        demo: bool,
        /// The run it repeats.
        rerun_of: Option<RunId>,
        /// The full ref.
        reference: String,
        /// The commit.
        commit: Sha,
        /// When it was created.
        created: Millis,
        /// When it left its group's queue.
        started: Option<Millis>,
        /// When it ended.
        finished: Option<Millis>,
        /// How.
        result: Option<Outcome>,
        /// Why it is being cancelled.
        cancel: Option<String>,
        /// The newer run that took its place.
        superseded_by: Option<RunId>,
        /// Environments that a job of it waits for.
        waits_for: Vec<EnvironmentName>,
    }
    /// A run with its jobs.
    RunDetail {
        /// The run.
        run: RunShape,
        /// Dispatch inputs, JSON values as text.
        inputs: BTreeMap<String, String>,
        /// Its jobs in file order.
        jobs: Vec<JobShape>,
        /// Whose its time was.
        time: Shares,
    }
    /// A job of a run.
    JobShape {
        /// Its key in the file.
        key: String,
        /// The jobs it needs.
        needs: Vec<String>,
        /// What has become of it.
        plan: Plan,
        /// How its `if` came out, or why it does not run.
        reason: Option<String>,
        /// How it came out.
        result: Option<Outcome>,
        /// Its legs.
        legs: Vec<LegShape>,
        /// Whose its time was; absent when it never ran.
        time: Option<Shares>,
    }
    /// A leg of a job.
    LegShape {
        /// Its key, unique in the run.
        job: JobKey,
        /// Its name as shown.
        name: String,
        /// The environment whose gates it must pass.
        environment: Option<EnvironmentName>,
        /// Where it stands.
        phase: Phase,
        /// How it ended.
        result: Option<Outcome>,
        /// When it could go on.
        queued: Millis,
        /// When its gates opened.
        opened: Option<Millis>,
        /// What they opened for; while they are closed, what an approval would be for.
        subjects: Option<Subjects>,
        /// When it ended.
        finished: Option<Millis>,
        /// Approvals and rejections, oldest first.
        approvals: Vec<ApprovalShape>,
        /// Its attempts, oldest first; the last one counts.
        attempts: Vec<AttemptShape>,
        /// Waits that its steps declared.
        waits: Vec<WaitShape>,
        /// Why it ended without a step saying so.
        reason: Option<String>,
        /// While it waits for its gates: the proof tree.
        why: Option<Why>,
        /// While its runner is lost: what is known of it.
        #[serde(default)]
        known: Option<KnownShape>,
    }
    /// An approval or a rejection.
    ApprovalShape {
        /// Who.
        person: String,
        /// A person of the demonstration.
        demo: bool,
        /// When.
        at: Millis,
        /// Yes or no.
        approved: bool,
        /// What they wrote.
        comment: Option<String>,
    }
    /// One try at a leg.
    AttemptShape {
        /// Counted from 1.
        number: u32,
        /// When it began.
        started: Millis,
        /// When it ended.
        finished: Option<Millis>,
        /// How.
        result: Option<Outcome>,
        /// The steps that ended.
        steps: Vec<StepShape>,
        /// The step that runs.
        running: Option<RunningStep>,
        /// Sealed lines of its log.
        log_lines: u64,
        /// What went wrong where the steps do not say.
        reason: Option<String>,
        /// What its steps wrote to their summaries, as Markdown.
        summary: Option<String>,
    }
    /// A step that runs.
    RunningStep {
        /// Its number, from 0.
        step: u32,
        /// Its name.
        name: String,
        /// Since when.
        started: Millis,
    }
    /// A step that ended.
    StepShape {
        /// Its number, from 0.
        step: u32,
        /// Its name.
        name: String,
        /// Before `continue-on-error`.
        outcome: Outcome,
        /// After it.
        conclusion: Outcome,
        /// When it began.
        started: Millis,
        /// When it ended.
        finished: Millis,
        /// Whether its time is the user's.
        user: bool,
    }
    /// A declared wait.
    WaitShape {
        /// From.
        from: Millis,
        /// Until.
        until: Millis,
        /// What for.
        reason: String,
    }
    /// A line of a log.
    LogLine {
        /// Its number, from 1.
        line: u64,
        /// The step that wrote it; absent for the runner's own.
        step: Option<u32>,
        /// When.
        time: Millis,
        /// The text, secrets masked.
        text: String,
    }
    /// `POST .../dispatch`.
    Dispatch {
        /// The workflow's path, file name or name.
        workflow: String,
        /// A branch or tag; the default branch when absent.
        r#ref: Option<String>,
        /// Its inputs: texts, numbers, booleans.
        #[serde(default)]
        inputs: BTreeMap<String, serde_json::Value>,
    }
    /// The run that something started.
    Started {
        /// Its id.
        run: RunId,
    }
    /// `POST .../approve` and `.../reject`.
    Decide {
        /// The environment; may be left out when the run waits for one only.
        environment: Option<EnvironmentName>,
        /// What to note with it.
        comment: Option<String>,
        /// What was shown to whoever approves: when it has changed since, the approval is refused.
        #[serde(default)]
        seen: Option<Subjects>,
    }
    /// What is known of a job whose runner was lost.
    KnownShape {
        /// Why it counts as lost.
        reason: String,
        /// The steps that ended.
        ended: Vec<KnownStep>,
        /// The step that was under way: it may have done all, some or nothing of its work.
        in_flight: Option<KnownStep>,
        /// The steps that were never begun.
        not_begun: Vec<KnownStep>,
        /// Whether its runner is being looked for once more.
        asked: bool,
    }
    /// A step of a job whose runner was lost.
    KnownStep {
        /// Its number, from 0.
        step: u32,
        /// Its name.
        name: String,
        /// How it ended.
        outcome: Option<Outcome>,
    }
    /// `POST .../rerun`; without a body, everything.
    Rerun {
        /// Only the jobs that failed or were cancelled, and the jobs that need them.
        #[serde(default)]
        failed: bool,
        /// Only this job, and the jobs that need it.
        #[serde(default)]
        job: Option<JobKey>,
    }
    /// `POST .../cancel`; without a body, not by force.
    Cancel {
        /// End its jobs at once, without time to clean up.
        #[serde(default)]
        force: bool,
    }
    /// `POST .../checks/{check}`, with the check's own token.
    CheckAnswer {
        /// Whether the job may go on.
        passed: bool,
        /// What people are told.
        #[serde(default)]
        reason: String,
    }
    /// `POST .../jobs/{job}/retry`.
    Retry {
        /// The first step to run, from 0.
        step: u32,
    }
    /// `POST .../resolve`.
    Resolve {
        /// `resume`, `rerun` or `abandon`.
        decision: ResolveDecision,
    }
    /// An environment.
    EnvironmentShape {
        /// Its name.
        name: EnvironmentName,
        /// Its gates in words.
        rules: Vec<String>,
        /// One per service.
        services: Vec<PlaceShape>,
        /// Runs that wait for it.
        waiting: Vec<RunId>,
        /// The run whose job holds it.
        held_by: Option<RunId>,
    }
    /// A service in an environment.
    PlaceShape {
        /// The service.
        service: String,
        /// Where it is reached.
        url: Option<String>,
        /// What serves.
        serving: Option<DeploymentShape>,
        /// What is rolling out.
        rollout: Option<DeploymentShape>,
    }
    /// A deployment.
    DeploymentShape {
        /// Its id.
        id: DeploymentId,
        /// Where.
        environment: EnvironmentName,
        /// The service.
        service: String,
        /// The release.
        release: ReleaseDigest,
        /// The commit it was built from.
        commit: Option<Sha>,
        /// Who asked.
        by: String,
        /// The run whose job did.
        run: Option<RunId>,
        /// Whether it is a rollback.
        rollback: bool,
        /// When.
        requested: Millis,
        /// Where its rollout stands.
        state: RolloutState,
        /// Why it went back or failed.
        reason: Option<String>,
        /// When it ended.
        finished: Option<Millis>,
        /// How many replicas it should have.
        replicas: u32,
        /// How many are ready.
        ready: usize,
        /// Percents it goes through.
        steps: Vec<u32>,
        /// Its share of the traffic.
        percent: u32,
        /// The highest share it had.
        percent_reached: u32,
        /// What the judge says of this step.
        verdict: Verdict,
        /// In words.
        verdict_reason: String,
        /// Its requests at this step.
        new: Counts,
        /// The old release's requests at this step.
        old: Counts,
        /// When it took which share.
        history: Vec<ShareShape>,
        /// `canary`, `all-at-once`, `blue-green` or `rolling`.
        strategy: String,
        /// Where it is reached until it is promoted.
        preview: Option<String>,
        /// Whether everything is there and a person has yet to promote it.
        awaits_promotion: bool,
        /// Who promoted it.
        promoted_by: Option<String>,
        /// Whether its smoke tests passed.
        smoke_passed: Option<bool>,
        /// What was asked and answered in them.
        smoke_report: Option<String>,
        /// Until when the replicas of the release before it are kept to go back to.
        kept_until: Option<Millis>,
        /// How it does since it got all traffic.
        watched: Option<WatchShape>,
    }
    /// How a release does while it is watched.
    WatchShape {
        /// Since when.
        since: Millis,
        /// Until when.
        until: Millis,
        /// When that was over, or cut short.
        ended: Option<Millis>,
        /// What the judge says.
        verdict: Verdict,
        /// In words.
        reason: String,
    }
    /// `POST .../note`: why something failed in an environment.
    NoteShape {
        /// What: `load-test`.
        kind: String,
        /// The cause.
        cause: String,
    }
    /// A deployment in one page.
    SummaryShape {
        /// What became of it, in one line.
        title: String,
        /// All of it as Markdown.
        markdown: String,
    }
    /// A share of traffic taken.
    ShareShape {
        /// When.
        at: Millis,
        /// Percent.
        percent: u32,
    }
    /// `POST .../rollback`.
    Rollback {
        /// A digest, a unique prefix of one, or a commit.
        to: String,
        /// Only say what would happen.
        #[serde(default)]
        dry_run: bool,
    }
    /// What a rollback does, or would do.
    RollbackShape {
        /// The deployment it started; absent for a dry run.
        deployment: Option<DeploymentId>,
        /// The service.
        service: String,
        /// What serves now.
        from: Option<ReleaseDigest>,
        /// What shall serve.
        to: ReleaseDigest,
        /// The commit of that.
        commit: Option<Sha>,
        /// Commits that stop being live, newest first as far as known.
        undone: Vec<CommitShape>,
        /// Replicas to start, or to take over.
        replicas: u32,
        /// Whether replicas that were kept are taken over, so that the switch is one of an instant.
        warm: bool,
        /// Percent of the traffic that moves, step by step.
        steps: Vec<u32>,
        /// What going back would not undo.
        not_undone: Vec<String>,
        /// What of the gates is asked: nothing but one person's role.
        gates: String,
    }
    /// A commit.
    CommitShape {
        /// Its object name.
        sha: Sha,
        /// Its author.
        author: String,
        /// The first line of its message.
        title: String,
    }
    /// A release.
    ReleaseShape {
        /// Its digest.
        digest: ReleaseDigest,
        /// The service.
        service: String,
        /// The commit.
        commit: Sha,
        /// Digests of its configuration, by name.
        configuration: BTreeMap<String, String>,
        /// Its size.
        bytes: u64,
        /// When it was built.
        built: Millis,
        /// By whom.
        by: String,
        /// Where it serves now.
        serves: Vec<EnvironmentName>,
    }
    /// `GET .../diff`: what differs between two releases.
    DifferenceShape {
        /// The one.
        from: SideShape,
        /// The other.
        to: SideShape,
        /// Commits that only the other has, newest first as far as known.
        added: Vec<CommitShape>,
        /// Commits that only the one has.
        missing: Vec<CommitShape>,
        /// Digests of configuration that differ.
        configuration: Vec<ChangedDigestShape>,
        /// The plans with which they went to an environment.
        plans: Vec<ChangedPlanShape>,
    }
    /// One of two releases that are compared.
    SideShape {
        /// The environment by which it was named, and which serves it.
        environment: Option<EnvironmentName>,
        /// The release.
        release: ReleaseShape,
        /// Evidence about it or its commit, oldest first.
        evidence: Vec<EvidenceShape>,
        /// Its newest deployment to each environment.
        deployments: Vec<DeployedShape>,
    }
    /// A deployment, and on what it went.
    DeployedShape {
        /// The deployment.
        deployment: DeploymentShape,
        /// Approvals of its job.
        approvals: Vec<ApprovalShape>,
        /// The plan that its run recorded for the environment.
        plan: Option<PlanOfShape>,
    }
    /// A recorded plan.
    PlanOfShape {
        /// Its hash.
        hash: String,
        /// When it was recorded.
        at: Millis,
        /// What it would do.
        summary: PlanSummary,
    }
    /// A part of the configuration whose digest differs.
    ChangedDigestShape {
        /// Its name.
        name: String,
        /// In the one; absent where it has no such part.
        from: Option<String>,
        /// In the other.
        to: Option<String>,
    }
    /// The plans of two releases for one environment.
    ChangedPlanShape {
        /// Where.
        environment: EnvironmentName,
        /// The plan with which the one went there.
        from: Option<PlanOfShape>,
        /// The plan with which the other did.
        to: Option<PlanOfShape>,
        /// What only the one's plan says.
        only_from: Vec<PlanLine>,
        /// What only the other's plan says.
        only_to: Vec<PlanLine>,
    }
    /// Could this person deploy this, there, at that time?
    PolicyCould {
        /// Who.
        person: String,
        /// Where.
        environment: EnvironmentName,
        /// What, by the beginning of a commit; the head of the default branch when nothing is said.
        #[serde(default)]
        commit: Option<String>,
        /// What, by a release.
        #[serde(default)]
        release: Option<String>,
        /// When; now when absent. An earlier moment is asked of how things stood then.
        #[serde(default)]
        at: Option<Millis>,
    }
    /// Which of the last deployments would these rules have blocked?
    PolicyBlocked {
        /// The file's name, for messages.
        name: String,
        /// Its text.
        file: String,
        /// How many deployments are looked at.
        #[serde(default)]
        last: Option<usize>,
    }
    /// Whether somebody could deploy.
    CouldShape {
        /// Who.
        person: String,
        /// What.
        commit: Sha,
        /// Where.
        environment: EnvironmentName,
        /// When.
        at: Millis,
        /// Whether nothing stands against it but approvals that people can give at once. The wait of
        /// the environment counts as over.
        could: bool,
        /// When it could at the earliest, where that is later.
        earliest: Option<Millis>,
        /// The tree.
        why: Why,
    }
    /// A deployment under other rules.
    BlockedShape {
        /// The deployment.
        deployment: DeploymentShape,
        /// Where it went.
        environment: EnvironmentName,
        /// Whether they would have blocked it when its gates opened.
        blocked: bool,
        /// The tree under these rules.
        why: Why,
    }
    /// `GET .../why/{id}`.
    WhyShape {
        /// What it is about, in words.
        subject: String,
        /// The tree.
        why: Why,
        /// Whether gates hold it now.
        #[serde(default)]
        held: bool,
        /// The people who can unblock it.
        #[serde(default)]
        who: Vec<String>,
        /// When it can go on at the earliest, if everybody acts at once.
        #[serde(default)]
        earliest: Option<Millis>,
        /// Commands that would change it.
        next: Vec<String>,
    }
    /// A secret's name; its value is never given out.
    SecretShape {
        /// Its name.
        name: String,
        /// The environment it is for; absent: every job.
        environment: Option<EnvironmentName>,
    }
    /// `PUT .../secrets/{name}`.
    SecretValue {
        /// The value.
        value: String,
    }
    /// A notification.
    NotificationShape {
        /// Its id.
        id: NotificationId,
        /// Its title.
        title: String,
        /// Its text.
        text: String,
        /// Where it goes; absent: only kept and shown.
        webhook: Option<String>,
        /// When it was posted.
        posted: Millis,
        /// By whom.
        by: String,
        /// When it was delivered.
        delivered: Option<Millis>,
        /// Tries that failed.
        failures: u32,
        /// The last failure.
        failure: Option<String>,
    }
    /// Something proved, or not.
    EvidenceShape {
        /// What kind.
        kind: String,
        /// Where.
        environment: Option<EnvironmentName>,
        /// The commit it is about.
        commit: Sha,
        /// The release it is about.
        release: Option<ReleaseDigest>,
        /// Whether it passed.
        passed: bool,
        /// The figures.
        summary: String,
        /// The time scale it was made under; 1 is the real thing.
        time_scale: u32,
        /// When.
        at: Millis,
        /// The run that recorded it.
        run: Option<RunId>,
    }
    /// One server-sent event of `GET .../changes`.
    Change {
        /// The project's sequence number.
        sequence: u64,
    }

    /// Which call of which step; the attempt comes from the token.
    Call {
        /// The step, from 0.
        step: u32,
        /// The call within the step, from 1.
        call: u32,
    }
    /// `GET /api/v1/step/context`.
    StepContext {
        /// The project.
        project: String,
        /// The run.
        run: RunId,
        /// The job.
        job: JobKey,
        /// The attempt.
        attempt: u32,
        /// The run's commit.
        commit: Sha,
        /// The run's full ref.
        reference: String,
        /// The project's time scale.
        time_scale: u32,
        /// Where the server is reached.
        url: String,
    }
    /// `POST /api/v1/step/wait`.
    StepWait {
        /// Which call.
        call: Call,
        /// How long, before shortening.
        for_ms: i64,
        /// What for.
        reason: String,
    }
    /// Until when to wait.
    WaitUntil {
        /// That moment.
        until: Millis,
    }
    /// A release.
    Digest {
        /// Its digest.
        digest: ReleaseDigest,
    }
    /// `POST /api/v1/step/plan`.
    StepPlan {
        /// Which call.
        call: Call,
        /// The environment.
        environment: EnvironmentName,
        /// The output of `terraform show -json`.
        plan: serde_json::Value,
    }
    /// A plan, read and recorded.
    PlanShape {
        /// Its hash.
        hash: String,
        /// How many resources and outputs it changes.
        changes: usize,
        /// In numbers and lines.
        summary: PlanSummary,
        /// For people, sensitive values left out.
        text: String,
    }
    /// The hash of the plan that this run recorded.
    PlanHash {
        /// The hash.
        hash: String,
    }
    /// `POST /api/v1/step/deploy`.
    StepDeploy {
        /// Which call.
        call: Call,
        /// The environment.
        environment: EnvironmentName,
        /// The release.
        release: ReleaseDigest,
        /// Variables of the service's environment.
        #[serde(default)]
        settings: BTreeMap<String, String>,
    }
    /// The deployment that something started.
    Deployed {
        /// Its id.
        deployment: DeploymentId,
    }
    /// `POST /api/v1/step/evidence`.
    StepEvidence {
        /// Which call.
        call: Call,
        /// What kind.
        kind: String,
        /// The environment whose release it is about; absent: the commit.
        environment: Option<EnvironmentName>,
        /// Whether it passed.
        passed: bool,
        /// The figures.
        summary: String,
    }
    /// `POST /api/v1/step/load`.
    StepLoad {
        /// Which call.
        call: Call,
        /// When the load began.
        started: Millis,
        /// When it ended.
        finished: Millis,
    }
    /// `POST /api/v1/step/notify`.
    StepNotify {
        /// Which call.
        call: Call,
        /// Its title.
        title: String,
        /// Its text.
        text: String,
        /// Where to send it.
        webhook: Option<String>,
    }
    /// Where an environment, or a database, is reached.
    Url {
        /// The address.
        url: String,
    }
    /// One check through an environment's address.
    HealthShape {
        /// Whether it answered as expected.
        healthy: bool,
        /// What was asked, expected and got, and the last lines of its log.
        report: String,
    }
    /// `GET /api/v1/step/environment-database`.
    EnvironmentDatabase {
        /// The address, with its password; `null` when nothing with a database serves there.
        url: Option<String>,
        /// 32 bytes in hexadecimal, the environment's own, by which copies for it are masked.
        masking_key: String,
    }
    /// `POST /api/v1/step/database`.
    StepDatabase {
        /// The database's name.
        name: String,
        /// What to do.
        action: DatabaseAction,
    }
}

/// `POST .../policy/test`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PolicyTest {
    /// Other rules against what was deployed.
    Blocked(PolicyBlocked),
    /// The rules in force against a wish.
    Could(PolicyCould),
}

/// What came of `POST .../policy/test`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PolicyTrial {
    /// Of a wish.
    Could(Box<CouldShape>),
    /// Of other rules: the last deployments, oldest first.
    Blocked(Vec<BlockedShape>),
}

/// What a person decides about a lost job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResolveDecision {
    /// Look for its runner once more: if it is found, what it did counts.
    Resume,
    /// Try it again.
    Rerun,
    /// It failed.
    Abandon,
}

/// What to do with a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatabaseAction {
    /// Have it.
    Create,
    /// Have it no more.
    Drop,
}
