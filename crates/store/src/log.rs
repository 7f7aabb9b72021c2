//! What a log is: streams of entries chained by their digests, and what lies beside them.

use crate::digest::Digest;
use crate::entry::{NewEntry, StoredEntry, StoredText};
use crate::error::{Conflict, StoreError};
use crate::group::Batch;
use crate::lease::Leases;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// The sequence number of the first entry of every stream.
pub const FIRST_SEQUENCE: u64 = 1;
/// The most entries that are archived together.
pub const SEGMENT_ENTRIES: u64 = 1000;

/// Reading. Any number of readers may work while one writer appends; they see whole transactions.
pub trait LogRead: Send {
    /// The last entry of the stream with its seal, or `None` for a stream without entries.
    fn sealed_head(&self, stream: &str) -> Result<Option<SealedHead>, StoreError>;

    /// Every stream that has entries, sorted by name.
    fn streams(&self) -> Result<Vec<String>, StoreError>;

    /// Up to `limit` entries in order, from the sequence number `from` on.
    fn read(&self, stream: &str, from: u64, limit: usize) -> Result<Vec<StoredEntry>, StoreError>;

    /// The texts of these entries, in the order of entries, then of digests.
    fn texts(
        &self,
        stream: &str,
        sequences: RangeInclusive<u64>,
    ) -> Result<Vec<StoredText>, StoreError>;

    /// The snapshot of the stream, if one was put since the last erasure.
    fn snapshot(&self, stream: &str) -> Result<Option<Snapshot>, StoreError>;

    /// Where every stream with a recorded end stands. Quick enough to be asked several times a
    /// second.
    fn heads(&self) -> Result<BTreeMap<String, Head>, StoreError>;

    /// The last entry of the stream; [`Head::EMPTY`] for a stream without entries.
    fn head(&self, stream: &str) -> Result<Head, StoreError> {
        Ok(self.sealed_head(stream)?.map_or(Head::EMPTY, |sealed| sealed.head))
    }
}

/// Writing. Each call is one transaction, and durable when it returns.
pub trait Log: LogRead + Leases {
    /// Appends several batches in one transaction. A batch that does not continue its stream, or
    /// that names a fence which is not in force, is refused whole and alone; the others are stored
    /// in the order given, so a batch may continue one before it. An outer error means that nothing
    /// at all was stored, but for [`StoreError::OutcomeUnknown`] and [`StoreError::Io`].
    fn append_group(
        &mut self,
        batches: &[Batch<'_>],
    ) -> Result<Vec<Result<(), Conflict>>, StoreError>;

    /// Erases the content of every text with this name in the stream, for good, and drops the
    /// stream's snapshot, which may hold a copy. The chain still verifies.
    fn erase(&mut self, stream: &str, digest: &Digest) -> Result<Erasure, StoreError>;

    /// Writes the next part of a snapshot; answers `true` when all of it is kept. Nothing is seen of
    /// a snapshot before. The latest replaces the one before; an older one than is kept changes
    /// nothing.
    fn put_snapshot_part(&mut self, snapshot: &mut NewSnapshot) -> Result<bool, StoreError>;

    /// Moves the oldest live entries of the stream, [`SEGMENT_ENTRIES`] at most and none after entry
    /// `upto`, into the archive, where they are compressed, and read, verified and exported like all
    /// others. Answers which they were, or `None` when all up to `upto` are there.
    fn compact(
        &mut self,
        stream: &str,
        upto: u64,
    ) -> Result<Option<RangeInclusive<u64>>, StoreError>;

    /// An independent reader of the same log, for another thread.
    fn reader(&self) -> Result<Box<dyn LogRead>, StoreError>;

    /// The leases of the same log through a connection of their own, for another thread: no append
    /// keeps a renewal waiting.
    fn leases(&self) -> Result<Box<dyn Leases + Send>, StoreError>;

    /// Appends one batch: all of it or, on any error, nothing.
    fn append(&mut self, batch: &[NewEntry]) -> Result<(), StoreError> {
        let results = self.append_group(&[batch.into()])?;
        results.into_iter().try_for_each(|result| result.map_err(StoreError::from))
    }

    /// Keeps the whole snapshot at once.
    fn put_snapshot(&mut self, mut snapshot: NewSnapshot) -> Result<(), StoreError> {
        while !self.put_snapshot_part(&mut snapshot)? {}
        Ok(())
    }
}

/// The position and digest of the last entry of a stream. The next entry has `sequence + 1` and
/// names `digest` as `previous`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Sequence number of the last entry; 0 in an empty stream.
    pub sequence: u64,
    /// Digest of the last entry's line; [`Digest::ZERO`] in an empty stream.
    pub digest: Digest,
}

impl Head {
    /// The head of a stream without entries.
    pub const EMPTY: Self = Self { sequence: FIRST_SEQUENCE - 1, digest: Digest::ZERO };
}

/// A head and the authenticator that only the holder of the master key can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealedHead {
    /// The last entry.
    pub head: Head,
    /// HMAC-SHA256 of stream, sequence and digest.
    pub seal: Digest,
}

/// The state of whoever replays a stream, after one of its entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The last entry that is in the state. It is in the stream; that was checked.
    pub at: Head,
    /// The format of the state, which is the business of whoever made it.
    pub state_version: u32,
    /// The state, opaque here.
    pub state: Vec<u8>,
}

/// A snapshot on its way into a log.
#[derive(Debug)]
pub struct NewSnapshot {
    pub(crate) stream: String,
    pub(crate) snapshot: Snapshot,
    /// How far the log got with it; for each kind of log to use.
    pub(crate) progress: Progress,
}

/// How far a log got with a snapshot.
#[derive(Debug, Default)]
pub(crate) enum Progress {
    /// Nothing was written yet.
    #[default]
    New,
    /// So many chunks of this generation were written.
    Chunks { generation: i64, written: usize },
    /// It is in force; what it replaced is being removed.
    Kept,
}

impl NewSnapshot {
    /// The state as it was after the entry `at`.
    pub fn new(stream: &str, at: Head, state_version: u32, state: Vec<u8>) -> Self {
        let snapshot = Snapshot { at, state_version, state };
        Self { stream: stream.to_owned(), snapshot, progress: Progress::New }
    }

    /// The stream it is of.
    pub fn stream(&self) -> &str {
        &self.stream
    }
}

/// What an erasure found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erasure {
    /// The content was there and is gone.
    Erased,
    /// The content was gone before.
    AlreadyErased,
    /// The stream has no text of that name.
    Unknown,
}
