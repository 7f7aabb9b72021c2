//! What a check that was asked about a waiting job answers.

use axum::extract::{Path, State};
use http::{HeaderMap, StatusCode, header};
use qnt9_model::{CheckId, Command, StreamId};

use super::error::ApiError;
use super::request::Body;
use super::shapes::CheckAnswer;
use crate::Core;

/// The longest reason that is kept.
const REASON_CHARS_MAX: usize = 2000;

/// Takes the answer of the check whose token came with it. The same answer again changes nothing.
pub(super) async fn answer(
    State(core): State<Core>,
    headers: HeaderMap,
    Path((project, check)): Path<(String, String)>,
    Body(answer): Body<CheckAnswer>,
) -> Result<StatusCode, ApiError> {
    let (stream, id) = caller(&core, &headers)?;
    // A token is good for its own check only, whatever the address says.
    if stream != StreamId::from(project) || check.parse() != Ok(id) {
        return Err(ApiError::Unauthorized);
    }
    let reason = answer.reason.trim().chars().take(REASON_CHARS_MAX).collect();
    core.tell(&stream, Command::AnswerCheck { check: id, passed: answer.passed, reason }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The check that a token was given to.
fn caller(core: &Core, headers: &HeaderMap) -> Result<(StreamId, CheckId), ApiError> {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (scheme, token) = value.and_then(|value| value.split_once(' ')).unwrap_or_default();
    let found = core.check_of_token(token.trim());
    found.filter(|_| scheme.eq_ignore_ascii_case("bearer")).ok_or(ApiError::Unauthorized)
}
