//! The server's side of a shim: start one, find out what became of it, cancel it.

use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use thiserror::Error;
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, sleep, timeout};

use super::last_seen::{self, LastSeen};
use crate::detach::{Detached, spawn_detached};
use crate::journal::{Follow, JobResult, JournalError};
use crate::process::{Leftovers, Mark, ProcessId};
use crate::shim_dir::ShimDir;
use crate::socket::{self, Request, Welcome};
use crate::spec::{JobSecrets, JobSpec};

const POLL: Duration = Duration::from_millis(2);
const START_WAIT: Duration = Duration::from_secs(10);
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// How long a shim may take to end its job at once before it is killed itself.
const KILL_WAIT: Duration = Duration::from_secs(3);

/// What became of a job's shim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attachment {
    /// Nothing of the attempt has happened: there is no journal, or none beyond who was to write it.
    Absent,
    /// The shim answers; [`follow`] gets its records.
    Running {
        /// Its process id.
        pid: u32,
    },
    /// The journal has its last record.
    Finished {
        /// How the job went.
        result: JobResult,
    },
    /// The shim is gone and the job has no end. Call [`kill_leftovers`] before anything is tried
    /// again: the step in flight may still run.
    Died(LastSeen),
}

/// Why a shim could not be started or asked.
#[derive(Debug, Error)]
pub enum AttachError {
    /// Its journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Its folder cannot be used.
    #[error("cannot use the job's folder {dir}")]
    Folder {
        /// The folder.
        dir: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It lives, and says nothing.
    #[error("the shim of {dir} does not answer")]
    Silent {
        /// The job's folder.
        dir: PathBuf,
        /// How long it was waited for, or what failed.
        #[source]
        source: io::Error,
    },
    /// Not even SIGKILL ends what it left.
    #[error("what the job of {dir} left running is still there")]
    Stuck {
        /// The job's folder.
        dir: PathBuf,
        /// Which process.
        #[source]
        source: io::Error,
    },
    /// It gave up at once.
    #[error("the shim of {dir} ended before it began: {said}")]
    NotStarted {
        /// The job's folder.
        dir: PathBuf,
        /// Its last words.
        said: String,
    },
}

/// Starts the shim of a new attempt by running `program shim DIR`, and returns once it answers.
/// `dir` is created, for its owner only. Where a shim is at work already, nothing happens.
pub async fn start(
    program: &Path,
    dir: &Path,
    spec: &JobSpec,
    secrets: &JobSecrets,
) -> Result<Detached, AttachError> {
    let shim_dir = ShimDir::new(dir);
    let fail = |source| AttachError::Folder { dir: dir.into(), source };
    shim_dir.create().map_err(fail)?;
    write_spec(&shim_dir, spec).map_err(fail)?;
    let input = serde_json::to_vec(secrets).map_err(|error| fail(error.into()))?;
    let args = [OsStr::new("shim"), dir.as_os_str()];
    let mut shim = spawn_detached(program, &args, &shim_dir.talk(), &input).await.map_err(fail)?;
    match shim_dir.wait_for_answer(&mut shim, START_WAIT).await {
        Ok(()) => Ok(shim),
        Err(said) => match attach(dir).await? {
            // Over before we could ask, or another shim was faster than this one.
            Attachment::Finished { .. } | Attachment::Running { .. } => Ok(shim),
            Attachment::Absent | Attachment::Died(_) => {
                Err(AttachError::NotStarted { dir: dir.into(), said })
            }
        },
    }
}

/// Follows the journal from its first record to its last, while the shim lives and after.
#[must_use]
pub fn follow(dir: &Path) -> Follow {
    Follow::new(dir, 0)
}

/// Finds out what became of the attempt of `dir`.
pub async fn attach(dir: &Path) -> Result<Attachment, AttachError> {
    let shim_dir = ShimDir::new(dir);
    let deadline = Instant::now() + ANSWER_WAIT;
    loop {
        match shim_dir.hello().await {
            Ok(welcome) => return Ok(Attachment::Running { pid: welcome.pid }),
            Err(source) => {
                if !shim_dir.path().is_dir() {
                    return Ok(Attachment::Absent);
                }
                let lock = shim_dir
                    .try_lock()
                    .map_err(|source| AttachError::Folder { dir: dir.into(), source })?;
                if lock.is_some() {
                    return read_end(&shim_dir);
                }
                // It lives and does not answer: it is about to begin, or to end.
                if Instant::now() > deadline {
                    return Err(AttachError::Silent { dir: dir.into(), source });
                }
            }
        }
        sleep(POLL).await;
    }
}

/// Asks the shim to cancel its job and returns once that is in the journal. A job that is over by
/// now is not an error.
pub async fn cancel(dir: &Path) -> Result<(), AttachError> {
    let shim_dir = ShimDir::new(dir);
    let asking = async {
        let mut stream = shim_dir.connect().await?;
        socket::send(&mut stream, &Request::Cancel).await?;
        let _: Welcome = socket::receive(&mut stream).await?;
        // The shim closes the connection when it has taken note.
        stream.read_to_end(&mut Vec::new()).await
    };
    match timeout(ANSWER_WAIT, asking).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(source)) => match attach(dir).await? {
            Attachment::Running { .. } => Err(AttachError::Silent { dir: dir.into(), source }),
            Attachment::Absent | Attachment::Finished { .. } | Attachment::Died(_) => Ok(()),
        },
        Err(elapsed) => Err(AttachError::Silent { dir: dir.into(), source: elapsed.into() }),
    }
}

/// Ends the job at once with all its processes: the shim does it if it can, and writes that down; one that
/// does not answer is killed with its whole session. Returns once the shim is gone. A job that is over by
/// now is not an error.
pub async fn kill(dir: &Path) -> Result<(), AttachError> {
    let shim_dir = ShimDir::new(dir);
    let asking = async {
        let mut stream = shim_dir.connect().await?;
        socket::send(&mut stream, &Request::Kill).await?;
        let _: Welcome = socket::receive(&mut stream).await?;
        // The shim closes the connection when the job is over.
        stream.read_to_end(&mut Vec::new()).await
    };
    if matches!(timeout(KILL_WAIT, asking).await, Ok(Ok(_))) && is_gone(&shim_dir).await? {
        return Ok(());
    }
    let journal = last_seen::read(&shim_dir)?;
    if let Some(shim) = journal.shim {
        shim.signal(Signal::KILL);
    }
    if !is_gone(&shim_dir).await? {
        let source = io::ErrorKind::TimedOut.into();
        return Err(AttachError::Silent { dir: dir.into(), source });
    }
    kill_leftovers(dir).await.map(drop)
}

/// Waits until no shim works in the folder any more; `false` when it does not come to that.
async fn is_gone(dir: &ShimDir) -> Result<bool, AttachError> {
    let deadline = Instant::now() + KILL_WAIT;
    while dir.path().is_dir() {
        let lock = dir.try_lock();
        let lock = lock.map_err(|source| AttachError::Folder { dir: dir.path().into(), source })?;
        if lock.is_some() {
            return Ok(true);
        }
        if Instant::now() > deadline {
            return Ok(false);
        }
        sleep(POLL).await;
    }
    Ok(true)
}

/// Kills what the dead shim of `dir` left running, and returns how many processes that were. To be
/// called before the job's folder is used again or removed.
///
/// They are known by the mark in their environment, by the shim's session, and by what the journal
/// says of each step's process. A shim that still lives is at work in another folder, of which this one
/// is a copy: nothing of it is touched.
pub async fn kill_leftovers(dir: &Path) -> Result<usize, AttachError> {
    let shim_dir = ShimDir::new(dir);
    let read =
        || -> io::Result<JobSpec> { Ok(serde_json::from_slice(&std::fs::read(shim_dir.spec())?)?) };
    let spec = match read() {
        // Nothing was ever started here.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        read => read.map_err(|source| AttachError::Folder { dir: dir.into(), source })?,
    };
    let journal = last_seen::read(&shim_dir)?;
    if journal.last_seen.rebooted || journal.shim.as_ref().is_some_and(ProcessId::lives) {
        return Ok(0);
    }
    let mark = Some(Mark::Is(format!("RUNNER_TRACKING_ID={}", spec.tracking_id())));
    let leftovers = Leftovers { mark, session: journal.shim, known: journal.processes };
    leftovers.kill().await.map_err(|source| AttachError::Stuck { dir: dir.into(), source })
}

/// What a shim that is gone said at last, as the end of a sentence (`: ...`); `None` when it said
/// nothing, as one that was killed.
#[must_use]
pub fn last_words(dir: &Path) -> Option<String> {
    let said = ShimDir::new(dir).said();
    (!said.is_empty()).then(|| format!(": {said}"))
}

/// Written aside and renamed: another shim of the same attempt may be reading, or another start
/// writing.
fn write_spec(dir: &ShimDir, spec: &JobSpec) -> io::Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let aside = dir.path().join(format!("spec.{}.{count}", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
    file.write_all(&serde_json::to_vec(spec)?)?;
    std::fs::rename(aside, dir.spec())
}

/// What the journal of a shim that is gone says.
fn read_end(dir: &ShimDir) -> Result<Attachment, AttachError> {
    if !dir.journal().exists() {
        return Ok(Attachment::Absent);
    }
    let journal = last_seen::read(dir)?;
    Ok(match journal.result {
        Some(result) => Attachment::Finished { result },
        // One that gave up says why; one that says nothing was killed, and may begin once more.
        None if !journal.has_begun && dir.said().is_empty() => Attachment::Absent,
        None => Attachment::Died(journal.last_seen),
    })
}
