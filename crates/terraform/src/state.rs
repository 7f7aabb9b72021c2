//! The server side of terraform's `http` backend.
//!
//! Source of the protocol: terraform 1.11, `internal/backend/remote-state/http/client.go`, and the
//! documentation of the `http` backend. The client takes 404 for "no state yet" and would plan
//! everything anew, so that a wrong project is never answered with 404 here.
//!
//! A write stores the sealed blob first and then asks for the fact; the answer goes out once the
//! fact is durable. A crash in between leaves a blob that nothing names.

mod access;
mod answer;
mod history;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, Method, StatusCode, header};
use md5::{Digest as _, Md5};
use qnt9_model::{Actor, Ask, Command, Door, Fact, Refusal, StreamId};
use qnt9_store::key::SealKey;
use qnt9_store::{BlobError, Blobs, Digest};
use serde::Deserialize;

use self::answer::Failure;

/// The largest state that is taken.
pub const STATE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The largest lock info that is taken; terraform's has some 300 bytes.
const LOCK_INFO_BYTES_MAX: usize = 16 * 1024;
const WORKSPACE_NAME_BYTES_MAX: usize = 90;
const CONTENT_MD5: &str = "content-md5";

/// Serves the states of all projects.
#[derive(Clone)]
pub struct StateServer {
    door: Arc<dyn Door>,
    blobs: Blobs,
    key: SealKey,
}

/// One state, and who asks for it.
pub(crate) struct Subject {
    pub(crate) project: StreamId,
    pub(crate) workspace: String,
    pub(crate) actor: Actor,
}

/// `?ID=` names the lock under which a write is made.
#[derive(Deserialize)]
struct UnderLock {
    #[serde(rename = "ID")]
    id: Option<String>,
}

/// What of a state file matters here.
#[derive(Deserialize)]
struct Head {
    serial: u64,
    lineage: String,
}

/// What of a lock info matters here.
#[derive(Deserialize)]
struct LockInfo {
    #[serde(rename = "ID")]
    id: String,
}

impl StateServer {
    /// Serves what the door knows and `blobs` holds; `key` opens and seals the states.
    #[must_use]
    pub fn new(door: Arc<dyn Door>, blobs: Blobs, key: SealKey) -> Self {
        Self { door, blobs, key }
    }

    /// The routes, all below `/api/terraform/{project}/state/{workspace}`.
    pub fn router(self) -> Router {
        const STATE: &str = "/api/terraform/{project}/state/{workspace}";
        Router::new()
            .route(STATE, any(on_state))
            .route(&format!("{STATE}/lock"), any(on_lock))
            .route(&format!("{STATE}/versions"), get(history::versions))
            .route(&format!("{STATE}/versions/{{serial}}"), get(history::version))
            .layer(DefaultBodyLimit::max(STATE_BYTES_MAX))
            .with_state(self)
    }

    /// Asks for a command on the subject.
    async fn ask(&self, subject: &Subject, command: Command) -> Result<Vec<Fact>, Refusal> {
        let ask = Ask { stream: subject.project.clone(), by: subject.actor.clone(), command };
        let entries = self.door.ask(ask).await?;
        Ok(entries.into_iter().map(|entry| entry.fact).collect())
    }

    /// The bytes of a state, from its sealed blob.
    async fn open(&self, blob: &str) -> Result<Vec<u8>, Failure> {
        let digest: Digest = blob.parse().map_err(|error| Failure::broken("its fact", &error))?;
        let Self { blobs, key, .. } = self.clone();
        let opened = tokio::task::spawn_blocking(move || blobs.get_sealed(&key, &digest)).await;
        let opened = opened.map_err(|error| Failure::broken("reading its blob", &error))?;
        opened.map_err(|error| Failure::broken("its blob", &error))
    }

    async fn seal(&self, state: Bytes) -> Result<Digest, Failure> {
        let Self { blobs, key, .. } = self.clone();
        let sealed = tokio::task::spawn_blocking(move || blobs.put_sealed(&key, &state)).await;
        let sealed = sealed.map_err(|error| Failure::broken("writing its blob", &error))?;
        sealed.map_err(|error| match error {
            BlobError::Full { .. } => Failure::text(StatusCode::INSUFFICIENT_STORAGE, &error),
            other => Failure::broken("its blob", &other),
        })
    }

    /// Removes a blob that no fact names.
    async fn discard(&self, blob: Digest) {
        let blobs = self.blobs.clone();
        let deleted = tokio::task::spawn_blocking(move || blobs.delete(&blob)).await;
        if !matches!(deleted, Ok(Ok(_))) {
            tracing::warn!(%blob, "the blob of a refused state stays behind");
        }
    }
}

type Place = Path<(String, String)>;

async fn on_state(
    State(server): State<StateServer>,
    Path((project, workspace)): Place,
    Query(under): Query<UnderLock>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Failure> {
    let subject = server.admit(&headers, project, workspace)?;
    match method.as_str() {
        "GET" | "HEAD" => read(&server, &subject).await,
        "POST" | "PUT" => write(&server, &subject, under, &headers, body).await,
        "DELETE" => delete(&server, &subject, under).await,
        "LOCK" => lock(&server, &subject, &body).await,
        "UNLOCK" => unlock(&server, &subject, &body).await,
        _ => Err(Failure::method(&method, "GET, POST, DELETE, LOCK, UNLOCK")),
    }
}

async fn on_lock(
    State(server): State<StateServer>,
    Path((project, workspace)): Place,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Failure> {
    let subject = server.admit(&headers, project, workspace)?;
    match method.as_str() {
        "LOCK" | "POST" | "PUT" => lock(&server, &subject, &body).await,
        "UNLOCK" | "DELETE" => unlock(&server, &subject, &body).await,
        _ => Err(Failure::method(&method, "LOCK, UNLOCK")),
    }
}

async fn read(server: &StateServer, subject: &Subject) -> Result<Response, Failure> {
    let workspace = server.door.workspace(&subject.project, &subject.workspace);
    let Some(current) = workspace.and_then(|workspace| workspace.current) else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let state = server.open(&current.blob).await?;
    Ok(as_json(state))
}

/// A state as the body of an answer, with the digest that the client checks.
pub(crate) fn as_json(state: Vec<u8>) -> Response {
    let md5 = BASE64.encode(Md5::digest(&state));
    let json = "application/json".to_owned();
    ([(header::CONTENT_TYPE.as_str(), json), (CONTENT_MD5, md5)], state).into_response()
}

async fn write(
    server: &StateServer,
    subject: &Subject,
    under: UnderLock,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Response, Failure> {
    let md5 = Md5::digest(&body);
    check_md5(headers, &md5)?;
    let head: Head = serde_json::from_slice(&body).map_err(|error| {
        Failure::bad(format!("this is not a state file with `serial` and `lineage`: {error}"))
    })?;
    let bytes = body.len() as u64;
    let blob = server.seal(body).await?;
    let command = Command::WriteState {
        workspace: subject.workspace.clone(),
        lock: under.id,
        serial: head.serial,
        lineage: head.lineage,
        md5: hex::encode(md5),
        blob: blob.to_string(),
        bytes,
    };
    let answer = server.ask(subject, command).await;
    // When the log could not be written, the fact may be there after all: the blob must stay.
    let named = match &answer {
        Ok(facts) => facts.iter().any(|fact| names(fact, blob)),
        Err(refusal) => matches!(refusal, Refusal::Unavailable { .. }),
    };
    if !named {
        server.discard(blob).await;
    }
    answer.map(|_| StatusCode::OK.into_response()).map_err(Failure::refusal)
}

fn names(fact: &Fact, blob: Digest) -> bool {
    matches!(fact, Fact::StateWritten { blob: named, .. } if *named == blob.to_string())
}

fn check_md5(headers: &HeaderMap, found: &[u8]) -> Result<(), Failure> {
    let Some(declared) = headers.get(CONTENT_MD5) else { return Ok(()) };
    let declared = declared.to_str().ok().and_then(|text| BASE64.decode(text).ok());
    if declared.as_deref() == Some(found) {
        return Ok(());
    }
    Err(Failure::bad("the state does not have the Content-MD5 it came with: send it again".into()))
}

async fn delete(
    server: &StateServer,
    subject: &Subject,
    under: UnderLock,
) -> Result<Response, Failure> {
    let command = Command::DeleteState { workspace: subject.workspace.clone(), lock: under.id };
    server.ask(subject, command).await.map_err(Failure::refusal)?;
    Ok(StatusCode::OK.into_response())
}

async fn lock(server: &StateServer, subject: &Subject, body: &[u8]) -> Result<Response, Failure> {
    let info = read_lock_info(body)?;
    let command = Command::LockState {
        workspace: subject.workspace.clone(),
        lock: info.id,
        info: String::from_utf8_lossy(body).into_owned(),
    };
    server.ask(subject, command).await.map_err(Failure::refusal_of_lock)?;
    Ok(StatusCode::OK.into_response())
}

/// `terraform force-unlock` sends no lock info.
async fn unlock(server: &StateServer, subject: &Subject, body: &[u8]) -> Result<Response, Failure> {
    let lock = if body.is_empty() { None } else { Some(read_lock_info(body)?.id) };
    let command = Command::UnlockState { workspace: subject.workspace.clone(), lock };
    server.ask(subject, command).await.map_err(Failure::refusal_of_lock)?;
    Ok(StatusCode::OK.into_response())
}

fn read_lock_info(body: &[u8]) -> Result<LockInfo, Failure> {
    if body.len() > LOCK_INFO_BYTES_MAX {
        let bytes = body.len();
        let text = format!("the lock info has {bytes} bytes, more than {LOCK_INFO_BYTES_MAX}");
        return Err(Failure::bad(text));
    }
    let info: LockInfo = serde_json::from_slice(body)
        .map_err(|error| Failure::bad(format!("this is not a lock info with `ID`: {error}")))?;
    if info.id.is_empty() {
        return Err(Failure::bad("the lock info has an empty `ID`".into()));
    }
    Ok(info)
}
