use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags};
use tokio::net::{UnixListener, UnixStream};

/// A socket's path may have 107 bytes on Linux.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// The folder of one detached process: where its parts lie.
#[derive(Clone, Debug)]
pub(crate) struct ShimDir {
    dir: PathBuf,
}

/// Held by the one shim that works in a folder, released by the kernel when it dies.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl ShimDir {
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_path_buf() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn spec(&self) -> PathBuf {
        self.dir.join("spec.json")
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.dir.join("journal")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.join("shim.sock")
    }

    /// What the shim itself has to say when it cannot write its journal.
    pub(crate) fn talk(&self) -> PathBuf {
        self.dir.join("shim.log")
    }

    /// Creates the folder for its owner only. An existing one is closed to others.
    pub(crate) fn create(&self) -> io::Result<()> {
        std::fs::create_dir_all(&self.dir)?;
        rustix::fs::chmod(&self.dir, Mode::RWXU)?;
        Ok(())
    }

    /// `None` when another process holds the lock.
    pub(crate) fn try_lock(&self) -> io::Result<Option<Lock>> {
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.dir.join("shim.lock"))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Lock { _file: file })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Listens on the folder's socket; the holder of the lock may take over a dead one's.
    pub(crate) fn listen(&self, _lock: &Lock) -> io::Result<UnixListener> {
        match std::fs::remove_file(self.socket()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        self.with_short_path(|path| UnixListener::bind(path))
    }

    pub(crate) async fn connect(&self) -> io::Result<UnixStream> {
        let (path, _dir) = self.short_path()?;
        UnixStream::connect(path).await
    }

    fn with_short_path<T>(&self, open: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
        let (path, _dir) = self.short_path()?;
        open(&path)
    }

    /// The socket's path, through an open descriptor of the folder where it would be too long. The
    /// path holds as long as the descriptor beside it.
    fn short_path(&self) -> io::Result<(PathBuf, Option<rustix::fd::OwnedFd>)> {
        let path = self.socket();
        if path.as_os_str().as_bytes().len() <= SOCKET_PATH_BYTES_MAX {
            return Ok((path, None));
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(&self.dir, flags, Mode::empty())?;
        let path = format!("/proc/self/fd/{}/shim.sock", dir.as_raw_fd());
        Ok((path.into(), Some(dir)))
    }
}
