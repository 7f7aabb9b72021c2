use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, OFlags};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{Instant, timeout};

use crate::detach::Detached;
use crate::socket::{self, Request, Welcome};

/// A socket's path may have 107 bytes on Linux.
const SOCKET_PATH_BYTES_MAX: usize = 107;

const POLL: Duration = Duration::from_millis(2);
const ANSWER_WAIT: Duration = Duration::from_secs(5);
const TALK_LINES: usize = 5;

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

    /// How a replica stands.
    pub(crate) fn status(&self) -> PathBuf {
        self.dir.join("status.json")
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

    /// Asks whoever listens who it is.
    pub(crate) async fn hello(&self) -> io::Result<Welcome> {
        let asking = async {
            let mut stream = self.connect().await?;
            socket::send(&mut stream, &Request::Hello).await?;
            socket::receive(&mut stream).await
        };
        timeout(ANSWER_WAIT, asking).await?
    }

    /// Waits until a process that was just started answers. The error is what it said instead.
    pub(crate) async fn wait_for_answer(
        &self,
        process: &mut Detached,
        patience: Duration,
    ) -> Result<(), String> {
        let deadline = Instant::now() + patience;
        loop {
            if self.hello().await.is_ok() {
                return Ok(());
            }
            let has_ended = timeout(POLL, process.wait()).await.is_ok();
            if has_ended && self.hello().await.is_ok() {
                return Ok(());
            }
            if has_ended || Instant::now() > deadline {
                return Err(self.said());
            }
        }
    }

    /// The last lines of the talk.
    pub(crate) fn said(&self) -> String {
        let text = std::fs::read(self.talk()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines: Vec<&str> = text.trim().lines().collect();
        lines[lines.len().saturating_sub(TALK_LINES)..].join("\n")
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
