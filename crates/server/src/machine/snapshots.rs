//! Snapshots of the state, so that a start need not fold the whole log.
//!
//! They are made in the background, once enough entries have come since the last one, and when the
//! server stops. A snapshot says nothing that the log does not say: one that cannot be used is passed
//! over.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use qnt9_engine::State;
use qnt9_engine::snapshot::{self, STATE_VERSION};
use qnt9_engine::state::Project;
use qnt9_model::StreamId;
use qnt9_store::{Head, LogHandle, LogRead as _, NewSnapshot, StoreError};

use super::fold::LoadError;
use super::{Durable, Machine, with_causes};

/// How often it is looked whether a snapshot is due.
const PULSE: Duration = Duration::from_secs(5);
/// Entries after which a snapshot is made anew: a start folds at most about as many.
const ENTRIES_BETWEEN: u64 = 20_000;
/// Entries after which a server that stops makes one, so that the next start is quick.
const ENTRIES_AT_STOP: u64 = 1_000;
/// The pause between two moves into the archive: appends come first.
const ARCHIVE_PAUSE: Duration = Duration::from_millis(20);

/// Brings a stream's newest snapshot into the state; the head to fold on from. A snapshot that cannot
/// be used is passed over.
pub(super) fn restore(
    log: &LogHandle,
    stream: &StreamId,
    state: &mut State,
) -> Result<Head, LoadError> {
    let passed_over = |reason: &dyn std::error::Error| {
        let reason = with_causes(reason);
        tracing::warn!(%stream, "the snapshot is passed over, the log is folded: {reason}");
        Ok(Head::EMPTY)
    };
    let found = match log.snapshot(stream.as_str()) {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(Head::EMPTY),
        Err(
            error
            @ (StoreError::SnapshotChanged { .. } | StoreError::SnapshotOfOtherHistory { .. }),
        ) => return passed_over(&error),
        Err(error) => return Err(error.into()),
    };
    match snapshot::read(state, stream, &found.state) {
        Ok(()) => Ok(found.at),
        Err(error) => passed_over(&error),
    }
}

/// Makes snapshots of the streams that this server decides for, and archives what lies behind them.
pub(crate) struct Snapshots {
    machine: Machine,
    log: LogHandle,
    /// How many of a stream's newest entries stay outside the archive; `None` archives nothing.
    keep_live: Option<u64>,
    /// After which entry the last snapshot of each stream was made.
    made: BTreeMap<StreamId, u64>,
}

impl Snapshots {
    pub(crate) fn new(machine: &Machine, log: &LogHandle, keep_live: Option<u64>) -> Self {
        let made = machine.read_durable(|durable| durable.restored.clone());
        Self { machine: machine.clone(), log: log.clone(), keep_live, made }
    }

    /// Runs until nobody holds the sender any more; then makes the last ones.
    pub(crate) fn run(mut self, stop: &Receiver<()>) {
        while let Err(RecvTimeoutError::Timeout) = stop.recv_timeout(PULSE) {
            for stream in self.own_streams() {
                self.snapshot(&stream, ENTRIES_BETWEEN);
                self.archive(&stream, stop);
            }
        }
        for stream in self.own_streams() {
            self.snapshot(&stream, ENTRIES_AT_STOP);
        }
    }

    fn own_streams(&self) -> Vec<StreamId> {
        self.machine.read_durable(|durable| {
            let own = durable.heads.keys().filter(|stream| durable.own.has(stream));
            own.cloned().collect()
        })
    }

    /// Makes a snapshot, if so many entries have come since the last one. The state is copied while
    /// nothing is appended, and written aside.
    fn snapshot(&mut self, stream: &StreamId, entries: u64) {
        let made = self.made.get(stream).copied().unwrap_or_default();
        if self.machine.head(stream).sequence < made + entries {
            return;
        }
        let began = Instant::now();
        let (at, part) = self.machine.read_durable(|durable| part(durable, stream));
        let copied = began.elapsed();
        let bytes = snapshot::write(&part, stream);
        let size = bytes.len();
        let snapshot = NewSnapshot::new(stream.as_str(), at, STATE_VERSION, bytes);
        match self.log.put_snapshot(snapshot).wait() {
            Ok(()) => {
                tracing::info!(%stream, at = at.sequence, bytes = size, ?copied,
                    took = ?began.elapsed(), "a snapshot was made");
                self.made.insert(stream.clone(), at.sequence);
            }
            Err(error) => {
                tracing::warn!(%stream, "no snapshot was made: {}", with_causes(&error));
            }
        }
    }

    /// Archives a stream's entries behind its snapshot, but for the newest.
    fn archive(&self, stream: &StreamId, stop: &Receiver<()>) {
        let Some(keep) = self.keep_live else { return };
        let made = self.made.get(stream).copied().unwrap_or_default();
        let upto = made.min(self.machine.head(stream).sequence.saturating_sub(keep));
        while upto > 0 && self.machine.owns(stream) {
            match self.log.compact(stream.as_str(), upto).wait() {
                Ok(Some(moved)) => tracing::debug!(%stream, ?moved, "entries were archived"),
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(%stream, "nothing was archived: {}", with_causes(&error));
                    return;
                }
            }
            if stop.recv_timeout(ARCHIVE_PAUSE) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }
}

/// What a snapshot of the stream is made of, and the entry it is made after.
fn part(durable: &Durable, stream: &StreamId) -> (Head, State) {
    let at = durable.heads.get(stream).copied().unwrap_or(Head::EMPTY);
    let mut part = State::default();
    if stream.as_str() == StreamId::PLATFORM {
        part.platform = durable.state.platform.clone();
        for (name, project) in &durable.state.projects {
            let mut created = Project::default();
            created.embedded = project.embedded;
            created.time_scale = project.time_scale;
            created.default_branch.clone_from(&project.default_branch);
            part.projects.insert(name.clone(), created);
        }
    } else if let Some(project) = durable.state.projects.get(stream) {
        part.projects.insert(stream.clone(), project.clone());
    }
    (at, part)
}
