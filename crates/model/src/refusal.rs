//! A command answered with no, and the sentence that says why.

use crate::ids::{CheckId, EnvironmentName, RunId, Sha, StreamId};
use crate::people::Role;
use crate::why::Why;

/// Why a command was refused. `Display` is the sentence a person reads.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The machine does not take commands now.
    #[error("qnt9 takes no commands now: {reason}")]
    Unavailable {
        /// What is wrong and what to do.
        reason: String,
    },
    /// There is no such thing.
    #[error("there is no {what} `{name}`{}", .known.as_ref().map(|text| format!(" (there is: {text})")).unwrap_or_default())]
    Unknown {
        /// What kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
        /// What there is instead.
        known: Option<String>,
    },
    /// It exists already, differently.
    #[error("{what} `{name}` exists already{}", .note.as_ref().map(|text| format!(": {text}")).unwrap_or_default())]
    Exists {
        /// What kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
        /// How it differs.
        note: Option<String>,
    },
    /// The role does not allow it.
    #[error("{person} cannot {act}: it needs the role {needed}, and {person} is {has}")]
    Role {
        /// Who.
        person: String,
        /// What they wanted to do.
        act: &'static str,
        /// The least role.
        needed: Role,
        /// Their role.
        has: Role,
    },
    /// Only a person, or only a job, may ask this.
    #[error("this is not for {actor}: {act}")]
    WrongActor {
        /// What was asked.
        act: &'static str,
        /// By whom.
        actor: String,
    },
    /// Only the embedded reference project has this.
    #[error("{what} exists only for the embedded reference project, not for {project}")]
    OnlyEmbedded {
        /// What.
        what: &'static str,
        /// The project.
        project: StreamId,
    },
    /// The answer comes from an attempt that no longer counts.
    #[error("attempt {attempt} no longer counts: {now}")]
    Stale {
        /// The attempt.
        attempt: String,
        /// How things are.
        now: String,
    },
    /// The check waits for no answer.
    #[error("check {check} takes no answer: {now}")]
    CheckClosed {
        /// The check.
        check: CheckId,
        /// How things are.
        now: String,
    },
    /// A job cannot go on from that step.
    #[error("job {job} of run {run} cannot be retried from step {}: {reason}", .step + 1)]
    NoSuchStep {
        /// The run.
        run: RunId,
        /// The job.
        job: String,
        /// The step, from 0; people count from 1.
        step: u32,
        /// Why, and from where it can.
        reason: String,
    },
    /// The workflow cannot be started like this.
    #[error("{path} cannot be dispatched: {reason}")]
    Dispatch {
        /// The workflow's file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The run is over.
    #[error("run {run} is over: {how}")]
    RunOver {
        /// The run.
        run: RunId,
        /// How it ended.
        how: String,
    },
    /// Nothing in this run waits for approval.
    #[error("no job of run {run} waits for an approval for {environment}{}", .note.as_ref().map(|text| format!(": {text}")).unwrap_or_default())]
    NothingWaits {
        /// The run.
        run: RunId,
        /// The environment.
        environment: EnvironmentName,
        /// What there is to know.
        note: Option<String>,
    },
    /// The person is not among those who may approve.
    #[error("{person} cannot approve for {environment}: its approvers are {from}")]
    NotApprover {
        /// Who.
        person: String,
        /// The environment.
        environment: EnvironmentName,
        /// Who may.
        from: String,
    },
    /// The person is excluded.
    #[error("{person} cannot approve {commit} for {environment}: {because}")]
    Excluded {
        /// Who.
        person: String,
        /// What.
        commit: String,
        /// The environment.
        environment: EnvironmentName,
        /// What they did: "wrote 2 of its commits".
        because: String,
    },
    /// The person approved already.
    #[error("{person} has already approved {commit} for {environment}; it still needs {missing}")]
    ApprovedAlready {
        /// Who.
        person: String,
        /// What.
        commit: String,
        /// The environment.
        environment: EnvironmentName,
        /// What is missing: "one more of alice, bob".
        missing: String,
    },
    /// The subjects changed after the approval was asked for.
    #[error("what you would approve has changed: {change}; look again and approve what it is now")]
    SubjectsChanged {
        /// What changed.
        change: String,
    },
    /// A gate holds.
    #[error("{subject} is held: {}", .why.unmet().join("; "))]
    Held {
        /// What.
        subject: String,
        /// The proof tree.
        why: Box<Why>,
    },
    /// A deployment needs the environment's gates.
    #[error("job {job} may not deploy to {environment}: {reason}")]
    NotYours {
        /// The job.
        job: String,
        /// The environment.
        environment: EnvironmentName,
        /// Why.
        reason: String,
    },
    /// The release cannot be deployed here.
    #[error("{release} cannot go to {environment}: {reason}")]
    Release {
        /// The release.
        release: String,
        /// The environment.
        environment: EnvironmentName,
        /// Why.
        reason: String,
    },
    /// Another rollout is going on.
    #[error(
        "a rollout to {place} is going on ({what}); wait for it, or stop it with `qnt9 rollback {environment} --abort`"
    )]
    RolloutGoing {
        /// The place.
        place: String,
        /// The environment.
        environment: EnvironmentName,
        /// Which.
        what: String,
    },
    /// No release of that commit.
    #[error(
        "no release was built from {commit}; build one with `qnt9 release build` in a job of that commit"
    )]
    NoRelease {
        /// The commit.
        commit: Sha,
    },
    /// The state is locked by somebody else.
    #[error("state {workspace} is locked by {holder}")]
    StateLocked {
        /// The workspace.
        workspace: String,
        /// The lock's id.
        lock: String,
        /// Who holds it, since when, for what.
        holder: String,
        /// terraform's lock info as JSON.
        info: String,
    },
    /// The write would lose an update.
    #[error("state {workspace} was not written: {reason}")]
    StateConflict {
        /// The workspace.
        workspace: String,
        /// Why.
        reason: String,
    },
    /// Something in the request is not acceptable.
    #[error("{what}: {reason}")]
    Invalid {
        /// What.
        what: String,
        /// Why, and what would be acceptable.
        reason: String,
    },
}

/// The class of a refusal, for exit codes and HTTP statuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalClass {
    /// No such thing: 404.
    Unknown,
    /// Not allowed to this actor: 403.
    Forbidden,
    /// Against the present state: 409.
    Conflict,
    /// Held by a gate: 409 and exit code 3.
    Held,
    /// A bad request: 422.
    Invalid,
    /// Not now: 503.
    Unavailable,
}

impl Refusal {
    /// The class.
    #[must_use]
    pub const fn class(&self) -> RefusalClass {
        match self {
            Self::Unavailable { .. } => RefusalClass::Unavailable,
            Self::Unknown { .. } | Self::NoRelease { .. } => RefusalClass::Unknown,
            Self::Role { .. }
            | Self::WrongActor { .. }
            | Self::OnlyEmbedded { .. }
            | Self::NotApprover { .. }
            | Self::Excluded { .. }
            | Self::NotYours { .. } => RefusalClass::Forbidden,
            Self::Held { .. } => RefusalClass::Held,
            Self::Dispatch { .. } | Self::NoSuchStep { .. } | Self::Invalid { .. } => {
                RefusalClass::Invalid
            }
            Self::Exists { .. }
            | Self::Stale { .. }
            | Self::CheckClosed { .. }
            | Self::RunOver { .. }
            | Self::NothingWaits { .. }
            | Self::ApprovedAlready { .. }
            | Self::SubjectsChanged { .. }
            | Self::Release { .. }
            | Self::RolloutGoing { .. }
            | Self::StateLocked { .. }
            | Self::StateConflict { .. } => RefusalClass::Conflict,
        }
    }
}
