//! Server-sent events: that something changed, and the lines of a running job.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::Stream;
use qnt9_console::log::{Anchors, Lines, LogLine};
use qnt9_console::paths;
use qnt9_console::time::Clock;
use qnt9_model::{AttemptId, StreamId};
use serde::Deserialize;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::mpsc;

use super::Console;
use super::guard::Caller;
use super::logs::{AttemptLog, attempt_of, shown};
use crate::Core;
use crate::machine::now;
use crate::orders::jobs;

/// Least time between two words that something changed.
const CHANGES_APART: Duration = Duration::from_millis(250);
/// How often a quiet stream shows that it is alive.
const ALIVE: Duration = Duration::from_secs(20);
/// Lines of one event.
const EVENT_LINES_MAX: usize = 500;
/// Lines that are sent at once to a browser that was away, or asks from the first line on.
const LINES_AHEAD_MAX: u64 = 5_000;
/// Events that a slow browser may be behind.
const EVENTS_AHEAD: usize = 4;

/// Says whenever the project has changed.
pub(super) async fn events(
    State(console): State<Console>,
    Path(project): Path<String>,
) -> Response {
    let stream = StreamId::from(project);
    let sequence = move |core: &Core| core.read(|state| state.sequence(&stream));
    let begin = sequence(&console.core);
    let changed = console.core.changed();
    let changes = futures_util::stream::unfold(
        (console.core, changed, begin, sequence),
        |(core, mut changed, mut seen, sequence)| async move {
            loop {
                // An error means that the machine has stopped, and with it the stream.
                changed.changed().await.ok()?;
                tokio::time::sleep(CHANGES_APART).await;
                let now = sequence(&core);
                if now != seen {
                    seen = now;
                    let event = Event::default().event("changed").data(now.to_string());
                    return Some((Ok::<_, Infallible>(event), (core, changed, seen, sequence)));
                }
            }
        },
    );
    answer(changes)
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    attempt: Option<u32>,
    after: u64,
}

/// Sends further lines of a running job as rows of HTML.
pub(super) async fn lines(
    State(console): State<Console>,
    caller: Caller,
    Path((project, run, job)): Path<(String, String, String)>,
    Query(asked): Query<Asked>,
    headers: http::HeaderMap,
) -> Response {
    drop(caller);
    // A browser that lost the connection says how far it came.
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let after = last.unwrap_or(asked.after);
    let (events, body) = mpsc::channel(EVENTS_AHEAD);
    if let Some(attempt) = attempt_of(&run, job, asked.attempt) {
        let stream = StreamId::from(project);
        let href = paths::log(&stream, &attempt, "log");
        let tail = Tail { core: console.core, stream, attempt, href, after, events };
        tokio::spawn(tail.send_all());
    }
    answer(futures_util::stream::unfold(body, |mut body| async {
        body.recv().await.map(|event| (Ok::<_, Infallible>(event), body))
    }))
}

fn answer(events: impl Stream<Item = Result<Event, Infallible>> + Send + 'static) -> Response {
    Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE)).into_response()
}

/// Sends the lines of one attempt as they come.
struct Tail {
    core: Core,
    stream: StreamId,
    attempt: AttemptId,
    href: String,
    after: u64,
    events: mpsc::Sender<Event>,
}

impl Tail {
    async fn send_all(mut self) {
        // Watched first, so that no line falls between what is there and what comes.
        while let Some((_, mut lines)) = self.core.live_jobs().watch(&self.stream, &self.attempt) {
            let log = AttemptLog::of(&self.core, &self.stream, &self.attempt);
            // Whoever was away for long gets the end; what came before is a page of its own.
            let after = self.after.max(log.total().saturating_sub(LINES_AHEAD_MAX));
            match log.in_background(move |log| log.window(after + 1, LINES_AHEAD_MAX)).await {
                Ok(there) => {
                    if !self.send(there).await {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(error, "a live log cannot be read");
                    return;
                }
            }
            match self.follow(&mut lines).await {
                Followed::Fell => {}
                Followed::Ended => break,
                Followed::Left => return,
            }
        }
        // Browsers pass over an event without data. Nobody may be there to hear it.
        let _ = self.events.send(Event::default().event("end").data("end")).await;
    }

    async fn follow(&mut self, lines: &mut Receiver<jobs::LogLine>) -> Followed {
        loop {
            let mut batch = match lines.recv().await {
                Ok(line) => vec![shown(line)],
                Err(RecvError::Lagged(_)) => return Followed::Fell,
                Err(RecvError::Closed) => return Followed::Ended,
            };
            while batch.len() < EVENT_LINES_MAX {
                match lines.try_recv() {
                    Ok(line) => batch.push(shown(line)),
                    Err(TryRecvError::Lagged(_)) => return Followed::Fell,
                    Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                }
            }
            if !self.send(batch).await {
                return Followed::Left;
            }
        }
    }

    /// Sends the lines that have not been sent; whether the browser is still there.
    async fn send(&mut self, lines: Vec<LogLine>) -> bool {
        let fresh: Vec<LogLine> =
            lines.into_iter().filter(|line| line.number > self.after).collect();
        for part in fresh.chunks(EVENT_LINES_MAX) {
            let clock = Clock::utc(now());
            let rows =
                Lines { clock: &clock, href: &self.href, mark: None, anchors: Anchors::Here }
                    .rows(part);
            let last = part.last().map_or(self.after, |line| line.number);
            let event =
                Event::default().event("lines").id(last.to_string()).data(rows.into_string());
            if self.events.send(event).await.is_err() {
                return false;
            }
            self.after = last;
        }
        true
    }
}

/// How following came to a stop.
enum Followed {
    /// Too many lines came at once: read again from where it stopped.
    Fell,
    /// The job has ended.
    Ended,
    /// The browser is gone.
    Left,
}
