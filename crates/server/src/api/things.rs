//! Projects, secrets, notifications, evidence, the audit export and the stream of changes.

use std::convert::Infallible;
use std::io::{self, Write};

use axum::Json;
use axum::body::{Body as ResponseBody, Bytes};
use axum::extract::{Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::Stream;
use http::{StatusCode, header};
use qnt9_model::{Command, EnvironmentName, StreamId};
use qnt9_store::LogRead as _;
use serde::Deserialize;
use tokio::sync::mpsc;

use super::error::ApiError;
use super::request::{Asked, Body, Caller};
use super::shapes::{
    Change, EvidenceShape, NotificationShape, ProjectShape, SecretShape, SecretValue,
};
use super::show;
use crate::Core;

/// Pieces of an export on their way that are held at once.
const PIECES_AHEAD: usize = 16;

/// All projects the caller may see.
pub(super) async fn projects(
    State(core): State<Core>,
    caller: Caller,
) -> Result<Json<Vec<ProjectShape>>, ApiError> {
    let own = caller.0.project.as_ref();
    Ok(Json(core.read(|state| {
        let projects = state.projects.iter();
        let seen = projects.filter(|(stream, _)| own.is_none_or(|own| own == *stream));
        seen.map(|(stream, project)| show::project(stream, project)).collect()
    })))
}

/// One project.
pub(super) async fn project(
    State(core): State<Core>,
    caller: Caller,
    Path(project): Path<String>,
) -> Result<Json<ProjectShape>, ApiError> {
    caller.look(&core, &project, |_, stream, project| Ok(Json(show::project(stream, project))))
}

/// The names of the secrets.
pub(super) async fn secrets(
    State(core): State<Core>,
    caller: Caller,
    Path(project): Path<String>,
) -> Result<Json<Vec<SecretShape>>, ApiError> {
    caller.look(&core, &project, |_, _, project| {
        let secrets = project.secrets.keys().map(|(name, environment)| SecretShape {
            name: name.clone(),
            environment: environment.clone(),
        });
        Ok(Json(secrets.collect()))
    })
}

#[derive(Deserialize)]
pub(super) struct Where {
    environment: Option<EnvironmentName>,
}

/// Sets a secret.
pub(super) async fn set_secret(
    State(core): State<Core>,
    caller: Caller,
    Path((project, name)): Path<(String, String)>,
    Asked(asked): Asked<Where>,
    Body(secret): Body<SecretValue>,
) -> Result<StatusCode, ApiError> {
    let stream = caller.look(&core, &project, |_, stream, _| Ok(stream.clone()))?;
    let command = Command::SetSecret { name, environment: asked.environment, value: secret.value };
    core.ask(&stream, &caller.0.actor, command).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a secret.
pub(super) async fn remove_secret(
    State(core): State<Core>,
    caller: Caller,
    Path((project, name)): Path<(String, String)>,
    Asked(asked): Asked<Where>,
) -> Result<StatusCode, ApiError> {
    let stream = caller.look(&core, &project, |_, stream, _| Ok(stream.clone()))?;
    let command = Command::RemoveSecret { name, environment: asked.environment };
    core.ask(&stream, &caller.0.actor, command).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Notifications, newest first.
pub(super) async fn notifications(
    State(core): State<Core>,
    caller: Caller,
    Path(project): Path<String>,
) -> Result<Json<Vec<NotificationShape>>, ApiError> {
    caller.look(&core, &project, |_, _, project| {
        let all = project.notifications.iter().rev();
        Ok(Json(all.map(|(id, one)| show::notification(project, *id, one)).collect()))
    })
}

/// Evidence, newest first.
pub(super) async fn evidence(
    State(core): State<Core>,
    caller: Caller,
    Path(project): Path<String>,
) -> Result<Json<Vec<EvidenceShape>>, ApiError> {
    caller.look(&core, &project, |_, _, project| {
        Ok(Json(project.evidence.iter().rev().map(show::evidence).collect()))
    })
}

#[derive(Deserialize)]
pub(super) struct From {
    from: Option<u64>,
}

/// A stream of facts as JSON Lines, byte for byte as they were hashed. With `from`, entries before
/// it are left out, and then the export does not verify by itself.
pub(super) async fn audit(
    State(core): State<Core>,
    caller: Caller,
    Path(stream): Path<String>,
    Asked(asked): Asked<From>,
) -> Result<Response, ApiError> {
    caller.person("the audit log")?;
    let known = core.log().streams();
    let known = known.map_err(|error| ApiError::failed("the log cannot be read", &error))?;
    if !known.contains(&stream) {
        return Err(ApiError::unknown("stream", &stream, Some(known.join(", "))));
    }
    let (pieces, body) = mpsc::channel(PIECES_AHEAD);
    tokio::task::spawn_blocking(move || {
        let skip = asked.from.unwrap_or(1).saturating_sub(1);
        let mut out = io::BufWriter::new(Sink { pieces: pieces.clone(), skip });
        let written = qnt9_store::export(core.log(), &stream, &mut out).map_err(io::Error::other);
        if let Err(error) = written.and_then(|()| out.flush()) {
            // The reader sees a body that breaks off; it may also be the one who went away.
            let _ = pieces.blocking_send(Err(error));
        }
    });
    let body = ResponseBody::from_stream(futures_util::stream::unfold(body, |mut body| async {
        body.recv().await.map(|piece| (piece, body))
    }));
    Ok(([(header::CONTENT_TYPE, "application/jsonl")], body).into_response())
}

/// Hands on what is written, after the first `skip` lines.
struct Sink {
    pieces: mpsc::Sender<io::Result<Bytes>>,
    skip: u64,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while self.skip > 0 && !rest.is_empty() {
            match rest.iter().position(|byte| *byte == b'\n') {
                Some(end) => {
                    rest = &rest[end + 1..];
                    self.skip -= 1;
                }
                None => rest = &[],
            }
        }
        if !rest.is_empty() {
            let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
            self.pieces.blocking_send(Ok(Bytes::copy_from_slice(rest))).map_err(gone)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Deserialize)]
pub(super) struct After {
    after: Option<u64>,
}

/// Server-sent events: the project's sequence number whenever it has grown beyond the one last sent.
pub(super) async fn changes(
    State(core): State<Core>,
    caller: Caller,
    Path(project): Path<String>,
    Asked(asked): Asked<After>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let (stream, newest) = caller
        .look(&core, &project, |_, stream, project| Ok((stream.clone(), project.sequence)))?;
    let changed = core.changed();
    let sent = asked.after.unwrap_or(newest);
    let watch = Watch { core, stream, sent, changed };
    let events = futures_util::stream::unfold(watch, |mut watch| async {
        let change = watch.next().await?;
        let event = Event::default().json_data(change).expect("a number is plain data");
        Some((Ok(event), watch))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

struct Watch {
    core: Core,
    stream: StreamId,
    sent: u64,
    changed: tokio::sync::watch::Receiver<u64>,
}

impl Watch {
    /// The next change; `None` when the machine has stopped.
    async fn next(&mut self) -> Option<Change> {
        loop {
            self.changed.borrow_and_update();
            let sequence = self.core.read(|state| state.sequence(&self.stream));
            if sequence > self.sent {
                self.sent = sequence;
                return Some(Change { sequence });
            }
            self.changed.changed().await.ok()?;
        }
    }
}
