//! What the outside world should now do. Orders are computed from the state, never remembered.

use crate::fact::Entrance;
use crate::ids::{AttemptId, CheckId, DeploymentId, NotificationId, Place, PushId, ReleaseDigest};

/// One outstanding order. Two orders are the same when they are equal: that is their idempotency key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// Find out which refs the push did move, and settle it.
    SettlePush(PushId),
    /// Hand the attempt to a runner.
    StartJob(AttemptId),
    /// See that the started attempt has its runner, and follow its journal.
    FollowJob(AttemptId),
    /// Stop the started attempt.
    CancelJob(AttemptId),
    /// End the started attempt's processes at once.
    KillJob(AttemptId),
    /// Find out whether the attempt's runner is there, and say so: [`RenewLease`] or [`ResumeJob`] if
    /// it is, [`LoseJob`] if it is not. Never start it.
    ///
    /// [`RenewLease`]: crate::Command::RenewLease
    /// [`ResumeJob`]: crate::Command::ResumeJob
    /// [`LoseJob`]: crate::Command::LoseJob
    AskJob(AttemptId),
    /// Put the question to the check.
    AskCheck(CheckId),
    /// Choose an address for the place.
    AssignAddress(Place, Entrance),
    /// Have these replicas running, and no others.
    KeepReplicas(Vec<WantedReplica>),
    /// Have the gateway carry the traffic of all places as of these generations.
    CarryTraffic(Vec<(Place, u64)>),
    /// See when the deployment's replicas have nothing more in flight.
    DrainArm(Place, DeploymentId),
    /// See when one replica, which gets no traffic any more, has nothing in flight.
    DrainReplica(Place, DeploymentId, u32),
    /// Try a release that runs and has no traffic yet.
    SmokeTest(DeploymentId),
    /// Deliver a notification.
    Notify(NotificationId),
}

/// A replica that should run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WantedReplica {
    /// Where.
    pub place: Place,
    /// For which deployment.
    pub deployment: DeploymentId,
    /// Which, from 0.
    pub replica: u32,
    /// What it runs.
    pub release: ReleaseDigest,
}

/// What a crash between the effect and its answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterCrash {
    /// Do it again.
    Repeat,
    /// Ask the world whether it happened.
    Query,
    /// It was announced by a fact before it began; without an answer a query or a person resolves it.
    Once,
}

impl Order {
    /// What a crash between this order's effect and its answer means.
    #[must_use]
    pub const fn after_crash(&self) -> AfterCrash {
        match self {
            Self::StartJob(_) | Self::FollowJob(_) => AfterCrash::Once,
            Self::SettlePush(_)
            | Self::AskJob(_)
            | Self::KeepReplicas(_)
            | Self::DrainArm(..)
            | Self::DrainReplica(..) => AfterCrash::Query,
            Self::CancelJob(_)
            | Self::KillJob(_)
            | Self::AskCheck(_)
            | Self::AssignAddress(..)
            | Self::CarryTraffic(_)
            | Self::SmokeTest(_)
            | Self::Notify(_) => AfterCrash::Repeat,
        }
    }
}
