//! The folders of attempts that are over: what still runs there is ended, the last failed attempt of a
//! job is kept for a while, all others are removed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use qnt9_engine::state::{LegPhase, Project};
use qnt9_model::fact::Outcome;
use qnt9_model::{AttemptId, StreamId};
use qnt9_runner::kept as keeping;
use qnt9_runner::limits::{WORKSPACE_KEPT, WORKSPACE_KEPT_BYTES_MAX, WORKSPACES_KEPT_BYTES_MAX};
use qnt9_runner::shim::{self, Attachment};

use super::folder;
use crate::Core;
use crate::orders::OrderError;

/// How often kept folders are looked at.
const PULSE: Duration = Duration::from_secs(60 * 60);

/// What becomes of an attempt's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The attempt is at work, or lost and not decided about: nothing is touched.
    Leave,
    /// Its job can be started again from one of its steps.
    Keep,
    /// Sources, credentials and lines in the clear lie there, and nobody needs them.
    Remove,
}

fn fate(project: &Project, attempt: &AttemptId) -> Fate {
    let leg = project.runs.get(&attempt.run).and_then(|run| run.legs.get(&attempt.job));
    let Some(leg) = leg else { return Fate::Remove };
    if leg.attempts.last().is_none_or(|last| last.number != attempt.attempt) {
        return Fate::Remove;
    }
    match leg.phase {
        LegPhase::Running | LegPhase::Lost => Fate::Leave,
        LegPhase::Done(Outcome::Success | Outcome::Skipped, _) => Fate::Remove,
        // One that is tried again was lost, which is a failure too.
        LegPhase::Done(..) | LegPhase::Queued | LegPhase::Gated | LegPhase::Open => Fate::Keep,
    }
}

/// The folder of a kept attempt.
pub(super) fn kept(core: &Core, stream: &StreamId, attempt: &AttemptId) -> PathBuf {
    kept_of(core, stream).join(attempt.to_string())
}

fn kept_of(core: &Core, stream: &StreamId) -> PathBuf {
    core.folder().root().join("kept").join(stream.as_str())
}

/// Ends what still runs of an attempt that is over, and keeps or removes its folder.
pub(super) async fn clear(
    core: &Core,
    stream: &StreamId,
    attempt: &AttemptId,
) -> Result<(), OrderError> {
    let fate = core.read(|state| state.projects.get(stream).map(|project| fate(project, attempt)));
    let fate = fate.unwrap_or(Fate::Remove);
    if fate == Fate::Leave {
        return Ok(());
    }
    let dir = folder(core, stream, attempt);
    let outside = |error: shim::AttachError| OrderError::outside(&error);
    match shim::attach(&dir).await {
        Ok(Attachment::Absent) => {}
        Ok(Attachment::Finished { .. } | Attachment::Died(_)) => {
            shim::kill_leftovers(&dir).await.map(drop).map_err(outside)?;
        }
        Ok(Attachment::Running { .. }) | Err(_) => {
            tracing::warn!(%stream, %attempt, "the job is over and its runner is not: it is ended");
            shim::kill(&dir).await.map_err(outside)?;
        }
    }
    let to = kept(core, stream, attempt);
    let done = tokio::task::spawn_blocking(move || match fate {
        Fate::Keep => keep(&dir, &to),
        Fate::Leave | Fate::Remove => remove(&dir),
    });
    let done = done.await.map_err(|error| OrderError::outside(&error))?;
    if let Err(error) = done {
        tracing::warn!(%stream, %attempt, "the job's folder was neither kept nor removed: {error}");
    }
    Ok(())
}

/// Keeps the folder in the place of an earlier attempt's at the same job, unless it is too big.
fn keep(dir: &Path, to: &Path) -> std::io::Result<()> {
    if !dir.is_dir() {
        return Ok(());
    }
    for earlier in folders(to.parent()).into_iter().filter(|earlier| is_same_job(earlier, to)) {
        remove(&earlier)?;
    }
    if keeping::bytes(dir, WORKSPACE_KEPT_BYTES_MAX)? > WORKSPACE_KEPT_BYTES_MAX {
        tracing::info!(dir = %dir.display(), "the workspace is too big to be kept");
        return remove(dir);
    }
    keeping::keep(dir, to)
}

fn is_same_job(one: &Path, other: &Path) -> bool {
    let job = |path: &Path| {
        let attempt: AttemptId = path.file_name()?.to_str()?.parse().ok()?;
        Some((attempt.run, attempt.job))
    };
    job(one).is_some() && job(one) == job(other)
}

fn remove(dir: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Clears what an earlier server left of a project's attempts that are over: it may have died between
/// the end of an attempt and this. Then removes from time to time what was kept long enough, as long as
/// this server decides for the project.
pub(in crate::orders) async fn sweep(core: Core, stream: StreamId) {
    let jobs = core.folder().jobs().join(stream.as_str());
    let left = tokio::task::spawn_blocking(move || attempts(&jobs)).await;
    for attempt in left.unwrap_or_default() {
        if let Err(error) = clear(&core, &stream, &attempt).await {
            tracing::warn!(%stream, %attempt, "what is left of a job was not cleared: {error}");
        }
    }
    while core.owns(&stream) {
        let kept = kept_of(&core, &stream);
        let limits = (WORKSPACE_KEPT, WORKSPACES_KEPT_BYTES_MAX);
        let removed = tokio::task::spawn_blocking(move || expire(&kept, limits)).await;
        match removed.map_err(std::io::Error::other).and_then(|removed| removed) {
            Ok(0) => {}
            Ok(count) => tracing::info!(%stream, count, "kept workspaces were removed"),
            Err(error) => tracing::warn!(%stream, "kept workspaces were not removed: {error}"),
        }
        tokio::time::sleep(PULSE).await;
    }
}

/// Removes the folders that are too old, and the oldest while all together are too big.
fn expire(kept: &Path, (age_max, bytes_max): (Duration, u64)) -> std::io::Result<usize> {
    let mut aged = Vec::new();
    for dir in folders(Some(kept)) {
        aged.push((keeping::age(&dir)?, dir));
    }
    aged.sort();
    let (mut bytes, mut removed) = (0, 0);
    for (age, dir) in aged {
        bytes += keeping::bytes(&dir, bytes_max)?;
        if age > age_max || bytes > bytes_max {
            remove(&dir)?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// The attempts that have a folder below this one.
fn attempts(root: &Path) -> Vec<AttemptId> {
    let names = folders(Some(root)).into_iter();
    names.filter_map(|dir| dir.file_name()?.to_str()?.parse().ok()).collect()
}

fn folders(root: Option<&Path>) -> Vec<PathBuf> {
    let entries = root.and_then(|root| std::fs::read_dir(root).ok()).into_iter().flatten();
    entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

#[cfg(test)]
mod tests;
