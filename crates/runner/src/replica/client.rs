use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use thiserror::Error;
use tokio::time::{Instant, sleep, timeout};

use super::{ReplicaSpec, ReplicaStatus};
use crate::detach::spawn_detached;
use crate::process::Leftovers;
use crate::shim_dir::ShimDir;
use crate::socket::{self, Request, Welcome};

const START_WAIT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(5);
/// Beyond the grace of a stop: what killing and writing down may take.
const STOP_EXTRA: Duration = Duration::from_secs(10);

/// Why a replica could not be started, asked or stopped.
#[derive(Debug, Error)]
pub enum ReplicaError {
    /// Its folder cannot be used.
    #[error("cannot use the replica's folder {dir}")]
    Folder {
        /// The folder.
        dir: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its program cannot be run.
    #[error("the replica of {dir} did not start: {said}")]
    NotStarted {
        /// The replica's folder.
        dir: PathBuf,
        /// Why.
        said: String,
    },
    /// Its supervisor lives, and says nothing.
    #[error("the supervisor of the replica of {dir} does not answer")]
    Silent {
        /// The replica's folder.
        dir: PathBuf,
        /// What failed.
        #[source]
        source: io::Error,
    },
    /// Not even SIGKILL ends it.
    #[error("the replica of {dir} (process {pid}) does not end")]
    Stuck {
        /// The replica's folder.
        dir: PathBuf,
        /// The process.
        pid: u32,
    },
}

/// Starts a replica by running `program replica DIR`, which must call [`super::run`], and returns
/// once its process was started; it may have ended again by then. Where one runs in `dir` already,
/// nothing happens; one that its supervisor left behind is killed first.
pub async fn start(program: &Path, dir: &Path, spec: &ReplicaSpec) -> Result<(), ReplicaError> {
    let shim_dir = ShimDir::new(dir);
    let fail = |source| ReplicaError::Folder { dir: dir.into(), source };
    shim_dir.create().map_err(fail)?;
    match status(dir).await? {
        Some(status) if status.running() => return Ok(()),
        Some(status) if status.orphaned => end_orphan(dir, &status, Duration::ZERO).await?,
        Some(_) | None => {}
    }
    for old in [shim_dir.status(), shim_dir.talk()] {
        match std::fs::remove_file(old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
            Ok(()) | Err(_) => {}
        }
    }
    let input = serde_json::to_vec(spec).map_err(|error| fail(error.into()))?;
    let args = [OsStr::new("replica"), dir.as_os_str()];
    let mut process =
        spawn_detached(program, &args, &shim_dir.talk(), &input).await.map_err(fail)?;
    match shim_dir.wait_for_answer(&mut process, START_WAIT).await {
        Ok(()) => {}
        Err(_) if shim_dir.status().exists() => {}
        Err(said) => return Err(ReplicaError::NotStarted { dir: dir.into(), said }),
    }
    // Waited for as long as this program lives, so that no zombie stays.
    tokio::spawn(async move { process.wait().await });
    Ok(())
}

/// What became of the replica of `dir`; `None` when none was ever started there.
pub async fn status(dir: &Path) -> Result<Option<ReplicaStatus>, ReplicaError> {
    let shim_dir = ShimDir::new(dir);
    if let Ok(status) = ask(&shim_dir, &Request::Status, START_WAIT).await {
        return Ok(Some(status));
    }
    let bytes = match std::fs::read(shim_dir.status()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(|source| ReplicaError::Folder { dir: dir.into(), source })?,
    };
    let mut status: ReplicaStatus = serde_json::from_slice(&bytes)
        .map_err(|error| ReplicaError::Folder { dir: dir.into(), source: error.into() })?;
    status.orphaned = status.exit.is_none();
    Ok(Some(status))
}

/// Ends the replica of `dir`: SIGTERM, then SIGKILL after `grace`. Returns how it ended; one that
/// runs no more, or never did, is no error.
pub async fn stop(dir: &Path, grace: Duration) -> Result<Option<ReplicaStatus>, ReplicaError> {
    let shim_dir = ShimDir::new(dir);
    let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
    let request = Request::Stop { grace_ms };
    if let Ok(status) = ask(&shim_dir, &request, grace + STOP_EXTRA).await {
        until_unlocked(&shim_dir).await?;
        return Ok(Some(status));
    }
    let Some(status) = status(dir).await? else { return Ok(None) };
    if status.running() {
        let source = io::ErrorKind::TimedOut.into();
        return Err(ReplicaError::Silent { dir: dir.into(), source });
    }
    if status.orphaned {
        end_orphan(dir, &status, grace).await?;
    }
    Ok(Some(status))
}

async fn ask(dir: &ShimDir, request: &Request, patience: Duration) -> io::Result<ReplicaStatus> {
    let asking = async {
        let mut stream = dir.connect().await?;
        socket::send(&mut stream, request).await?;
        let _: Welcome = socket::receive(&mut stream).await?;
        socket::receive(&mut stream).await
    };
    timeout(patience, asking).await?
}

/// Waits until the supervisor that answered is gone, so that the folder may be used or removed.
async fn until_unlocked(dir: &ShimDir) -> Result<(), ReplicaError> {
    let deadline = Instant::now() + STOP_EXTRA;
    loop {
        let lock = dir
            .try_lock()
            .map_err(|source| ReplicaError::Folder { dir: dir.path().into(), source })?;
        if lock.is_some() {
            return Ok(());
        }
        if Instant::now() > deadline {
            let source = io::ErrorKind::TimedOut.into();
            return Err(ReplicaError::Silent { dir: dir.path().into(), source });
        }
        sleep(POLL).await;
    }
}

/// Ends a process whose supervisor died, and what it started. One that is known by its number only, and
/// has another start or boot, is somebody else's.
async fn end_orphan(
    dir: &Path,
    status: &ReplicaStatus,
    grace: Duration,
) -> Result<(), ReplicaError> {
    let process = status.process();
    let pid = i32::try_from(status.pid).ok().and_then(Pid::from_raw);
    let Some(pid) = pid.filter(|_| process.lives()) else { return Ok(()) };
    // It may end between the question and the signal.
    let _ = kill_process_group(pid, Signal::TERM);
    let deadline = Instant::now() + grace;
    while process.lives() && Instant::now() < deadline {
        sleep(POLL).await;
    }
    if process.lives() {
        let _ = kill_process_group(pid, Signal::KILL);
    }
    let leftovers = Leftovers { known: vec![process], ..Leftovers::default() };
    let killed = leftovers.kill().await;
    killed.map(drop).map_err(|_| ReplicaError::Stuck { dir: dir.into(), pid: status.pid })
}
