//! Logs of any length: windows, the lines of a step, searches. Sealed chunks are read where they are
//! needed and never all at once; the lines that are not sealed yet come from whoever follows the job.

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use qnt9_console::log::{
    HITS_MAX, LogLine, STEP_LINES_MAX, WINDOW_LINES, find, find_ascii, window_of,
};
use qnt9_console::pages::{self, JobLog, Search};
use qnt9_engine::state::LogChunk;
use qnt9_model::fact::Outcome;
use qnt9_model::{AttemptId, JobKey, Millis, RunId, StreamId};
use serde::Deserialize;

use super::guard::Caller;
use super::{Console, look};
use crate::Core;
use crate::orders::jobs;

/// The log of one attempt: what is sealed and what is not yet.
#[derive(Clone)]
pub(super) struct AttemptLog {
    core: Core,
    chunks: Vec<LogChunk>,
    pending: Vec<LogLine>,
    result: Option<Outcome>,
    step_failed: bool,
    is_lost: bool,
}

impl AttemptLog {
    /// As it is now. The lines that are not sealed are looked at first: one that is sealed in
    /// between is then in both and counted once.
    pub(super) fn of(core: &Core, stream: &StreamId, id: &AttemptId) -> Self {
        let live = core.live_jobs().watch(stream, id).map(|(live, _)| live.pending);
        let attempt = core.read(|state| {
            let leg = state.projects.get(stream)?.runs.get(&id.run)?.legs.get(&id.job)?;
            leg.attempts.iter().find(|attempt| attempt.number == id.attempt).cloned()
        });
        let failed = |step: &qnt9_engine::state::StepState| step.conclusion == Outcome::Failure;
        let step_failed = attempt.iter().flat_map(|attempt| attempt.steps.values()).any(failed);
        let result = attempt.as_ref().and_then(|attempt| attempt.result);
        let is_lost = attempt.as_ref().is_some_and(|attempt| attempt.finished.is_some());
        let is_lost = is_lost && result.is_none();
        let chunks = attempt.map(|attempt| attempt.log).unwrap_or_default();
        let sealed = chunks.last().map_or(0, |last| last.first_line + last.lines - 1);
        let pending = live.unwrap_or_default().into_iter().map(shown);
        let pending = pending.filter(|line| line.number > sealed).collect();
        Self { core: core.clone(), chunks, pending, result, step_failed, is_lost }
    }

    #[cfg(test)]
    pub(super) fn made_up(core: &Core, chunks: Vec<LogChunk>, pending: Vec<LogLine>) -> Self {
        let (result, step_failed, is_lost) = (None, false, false);
        Self { core: core.clone(), chunks, pending, result, step_failed, is_lost }
    }

    /// Whether the job failed or was lost and no step says how: then the end of its log is worth
    /// showing.
    pub(super) fn is_unexplained(&self) -> bool {
        (self.is_lost || self.result == Some(Outcome::Failure)) && !self.step_failed
    }

    /// How many lines there are.
    pub(super) fn total(&self) -> u64 {
        let sealed = self.chunks.last().map_or(0, |last| last.first_line + last.lines - 1);
        self.pending.last().map_or(sealed, |line| line.number)
    }

    /// Does what reads blobs where it does not hold others up.
    pub(super) async fn in_background<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        let log = self.clone();
        let work = tokio::task::spawn_blocking(move || work(&log));
        work.await.map_err(|error| format!("reading it was cut short: {error}"))?
    }

    /// Up to `count` lines from the line `from` on.
    pub(super) fn window(&self, from: u64, count: u64) -> Result<Vec<LogLine>, String> {
        let until = from.saturating_add(count);
        let mut lines = Vec::new();
        for chunk in &self.chunks {
            if chunk.first_line < until && chunk.first_line + chunk.lines > from {
                lines.extend(self.open(chunk)?);
            }
        }
        lines.extend(self.pending.iter().cloned());
        lines.retain(|line| (from..until).contains(&line.number));
        Ok(lines)
    }

    /// The last lines.
    pub(super) fn last(&self, count: usize) -> Result<Vec<LogLine>, String> {
        let from = self.total().saturating_sub(count as u64) + 1;
        self.window(from, count as u64)
    }

    /// The last lines of a step, at most `max`. Steps run one after the other, so the chunks are
    /// searched as a sorted list and only few of them opened.
    pub(super) fn step(&self, step: u32, max: usize) -> Result<Vec<LogLine>, String> {
        let is_of_step = |line: &&LogLine| line.step == Some(step);
        let mut lines: Vec<LogLine> = self.pending.iter().filter(is_of_step).cloned().collect();
        let mut at = self.first_chunk_after(step)?;
        while at > 0 && lines.len() < max {
            at -= 1;
            let chunk = self.open(&self.chunks[at])?;
            let begins_before =
                chunk.iter().find_map(|line| line.step).is_some_and(|first| first < step);
            let mut before: Vec<LogLine> = chunk.iter().filter(is_of_step).cloned().collect();
            before.append(&mut lines);
            lines = before;
            if begins_before {
                break;
            }
        }
        Ok(lines.split_off(lines.len().saturating_sub(max)))
    }

    /// The first line of a step, if it wrote any. It is in the first chunk that begins with the step
    /// or a later one, or in the chunk before.
    pub(super) fn first_line_of(&self, step: u32) -> Result<Option<u64>, String> {
        let is_of_step = |line: &&LogLine| line.step == Some(step);
        let at = match step.checked_sub(1) {
            Some(before) => self.first_chunk_after(before)?,
            None => 0,
        };
        for chunk in self.chunks.iter().skip(at.saturating_sub(1)).take(2) {
            if let Some(line) = self.open(chunk)?.iter().find(is_of_step) {
                return Ok(Some(line.number));
            }
        }
        Ok(self.pending.iter().find(is_of_step).map(|line| line.number))
    }

    /// The first chunk that begins with a later step.
    fn first_chunk_after(&self, step: u32) -> Result<usize, String> {
        let (mut low, mut high) = (0, self.chunks.len());
        while low < high {
            let middle = (low + high) / 2;
            let first = self.open(&self.chunks[middle])?.iter().find_map(|line| line.step);
            // A chunk of the runner's own words alone is what it says before the first step or
            // after the last.
            let is_after = first.map_or(middle > 0, |first| first > step);
            if is_after { high = middle } else { low = middle + 1 }
        }
        Ok(low)
    }

    /// The lines that contain the text whatever its case, and whether there are more.
    pub(super) fn search(&self, text: &str) -> Result<(Vec<LogLine>, bool), String> {
        let mut hits = Vec::new();
        for chunk in &self.chunks {
            let content = self.content(chunk)?;
            if may_contain(&content, text) {
                let lines = read(chunk, &content)?;
                hits.extend(lines.into_iter().filter(|line| find(&line.text, text).is_some()));
            }
            if hits.len() > HITS_MAX {
                break;
            }
        }
        let pending = self.pending.iter().filter(|line| find(&line.text, text).is_some());
        hits.extend(pending.cloned());
        let has_more = hits.len() > HITS_MAX;
        hits.truncate(HITS_MAX);
        Ok((hits, has_more))
    }

    fn open(&self, chunk: &LogChunk) -> Result<Vec<LogLine>, String> {
        read(chunk, &self.content(chunk)?)
    }

    fn content(&self, chunk: &LogChunk) -> Result<Vec<u8>, String> {
        let digest = chunk.blob.parse().map_err(|error| unreadable(chunk, &error))?;
        let content = self.core.blobs().get_sealed(self.core.log_key(), &digest);
        content.map_err(|error| unreadable(chunk, &error))
    }
}

fn unreadable(chunk: &LogChunk, why: &dyn std::fmt::Display) -> String {
    let last = chunk.first_line + chunk.lines.saturating_sub(1);
    format!("Lines {} to {last} cannot be read: {why}", chunk.first_line)
}

/// The lines of a chunk's content: one JSON object per line.
fn read(chunk: &LogChunk, content: &[u8]) -> Result<Vec<LogLine>, String> {
    let lines = content.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let lines = lines.map(|line| {
        let line = serde_json::from_slice::<jobs::LogLine>(line);
        line.map(shown).map_err(|error| unreadable(chunk, &error))
    });
    lines.collect()
}

/// Whether a search has to look at a chunk's lines one by one. Letters that JSON writes as they are
/// can be looked for in the content as a whole, which is much quicker.
fn may_contain(content: &[u8], text: &str) -> bool {
    let is_written_plainly = |byte: u8| (b' '..=b'~').contains(&byte) && !b"\"\\/".contains(&byte);
    !text.bytes().all(is_written_plainly) || find_ascii(content, text.as_bytes()).is_some()
}

/// A line as pages show it.
pub(super) fn shown(line: jobs::LogLine) -> LogLine {
    LogLine { number: line.line, step: line.step, at: Millis(line.at), text: line.text }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct LogAsked {
    attempt: Option<u32>,
    from: Option<u64>,
    line: Option<u64>,
    step: Option<u32>,
    q: String,
}

/// The attempt that an address names.
pub(super) fn attempt_of(run: &str, job: String, attempt: Option<u32>) -> Option<AttemptId> {
    let run = RunId(run.parse().ok()?);
    Some(AttemptId { run, job: JobKey::from(job), attempt: attempt.unwrap_or(1) })
}

/// A window of a log as a page.
pub(super) async fn page(
    State(console): State<Console>,
    caller: Caller,
    Path((project, run, job)): Path<(String, String, String)>,
    Query(asked): Query<LogAsked>,
) -> Response {
    let attempt = attempt_of(&run, job, asked.attempt);
    let log = match attempt {
        Some(attempt) => Some(window(&console.core, &project, attempt, asked).await),
        None => None,
    };
    render(&console.core, &caller, &project, log, |view, log| {
        let run = view.project.runs.get(&log.attempt.run)?;
        Some(pages::job_log(view, run, log))
    })
}

/// The rows of a window, or of a step, to be put into a page.
pub(super) async fn fragment(
    State(console): State<Console>,
    caller: Caller,
    Path((project, run, job)): Path<(String, String, String)>,
    Query(asked): Query<LogAsked>,
) -> Response {
    let Some(attempt) = attempt_of(&run, job, asked.attempt) else {
        return render(&console.core, &caller, &project, None, |_, _| None);
    };
    let step = asked.step;
    let mut log = match step {
        None => window(&console.core, &project, attempt, asked).await,
        Some(step) => {
            let stream = StreamId::from(project.as_str());
            let of_attempt = AttemptLog::of(&console.core, &stream, &attempt);
            let total = of_attempt.total();
            let lines =
                of_attempt.in_background(move |log| log.step(step, STEP_LINES_MAX + 1)).await;
            JobLog { attempt, from: 1, total, search: None, ..with_lines(lines) }
        }
    };
    let has_more = step.is_some() && log.lines.len() > STEP_LINES_MAX;
    if has_more {
        log.lines.remove(0);
    }
    render(&console.core, &caller, &project, Some(log), |view, log| {
        Some(match step {
            Some(_) => pages::step_rows(view, &log.attempt, &log.lines, has_more),
            None => pages::fragment(view, log),
        })
    })
}

fn render(
    core: &Core,
    caller: &Caller,
    project: &str,
    log: Option<JobLog>,
    page: impl FnOnce(&qnt9_console::View<'_>, &JobLog) -> Option<qnt9_console::Markup>,
) -> Response {
    look::render(core, caller, project, "log of that job and attempt", |view| {
        let log = log?;
        let leg = view.project.runs.get(&log.attempt.run)?.legs.get(&log.attempt.job)?;
        leg.attempts.iter().find(|attempt| attempt.number == log.attempt.attempt)?;
        page(view, &log)
    })
}

fn with_lines(lines: Result<Vec<LogLine>, String>) -> JobLog {
    let attempt = AttemptId { run: RunId(0), job: JobKey::from(""), attempt: 0 };
    let (lines, trouble) = match lines {
        Ok(lines) => (lines, None),
        Err(trouble) => (Vec::new(), Some(trouble)),
    };
    JobLog { attempt, lines, from: 1, total: 0, search: None, trouble }
}

async fn window(core: &Core, project: &str, attempt: AttemptId, asked: LogAsked) -> JobLog {
    let stream = StreamId::from(project);
    let log = AttemptLog::of(core, &stream, &attempt);
    let total = log.total();
    let text = asked.q.trim().to_owned();
    let result = log
        .in_background(move |log| {
            let of_step = match asked.step {
                Some(step) => log.first_line_of(step)?,
                None => None,
            };
            let wanted = asked.line.or(of_step).map(window_of).or(asked.from);
            let from = window_of(wanted.unwrap_or(1).clamp(1, total.max(1)));
            let search = match text.is_empty() {
                true => None,
                false => {
                    let (hits, has_more) = log.search(&text)?;
                    Some(Search { text, hits, has_more })
                }
            };
            Ok((from, log.window(from, WINDOW_LINES)?, search))
        })
        .await;
    match result {
        Ok((from, lines, search)) => JobLog { attempt, lines, from, total, search, trouble: None },
        Err(trouble) => JobLog {
            attempt,
            lines: Vec::new(),
            from: 1,
            total,
            search: None,
            trouble: Some(trouble),
        },
    }
}

/// The whole log as text, a chunk at a time.
pub(super) async fn raw(
    State(console): State<Console>,
    caller: Caller,
    Path((project, run, job)): Path<(String, String, String)>,
    Query(asked): Query<LogAsked>,
) -> Response {
    let stream = StreamId::from(project.as_str());
    let Some(attempt) = attempt_of(&run, job, asked.attempt) else {
        let page = pages::not_found(&caller.visitor(&console.core), "log of that job");
        return look::html(StatusCode::NOT_FOUND, page);
    };
    let log = AttemptLog::of(&console.core, &stream, &attempt);
    let body = futures_util::stream::unfold((log, 1), |(log, from)| async move {
        if from > log.total() {
            return None;
        }
        let lines = log.in_background(move |log| log.window(from, WINDOW_LINES)).await;
        let piece = lines.map(|lines| {
            let text: String = lines.iter().map(|line| format!("{}\n", line.text)).collect();
            text.into_bytes()
        });
        Some((piece.map_err(std::io::Error::other), (log, from + WINDOW_LINES)))
    });
    let headers = [(CONTENT_TYPE, "text/plain; charset=utf-8")];
    (headers, axum::body::Body::from_stream(body)).into_response()
}
