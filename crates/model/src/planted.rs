//! Faults that can be switched on, one at a time, to see whether the simulator finds them.
//!
//! The switch exists only with the feature `planted`, which no crate turns on by default; without it
//! [`is`] is the constant `false` and a fault's place compiles to nothing. Each thread has a switch of
//! its own, so that several simulations run side by side.

/// Defines the faults, each with the sentence that says what goes wrong.
macro_rules! faults {
    ($($(#[doc = $what:literal])+ $name:ident,)+) => {
        /// A mistake somebody could have made.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault {
            $($(#[doc = $what])+ $name,)+
        }

        impl Fault {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// What goes wrong.
            #[must_use]
            pub const fn what(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($what),+).trim_ascii(),)+
                }
            }
        }
    };
}

faults! {
    // What runners say.
    /// The answer of an old attempt counts for the one that runs now.
    LateAnswerCounts,
    /// A step that is told twice is done twice.
    StepTwice,
    /// A stretch of a log may leave lines out.
    LogGap,
    /// A stretch of a log that is told twice is there twice.
    LogTwice,
    /// A lost job of an environment is tried again without asking anybody.
    LostRetriesProtected,
    /// A job whose runner is lost each time is tried for ever.
    LostRetriesForever,
    /// A lost attempt may come back although a later one has begun.
    ResumeOverLaterAttempt,
    /// Outputs of a job are lost when it ends in failure.
    OutputsOfFailureLost,
    /// `max-parallel` forgets the legs whose runner was lost.
    MaxParallelForgetsLost,
    /// A job gives its environment back only when it succeeds.
    EnvironmentKeptAfterFailure,
    /// A job gives its environment back when its runner is lost, though it may come back.
    EnvironmentFreedWhenLost,
    /// When an attempt was last heard of is taken from something that is no fact.
    HeardFromNoFact,

    // Terraform.
    /// A state that is locked can be locked by somebody else.
    LockTwice,
    /// A state can be written without holding its lock.
    WriteWithoutLock,
    /// An older state may overwrite a newer one.
    SerialNotCompared,
    /// A state of another lineage may take this one's place.
    LineageNotCompared,

    // Rollouts.
    /// A step goes on before its release was judged good.
    PromotesUndecided,
    /// A release that was judged bad goes on.
    BadIgnored,
    /// A step may be shorter than the rules say.
    StepTooShort,
    /// A step of the rollout is passed over.
    StepSkipped,
    /// Traffic begins before all replicas are ready.
    StartsWithOneReplica,
    /// A rollout whose job was cancelled goes on for ever.
    GivenUpIgnored,
    /// A release that was rolled back serves from then on.
    RolledBackServes,
    /// A place stays busy after a deployment that did not succeed.
    PlaceStaysBusy,
    /// A second deployment may begin while one is rolling out.
    TwoRollouts,
    /// A window of traffic that is told twice is counted twice.
    WindowTwice,
    /// Requests of an earlier share of the traffic are counted for this one.
    WindowOfEarlierShare,
    /// The replicas of the release that serves are stopped.
    ServingReplicasStopped,
    /// Replicas are stopped while requests are in flight.
    DrainNotWaited,
    /// A job may deploy to an environment whose gates it did not pass.
    DeploysWithoutGates,

    // Gates.
    /// An approval counts for whatever is deployed.
    ApprovalOfOtherSubjects,
    /// Whoever ran it again may approve it.
    RerunnerMayApprove,
    /// Whoever started it may approve it.
    DispatcherMayApprove,
    /// Whoever wrote its commits may approve it.
    AuthorMayApprove,
    /// Whoever has lost the role for it still counts as an approver.
    RoleNotChecked,
    /// One approval is enough.
    OneApprovalIsEnough,
    /// A rejection is only a missing approval.
    RejectionIgnored,
    /// Approvals never expire.
    ExpiryIgnored,
    /// The wait begins with the run and not with the job.
    WaitFromRun,
    /// Evidence of one release counts for another.
    EvidenceOfOtherRelease,
    /// The oldest evidence counts and not the newest.
    EvidenceOldest,
    /// Two jobs may hold an environment.
    TwoHolders,
    /// A window is open for a minute too long.
    WindowClosesLate,
    /// A freeze is over as soon as it begins.
    FreezeIgnored,
    /// A tag that is named like a branch may deploy as that branch.
    TagTakenForBranch,
    /// What was dispatched by nobody passes for dispatched.
    TriggerIgnored,
    /// The answer of a check counts for whatever is deployed.
    CheckOfOtherSubjects,
    /// The rules of what serves now are forgotten.
    EarlierRulesForgotten,

    // Runs.
    /// Two runs of a concurrency group run at the same time.
    TwoOfAGroup,
    /// A pending run is not superseded by a newer one.
    PendingNotSuperseded,
    /// A job begins when one of its needs has ended.
    NeedsNotWaited,
    /// A failed leg does not stop the others.
    FailFastIgnored,
    /// A cancelled run still starts what waits for a runner.
    CancelForgetsOpen,
    /// A run is over before its last job is.
    FinishesEarly,
    /// What waits at a gate is not looked at again when evidence comes.
    EvidenceTouchesNothing,
    /// What waits at a gate is not looked at again when the environment becomes free.
    HolderTouchesNothing,
    /// A schedule that was due is due again.
    ScheduleTwice,

    // Snapshots and the store.
    /// A snapshot forgets who holds which environment.
    SnapshotForgetsHolders,
    /// An ended run that is packed loses the outputs of its jobs.
    PackedLosesOutputs,
    /// Of a batch with several entries the last is acknowledged and not stored.
    BatchHalfStored,
    /// A server whose lease somebody else has may append.
    FenceNotCompared,
    /// A lease can be taken while somebody holds it.
    LeaseTakenTwice,
    /// The fence of a lease stays the same when it changes hands.
    FenceNotRaised,
    /// A snapshot of another history is taken for one of this.
    SnapshotOfOtherHistory,
    /// The texts of the last entry of a page are left out.
    TextsOfPageCut,
    /// A page of entries begins one too late.
    PageSkipsFirst,
    /// The content of an erased text can still be read.
    ErasedStays,
}

/// Whether the fault is switched on in this thread.
#[cfg(feature = "planted")]
#[must_use]
pub fn is(fault: Fault) -> bool {
    ON.get() == Some(fault)
}

/// Whether the fault is switched on: without the feature `planted` none ever is.
#[cfg(not(feature = "planted"))]
#[must_use]
#[inline(always)]
pub const fn is(_: Fault) -> bool {
    false
}

#[cfg(feature = "planted")]
thread_local! {
    static ON: std::cell::Cell<Option<Fault>> = const { std::cell::Cell::new(None) };
}

/// Switches one fault on in this thread, and every other one off.
#[cfg(feature = "planted")]
pub fn switch_on(fault: Option<Fault>) {
    ON.set(fault);
}
