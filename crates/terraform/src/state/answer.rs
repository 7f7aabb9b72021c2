//! Answers with no, in the statuses terraform understands.

use std::error::Error;
use std::fmt;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, StatusCode, header};
use qnt9_model::Refusal;
use qnt9_model::refusal::RefusalClass;

/// A request that was not done.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    body: String,
    header: Option<(header::HeaderName, &'static str)>,
}

impl Failure {
    pub(super) fn text(status: StatusCode, body: impl fmt::Display) -> Self {
        Self { status, body: body.to_string(), header: None }
    }

    pub(super) fn unauthorized(what: &str) -> Self {
        let body = format!(
            "{what}: send a token of qnt9 as the password (TF_HTTP_PASSWORD) or as a bearer token"
        );
        let header = (header::WWW_AUTHENTICATE, "Basic realm=\"qnt9\", charset=\"UTF-8\"");
        Self { header: Some(header), ..Self::text(StatusCode::UNAUTHORIZED, body) }
    }

    pub(super) fn forbidden(body: String) -> Self {
        Self::text(StatusCode::FORBIDDEN, body)
    }

    pub(super) fn bad(body: String) -> Self {
        Self::text(StatusCode::BAD_REQUEST, body)
    }

    pub(super) fn method(method: &Method, allowed: &'static str) -> Self {
        let body = format!("{method} has no meaning here: use one of {allowed}");
        let header = Some((header::ALLOW, allowed));
        Self { header, ..Self::text(StatusCode::METHOD_NOT_ALLOWED, body) }
    }

    /// Something of ours is broken; the client must not take it for an empty state.
    pub(super) fn broken(what: &str, error: &(dyn Error + 'static)) -> Self {
        tracing::error!(error, "a state cannot be served: {what}");
        let body = format!("the state cannot be served because of {what}: {error}");
        Self::text(StatusCode::INTERNAL_SERVER_ERROR, body)
    }

    pub(super) fn refusal(refusal: Refusal) -> Self {
        let status = match (&refusal, refusal.class()) {
            (Refusal::StateLocked { .. }, _) => StatusCode::LOCKED,
            (_, RefusalClass::Unknown) => StatusCode::NOT_FOUND,
            (_, RefusalClass::Forbidden) => StatusCode::FORBIDDEN,
            (_, RefusalClass::Conflict | RefusalClass::Held) => StatusCode::CONFLICT,
            (_, RefusalClass::Invalid) => StatusCode::UNPROCESSABLE_ENTITY,
            (_, RefusalClass::Unavailable) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::text(status, refusal)
    }

    /// A lock that is held is answered with its holder's lock info, which terraform shows. terraform
    /// reads a 409 as a lock info too, so that other conflicts take another status.
    pub(super) fn refusal_of_lock(refusal: Refusal) -> Self {
        if let Refusal::StateLocked { lock, holder, info, .. } = &refusal {
            let known = serde_json::from_str::<serde_json::Value>(info).ok();
            let known = known.filter(serde_json::Value::is_object);
            let info = known.unwrap_or_else(|| serde_json::json!({ "ID": lock, "Who": holder }));
            let header = Some((header::CONTENT_TYPE, "application/json"));
            return Self { header, ..Self::text(StatusCode::LOCKED, info) };
        }
        let failure = Self::refusal(refusal);
        match failure.status {
            StatusCode::CONFLICT => Self { status: StatusCode::PRECONDITION_FAILED, ..failure },
            _ => failure,
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body).into_response();
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}
