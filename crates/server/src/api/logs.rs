//! A job's log: sealed lines from blobs, further ones as they come.

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, header};
use qnt9_engine::state::{LegPhase, Project};
use qnt9_model::{AttemptId, JobKey, Millis, RunId, StreamId};
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;

use super::error::ApiError;
use super::request::{Asked, Caller};
use super::runs::{find, leg_key};
use super::shapes;
use crate::Core;
use crate::orders::jobs::LogLine;

/// Lines on their way to a reader that are held at once, in pieces.
const PIECES_AHEAD: usize = 16;
/// The content type of lines with number, step and time.
const JSON_LINES: &str = "application/jsonl";

#[derive(Deserialize)]
pub(super) struct Which {
    /// Without one, the last attempt; while following, also those still to come.
    attempt: Option<u32>,
    /// The first line wanted, from 1.
    from: Option<u64>,
    /// `1`: go on until the job ends.
    follow: Option<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Text,
    JsonLines,
}

/// The log as plain text, or with `Accept: application/jsonl` as one JSON object per line.
pub(super) async fn log(
    State(core): State<Core>,
    caller: Caller,
    Path((project, run, job)): Path<(String, String, String)>,
    Asked(which): Asked<Which>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (stream, run, job) = caller.look(&core, &project, |_, stream, project| {
        let run = find(project, &run)?;
        let job = leg_key(run, &job)?;
        let attempts = run.legs[&job].attempts.len();
        if let Some(attempt) = which.attempt
            && (attempt == 0 || attempt as usize > attempts)
        {
            let known = format!("{attempts} of job {job}");
            return Err(ApiError::unknown("attempt", attempt, Some(known)));
        }
        Ok((stream.clone(), run.id, job))
    })?;
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let json = accept.is_some_and(|accept| accept.contains(JSON_LINES));
    let format = if json { Format::JsonLines } else { Format::Text };
    let (pieces, body) = mpsc::channel(PIECES_AHEAD);
    let reader = Reader {
        core,
        stream,
        run,
        job,
        attempt: which.attempt,
        reading: None,
        next: which.from.unwrap_or(1).max(1),
        format,
        pieces,
    };
    let follow = which.follow.is_some_and(|follow| follow > 0);
    tokio::spawn(async move {
        if let Err(Gone) = reader.read(follow).await {
            tracing::debug!("a reader of a log went away");
        }
    });
    let body = Body::from_stream(futures_util::stream::unfold(body, |mut body| async {
        body.recv().await.map(|piece| (piece, body))
    }));
    let kind = if json { JSON_LINES } else { "text/plain; charset=utf-8" };
    Ok(([(header::CONTENT_TYPE, kind)], body).into_response())
}

type Piece = Result<Bytes, std::io::Error>;

/// Whoever reads is gone, or was told that the log cannot be read.
struct Gone;

struct Reader {
    core: Core,
    stream: StreamId,
    run: RunId,
    job: JobKey,
    attempt: Option<u32>,
    /// The attempt whose lines were sent last.
    reading: Option<u32>,
    next: u64,
    format: Format,
    pieces: mpsc::Sender<Piece>,
}

/// What of an attempt is in the log of facts.
struct Sealed {
    attempt: AttemptId,
    chunks: Vec<(u64, String)>,
    over: bool,
}

impl Reader {
    async fn read(mut self, follow: bool) -> Result<(), Gone> {
        let mut changed = self.core.changed();
        loop {
            // Marked as seen before the state is read, so that no change is missed.
            changed.borrow_and_update();
            let over = match self.sealed() {
                Some(sealed) => {
                    self.begin(sealed.attempt.attempt);
                    self.attempt(&sealed.attempt, follow).await?
                }
                None => self.job_is_over(),
            };
            if over || !follow || changed.changed().await.is_err() {
                return Ok(());
            }
        }
    }

    /// Turns to an attempt. The lines of a further one are counted from 1 again.
    fn begin(&mut self, attempt: u32) {
        if self.reading.is_some_and(|reading| reading != attempt) {
            self.next = 1;
        }
        self.reading = Some(attempt);
    }

    /// Sends what there is of the attempt, and while it runs what comes; whether it is over.
    async fn attempt(&mut self, id: &AttemptId, follow: bool) -> Result<bool, Gone> {
        // Watched first and the state read then: a line is in one of them at least.
        let live = self.core.live_jobs().watch(&self.stream, id);
        let Some(sealed) = self.sealed().filter(|sealed| sealed.attempt == *id) else {
            return Ok(false);
        };
        for (lines_end, blob) in sealed.chunks {
            if lines_end > self.next {
                let lines = self.open(blob).await?;
                self.send(lines).await?;
            }
        }
        let Some((live, mut lines)) = live else { return Ok(sealed.over) };
        self.send(live.pending).await?;
        if !follow {
            return Ok(sealed.over);
        }
        loop {
            match lines.recv().await {
                Ok(line) => self.send(vec![line]).await?,
                // Too slow: what was missed is read from the start again.
                Err(RecvError::Lagged(_)) => return Ok(false),
                Err(RecvError::Closed) => return Ok(sealed.over),
            }
        }
    }

    fn sealed(&self) -> Option<Sealed> {
        self.core.read(|state| {
            let leg = self.leg(state.projects.get(&self.stream)?)?;
            let attempt = match self.attempt {
                Some(number) => leg.attempts.iter().find(|attempt| attempt.number == number)?,
                None => leg.attempts.last()?,
            };
            let chunks = attempt.log.iter();
            Some(Sealed {
                attempt: AttemptId {
                    run: self.run,
                    job: self.job.clone(),
                    attempt: attempt.number,
                },
                chunks: chunks
                    .map(|chunk| (chunk.first_line + chunk.lines, chunk.blob.clone()))
                    .collect(),
                // A lost attempt may be followed by another one.
                over: attempt.finished.is_some()
                    && (self.attempt.is_some() || matches!(leg.phase, LegPhase::Done(..))),
            })
        })
    }

    fn leg<'a>(&self, project: &'a Project) -> Option<&'a qnt9_engine::state::LegState> {
        project.runs.get(&self.run)?.legs.get(&self.job)
    }

    fn job_is_over(&self) -> bool {
        self.core.read(|state| {
            let leg = state.projects.get(&self.stream).and_then(|project| self.leg(project));
            leg.is_none_or(|leg| matches!(leg.phase, LegPhase::Done(..)))
        })
    }

    /// The lines of a sealed blob.
    async fn open(&self, blob: String) -> Result<Vec<LogLine>, Gone> {
        let core = self.core.clone();
        let opened = tokio::task::spawn_blocking(move || -> Result<Vec<LogLine>, String> {
            let digest = blob.parse().map_err(|error| format!("blob {blob}: {error}"))?;
            let content = core.blobs().get_sealed(core.log_key(), &digest);
            let content = content.map_err(|error| error.to_string())?;
            let lines = content.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            let lines = lines.map(serde_json::from_slice);
            lines.collect::<Result<_, _>>().map_err(|error| format!("blob {blob}: {error}"))
        });
        let problem = match opened.await {
            Ok(Ok(lines)) => return Ok(lines),
            Ok(Err(problem)) => problem,
            Err(error) => error.to_string(),
        };
        tracing::error!("a log cannot be read: {problem}");
        // The reader sees a body that breaks off, not one that ends as if it were whole.
        let _ = self.pieces.send(Err(std::io::Error::other(problem))).await;
        Err(Gone)
    }

    async fn send(&mut self, lines: Vec<LogLine>) -> Result<(), Gone> {
        let mut piece = Vec::new();
        let from = self.next;
        for line in lines.into_iter().filter(|line| line.line >= from) {
            self.next = line.line + 1;
            match self.format {
                Format::Text => piece.extend_from_slice(line.text.as_bytes()),
                Format::JsonLines => {
                    let line = shapes::LogLine {
                        line: line.line,
                        step: line.step,
                        time: Millis(line.at),
                        text: line.text,
                    };
                    let json = serde_json::to_vec(&line).expect("a line is plain data");
                    piece.extend_from_slice(&json);
                }
            }
            piece.push(b'\n');
        }
        if piece.is_empty() {
            return Ok(());
        }
        self.pieces.send(Ok(Bytes::from(piece))).await.map_err(|_| Gone)
    }
}
