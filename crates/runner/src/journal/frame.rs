use thiserror::Error;

use super::Record;
use crate::limits::RECORD_BYTES_MAX;

/// What stands before the payload of a frame.
pub const FRAME_HEADER_BYTES: usize = 12;

/// Why bytes are no frame, or a record does not become one.
#[derive(Debug, Error)]
pub enum FrameError {
    /// Bits have changed since they were written.
    #[error("the journal is damaged at byte {offset}: {what}")]
    Damaged {
        /// Where the frame begins.
        offset: u64,
        /// Which check failed.
        what: &'static str,
    },
    /// Whole, but written by a version that knows more.
    #[error("the journal's record at byte {offset} is not one that this version knows")]
    Unknown {
        /// Where the frame begins.
        offset: u64,
        /// What was not understood.
        #[source]
        source: serde_json::Error,
    },
    /// More than [`RECORD_BYTES_MAX`].
    #[error("a record of {bytes} bytes is beyond the limit of {RECORD_BYTES_MAX}")]
    TooLong {
        /// Of the payload.
        bytes: usize,
    },
}

/// The bytes of one frame that will start at `offset`.
pub fn encode(record: &Record, offset: u64) -> Result<Vec<u8>, FrameError> {
    let payload = serde_json::to_vec(record)
        .expect("records hold strings, numbers and maps with string keys only");
    let length = u32::try_from(payload.len())
        .ok()
        .filter(|&length| length <= RECORD_BYTES_MAX)
        .ok_or(FrameError::TooLong { bytes: payload.len() })?;
    let mut frame = Vec::with_capacity(FRAME_HEADER_BYTES + payload.len());
    frame.extend(length.to_le_bytes());
    frame.extend(header_checksum(offset, length).to_le_bytes());
    frame.extend(crc32fast::hash(&payload).to_le_bytes());
    frame.extend(payload);
    Ok(frame)
}

/// The first frame of `bytes`, which start at `offset` of the journal: the record and the frame's
/// length. `None` means that the frame is not complete yet.
pub(super) fn decode(bytes: &[u8], offset: u64) -> Result<Option<(Record, usize)>, FrameError> {
    if bytes.len() < FRAME_HEADER_BYTES {
        return Ok(None);
    }
    let [length, header_sum, payload_sum] = [0, 4, 8]
        .map(|at| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("a slice of four bytes")));
    if header_sum != header_checksum(offset, length) {
        // A file system may lengthen a file before a power cut and never write the data.
        if bytes.iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        return Err(FrameError::Damaged { offset, what: "a frame header does not match" });
    }
    if length > RECORD_BYTES_MAX {
        return Err(FrameError::Damaged { offset, what: "a record is longer than any written" });
    }
    let end = FRAME_HEADER_BYTES + length as usize;
    let Some(payload) = bytes.get(FRAME_HEADER_BYTES..end) else {
        return Ok(None);
    };
    if crc32fast::hash(payload) != payload_sum {
        return Err(FrameError::Damaged { offset, what: "a record does not match its checksum" });
    }
    let record =
        serde_json::from_slice(payload).map_err(|source| FrameError::Unknown { offset, source })?;
    Ok(Some((record, end)))
}

fn header_checksum(offset: u64, length: u32) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&offset.to_le_bytes());
    hasher.update(&length.to_le_bytes());
    hasher.finalize()
}
