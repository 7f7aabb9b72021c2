//! Hands attempts to shims and follows their journals.
//!
//! A shim is spawned once its attempt is announced in the log, and never twice: it takes a lock on
//! its folder. Its journal is read from the start whenever this server begins to follow it, and what
//! the log has already is passed over, so no line and no step is lost or doubled.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use qnt9_engine::contexts;
use qnt9_engine::state::{LegState, Project, Run};
use qnt9_model::fact::{Outcome, Span};
use qnt9_model::{AttemptId, Command, Millis, Refusal, StreamId};
use qnt9_runner::journal::{Interval, JobResult, Record, StepConclusion};
use qnt9_runner::shim::{self, Attachment};
use qnt9_runner::spec::{CheckoutSource, Folders, JobSecrets, JobSpec, Patience, SPEC_VERSION};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use super::OrderError;
use crate::Core;

/// Lines that are sealed into one blob at most.
pub const CHUNK_LINES: usize = 1_000;
/// Live lines that a slow reader may fall behind before it has to read again.
const LIVE_LINES: usize = 4_096;

/// One line of a job's log, as sealed blobs hold them (one JSON object per line) and as it is seen
/// live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Its number in the attempt's log, from 1.
    pub line: u64,
    /// The step that wrote it; `None` for what the runner says of the job as a whole.
    pub step: Option<u32>,
    /// When, in milliseconds since 1970-01-01T00:00:00Z.
    pub at: i64,
    /// The text, secrets masked.
    pub text: String,
}

/// What a followed attempt is at, for those who watch.
#[derive(Clone, Debug, Default)]
pub struct LiveJob {
    /// Lines that are not sealed yet.
    pub pending: Vec<LogLine>,
    /// The step that runs: number, name, since when.
    pub step: Option<(u32, String, Millis)>,
    /// Markdown that steps have written to their summaries, by step.
    pub summaries: BTreeMap<u32, String>,
}

type Live = BTreeMap<(StreamId, AttemptId), (LiveJob, broadcast::Sender<LogLine>)>;

/// What is known of followed attempts beyond the log of facts: it is all in their journals too.
#[derive(Debug, Default)]
pub struct LiveJobs(Mutex<Live>);

impl LiveJobs {
    fn lock(&self) -> MutexGuard<'_, Live> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What an attempt is at, and its further lines as they come. `None` when it is not followed.
    #[must_use]
    pub fn watch(
        &self,
        stream: &StreamId,
        attempt: &AttemptId,
    ) -> Option<(LiveJob, broadcast::Receiver<LogLine>)> {
        let live = self.lock();
        let (job, sender) = live.get(&(stream.clone(), attempt.clone()))?;
        Some((job.clone(), sender.subscribe()))
    }
}

/// The folder of an attempt.
#[must_use]
pub fn folder(core: &Core, stream: &StreamId, attempt: &AttemptId) -> PathBuf {
    core.folder().jobs().join(stream.as_str()).join(attempt.to_string())
}

/// Sees that the attempt has its shim, and follows it to its end.
pub(super) async fn follow(
    core: &Core,
    stream: &StreamId,
    attempt: &AttemptId,
) -> Result<(), OrderError> {
    let dir = folder(core, stream, attempt);
    let found = shim::attach(&dir).await.map_err(|error| OrderError::outside(&error))?;
    if found == Attachment::Absent && is_to_stop(core, stream, attempt) {
        // Nothing runs that could be told to stop.
        let reason = Some("it was cancelled before its runner began".to_owned());
        let (attempt, result) = (attempt.clone(), Outcome::Cancelled);
        let command =
            Command::FinishJob { attempt, result, outputs: Vec::new(), reason, summary: None };
        return accept_stale(core.tell(stream, command).await);
    }
    if found == Attachment::Absent {
        let built = core.read(|state| {
            let project = state.projects.get(stream)?;
            let run = project.runs.get(&attempt.run)?;
            let leg = project.running_leg(attempt)?;
            Some(build(core, stream, project, run, leg, attempt))
        });
        let Some((spec, secrets)) = built.transpose().map_err(OrderError::Outside)? else {
            return Ok(());
        };
        let mut shim = shim::start(&core.config().program, &dir, &spec, &secrets)
            .await
            .map_err(|error| OrderError::outside(&error))?;
        // Reaped when it ends, so that it does not stay behind as a zombie.
        tokio::spawn(async move { shim.wait().await });
    }
    let mut follower = Follower::new(core, stream, attempt);
    let end = follower.follow(&dir).await;
    core.live_jobs().lock().remove(&follower.key());
    end?;
    clear(core, stream, attempt).await
}

fn is_to_stop(core: &Core, stream: &StreamId, attempt: &AttemptId) -> bool {
    core.read(|state| {
        let project = state.projects.get(stream)?;
        let leg = project.running_leg(attempt)?;
        let run = project.runs.get(&attempt.run)?;
        Some(qnt9_engine::orders::should_stop(project, run, leg))
    })
    .unwrap_or(false)
}

/// Removes the folder of an attempt that is in the log as a whole: sources, credentials and lines in
/// the clear lay there.
async fn clear(core: &Core, stream: &StreamId, attempt: &AttemptId) -> Result<(), OrderError> {
    let still = core.read(|state| {
        let project = state.projects.get(stream);
        project.is_some_and(|project| project.running_leg(attempt).is_some())
    });
    if still {
        return Ok(());
    }
    match tokio::fs::remove_dir_all(folder(core, stream, attempt)).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(%stream, %attempt, "the job's folder was not removed: {error}");
        }
        Ok(()) | Err(_) => {}
    }
    Ok(())
}

/// Removes what an earlier server left of attempts that are over: it may have died between the end
/// of an attempt and the removal of its folder.
pub(super) async fn sweep(core: Core) {
    let listed = core.clone();
    let left = tokio::task::spawn_blocking(move || attempts(&listed.folder().jobs())).await;
    for (stream, attempt) in left.unwrap_or_default() {
        if let Err(error) = clear(&core, &stream, &attempt).await {
            tracing::warn!(%stream, %attempt, "what is left of a job was not removed: {error}");
        }
    }
}

/// The attempts that have a folder.
fn attempts(root: &std::path::Path) -> Vec<(StreamId, AttemptId)> {
    let names = |dir: &std::path::Path| -> Vec<String> {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    };
    let of_stream = |stream: String| {
        let attempts = names(&root.join(&stream)).into_iter();
        let stream = StreamId::from(stream);
        attempts.filter_map(move |name| Some((stream.clone(), name.parse().ok()?)))
    };
    names(root).into_iter().flat_map(of_stream).collect()
}

/// Asks the shim to cancel its job.
pub(super) async fn cancel(
    core: &Core,
    stream: &StreamId,
    attempt: &AttemptId,
) -> Result<(), OrderError> {
    let dir = folder(core, stream, attempt);
    shim::cancel(&dir).await.map_err(|error| OrderError::outside(&error))?;
    // The order stands until the job has ended; asking again at once would only be noise.
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    Ok(())
}

fn build(
    core: &Core,
    stream: &StreamId,
    project: &Project,
    run: &Run,
    leg: &LegState,
    attempt: &AttemptId,
) -> Result<(JobSpec, JobSecrets), String> {
    let workflow = run.workflow.as_ref().ok_or("this version cannot read the stored workflow")?;
    let job = workflow.job(&leg.job).ok_or("the stored workflow has no such job")?;
    let mut known = contexts::of_leg(stream, project, run, &attempt.job);
    if project.embedded {
        let mut vars = qnt9_workflow::Object::new();
        vars.insert("NOTIFY_WEBHOOK", qnt9_workflow::Value::String(webhook(core)));
        known.insert("vars", qnt9_workflow::Value::Object(vars));
    }
    let contexts = known.iter().map(|(name, value)| (name.to_owned(), value.clone().into()));
    let dir = folder(core, stream, attempt);
    let token = core.job_token(stream, attempt);
    let in_scope = |environment: &Option<qnt9_model::EnvironmentName>| {
        environment.is_none() || environment == &leg.leg.environment
    };
    let mut secrets: BTreeMap<String, String> = project
        .secrets
        .iter()
        .filter(|((_, environment), _)| in_scope(environment))
        .map(|((name, _), value)| (name.clone(), value.show().to_owned()))
        .collect();
    secrets.insert("GITHUB_TOKEN".to_owned(), token.clone());
    let patience = Patience {
        job_ms: u64::try_from(leg.leg.timeout_ms).unwrap_or(u64::MAX),
        ..Patience::default()
    };
    let spec = JobSpec {
        version: SPEC_VERSION,
        run: run.id.0,
        job: attempt.job.to_string(),
        attempt: attempt.attempt,
        server_url: core.url(),
        checkout: CheckoutSource {
            clone_url: format!("{}/git/{stream}.git", core.url()),
            sha: run.commit.to_string(),
            reference: run.reference.clone(),
        },
        contexts: contexts.collect(),
        workflow_env: workflow.env.clone(),
        job_env: job.env.clone(),
        defaults: qnt9_workflow::Defaults {
            shell: job.defaults.shell.clone().or_else(|| workflow.defaults.shell.clone()),
            working_directory: job
                .defaults
                .working_directory
                .clone()
                .or_else(|| workflow.defaults.working_directory.clone()),
        },
        steps: job.steps.clone(),
        outputs: job.outputs.clone(),
        patience,
        folders: Folders {
            workspace: dir.join("workspace"),
            temp: dir.join("temp"),
            tool_cache: core.folder().root().join("tool-cache"),
            bin: core.folder().root().join("bin"),
        },
    };
    Ok((spec, JobSecrets { token, secrets, masks: Vec::new() }))
}

/// The embedded project's notifications go to the receiver that stands in for a chat.
fn webhook(core: &Core) -> String {
    format!("{}/standin/webhook", core.url())
}

struct Follower<'a> {
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
    fn new(core: &'a Core, stream: &'a StreamId, attempt: &'a AttemptId) -> Self {
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

    fn key(&self) -> (StreamId, AttemptId) {
        (self.stream.clone(), self.attempt.clone())
    }

    fn show(&self, change: impl FnOnce(&mut LiveJob, &broadcast::Sender<LogLine>)) {
        if let Some((job, sender)) = self.core.live_jobs().lock().get_mut(&self.key()) {
            change(job, sender);
        }
    }

    async fn follow(&mut self, dir: &std::path::Path) -> Result<(), OrderError> {
        let mut journal = shim::follow(dir);
        while let Some(record) =
            journal.next().await.map_err(|error| OrderError::outside(&error))?
        {
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
                Record::JobFinished { result, outputs, .. } => {
                    return self.job_finished(result, outputs).await;
                }
                Record::Hello { .. }
                | Record::Annotation { .. }
                | Record::CancelRequested { .. } => {}
            }
        }
        self.lost(dir).await
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
        self.core.tell(self.stream, command).await?;
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
        self.core.tell(self.stream, command).await?;
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

    async fn job_finished(
        &mut self,
        result: JobResult,
        outputs: BTreeMap<String, String>,
    ) -> Result<(), OrderError> {
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
        accept_stale(self.core.tell(self.stream, command).await)
    }

    /// The shim is gone and its journal does not say that the job ended.
    async fn lost(&mut self, dir: &std::path::Path) -> Result<(), OrderError> {
        self.seal().await?;
        let outside = |error: shim::AttachError| OrderError::outside(&error);
        let killed = shim::kill_leftovers(dir).await.map_err(outside)?;
        tracing::warn!(attempt = %self.attempt, killed, "the job's runner process is gone");
        let known = match shim::attach(dir).await.map_err(outside)? {
            Attachment::Died { completed, in_flight: Some(step) } => {
                format!("; {} steps had completed, step {} was at work", completed.len(), step + 1)
            }
            Attachment::Died { completed, in_flight: None } => {
                format!("; {} steps had completed, none was at work", completed.len())
            }
            _ => String::new(),
        };
        let last_words = shim::last_words(dir).unwrap_or_default();
        let reason = format!("its runner process died before the job had ended{known}{last_words}");
        let command = Command::LoseJob { attempt: self.attempt.clone(), reason };
        accept_stale(self.core.tell(self.stream, command).await)
    }
}

/// An answer that comes too late changes nothing, and that is no error.
fn accept_stale(answer: Result<Vec<qnt9_model::Entry>, Refusal>) -> Result<(), OrderError> {
    match answer {
        Ok(_) | Err(Refusal::Stale { .. }) => Ok(()),
        Err(refusal) => Err(refusal.into()),
    }
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
