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

/// What the one line of JSON that is stored begins with. Behind it come `kind`, `previous` and
/// `payload`; the order of the fields is part of the format.
#[derive(Serialize)]
struct Beginning<'a> {
    version: u16,
    stream: &'a StreamId,
    sequence: u64,
    time: Millis,
    actor: &'a Actor,
}

/// The line as it is read, but for its payload.
#[derive(Clone, Deserialize)]
struct Line {
    version: u16,
    stream: StreamId,
    sequence: u64,
    time: Millis,
    actor: Actor,
    kind: String,
}

/// What stands before the payload in a line and in a fact.
const PAYLOAD: &str = ",\"payload\":";

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
        const PLAIN: &str = "a fact and its envelope are plain data";
        let beginning = Beginning {
            version: ENVELOPE_VERSION,
            stream: &self.stream,
            sequence: self.sequence,
            time: self.time,
            actor: &self.actor,
        };
        let beginning = serde_json::to_string(&beginning).expect(PLAIN);
        let fact = serde_json::to_string(&self.fact).expect(PLAIN);
        let (fact, texts) = text::seal(&fact, salt);
        let (kind, payload) = fact.split_once(PAYLOAD).expect("facts are tagged by kind");
        let previous = serde_json::to_string(previous).expect(PLAIN);
        let line = format!(
            "{},{},\"previous\":{previous}{PAYLOAD}{payload}",
            &beginning[..beginning.len() - 1],
            &kind[1..],
        );
        SealedEntry { digest: digest(&line), line, texts }
    }

    /// Reads a stored line; `find` gives the user texts that are still there, by digest.
    pub fn open(line: &str, find: &dyn Fn(&str) -> Option<String>) -> Result<Self, EntryError> {
        let text = line;
        let line: Line = serde_json::from_str(text).map_err(EntryError::Envelope)?;
        if line.version > ENVELOPE_VERSION {
            let Line { version, stream, sequence, .. } = line;
            return Err(EntryError::Version { version, stream, sequence });
        }
        let (_, payload) = text
            .split_once(PAYLOAD)
            .ok_or_else(|| EntryError::Envelope(serde::de::Error::missing_field("payload")))?;
        // With the payload end the fact and the line, and so with the same brace.
        let fact = format!("{{\"kind\":{}{PAYLOAD}{payload}", Value::from(line.kind.as_str()));
        let fact = serde_json::from_str(&text::open(&fact, find)).map_err(|source| {
            let Line { kind, stream, sequence, .. } = line.clone();
            EntryError::Fact { kind, stream, sequence, source }
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
