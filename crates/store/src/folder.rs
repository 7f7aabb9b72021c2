//! The data folder: who holds it, and where things lie in it.

use crate::blobs::{BlobError, Blobs};
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// What is written into the lock file is far shorter.
const LOCK_FILE_BYTES_MAX: usize = 4096;
/// The file whose lock is the folder's.
const LOCK_FILE: &str = "lock";
/// How often a lock is tried.
const LOCK_TRIES: usize = 5;
/// The pause between two tries.
const LOCK_PAUSE: Duration = Duration::from_millis(10);
/// Where servers that share the folder name themselves.
const SERVERS: &str = "servers";
/// The longest name of a server.
const SERVER_NAME_BYTES_MAX: usize = 64;

/// A data folder that this process holds alone, until the value is dropped or the process ends,
/// however it ends: the lock is the operating system's (`flock`), not the file's existence.
#[derive(Debug)]
pub struct DataFolder {
    root: PathBuf,
    /// Locked by this process alone; names it.
    lock: File,
    /// Of a folder that several servers share: locked by all of them.
    shared: Option<File>,
}

impl DataFolder {
    /// Takes the folder, or makes it with mode 0700. Fails at once when another process holds it,
    /// and names that process.
    pub fn open(root: &Path) -> Result<Self, FolderError> {
        let root = make_root(root)?;
        let lock = take(&root, &root.join(LOCK_FILE), File::try_lock)?;
        let folder = Self { root, lock, shared: None };
        folder.prepare()?;
        Blobs::clear_unfinished(&folder.blobs_root())?;
        Ok(folder)
    }

    /// Takes the folder together with other servers of the same log, each under a name of its own.
    /// Fails when a process holds it alone, or holds the name.
    pub fn open_shared(root: &Path, name: &str) -> Result<Self, FolderError> {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
        if name.is_empty() || name.len() > SERVER_NAME_BYTES_MAX || !name.chars().all(is_plain) {
            return Err(FolderError::Name { name: name.to_owned() });
        }
        let root = make_root(root)?;
        let shared = take(&root, &root.join(LOCK_FILE), File::try_lock_shared)?;
        let servers = root.join(SERVERS);
        make_folder(&servers)?;
        let lock = take(&root, &servers.join(format!("{name}.lock")), File::try_lock)?;
        let folder = Self { root, lock, shared: Some(shared) };
        folder.prepare()?;
        if !folder.has_company()? {
            Blobs::clear_unfinished(&folder.blobs_root())?;
        }
        Ok(folder)
    }

    fn prepare(&self) -> Result<(), FolderError> {
        self.write_holder(None)?;
        let folders = [self.blobs_root(), self.jobs(), self.replicas(), self.gateway()];
        folders.iter().try_for_each(|path| make_folder(path))
    }

    /// Whether other servers work in this folder now.
    pub fn has_company(&self) -> Result<bool, FolderError> {
        if self.shared.is_none() {
            return Ok(false);
        }
        let own = std::process::id();
        let others = Server::all(&self.root)?;
        Ok(others.iter().any(|server| server.is_alive && server.holder.pid != Some(own)))
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
        let io = |source| FolderError::Io { path: self.root.clone(), source };
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

fn make_root(root: &Path) -> Result<PathBuf, FolderError> {
    make_folder(root)?;
    fs::canonicalize(root).map_err(|source| FolderError::Io { path: root.to_owned(), source })
}

fn make_folder(path: &Path) -> Result<(), FolderError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| FolderError::Io { path: path.to_owned(), source })
}

/// Opens the file and locks it, or says who has.
fn take(
    root: &Path,
    path: &Path,
    lock: impl Fn(&File) -> Result<(), TryLockError>,
) -> Result<File, FolderError> {
    let io = |source| FolderError::Io { path: path.to_owned(), source };
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(path).map_err(io)?;
    for _ in 1..LOCK_TRIES {
        // Whoever looks who holds a lock holds it for a moment.
        if !matches!(lock(&file), Err(TryLockError::WouldBlock)) {
            break;
        }
        thread::sleep(LOCK_PAUSE);
    }
    match lock(&file) {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let holder = Holder::read(&file).map_err(io)?;
            Err(FolderError::Held { path: root.to_owned(), holder })
        }
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

/// A server that works, or once worked, in a folder that several share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The name it took the folder under.
    pub name: String,
    /// What it said of itself.
    pub holder: Holder,
    /// Whether its process still holds the name.
    pub is_alive: bool,
}

impl Server {
    /// All servers that ever shared the folder at `root`, sorted by name. None for a folder that was
    /// never shared.
    pub fn all(root: &Path) -> Result<Vec<Self>, FolderError> {
        let folder = root.join(SERVERS);
        let io = |source| FolderError::Io { path: folder.clone(), source };
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(io)?,
        };
        let mut servers = Vec::new();
        for entry in entries {
            let path = entry.map_err(io)?.path();
            let name = path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned);
            let Some(name) = name.filter(|_| path.extension().is_some_and(|it| it == "lock"))
            else {
                continue;
            };
            let file = File::open(&path).map_err(io)?;
            let holder = Holder::read(&file).map_err(io)?;
            // The lock that this takes when nobody holds the name ends with the file right here.
            let is_alive = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
            servers.push(Self { name, holder, is_alive });
        }
        servers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(servers)
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
    /// A server's name that cannot be a file's.
    #[error(
        "`{name}` cannot be a server's name: 1 to {SERVER_NAME_BYTES_MAX} letters, digits, `-` and `_` can"
    )]
    Name {
        /// The name.
        name: String,
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
