//! Runners: a process per attempt that does its steps, calls the platform from within them, and
//! writes a journal which the server follows. A process outlives the server; it may die, or go on
//! while everybody believes it dead.

use std::sync::Arc;

use qnt9_model::fact::{DeploymentOutcome, Outcome, Span};
use qnt9_model::{
    Actor, Ask, AttemptId, CallKey, Command, DeploymentId, EnvironmentName, Millis, Order, Place,
    ReleaseDigest, StreamId,
};

use crate::audit::Broken;
use crate::company::{JobKind, job_kind};
use crate::random::Random;
use crate::server::Decided;

use super::{Event, Letter, MINUTE, Origin, SECOND, World};

/// A job gives up after so many tries at a locked state.
const LOCK_TRIES_MAX: u32 = 10;

/// One attempt's process, or what is left of it.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    kind: JobKind,
    environment: Option<EnvironmentName>,
    steps: u32,
    step: u32,
    step_began: Millis,
    /// Calls of the present step, and which is next, from 1.
    calls: Vec<Call>,
    call: u32,
    waits_for: Option<CallKey>,
    deployment: Option<DeploymentId>,
    has_failed: bool,
    /// How often another one held the lock it wanted.
    locked_out: u32,
    pub(super) is_cancelled: bool,
    /// It does nothing any more.
    pub(super) is_gone: bool,
    /// Nobody reaches it until then, though it goes on.
    parted_until: Option<Millis>,
    pub(super) journal: Vec<Record>,
    pub(super) lines: u64,
}

/// What a process writes down, synced before it goes on.
#[derive(Clone, Debug)]
pub(crate) enum Record {
    Step { step: u32, outcome: Outcome, conclusion: Outcome, span: Span },
    Log { first_line: u64, lines: u64 },
    End { result: Outcome, outputs: Vec<(String, String)> },
}

/// What a step asks of the platform.
#[derive(Clone, Debug)]
enum Call {
    Build,
    Evidence(&'static str, Option<&'static str>),
    Plan(EnvironmentName),
    Deploy(EnvironmentName),
    Lock,
    Write,
    Unlock,
    Notify,
    Wait,
    Load,
    Artifact,
}

/// What a release turns out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quality {
    Good,
    /// It answers with errors.
    Bad,
    /// It never comes up.
    Dead,
}

impl World<'_> {
    /// Follows an attempt, whose runner is told to begin if it never heard of it.
    pub(super) fn follow(&mut self, stream: &StreamId, attempt: &AttemptId) -> Result<(), Broken> {
        let key = (stream.clone(), attempt.clone());
        if !self.processes.contains_key(&key) {
            self.spawn(stream, attempt)?;
        }
        if let Some(server) = &mut self.server {
            server.following.insert(key, 0);
        }
        self.pump(stream, attempt);
        Ok(())
    }

    fn spawn(&mut self, stream: &StreamId, attempt: &AttemptId) -> Result<(), Broken> {
        self.auditor.may_run(stream, attempt)?;
        let Some(server) = &self.server else { return Ok(()) };
        let Some(leg) =
            server.state.projects.get(stream).and_then(|project| {
                project.runs.get(&attempt.run)?.legs.get(&attempt.job).cloned()
            })
        else {
            return Ok(());
        };
        let kind = job_kind(attempt.job.as_str());
        let steps = match kind {
            JobKind::Test | JobKind::Plan | JobKind::Terraform => 2,
            JobKind::Deploy => 2,
            _ => 1,
        };
        self.note(|| format!("a process for {attempt} begins"));
        let mut process = Process {
            kind,
            environment: leg.leg.environment,
            steps,
            step: 0,
            step_began: self.clock,
            calls: Vec::new(),
            call: 0,
            waits_for: None,
            deployment: None,
            has_failed: false,
            locked_out: 0,
            is_cancelled: false,
            is_gone: false,
            parted_until: None,
            journal: Vec::new(),
            lines: 0,
        };
        process.begin_step();
        let key = (stream.clone(), attempt.clone());
        self.processes.insert(key.clone(), process);
        self.later(SECOND, Event::Work(Box::new(key)));
        Ok(())
    }

    /// The process goes on with its step.
    pub(super) fn work(
        &mut self,
        stream: &StreamId,
        attempt: &AttemptId,
        random: &mut Random,
    ) -> Result<(), Broken> {
        let key = (stream.clone(), attempt.clone());
        let Some(mut process) = self.processes.remove(&key) else { return Ok(()) };
        if !process.is_gone {
            self.work_on(stream, attempt, &mut process, random);
        }
        self.processes.insert(key, process);
        self.pump(stream, attempt);
        Ok(())
    }

    fn work_on(
        &mut self,
        stream: &StreamId,
        attempt: &AttemptId,
        process: &mut Process,
        random: &mut Random,
    ) {
        let again = Event::Work(Box::new((stream.clone(), attempt.clone())));
        if process.is_cancelled {
            process.end(Outcome::Cancelled, random);
            return;
        }
        if process.waits_for.is_some() {
            return;
        }
        if let Some(deployment) = process.deployment {
            match self.outcome_of(stream, deployment) {
                None => return self.later(random.between(5 * SECOND..=20 * SECOND), again),
                Some(succeeded) => {
                    process.deployment = None;
                    process.has_failed |= !succeeded;
                }
            }
        }
        if let Some(call) = process.calls.get(process.call as usize).cloned() {
            process.call += 1;
            return self.call(stream, attempt, process, &call, random);
        }
        if self.runner_accident(attempt, process, random) {
            return;
        }
        process.has_failed |= random.chance(self.swarm.work.step_fails);
        process.end_step(self.clock, random);
        if process.has_failed || process.step == process.steps {
            let result = if process.has_failed { Outcome::Failure } else { Outcome::Success };
            process.end(result, random);
        } else {
            process.begin_step();
            self.later(random.between(SECOND..=2 * MINUTE), again);
        }
    }

    /// The process dies, or only everybody's way to it.
    fn runner_accident(
        &mut self,
        attempt: &AttemptId,
        process: &mut Process,
        random: &mut Random,
    ) -> bool {
        let accidents = self.swarm.accidents.clone();
        // What made it die once is often still there when it is tried again.
        let often = if attempt.attempt > 1 && accidents.runner_dies > 0 { 500 } else { 0 };
        if random.chance(accidents.runner_dies.max(often))
            && self.happens(|| format!("the process of {attempt} dies"))
        {
            process.is_gone = true;
            return true;
        }
        if random.chance(accidents.runner_parted)
            && self.happens(|| format!("nobody reaches the process of {attempt}"))
        {
            process.parted_until = Some(self.clock.plus(random.between(MINUTE..=30 * MINUTE)));
        }
        false
    }

    fn call(
        &mut self,
        stream: &StreamId,
        attempt: &AttemptId,
        process: &mut Process,
        call: &Call,
        random: &mut Random,
    ) {
        let key = CallKey { attempt: attempt.clone(), step: process.step, call: process.call };
        let Some(command) = self.command_of(stream, &key, process, call, random) else {
            let again = Event::Work(Box::new((stream.clone(), attempt.clone())));
            return self.later(SECOND, again);
        };
        process.waits_for = Some(key.clone());
        let by = Actor::Job(attempt.clone());
        let ask = Arc::new(Ask { stream: stream.clone(), by, command });
        process.calls[key.call as usize - 1] = call.clone();
        self.send(Letter { ask: ask.clone(), from: Origin::Step(key.clone()) }, random);
        self.unanswered.insert((stream.clone(), key.clone()), ask);
        self.later(30 * SECOND, Event::Impatient(Box::new((stream.clone(), key))));
    }

    fn command_of(
        &mut self,
        stream: &StreamId,
        key: &CallKey,
        process: &Process,
        call: &Call,
        random: &mut Random,
    ) -> Option<Command> {
        let workspace = "network".to_owned();
        let lock = key.attempt.to_string();
        let passed = !random.chance(self.swarm.work.evidence_fails);
        let call_key = key.clone();
        Some(match call {
            Call::Build => self.build(key, random),
            Call::Evidence(kind, environment) => Command::RecordEvidence {
                call: call_key,
                kind: (*kind).to_owned(),
                environment: environment.map(Into::into),
                passed,
                summary: "p95 41 ms".to_owned(),
            },
            Call::Plan(environment) => Command::RecordPlan {
                call: call_key,
                environment: environment.clone(),
                hash: format!("plan-{}", random.below(4)),
                summary: Default::default(),
            },
            Call::Deploy(environment) => Command::Deploy {
                call: call_key,
                environment: if random.chance(40) {
                    random.pick(["production", "staging", "development"]).into()
                } else {
                    environment.clone()
                },
                release: self.release_for(stream, key, random)?,
                settings: vec![("MODE".to_owned(), environment.to_string())],
            },
            Call::Lock => {
                let info = format!("{{\"Who\":\"{}\"}}", process.step);
                Command::LockState { workspace, lock, info }
            }
            Call::Write => {
                let serial = self.auditor.serial(stream, &workspace) + 1;
                Command::WriteState {
                    workspace,
                    lock: Some(lock),
                    serial,
                    lineage: "a".to_owned(),
                    md5: format!("{serial:032x}"),
                    blob: "sealed".to_owned(),
                    bytes: 100,
                }
            }
            Call::Unlock => Command::UnlockState { workspace, lock: Some(lock) },
            Call::Notify => Command::Notify {
                call: Some(call_key),
                title: "Delivered".to_owned(),
                text: "to production".to_owned(),
                webhook: Some("http://127.0.0.1:9/hook".to_owned()),
            },
            Call::Wait => {
                Command::Wait { call: call_key, for_ms: MINUTE, reason: "cool down".to_owned() }
            }
            Call::Load => {
                let span = Span { started: process.step_began, finished: self.clock };
                Command::DriveLoad { call: call_key, span }
            }
            Call::Artifact => Command::KeepArtifact {
                attempt: key.attempt.clone(),
                name: "report".to_owned(),
                blob: "blob".to_owned(),
                bytes: 10,
                retention_days: 7,
            },
        })
    }

    /// A release of this attempt's own; now and then the very same bytes come out again.
    fn build(&mut self, key: &CallKey, random: &mut Random) -> Command {
        let digest = format!("sha256:{:032x}{:032x}", random.next(), key.attempt.run.0);
        let work = &self.swarm.work;
        let quality = if random.chance(work.release_dead) {
            Quality::Dead
        } else if random.chance(work.release_bad) {
            Quality::Bad
        } else {
            Quality::Good
        };
        self.qualities.insert(digest.clone(), quality);
        Command::BuildRelease {
            call: key.clone(),
            release: ReleaseDigest(digest),
            service: "stock".to_owned(),
            configuration: vec![("chart".to_owned(), "sha256:00".to_owned())],
            bytes: 1_000,
            further: if random.chance(200) { vec!["auth".to_owned()] } else { Vec::new() },
        }
    }

    /// What the job deploys: what its gates opened for, and now and then something else.
    fn release_for(
        &self,
        stream: &StreamId,
        key: &CallKey,
        random: &mut Random,
    ) -> Option<ReleaseDigest> {
        let project = self.server.as_ref()?.state.projects.get(stream)?;
        let run = project.runs.get(&key.attempt.run)?;
        let leg = run.legs.get(&key.attempt.job)?;
        let opened = leg.opened.as_ref().and_then(|(_, subjects, _)| subjects.release.clone());
        let other = project.releases.keys().next_back().cloned();
        let own = opened.or_else(|| project.release_of(&run.commit).map(|r| r.digest.clone()));
        if random.chance(30) { other } else { own.or(other) }
    }

    /// A step waited in vain: the same call once more, with the same key.
    pub(super) fn impatient(&mut self, stream: &StreamId, call: &CallKey) {
        let process = self.processes.get(&(stream.clone(), call.attempt.clone()));
        let waits = process.is_some_and(|p| p.waits_for.as_ref() == Some(call) && !p.is_gone);
        let key = (stream.clone(), call.clone());
        let Some(ask) = self.unanswered.get(&key).filter(|_| waits).cloned() else {
            self.unanswered.remove(&key);
            return;
        };
        self.later(1, Event::Arrives(Box::new(Letter { ask, from: Origin::Step(call.clone()) })));
        self.later(30 * SECOND, Event::Impatient(Box::new(key)));
    }

    pub(super) fn step_answered(
        &mut self,
        stream: &StreamId,
        call: &CallKey,
        decided: &Decided,
        random: &mut Random,
    ) {
        let key = (stream.clone(), call.attempt.clone());
        let Some(process) = self.processes.get_mut(&key) else { return };
        if process.waits_for.as_ref() != Some(call) {
            return;
        }
        let asked = process.calls.get(call.call as usize - 1).cloned();
        let mut pause = random.between(SECOND..=30 * SECOND);
        match (decided, asked) {
            (Err(qnt9_model::Refusal::Unavailable { .. }), _) => return,
            (Err(qnt9_model::Refusal::StateLocked { .. }), Some(Call::Lock)) => {
                process.call -= 1;
                process.locked_out += 1;
                process.has_failed = process.locked_out == LOCK_TRIES_MAX;
                pause = random.between(10 * SECOND..=2 * MINUTE);
            }
            (Err(_), _) => process.has_failed = true,
            (Ok(sequence), Some(Call::Deploy(environment))) => {
                let known = sequence.map(DeploymentId);
                process.deployment = known.or_else(|| {
                    let place = Place { environment, service: "stock".to_owned() };
                    let server = self.server.as_ref()?;
                    server.state.projects.get(stream)?.places.get(&place)?.active
                });
            }
            _ => {}
        }
        if process.has_failed {
            process.call = process.calls.len() as u32;
        }
        process.waits_for = None;
        self.unanswered.remove(&(stream.clone(), call.clone()));
        self.later(pause, Event::Work(Box::new(key)));
    }

    fn outcome_of(&self, stream: &StreamId, id: DeploymentId) -> Option<bool> {
        let project = self.server.as_ref()?.state.projects.get(stream)?;
        let (outcome, _) = project.deployments.get(&id)?.outcome.as_ref()?;
        Some(*outcome == DeploymentOutcome::Succeeded)
    }

    /// The server reads on in the journal of an attempt it follows.
    pub(super) fn pump(&mut self, stream: &StreamId, attempt: &AttemptId) {
        let key = (stream.clone(), attempt.clone());
        let Some(server) = &mut self.server else { return };
        let Some(read) = server.following.get_mut(&key) else { return };
        let Some(process) = self.processes.get(&key) else { return };
        if process.parted_until.is_some_and(|until| until > self.clock) {
            server.following.remove(&key);
            let reason = "the runner does not answer".to_owned();
            let command = Command::LoseJob { attempt: attempt.clone(), reason };
            return self.hand_in(stream, command, Origin::Follower(attempt.clone()));
        }
        let records: Vec<Record> = process.journal[*read..].to_vec();
        *read = process.journal.len();
        let has_ended = matches!(process.journal.last(), Some(Record::End { .. }));
        let is_lost = process.is_gone && !has_ended;
        for record in records {
            let command = record.command(attempt);
            self.hand_in(stream, command, Origin::Follower(attempt.clone()));
        }
        if is_lost {
            let reason = "the runner's process is gone".to_owned();
            let command = Command::LoseJob { attempt: attempt.clone(), reason };
            self.hand_in(stream, command, Origin::Follower(attempt.clone()));
        }
    }

    /// The server took what its follower said, or could not: then it reads from the start again.
    pub(super) fn followed(&mut self, stream: &StreamId, attempt: &AttemptId, decided: &Decided) {
        if let (Some(server), Err(qnt9_model::Refusal::Unavailable { .. })) =
            (&mut self.server, decided)
        {
            server.following.remove(&(stream.clone(), attempt.clone()));
            server.answered(stream, &Order::FollowJob(attempt.clone()));
            self.later(5 * SECOND, Event::Look);
        }
    }

    /// Ends a process at once.
    pub(super) fn kill_process(&mut self, stream: &StreamId, attempt: &AttemptId) {
        let key = (stream.clone(), attempt.clone());
        if let Some(process) = self.processes.get_mut(&key)
            && !process.is_gone
        {
            process.journal.push(Record::End { result: Outcome::Cancelled, outputs: Vec::new() });
            process.is_gone = true;
        }
        self.pump(stream, attempt);
    }

    /// Finds out whether an attempt's process is there, and says so.
    pub(super) fn ask_after(&mut self, stream: &StreamId, attempt: &AttemptId) {
        let process = self.processes.get(&(stream.clone(), attempt.clone()));
        let reached = process.filter(|p| p.parted_until.is_none_or(|until| until <= self.clock));
        let attempt = attempt.clone();
        let is_lost = self.auditor.is_lost(stream, &attempt);
        let order = Order::AskJob(attempt.clone());
        let command = match reached {
            Some(process) if !process.is_gone || process.has_ended() => {
                if is_lost {
                    let proof = format!("{} records in its journal", process.journal.len());
                    Command::ResumeJob { attempt, proof }
                } else {
                    Command::RenewLease { attempt }
                }
            }
            _ => Command::LoseJob { attempt, reason: "there is no such process".to_owned() },
        };
        self.hand_in(stream, command, Origin::Arm(Box::new(order)));
    }
}

impl Process {
    fn begin_step(&mut self) {
        self.call = 0;
        let environment = self.environment.clone();
        let last = self.step + 1 == self.steps;
        self.calls = match self.kind {
            JobKind::Test if last => vec![Call::Evidence("tests", None)],
            JobKind::Release if last => vec![Call::Build, Call::Artifact],
            JobKind::Plan if last => vec![Call::Plan("production".into())],
            JobKind::Plan | JobKind::Terraform => vec![Call::Lock, Call::Write, Call::Unlock],
            JobKind::Deploy if last => environment.map(Call::Deploy).into_iter().collect(),
            JobKind::LoadTest => vec![Call::Load, Call::Evidence("load-test", Some("staging"))],
            JobKind::Notify => vec![Call::Notify],
            JobKind::Wait => vec![Call::Wait],
            _ => Vec::new(),
        };
    }

    fn has_ended(&self) -> bool {
        matches!(self.journal.last(), Some(Record::End { .. }))
    }

    fn end_step(&mut self, now: Millis, random: &mut Random) {
        let lines = 1 + random.below(20);
        self.journal.push(Record::Log { first_line: self.lines + 1, lines });
        self.lines += lines;
        let outcome = if self.has_failed { Outcome::Failure } else { Outcome::Success };
        let span = Span { started: self.step_began, finished: now };
        let step = self.step;
        self.journal.push(Record::Step { step, outcome, conclusion: outcome, span });
        self.step += 1;
        self.step_began = now;
    }

    fn end(&mut self, result: Outcome, random: &mut Random) {
        let outputs = match self.kind {
            JobKind::List => {
                let list = if random.chance(100) { "[]" } else { "[1, 2, 3]" };
                vec![("n".to_owned(), list.to_owned())]
            }
            _ => Vec::new(),
        };
        self.journal.push(Record::End { result, outputs });
        self.is_gone = true;
    }
}

impl Record {
    fn command(self, attempt: &AttemptId) -> Command {
        let attempt = attempt.clone();
        match self {
            Self::Step { step, outcome, conclusion, span } => Command::FinishStep {
                attempt,
                step,
                name: format!("step {step}"),
                outcome,
                conclusion,
                span,
                user: true,
                own: Vec::new(),
            },
            Self::Log { first_line, lines } => {
                Command::SealLog { attempt, first_line, lines, blob: "sealed".to_owned() }
            }
            Self::End { result, outputs } => {
                Command::FinishJob { attempt, result, outputs, reason: None, summary: None }
            }
        }
    }
}
