//! Back to a release that ran before.

use axum::Json;
use axum::extract::{Path, State};
use qnt9_engine::rollback::RollbackPlan;
use qnt9_engine::state::{Deployment, Project, Release};
use qnt9_model::{
    Actor, Ask, Command, DeploymentId, Entry, EnvironmentName, Fact, Refusal, ReleaseDigest,
    StreamId,
};

use super::error::ApiError;
use super::request::{Body, Caller, list};
use super::shapes::{CommitShape, DeploymentShape, NoteShape, Rollback, RollbackShape};
use super::show;
use crate::Core;
use crate::machine::now;

/// Digits of a digest or commit that are enough to mean it.
const PREFIX_DIGITS_MIN: usize = 4;

/// Takes an environment back, or says what that would do.
pub(super) async fn rollback(
    State(core): State<Core>,
    caller: Caller,
    Path((project, environment)): Path<(String, String)>,
    Body(asked): Body<Rollback>,
) -> Result<Json<RollbackShape>, ApiError> {
    let environment = EnvironmentName::from(environment);
    let (stream, to) = caller.look(&core, &project, |_, stream, project| {
        Ok((stream.clone(), find_release(project, &asked.to)?.digest.clone()))
    })?;
    let before = core.read(|state| {
        let project = state.projects.get(&stream)?;
        Some(describe(project, &environment, &to))
    });
    let mut shape = before.ok_or_else(|| ApiError::unknown("project", &stream, None))?;
    let command = Command::Rollback { environment, to };
    let entries = if asked.dry_run {
        rehearse(&core, &stream, &caller.0.actor, command)?
    } else {
        core.ask(&stream, &caller.0.actor, command).await?
    };
    let mut requested = entries.iter().filter_map(|entry| match &entry.fact {
        Fact::DeploymentRequested { replicas, terms, steps, .. } => {
            Some((entry.sequence, *replicas, terms.takes_over.is_some(), steps))
        }
        _ => None,
    });
    if let Some((id, _, warm, steps)) = requested.clone().next() {
        shape.deployment = (!asked.dry_run).then_some(DeploymentId(id));
        shape.warm = warm;
        shape.steps = steps.clone();
    }
    shape.replicas = requested.by_ref().map(|(_, replicas, ..)| replicas).sum();
    Ok(Json(shape))
}

/// What the machine would answer, on a copy of its state: the same rules, and nothing happens.
fn rehearse(
    core: &Core,
    stream: &StreamId,
    by: &Actor,
    command: Command,
) -> Result<Vec<Entry>, Refusal> {
    let ask = Ask { stream: stream.clone(), by: by.clone(), command };
    let mut copy = core.read(Clone::clone);
    qnt9_engine::step(&mut copy, &ask, now())
}

/// The release that people mean by a digest, the beginning of one, or a commit.
pub(super) fn find_release<'a>(
    project: &'a Project,
    wanted: &str,
) -> Result<&'a Release, ApiError> {
    let digits = wanted.strip_prefix("sha256:").unwrap_or(wanted);
    let is_meant = |release: &&Release| {
        let digest = release.digest.as_str().trim_start_matches("sha256:");
        digest.starts_with(digits) || release.commit.as_str().starts_with(digits)
    };
    let mut found: Vec<&Release> = project.releases.values().filter(is_meant).collect();
    found.sort_by_key(|release| release.built);
    let one_commit = found.windows(2).all(|pair| pair[0].commit == pair[1].commit);
    match found.last() {
        _ if digits.len() < PREFIX_DIGITS_MIN => Err(ApiError::invalid(
            format!("release `{wanted}`"),
            format!("give at least {PREFIX_DIGITS_MIN} digits of its digest or of its commit"),
        )),
        Some(newest) if one_commit => Ok(newest),
        Some(_) => Err(ApiError::invalid(
            format!("release `{wanted}`"),
            format!("{} releases are meant by it; give more digits", found.len()),
        )),
        None => {
            let known: Vec<String> =
                project.releases.values().map(|release| release.digest.short()).collect();
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            Err(ApiError::unknown("release", wanted, Some(list(&known))))
        }
    }
}

fn describe(project: &Project, environment: &EnvironmentName, to: &ReleaseDigest) -> RollbackShape {
    let target = project.releases.get(to);
    let serving = project.serving_environment(environment);
    let now_live = serving.and_then(|serving| project.releases.get(&serving.release));
    let undone = match (target, now_live) {
        (Some(target), Some(now_live)) => {
            project.commits_between(Some(&target.commit), &now_live.commit)
        }
        _ => Vec::new(),
    };
    let undone = undone.into_iter().map(|commit| CommitShape {
        sha: commit.sha.clone(),
        author: commit.author.clone(),
        title: commit.title.show().to_owned(),
    });
    RollbackShape {
        deployment: None,
        service: target.map(|release| release.service.clone()).unwrap_or_default(),
        from: serving.map(|serving| serving.release.clone()),
        to: to.clone(),
        commit: target.map(|release| release.commit.clone()),
        undone: undone.collect(),
        replicas: 0,
        warm: false,
        steps: Vec::new(),
        not_undone: not_undone(project, serving, target),
        gates: "none is asked: one person with the role approver suffices".to_owned(),
    }
}

/// What stays as the release that serves now, and those between it and `target`, have made it.
fn not_undone(
    project: &Project,
    serving: Option<&Deployment>,
    target: Option<&Release>,
) -> Vec<String> {
    let mut lines = vec!["infrastructure: going back applies no Terraform".to_owned()];
    let mut at = serving;
    while let Some(deployment) = at.filter(|at| Some(&at.release) != target.map(|to| &to.digest)) {
        let plan = RollbackPlan::of_deployment(project, deployment);
        lines.extend(
            plan.not_undone.into_iter().filter(|line| !lines.contains(line)).collect::<Vec<_>>(),
        );
        at = deployment.previous.and_then(|id| project.deployments.get(&id));
    }
    lines
}

/// Lets what waits beside the serving release have the traffic.
pub(super) async fn promote(
    State(core): State<Core>,
    caller: Caller,
    Path((project, environment)): Path<(String, String)>,
) -> Result<Json<Vec<DeploymentShape>>, ApiError> {
    let environment = EnvironmentName::from(environment);
    let stream = caller.look(&core, &project, |_, stream, _| Ok(stream.clone()))?;
    let ids: Vec<DeploymentId> = core.read(|state| {
        let project = state.projects.get(&stream);
        let active = project.into_iter().flat_map(|project| project.rolling_out(&environment));
        active.map(|deployment| deployment.id).collect()
    });
    let command = Command::Promote { environment };
    core.ask(&stream, &caller.0.actor, command).await?;
    Ok(Json(core.read(|state| {
        let Some(project) = state.projects.get(&stream) else { return Vec::new() };
        let promoted = ids.iter().filter_map(|id| project.deployments.get(id));
        promoted.map(|deployment| show::deployment(project, deployment)).collect()
    })))
}

/// Notes why something failed in an environment.
pub(super) async fn note(
    State(core): State<Core>,
    caller: Caller,
    Path((project, environment)): Path<(String, String)>,
    Body(note): Body<NoteShape>,
) -> Result<Json<NoteShape>, ApiError> {
    let stream = caller.look(&core, &project, |_, stream, _| Ok(stream.clone()))?;
    let NoteShape { kind, cause } = note.clone();
    let command = Command::NoteCause { environment: environment.into(), kind, cause };
    core.ask(&stream, &caller.0.actor, command).await?;
    Ok(Json(note))
}

/// Stops a rollout that is going on.
pub(super) async fn abort(
    State(core): State<Core>,
    caller: Caller,
    Path((project, environment)): Path<(String, String)>,
) -> Result<Json<DeploymentShape>, ApiError> {
    let stream = caller.look(&core, &project, |_, stream, _| Ok(stream.clone()))?;
    let command = Command::AbortRollout { environment: environment.into() };
    let entries = core.ask(&stream, &caller.0.actor, command).await?;
    let stopped = entries.iter().find_map(|entry| match &entry.fact {
        Fact::DeploymentFinished { deployment, .. } => Some(*deployment),
        _ => None,
    });
    let shape = core.read(|state| {
        let project = state.projects.get(&stream)?;
        Some(show::deployment(project, project.deployments.get(&stopped?)?))
    });
    shape.map(Json).ok_or_else(|| ApiError::Failed("no rollout was stopped".to_owned()))
}
