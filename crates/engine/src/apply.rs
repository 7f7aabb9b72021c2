//! Folds entries into the state. It never fails and never asks the outside: what it cannot place
//! (an entry of a project it has not seen, a leg that is gone) changes nothing. One file per subject;
//! this one says whose turn it is.

mod attempts;
mod checks;
mod deployments;
mod gates;
mod jobs;
mod notices;
mod platform;
mod repeats;
mod runs;
mod source;
mod steps;
mod terraform;

use qnt9_model::{Actor, Entry, Fact, Millis, StreamId};

use crate::agenda;
use crate::state::{Project, State};

/// Folds one entry into the state.
pub fn apply(state: &mut State, entry: &Entry) {
    if entry.stream.as_str() == StreamId::PLATFORM {
        state.platform.sequence = entry.sequence;
        platform::platform(state, &entry.fact);
        // Who a person is may matter to the gates of every project.
        state.projects.values_mut().for_each(|project| project.agenda.touch_gates());
        return;
    }
    let project = state.projects.entry(entry.stream.clone()).or_default();
    project.sequence = entry.sequence;
    Applying { project, entry }.apply();
    agenda::touch(project, &entry.fact, entry.sequence);
}

struct Applying<'a> {
    project: &'a mut Project,
    entry: &'a Entry,
}

impl Applying<'_> {
    fn time(&self) -> Millis {
        self.entry.time
    }

    fn by_demo(&self) -> bool {
        matches!(self.entry.actor, Actor::Person { demo: true, .. })
    }

    fn apply(&mut self) {
        let entry = self.entry;
        match &entry.fact {
            Fact::PushOffered { .. }
            | Fact::PushSettled { .. }
            | Fact::CommitsSeen { .. }
            | Fact::PolicyAdopted { .. }
            | Fact::PolicyRefused { .. }
            | Fact::WorkflowRefused { .. }
            | Fact::SchedulesAdopted { .. }
            | Fact::ScheduleSkipped { .. }
            | Fact::MachineWoke {} => self.source(&entry.fact),
            Fact::RunCreated { .. }
            | Fact::RunStarted { .. }
            | Fact::RunSuperseded { .. }
            | Fact::RunCancelRequested { .. }
            | Fact::RunKillRequested { .. }
            | Fact::RunFinished { .. } => self.run(&entry.fact),
            Fact::JobPlanned { .. } | Fact::JobSkipped { .. } | Fact::JobImpossible { .. } => {
                self.plan_job(&entry.fact);
            }
            Fact::JobAdmitted { .. }
            | Fact::JobCancelRequested { .. }
            | Fact::ApprovalGiven { .. }
            | Fact::ApprovalRejected { .. }
            | Fact::GatesOpened { .. }
            | Fact::GatesClosed { .. }
            | Fact::JobSuperseded { .. } => self.gates(&entry.fact),
            Fact::CheckRequested { .. }
            | Fact::CheckDelivered { .. }
            | Fact::CheckUndelivered { .. }
            | Fact::CheckAnswered { .. } => self.check(&entry.fact),
            Fact::JobStarted { .. }
            | Fact::LeaseRenewed { .. }
            | Fact::JobUnheard { .. }
            | Fact::JobKillRequested { .. }
            | Fact::StepFinished { .. }
            | Fact::LogSealed { .. }
            | Fact::JobFinished { .. }
            | Fact::JobLost { .. }
            | Fact::JobRerun { .. }
            | Fact::JobResumeRequested { .. }
            | Fact::JobResumed { .. }
            | Fact::ArtifactKept { .. } => self.attempt(&entry.fact),
            Fact::WaitDeclared { .. }
            | Fact::LoadDriven { .. }
            | Fact::ReleaseBuilt { .. }
            | Fact::EvidenceRecorded { .. }
            | Fact::CauseNoted { .. }
            | Fact::PlanRecorded { .. } => self.step_call(&entry.fact),
            Fact::StateLocked { .. }
            | Fact::StateUnlocked { .. }
            | Fact::StateWritten { .. }
            | Fact::StateDeleted { .. } => self.terraform(&entry.fact),
            Fact::AddressAssigned { .. }
            | Fact::DeploymentRequested { .. }
            | Fact::ReplicaReady { .. }
            | Fact::ReplicaLost { .. }
            | Fact::ReplicaFailed { .. }
            | Fact::WeightChanged { .. }
            | Fact::TrafficApplied { .. }
            | Fact::WindowJudged { .. }
            | Fact::DeploymentFinished { .. }
            | Fact::ArmDrained { .. }
            | Fact::SmokeTested { .. }
            | Fact::Promoted { .. }
            | Fact::ReplicasShifted { .. }
            | Fact::ReplicaDrained { .. }
            | Fact::WarmEnded { .. }
            | Fact::WindowWatched { .. }
            | Fact::WatchEnded { .. } => self.deployment(&entry.fact),
            Fact::NotificationPosted { .. }
            | Fact::NotificationDelivered { .. }
            | Fact::NotificationFailed { .. }
            | Fact::SecretSet { .. }
            | Fact::SecretRemoved { .. } => self.notice(&entry.fact),
            Fact::PersonAdded { .. }
            | Fact::RoleChanged { .. }
            | Fact::TokenIssued { .. }
            | Fact::TokenRevoked { .. }
            | Fact::ProjectCreated { .. } => {}
        }
    }
}
