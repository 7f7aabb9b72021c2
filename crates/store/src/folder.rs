//! The data folder: who holds it, and where things lie in it.

use crate::blobs::{BlobError, Blobs};
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// What is written into the lock file is far shorter.
const LOCK_FILE_BYTES_MAX: usize = 4096;

/// A data folder that this process holds alone, until the value is dropped or the process ends,
/// however it ends: the lock is the operating system's (`flock`), not the file's existence.
#[derive(Debug)]
pub struct DataFolder {
    root: PathBuf,
    lock: File,
}

impl DataFolder {
    /// Takes the folder, or makes it with mode 0700. Fails at once when another process holds it,
    /// and names that process.
    pub fn open(root: &Path) -> Result<Self, FolderError> {
        let io = |source| FolderError::Io { path: root.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(root).map_err(io)?;
        let root = fs::canonicalize(root).map_err(io)?;
        let path = root.join("lock");
        let io = |source| FolderError::Io { path: path.clone(), source };
        let lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = Holder::read(&lock).map_err(io)?;
                return Err(FolderError::Held { path: root, holder });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let folder = Self { root, lock };
        folder.write_holder(None)?;
        for path in [folder.blobs_root(), folder.jobs(), folder.replicas(), folder.gateway()] {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&path)
                .map_err(|source| FolderError::Io { path, source })?;
        }
        Blobs::clear_unfinished(&folder.blobs_root())?;
        Ok(folder)
    }

    /// Writes the address this process is reached at into the lock, for whoever finds it taken.
    pub fn announce(&self, address: &str) -> Result<(), FolderError> {
        self.write_holder(Some(address.to_owned()))
    }

    /// The folder itself, as an absolute path.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The log's file; two more beside it, `-wal` and `-shm`, belong to it.
    pub fn log(&self) -> PathBuf {
        self.root.join("log.sqlite")
    }

    /// The blobs.
    pub fn blobs(&self) -> Result<Blobs, BlobError> {
        Blobs::open(&self.blobs_root())
    }

    /// One folder per job attempt: its journal and its working files.
    pub fn jobs(&self) -> PathBuf {
        self.root.join("jobs")
    }

    /// One folder per service replica.
    pub fn replicas(&self) -> PathBuf {
        self.root.join("replicas")
    }

    /// The gateway's configuration and journal.
    pub fn gateway(&self) -> PathBuf {
        self.root.join("gateway")
    }

    /// The PostgreSQL cluster, where the platform runs one.
    pub fn postgres(&self) -> PathBuf {
        self.root.join("postgres")
    }

    /// Programs that were fetched.
    pub fn tools(&self) -> PathBuf {
        self.root.join("tools")
    }

    fn blobs_root(&self) -> PathBuf {
        self.root.join("blobs")
    }

    /// The line is padded with spaces over what was there before, so that a reader never sees an
    /// empty file between two writes.
    fn write_holder(&self, address: Option<String>) -> Result<(), FolderError> {
        let holder = Holder { pid: Some(std::process::id()), address };
        let io = |source| FolderError::Io { path: self.root.join("lock"), source };
        let mut line = serde_json::to_vec(&holder).map_err(|error| io(error.into()))?;
        let old_length = self.lock.metadata().map_err(io)?.len();
        let new_length = line.len() as u64 + 1;
        let padded = usize::try_from(old_length.max(new_length)).unwrap_or(LOCK_FILE_BYTES_MAX);
        line.resize(padded.min(LOCK_FILE_BYTES_MAX) - 1, b' ');
        line.push(b'\n');
        self.lock.write_all_at(&line, 0).map_err(io)?;
        self.lock.set_len(line.len() as u64).map_err(io)
    }
}

/// The process that holds a data folder, as far as it made itself known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process id.
    pub pid: Option<u32>,
    /// Where it is reached, once it listens.
    pub address: Option<String>,
}

impl Holder {
    /// A lock file without a readable line is one whose holder has not written it yet.
    fn read(lock: &File) -> io::Result<Self> {
        let mut content = vec![0; LOCK_FILE_BYTES_MAX];
        let length = lock.read_at(&mut content, 0)?;
        let unknown = Self { pid: None, address: None };
        Ok(serde_json::from_slice(&content[..length]).unwrap_or(unknown))
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "process {pid}")?,
            None => f.write_str("a process that has just started")?,
        }
        match &self.address {
            Some(address) => write!(f, " at {address}"),
            None => Ok(()),
        }
    }
}

/// The data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another process works in it.
    #[error(
        "the data folder {path} is in use by {holder}: stop that process, or name another folder"
    )]
    Held {
        /// The folder.
        path: PathBuf,
        /// Who holds it.
        holder: Holder,
    },
    /// Its blobs cannot be prepared.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// It cannot be made, opened or locked.
    #[error("the data folder cannot be used: {path} cannot be opened for writing")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

#[cfg(test)]
mod tests;
