//! The envelope of a fact. It cannot be changed later: old logs must stay readable and verifiable.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::fact::Fact;
use crate::ids::{Millis, StreamId};
use crate::people::Actor;
use crate::text::{self, SealedText};

/// The version of the envelope that this code writes.
pub const ENVELOPE_VERSION: u16 = 1;

/// What the first entry of a stream gives as the digest of the entry before it.
pub const NO_PREVIOUS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A fact with where, when and by whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The stream it belongs to.
    pub stream: StreamId,
    /// Its place in the stream, from 1 without gaps.
    pub sequence: u64,
    /// When it was decided.
    pub time: Millis,
    /// Who caused it.
    pub actor: Actor,
    /// What happened.
    pub fact: Fact,
}

/// The one line of JSON that is stored. Field order is part of the format.
#[derive(Serialize, Deserialize)]
struct Line {
    version: u16,
    stream: StreamId,
    sequence: u64,
    time: Millis,
    actor: Actor,
    kind: String,
    previous: String,
    payload: Value,
}

/// An entry made ready for the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedEntry {
    /// The line, without a line feed. Its sha256 is the entry's digest.
    pub line: String,
    /// The digest, in hexadecimal.
    pub digest: String,
    /// The user texts that the line names by digest.
    pub texts: Vec<SealedText>,
}

/// A stored line that cannot be read as an entry.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// The line is not an envelope.
    #[error("the entry is not an envelope this program knows")]
    Envelope(#[source] serde_json::Error),
    /// The envelope comes from a later program.
    #[error("entry {sequence} of {stream} has envelope version {version}, written by a later qnt9")]
    Version {
        /// The version found.
        version: u16,
        /// The stream.
        stream: StreamId,
        /// The sequence number.
        sequence: u64,
    },
    /// The payload does not fit its kind.
    #[error("entry {sequence} of {stream} says `{kind}`, which cannot be read")]
    Fact {
        /// The kind found.
        kind: String,
        /// The stream.
        stream: StreamId,
        /// The sequence number.
        sequence: u64,
        /// What does not fit.
        #[source]
        source: serde_json::Error,
    },
}

impl Entry {
    /// The line of this entry behind the entry whose digest is `previous`. `salt` gives fresh
    /// random bytes for each user text.
    pub fn seal(&self, previous: &str, salt: &mut dyn FnMut() -> [u8; 16]) -> SealedEntry {
        let mut fact = serde_json::to_value(&self.fact).expect("a fact is plain data");
        let kind = fact["kind"].as_str().expect("facts are tagged by kind").to_owned();
        let mut payload = fact["payload"].take();
        let texts = text::seal(&mut payload, salt);
        let line = Line {
            version: ENVELOPE_VERSION,
            stream: self.stream.clone(),
            sequence: self.sequence,
            time: self.time,
            actor: self.actor.clone(),
            kind,
            previous: previous.to_owned(),
            payload,
        };
        let line = serde_json::to_string(&line).expect("an envelope is plain data");
        SealedEntry { digest: digest(&line), line, texts }
    }

    /// Reads a stored line; `find` gives the user texts that are still there, by digest.
    pub fn open(line: &str, find: &dyn Fn(&str) -> Option<String>) -> Result<Self, EntryError> {
        let mut line: Line = serde_json::from_str(line).map_err(EntryError::Envelope)?;
        if line.version > ENVELOPE_VERSION {
            let Line { version, stream, sequence, .. } = line;
            return Err(EntryError::Version { version, stream, sequence });
        }
        text::open(&mut line.payload, find);
        let fact = serde_json::json!({ "kind": line.kind, "payload": line.payload });
        let fact = serde_json::from_value(fact).map_err(|source| EntryError::Fact {
            kind: line.kind,
            stream: line.stream.clone(),
            sequence: line.sequence,
            source,
        })?;
        Ok(Self {
            stream: line.stream,
            sequence: line.sequence,
            time: line.time,
            actor: line.actor,
            fact,
        })
    }
}

/// sha256 of a line, in hexadecimal.
#[must_use]
pub fn digest(line: &str) -> String {
    hex::encode(Sha256::digest(line.as_bytes()))
}
