//! Hands attempts to shims and follows their journals.
//!
//! A shim is spawned once its attempt is announced in the log, and never twice: it takes a lock on
//! its folder. Its journal is read from the start whenever this server begins to follow it, and what
//! the log has already is passed over, so no line and no step is lost or doubled.

mod description;
mod folders;
mod follower;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use qnt9_model::fact::Outcome;
use qnt9_model::{AttemptId, Command, Entry, Millis, Refusal, StreamId};
use qnt9_runner::shim::{self, Attachment};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use self::follower::Follower;
use super::OrderError;
use crate::Core;

pub(super) use self::folders::sweep;

/// Lines that are sealed into one blob at most.
pub const CHUNK_LINES: usize = 1_000;
/// The order to stop a job stands until the job has ended; asking again at once would only be noise.
const ASK_AGAIN: Duration = Duration::from_secs(5);
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

    /// Forgets what is known of a project's attempts: they are followed elsewhere now.
    pub(super) fn forget(&self, stream: &StreamId) {
        self.lock().retain(|(of, _), _| of != stream);
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
        let reason = "it was cancelled before its runner began".to_owned();
        return never_began(core, stream, attempt, Outcome::Cancelled, reason).await;
    }
    if found == Attachment::Absent && has_left_traces(core, stream, attempt) {
        let reason = "its runner and its journal are gone, though it had begun; what it did beyond the \
                      steps that the log has is not known";
        let (attempt, reason) = (attempt.clone(), reason.to_owned());
        return accept_stale(core.tell(stream, Command::LoseJob { attempt, reason }).await);
    }
    if found == Attachment::Absent {
        let built = core.read(|state| {
            let project = state.projects.get(stream)?;
            let run = project.runs.get(&attempt.run)?;
            let leg = project.running_leg(attempt)?;
            Some(description::build(core, stream, project, run, leg, attempt))
        });
        let (spec, secrets) = match built {
            None => return Ok(()),
            Some(Ok(built)) => built,
            Some(Err(description::Unbuildable::NotYet(reason))) => {
                return Err(OrderError::Outside(reason));
            }
            Some(Err(description::Unbuildable::Never(reason))) => {
                return never_began(core, stream, attempt, Outcome::Failure, reason).await;
            }
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
    folders::clear(core, stream, attempt).await
}

/// The attempt ends without a runner.
async fn never_began(
    core: &Core,
    stream: &StreamId,
    attempt: &AttemptId,
    result: Outcome,
    reason: String,
) -> Result<(), OrderError> {
    let (attempt, reason) = (attempt.clone(), Some(reason));
    let command =
        Command::FinishJob { attempt, result, outputs: Vec::new(), reason, summary: None };
    accept_stale(core.tell(stream, command).await)
}

/// Whether the log has something that the attempt did itself.
fn has_left_traces(core: &Core, stream: &StreamId, attempt: &AttemptId) -> bool {
    core.read(|state| {
        let leg = state.projects.get(stream)?.running_leg(attempt)?;
        let last = leg.attempts.last()?;
        let first = last.resumes.as_ref().map_or(0, |point| point.step);
        Some(!last.log.is_empty() || last.steps.range(first..).next().is_some())
    })
    .unwrap_or(false)
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

/// Asks the shim to cancel its job.
pub(super) async fn cancel(
    core: &Core,
    stream: &StreamId,
    attempt: &AttemptId,
) -> Result<(), OrderError> {
    let dir = folder(core, stream, attempt);
    shim::cancel(&dir).await.map_err(|error| OrderError::outside(&error))?;
    tokio::time::sleep(ASK_AGAIN).await;
    Ok(())
}

/// Has the attempt's processes end at once, those of a shim that does not answer too.
pub(super) async fn kill(
    core: &Core,
    stream: &StreamId,
    attempt: &AttemptId,
) -> Result<(), OrderError> {
    let dir = folder(core, stream, attempt);
    shim::kill(&dir).await.map_err(|error| OrderError::outside(&error))?;
    tokio::time::sleep(ASK_AGAIN).await;
    Ok(())
}

/// Finds out whether the attempt's runner is there, without ever starting it, and says so.
pub(super) async fn ask(
    core: &Core,
    stream: &StreamId,
    attempt: &AttemptId,
) -> Result<(), OrderError> {
    let dir = folder(core, stream, attempt);
    let is_running = core.read(|state| {
        let project = state.projects.get(stream);
        project.is_some_and(|project| project.running_leg(attempt).is_some())
    });
    let attempt = attempt.clone();
    let found = shim::attach(&dir).await.map_err(|error| OrderError::outside(&error))?;
    let command = match found {
        Attachment::Running { .. } | Attachment::Finished { .. } if is_running => {
            Command::RenewLease { attempt }
        }
        Attachment::Running { pid } => {
            Command::ResumeJob { attempt, proof: format!("its runner, process {pid}, answers") }
        }
        Attachment::Finished { result } => {
            let proof = format!("its journal is complete: the job ended with {}", result.as_str());
            Command::ResumeJob { attempt, proof }
        }
        Attachment::Absent => {
            let reason = "there is no runner and no journal of it".to_owned();
            Command::LoseJob { attempt, reason }
        }
        Attachment::Died(seen) => {
            Command::LoseJob { attempt, reason: follower::why_lost(&dir, Some(&seen)) }
        }
    };
    accept_stale(core.tell(stream, command).await)?;
    tokio::time::sleep(ASK_AGAIN).await;
    Ok(())
}

/// An answer that comes too late changes nothing, and that is no error.
fn accept_stale(answer: Result<Vec<Entry>, Refusal>) -> Result<(), OrderError> {
    match answer {
        Ok(_) | Err(Refusal::Stale { .. }) => Ok(()),
        Err(refusal) => Err(refusal.into()),
    }
}
