//! What handlers take from a request: who asks, and bodies and queries whose mistakes are answered
//! in the shape of every other error.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use http::header;
use http::request::Parts;
use qnt9_engine::State;
use qnt9_engine::state::Project;
use qnt9_model::door::Identity;
use qnt9_model::{Actor, AttemptId, CallKey, Refusal, StreamId};
use serde::de::DeserializeOwned;

use super::error::ApiError;
use super::shapes::Call;
use crate::Core;

/// Whoever's token came with the request: a person's or a job's.
pub(crate) struct Caller(pub(crate) Identity);

impl FromRequestParts<Core> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, core: &Core) -> Result<Self, ApiError> {
        let value = parts.headers.get(header::AUTHORIZATION);
        let value = value.and_then(|value| value.to_str().ok()).ok_or(ApiError::Unauthorized)?;
        let (scheme, token) = value.split_once(' ').ok_or(ApiError::Unauthorized)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(ApiError::Unauthorized);
        }
        core.identify(token.trim()).map(Self).ok_or(ApiError::Unauthorized)
    }
}

impl Caller {
    /// Looks at a project, when there is one of that name and the caller may see it.
    pub(crate) fn look<T>(
        &self,
        core: &Core,
        name: &str,
        look: impl FnOnce(&State, &StreamId, &Project) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        core.read(|state| {
            let stream = self.project(state, name)?;
            look(state, &stream, &state.projects[&stream])
        })
    }

    /// The stream of a project that the caller may see. A job sees its own project only.
    pub(crate) fn project(&self, state: &State, name: &str) -> Result<StreamId, ApiError> {
        let stream = StreamId::from(name);
        if self.0.project.as_ref().is_some_and(|own| *own != stream) {
            let actor = self.0.actor.to_string();
            return Err(Refusal::WrongActor { act: "another project", actor }.into());
        }
        if !state.projects.contains_key(&stream) {
            let known: Vec<&str> = state.projects.keys().map(StreamId::as_str).collect();
            return Err(ApiError::unknown("project", name, Some(list(&known))));
        }
        Ok(stream)
    }

    /// The person who asks; a job's token is refused.
    pub(crate) fn person(&self, act: &'static str) -> Result<&Actor, ApiError> {
        match &self.0.actor {
            actor @ Actor::Person { .. } => Ok(actor),
            actor => Err(Refusal::WrongActor { act, actor: actor.to_string() }.into()),
        }
    }
}

/// Names for an error message.
pub(crate) fn list(names: &[&str]) -> String {
    if names.is_empty() { "none yet".to_owned() } else { names.join(", ") }
}

/// The step that asks, by the token of its attempt.
pub(crate) struct JobCaller {
    pub(crate) actor: Actor,
    pub(crate) attempt: AttemptId,
    pub(crate) project: StreamId,
}

impl FromRequestParts<Core> for JobCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, core: &Core) -> Result<Self, ApiError> {
        let Caller(identity) = Caller::from_request_parts(parts, core).await?;
        match (&identity.actor, identity.project) {
            (Actor::Job(attempt), Some(project)) => {
                Ok(Self { attempt: attempt.clone(), project, actor: identity.actor })
            }
            (actor, _) => {
                let act = "what steps of a job ask";
                Err(Refusal::WrongActor { act, actor: actor.to_string() }.into())
            }
        }
    }
}

impl JobCaller {
    /// The key of a call of this attempt.
    #[expect(clippy::needless_pass_by_value, reason = "a call is two numbers")]
    pub(crate) fn key(&self, call: Call) -> CallKey {
        CallKey { attempt: self.attempt.clone(), step: call.step, call: call.call }
    }

    /// Looks at the job's own project.
    pub(crate) fn look<T>(
        &self,
        core: &Core,
        look: impl FnOnce(&Project) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        core.read(|state| match state.projects.get(&self.project) {
            Some(project) => look(project),
            None => Err(ApiError::unknown("project", &self.project, None)),
        })
    }
}

/// A JSON body.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Core> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, core: &Core) -> Result<Self, ApiError> {
        let rejected =
            |error: JsonRejection| ApiError::Malformed(error.status(), error.body_text());
        Json::from_request(request, core).await.map(|Json(body)| Self(body)).map_err(rejected)
    }
}

/// The query of the address.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<Core> for Asked<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, core: &Core) -> Result<Self, ApiError> {
        let rejected =
            |error: QueryRejection| ApiError::Malformed(error.status(), error.body_text());
        let query = Query::from_request_parts(parts, core).await;
        query.map(|Query(query)| Self(query)).map_err(rejected)
    }
}
