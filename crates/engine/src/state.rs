//! Everything the machine knows, folded from the facts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use qnt9_model::door::Workspace;
use qnt9_model::fact::{
    Cause, Commit, Concurrency, Counts, DeploymentOutcome, Direction, Leg, Outcome, RefUpdate,
    Span, Subjects, Verdict,
};
use qnt9_model::plan::PlanSummary;
use qnt9_model::policy::Service;
use qnt9_model::{
    Actor, AttemptId, CallKey, DeploymentId, EnvironmentName, JobKey, Millis, NotificationId,
    Person, Place, Policy, PushId, ReleaseDigest, RunId, Sha, StreamId, UserText,
};
use qnt9_workflow::Workflow;

/// The whole state: the platform's own stream and every project's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// What belongs to no project.
    pub platform: Platform,
    /// The projects by stream.
    pub projects: BTreeMap<StreamId, Project>,
}

impl State {
    /// The sequence number of the last entry of a stream; 0 for none.
    #[must_use]
    pub fn sequence(&self, stream: &StreamId) -> u64 {
        if stream.as_str() == StreamId::PLATFORM {
            self.platform.sequence
        } else {
            self.projects.get(stream).map_or(0, |project| project.sequence)
        }
    }
}

/// People, tokens, and which projects there are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Platform {
    /// The last entry's sequence number.
    pub sequence: u64,
    /// People by name.
    pub people: BTreeMap<String, Person>,
    /// Tokens by sha256.
    pub tokens: BTreeMap<String, Token>,
}

impl Platform {
    /// The person whose commits carry this address.
    #[must_use]
    pub fn person_by_email(&self, email: &str) -> Option<&Person> {
        self.people.values().find(|person| person.email.eq_ignore_ascii_case(email))
    }
}

/// A personal token, known by its digest.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// Whose.
    pub person: String,
    /// What for.
    pub label: String,
}

/// One project.
#[derive(Clone, Debug, Default, PartialEq)]
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
    /// All runs.
    pub runs: BTreeMap<RunId, Run>,
    /// The runs that are not over: only these are looked at when something happens.
    pub live: BTreeSet<RunId>,
    /// The last run number of each workflow file.
    pub numbers: BTreeMap<String, u64>,
    /// Which job holds an environment.
    pub holders: BTreeMap<EnvironmentName, (RunId, JobKey)>,
    /// Where services run.
    pub places: BTreeMap<Place, PlaceState>,
    /// All deployments.
    pub deployments: BTreeMap<DeploymentId, Deployment>,
    /// Releases by digest.
    pub releases: BTreeMap<ReleaseDigest, Release>,
    /// Evidence, oldest first.
    pub evidence: Vec<Evidence>,
    /// The last plan a run recorded for an environment.
    pub plans: BTreeMap<(RunId, EnvironmentName), Plan>,
    /// Terraform states.
    pub workspaces: BTreeMap<String, Workspace>,
    /// Notifications.
    pub notifications: BTreeMap<NotificationId, Notification>,
    /// Waits that steps declared.
    pub waits: BTreeMap<CallKey, Wait>,
    /// Load that steps drove.
    pub loads: BTreeMap<CallKey, Span>,
    /// Artifacts by run and name.
    pub artifacts: BTreeMap<(RunId, String), Artifact>,
    /// Secrets by name and environment.
    pub secrets: BTreeMap<(String, Option<EnvironmentName>), UserText>,
}

/// A push on its way into the repository.
#[derive(Clone, Debug, PartialEq)]
pub struct Push {
    /// Who pushes.
    pub by: String,
    /// What it wants to move.
    pub updates: Vec<RefUpdate>,
    /// Since when.
    pub offered: Millis,
}

/// One run of a workflow.
#[derive(Clone, Debug, PartialEq)]
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
    /// `github.event` as JSON text.
    pub event: UserText,
    /// Dispatch inputs as JSON texts.
    pub inputs: Vec<(String, UserText)>,
    /// The workflow as stored.
    pub source: serde_json::Value,
    /// The workflow; `None` when this version of qnt9 cannot read the one stored.
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
    /// Its jobs in file order.
    pub jobs: Vec<Job>,
    /// The legs of its planned jobs.
    pub legs: BTreeMap<JobKey, LegState>,
    /// How and when it ended.
    pub finished: Option<(Outcome, Millis)>,
}

impl Run {
    /// The job of that key in the file.
    #[must_use]
    pub fn job(&self, key: &str) -> Option<&Job> {
        self.jobs.iter().find(|job| job.key == key)
    }

    /// How a job came out, once all its legs have ended; `continue-on-error` counted as on GitHub.
    #[must_use]
    pub fn job_result(&self, key: &str) -> Option<Outcome> {
        let job = self.job(key)?;
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
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Its key in the file.
    pub key: String,
    /// What has become of it so far.
    pub plan: JobPlan,
}

/// What has become of a job.
#[derive(Clone, Debug, PartialEq)]
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
#[derive(Clone, Debug, PartialEq)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug, PartialEq)]
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

/// One try at a leg.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// Counted from 1.
    pub number: u32,
    /// Which runner has it.
    pub runner: String,
    /// When it was handed over.
    pub started: Millis,
    /// When it ended or was lost.
    pub finished: Option<Millis>,
    /// Its result.
    pub result: Option<Outcome>,
    /// Its steps that ended, by number.
    pub steps: BTreeMap<u32, StepState>,
    /// Its sealed log.
    pub log: Vec<LogChunk>,
    /// Its outputs.
    pub outputs: Vec<(String, UserText)>,
    /// What its steps wrote to their summaries, as Markdown.
    pub summary: Option<UserText>,
    /// What went wrong where the steps do not say.
    pub reason: Option<String>,
}

/// A step that ended.
#[derive(Clone, Debug, PartialEq)]
pub struct StepState {
    /// Its name.
    pub name: String,
    /// Before `continue-on-error`.
    pub outcome: Outcome,
    /// After it.
    pub conclusion: Outcome,
    /// From when to when.
    pub span: Span,
    /// Whether its time is the user's.
    pub user: bool,
    /// Parts that were qnt9's or terraform's own.
    pub own: Vec<Span>,
}

/// A sealed stretch of a log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogChunk {
    /// The first line, from 1.
    pub first_line: u64,
    /// How many.
    pub lines: u64,
    /// The blob.
    pub blob: String,
}

/// Where a service runs.
#[derive(Clone, Debug, Default, PartialEq)]
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

/// One deployment.
#[derive(Clone, Debug, PartialEq)]
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
    /// All windows judged: when, percent, new, old.
    pub windows: Vec<(Millis, u32, Counts, Counts)>,
    /// How and when it ended.
    pub outcome: Option<(DeploymentOutcome, Millis)>,
    /// Its replicas carry nothing any more.
    pub drained: bool,
}

/// A release.
#[derive(Clone, Debug, PartialEq)]
pub struct Release {
    /// Its digest.
    pub digest: ReleaseDigest,
    /// The service.
    pub service: String,
    /// The commit.
    pub commit: Sha,
    /// Digests of its configuration.
    pub configuration: Vec<(String, String)>,
    /// Bytes.
    pub bytes: u64,
    /// When it was built.
    pub built: Millis,
    /// By which job.
    pub by: Actor,
}

/// Something proved or not.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// The call that recorded it.
    pub call: Option<CallKey>,
    /// What kind.
    pub kind: String,
    /// Where.
    pub environment: Option<EnvironmentName>,
    /// Of which commit.
    pub commit: Sha,
    /// Of which release.
    pub release: Option<ReleaseDigest>,
    /// Whether it passed.
    pub passed: bool,
    /// Figures.
    pub summary: String,
    /// The time scale it was made under.
    pub time_scale: u32,
    /// When.
    pub at: Millis,
}

/// A recorded plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The call that recorded it.
    pub call: CallKey,
    /// Its hash.
    pub hash: String,
    /// What it would do.
    pub summary: PlanSummary,
    /// When.
    pub at: Millis,
}

/// A notification.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// The call that posted it.
    pub call: Option<CallKey>,
    /// Its title.
    pub title: UserText,
    /// Its text.
    pub text: UserText,
    /// Where it goes.
    pub webhook: Option<UserText>,
    /// When it was posted.
    pub posted: Millis,
    /// By whom.
    pub by: Actor,
    /// When it was delivered.
    pub delivered: Option<Millis>,
    /// Tries that failed, and the last one's reason.
    pub failures: u32,
    /// The last failure.
    pub failure: Option<String>,
}

/// A declared wait.
#[derive(Clone, Debug, PartialEq)]
pub struct Wait {
    /// From.
    pub from: Millis,
    /// Until.
    pub until: Millis,
    /// What for.
    pub reason: UserText,
}

/// A kept artifact.
#[derive(Clone, Debug, PartialEq)]
pub struct Artifact {
    /// The blob.
    pub blob: String,
    /// Bytes.
    pub bytes: u64,
    /// When it may be deleted.
    pub expires: Millis,
    /// Which attempt kept it.
    pub attempt: AttemptId,
}

impl Project {
    /// The name people use: the stream's.
    #[must_use]
    pub fn release_of(&self, commit: &Sha) -> Option<&Release> {
        self.releases.values().filter(|release| &release.commit == commit).max_by_key(|r| r.built)
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

    /// The deployment that serves the first service of an environment.
    #[must_use]
    pub fn serving_environment(&self, environment: &EnvironmentName) -> Option<&Deployment> {
        self.places
            .iter()
            .filter(|(place, _)| &place.environment == environment)
            .find_map(|(_, state)| self.deployments.get(&state.serving?))
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
        let mut seen = BTreeSet::new();
        if let Some(base) = base {
            self.walk(base, &mut seen, &mut Vec::new());
        }
        let mut found = Vec::new();
        self.walk(head, &mut seen, &mut found);
        found
    }

    fn walk<'a>(&'a self, from: &Sha, seen: &mut BTreeSet<&'a Sha>, found: &mut Vec<&'a Commit>) {
        let mut next: Vec<&Sha> = vec![from];
        while let Some(sha) = next.pop() {
            let Some((sha, commit)) = self.commits.get_key_value(sha) else { continue };
            if seen.insert(sha) {
                found.push(commit);
                next.extend(&commit.parents);
            }
        }
    }
}
