//! What the steps of a job ask through the step commands, by the token of their attempt.
//!
//! Each asking has a key (attempt, step, call), so a step that lost its answer asks again and is
//! told what the first asking came to.

mod data;
mod release;
mod services;

use axum::Json;
use axum::extract::State;
use qnt9_engine::state::Project;
use qnt9_model::fact::Span;
use qnt9_model::{Command, EnvironmentName};
use qnt9_terraform::Plan;
use serde::Deserialize;

use super::error::ApiError;
use super::request::{Asked, Body, JobCaller};
use super::shapes::{
    Deployed, PlanHash, PlanShape, StepContext, StepDeploy, StepEvidence, StepLoad, StepNotify,
    StepPlan, StepWait, WaitUntil,
};
use crate::Core;

pub(super) use data::environment_database;
pub(super) use release::{build as build_release, find as find_release};
pub(super) use services::{database, health, url};

/// What a step should know of itself.
pub(super) async fn context(
    State(core): State<Core>,
    caller: JobCaller,
) -> Result<Json<StepContext>, ApiError> {
    caller.look(&core, |project| {
        let run = project.runs.get(&caller.attempt.run);
        let run = run.ok_or_else(|| ApiError::unknown("run", caller.attempt.run, None))?;
        Ok(Json(StepContext {
            project: caller.project.to_string(),
            run: run.id,
            job: caller.attempt.job.clone(),
            attempt: caller.attempt.attempt,
            commit: run.commit.clone(),
            reference: run.reference.clone(),
            time_scale: project.time_scale.max(1),
            url: core.url(),
        }))
    })
}

/// Declares a wait, and says until when.
pub(super) async fn wait(
    State(core): State<Core>,
    caller: JobCaller,
    Body(asked): Body<StepWait>,
) -> Result<Json<WaitUntil>, ApiError> {
    if asked.for_ms < 0 {
        return Err(ApiError::invalid("the wait", "it cannot be shorter than nothing"));
    }
    let call = caller.key(asked.call);
    let (for_ms, reason) = (asked.for_ms, asked.reason);
    let command = Command::Wait { call: call.clone(), for_ms, reason };
    core.ask(&caller.project, &caller.actor, command).await?;
    let until = |project: &Project| project.waits.get(&call).map(|wait| wait.until);
    let until = caller.look(&core, |project| done(until(project)))?;
    Ok(Json(WaitUntil { until }))
}

/// What a command that was taken must have left behind.
fn done<T>(left: Option<T>) -> Result<T, ApiError> {
    left.ok_or_else(|| ApiError::Failed("the machine took the command and did nothing".to_owned()))
}

/// Reads a plan and records it. Only its summary and hash are kept: a plan holds values in the clear.
pub(super) async fn record_plan(
    State(core): State<Core>,
    caller: JobCaller,
    Body(asked): Body<StepPlan>,
) -> Result<Json<PlanShape>, ApiError> {
    let json = serde_json::to_vec(&asked.plan).expect("it was read from JSON");
    let plan = Plan::read(&json);
    let plan = plan.map_err(|error| ApiError::invalid("the plan", error.to_string()))?;
    let command = Command::RecordPlan {
        call: caller.key(asked.call),
        environment: asked.environment,
        hash: plan.hash.clone(),
        summary: plan.summary.clone(),
    };
    core.ask(&caller.project, &caller.actor, command).await?;
    Ok(Json(PlanShape {
        text: plan.terminal(),
        changes: plan.changes(),
        hash: plan.hash,
        summary: plan.summary,
    }))
}

#[derive(Deserialize)]
pub(super) struct Where {
    environment: EnvironmentName,
}

/// The hash of the plan that the approvals of this run are for: the one its gates opened with, else
/// the one recorded last.
pub(super) async fn recorded_plan(
    State(core): State<Core>,
    caller: JobCaller,
    Asked(asked): Asked<Where>,
) -> Result<Json<PlanHash>, ApiError> {
    caller.look(&core, |project| {
        let leg = project.running_leg(&caller.attempt);
        let approved = leg.and_then(|leg| leg.opened.as_ref()?.1.plan.clone());
        let recorded = project.plans.get(&(caller.attempt.run, asked.environment.clone()));
        let hash = approved.or_else(|| recorded.map(|plan| plan.hash.clone()));
        let name = format!("of run {} for {}", caller.attempt.run, asked.environment);
        let hash = hash.ok_or_else(|| ApiError::unknown("plan", name, None))?;
        Ok(Json(PlanHash { hash }))
    })
}

/// Starts a deployment.
pub(super) async fn deploy(
    State(core): State<Core>,
    caller: JobCaller,
    Body(asked): Body<StepDeploy>,
) -> Result<Json<Deployed>, ApiError> {
    let call = caller.key(asked.call);
    let command = Command::Deploy {
        call: call.clone(),
        environment: asked.environment,
        release: asked.release,
        settings: asked.settings.into_iter().collect(),
    };
    core.ask(&caller.project, &caller.actor, command).await?;
    let deployment =
        caller.look(&core, |project| done(project.deployment_of(&call).map(|one| one.id)))?;
    Ok(Json(Deployed { deployment }))
}

/// Records evidence.
pub(super) async fn evidence(
    State(core): State<Core>,
    caller: JobCaller,
    Body(asked): Body<StepEvidence>,
) -> Result<Json<()>, ApiError> {
    let command = Command::RecordEvidence {
        call: caller.key(asked.call),
        kind: asked.kind,
        environment: asked.environment,
        passed: asked.passed,
        summary: asked.summary,
    };
    core.ask(&caller.project, &caller.actor, command).await?;
    Ok(Json(()))
}

/// Notes that load was driven.
pub(super) async fn load(
    State(core): State<Core>,
    caller: JobCaller,
    Body(asked): Body<StepLoad>,
) -> Result<Json<()>, ApiError> {
    if asked.finished < asked.started {
        return Err(ApiError::invalid("the load", "it ended before it began"));
    }
    let span = Span { started: asked.started, finished: asked.finished };
    let command = Command::DriveLoad { call: caller.key(asked.call), span };
    core.ask(&caller.project, &caller.actor, command).await?;
    Ok(Json(()))
}

/// Posts a notification.
pub(super) async fn notify(
    State(core): State<Core>,
    caller: JobCaller,
    Body(asked): Body<StepNotify>,
) -> Result<Json<()>, ApiError> {
    let command = Command::Notify {
        call: Some(caller.key(asked.call)),
        title: asked.title,
        text: asked.text,
        webhook: asked.webhook,
    };
    core.ask(&caller.project, &caller.actor, command).await?;
    Ok(Json(()))
}
