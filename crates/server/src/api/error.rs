//! What a caller is told when the answer is no.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use qnt9_model::Refusal;
use qnt9_model::refusal::RefusalClass;

use super::shapes::{ErrorBody, ErrorClass, ErrorShape};

const UNAUTHORIZED: &str = "this needs a valid token, sent as `Authorization: Bearer TOKEN`; a job's \
                            token is valid while its attempt runs";

/// Why a request was not carried out.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// Nobody's token, or none.
    Unauthorized,
    /// The machine said no.
    Refused(Refusal),
    /// The request itself cannot be read: status and reason.
    Malformed(StatusCode, String),
    /// Something of ours failed.
    Failed(String),
}

impl ApiError {
    /// There is no such thing; `known` says what there is.
    #[expect(clippy::needless_pass_by_value, reason = "callers give ids as they are")]
    pub(crate) fn unknown(what: &'static str, name: impl ToString, known: Option<String>) -> Self {
        Self::Refused(Refusal::Unknown { what, name: name.to_string(), known })
    }

    /// Something in the request is not acceptable.
    pub(crate) fn invalid(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Refused(Refusal::Invalid { what: what.into(), reason: reason.into() })
    }

    /// Something of ours failed; all causes in one line.
    pub(crate) fn failed(what: &str, error: &dyn std::error::Error) -> Self {
        let mut text = format!("{what}: {error}");
        let mut source = error.source();
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        Self::Failed(text)
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unauthorized => f.write_str(UNAUTHORIZED),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Malformed(_, message) | Self::Failed(message) => f.write_str(message),
        }
    }
}

/// The word and the status of a refusal's class.
const fn of_class(class: RefusalClass) -> (ErrorClass, StatusCode) {
    match class {
        RefusalClass::Unknown => (ErrorClass::Unknown, StatusCode::NOT_FOUND),
        RefusalClass::Forbidden => (ErrorClass::Forbidden, StatusCode::FORBIDDEN),
        RefusalClass::Conflict => (ErrorClass::Conflict, StatusCode::CONFLICT),
        RefusalClass::Held => (ErrorClass::Held, StatusCode::CONFLICT),
        RefusalClass::Invalid => (ErrorClass::Invalid, StatusCode::UNPROCESSABLE_ENTITY),
        RefusalClass::Unavailable => (ErrorClass::Unavailable, StatusCode::SERVICE_UNAVAILABLE),
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, class, message, why) = match self {
            Self::Unauthorized => {
                let message = UNAUTHORIZED.to_owned();
                (StatusCode::UNAUTHORIZED, ErrorClass::Unauthorized, message, None)
            }
            Self::Refused(refusal) => {
                let (class, status) = of_class(refusal.class());
                let message = refusal.to_string();
                let why = match refusal {
                    Refusal::Held { why, .. } => Some(*why),
                    _ => None,
                };
                (status, class, message, why)
            }
            Self::Malformed(status, message) => (status, ErrorClass::Invalid, message, None),
            Self::Failed(message) => {
                tracing::error!("a request failed: {message}");
                (StatusCode::INTERNAL_SERVER_ERROR, ErrorClass::Failed, message, None)
            }
        };
        let body = ErrorBody { error: ErrorShape { class, message, why } };
        let mut response = (status, Json(body)).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"qnt9\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
