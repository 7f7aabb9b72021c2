//! Environments, releases and deployments.

use axum::Json;
use axum::extract::{Path, State};
use qnt9_engine::summary;
use qnt9_model::DeploymentId;
use serde::Deserialize;

use super::error::ApiError;
use super::request::{Asked, Caller};
use super::shapes::{DeploymentShape, EnvironmentShape, ReleaseShape, SummaryShape};
use super::show;
use crate::Core;

/// What is where.
pub(super) async fn environments(
    State(core): State<Core>,
    caller: Caller,
    Path(project): Path<String>,
) -> Result<Json<Vec<EnvironmentShape>>, ApiError> {
    caller.look(&core, &project, |_, _, project| Ok(Json(show::environments(project))))
}

/// Releases, newest first.
pub(super) async fn releases(
    State(core): State<Core>,
    caller: Caller,
    Path(project): Path<String>,
) -> Result<Json<Vec<ReleaseShape>>, ApiError> {
    caller.look(&core, &project, |_, _, project| {
        let mut releases: Vec<ReleaseShape> =
            project.releases.values().map(|release| show::release(project, release)).collect();
        releases.sort_by_key(|release| std::cmp::Reverse(release.built));
        Ok(Json(releases))
    })
}

#[derive(Deserialize)]
pub(super) struct Where {
    environment: Option<String>,
}

/// Deployments, newest first.
pub(super) async fn deployments(
    State(core): State<Core>,
    caller: Caller,
    Path(project): Path<String>,
    Asked(asked): Asked<Where>,
) -> Result<Json<Vec<DeploymentShape>>, ApiError> {
    caller.look(&core, &project, |_, _, project| {
        let there = project.deployments.values().rev().filter(|deployment| {
            let environment = deployment.place.environment.as_str();
            asked.environment.as_ref().is_none_or(|name| name == environment)
        });
        Ok(Json(there.map(|deployment| show::deployment(project, deployment)).collect()))
    })
}

/// A deployment in one page.
pub(super) async fn summary(
    State(core): State<Core>,
    caller: Caller,
    Path((project, id)): Path<(String, String)>,
) -> Result<Json<SummaryShape>, ApiError> {
    caller.look(&core, &project, |_, _, project| {
        let found = id.parse::<DeploymentId>().ok().and_then(|id| project.deployments.get(&id));
        let found = found.ok_or_else(|| ApiError::unknown("deployment", &id, None))?;
        let title = summary::title(project, found);
        Ok(Json(SummaryShape { title, markdown: summary::markdown(project, found) }))
    })
}

/// One deployment.
pub(super) async fn deployment(
    State(core): State<Core>,
    caller: Caller,
    Path((project, id)): Path<(String, String)>,
) -> Result<Json<DeploymentShape>, ApiError> {
    caller.look(&core, &project, |_, _, project| {
        let found = id.parse::<DeploymentId>().ok().and_then(|id| project.deployments.get(&id));
        let found = found.ok_or_else(|| ApiError::unknown("deployment", &id, None))?;
        Ok(Json(show::deployment(project, found)))
    })
}
