//! What the machine knows, in the shapes that go over the wire.

use qnt9_engine::contexts;
use qnt9_engine::explain::Known;
use qnt9_engine::gates::{Gate, duration};
use qnt9_engine::rollout;
use qnt9_engine::state::{
    Attempt, Deployment, Evidence, Job, JobPlan, LegPhase, LegState, Notification, Project,
    Release, Run, State,
};
use qnt9_model::fact::{Cause, DeploymentOutcome, Direction};
use qnt9_model::policy::{EnvironmentPolicy, Exclude, Strategy, Trigger};
use qnt9_model::{Actor, EnvironmentName, Millis, NotificationId, RunId, StreamId, UserText};

use super::shapes::{
    ApprovalShape, AttemptShape, DeploymentShape, EnvironmentShape, EvidenceShape, JobShape,
    KnownShape, KnownStep, LegShape, NotificationShape, Phase, PlaceShape, Plan, ProblemShape,
    ProjectShape, ReleaseShape, RolloutState, RunDetail, RunShape, ShareShape, StepShape,
    WaitShape, WatchShape,
};
use qnt9_engine::accounting::{Ledger, wall_of_job, wall_of_run};

fn text(text: &UserText) -> String {
    text.show().to_owned()
}

pub(super) fn project(stream: &StreamId, project: &Project) -> ProjectShape {
    let workflows = project.workflow_problems.iter().map(|(commit, path, message)| ProblemShape {
        commit: commit.clone(),
        path: path.clone(),
        message: text(message),
    });
    let policy = project.policy_problem.iter().map(|(commit, message)| ProblemShape {
        commit: commit.clone(),
        path: "qnt9.toml".to_owned(),
        message: text(message),
    });
    ProjectShape {
        name: stream.to_string(),
        embedded: project.embedded,
        time_scale: project.time_scale,
        default_branch: project.default_branch.clone(),
        refs: project.refs.clone(),
        problems: workflows.chain(policy).collect(),
        sequence: project.sequence,
    }
}

pub(super) fn run(project: &Project, run: &Run) -> RunShape {
    let rerun_of = match run.cause {
        Cause::Rerun { of, .. } => Some(of),
        Cause::Push { .. } | Cause::Dispatch { .. } | Cause::Schedule { .. } => None,
    };
    let gated = run.legs.values().filter(|leg| leg.phase == LegPhase::Gated);
    let mut waits_for: Vec<EnvironmentName> =
        gated.filter_map(|leg| leg.leg.environment.clone()).collect();
    waits_for.sort();
    waits_for.dedup();
    RunShape {
        id: run.id,
        path: run.path.clone(),
        name: run.name.clone(),
        title: text(&run.title),
        number: run.number,
        event: contexts::event_name(project, run).to_owned(),
        by: run.cause.by().to_owned(),
        demo: run.demo,
        rerun_of,
        reference: run.reference.clone(),
        commit: run.commit.clone(),
        created: run.created,
        started: run.started,
        finished: run.finished.map(|(_, at)| at),
        result: run.finished.map(|(outcome, _)| outcome),
        cancel: run.cancel.clone(),
        superseded_by: run.superseded.as_ref().map(|(by, _)| *by),
        waits_for,
    }
}

pub(super) fn run_detail(state: &State, project: &Project, of: &Run, now: Millis) -> RunDetail {
    let ledger = Ledger::of(project, [of], now);
    RunDetail {
        run: run(project, of),
        inputs: of.inputs.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
        jobs: of.jobs.iter().map(|one| job(state, project, of, one, &ledger, now)).collect(),
        time: ledger.share(wall_of_run(of, now)),
    }
}

fn job(
    state: &State,
    project: &Project,
    run: &Run,
    job: &Job,
    ledger: &Ledger,
    now: Millis,
) -> JobShape {
    let in_file = run.workflow.as_ref().and_then(|workflow| workflow.job(&job.key));
    let (plan, reason, legs) = match &job.plan {
        JobPlan::Waiting => (Plan::Waiting, None, &[][..]),
        JobPlan::Planned { legs, condition, .. } => {
            (Plan::Planned, Some(text(condition)), legs.as_slice())
        }
        JobPlan::Skipped { reason } => (Plan::Skipped, Some(text(reason)), &[][..]),
        JobPlan::Impossible { reason } => (Plan::Impossible, Some(text(reason)), &[][..]),
    };
    let legs = legs.iter().filter_map(|key| run.legs.get(key));
    JobShape {
        key: job.key.clone(),
        needs: in_file.map(|job| job.needs.clone()).unwrap_or_default(),
        plan,
        reason: reason.filter(|reason| !reason.is_empty()),
        result: run.job_result(&job.key),
        legs: legs.map(|one| leg(state, project, run, one, now)).collect(),
        time: wall_of_job(run, &job.key, now).map(|wall| ledger.share(wall)),
    }
}

fn leg(state: &State, project: &Project, run: &Run, leg: &LegState, now: Millis) -> LegShape {
    let (phase, ended) = match leg.phase {
        LegPhase::Queued => (Phase::Pending, None),
        LegPhase::Gated => (Phase::Gated, None),
        LegPhase::Open => (Phase::Queued, None),
        LegPhase::Running => (Phase::Running, None),
        LegPhase::Lost => (Phase::Lost, None),
        LegPhase::Done(outcome, at) => (Phase::Done, Some((outcome, at))),
    };
    let gate = Gate::of(&state.platform, project, run, leg);
    let gate = gate.filter(|_| leg.phase == LegPhase::Gated);
    let approvals = leg.approvals.iter().map(|approval| ApprovalShape {
        person: approval.person.clone(),
        demo: approval.demo,
        at: approval.at,
        approved: approval.approved,
        comment: approval.comment.as_ref().map(text),
    });
    let mine =
        |call: &qnt9_model::CallKey| call.attempt.run == run.id && call.attempt.job == leg.leg.job;
    let waits = project.waits.iter().filter(|(call, _)| mine(call)).map(|(_, wait)| WaitShape {
        from: wait.from,
        until: wait.until,
        reason: text(&wait.reason),
    });
    LegShape {
        job: leg.leg.job.clone(),
        name: leg.leg.name.clone(),
        environment: leg.leg.environment.clone(),
        phase,
        result: ended.map(|(outcome, _)| outcome),
        queued: leg.queued,
        opened: leg.opened.as_ref().map(|(at, ..)| *at),
        subjects: match (&leg.opened, gate) {
            (Some((_, subjects, _)), _) => Some(subjects.clone()),
            (None, gate) => gate.map(|gate| gate.subjects()),
        },
        finished: ended.map(|(_, at)| at),
        approvals: approvals.collect(),
        attempts: leg.attempts.iter().map(attempt).collect(),
        waits: waits.collect(),
        reason: leg.reason.clone(),
        why: gate.map(|gate| gate.why(now)),
        known: (leg.phase == LegPhase::Lost).then(|| known(run, leg)),
    }
}

fn known(run: &Run, leg: &LegState) -> KnownShape {
    let known = Known::of(run, leg);
    let step = |(step, name): (u32, String)| KnownStep { step, name, outcome: None };
    let ended = known.ended.into_iter().map(|(number, name, outcome)| {
        let outcome = Some(outcome);
        KnownStep { outcome, ..step((number, name)) }
    });
    KnownShape {
        reason: known.reason,
        ended: ended.collect(),
        in_flight: known.in_flight.map(step),
        not_begun: known.not_begun.into_iter().map(step).collect(),
        asked: leg.attempts.last().is_some_and(|attempt| attempt.asked.is_some()),
    }
}

fn attempt(attempt: &Attempt) -> AttemptShape {
    let steps = attempt.steps.iter().map(|(number, step)| StepShape {
        step: *number,
        name: step.name.clone(),
        outcome: step.outcome,
        conclusion: step.conclusion,
        started: step.span.started,
        finished: step.span.finished,
        user: step.user,
    });
    AttemptShape {
        number: attempt.number,
        started: attempt.started,
        finished: attempt.finished,
        result: attempt.result,
        steps: steps.collect(),
        running: None,
        log_lines: attempt.log.iter().map(|chunk| chunk.lines).sum(),
        reason: attempt.reason.clone(),
        summary: attempt.summary.as_ref().map(text),
    }
}

pub(super) fn environments(project: &Project) -> Vec<EnvironmentShape> {
    let rules = project.policy.as_ref().map(|(_, policy)| policy.environments.as_slice());
    let mut names: Vec<EnvironmentName> =
        rules.unwrap_or_default().iter().map(|rules| rules.name.clone()).collect();
    // Environments that are no longer in the rules may still serve.
    for place in project.places.keys() {
        if !names.contains(&place.environment) {
            names.push(place.environment.clone());
        }
    }
    names.into_iter().map(|name| environment(project, name)).collect()
}

fn environment(project: &Project, name: EnvironmentName) -> EnvironmentShape {
    let rules = project.policy.as_ref().and_then(|(_, policy)| policy.environment(&name));
    let places = project.places.iter().filter(|(place, _)| place.environment == name);
    let services = places.map(|(place, state)| {
        let find = |id: Option<_>| project.deployments.get(&id?).map(|d| deployment(project, d));
        PlaceShape {
            service: place.service.clone(),
            url: state.address.as_ref().map(|address| format!("http://{address}")),
            serving: find(state.serving),
            rollout: find(state.active),
        }
    });
    let services = services.collect();
    let waiting = project.live.iter().filter_map(|id| project.runs.get(id)).filter(|run| {
        let waits = |leg: &LegState| {
            leg.phase == LegPhase::Gated && leg.leg.environment.as_ref() == Some(&name)
        };
        run.legs.values().any(waits)
    });
    let waiting: Vec<RunId> = waiting.map(|run| run.id).collect();
    EnvironmentShape {
        rules: rules.map(|rules| in_words(project, rules)).unwrap_or_default(),
        services,
        waiting,
        held_by: project.holders.get(&name).map(|(run, _)| *run),
        name,
    }
}

/// The gates of an environment, one line each.
fn in_words(project: &Project, rules: &EnvironmentPolicy) -> Vec<String> {
    let mut lines = Vec::new();
    if !rules.branches.is_empty() {
        lines.push(format!("branch {}", rules.branches.join(" or ")));
    }
    if rules.trigger == Trigger::Manual {
        lines.push("dispatched by a person".to_owned());
    }
    if let Some(rule) = &rules.approvals {
        let but = match rule.exclude {
            Exclude::Nobody => "",
            Exclude::Dispatcher => ", not whoever dispatched it",
            Exclude::Authors => ", nobody who wrote, pushed or dispatched it",
        };
        lines.push(format!("{} of {} approve{but}", rule.needed, rule.from.join(", ")));
    }
    let wait = project.scaled(rules.wait_ms);
    if wait > 0 {
        lines.push(format!("{} since it was asked for", duration(wait)));
    }
    lines.extend(rules.evidence.iter().map(|rule| match &rule.environment {
        Some(environment) => format!("{} proved in {environment} for this release", rule.kind),
        None => format!("{} passed for this commit", rule.kind),
    }));
    if rules.rollout.steps.len() > 1 {
        let steps: Vec<String> = rules.rollout.steps.iter().map(ToString::to_string).collect();
        lines.push(format!("traffic moves by {} %", steps.join(", ")));
    }
    lines
}

pub(super) fn deployment(project: &Project, of: &Deployment) -> DeploymentShape {
    let (state, reason) = match &of.outcome {
        None if of.percent == 0 => (RolloutState::Starting, None),
        None => (RolloutState::Moving, None),
        Some((DeploymentOutcome::Succeeded, _)) => (RolloutState::Succeeded, None),
        Some((DeploymentOutcome::RolledBack { reason, .. }, _)) => {
            (RolloutState::RolledBack, Some(reason.clone()))
        }
        Some((DeploymentOutcome::Failed { reason }, _)) => {
            (RolloutState::Failed, Some(text(reason)))
        }
    };
    let history = of.history.iter().map(|(at, percent)| ShareShape { at: *at, percent: *percent });
    DeploymentShape {
        id: of.id,
        environment: of.place.environment.clone(),
        service: of.place.service.clone(),
        release: of.release.clone(),
        commit: project.releases.get(&of.release).map(|release| release.commit.clone()),
        by: by(project, &of.by),
        run: of.call.as_ref().map(|call| call.attempt.run),
        rollback: of.direction == Direction::Rollback,
        requested: of.requested,
        state,
        reason,
        finished: of.outcome.as_ref().map(|(_, at)| *at),
        replicas: of.replicas,
        ready: of.ready.len(),
        steps: of.steps.clone(),
        percent: of.percent,
        percent_reached: of.percent_reached,
        verdict: of.verdict,
        verdict_reason: of.verdict_reason.clone(),
        new: of.new,
        old: of.old,
        history: history.collect(),
        strategy: strategy(of).to_owned(),
        preview: preview(project, of),
        awaits_promotion: rollout::awaits_promotion(of),
        promoted_by: of.promoted.as_ref().map(|(who, _)| by(project, who)),
        smoke_passed: of.smoke.as_ref().map(|(passed, _)| *passed),
        smoke_report: of.smoke.as_ref().map(|(_, report)| text(report)),
        kept_until: kept_until(project, of),
        watched: of.watched.as_ref().map(|watched| WatchShape {
            since: watched.since,
            until: watched.until,
            ended: watched.ended,
            verdict: watched.verdict,
            reason: watched.reason.clone(),
        }),
    }
}

const fn strategy(of: &Deployment) -> &'static str {
    match of.terms.strategy {
        Strategy::ByShare if of.steps.len() > 1 => "canary",
        Strategy::ByShare => "all-at-once",
        Strategy::BlueGreen { .. } => "blue-green",
        Strategy::Rolling { .. } => "rolling",
    }
}

/// Where a release is reached that waits beside the one that serves.
fn preview(project: &Project, of: &Deployment) -> Option<String> {
    let arm = rollout::previewed(project, &of.place).filter(|arm| arm.deployment == of.id)?;
    let address = project.places.get(&of.place)?.preview.as_ref()?;
    (!arm.backends.is_empty()).then(|| format!("http://{address}"))
}

/// Until when the release before this one is kept, when this one serves.
fn kept_until(project: &Project, of: &Deployment) -> Option<Millis> {
    let place = project.places.get(&of.place).filter(|place| place.serving == Some(of.id))?;
    place.warm.map(|(_, until)| until)
}

/// The person behind an actor: for a job, whoever started its run.
fn by(project: &Project, actor: &Actor) -> String {
    match actor {
        Actor::Job(attempt) => match project.runs.get(&attempt.run) {
            Some(run) => format!("{} (run {})", run.cause.by(), run.id),
            None => actor.to_string(),
        },
        _ => actor.to_string(),
    }
}

pub(super) fn release(project: &Project, of: &Release) -> ReleaseShape {
    let serves = project.places.keys().filter(|place| {
        project.serving(place).is_some_and(|deployment| deployment.release == of.digest)
    });
    ReleaseShape {
        digest: of.digest.clone(),
        service: of.service.clone(),
        commit: of.commit.clone(),
        configuration: of.configuration.iter().cloned().collect(),
        bytes: of.bytes,
        built: of.built,
        by: by(project, &of.by),
        serves: serves.map(|place| place.environment.clone()).collect(),
    }
}

pub(super) fn notification(
    project: &Project,
    id: NotificationId,
    of: &Notification,
) -> NotificationShape {
    NotificationShape {
        id,
        title: text(&of.title),
        text: text(&of.text),
        webhook: of.webhook.as_ref().map(text),
        posted: of.posted,
        by: by(project, &of.by),
        delivered: of.delivered,
        failures: of.delivery.failures,
        failure: of.delivery.failure.clone(),
    }
}

pub(super) fn evidence(of: &Evidence) -> EvidenceShape {
    EvidenceShape {
        kind: of.kind.clone(),
        environment: of.environment.clone(),
        commit: of.commit.clone(),
        release: of.release.clone(),
        passed: of.passed,
        summary: of.summary.clone(),
        time_scale: of.time_scale,
        at: of.at,
        run: of.call.as_ref().map(|call| call.attempt.run),
    }
}
