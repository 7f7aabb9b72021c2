//! Who asks, and answers with no.

use std::fmt;

use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, StatusCode, header};
use qnt9_model::door::Identity;
use qnt9_model::refusal::RefusalClass;
use qnt9_model::{Door, Refusal, StreamId};

/// A request that was not done: a status and the sentence that says why.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    text: String,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, text: impl fmt::Display) -> Self {
        Self { status, text: text.to_string() }
    }

    pub(crate) fn bad(text: impl fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    pub(crate) fn refusal(refusal: &Refusal) -> Self {
        let status = match refusal.class() {
            RefusalClass::Unknown => StatusCode::NOT_FOUND,
            RefusalClass::Forbidden => StatusCode::FORBIDDEN,
            RefusalClass::Conflict | RefusalClass::Held => StatusCode::CONFLICT,
            RefusalClass::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            RefusalClass::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, refusal)
    }

    /// Something of ours is broken.
    pub(crate) fn broken(what: &str, error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "{what}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, format!("{what}: {error}"))
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        // git shows the body of a refusal when it is plain text.
        let text = format!("{}\n", self.text);
        let kind = (header::CONTENT_TYPE, "text/plain; charset=utf-8");
        if self.status == StatusCode::UNAUTHORIZED {
            let basic = (header::WWW_AUTHENTICATE, "Basic realm=\"qnt9\", charset=\"UTF-8\"");
            return (self.status, [kind, basic], text).into_response();
        }
        (self.status, [kind], text).into_response()
    }
}

/// Whose token came with the request; `None` when none came.
pub(crate) fn identify(door: &dyn Door, headers: &HeaderMap) -> Result<Option<Identity>, Failure> {
    if !headers.contains_key(header::AUTHORIZATION) {
        return Ok(None);
    }
    let known = token(headers).and_then(|token| door.who(&token));
    known.map(Some).ok_or_else(|| {
        let text = "this token is not known: use one of yours as the password (any user name does)";
        Failure::new(StatusCode::UNAUTHORIZED, text)
    })
}

/// As [`identify`], and without a token refused.
pub(crate) fn require(door: &dyn Door, headers: &HeaderMap) -> Result<Identity, Failure> {
    identify(door, headers)?.ok_or_else(|| {
        let text = "a token is needed: use one of yours as the password (any user name does)";
        Failure::new(StatusCode::UNAUTHORIZED, text)
    })
}

/// A job's token is good in its own project only.
pub(crate) fn check_project(
    door: &dyn Door,
    identity: Option<&Identity>,
    project: &StreamId,
) -> Result<(), Failure> {
    let bound = identity.and_then(|identity| identity.project.as_ref());
    if bound.is_some_and(|bound| bound != project) || !door.has_project(project) {
        let text = format!("there is no project `{project}` that you have access to");
        return Err(Failure::new(StatusCode::NOT_FOUND, text));
    }
    Ok(())
}

/// The password of basic authentication under whatever user name, or a bearer token.
fn token(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credentials) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(credentials.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64.decode(credentials.trim()).ok()?).ok()?;
    decoded.split_once(':').map(|(_, password)| password.to_owned())
}
