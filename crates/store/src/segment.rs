//! A segment: neighbouring entries of one stream, compressed together and sealed, for the archive.
//!
//! Its content, before compression, is for each entry `length of line (4 bytes) | seal (32) | line`.

use crate::digest::{DIGEST_BYTES, Digest};
use crate::entry::StoredEntry;
use crate::error::StoreError;
use crate::log::{FIRST_SEQUENCE, Head};
use crate::sealing::Seals;
use crate::verify::Verifier;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use std::io::{Read as _, Write as _};

/// A segment takes no further entry once its lines have this many bytes.
pub(crate) const SEGMENT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// As much is looked at of a segment whose seal is wrong, to find its first bad entry.
const DAMAGED_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A segment as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    /// The first entry.
    pub(crate) first: u64,
    /// The last entry.
    pub(crate) last: u64,
    /// Digest of the entry before the first.
    pub(crate) previous: Digest,
    /// Digest of the last entry.
    pub(crate) digest: Digest,
    /// The entries, compressed.
    pub(crate) content: Vec<u8>,
    /// Authenticates all of the above.
    pub(crate) seal: Digest,
}

impl Segment {
    /// Archives entries that were verified to follow `before`; there is at least one.
    pub(crate) fn new(stream: &str, before: Head, entries: &[StoredEntry], seals: &Seals) -> Self {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        let mut write = |bytes: &[u8]| {
            encoder.write_all(bytes).expect("writing to memory does not fail");
        };
        for entry in entries {
            let length = u32::try_from(entry.line.len()).expect("a line's length is limited");
            write(&length.to_le_bytes());
            write(entry.seal.unwrap_or(Digest::ZERO).as_bytes());
            write(&entry.line);
        }
        let mut segment = Self {
            first: before.sequence + 1,
            last: before.sequence + entries.len() as u64,
            previous: before.digest,
            digest: entries.last().map_or(Digest::ZERO, StoredEntry::digest),
            content: encoder.finish().expect("writing to memory does not fail"),
            seal: Digest::ZERO,
        };
        segment.seal = seals.segment(stream, &segment);
        segment
    }

    /// The entries. Without `seals` it is not checked whether somebody changed the segment.
    pub(crate) fn open(
        &self,
        stream: &str,
        seals: Option<&Seals>,
    ) -> Result<Vec<StoredEntry>, StoreError> {
        let is_ours = seals.is_none_or(|seals| seals.segment(stream, self) == self.seal);
        let limit = if is_ours { u64::MAX } else { DAMAGED_BYTES_MAX };
        let (entries, is_complete) = self.entries(limit);
        if is_ours && is_complete {
            return Ok(entries);
        }
        Err(StoreError::SegmentChanged {
            stream: stream.to_owned(),
            sequence: self.first_bad(stream, seals, &entries),
            first: self.first,
            last: self.last,
        })
    }

    /// As many entries as can be made out, and whether these are all.
    fn entries(&self, limit: u64) -> (Vec<StoredEntry>, bool) {
        let mut content = Vec::new();
        let decoder = ZlibDecoder::new(self.content.as_slice());
        // What was read before a failure stays in the buffer.
        let is_readable = decoder.take(limit).read_to_end(&mut content).is_ok();
        let mut rest = content.as_slice();
        let mut entries = Vec::new();
        while let Some((entry, after)) = split_entry(rest, self.first + entries.len() as u64) {
            entries.push(entry);
            rest = after;
        }
        let is_whole = rest.is_empty() && self.first + entries.len() as u64 == self.last + 1;
        (entries, is_readable && is_whole)
    }

    fn first_bad(&self, stream: &str, seals: Option<&Seals>, entries: &[StoredEntry]) -> u64 {
        let before = Head { sequence: self.first.max(FIRST_SEQUENCE) - 1, digest: self.previous };
        let mut verifier = Verifier::after(stream, seals.cloned(), before);
        let found = entries.iter().try_for_each(|entry| verifier.push(entry));
        match found.and_then(|()| verifier.judge_last(None)) {
            Err(tampered) => tampered.sequence,
            Ok(()) if (entries.len() as u64) < self.last.saturating_sub(before.sequence) => {
                self.first + entries.len() as u64
            }
            // The entries are good, so it is what was noted about them that was changed.
            Ok(()) => self.first,
        }
    }
}

fn split_entry(content: &[u8], sequence: u64) -> Option<(StoredEntry, &[u8])> {
    let (length, rest) = content.split_first_chunk::<4>()?;
    let (seal, rest) = rest.split_first_chunk::<DIGEST_BYTES>()?;
    let (line, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    let seal = Some(Digest::from_bytes(*seal));
    Some((StoredEntry { sequence, line: line.to_vec(), seal }, rest))
}
