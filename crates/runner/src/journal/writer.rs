use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::{Record, encode};
use crate::room::wait_for_room;

/// The one writer of a journal.
#[derive(Debug)]
pub struct Writer {
    file: File,
    end: u64,
}

impl Writer {
    /// Starts a journal. An existing one is an error of kind `AlreadyExists`: an attempt runs once.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
        if let Some(dir) = path.parent() {
            File::open(dir)?.sync_all()?;
        }
        Ok(Self { file, end: 0 })
    }

    /// Appends a record. It survives the death of this process at once, and of the machine from
    /// the next [`Writer::sync`] on.
    ///
    /// On a full disk this waits until there is room again, for a while: a job whose
    /// journal ends early counts as lost, and one of an environment would need a person. Nothing
    /// else happens in this process meanwhile, since nothing may happen that is not written down.
    pub fn append(&mut self, record: &Record) -> io::Result<()> {
        let frame = encode(record, self.end).map_err(io::Error::other)?;
        let mut left = frame.as_slice();
        while !left.is_empty() {
            match wait_for_room(|| self.file.write(left)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => left = &left[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.end += frame.len() as u64;
        Ok(())
    }

    /// Puts all that was appended on the disk.
    pub fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// The journal's length in bytes, the offset of the next record.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end
    }
}
