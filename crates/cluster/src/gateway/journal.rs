//! What each arm was asked and how it answered, second by second, in files that outlive both processes.
//!
//! A record is a line `{"crc32":"0a1b2c3d","record":{..}}`; the checksum covers the record's own bytes.
//! Lines are written at once but not synced: a power cut may cost the last seconds, never the order.
//! Segments are numbered from 1 and the oldest are deleted, so a reader that slept too long skips
//! ahead and says so.

mod segments;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use qnt9_model::{DeploymentId, Place};
use serde::{Deserialize, Serialize};

use super::Sketch;
use segments::{list, segment_path};

/// The journal's directory in the gateway's directory.
pub const JOURNAL_DIR: &str = "journal";
/// A segment that has grown beyond this is followed by a new one.
pub const SEGMENT_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Segments kept, the growing one included.
pub const SEGMENTS_MAX: usize = 8;
/// A longer line is not one of ours.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// One arm's second. Within a window there is at most one record per place, arm and generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Which second; grows by one each second and never goes back, also not after a restart.
    pub window: u64,
    /// When the window ended: milliseconds since 1970-01-01T00:00:00Z.
    pub at_ms: i64,
    /// Whose traffic.
    pub place: Place,
    /// The place's generation by which these requests were shared out.
    pub generation: u64,
    /// The deployment that was rolling out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<DeploymentId>,
    /// Who was asked.
    pub arm: String,
    /// Requests that ended in this window.
    pub requests: u64,
    /// Those answered 5xx, broken off, or not answered at all.
    pub bad: u64,
    /// Time from the request's arrival to the head of its answer.
    pub latency: Sketch,
}

/// Where a reader stands. The default is the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// The segment's number; 0 stands before the first.
    pub segment: u64,
    /// Bytes into it.
    pub offset: u64,
}

/// What a reader found since it last looked.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The records, oldest first.
    pub records: Vec<Record>,
    /// Whole lines that are no record of ours or whose checksum is wrong.
    pub damaged: u64,
    /// Whether segments were deleted before they were read.
    pub skipped: bool,
}

/// Follows a journal, also while it is written. A line that is not complete yet is left for later.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    at: Position,
}

impl Reader {
    /// A reader of the journal in a gateway's directory that goes on at `at`.
    #[must_use]
    pub fn new(gateway_dir: &Path, at: Position) -> Self {
        Self { dir: gateway_dir.join(JOURNAL_DIR), at }
    }

    /// Where it stands: everything before was returned.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.at
    }

    /// Everything complete that was written since; nothing when there is no journal yet.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn read(&mut self) -> io::Result<Batch> {
        let mut batch = Batch::default();
        for segment in list(&self.dir)? {
            if segment < self.at.segment {
                continue;
            }
            if segment > self.at.segment {
                batch.skipped |= self.at.segment != 0 && segment != self.at.segment + 1;
                self.at = Position { segment, offset: 0 };
            }
            match self.read_segment(&mut batch) {
                // Deleted between being listed and being opened.
                Err(error) if error.kind() == io::ErrorKind::NotFound => batch.skipped = true,
                done => done?,
            }
        }
        Ok(batch)
    }

    fn read_segment(&mut self, batch: &mut Batch) -> io::Result<()> {
        let mut file = File::open(segment_path(&self.dir, self.at.segment))?;
        file.seek(SeekFrom::Start(self.at.offset))?;
        let mut bytes = Vec::new();
        file.take(SEGMENT_BYTES_MAX * 2).read_to_end(&mut bytes)?;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let Some(line_text) = line.strip_suffix(b"\n") else { break };
            self.at.offset += line.len() as u64;
            match parse_line(line_text) {
                Some(record) => batch.records.push(record),
                None => batch.damaged += 1,
            }
        }
        Ok(())
    }
}

/// Appends records. There is one writer per directory; the gateway's lock sees to that.
#[derive(Debug)]
pub(super) struct Writer {
    dir: PathBuf,
    segment: u64,
    file: Option<File>,
    bytes: u64,
    next_window: u64,
}

impl Writer {
    /// Opens the journal of a gateway's directory. It begins a new segment, so that a line torn by a
    /// crash stays the last of its segment, and goes on with the window after the last one recorded.
    pub(super) fn open(gateway_dir: &Path) -> io::Result<Self> {
        let dir = gateway_dir.join(JOURNAL_DIR);
        fs::create_dir_all(&dir)?;
        let last_window = last_window(&dir)?;
        let segment = list(&dir)?.last().copied().unwrap_or(0);
        Ok(Self { dir, segment, file: None, bytes: 0, next_window: last_window + 1 })
    }

    /// The number of the window that ends now; each call is a new one.
    pub(super) const fn next_window(&mut self) -> u64 {
        self.next_window += 1;
        self.next_window - 1
    }

    /// Appends records; after an error the next call begins a new segment, since what was written
    /// last may be torn.
    pub(super) fn append(&mut self, records: &[Record]) -> io::Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let mut lines = Vec::new();
        for record in records {
            write_line(&mut lines, record)?;
        }
        let mut file = match self.file.take() {
            Some(file) if self.bytes < SEGMENT_BYTES_MAX => file,
            _ => self.begin_segment()?,
        };
        file.write_all(&lines)?;
        self.bytes += lines.len() as u64;
        self.file = Some(file);
        Ok(())
    }

    fn begin_segment(&mut self) -> io::Result<File> {
        self.segment += 1;
        self.bytes = 0;
        let path = segment_path(&self.dir, self.segment);
        let file = OpenOptions::new().append(true).create_new(true).open(path)?;
        let segments = list(&self.dir)?;
        for old in &segments[..segments.len().saturating_sub(SEGMENTS_MAX)] {
            fs::remove_file(segment_path(&self.dir, *old))?;
        }
        Ok(file)
    }
}

/// The newest window on record, looking back through the segments; 0 when there is none.
fn last_window(dir: &Path) -> io::Result<u64> {
    for segment in list(dir)?.into_iter().rev() {
        let bytes = fs::read(segment_path(dir, segment))?;
        let newest = bytes
            .split_inclusive(|byte| *byte == b'\n')
            .filter_map(|line| parse_line(line.strip_suffix(b"\n")?))
            .map(|record| record.window)
            .max();
        if let Some(window) = newest {
            return Ok(window);
        }
    }
    Ok(0)
}

const BEFORE_CHECKSUM: &[u8] = br#"{"crc32":""#;
const BEFORE_RECORD: &[u8] = br#"","record":"#;
const CHECKSUM_DIGITS: usize = 8;

fn write_line(lines: &mut Vec<u8>, record: &Record) -> io::Result<()> {
    let record = serde_json::to_vec(record)?;
    lines.extend_from_slice(BEFORE_CHECKSUM);
    write!(lines, "{:08x}", crc32fast::hash(&record))?;
    lines.extend_from_slice(BEFORE_RECORD);
    lines.extend_from_slice(&record);
    lines.extend_from_slice(b"}\n");
    Ok(())
}

fn parse_line(line: &[u8]) -> Option<Record> {
    if line.len() > LINE_BYTES_MAX {
        return None;
    }
    let rest = line.strip_prefix(BEFORE_CHECKSUM)?;
    let (checksum, rest) = rest.split_at_checked(CHECKSUM_DIGITS)?;
    let checksum = u32::from_str_radix(std::str::from_utf8(checksum).ok()?, 16).ok()?;
    let record = rest.strip_prefix(BEFORE_RECORD)?.strip_suffix(b"}")?;
    (crc32fast::hash(record) == checksum).then(|| serde_json::from_slice(record).ok())?
}

#[cfg(test)]
mod tests;
