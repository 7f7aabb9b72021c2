//! Every rule of who may ask what, and what comes of it. One file per subject; this one says whose
//! turn it is.

mod approvals;
mod checks;
mod deployments;
mod jobs;
mod notices;
mod people;
mod runs;
mod source;
mod steps;
mod terraform;

use qnt9_model::fact::Fact;
use qnt9_model::planted::{self, Fault};
use qnt9_model::{Actor, Ask, AttemptId, Command, Millis, Refusal, Role, StreamId};

use crate::state::{LegState, Platform, Project, Run, State};

/// The facts a command causes by itself, or why it is refused. Asking again what has been done
/// causes no facts and is no error.
pub(crate) fn decide(state: &State, ask: &Ask, now: Millis) -> Result<Vec<Fact>, Refusal> {
    use Command as C;
    if ask.stream.as_str() == StreamId::PLATFORM {
        return people::decide(state, ask);
    }
    let project = state.projects.get(&ask.stream).ok_or_else(|| Refusal::Unknown {
        what: "project",
        name: ask.stream.to_string(),
        known: Some(names(state.projects.keys())),
    })?;
    let on = On { platform: &state.platform, stream: &ask.stream, project, by: &ask.by, now };
    match &ask.command {
        C::Tick => Ok(Vec::new()),
        C::Wake => {
            on.platform_only("wake the machine")?;
            let answers = !project.live.is_empty() || project.is_rolling_out();
            Ok(answers.then_some(Fact::MachineWoke {}).into_iter().collect())
        }
        C::AddPerson { .. }
        | C::ChangeRole { .. }
        | C::IssueToken { .. }
        | C::RevokeToken { .. }
        | C::CreateProject { .. } => Err(on.wrong("ask a project about people or projects")),
        C::OfferPush { .. }
        | C::SettlePush { .. }
        | C::ImportCommits { .. }
        | C::Dispatch { .. } => source::decide(&on, &ask.command),
        C::Rerun { .. } | C::RetryFrom { .. } | C::CancelRun { .. } | C::ForceCancelRun { .. } => {
            runs::decide(&on, &ask.command)
        }
        C::AnswerCheck { .. } | C::CheckTried { .. } => checks::decide(&on, &ask.command),
        C::Approve { run, environment, seen, comment } => {
            approvals::approve(&on, *run, environment, seen.as_ref(), comment.as_deref())
        }
        C::Reject { run, environment, comment } => {
            approvals::reject(&on, *run, environment, comment.as_deref())
        }
        C::StartJob { .. }
        | C::FinishStep { .. }
        | C::SealLog { .. }
        | C::FinishJob { .. }
        | C::LoseJob { .. }
        | C::RenewLease { .. }
        | C::ResumeJob { .. }
        | C::ResolveLost { .. }
        | C::KeepArtifact { .. } => jobs::decide(&on, &ask.command),
        C::Wait { .. }
        | C::DriveLoad { .. }
        | C::BuildRelease { .. }
        | C::RecordEvidence { .. }
        | C::NoteCause { .. }
        | C::RecordPlan { .. } => steps::decide(&on, &ask.command),
        C::Deploy { .. }
        | C::Rollback { .. }
        | C::AbortRollout { .. }
        | C::AssignAddress { .. }
        | C::ReplicaReady { .. }
        | C::ReplicaLost { .. }
        | C::ReplicaFailed { .. }
        | C::TrafficApplied { .. }
        | C::CountWindow { .. }
        | C::ArmDrained { .. }
        | C::Promote { .. }
        | C::SmokeTested { .. }
        | C::ReplicaDrained { .. }
        | C::WatchWindow { .. } => deployments::decide(&on, &ask.command),
        C::Notify { .. }
        | C::NotificationTried { .. }
        | C::SetSecret { .. }
        | C::RemoveSecret { .. } => notices::decide(&on, &ask.command),
        C::LockState { .. }
        | C::UnlockState { .. }
        | C::WriteState { .. }
        | C::DeleteState { .. } => terraform::decide(&on, &ask.command),
    }
}

/// What a command is decided on.
struct On<'a> {
    platform: &'a Platform,
    stream: &'a StreamId,
    project: &'a Project,
    by: &'a Actor,
    now: Millis,
}

impl<'a> On<'a> {
    fn wrong(&self, act: &'static str) -> Refusal {
        Refusal::WrongActor { act, actor: self.by.to_string() }
    }

    /// The person who asks, when their role is enough.
    fn person(&self, act: &'static str, needed: Role) -> Result<&'a str, Refusal> {
        let Actor::Person { name, .. } = self.by else { return Err(self.wrong(act)) };
        let person = self.platform.people.get(name).ok_or_else(|| Refusal::Unknown {
            what: "person",
            name: name.clone(),
            known: None,
        })?;
        if person.demo && !self.project.embedded {
            let project = self.stream.clone();
            return Err(Refusal::OnlyEmbedded { what: "a person of the demonstration", project });
        }
        if person.role < needed {
            let (person, has) = (name.clone(), person.role);
            return Err(Refusal::Role { person, act, needed, has });
        }
        Ok(name)
    }

    /// Refuses everybody but the machine itself.
    fn platform_only(&self, act: &'static str) -> Result<(), Refusal> {
        if *self.by == Actor::Platform { Ok(()) } else { Err(self.wrong(act)) }
    }

    fn run(&self, id: qnt9_model::RunId) -> Result<&'a Run, Refusal> {
        self.project.runs.get(&id).ok_or_else(|| Refusal::Unknown {
            what: "run",
            name: id.to_string(),
            known: self.project.runs.keys().next_back().map(|last| format!("up to {last}")),
        })
    }

    /// The run and leg of an attempt that counts now.
    fn attempt(&self, id: &AttemptId) -> Result<(&'a Run, &'a LegState), Refusal> {
        let run = self.run(id.run)?;
        let leg = run.legs.get(&id.job).ok_or_else(|| Refusal::Unknown {
            what: "job",
            name: id.job.to_string(),
            known: Some(names(run.legs.keys())),
        })?;
        match self.project.running_leg(id) {
            Some(leg) => Ok((run, leg)),
            None if planted::is(Fault::LateAnswerCounts) => Ok((run, leg)),
            None => Err(Refusal::Stale { attempt: id.to_string(), now: stands(leg) }),
        }
    }

    /// The run and leg of the job that asks, which must be the owner of the call.
    fn caller(
        &self,
        act: &'static str,
        attempt: &AttemptId,
    ) -> Result<(&'a Run, &'a LegState), Refusal> {
        match self.by {
            Actor::Job(own) if own == attempt => self.attempt(attempt),
            _ => Err(self.wrong(act)),
        }
    }
}

fn stands(leg: &LegState) -> String {
    use crate::state::LegPhase;
    match leg.phase {
        LegPhase::Queued => "the job waits for its concurrency group".to_owned(),
        LegPhase::Gated => "the job waits for its gates".to_owned(),
        LegPhase::Open => "the job waits for a runner".to_owned(),
        LegPhase::Running => format!("attempt {} is running", leg.attempts.len()),
        LegPhase::Lost => "its runner was lost, and a person must decide".to_owned(),
        LegPhase::Done(outcome, _) => format!("the job ended with {}", outcome.word()),
    }
}

fn names<T: ToString>(items: impl Iterator<Item = T>) -> String {
    let names: Vec<String> = items.map(|item| item.to_string()).collect();
    if names.is_empty() { "none yet".to_owned() } else { names.join(", ") }
}
