//! The server's side of a shim: start one, find out what became of it, cancel it.

use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use thiserror::Error;
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, sleep, timeout};

use crate::detach::{Detached, spawn_detached};
use crate::journal::{Follow, JobResult, JournalError, Reader, Record, StepConclusion};
use crate::process::kill_marked;
use crate::shim_dir::ShimDir;
use crate::socket::{self, Request, Welcome};
use crate::spec::{JobSecrets, JobSpec};

const POLL: Duration = Duration::from_millis(2);
const START_WAIT: Duration = Duration::from_secs(10);
const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// What became of a job's shim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attachment {
    /// There is no journal: nothing of the attempt has happened.
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
    Died {
        /// In order, skipped ones included.
        completed: Vec<CompletedStep>,
        /// The step that had begun.
        in_flight: Option<u32>,
    },
}

/// A step that ended before its shim died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompletedStep {
    /// Its place in the job, from 0.
    pub index: u32,
    /// After `continue-on-error`.
    pub conclusion: StepConclusion,
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
            Attachment::Absent | Attachment::Died { .. } => {
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
            Attachment::Absent | Attachment::Finished { .. } | Attachment::Died { .. } => Ok(()),
        },
        Err(elapsed) => Err(AttachError::Silent { dir: dir.into(), source: elapsed.into() }),
    }
}

/// Kills what the dead shim of `dir` left running, and returns how many processes that were. To be
/// called before the job's folder is used again or removed.
pub async fn kill_leftovers(dir: &Path) -> Result<usize, AttachError> {
    let read = || -> io::Result<JobSpec> {
        Ok(serde_json::from_slice(&std::fs::read(ShimDir::new(dir).spec())?)?)
    };
    let spec = read().map_err(|source| AttachError::Folder { dir: dir.into(), source })?;
    Ok(kill_marked("RUNNER_TRACKING_ID", &spec.tracking_id()).await)
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
    let mut reader = Reader::open(&dir.journal(), 0)?;
    let (mut completed, mut in_flight) = (Vec::new(), None);
    while let Some(record) = reader.next_record()? {
        match record {
            Record::StepStarted { index, .. } => in_flight = Some(index),
            Record::StepFinished { index, conclusion, .. } => {
                completed.push(CompletedStep { index, conclusion });
                in_flight = None;
            }
            Record::JobFinished { result, .. } => return Ok(Attachment::Finished { result }),
            _ => {}
        }
    }
    Ok(Attachment::Died { completed, in_flight })
}
