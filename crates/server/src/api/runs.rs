//! Runs: listing, showing, starting, and what people decide about them.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use qnt9_engine::state::{Project, Run};
use qnt9_model::command::{Again, Decision, WorkflowFile};
use qnt9_model::{Actor, Command, Entry, EnvironmentName, Fact, JobKey, RunId, Sha, StreamId};
use serde::Deserialize;

use super::error::ApiError;
use super::request::{Asked, Body, Caller, list as names};
use super::shapes::{
    Cancel, Decide, Dispatch, Rerun, Resolve, ResolveDecision, Retry, RunDetail, RunShape, Started,
};
use super::show;
use crate::Core;
use crate::machine::now;
use crate::orders::pushes;

/// Runs listed when nobody says how many.
const RUNS_LISTED: usize = 50;
/// Runs listed at most.
const RUNS_LISTED_MAX: usize = 500;

#[derive(Deserialize)]
pub(super) struct Which {
    limit: Option<usize>,
    workflow: Option<String>,
    branch: Option<String>,
}

/// The newest runs, newest first.
pub(super) async fn list(
    State(core): State<Core>,
    caller: Caller,
    Path(project): Path<String>,
    Asked(which): Asked<Which>,
) -> Result<Json<Vec<RunShape>>, ApiError> {
    let limit = which.limit.unwrap_or(RUNS_LISTED).min(RUNS_LISTED_MAX);
    caller.look(&core, &project, |_, _, project| {
        let wanted = |run: &&Run| {
            let workflow = which.workflow.as_ref();
            let branch = which.branch.as_ref();
            workflow.is_none_or(|name| is_workflow(name, &run.path, &run.name))
                && branch.is_none_or(|name| name == run.reference_name() || *name == run.reference)
        };
        let runs = project.runs.values().rev().filter(wanted).take(limit);
        Ok(Json(runs.map(|run| show::run(project, run)).collect()))
    })
}

/// Whether people mean this workflow: by path, by file name with or without its ending, by name.
fn is_workflow(wanted: &str, path: &str, name: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path);
    let stem = file.strip_suffix(".yml").or_else(|| file.strip_suffix(".yaml")).unwrap_or(file);
    [path, file, stem, name].contains(&wanted)
}

/// One run with its jobs.
pub(super) async fn show(
    State(core): State<Core>,
    caller: Caller,
    Path((project, run)): Path<(String, String)>,
) -> Result<Json<RunDetail>, ApiError> {
    let mut detail = caller.look(&core, &project, |state, _, project| {
        Ok(show::run_detail(state, project, find(project, &run)?, now()))
    })?;
    let stream = StreamId::from(project);
    for leg in detail.jobs.iter_mut().flat_map(|job| &mut job.legs) {
        let Some(attempt) = leg.attempts.last_mut() else { continue };
        let id = qnt9_model::AttemptId {
            run: detail.run.id,
            job: leg.job.clone(),
            attempt: attempt.number,
        };
        let live = core.live_jobs().watch(&stream, &id);
        let step = live.and_then(|(live, _)| live.step);
        attempt.running =
            step.map(|(step, name, started)| super::shapes::RunningStep { step, name, started });
    }
    Ok(Json(detail))
}

/// The run of that id.
pub(super) fn find<'a>(project: &'a Project, run: &str) -> Result<&'a Run, ApiError> {
    let found = run.parse::<RunId>().ok().and_then(|id| project.runs.get(&id));
    found.ok_or_else(|| {
        let last = project.runs.keys().next_back();
        let known = last.map_or_else(|| "none yet".to_owned(), |last| format!("up to {last}"));
        ApiError::unknown("run", run, Some(known))
    })
}

/// Starts a workflow by hand.
pub(super) async fn dispatch(
    State(core): State<Core>,
    caller: Caller,
    Path(project): Path<String>,
    Body(asked): Body<Dispatch>,
) -> Result<(StatusCode, Json<Started>), ApiError> {
    let (stream, reference, commit) = caller.look(&core, &project, |_, stream, project| {
        let (reference, commit) = reference(project, asked.r#ref.as_deref())?;
        Ok((stream.clone(), reference, commit))
    })?;
    let git = pushes::git(&core, &stream);
    let files = pushes::workflows(&git, &commit).await;
    let files = files.map_err(|error| ApiError::failed("the workflows cannot be read", &error))?;
    let workflow = choose(files, &asked.workflow, &reference)?;
    let inputs = asked.inputs.iter().map(|(name, value)| (name.clone(), input(value))).collect();
    let command = Command::Dispatch { reference, commit, workflow, inputs };
    let entries = core.ask(&stream, &caller.0.actor, command).await?;
    started(&entries)
}

fn reference(project: &Project, asked: Option<&str>) -> Result<(String, Sha), ApiError> {
    let name = asked.unwrap_or(&project.default_branch);
    let full = [name.to_owned(), format!("refs/heads/{name}"), format!("refs/tags/{name}")];
    let found = full.into_iter().find_map(|full| {
        let commit = project.refs.get(&full)?.clone();
        Some((full, commit))
    });
    found.ok_or_else(|| {
        let known: Vec<&str> = project.refs.keys().map(String::as_str).collect();
        ApiError::unknown("branch or tag", name, Some(names(&known)))
    })
}

fn choose(
    files: Vec<WorkflowFile>,
    wanted: &str,
    reference: &str,
) -> Result<WorkflowFile, ApiError> {
    let name = |file: &WorkflowFile| {
        let workflow = file.workflow.as_ref().ok();
        let name = workflow.and_then(|workflow| workflow.get("name")?.as_str().map(str::to_owned));
        name.unwrap_or_default()
    };
    let known: Vec<String> = files.iter().map(|file| file.path.clone()).collect();
    let chosen = files.into_iter().find(|file| is_workflow(wanted, &file.path, &name(file)));
    chosen.ok_or_else(|| {
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let known = format!("{} on {reference}", names(&known));
        ApiError::unknown("workflow", wanted, Some(known))
    })
}

/// An input as the text that a workflow's own rules then read.
fn input(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The run that these entries created.
fn started(entries: &[Entry]) -> Result<(StatusCode, Json<Started>), ApiError> {
    for entry in entries {
        match &entry.fact {
            Fact::RunCreated { .. } => {
                return Ok((StatusCode::CREATED, Json(Started { run: RunId(entry.sequence) })));
            }
            Fact::WorkflowRefused { path, message, .. } => {
                return Err(ApiError::invalid(path.clone(), message.show()));
            }
            _ => {}
        }
    }
    Err(ApiError::Failed("the machine took the command and started no run".to_owned()))
}

/// Approves what waits.
pub(super) async fn approve(
    State(core): State<Core>,
    caller: Caller,
    Path((project, run)): Path<(String, String)>,
    Body(decide): Body<Decide>,
) -> Result<Json<RunShape>, ApiError> {
    let (stream, run, environment) = waiting(&core, &caller, &project, &run, decide.environment)?;
    let command = Command::Approve { run, environment, comment: decide.comment, seen: decide.seen };
    core.ask(&stream, &caller.0.actor, command).await?;
    shape(&core, &stream, run)
}

/// Rejects what waits.
pub(super) async fn reject(
    State(core): State<Core>,
    caller: Caller,
    Path((project, run)): Path<(String, String)>,
    Body(decide): Body<Decide>,
) -> Result<Json<RunShape>, ApiError> {
    let (stream, run, environment) = waiting(&core, &caller, &project, &run, decide.environment)?;
    let command = Command::Reject { run, environment, comment: decide.comment };
    core.ask(&stream, &caller.0.actor, command).await?;
    shape(&core, &stream, run)
}

/// The run and the environment that a decision is about; an environment left out is the only one
/// that the run waits for.
fn waiting(
    core: &Core,
    caller: &Caller,
    project: &str,
    run: &str,
    environment: Option<EnvironmentName>,
) -> Result<(StreamId, RunId, EnvironmentName), ApiError> {
    caller.look(core, project, |_, stream, project| {
        let run = find(project, run)?;
        let waits_for = show::run(project, run).waits_for;
        let environment = match (environment, waits_for.as_slice()) {
            (Some(environment), _) => environment,
            (None, [only]) => only.clone(),
            (None, []) => {
                let what = format!("run {}", run.id);
                return Err(ApiError::invalid(what, "it does not wait for any environment"));
            }
            (None, several) => {
                let several: Vec<&str> = several.iter().map(EnvironmentName::as_str).collect();
                let reason = format!("say which environment: {}", names(&several));
                return Err(ApiError::invalid(format!("run {}", run.id), reason));
            }
        };
        Ok((stream.clone(), run.id, environment))
    })
}

fn shape(core: &Core, stream: &StreamId, run: RunId) -> Result<Json<RunShape>, ApiError> {
    let shape = core.read(|state| {
        let project = state.projects.get(stream)?;
        Some(show::run(project, project.runs.get(&run)?))
    });
    shape.map(Json).ok_or_else(|| ApiError::unknown("run", run, None))
}

/// Cancels a run, by force if so asked.
pub(super) async fn cancel(
    State(core): State<Core>,
    caller: Caller,
    Path((project, run)): Path<(String, String)>,
    Body(asked): Body<Option<Cancel>>,
) -> Result<Json<RunShape>, ApiError> {
    let (stream, run) = named(&core, &caller, &project, &run)?;
    let command = match asked {
        Some(Cancel { force: true }) => Command::ForceCancelRun { run },
        _ => Command::CancelRun { run },
    };
    core.ask(&stream, &caller.0.actor, command).await?;
    shape(&core, &stream, run)
}

/// Runs an ended run once more, or a part of it.
pub(super) async fn rerun(
    State(core): State<Core>,
    caller: Caller,
    Path((project, run)): Path<(String, String)>,
    Body(asked): Body<Option<Rerun>>,
) -> Result<(StatusCode, Json<Started>), ApiError> {
    let (stream, run) = named(&core, &caller, &project, &run)?;
    let what = match asked {
        None | Some(Rerun { failed: false, job: None }) => Again::All,
        Some(Rerun { failed: true, job: None }) => Again::Failed,
        Some(Rerun { failed: false, job: Some(job) }) => Again::Job(job),
        Some(Rerun { failed: true, job: Some(_) }) => {
            return Err(ApiError::invalid("rerun", "give `failed` or `job`, not both"));
        }
    };
    let entries = core.ask(&stream, &caller.0.actor, Command::Rerun { run, what }).await?;
    started(&entries)
}

/// Goes on from a step of a failed job, in a new run that takes over the rest.
pub(super) async fn retry(
    State(core): State<Core>,
    caller: Caller,
    Path((project, run, job)): Path<(String, String, String)>,
    Body(asked): Body<Retry>,
) -> Result<(StatusCode, Json<Started>), ApiError> {
    let (stream, run, job) = caller.look(&core, &project, |_, stream, project| {
        let run = find(project, &run)?;
        Ok((stream.clone(), run.id, leg_key(run, &job)?))
    })?;
    let command = Command::RetryFrom { run, job, step: asked.step };
    let entries = core.ask(&stream, &caller.0.actor, command).await?;
    started(&entries)
}

fn named(
    core: &Core,
    caller: &Caller,
    project: &str,
    run: &str,
) -> Result<(StreamId, RunId), ApiError> {
    caller.look(core, project, |_, stream, project| Ok((stream.clone(), find(project, run)?.id)))
}

/// Decides about a job whose runner was lost.
pub(super) async fn resolve(
    State(core): State<Core>,
    caller: Caller,
    Path((project, run, job)): Path<(String, String, String)>,
    Body(resolve): Body<Resolve>,
) -> Result<Json<RunShape>, ApiError> {
    let (stream, run, job) = caller.look(&core, &project, |_, stream, project| {
        let run = find(project, &run)?;
        Ok((stream.clone(), run.id, leg_key(run, &job)?))
    })?;
    let decision = match resolve.decision {
        ResolveDecision::Resume => Decision::Resume,
        ResolveDecision::Rerun => Decision::Rerun,
        ResolveDecision::Abandon => Decision::Abandon,
    };
    let by: &Actor = &caller.0.actor;
    core.ask(&stream, by, Command::ResolveLost { run, job, decision }).await?;
    shape(&core, &stream, run)
}

/// The leg of that key; the key of a job in the file will do when it has one leg only.
pub(super) fn leg_key(run: &Run, name: &str) -> Result<JobKey, ApiError> {
    if let Some((key, _)) = run.legs.get_key_value(&JobKey::from(name)) {
        return Ok(key.clone());
    }
    let legs: Vec<&JobKey> =
        run.legs.iter().filter(|(_, leg)| leg.job == name).map(|(key, _)| key).collect();
    match legs.as_slice() {
        [only] => Ok((*only).clone()),
        [] => {
            let known: Vec<&str> = run.legs.keys().map(JobKey::as_str).collect();
            Err(ApiError::unknown("job that ran", name, Some(names(&known))))
        }
        several => {
            let several: Vec<&str> = several.iter().map(|key| key.as_str()).collect();
            let reason = format!("it has several legs, say which: {}", names(&several));
            Err(ApiError::invalid(format!("job {name}"), reason))
        }
    }
}
