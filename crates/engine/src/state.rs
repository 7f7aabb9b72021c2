//! Everything the machine knows, folded from the facts. One file per subject.

mod attempt;
mod deployment;
mod history;
mod notification;
mod platform;
mod project;
mod release;
mod run;

use std::collections::BTreeMap;

use qnt9_model::StreamId;

pub use attempt::{Artifact, Attempt, LogChunk, StepState, Wait};
pub use deployment::{Deployment, PlaceState, Shift, Watched};
pub(crate) use history::History;
pub use notification::{Delivery, Notification};
pub use platform::{Platform, Token};
pub use project::{Project, Push, ScheduleState};
pub use release::{Cause, Evidence, Plan, Release};
pub use run::{Approval, Check, Job, JobPlan, LegPhase, LegState, Run, RunBody, StoredWorkflow};

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
