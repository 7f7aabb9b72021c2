//! What the master key does for a log: seals of entries and heads, and encryption of texts and
//! snapshots, each bound to its place.

use crate::digest::Digest;
use crate::entry::{StoredText, Text};
use crate::error::{Place, StoreError};
use crate::key::{MacKey, MasterKey, SealKey, Unsealable};
use crate::log::{Head, SealedHead};
use crate::segment::Segment;

/// All that is derived from the master key for one log.
#[derive(Debug, Clone)]
pub struct Keys {
    pub(crate) seals: Seals,
    texts: SealKey,
    snapshots: SealKey,
    pub(crate) fingerprint: String,
}

impl Keys {
    pub(crate) fn new(key: &MasterKey) -> Self {
        Self {
            seals: Seals::new(key),
            texts: key.seal_key("log text"),
            snapshots: key.seal_key("log snapshot"),
            fingerprint: key.fingerprint(),
        }
    }

    /// Is this the key that the log was made with?
    pub(crate) fn check(&self, sealed_with: &str, place: Place) -> Result<(), StoreError> {
        if sealed_with == self.fingerprint {
            return Ok(());
        }
        let (sealed_with, given) = (sealed_with.to_owned(), self.fingerprint.clone());
        Err(StoreError::WrongKey { place, sealed_with, given })
    }

    pub(crate) fn seal_text(
        &self,
        stream: &str,
        sequence: u64,
        text: &Text,
    ) -> Result<Vec<u8>, Unsealable> {
        self.texts.seal(&text_aad(stream, sequence, &text.digest), &frame(text))
    }

    /// Opens a text as it is stored; `sealed` is `None` once it was erased.
    pub(crate) fn open_text(
        &self,
        stream: &str,
        sequence: u64,
        digest: Digest,
        sealed: Option<&[u8]>,
    ) -> Result<StoredText, StoreError> {
        let Some(sealed) = sealed else { return Ok(StoredText { sequence, digest, text: None }) };
        let opened = self.texts.open(&text_aad(stream, sequence, &digest), sealed).ok();
        let text = opened.and_then(|content| unframe(digest, &content));
        match text {
            Some(text) => Ok(StoredText { sequence, digest, text: Some(text) }),
            None => Err(StoreError::TextChanged { stream: stream.to_owned(), sequence, digest }),
        }
    }

    pub(crate) fn seal_chunk(
        &self,
        stream: &str,
        place: &ChunkPlace,
        chunk: &[u8],
    ) -> Result<Vec<u8>, Unsealable> {
        self.snapshots.seal(&place.aad(stream), chunk)
    }

    pub(crate) fn open_chunk(
        &self,
        stream: &str,
        place: &ChunkPlace,
        sealed: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        self.snapshots
            .open(&place.aad(stream), sealed)
            .map_err(|_| StoreError::SnapshotChanged { stream: stream.to_owned() })
    }
}

/// What a piece of a snapshot is a piece of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChunkPlace {
    pub(crate) at: Head,
    pub(crate) state_version: u32,
    pub(crate) index: usize,
    pub(crate) count: usize,
}

impl ChunkPlace {
    fn aad(&self, stream: &str) -> Vec<u8> {
        [
            &self.at.sequence.to_be_bytes()[..],
            self.at.digest.as_bytes(),
            &self.state_version.to_be_bytes(),
            &(self.index as u64).to_be_bytes(),
            &(self.count as u64).to_be_bytes(),
            stream.as_bytes(),
        ]
        .concat()
    }
}

/// Makes the seals of one master key. Rewriting the whole chain is found because its digests then
/// have no seals.
#[derive(Debug, Clone)]
pub(crate) struct Seals {
    entries: MacKey,
    heads: MacKey,
    segments: MacKey,
}

impl Seals {
    pub(crate) fn new(key: &MasterKey) -> Self {
        Self {
            entries: key.mac_key("log entry"),
            heads: key.mac_key("log head"),
            segments: key.mac_key("log segment"),
        }
    }

    /// The line, and so its digest, says which stream and place it is for.
    pub(crate) fn entry(&self, digest: &Digest) -> Digest {
        self.entries.mac(&[digest.as_bytes()])
    }

    pub(crate) fn head(&self, stream: &str, head: &Head) -> SealedHead {
        let sequence = head.sequence.to_be_bytes();
        let seal = self.heads.mac(&[stream.as_bytes(), &sequence, head.digest.as_bytes()]);
        SealedHead { head: *head, seal }
    }

    /// Covers everything of a segment but its seal.
    pub(crate) fn segment(&self, stream: &str, segment: &Segment) -> Digest {
        self.segments.mac(&[
            stream.as_bytes(),
            &segment.first.to_be_bytes(),
            &segment.last.to_be_bytes(),
            segment.previous.as_bytes(),
            segment.digest.as_bytes(),
            Digest::of(&segment.content).as_bytes(),
        ])
    }
}

/// Salt and plaintext as they are sealed: `length of salt (1 byte) | salt | plaintext`.
fn frame(text: &Text) -> Vec<u8> {
    let salt_length = u8::try_from(text.salt.len()).expect("an entry's salts were measured");
    let mut content = Vec::with_capacity(1 + text.salt.len() + text.plaintext.len());
    content.push(salt_length);
    content.extend_from_slice(&text.salt);
    content.extend_from_slice(&text.plaintext);
    content
}

fn unframe(digest: Digest, content: &[u8]) -> Option<Text> {
    let (&salt_length, rest) = content.split_first()?;
    let (salt, plaintext) = rest.split_at_checked(usize::from(salt_length))?;
    Some(Text { digest, salt: salt.to_vec(), plaintext: plaintext.to_vec() })
}

/// Binds a text to its entry. The parts in front have a fixed length, so none can run into another.
fn text_aad(stream: &str, sequence: u64, digest: &Digest) -> Vec<u8> {
    [&sequence.to_be_bytes()[..], digest.as_bytes(), stream.as_bytes()].concat()
}
