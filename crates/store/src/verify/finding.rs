//! What a verification finds, in words.

use crate::digest::Digest;
use crate::error::StoreError;
use crate::log::Head;
use std::fmt;

/// A stream that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The stream.
    pub stream: String,
    /// How many entries it has.
    pub entries: u64,
    /// Its last entry; keep it elsewhere to notice later that a log was set back.
    pub head: Head,
}

/// A stream that is not whole, and its first bad entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {sequence} of stream `{stream}` {reason}")]
pub struct Tampered {
    /// The stream.
    pub stream: String,
    /// The sequence number at which it stops being whole.
    pub sequence: u64,
    /// What is wrong there.
    pub reason: Reason,
}

/// What is wrong with an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The line is not the one that was appended.
    Changed,
    /// The line and all that follow it fit together, but were not written with the master key.
    Rewritten,
    /// The entry was written with the master key, but into another history of this stream.
    OtherHistory,
    /// The entry is not there.
    Missing {
        /// The entry that was found in its place.
        found: Option<u64>,
    },
    /// In its place stands an entry that belongs elsewhere.
    Misplaced {
        /// The stream that the line names.
        stream: String,
        /// The sequence number that the line names.
        sequence: u64,
    },
    /// The entry is there more than once.
    Doubled,
    /// The entry cannot be read, for the archive it lies in was changed.
    ArchiveChanged {
        /// The first entry in that piece of the archive.
        first: u64,
        /// The last entry in it.
        last: u64,
    },
    /// The entry lies behind the last one of the stream.
    BehindHead,
    /// The stream has entries, but the record of its last one was deleted.
    HeadMissing,
    /// The record of the last entry was not written with the master key.
    HeadChanged,
    /// A text of the entry does not open with the master key.
    TextChanged {
        /// The name of the text.
        digest: Digest,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed => f.write_str("was changed: its digest is not the recorded one"),
            Self::Rewritten => f.write_str(
                "does not have the seal of the master key: it was rewritten together with what \
                 follows it, or its seal was changed",
            ),
            Self::OtherHistory => f.write_str(
                "was taken from another copy of the log: it does not follow the one before",
            ),
            Self::Missing { found: Some(found) } => {
                write!(f, "is missing: entry {found} comes in its place")
            }
            Self::Missing { found: None } => f.write_str("is missing: the log ends before it"),
            Self::Misplaced { stream, sequence } => {
                write!(f, "is missing: in its place stands entry {sequence} of stream `{stream}`")
            }
            Self::Doubled => f.write_str("is there twice"),
            Self::ArchiveChanged { first, last } => {
                write!(f, "was changed in the archive of entries {first} to {last}")
            }
            Self::BehindHead => {
                f.write_str("was added from outside: the recorded end of the stream is before it")
            }
            Self::HeadMissing => {
                f.write_str("is there, but the record of the stream's end was deleted")
            }
            Self::HeadChanged => f.write_str(
                "is not reliably the last one: the record of the stream's end was changed",
            ),
            Self::TextChanged { digest } => write!(f, "has a text, {digest}, that was changed"),
        }
    }
}

/// A stream was not verified: it is not whole, or it could not be read.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It is not whole.
    #[error(transparent)]
    Tampered(#[from] Tampered),
    /// The log could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The export is cut, or no export.
    #[error("line {line} of the export: {problem}")]
    NoExport {
        /// The line, counted from 1.
        line: u64,
        /// What does not fit.
        problem: String,
    },
    /// The export could not be read.
    #[error("the export cannot be read")]
    Io(#[from] std::io::Error),
}
