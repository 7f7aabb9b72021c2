//! What can go wrong with the log, told apart by what somebody can do about it.

use crate::digest::Digest;
use crate::lease::LeaseHolder;
use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// The cause of an error; shared, because every batch of a failed transaction is told the same.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// Where a log lies, as people are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file of SQLite.
    File(PathBuf),
    /// A database of PostgreSQL; its password is not kept here.
    Database {
        /// Its name.
        name: String,
        /// The server's name or address, and its port.
        host: String,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Database { name, host } => write!(f, "database `{name}` at {host}"),
        }
    }
}

impl Place {
    const fn how_to_write(&self) -> &'static str {
        match self {
            Self::File(_) => {
                "check the owner and the permissions of the folder, and whether the disk is mounted read-only"
            }
            Self::Database { .. } => {
                "check that the server is no standby, that `default_transaction_read_only` is off, and what the user may do"
            }
        }
    }
}

/// The log did not do what was asked. After any of these nothing is half written, and the log can
/// be asked again.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The batch does not continue its stream, or the right to append to it was lost.
    #[error(transparent)]
    Conflict(#[from] Conflict),

    /// There is no room left; the same request succeeds once there is.
    #[error(
        "no room left on the disk for {place}: nothing was written; free some space and the log goes on"
    )]
    Full {
        /// Where the log lies.
        place: Place,
        /// What the database said.
        #[source]
        source: Cause,
    },

    /// The file or its folder cannot be written by this user.
    #[error(
        "{place} cannot be written: {}", place.how_to_write()
    )]
    ReadOnly {
        /// Where the log lies.
        place: Place,
        /// What the database said.
        #[source]
        source: Cause,
    },

    /// The disk or the operating system failed.
    ///
    /// When this answers an append, whether the batch is there is only known from the head after
    /// the log was opened again.
    #[error("the disk failed under {place}")]
    Io {
        /// Where the log lies.
        place: Place,
        /// What the database said.
        #[source]
        source: Cause,
    },

    /// The database does not answer, or went away before it was told to commit: nothing was
    /// written. It is asked again with the next request.
    #[error("{place} does not answer: nothing was written; qnt9 goes on as soon as it answers")]
    Away {
        /// Where the log lies.
        place: Place,
        /// What was said.
        #[source]
        source: Cause,
    },

    /// The database went away while it committed, and did not come back in time to be asked.
    ///
    /// Whether the group is there shows in the heads once the database answers: either all of its
    /// batches or none.
    #[error(
        "{place} went away while it committed: whether anything was written shows when it answers again"
    )]
    OutcomeUnknown {
        /// Where the log lies.
        place: Place,
        /// What was said.
        #[source]
        source: Cause,
    },

    /// The database refuses us, or what it is asked.
    #[error("{place} refused: {said}")]
    Refused {
        /// Where the log lies.
        place: Place,
        /// What the database said.
        said: String,
        /// The same with its details.
        #[source]
        source: Cause,
    },

    /// The address of a database cannot be used.
    #[error("the address of the database cannot be used: {problem}")]
    BadAddress {
        /// What does not fit; the address itself may hold a password and is not repeated.
        problem: String,
    },

    /// There is no log to read.
    #[error("there is no log at {place}")]
    Missing {
        /// Where it was looked for.
        place: Place,
    },

    /// Another process holds the file.
    #[error("{place} is in use by another process")]
    Busy {
        /// Where the log lies.
        place: Place,
        /// What the database said.
        #[source]
        source: Cause,
    },

    /// The file is no log of ours, or was damaged.
    #[error("{place} is damaged or no log of qnt9 ({what}): restore it from a backup")]
    Corrupt {
        /// Where the log lies.
        place: Place,
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
        "{place} was written by a newer qnt9 (schema step {found}, this one knows {known}): use that version"
    )]
    NewerSchema {
        /// Where the log lies.
        place: Place,
        /// The schema step found.
        found: i64,
        /// The last schema step this program knows.
        known: i64,
    },

    /// The log has not been brought to this version yet, and a reader may not do it.
    #[error(
        "{place} was written by an older qnt9 (schema step {found}): start the server of this version once"
    )]
    OlderSchema {
        /// Where the log lies.
        place: Place,
        /// The schema step found.
        found: i64,
    },

    /// The master key is not the one the log was made with.
    #[error(
        "{place} was sealed with the master key {sealed_with}, but the key given is {given}: bring back the key file this data was made with"
    )]
    WrongKey {
        /// Where the log lies.
        place: Place,
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

    /// The snapshot is of another history: the entry it was made after is not in the stream.
    #[error(
        "the snapshot of stream `{stream}` was made after another entry {sequence} than the stream has; replay the stream from its start"
    )]
    SnapshotOfOtherHistory {
        /// The stream.
        stream: String,
        /// The entry it claims to be made after.
        sequence: u64,
    },

    /// An archived piece of the stream was changed from outside.
    #[error(
        "entry {sequence} of stream `{stream}` cannot be read: the archive of entries {first} to {last} was changed"
    )]
    SegmentChanged {
        /// The stream.
        stream: String,
        /// The first entry that is not as it was appended.
        sequence: u64,
        /// The first entry in the segment.
        first: u64,
        /// The last entry in the segment.
        last: u64,
    },

    /// Entries that were to be archived are not whole; they stay as they are.
    #[error("nothing was archived")]
    NotWhole(#[from] crate::verify::Tampered),

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
        "the text is erased, but a copy may remain in the write-ahead log beside {place} because a reader is busy: erase it again"
    )]
    EraseUnfinished {
        /// Where the log lies.
        place: Place,
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

/// The batch was refused whole, because of what others did meanwhile.
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
    /// Somebody else holds the stream now.
    #[error(
        "an append to stream `{stream}` under lease {fence} was refused: {}", now_held(*current, holder)
    )]
    Fenced {
        /// The stream.
        stream: String,
        /// The fence that was named.
        fence: u64,
        /// The fence that is in force; 0 where nobody ever took the lease.
        current: u64,
        /// Who took it last.
        holder: LeaseHolder,
    },
}

fn now_held(current: u64, holder: &LeaseHolder) -> String {
    match current {
        0 => "nobody took one".to_owned(),
        _ => format!("lease {current} was given to {} at {}", holder.id, holder.address),
    }
}
