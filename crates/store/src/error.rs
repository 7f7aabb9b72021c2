//! What can go wrong with the log, told apart by what somebody can do about it.

use crate::digest::Digest;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

/// The cause of an error; shared, because every batch of a failed transaction is told the same.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// The log did not do what was asked. After any of these nothing is half written, and the log can
/// be asked again.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The batch does not continue its stream.
    #[error(transparent)]
    Conflict(#[from] Conflict),

    /// There is no room left; the same request succeeds once there is.
    #[error(
        "no room left on the disk for {path}: nothing was written; free some space and the log goes on"
    )]
    Full {
        /// The file of the log.
        path: PathBuf,
        /// What the database said.
        #[source]
        source: Cause,
    },

    /// The file or its folder cannot be written by this user.
    #[error(
        "{path} cannot be written: check the owner and the permissions of the folder, and whether the disk is mounted read-only"
    )]
    ReadOnly {
        /// The file of the log.
        path: PathBuf,
        /// What the database said.
        #[source]
        source: Cause,
    },

    /// The disk or the operating system failed.
    ///
    /// When this answers an append, the batch is not acknowledged; whether it is there is only
    /// known from the head after the log was opened again.
    #[error("the disk failed under {path}")]
    Io {
        /// The file of the log.
        path: PathBuf,
        /// What the database said.
        #[source]
        source: Cause,
    },

    /// There is no log to read.
    #[error("there is no log at {path}")]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },

    /// Another process holds the file.
    #[error("{path} is in use by another process")]
    Busy {
        /// The file of the log.
        path: PathBuf,
        /// What the database said.
        #[source]
        source: Cause,
    },

    /// The file is no log of ours, or was damaged.
    #[error("{path} is damaged or no log of qnt9 ({what}): restore it from a backup")]
    Corrupt {
        /// The file of the log.
        path: PathBuf,
        /// What does not fit.
        what: String,
        /// What the database said, where it said something.
        #[source]
        source: Option<Cause>,
    },

    /// The file system cannot hold a write-ahead log, most likely because it is a network's.
    #[error(
        "{path} cannot keep a write-ahead log (it got the journal mode `{mode}`): put the data folder on a local disk"
    )]
    NoWriteAheadLog {
        /// The file of the log.
        path: PathBuf,
        /// The journal mode the database chose instead.
        mode: String,
    },

    /// A newer qnt9 wrote the file.
    #[error(
        "{path} was written by a newer qnt9 (schema step {found}, this one knows {known}): use that version"
    )]
    NewerSchema {
        /// The file of the log.
        path: PathBuf,
        /// The schema step found.
        found: i64,
        /// The last schema step this program knows.
        known: i64,
    },

    /// The master key is not the one the log was made with.
    #[error(
        "{path} was sealed with the master key {sealed_with}, but the key given is {given}: bring back the key file this data was made with"
    )]
    WrongKey {
        /// The file of the log.
        path: PathBuf,
        /// Fingerprint of the key the log was made with.
        sealed_with: String,
        /// Fingerprint of the key that was given.
        given: String,
    },

    /// A text was changed from outside, or belongs elsewhere.
    #[error(
        "the text {digest} of entry {sequence} in stream `{stream}` was changed: it does not open with the master key"
    )]
    TextChanged {
        /// The stream.
        stream: String,
        /// The entry the text belongs to.
        sequence: u64,
        /// The name of the text.
        digest: Digest,
    },

    /// The snapshot was changed from outside; the log can be replayed without it.
    #[error(
        "the snapshot of stream `{stream}` was changed: it does not open with the master key; replay the stream from its start"
    )]
    SnapshotChanged {
        /// The stream.
        stream: String,
    },

    /// A snapshot was given for an entry that the stream does not have yet.
    #[error(
        "a snapshot of stream `{stream}` at entry {sequence} was refused: the stream ends at entry {head}"
    )]
    SnapshotAhead {
        /// The stream.
        stream: String,
        /// Where the snapshot claims to be.
        sequence: u64,
        /// Where the stream ends.
        head: u64,
    },

    /// The text is erased, but a reader held on to the old pages of the file.
    #[error(
        "the text is erased, but a copy may remain in the write-ahead log beside {path} because a reader is busy: erase it again"
    )]
    EraseUnfinished {
        /// The file of the log.
        path: PathBuf,
    },

    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    NoRandomness(#[source] getrandom::Error),

    /// The operating system gave no thread to write on.
    #[error("the thread that writes the log could not be started")]
    NoThread(#[source] Cause),

    /// The thread that writes the log has ended.
    #[error("the log is closed: its writer was stopped")]
    Closed,
}

/// The batch does not continue its stream, and was refused whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// Somebody else appended first, or the writer lost count.
    #[error("entry {sequence} was refused: stream `{stream}` ends at entry {head}, so the next one is {}", head + 1)]
    Sequence {
        /// The stream.
        stream: String,
        /// The sequence number of the refused entry.
        sequence: u64,
        /// The last entry of the stream.
        head: u64,
    },
    /// The entry continues another history.
    #[error(
        "entry {sequence} of stream `{stream}` was refused: it follows an entry with the digest {named}, but the one before it has {head}"
    )]
    Previous {
        /// The stream.
        stream: String,
        /// The sequence number of the refused entry.
        sequence: u64,
        /// What the refused line names as the digest before it.
        named: Digest,
        /// The digest of the last entry of the stream.
        head: Digest,
    },
}
