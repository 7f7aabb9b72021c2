//! Folds entries into the state. It never fails and never asks the outside: what it cannot place
//! (an entry of a project it has not seen, a leg that is gone) changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use qnt9_model::door::{StateLock, StateVersion};
use qnt9_model::fact::{Counts, DeploymentOutcome, Outcome, Verdict};
use qnt9_model::{
    Actor, DeploymentId, Entry, Fact, Millis, NotificationId, Place, PushId, RunId, StreamId,
};

use crate::state::{
    Approval, Artifact, Attempt, Deployment, Evidence, Job, JobPlan, LegPhase, LegState, LogChunk,
    Notification, Plan, Project, Push, Release, Run, State, StepState, Token, Wait,
};

/// Folds one entry into the state.
pub fn apply(state: &mut State, entry: &Entry) {
    if entry.stream.as_str() == StreamId::PLATFORM {
        state.platform.sequence = entry.sequence;
        platform(state, &entry.fact);
        return;
    }
    let project = state.projects.entry(entry.stream.clone()).or_default();
    project.sequence = entry.sequence;
    Applying { project, entry }.apply();
}

fn platform(state: &mut State, fact: &Fact) {
    let platform = &mut state.platform;
    match fact {
        Fact::PersonAdded { person } => {
            platform.people.insert(person.name.clone(), person.clone());
        }
        Fact::RoleChanged { person, role } => {
            if let Some(person) = platform.people.get_mut(person) {
                person.role = *role;
            }
        }
        Fact::TokenIssued { person, digest, label } => {
            let token = Token { person: person.clone(), label: label.clone() };
            platform.tokens.insert(digest.clone(), token);
        }
        Fact::TokenRevoked { digest } => {
            platform.tokens.remove(digest);
        }
        Fact::ProjectCreated { project, embedded, time_scale, default_branch } => {
            let project = state.projects.entry(project.clone()).or_default();
            project.embedded = *embedded;
            project.time_scale = *time_scale;
            project.default_branch.clone_from(default_branch);
        }
        _ => {}
    }
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
            | Fact::WorkflowRefused { .. } => self.source(&entry.fact),
            Fact::RunCreated { .. }
            | Fact::RunStarted { .. }
            | Fact::RunSuperseded { .. }
            | Fact::RunCancelRequested { .. }
            | Fact::RunFinished { .. } => self.run(&entry.fact),
            Fact::JobPlanned { .. } | Fact::JobSkipped { .. } | Fact::JobImpossible { .. } => {
                self.plan_job(&entry.fact);
            }
            Fact::ApprovalGiven { .. }
            | Fact::ApprovalRejected { .. }
            | Fact::GatesOpened { .. }
            | Fact::GatesClosed { .. }
            | Fact::JobSuperseded { .. } => self.gates(&entry.fact),
            Fact::JobStarted { .. }
            | Fact::StepFinished { .. }
            | Fact::LogSealed { .. }
            | Fact::JobFinished { .. }
            | Fact::JobLost { .. }
            | Fact::JobRerun { .. }
            | Fact::ArtifactKept { .. } => self.attempt(&entry.fact),
            Fact::WaitDeclared { .. }
            | Fact::LoadDriven { .. }
            | Fact::ReleaseBuilt { .. }
            | Fact::EvidenceRecorded { .. }
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
            | Fact::ArmDrained { .. } => self.deployment(&entry.fact),
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

    fn source(&mut self, fact: &Fact) {
        let offered = self.time();
        let project = &mut *self.project;
        match fact {
            Fact::PushOffered { by, updates } => {
                let push = Push { by: by.clone(), updates: updates.clone(), offered };
                project.pushes.insert(PushId(self.entry.sequence), push);
            }
            Fact::PushSettled { push, moved } => {
                let by = project.pushes.remove(push).map(|push| push.by);
                for update in moved {
                    if let (Some(by), Some(sha)) = (&by, &update.new) {
                        project.pushers.entry(sha.clone()).or_default().insert(by.clone());
                    }
                    match &update.new {
                        Some(sha) => project.refs.insert(update.reference.clone(), sha.clone()),
                        None => project.refs.remove(&update.reference),
                    };
                }
            }
            Fact::CommitsSeen { commits } => {
                for commit in commits {
                    project.commits.insert(commit.sha.clone(), commit.clone());
                }
            }
            Fact::PolicyAdopted { commit, policy } => {
                project.policy = Some((commit.clone(), policy.clone()));
                project.policy_problem = None;
            }
            Fact::PolicyRefused { commit, message } => {
                project.policy_problem = Some((commit.clone(), message.clone()));
            }
            Fact::WorkflowRefused { commit, path, message } => {
                let problem = (commit.clone(), path.clone(), message.clone());
                project.workflow_problems.push(problem);
            }
            _ => {}
        }
    }

    fn run(&mut self, fact: &Fact) {
        let (time, demo) = (self.time(), self.by_demo());
        match fact {
            Fact::RunCreated { .. } => self.create_run(fact, demo),
            Fact::RunStarted { run } => {
                if let Some(run) = self.project.runs.get_mut(run) {
                    run.started = Some(time);
                }
            }
            Fact::RunSuperseded { run, by, over } => {
                if let Some(run) = self.project.runs.get_mut(run) {
                    run.superseded = Some((*by, over.clone()));
                    run.cancel = Some(format!("run {by} took its place in {over}"));
                }
            }
            Fact::RunCancelRequested { run, reason } => {
                if let Some(run) = self.project.runs.get_mut(run) {
                    run.cancel.get_or_insert_with(|| reason.clone());
                }
            }
            Fact::RunFinished { run, result } => {
                self.project.live.remove(run);
                if let Some(run) = self.project.runs.get_mut(run) {
                    run.finished = Some((*result, time));
                }
            }
            _ => {}
        }
    }

    fn create_run(&mut self, fact: &Fact, demo: bool) {
        let Fact::RunCreated {
            path,
            name,
            title,
            number,
            cause,
            reference,
            commit,
            event,
            inputs,
            workflow: source,
            concurrency,
        } = fact
        else {
            return;
        };
        let id = RunId(self.entry.sequence);
        let workflow: Option<qnt9_workflow::Workflow> = serde_json::from_value(source.clone()).ok();
        let keys = workflow.iter().flat_map(|workflow| &workflow.jobs);
        let jobs = keys
            .map(|job| Job { key: job.key.clone(), plan: JobPlan::Waiting })
            .collect::<Vec<_>>();
        let run = Run {
            id,
            stream: self.entry.stream.clone(),
            path: path.clone(),
            name: name.clone(),
            title: title.clone(),
            number: *number,
            cause: cause.clone(),
            demo,
            reference: reference.clone(),
            commit: commit.clone(),
            event: event.clone(),
            inputs: inputs.clone(),
            source: source.clone(),
            workflow: workflow.map(Arc::new),
            concurrency: concurrency.clone(),
            created: self.time(),
            started: None,
            cancel: None,
            superseded: None,
            jobs,
            legs: BTreeMap::new(),
            finished: None,
        };
        self.project.numbers.insert(path.clone(), *number);
        self.project.live.insert(id);
        self.project.runs.insert(id, run);
    }

    fn plan_job(&mut self, fact: &Fact) {
        let time = self.time();
        let (Fact::JobPlanned { run, key, .. }
        | Fact::JobSkipped { run, key, .. }
        | Fact::JobImpossible { run, key, .. }) = fact
        else {
            return;
        };
        let Some(run) = self.project.runs.get_mut(run) else { return };
        let plan = match fact {
            Fact::JobPlanned { legs, fail_fast, max_parallel, condition, .. } => {
                for leg in legs {
                    let gated = leg.environment.is_some();
                    let state = LegState {
                        leg: leg.clone(),
                        job: key.clone(),
                        queued: time,
                        phase: if gated { LegPhase::Gated } else { LegPhase::Open },
                        opened: None,
                        approvals: Vec::new(),
                        attempts: Vec::new(),
                        reason: None,
                    };
                    run.legs.insert(leg.job.clone(), state);
                }
                let legs = legs.iter().map(|leg| leg.job.clone()).collect();
                JobPlan::Planned {
                    legs,
                    fail_fast: *fail_fast,
                    max_parallel: *max_parallel,
                    condition: condition.clone(),
                }
            }
            Fact::JobSkipped { reason, .. } => JobPlan::Skipped { reason: reason.clone() },
            Fact::JobImpossible { reason, .. } => JobPlan::Impossible { reason: reason.clone() },
            _ => return,
        };
        if let Some(job) = run.jobs.iter_mut().find(|job| &job.key == key) {
            job.plan = plan;
        }
    }

    fn gates(&mut self, fact: &Fact) {
        let (at, demo) = (self.time(), self.by_demo());
        match fact {
            Fact::ApprovalGiven { run, environment, person, subjects, comment } => {
                let approval = Approval {
                    person: person.clone(),
                    demo,
                    at,
                    subjects: subjects.clone(),
                    approved: true,
                    comment: comment.clone(),
                };
                self.gated_legs(*run, environment, |leg| leg.approvals.push(approval.clone()));
            }
            Fact::ApprovalRejected { run, environment, person, comment } => {
                let approval = Approval {
                    person: person.clone(),
                    demo,
                    at,
                    subjects: Default::default(),
                    approved: false,
                    comment: comment.clone(),
                };
                self.gated_legs(*run, environment, |leg| leg.approvals.push(approval.clone()));
            }
            Fact::GatesOpened { run, job, environment, subjects, proof } => {
                self.project.holders.insert(environment.clone(), (*run, job.clone()));
                self.leg(*run, job, |leg| {
                    leg.phase = LegPhase::Open;
                    leg.opened = Some((at, subjects.clone(), proof.clone()));
                });
            }
            Fact::GatesClosed { run, job, reason } => self.leg(*run, job, |leg| {
                leg.phase = LegPhase::Done(Outcome::Failure, at);
                leg.reason = Some(reason.clone());
            }),
            Fact::JobSuperseded { run, job, by } => self.leg(*run, job, |leg| {
                leg.phase = LegPhase::Done(Outcome::Cancelled, at);
                leg.reason = Some(format!("superseded by run {by}"));
            }),
            _ => {}
        }
    }

    fn leg(&mut self, run: RunId, job: &qnt9_model::JobKey, change: impl FnOnce(&mut LegState)) {
        let run = self.project.runs.get_mut(&run);
        if let Some(leg) = run.and_then(|run| run.legs.get_mut(job)) {
            change(leg);
        }
    }

    fn gated_legs(
        &mut self,
        run: RunId,
        environment: &qnt9_model::EnvironmentName,
        mut change: impl FnMut(&mut LegState),
    ) {
        let Some(run) = self.project.runs.get_mut(&run) else { return };
        let waits = |leg: &&mut LegState| {
            leg.phase == LegPhase::Gated && leg.leg.environment.as_ref() == Some(environment)
        };
        run.legs.values_mut().filter(waits).for_each(&mut change);
    }

    fn attempt(&mut self, fact: &Fact) {
        let time = self.time();
        match fact {
            Fact::JobStarted { attempt, runner } => self.leg(attempt.run, &attempt.job, |leg| {
                leg.phase = LegPhase::Running;
                leg.attempts.push(Attempt {
                    number: attempt.attempt,
                    runner: runner.clone(),
                    started: time,
                    finished: None,
                    result: None,
                    steps: BTreeMap::new(),
                    log: Vec::new(),
                    outputs: Vec::new(),
                    summary: None,
                    reason: None,
                });
            }),
            Fact::StepFinished {
                attempt,
                step,
                name,
                outcome,
                conclusion,
                started,
                finished,
                user,
                own,
            } => self.try_of(attempt, |state| {
                let span = qnt9_model::fact::Span { started: *started, finished: *finished };
                let done = StepState {
                    name: name.clone(),
                    outcome: *outcome,
                    conclusion: *conclusion,
                    span,
                    user: *user,
                    own: own.clone(),
                };
                state.steps.insert(*step, done);
            }),
            Fact::LogSealed { attempt, first_line, lines, blob } => self.try_of(attempt, |state| {
                let chunk = LogChunk { first_line: *first_line, lines: *lines, blob: blob.clone() };
                state.log.push(chunk);
            }),
            Fact::JobFinished { attempt, result, outputs, reason, summary } => {
                let reason = reason.as_ref().map(|reason| reason.show().to_owned());
                self.try_of(attempt, |state| {
                    state.finished = Some(time);
                    state.result = Some(*result);
                    state.outputs.clone_from(outputs);
                    state.summary.clone_from(summary);
                    state.reason.clone_from(&reason);
                });
                self.leg(attempt.run, &attempt.job, |leg| {
                    leg.phase = LegPhase::Done(*result, time);
                    leg.reason = reason;
                });
                self.release_environment(attempt.run, &attempt.job);
            }
            Fact::JobLost { attempt, reason, retry } => {
                self.try_of(attempt, |state| {
                    state.finished = Some(time);
                    state.reason = Some(reason.clone());
                });
                let phase = if *retry { LegPhase::Open } else { LegPhase::Lost };
                self.leg(attempt.run, &attempt.job, |leg| {
                    leg.phase = phase;
                    leg.reason = Some(reason.clone());
                });
            }
            Fact::JobRerun { attempt } => self.leg(attempt.run, &attempt.job, |leg| {
                leg.phase = LegPhase::Open;
                leg.reason = None;
            }),
            Fact::ArtifactKept { attempt, name, blob, bytes, expires } => {
                let artifact = Artifact {
                    blob: blob.clone(),
                    bytes: *bytes,
                    expires: *expires,
                    attempt: attempt.clone(),
                };
                self.project.artifacts.insert((attempt.run, name.clone()), artifact);
            }
            _ => {}
        }
    }

    fn try_of(&mut self, id: &qnt9_model::AttemptId, change: impl FnOnce(&mut Attempt)) {
        self.leg(id.run, &id.job, |leg| {
            let attempt = leg.attempts.iter_mut().find(|attempt| attempt.number == id.attempt);
            if let Some(attempt) = attempt {
                change(attempt);
            }
        });
    }

    fn release_environment(&mut self, run: RunId, job: &qnt9_model::JobKey) {
        self.project.holders.retain(|_, holder| !(holder.0 == run && &holder.1 == job));
    }

    fn step_call(&mut self, fact: &Fact) {
        let time = self.time();
        let project = &mut *self.project;
        match fact {
            Fact::WaitDeclared { call, until, reason } => {
                let wait = Wait { from: time, until: *until, reason: reason.clone() };
                project.waits.insert(call.clone(), wait);
            }
            Fact::LoadDriven { call, started, finished } => {
                let span = qnt9_model::fact::Span { started: *started, finished: *finished };
                project.loads.insert(call.clone(), span);
            }
            Fact::ReleaseBuilt { release, service, commit, configuration, bytes, .. } => {
                let state = Release {
                    digest: release.clone(),
                    service: service.clone(),
                    commit: commit.clone(),
                    configuration: configuration.clone(),
                    bytes: *bytes,
                    built: time,
                    by: self.entry.actor.clone(),
                };
                project.releases.insert(release.clone(), state);
            }
            Fact::EvidenceRecorded {
                call,
                kind,
                environment,
                commit,
                release,
                passed,
                summary,
                time_scale,
            } => project.evidence.push(Evidence {
                call: call.clone(),
                kind: kind.clone(),
                environment: environment.clone(),
                commit: commit.clone(),
                release: release.clone(),
                passed: *passed,
                summary: summary.clone(),
                time_scale: *time_scale,
                at: time,
            }),
            Fact::PlanRecorded { call, environment, hash, summary } => {
                let plan = Plan {
                    call: call.clone(),
                    hash: hash.clone(),
                    summary: summary.clone(),
                    at: time,
                };
                project.plans.insert((call.attempt.run, environment.clone()), plan);
            }
            _ => {}
        }
    }

    fn terraform(&mut self, fact: &Fact) {
        let (time, by) = (self.time(), self.entry.actor.clone());
        let (Fact::StateLocked { workspace, .. }
        | Fact::StateUnlocked { workspace, .. }
        | Fact::StateWritten { workspace, .. }
        | Fact::StateDeleted { workspace }) = fact
        else {
            return;
        };
        let state = self.project.workspaces.entry(workspace.clone()).or_default();
        match fact {
            Fact::StateLocked { lock, info, .. } => {
                state.lock =
                    Some(StateLock { id: lock.clone(), info: info.clone(), since: time, by });
            }
            Fact::StateUnlocked { .. } => state.lock = None,
            Fact::StateWritten { serial, lineage, md5, blob, bytes, .. } => {
                let version = StateVersion {
                    serial: *serial,
                    lineage: lineage.clone(),
                    md5: md5.clone(),
                    blob: blob.clone(),
                    bytes: *bytes,
                    written: time,
                    by,
                };
                state.current = Some(version.clone());
                state.history.push(version);
            }
            Fact::StateDeleted { .. } => state.current = None,
            _ => {}
        }
    }

    fn deployment(&mut self, fact: &Fact) {
        let time = self.time();
        match fact {
            Fact::AddressAssigned { place, address } => {
                let state = self.project.places.entry(place.clone()).or_default();
                state.address = Some(address.clone());
                state.generation += 1;
            }
            Fact::DeploymentRequested { .. } => self.request_deployment(fact),
            Fact::ReplicaReady { deployment, replica, address } => {
                self.rollout(*deployment, |d| {
                    d.ready.insert(*replica, address.clone());
                });
            }
            Fact::ReplicaLost { deployment, replica, .. } => {
                self.rollout(*deployment, |d| {
                    d.ready.remove(replica);
                });
            }
            Fact::ReplicaFailed { deployment, report, .. } => {
                self.rollout(*deployment, |d| d.replica_failure = Some(report.clone()));
            }
            Fact::WeightChanged { deployment, percent } => {
                let generation = self.rollout(*deployment, |d| {
                    d.percent = *percent;
                    d.percent_reached = d.percent_reached.max(*percent);
                    d.step_since = None;
                    (d.new, d.old) = (Counts::default(), Counts::default());
                    d.verdict = Verdict::Undecided;
                    d.verdict_reason = String::new();
                    d.history.push((time, *percent));
                });
                if let Some(d) = self.project.deployments.get_mut(deployment) {
                    d.weighted_at = generation;
                }
            }
            Fact::TrafficApplied { place, generation } => self.traffic_applied(place, *generation),
            Fact::WindowJudged { deployment, window, percent, new, old, verdict, reason } => {
                if let Some(d) = self.project.deployments.get_mut(deployment) {
                    d.window = *window;
                    (d.new, d.old) = (d.new.plus(*new), d.old.plus(*old));
                    (d.verdict, d.verdict_reason) = (*verdict, reason.clone());
                    d.windows.push((time, *percent, *new, *old));
                }
            }
            Fact::DeploymentFinished { deployment, outcome } => {
                self.finish_deployment(*deployment, outcome);
            }
            Fact::ArmDrained { deployment } => {
                if let Some(d) = self.project.deployments.get_mut(deployment) {
                    d.drained = true;
                }
            }
            _ => {}
        }
    }

    fn request_deployment(&mut self, fact: &Fact) {
        let Fact::DeploymentRequested {
            call,
            place,
            release,
            direction,
            replicas,
            steps,
            step_for_ms,
            min_requests,
            health_timeout_ms,
            service,
            settings,
        } = fact
        else {
            return;
        };
        let id = DeploymentId(self.entry.sequence);
        let state = self.project.places.entry(place.clone()).or_default();
        state.active = Some(id);
        let deployment = Deployment {
            id,
            call: call.clone(),
            by: self.entry.actor.clone(),
            place: place.clone(),
            release: release.clone(),
            direction: *direction,
            previous: state.serving,
            replicas: *replicas,
            steps: steps.clone(),
            step_for_ms: *step_for_ms,
            min_requests: *min_requests,
            health_timeout_ms: *health_timeout_ms,
            service: service.clone(),
            settings: settings.clone(),
            requested: self.entry.time,
            ready: BTreeMap::new(),
            replica_failure: None,
            percent: 0,
            percent_reached: 0,
            weighted_at: 0,
            step_since: None,
            new: Counts::default(),
            old: Counts::default(),
            window: 0,
            verdict: Verdict::Undecided,
            verdict_reason: String::new(),
            history: Vec::new(),
            windows: Vec::new(),
            outcome: None,
            drained: false,
        };
        self.project.deployments.insert(id, deployment);
    }

    /// Changes a deployment and, because its place may now carry its traffic differently, counts the
    /// place's generation up. Returns the new generation.
    fn rollout(&mut self, id: DeploymentId, change: impl FnOnce(&mut Deployment)) -> u64 {
        let Some(deployment) = self.project.deployments.get_mut(&id) else { return 0 };
        change(deployment);
        let state = self.project.places.entry(deployment.place.clone()).or_default();
        state.generation += 1;
        state.generation
    }

    fn traffic_applied(&mut self, place: &Place, generation: u64) {
        let time = self.time();
        let Some(state) = self.project.places.get_mut(place) else { return };
        state.applied = state.applied.max(generation);
        let active = state.active.and_then(|id| self.project.deployments.get_mut(&id));
        if let Some(d) = active
            && d.percent > 0
            && d.step_since.is_none()
            && generation >= d.weighted_at
        {
            d.step_since = Some(time);
        }
    }

    fn finish_deployment(&mut self, id: DeploymentId, outcome: &DeploymentOutcome) {
        let time = self.time();
        self.rollout(id, |d| {
            d.outcome = Some((outcome.clone(), time));
            if *outcome != DeploymentOutcome::Succeeded {
                d.percent = 0;
                d.history.push((time, 0));
            }
        });
        let Some(deployment) = self.project.deployments.get(&id) else { return };
        if let Some(state) = self.project.places.get_mut(&deployment.place) {
            state.active = None;
            if *outcome == DeploymentOutcome::Succeeded {
                state.serving = Some(id);
            }
        }
    }

    fn notice(&mut self, fact: &Fact) {
        let time = self.time();
        let project = &mut *self.project;
        match fact {
            Fact::NotificationPosted { call, title, text, webhook } => {
                let notification = Notification {
                    call: call.clone(),
                    title: title.clone(),
                    text: text.clone(),
                    webhook: webhook.clone(),
                    posted: time,
                    by: self.entry.actor.clone(),
                    delivered: None,
                    failures: 0,
                    failure: None,
                };
                project.notifications.insert(NotificationId(self.entry.sequence), notification);
            }
            Fact::NotificationDelivered { notification } => {
                if let Some(state) = project.notifications.get_mut(notification) {
                    state.delivered = Some(time);
                }
            }
            Fact::NotificationFailed { notification, reason } => {
                if let Some(state) = project.notifications.get_mut(notification) {
                    state.failures += 1;
                    state.failure = Some(reason.clone());
                }
            }
            Fact::SecretSet { name, environment, value } => {
                project.secrets.insert((name.clone(), environment.clone()), value.clone());
            }
            Fact::SecretRemoved { name, environment } => {
                project.secrets.remove(&(name.clone(), environment.clone()));
            }
            _ => {}
        }
    }
}
