//! Back to a release that ran before.

use axum::Json;
use axum::extract::{Path, State};
use qnt9_engine::state::{Project, Release};
use qnt9_model::{
    Actor, Ask, Command, DeploymentId, Entry, EnvironmentName, Fact, Refusal, ReleaseDigest,
    StreamId,
};

use super::error::ApiError;
use super::request::{Body, Caller, list};
use super::shapes::{CommitShape, DeploymentShape, Rollback, RollbackShape};
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
    for entry in &entries {
        if let Fact::DeploymentRequested { replicas, .. } = &entry.fact {
            shape.replicas = *replicas;
            shape.deployment = (!asked.dry_run).then_some(DeploymentId(entry.sequence));
        }
    }
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
    }
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
