//! Follows the journal of one attempt.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use qnt9_model::fact::{Outcome, Span};
use qnt9_model::{AttemptId, Command, Entry, Millis, Refusal, StreamId};
use qnt9_runner::journal::{Interval, JobResult, Record, StepConclusion};
use qnt9_runner::shim::{self, Attachment, LastSeen};
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::{CHUNK_LINES, LIVE_LINES, LiveJob, LogLine, accept_stale};
use crate::Core;
use crate::orders::OrderError;

/// How often it is looked whether the attempt still counts.
const LOOK: Duration = Duration::from_secs(1);
/// How often it is said that the runner lives; most of the time that is no fact.
const RENEW: Duration = Duration::from_secs(10 * 60);

/// How a job ended, with its outputs.
type End = (JobResult, BTreeMap<String, String>);

/// Brings what a shim writes down to the log, until the attempt is over.
pub(super) struct Follower<'a> {
    core: &'a Core,
    stream: &'a StreamId,
    attempt: &'a AttemptId,
    /// Lines read from the journal so far, and how many of them are sealed.
    lines: u64,
    sealed: u64,
    pending: Vec<LogLine>,
    summaries: BTreeMap<u32, String>,
}

impl<'a> Follower<'a> {
    pub(super) fn new(core: &'a Core, stream: &'a StreamId, attempt: &'a AttemptId) -> Self {
        let sealed = core.read(|state| {
            let leg = state.projects.get(stream)?.running_leg(attempt)?;
            let last = leg.attempts.last()?.log.last()?;
            Some(last.first_line + last.lines - 1)
        });
        let key = (stream.clone(), attempt.clone());
        let (sender, _) = broadcast::channel(LIVE_LINES);
        core.live_jobs().lock().insert(key, (LiveJob::default(), sender));
        let sealed = sealed.unwrap_or(0);
        Self {
            core,
            stream,
            attempt,
            lines: 0,
            sealed,
            pending: Vec::new(),
            summaries: BTreeMap::new(),
        }
    }

    pub(super) fn key(&self) -> (StreamId, AttemptId) {
        (self.stream.clone(), self.attempt.clone())
    }

    fn show(&self, change: impl FnOnce(&mut LiveJob, &broadcast::Sender<LogLine>)) {
        if let Some((job, sender)) = self.core.live_jobs().lock().get_mut(&self.key()) {
            change(job, sender);
        }
    }

    pub(super) async fn follow(&mut self, dir: &Path) -> Result<(), OrderError> {
        let mut journal = shim::follow(dir);
        let mut looks = tokio::time::interval(LOOK);
        let mut heard = Instant::now();
        loop {
            let record = tokio::select! {
                record = journal.next() => record,
                _ = looks.tick() => {
                    if !self.is_at_work() {
                        // It was declared over meanwhile; whatever still runs is ended by whoever clears up.
                        return Ok(());
                    }
                    if heard.elapsed() >= RENEW {
                        heard = Instant::now();
                        let attempt = self.attempt.clone();
                        accept_stale(self.tell(Command::RenewLease { attempt }).await)?;
                    }
                    continue;
                }
            };
            match record {
                Ok(Some(record)) => {
                    if let Some(end) = self.take(record).await? {
                        return self.job_finished(end).await;
                    }
                }
                Ok(None) => return self.lost(dir).await,
                Err(error) if error.is_damage() => {
                    // Nobody can say what it goes on to do.
                    shim::kill(dir).await.map_err(|error| OrderError::outside(&error))?;
                    return self.lost(dir).await;
                }
                Err(error) => return Err(OrderError::outside(&error)),
            }
        }
    }

    /// Takes in one record; the job's end is returned.
    async fn take(&mut self, record: Record) -> Result<Option<End>, OrderError> {
        match record {
            Record::Log { step, lines } => self.log(step, lines).await?,
            Record::StepStarted { index, name, at } => {
                let since = Millis(signed(at));
                self.show(|job, _| job.step = Some((index, name, since)));
            }
            Record::Summary { step, markdown } => {
                self.summaries.insert(step, markdown.clone());
                self.show(|job, _| {
                    job.summaries.insert(step, markdown);
                });
            }
            Record::StepFinished { .. } => self.step_finished(record).await?,
            Record::JobFinished { result, outputs, .. } => return Ok(Some((result, outputs))),
            Record::Hello { .. }
            | Record::ProcessStarted { .. }
            | Record::HandedOn { .. }
            | Record::Annotation { .. }
            | Record::CancelRequested { .. }
            | Record::KillRequested { .. } => {}
        }
        Ok(None)
    }

    fn is_at_work(&self) -> bool {
        self.core.read(|state| {
            let project = state.projects.get(self.stream);
            project.is_some_and(|project| project.running_leg(self.attempt).is_some())
        })
    }

    async fn tell(&self, command: Command) -> Result<Vec<Entry>, Refusal> {
        self.core.tell(self.stream, command).await
    }

    async fn log(
        &mut self,
        step: Option<u32>,
        lines: Vec<qnt9_runner::journal::LogLine>,
    ) -> Result<(), OrderError> {
        for line in lines {
            self.lines += 1;
            if self.lines <= self.sealed {
                continue;
            }
            let line = LogLine { line: self.lines, step, at: signed(line.at), text: line.text };
            self.pending.push(line.clone());
            self.show(|job, sender| {
                job.pending.push(line.clone());
                // Nobody may be listening.
                let _ = sender.send(line);
            });
            if self.pending.len() >= CHUNK_LINES {
                self.seal().await?;
            }
        }
        Ok(())
    }

    /// Seals the pending lines into a blob and names it in a fact.
    async fn seal(&mut self) -> Result<(), OrderError> {
        let Some(first) = self.pending.first() else { return Ok(()) };
        let (first_line, lines) = (first.line, self.pending.len() as u64);
        let mut content = Vec::new();
        for line in &self.pending {
            serde_json::to_writer(&mut content, line)
                .map_err(|error| OrderError::outside(&error))?;
            content.push(b'\n');
        }
        let core = self.core.clone();
        let blob =
            tokio::task::spawn_blocking(move || core.blobs().put_sealed(core.log_key(), &content));
        let blob = blob.await.map_err(|error| OrderError::outside(&error))?;
        let blob = blob.map_err(|error| OrderError::outside(&error))?.to_string();
        let attempt = self.attempt.clone();
        let command = Command::SealLog { attempt, first_line, lines, blob };
        self.tell(command).await?;
        self.sealed += lines;
        self.pending.clear();
        self.show(|job, _| job.pending.clear());
        Ok(())
    }

    async fn step_finished(&mut self, record: Record) -> Result<(), OrderError> {
        let Record::StepFinished {
            index, name, outcome, conclusion, started, finished, ours, ..
        } = record
        else {
            return Ok(());
        };
        self.seal().await?;
        let user = self.is_run_step(index);
        let command = Command::FinishStep {
            attempt: self.attempt.clone(),
            step: index,
            name,
            outcome: outcome_of(outcome),
            conclusion: outcome_of(conclusion),
            span: Span { started: Millis(signed(started)), finished: Millis(signed(finished)) },
            user,
            own: ours.into_iter().map(span).collect(),
        };
        self.tell(command).await?;
        self.show(|job, _| job.step = None);
        Ok(())
    }

    fn is_run_step(&self, index: u32) -> bool {
        self.core.read(|state| {
            let project = state.projects.get(self.stream);
            let run = project.and_then(|project| project.runs.get(&self.attempt.run));
            let job = run.and_then(|run| {
                let leg = run.legs.get(&self.attempt.job)?;
                run.workflow.as_ref()?.job(&leg.job)
            });
            let step = job.and_then(|job| job.steps.get(index as usize));
            step.is_some_and(|step| matches!(step.action, qnt9_workflow::StepAction::Run { .. }))
        })
    }

    async fn job_finished(&mut self, (result, outputs): End) -> Result<(), OrderError> {
        self.seal().await?;
        let result = match result {
            JobResult::Success => Outcome::Success,
            JobResult::Failure => Outcome::Failure,
            JobResult::Cancelled => Outcome::Cancelled,
        };
        let attempt = self.attempt.clone();
        let outputs = outputs.into_iter().collect();
        let summary = self.summaries.values().map(String::as_str).collect::<Vec<_>>().join("\n");
        let summary = Some(summary).filter(|summary| !summary.trim().is_empty());
        let command = Command::FinishJob { attempt, result, outputs, reason: None, summary };
        accept_stale(self.tell(command).await)
    }

    /// The shim is gone and its journal does not say that the job ended.
    async fn lost(&mut self, dir: &Path) -> Result<(), OrderError> {
        self.seal().await?;
        let outside = |error: shim::AttachError| OrderError::outside(&error);
        let killed = shim::kill_leftovers(dir).await.map_err(outside)?;
        tracing::warn!(attempt = %self.attempt, killed, "the job's runner process is gone");
        let seen = match shim::attach(dir).await.map_err(outside)? {
            Attachment::Died(seen) => Some(seen),
            // It died before its first step: it is started once more.
            Attachment::Absent => return Ok(()),
            Attachment::Running { .. } | Attachment::Finished { .. } => None,
        };
        let reason = why_lost(dir, seen.as_ref());
        accept_stale(self.tell(Command::LoseJob { attempt: self.attempt.clone(), reason }).await)
    }
}

/// What is known of an attempt whose runner is gone, for whoever decides about it.
pub(super) fn why_lost(dir: &Path, seen: Option<&LastSeen>) -> String {
    let cause = match seen {
        Some(LastSeen { rebooted: true, .. }) => {
            "the machine was started again before the job had ended"
        }
        Some(LastSeen { damaged: Some(_), .. }) => "its runner's journal is damaged",
        Some(_) | None => "its runner process died before the job had ended",
    };
    let known = seen.map(|seen| format!("; {seen}")).unwrap_or_default();
    format!("{cause}{known}{}", shim::last_words(dir).unwrap_or_default())
}

fn span(interval: Interval) -> Span {
    Span { started: Millis(signed(interval.start)), finished: Millis(signed(interval.end)) }
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

fn outcome_of(conclusion: StepConclusion) -> Outcome {
    match conclusion {
        StepConclusion::Success => Outcome::Success,
        StepConclusion::Failure => Outcome::Failure,
        StepConclusion::Cancelled => Outcome::Cancelled,
        StepConclusion::Skipped => Outcome::Skipped,
    }
}
