//! Why something stands where it stands, as a tree.

use axum::Json;
use axum::extract::{Path, State};
use qnt9_engine::explain::{Explain, Explanation};
use qnt9_engine::state::Project;
use qnt9_model::{DeploymentId, EnvironmentName, Millis};

use super::error::ApiError;
use super::request::Caller;
use super::runs::{find, leg_key};
use super::shapes::WhyShape;
use crate::Core;
use crate::machine::now;

/// Of a run, `RUN.JOB`, an environment, or `deployment ID`.
pub(super) async fn why(
    State(core): State<Core>,
    caller: Caller,
    Path((project, subject)): Path<(String, String)>,
) -> Result<Json<WhyShape>, ApiError> {
    let now = now();
    caller.look(&core, &project, |state, _, project| {
        let explain = Explain { platform: &state.platform, project, now };
        let explanation = meant(project, &explain, subject.trim())?;
        Ok(Json(shape(explanation, now)))
    })
}

fn meant(project: &Project, explain: &Explain<'_>, subject: &str) -> Result<Explanation, ApiError> {
    if let Some(id) = subject.strip_prefix("deployment").map(|id| id.trim_matches([' ', '-'])) {
        let found = id.parse::<DeploymentId>().ok();
        let found = found.and_then(|id| project.deployments.get(&id));
        let found = found.ok_or_else(|| ApiError::unknown("deployment", id, None))?;
        return Ok(explain.deployment(found));
    }
    if let Some((run, job)) = subject.split_once('.') {
        let run = find(project, run)?;
        return Ok(explain.job(run, &run.legs[&leg_key(run, job)?]));
    }
    if let Ok(number) = subject.parse() {
        // Both are numbered by the log, so a number means one of them only.
        return match project.deployments.get(&DeploymentId(number)) {
            Some(deployment) => Ok(explain.deployment(deployment)),
            None => Ok(explain.run(find(project, subject)?)),
        };
    }
    let name = EnvironmentName::from(subject);
    explain.environment(&name).ok_or_else(|| {
        let known = project.policy.as_ref().map(|(_, policy)| {
            let names = policy.environments.iter().map(|rules| rules.name.to_string());
            names.collect::<Vec<_>>().join(", ")
        });
        ApiError::unknown("run, job or environment", name, known)
    })
}

fn shape(explanation: Explanation, now: Millis) -> WhyShape {
    let (who, earliest) = (explanation.who(), explanation.earliest(now));
    let next = explanation.acts.iter().flat_map(qnt9_console::commands).collect();
    let Explanation { subject, why, held, .. } = explanation;
    WhyShape { subject, why, held, who, earliest, next }
}
