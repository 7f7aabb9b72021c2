use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::clock::now_ms;
use crate::limits::REPLICA_LOG_BYTES_MAX;

/// The log of a replica: each line with its time in front. Beyond its limit it becomes `log.1`, and
/// what `log.1` was is gone.
pub(super) struct Log {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Log {
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let path = path(dir);
        let file = open(&path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path, file, bytes })
    }

    pub(super) fn lines<'t>(&mut self, lines: impl Iterator<Item = &'t str>) -> io::Result<()> {
        let at = i64::try_from(now_ms()).unwrap_or(i64::MAX);
        let at = jiff::Timestamp::from_millisecond(at).map_err(io::Error::other)?;
        let text: String = lines.map(|line| format!("{at:.3} {line}\n")).collect();
        if self.bytes + text.len() as u64 > REPLICA_LOG_BYTES_MAX {
            fs::rename(&self.path, self.path.with_extension("1"))?;
            self.file = open(&self.path)?;
            self.bytes = 0;
        }
        self.bytes += text.len() as u64;
        self.file.write_all(text.as_bytes())
    }
}

fn path(dir: &Path) -> PathBuf {
    dir.join("log")
}

fn open(path: &Path) -> io::Result<File> {
    File::options().create(true).append(true).open(path)
}

/// The last lines that the replica of `dir` printed, oldest first, each with its time. None when it
/// has printed nothing.
pub fn last_log_lines(dir: &Path, count: usize) -> io::Result<Vec<String>> {
    let current = tail(&path(dir), count)?;
    let mut lines = if current.len() < count {
        tail(&path(dir).with_extension("1"), count - current.len())?
    } else {
        Vec::new()
    };
    lines.extend(current);
    Ok(lines)
}

fn tail(path: &Path, count: usize) -> io::Result<Vec<String>> {
    /// Lines are split at 16 KiB, but most are short.
    const LINE_BYTES: u64 = 1024;
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened?,
    };
    let length = file.metadata()?.len();
    let wanted = (count as u64 + 1) * LINE_BYTES;
    let start = length.saturating_sub(wanted.max(64 * 1024));
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut lines: Vec<&str> = text.lines().collect();
    if start > 0 && !lines.is_empty() {
        lines.remove(0);
    }
    let skipped = lines.len().saturating_sub(count);
    Ok(lines[skipped..].iter().map(|line| (*line).to_owned()).collect())
}
