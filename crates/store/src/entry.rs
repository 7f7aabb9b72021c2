//! One entry of a log: the line, which says where it belongs, and the texts beside it.

use crate::digest::Digest;
use crate::error::Conflict;
use crate::log::{FIRST_SEQUENCE, Head};
use serde::Deserialize;

/// The longest line that is stored.
pub const LINE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The longest text that is stored; longer ones are blobs.
pub const TEXT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The longest salt of a text.
pub const SALT_BYTES_MAX: usize = 255;
/// The longest name of a stream.
pub const STREAM_NAME_BYTES_MAX: usize = 200;

/// An entry that is fit to be appended: its line is one line of JSON that says where it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    header: LineHeader,
    line: Vec<u8>,
    digest: Digest,
    texts: Vec<Text>,
}

impl NewEntry {
    /// Reads where the line belongs and computes its digest. The line comes without a newline.
    pub fn new(line: Vec<u8>, texts: Vec<Text>) -> Result<Self, BadEntry> {
        if line.len() > LINE_BYTES_MAX {
            return Err(BadEntry::LineTooLong { bytes: line.len() });
        }
        if line.contains(&b'\n') {
            return Err(BadEntry::Newline);
        }
        let header = LineHeader::of(&line).map_err(|reason| BadEntry::NotAFact { reason })?;
        if header.stream.is_empty() || header.stream.len() > STREAM_NAME_BYTES_MAX {
            return Err(BadEntry::StreamName { bytes: header.stream.len() });
        }
        // SQL's integers are signed, and nobody counts further.
        if header.sequence < FIRST_SEQUENCE || i64::try_from(header.sequence).is_err() {
            return Err(BadEntry::SequenceOutOfRange { sequence: header.sequence });
        }
        for (index, text) in texts.iter().enumerate() {
            text.check()?;
            if texts[..index].iter().any(|other| other.digest == text.digest) {
                return Err(BadEntry::TextTwice { digest: text.digest });
            }
        }
        let digest = Digest::of(&line);
        Ok(Self { header, line, digest, texts })
    }

    /// The stream the line names.
    pub fn stream(&self) -> &str {
        &self.header.stream
    }

    /// The sequence number the line names.
    pub const fn sequence(&self) -> u64 {
        self.header.sequence
    }

    /// The digest that the line names as that of the line before it.
    pub const fn previous(&self) -> Digest {
        self.header.previous
    }

    /// The bytes of the line.
    pub fn line(&self) -> &[u8] {
        &self.line
    }

    /// The digest of the line.
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The texts that belong to the line.
    pub fn texts(&self) -> &[Text] {
        &self.texts
    }

    /// The head of the stream once this entry is stored.
    pub const fn as_head(&self) -> Head {
        Head { sequence: self.header.sequence, digest: self.digest }
    }

    /// Does the entry come right after `head`?
    pub(crate) fn check_follows(&self, head: Head) -> Result<(), Conflict> {
        if self.sequence() != head.sequence + 1 {
            return Err(Conflict::Sequence {
                stream: self.stream().to_owned(),
                sequence: self.sequence(),
                head: head.sequence,
            });
        }
        if self.previous() != head.digest {
            return Err(Conflict::Previous {
                stream: self.stream().to_owned(),
                sequence: self.sequence(),
                named: self.previous(),
                head: head.digest,
            });
        }
        Ok(())
    }
}

/// What a user put in, kept beside the line so that it can be erased. How the digest is made from
/// salt and plaintext is the business of whoever wrote the line.
#[derive(Clone, PartialEq, Eq)]
pub struct Text {
    /// The salted digest by which the line names the text.
    pub digest: Digest,
    /// The salt; it is encrypted and erased together with the plaintext, for with it a short
    /// plaintext could be guessed from the digest.
    pub salt: Vec<u8>,
    /// The content.
    pub plaintext: Vec<u8>,
}

impl Text {
    fn check(&self) -> Result<(), BadEntry> {
        if self.salt.len() > SALT_BYTES_MAX {
            return Err(BadEntry::SaltTooLong { digest: self.digest, bytes: self.salt.len() });
        }
        if self.plaintext.len() > TEXT_BYTES_MAX {
            return Err(BadEntry::TextTooLong { digest: self.digest, bytes: self.plaintext.len() });
        }
        Ok(())
    }
}

/// The content stays out of logs and panics.
impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Text({}, {} bytes)", self.digest, self.plaintext.len())
    }
}

/// An entry as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// Where the log keeps the entry.
    pub sequence: u64,
    /// The line, byte for byte as it was appended.
    pub line: Vec<u8>,
    /// HMAC-SHA256 of the line's digest; absent in an export, which seals the head only.
    pub seal: Option<Digest>,
}

impl StoredEntry {
    /// The head of the stream when this entry was the last.
    pub fn as_head(&self) -> Head {
        Head { sequence: self.sequence, digest: self.digest() }
    }

    /// The digest of the line.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.line)
    }
}

/// A text as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredText {
    /// The entry it belongs to.
    pub sequence: u64,
    /// The name of the text.
    pub digest: Digest,
    /// The content, or `None` once it is erased.
    pub text: Option<Text>,
}

/// The entry cannot be stored wherever the stream stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadEntry {
    /// Larger than a fact may be.
    #[error("the line has {bytes} bytes, more than the {LINE_BYTES_MAX} a fact may have")]
    LineTooLong {
        /// Its length.
        bytes: usize,
    },
    /// More than one line.
    #[error("the line contains a newline: a fact is exactly one line")]
    Newline,
    /// Without the fields of the envelope.
    #[error("the line is not a fact: {reason}")]
    NotAFact {
        /// What the parser says.
        reason: String,
    },
    /// No name, or a very long one.
    #[error("the stream's name has {bytes} bytes; 1 to {STREAM_NAME_BYTES_MAX} are allowed")]
    StreamName {
        /// Its length.
        bytes: usize,
    },
    /// Zero, or beyond what SQL can count.
    #[error("the sequence number {sequence} is out of range: streams count from {FIRST_SEQUENCE}")]
    SequenceOutOfRange {
        /// The number.
        sequence: u64,
    },
    /// One entry names a text twice.
    #[error("the text {digest} is given twice for one entry")]
    TextTwice {
        /// The name of the text.
        digest: Digest,
    },
    /// Larger than a text may be.
    #[error(
        "the text {digest} has {bytes} bytes, more than the {TEXT_BYTES_MAX} allowed: keep it as a blob"
    )]
    TextTooLong {
        /// The name of the text.
        digest: Digest,
        /// Its length.
        bytes: usize,
    },
    /// A salt of a size that no salt has.
    #[error("the salt of text {digest} has {bytes} bytes, more than the {SALT_BYTES_MAX} allowed")]
    SaltTooLong {
        /// The name of the text.
        digest: Digest,
        /// Its length.
        bytes: usize,
    },
}

/// The three fields of a line that make the chain; the rest of the line is not looked at.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct LineHeader {
    pub(crate) stream: String,
    pub(crate) sequence: u64,
    pub(crate) previous: Digest,
}

impl LineHeader {
    pub(crate) fn of(line: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(line).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests;
