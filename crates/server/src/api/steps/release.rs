//! Releases: built by a step, verified and kept here.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use qnt9_model::{Command, Sha};
use serde::Deserialize;

use crate::Core;
use crate::api::error::ApiError;
use crate::api::request::{Asked, JobCaller};
use crate::api::shapes::{Call, Digest};

#[derive(Deserialize)]
pub(crate) struct Built {
    step: u32,
    call: u32,
}

/// Takes a packed OCI layout: verifies it, keeps it, and names the release by its manifest.
pub(crate) async fn build(
    State(core): State<Core>,
    caller: JobCaller,
    Asked(built): Asked<Built>,
    packed: Bytes,
) -> Result<Json<Digest>, ApiError> {
    let releases = core.releases();
    let taken = tokio::task::spawn_blocking(move || {
        qnt9_registry::unpack_upload(&mut packed.as_ref(), &releases)
    });
    let taken = taken.await.map_err(|error| ApiError::failed("keeping the release", &error))?;
    let release = taken.map_err(|error| ApiError::invalid("the release", error.to_string()))?;
    let mut services = release.service.split(',').map(str::to_owned);
    let command = Command::BuildRelease {
        call: caller.key(Call { step: built.step, call: built.call }),
        release: release.digest.clone(),
        service: services.next().unwrap_or_default(),
        configuration: release.configuration.into_iter().collect(),
        bytes: release.bytes,
        further: services.collect(),
    };
    core.ask(&caller.project, &caller.actor, command).await?;
    Ok(Json(Digest { digest: release.digest }))
}

#[derive(Deserialize)]
pub(crate) struct Which {
    commit: Option<Sha>,
}

/// The newest release built from a commit; from the run's own when none is named.
pub(crate) async fn find(
    State(core): State<Core>,
    caller: JobCaller,
    Asked(asked): Asked<Which>,
) -> Result<Json<Digest>, ApiError> {
    caller.look(&core, |project| {
        let own = || project.runs.get(&caller.attempt.run).map(|run| run.commit.clone());
        let commit = asked.commit.or_else(own);
        let commit = commit.ok_or_else(|| ApiError::unknown("run", caller.attempt.run, None))?;
        let release = project.release_of(&commit);
        let release = release.ok_or(qnt9_model::Refusal::NoRelease { commit })?;
        Ok(Json(Digest { digest: release.digest.clone() }))
    })
}
