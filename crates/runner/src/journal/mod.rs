//! The journal of a job: an append-only file of framed records.
//!
//! A frame is `length u32 | crc32(offset, length) u32 | crc32(payload) u32 | payload`, integers
//! little-endian, the payload JSON. The header has a checksum of its own so that a flipped bit in
//! a length is told apart from a file that simply ends early: the first is damage, the second is
//! how every crash in the middle of a write looks. The same frames travel over the shim's socket.

mod frame;
mod reader;
mod record;
#[cfg(test)]
mod tests;
mod writer;

pub use frame::{FRAME_HEADER_BYTES, FrameError, encode};
pub use reader::{Follow, JournalError, Reader};
pub use record::{
    Annotation, AnnotationLevel, Interval, JobResult, LogLine, PROTOCOL_VERSION, Record,
    StepConclusion, ValuePart,
};
pub use writer::Writer;
