//! Files that jobs keep for later jobs and for people.
//!
//! An artifact is one gzipped tar archive under a name. It is stored as it comes, without being
//! unpacked here, as a blob named by its digest; the fact that it was kept names the blob.

use std::io::{self, Read};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, StatusCode, header};
use qnt9_model::door::Identity;
use qnt9_model::{Actor, Ask, AttemptId, Command, Door, Millis, RunId, StreamId};
use qnt9_store::{BlobError, Blobs, Digest};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;

use crate::access::{Failure, check_project, require};

/// The largest artifact that is taken.
pub const ARTIFACT_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// Days that an artifact is kept unless its job says otherwise.
pub const RETENTION_DAYS: u32 = 30;
/// As on GitHub.
const RETENTION_DAYS_MAX: u32 = 90;
const NAME_BYTES_MAX: usize = 256;
const CHUNK_BYTES: usize = 64 * 1024;
const CHUNKS_AHEAD: usize = 8;

/// Knows the artifacts of every run.
pub trait ArtifactIndex: Send + Sync + 'static {
    /// Those of a run that were not removed; `None` when there is no such run.
    fn artifacts(&self, project: &StreamId, run: RunId) -> Option<Vec<Artifact>>;
}

/// A kept artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Its name, once in its run.
    pub name: String,
    /// Which attempt kept it.
    pub attempt: AttemptId,
    /// The blob.
    pub blob: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// When it may be removed.
    pub expires: Millis,
}

/// Serves `/api/v1/runs/{run}/artifacts`.
#[derive(Clone)]
pub struct ArtifactServer {
    door: Arc<dyn Door>,
    index: Arc<dyn ArtifactIndex>,
    blobs: Blobs,
}

#[derive(Deserialize)]
struct Options {
    /// Which project's run; a job's token says so itself.
    project: Option<String>,
    retention_days: Option<u32>,
    /// Whether an artifact of the same name may be replaced.
    #[serde(default)]
    overwrite: bool,
}

impl ArtifactServer {
    /// Serves what `index` knows and `blobs` holds.
    #[must_use]
    pub fn new(door: Arc<dyn Door>, index: Arc<dyn ArtifactIndex>, blobs: Blobs) -> Self {
        Self { door, index, blobs }
    }

    /// `GET` lists; `GET` and `PUT` of a name load and keep one. People say `?project=NAME`; a job
    /// may say `?retention_days=N` and `overwrite=true` when it keeps one.
    pub fn router(self) -> Router {
        Router::new()
            .route("/api/v1/runs/{run}/artifacts", get(list))
            .route("/api/v1/runs/{run}/artifacts/{name}", get(load).put(keep))
            .with_state(self)
    }

    fn admit(
        &self,
        headers: &HeaderMap,
        options: &Options,
    ) -> Result<(StreamId, Identity), Failure> {
        let identity = require(&*self.door, headers)?;
        let named = options.project.clone().map(StreamId);
        let project = named.or_else(|| identity.project.clone()).ok_or_else(|| {
            Failure::bad("which project's run is meant? Say so with `?project=NAME`")
        })?;
        check_project(&*self.door, Some(&identity), &project)?;
        Ok((project, identity))
    }

    fn artifacts(&self, project: &StreamId, run: RunId) -> Result<Vec<Artifact>, Failure> {
        let known = self.index.artifacts(project, run);
        known.ok_or_else(|| Failure::new(StatusCode::NOT_FOUND, format!("there is no run {run}")))
    }
}

async fn list(
    State(server): State<ArtifactServer>,
    Path(run): Path<u64>,
    Query(options): Query<Options>,
    headers: HeaderMap,
) -> Result<Json<Value>, Failure> {
    let (project, _) = server.admit(&headers, &options)?;
    let show = |artifact: Artifact| {
        json!({
            "id": id(RunId(run), &artifact.name),
            "name": artifact.name,
            "job": artifact.attempt.job,
            "digest": format!("sha256:{}", artifact.blob),
            "bytes": artifact.bytes,
            "expires": artifact.expires.0,
        })
    };
    let artifacts = server.artifacts(&project, RunId(run))?;
    Ok(Json(artifacts.into_iter().map(show).collect()))
}

async fn load(
    State(server): State<ArtifactServer>,
    Path((run, name)): Path<(u64, String)>,
    Query(options): Query<Options>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let (project, _) = server.admit(&headers, &options)?;
    let artifacts = server.artifacts(&project, RunId(run))?;
    let Some(artifact) = artifacts.iter().find(|artifact| artifact.name == name) else {
        let there_is: Vec<&str> = artifacts.iter().map(|one| one.name.as_str()).collect();
        let there_is = if there_is.is_empty() { "none".to_owned() } else { there_is.join(", ") };
        let text = format!("run {run} has no artifact `{name}` (there is: {there_is})");
        return Err(Failure::new(StatusCode::NOT_FOUND, text));
    };
    let digest: Digest = artifact
        .blob
        .parse()
        .map_err(|error| Failure::broken("an artifact's fact names no blob", &error))?;
    let blobs = server.blobs.clone();
    // Verified to its end before the first byte goes out.
    let opened = tokio::task::spawn_blocking(move || {
        blobs.verify(&digest)?;
        blobs.open_file(&digest)
    });
    let opened = opened.await.map_err(|error| Failure::broken("an artifact's blob", &error))?;
    let file = opened.map_err(|error| match error {
        BlobError::Missing { .. } => {
            let text = format!("the artifact `{name}` of run {run} was removed after its time");
            Failure::new(StatusCode::GONE, text)
        }
        other => Failure::broken("an artifact's blob", &other),
    })?;
    let headers = [
        (header::CONTENT_TYPE, "application/gzip".to_owned()),
        (header::CONTENT_LENGTH, artifact.bytes.to_string()),
    ];
    Ok((headers, Body::from_stream(chunks(file))).into_response())
}

fn chunks(file: std::fs::File) -> impl stream::Stream<Item = io::Result<Bytes>> {
    let file = tokio::fs::File::from_std(file);
    Box::pin(stream::unfold(Some(file), async |file| {
        let mut file = file?;
        let mut chunk = vec![0; CHUNK_BYTES];
        match file.read(&mut chunk).await {
            Ok(0) => None,
            Ok(count) => {
                chunk.truncate(count);
                Some((Ok(Bytes::from(chunk)), Some(file)))
            }
            Err(error) => Some((Err(error), None)),
        }
    }))
}

async fn keep(
    State(server): State<ArtifactServer>,
    Path((run, name)): Path<(u64, String)>,
    Query(options): Query<Options>,
    request: Request,
) -> Result<Response, Failure> {
    let (project, identity) = server.admit(request.headers(), &options)?;
    let attempt = match &identity.actor {
        Actor::Job(attempt) if attempt.run == RunId(run) => attempt.clone(),
        other => {
            let text = format!("{other} cannot keep an artifact of run {run}: only its jobs do");
            return Err(Failure::new(StatusCode::FORBIDDEN, text));
        }
    };
    check_name(&name)?;
    let retention_days = options.retention_days.unwrap_or(RETENTION_DAYS);
    if !(1..=RETENTION_DAYS_MAX).contains(&retention_days) {
        let text =
            format!("an artifact is kept for 1 to {RETENTION_DAYS_MAX} days, not {retention_days}");
        return Err(Failure::bad(text));
    }
    let (blob, bytes) = store(server.blobs.clone(), request.into_body()).await?;
    let blob = blob.to_string();
    // Asked only now, because a client that is still sending does not read answers.
    let there = server.artifacts(&project, attempt.run)?.into_iter().find(|one| one.name == name);
    if let Some(there) = there.filter(|_| !options.overwrite)
        && !may_replace(&there, &attempt, &blob)
    {
        let text = format!(
            "run {run} has an artifact `{name}` already, of job {}: give this one another name, or set `overwrite: true`",
            there.attempt.job
        );
        return Err(Failure::new(StatusCode::CONFLICT, text));
    }
    let command = Command::KeepArtifact {
        attempt,
        name: name.clone(),
        blob: blob.clone(),
        bytes,
        retention_days,
    };
    let ask = Ask { stream: project, by: identity.actor, command };
    // Another artifact may have the same content, so the blob of a refused one stays.
    server.door.ask(ask).await.map_err(|refusal| Failure::refusal(&refusal))?;
    let id = id(RunId(run), &name);
    let kept =
        json!({ "id": id, "name": name, "digest": format!("sha256:{blob}"), "bytes": bytes });
    Ok((StatusCode::CREATED, Json(kept)).into_response())
}

/// The same upload sent again, or by a later attempt of the same job.
fn may_replace(there: &Artifact, attempt: &AttemptId, blob: &str) -> bool {
    let same_job = there.attempt.job == attempt.job;
    same_job && (there.attempt.attempt < attempt.attempt || there.blob == blob)
}

/// A number for clients that want one: the same for the same name in the same run, and small enough
/// for JavaScript.
fn id(run: RunId, name: &str) -> u64 {
    let digest = Digest::of(format!("{run}/{name}").as_bytes());
    digest.as_bytes()[..6].iter().fold(0, |id, byte| id << 8 | u64::from(*byte))
}

/// GitHub's rule, so that names are the same there and here.
fn check_name(name: &str) -> Result<(), Failure> {
    const NOT_ALLOWED: &str = "\":<>|*?\r\n\\/";
    let bad = |c: char| NOT_ALLOWED.contains(c) || c.is_control();
    let is_folder = matches!(name, "." | "..");
    if name.is_empty() || is_folder || name.len() > NAME_BYTES_MAX || name.contains(bad) {
        let text = format!(
            "`{}` cannot be the name of an artifact: 1 to {NAME_BYTES_MAX} bytes, without \" : < > | * ? \\ / and line ends",
            name.escape_debug()
        );
        return Err(Failure::bad(text));
    }
    Ok(())
}

/// Streams the body into a blob; a body that is cut off leaves none.
async fn store(blobs: Blobs, body: Body) -> Result<(Digest, u64), Failure> {
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    let mut reader = ChunkReader { receiver, chunk: Bytes::new(), ended: false };
    let writing = tokio::task::spawn_blocking(move || blobs.put_from(&mut reader));
    let mut chunks = body.into_data_stream();
    let mut left = ARTIFACT_BYTES_MAX;
    loop {
        let piece = match chunks.next().await {
            None => Piece::End,
            Some(Err(error)) => Piece::CutOff(error.to_string()),
            Some(Ok(chunk)) => match left.checked_sub(chunk.len() as u64) {
                Some(rest) => {
                    left = rest;
                    Piece::Chunk(chunk)
                }
                None => Piece::CutOff(format!("it is larger than {ARTIFACT_BYTES_MAX} bytes")),
            },
        };
        let last = !matches!(piece, Piece::Chunk(_));
        // When the writer is gone, its error below says why.
        if sender.send(piece).await.is_err() || last {
            break;
        }
    }
    drop(sender);
    let written = writing.await.map_err(|error| Failure::broken("storing an artifact", &error))?;
    written.map_err(|error| match error {
        BlobError::Source(source) => Failure::bad(format!("the artifact was not kept: {source}")),
        BlobError::Full { .. } => Failure::new(StatusCode::INSUFFICIENT_STORAGE, &error),
        other => Failure::broken("an artifact's blob", &other),
    })
}

enum Piece {
    Chunk(Bytes),
    CutOff(String),
    End,
}

/// Reads in a thread that may block what arrives in a task that may not.
struct ChunkReader {
    receiver: mpsc::Receiver<Piece>,
    chunk: Bytes,
    ended: bool,
}

impl Read for ChunkReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() && !self.ended {
            match self.receiver.blocking_recv() {
                Some(Piece::Chunk(chunk)) => self.chunk = chunk,
                Some(Piece::End) => self.ended = true,
                Some(Piece::CutOff(why)) => return Err(io::Error::other(why)),
                None => return Err(io::Error::other("the upload was given up")),
            }
        }
        let count = buffer.len().min(self.chunk.len());
        buffer[..count].copy_from_slice(&self.chunk.split_to(count));
        Ok(count)
    }
}
