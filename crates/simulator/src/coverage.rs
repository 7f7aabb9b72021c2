//! What has occurred: every kind of fact, command, order and refusal, counted.
//!
//! The lists are matches without a wildcard: a new kind does not compile here until it is named, and
//! the tests do not pass until the world brings it about.

use qnt9_model::{Command, Fact, Order, Refusal};

macro_rules! kinds {
    ($(#[$doc:meta])* $all:ident, $index:ident, $kind:ident { $($variant:ident),* $(,)? }) => {
        $(#[$doc])*
        pub const $all: &[&str] = &[$(stringify!($variant)),*];

        const fn $index(value: &$kind) -> usize {
            enum Index { $($variant),* }
            match value { $($kind::$variant { .. } => Index::$variant as usize,)* }
        }
    };
}

kinds! {
    /// Every kind of fact.
    FACTS, fact_index, Fact { PersonAdded, RoleChanged, TokenIssued, TokenRevoked, ProjectCreated, PushOffered, PushSettled, CommitsSeen, PolicyAdopted, PolicyRefused, WorkflowRefused, SchedulesAdopted, ScheduleSkipped, MachineWoke, RunCreated, RunStarted, RunSuperseded, RunCancelRequested, RunKillRequested, RunFinished, JobPlanned, JobSkipped, JobImpossible, JobAdmitted, JobCancelRequested, ApprovalGiven, ApprovalRejected, GatesOpened, GatesClosed, JobSuperseded, CheckRequested, CheckDelivered, CheckUndelivered, CheckAnswered, JobStarted, LeaseRenewed, JobUnheard, JobKillRequested, StepFinished, LogSealed, JobFinished, JobLost, JobRerun, JobResumeRequested, JobResumed, ArtifactKept, WaitDeclared, LoadDriven, ReleaseBuilt, EvidenceRecorded, CauseNoted, StateLocked, StateUnlocked, StateWritten, StateDeleted, PlanRecorded, AddressAssigned, DeploymentRequested, ReplicaReady, ReplicaLost, ReplicaFailed, WeightChanged, TrafficApplied, WindowJudged, DeploymentFinished, ArmDrained, SmokeTested, Promoted, ReplicasShifted, ReplicaDrained, WarmEnded, WindowWatched, WatchEnded, NotificationPosted, NotificationDelivered, NotificationFailed, SecretSet, SecretRemoved }
}

kinds! {
    /// Every kind of command.
    COMMANDS, command_index, Command { Tick, Wake, AddPerson, ChangeRole, IssueToken, RevokeToken, CreateProject, OfferPush, SettlePush, ImportCommits, Dispatch, Rerun, RetryFrom, CancelRun, ForceCancelRun, Approve, Reject, AnswerCheck, CheckTried, StartJob, FinishStep, SealLog, FinishJob, LoseJob, RenewLease, ResumeJob, ResolveLost, KeepArtifact, Wait, DriveLoad, BuildRelease, RecordEvidence, NoteCause, RecordPlan, Deploy, Promote, Rollback, AbortRollout, Notify, LockState, UnlockState, WriteState, DeleteState, AssignAddress, ReplicaReady, ReplicaLost, ReplicaFailed, TrafficApplied, CountWindow, WatchWindow, SmokeTested, ReplicaDrained, ArmDrained, NotificationTried, SetSecret, RemoveSecret }
}

kinds! {
    /// Every kind of order.
    ORDERS, order_index, Order { SettlePush, StartJob, FollowJob, CancelJob, KillJob, AskJob, AskCheck, AssignAddress, KeepReplicas, CarryTraffic, DrainArm, DrainReplica, SmokeTest, Notify }
}

kinds! {
    /// Every kind of refusal.
    REFUSALS, refusal_index, Refusal { Unavailable, Unknown, Exists, Role, WrongActor, OnlyEmbedded, Stale, CheckClosed, NoSuchStep, Dispatch, RunOver, NothingWaits, NotApprover, Excluded, ApprovedAlready, SubjectsChanged, Held, NotYours, Release, RolloutGoing, NoRelease, StateLocked, StateConflict, Invalid }
}

/// Kinds that no world brings about, and why.
pub const ELSEWHERE: &[(&str, &str)] = &[
    ("Held", "the server says it of its own, the engine lets a held job wait"),
    ("NoRelease", "the server says it to a step that looks for a release"),
];

/// How often each kind occurred.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    facts: Vec<u64>,
    commands: Vec<u64>,
    orders: Vec<u64>,
    refusals: Vec<u64>,
    /// How often a server died.
    pub crashes: u64,
}

impl Default for Coverage {
    fn default() -> Self {
        Self {
            facts: vec![0; FACTS.len()],
            commands: vec![0; COMMANDS.len()],
            orders: vec![0; ORDERS.len()],
            refusals: vec![0; REFUSALS.len()],
            crashes: 0,
        }
    }
}

impl Coverage {
    pub(crate) fn fact(&mut self, fact: &Fact) {
        self.facts[fact_index(fact)] += 1;
    }

    pub(crate) fn command(&mut self, command: &Command) {
        self.commands[command_index(command)] += 1;
    }

    pub(crate) fn order(&mut self, order: &Order) {
        self.orders[order_index(order)] += 1;
    }

    pub(crate) fn refusal(&mut self, refusal: &Refusal) {
        self.refusals[refusal_index(refusal)] += 1;
    }

    /// Adds what occurred in another world.
    pub fn add(&mut self, other: &Self) {
        let lists = [
            (&mut self.facts, &other.facts),
            (&mut self.commands, &other.commands),
            (&mut self.orders, &other.orders),
            (&mut self.refusals, &other.refusals),
        ];
        for (own, more) in lists {
            own.iter_mut().zip(more).for_each(|(own, more)| *own += more);
        }
        self.crashes += other.crashes;
    }

    /// Every kind with how often it occurred: `(fact, JobStarted, 12)`.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let lists = [
            ("fact", FACTS, &self.facts),
            ("command", COMMANDS, &self.commands),
            ("order", ORDERS, &self.orders),
            ("refusal", REFUSALS, &self.refusals),
        ];
        lists.into_iter().flat_map(|(what, names, counts)| {
            names.iter().zip(counts).map(move |(name, count)| (what, *name, *count))
        })
    }

    /// The kinds that have not occurred and could.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let is_elsewhere = |name: &str| ELSEWHERE.iter().any(|(known, _)| *known == name);
        self.counts()
            .filter(|(_, name, count)| *count == 0 && !is_elsewhere(name))
            .map(|(what, name, _)| format!("{what} {name}"))
            .collect()
    }
}
