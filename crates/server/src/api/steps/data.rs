//! What a step needs to copy or verify an environment's database: its address, and the key by which a
//! copy for that environment is masked.

use axum::Json;
use axum::extract::State;
use qnt9_engine::state::{Project, Run};
use qnt9_model::{EnvironmentName, Refusal};
use serde::Deserialize;

use crate::Core;
use crate::api::error::ApiError;
use crate::api::request::{Asked, JobCaller};
use crate::api::shapes::EnvironmentDatabase;

/// The setting in which a deployment has the address of its database.
const SETTING: &str = "DATABASE_URL";

#[derive(Deserialize)]
pub(crate) struct Where {
    environment: EnvironmentName,
}

/// The database of what serves in an environment. Only runs of a branch that may deploy there are told.
pub(crate) async fn environment_database(
    State(core): State<Core>,
    caller: JobCaller,
    Asked(asked): Asked<Where>,
) -> Result<Json<EnvironmentDatabase>, ApiError> {
    let url = caller.look(&core, |project| {
        let run = project.runs.get(&caller.attempt.run);
        let run = run.ok_or_else(|| ApiError::unknown("run", caller.attempt.run, None))?;
        check_branch(project, run, &asked.environment)?;
        Ok(url_of(project, &asked.environment))
    })?;
    let key = core.key().mac_key("masking");
    let (project, environment) = (caller.project.to_string(), asked.environment.to_string());
    let masking_key = key.mac(&[project.as_bytes(), environment.as_bytes()]).to_string();
    Ok(Json(EnvironmentDatabase { url, masking_key }))
}

fn check_branch(
    project: &Project,
    run: &Run,
    environment: &EnvironmentName,
) -> Result<(), ApiError> {
    let policy = project.policy.as_ref().map(|(_, policy)| policy);
    let rules = policy.and_then(|policy| policy.environment(environment));
    let rules = rules.ok_or_else(|| ApiError::unknown("environment", environment, None))?;
    let branch = run.reference.strip_prefix("refs/heads/");
    let is_allowed = |branch: &str| rules.branches.iter().any(|allowed| allowed == branch);
    if rules.branches.is_empty() || branch.is_some_and(is_allowed) {
        return Ok(());
    }
    let reason = format!(
        "runs of {} are not told the address of {environment}'s database: qnt9.toml lets only {} \
         deploy there",
        run.reference_name(),
        rules.branches.join(", ")
    );
    Err(Refusal::Invalid { what: "the environment".to_owned(), reason }.into())
}

fn url_of(project: &Project, environment: &EnvironmentName) -> Option<String> {
    let places = project.places.iter().filter(|(place, _)| place.environment == *environment);
    let mut serving = places.filter_map(|(_, state)| project.deployments.get(&state.serving?));
    serving.find_map(|deployment| {
        let mut settings = deployment.settings.iter();
        let (_, url) = settings.find(|(name, _)| name == SETTING)?;
        Some(url.show().to_owned())
    })
}
