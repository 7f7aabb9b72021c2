//! A receiver that stands in for a chat or a pager on a laptop, so that notifications have somewhere
//! to go. What it received lies in memory only.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{DefaultBodyLimit, State};
use axum::routing::post;
use axum::{Json, Router};
use http::StatusCode;
use serde_json::{Value, json};

use crate::machine::now;

/// Messages that are kept.
const MESSAGES_MAX: usize = 100;
/// The largest message.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

type Messages = Arc<Mutex<VecDeque<Value>>>;

/// `POST /standin/webhook` takes any JSON; `GET` lists what came, newest first.
pub(super) fn router() -> Router {
    Router::new()
        .route("/standin/webhook", post(receive).get(list))
        .layer(DefaultBodyLimit::max(MESSAGE_BYTES_MAX))
        .with_state(Messages::default())
}

async fn receive(State(messages): State<Messages>, Json(message): Json<Value>) -> StatusCode {
    let mut messages = messages.lock().unwrap_or_else(PoisonError::into_inner);
    messages.truncate(MESSAGES_MAX - 1);
    messages.push_front(json!({ "received": now(), "message": message }));
    StatusCode::NO_CONTENT
}

async fn list(State(messages): State<Messages>) -> Json<Vec<Value>> {
    let messages = messages.lock().unwrap_or_else(PoisonError::into_inner);
    Json(messages.iter().cloned().collect())
}
