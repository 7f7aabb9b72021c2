//! What has yet to be looked at: which runs a fact has touched since they were last at rest, and when
//! time alone touches one.
//!
//! Facts touch, [`settle`](crate::settle) looks and puts to rest. A run that is touched without need
//! costs a look; one that is not touched although something follows for it would wait for ever, so
//! [`touch`] rather says too much. After a replay every live run is touched, and the first look puts
//! all of them to rest: an agenda is never stored, and two states do not differ by it.

use std::collections::{BTreeMap, BTreeSet};

use qnt9_model::fact::Leg;
use qnt9_model::planted::{self, Fault};
use qnt9_model::{Fact, JobKey, Millis, RunId};

use crate::state::Project;

/// What of a project has yet to be looked at.
#[derive(Clone, Debug)]
pub struct Agenda {
    /// The runs to look at.
    touched: BTreeSet<RunId>,
    /// Whether something changed that any gate may look at: people, rules, evidence, who holds what.
    gates: bool,
    /// The runs at rest of which a job waits for its gates.
    gated: BTreeSet<RunId>,
    /// When time alone touches a run at rest.
    due: Due,
    /// Until when everything that time does by itself has been done.
    settled: Millis,
}

impl Default for Agenda {
    fn default() -> Self {
        Self {
            touched: BTreeSet::new(),
            gates: false,
            gated: BTreeSet::new(),
            due: Due::default(),
            settled: Millis(i64::MIN),
        }
    }
}

/// Derived from the rest of the state and from when it was last looked at: no difference of its own.
impl PartialEq for Agenda {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// What a run at rest waits for, as far as the agenda has to know.
pub(crate) struct Rest {
    /// Whether one of its jobs waits for its gates.
    pub(crate) gated: bool,
    /// The next moment at which time alone changes something.
    pub(crate) due: Option<Millis>,
}

impl Agenda {
    /// With every live run to be looked at.
    pub(crate) fn of_all(live: impl Iterator<Item = RunId>) -> Self {
        Self { touched: live.collect(), ..Self::default() }
    }

    /// The runs that have not been looked at since they were touched.
    pub(crate) fn touched(&self) -> impl Iterator<Item = RunId> {
        let gated = self.gates.then_some(&self.gated).into_iter().flatten();
        self.touched.iter().chain(gated).copied()
    }

    /// The next moment at which time alone touches a run at rest.
    pub(crate) fn next_due(&self) -> Option<Millis> {
        self.due.first().map(|(at, _)| at)
    }

    /// Until when everything that time does by itself has been done.
    pub(crate) fn settled(&self) -> Millis {
        self.settled
    }

    /// Touches what time, or a change that any gate may look at, makes worth a look.
    pub(crate) fn wake(&mut self, now: Millis) {
        // A clock that was set back makes what has passed come again.
        let gates = std::mem::take(&mut self.gates) || now < self.settled;
        self.settled = now;
        if gates {
            self.touched.append(&mut self.gated);
        }
        while let Some((at, run)) = self.due.first().filter(|(at, _)| *at <= now) {
            debug_assert!(at <= now);
            self.due.set(run, None);
            self.touched.insert(run);
        }
    }

    /// The first run to look at.
    pub(crate) fn first(&self) -> Option<RunId> {
        self.touched.first().copied()
    }

    /// Nothing follows for this run until it is touched again.
    pub(crate) fn rests(&mut self, run: RunId, rest: &Rest) {
        self.touched.remove(&run);
        self.due.set(run, rest.due);
        if rest.gated {
            self.gated.insert(run);
        } else {
            self.gated.remove(&run);
        }
    }

    /// This run is over.
    pub(crate) fn forget(&mut self, run: RunId) {
        self.rests(run, &Rest { gated: false, due: None });
    }

    pub(crate) fn touch_run(&mut self, run: RunId) {
        self.touched.insert(run);
    }

    pub(crate) fn touch_gates(&mut self) {
        self.gates = true;
    }
}

/// One moment for each run, in the order of time.
#[derive(Clone, Debug, Default)]
struct Due {
    by_run: BTreeMap<RunId, Millis>,
    by_time: BTreeSet<(Millis, RunId)>,
}

impl Due {
    fn first(&self) -> Option<(Millis, RunId)> {
        self.by_time.first().copied()
    }

    fn set(&mut self, run: RunId, at: Option<Millis>) {
        let before = match at {
            Some(at) => self.by_run.insert(run, at),
            None => self.by_run.remove(&run),
        };
        if let Some(before) = before {
            self.by_time.remove(&(before, run));
        }
        self.by_time.extend(at.map(|at| (at, run)));
    }
}

/// Notes what a fact that was just applied makes worth a look.
pub(crate) fn touch(project: &mut Project, fact: &Fact, sequence: u64) {
    match fact {
        // Who pushed or wrote a commit may not approve it.
        Fact::PushSettled { .. } | Fact::CommitsSeen { .. } | Fact::PolicyAdopted { .. } => {
            project.agenda.touch_gates();
        }
        Fact::RunCreated { .. } => touch_group(project, RunId(sequence)),
        Fact::RunStarted { run }
        | Fact::RunSuperseded { run, .. }
        | Fact::RunCancelRequested { run, .. }
        | Fact::RunKillRequested { run, .. } => touch_group(project, *run),
        Fact::JobAdmitted { run, job } | Fact::JobCancelRequested { run, job, .. } => {
            touch_job(project, *run, job);
        }
        Fact::RunFinished { run, .. } => {
            touch_group(project, *run);
            project.agenda.forget(*run);
        }
        Fact::JobPlanned { run, legs, .. } => {
            project.agenda.touch_run(*run);
            for leg in legs.iter().filter(|leg| leg.concurrency.is_some()) {
                touch_job(project, *run, &leg.job);
            }
            // An older run that waits for the same environment is superseded by this one.
            if legs.iter().any(|leg: &Leg| leg.environment.is_some()) {
                project.agenda.touch_gates();
            }
        }
        Fact::JobSkipped { run, .. }
        | Fact::JobImpossible { run, .. }
        | Fact::ApprovalGiven { run, .. }
        | Fact::ApprovalRejected { run, .. } => project.agenda.touch_run(*run),
        Fact::GatesOpened { run, job, .. }
        | Fact::GatesClosed { run, job, .. }
        | Fact::JobSuperseded { run, job, .. } => {
            touch_job(project, *run, job);
            project.agenda.touch_gates();
        }
        Fact::CheckRequested { run, .. } => project.agenda.touch_run(*run),
        // Whoever was asked has been noted with the job that waits for the answer.
        Fact::CheckAnswered { .. } => project.agenda.touch_gates(),
        Fact::JobStarted { attempt, .. }
        | Fact::JobKillRequested { attempt, .. }
        | Fact::JobResumed { attempt, .. }
        | Fact::JobLost { attempt, .. }
        | Fact::JobRerun { attempt } => project.agenda.touch_run(attempt.run),
        Fact::JobFinished { attempt, .. } => {
            touch_job(project, attempt.run, &attempt.job);
            let leg = project.runs.get(&attempt.run).and_then(|run| run.legs.get(&attempt.job));
            let frees = leg.is_some_and(|leg| leg.leg.environment.is_some());
            if frees && !planted::is(Fault::HolderTouchesNothing) {
                project.agenda.touch_gates();
            }
        }
        Fact::PlanRecorded { call, .. } => project.agenda.touch_run(call.attempt.run),
        Fact::EvidenceRecorded { .. } if planted::is(Fault::EvidenceTouchesNothing) => {}
        Fact::ReleaseBuilt { .. }
        | Fact::EvidenceRecorded { .. }
        | Fact::CauseNoted { .. }
        | Fact::DeploymentRequested { .. }
        | Fact::DeploymentFinished { .. } => project.agenda.touch_gates(),
        // Rollouts are few and looked at each time. Nothing else follows from these.
        Fact::PushOffered { .. }
        | Fact::PolicyRefused { .. }
        | Fact::WorkflowRefused { .. }
        | Fact::SchedulesAdopted { .. }
        | Fact::ScheduleSkipped { .. }
        | Fact::MachineWoke {}
        | Fact::CheckDelivered { .. }
        | Fact::CheckUndelivered { .. }
        | Fact::LeaseRenewed { .. }
        | Fact::JobUnheard { .. }
        | Fact::JobResumeRequested { .. }
        | Fact::StepFinished { .. }
        | Fact::LogSealed { .. }
        | Fact::ArtifactKept { .. }
        | Fact::WaitDeclared { .. }
        | Fact::LoadDriven { .. }
        | Fact::StateLocked { .. }
        | Fact::StateUnlocked { .. }
        | Fact::StateWritten { .. }
        | Fact::StateDeleted { .. }
        | Fact::AddressAssigned { .. }
        | Fact::ReplicaReady { .. }
        | Fact::ReplicaLost { .. }
        | Fact::ReplicaFailed { .. }
        | Fact::WeightChanged { .. }
        | Fact::TrafficApplied { .. }
        | Fact::WindowJudged { .. }
        | Fact::ArmDrained { .. }
        | Fact::SmokeTested { .. }
        | Fact::Promoted { .. }
        | Fact::ReplicasShifted { .. }
        | Fact::ReplicaDrained { .. }
        | Fact::WarmEnded { .. }
        | Fact::WindowWatched { .. }
        | Fact::WatchEnded { .. }
        | Fact::NotificationPosted { .. }
        | Fact::NotificationDelivered { .. }
        | Fact::NotificationFailed { .. }
        | Fact::SecretSet { .. }
        | Fact::SecretRemoved { .. }
        | Fact::PersonAdded { .. }
        | Fact::RoleChanged { .. }
        | Fact::TokenIssued { .. }
        | Fact::TokenRevoked { .. }
        | Fact::ProjectCreated { .. } => {}
    }
}

/// Touches the run of a job and those whose jobs share its concurrency group.
fn touch_job(project: &mut Project, run: RunId, job: &JobKey) {
    project.agenda.touch_run(run);
    let leg = project.runs.get(&run).and_then(|run| run.legs.get(job));
    let group = leg.and_then(|leg| leg.leg.concurrency.as_ref());
    let same = group.and_then(|group| project.groups.get(&group.group));
    for other in same.into_iter().flatten() {
        project.agenda.touch_run(*other);
    }
}

/// Touches a run and those it shares its concurrency group with: it may be their turn.
fn touch_group(project: &mut Project, run: RunId) {
    project.agenda.touch_run(run);
    let group = project.runs.get(&run).and_then(|run| run.concurrency.as_ref());
    let same = group.and_then(|group| project.groups.get(&group.group));
    for other in same.into_iter().flatten() {
        project.agenda.touch_run(*other);
    }
}
