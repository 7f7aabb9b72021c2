//! The server's side of a shim: start one, find out what became of it, cancel it.

use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, sleep, timeout};

use crate::detach::{Detached, spawn_detached};
use crate::journal::{JobResult, JournalError, Reader, Record, StepConclusion};
use crate::process::kill_marked;
use crate::shim_dir::ShimDir;
use crate::socket::{self, Request, Welcome};
use crate::spec::{JobSecrets, JobSpec};

const POLL: Duration = Duration::from_millis(2);
const START_WAIT: Duration = Duration::from_secs(10);
const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// What became of a job's shim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// There is no journal: nothing of the attempt has happened.
    NotStarted,
    /// The shim answers; [`crate::journal::Follow`] gets its records.
    Running { pid: u32 },
    /// The journal has its last record.
    Finished { result: JobResult },
    /// The shim is gone and the job has no end. Call [`kill_leftovers`] before anything is tried
    /// again: the step in flight may still run.
    Died { completed: Vec<CompletedStep>, in_flight: Option<u32> },
}

/// A step that ended before its shim died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompletedStep {
    pub index: u32,
    pub conclusion: StepConclusion,
}

#[derive(Debug, Error)]
pub enum AttachError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("cannot use the job's folder {dir}")]
    Folder {
        dir: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the shim of {dir} does not answer")]
    Silent {
        dir: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the shim of {dir} ended before it began: {said}")]
    NotStarted { dir: PathBuf, said: String },
}

/// Starts the shim of a new attempt by running `program args.. DIR`, which must call
/// [`crate::shim::run`], and returns once it answers. `dir` is created, for its owner only.
pub async fn launch(
    program: &Path,
    args: &[&str],
    dir: &Path,
    spec: &JobSpec,
    secrets: &JobSecrets,
) -> Result<Detached, AttachError> {
    let shim_dir = ShimDir::new(dir);
    let fail = |source| AttachError::Folder { dir: dir.into(), source };
    shim_dir.create().map_err(fail)?;
    write_spec(&shim_dir, spec).map_err(fail)?;
    let input = serde_json::to_vec(secrets).map_err(|error| fail(error.into()))?;
    let mut words: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
    words.push(dir.as_os_str());
    let mut shim = spawn_detached(program, &words, &shim_dir.talk(), &input).await.map_err(fail)?;
    let deadline = Instant::now() + START_WAIT;
    loop {
        if hello(&shim_dir).await.is_ok() {
            return Ok(shim);
        }
        let ended = timeout(POLL, shim.wait()).await.is_ok();
        // A job may be over before we could ask.
        if ended && matches!(attach(dir).await?, State::Finished { .. }) {
            return Ok(shim);
        }
        if ended || Instant::now() > deadline {
            let said = std::fs::read_to_string(shim_dir.talk()).unwrap_or_default();
            return Err(AttachError::NotStarted { dir: dir.into(), said: said.trim().into() });
        }
    }
}

/// Finds out what became of the attempt of `dir`.
pub async fn attach(dir: &Path) -> Result<State, AttachError> {
    let shim_dir = ShimDir::new(dir);
    let deadline = Instant::now() + ANSWER_WAIT;
    loop {
        match hello(&shim_dir).await {
            Ok(welcome) => return Ok(State::Running { pid: welcome.pid }),
            Err(source) => {
                if !shim_dir.path().is_dir() {
                    return Ok(State::NotStarted);
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
            State::Running { .. } => Err(AttachError::Silent { dir: dir.into(), source }),
            State::NotStarted | State::Finished { .. } | State::Died { .. } => Ok(()),
        },
        Err(elapsed) => Err(AttachError::Silent { dir: dir.into(), source: elapsed.into() }),
    }
}

/// Kills what a dead shim left running, and returns how many processes that were.
pub async fn kill_leftovers(spec: &JobSpec) -> usize {
    kill_marked("RUNNER_TRACKING_ID", &spec.tracking_id()).await
}

/// The description that lies in a job's folder, as [`launch`] wrote it.
pub fn read_spec(dir: &Path) -> Result<JobSpec, AttachError> {
    let read = || Ok(serde_json::from_slice(&std::fs::read(ShimDir::new(dir).spec())?)?);
    read().map_err(|source| AttachError::Folder { dir: dir.into(), source })
}

fn write_spec(dir: &ShimDir, spec: &JobSpec) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(dir.spec())?;
    file.write_all(&serde_json::to_vec(spec)?)
}

async fn hello(dir: &ShimDir) -> io::Result<Welcome> {
    let asking = async {
        let mut stream = dir.connect().await?;
        socket::send(&mut stream, &Request::Hello).await?;
        socket::receive(&mut stream).await
    };
    timeout(ANSWER_WAIT, asking).await?
}

/// What the journal of a shim that is gone says.
fn read_end(dir: &ShimDir) -> Result<State, AttachError> {
    if !dir.journal().exists() {
        return Ok(State::NotStarted);
    }
    let mut reader = Reader::open(&dir.journal(), 0)?;
    let (mut completed, mut in_flight) = (Vec::new(), None);
    while let Some(record) = reader.next()? {
        match record {
            Record::StepStarted { index, .. } => in_flight = Some(index),
            Record::StepFinished { index, conclusion, .. } => {
                completed.push(CompletedStep { index, conclusion });
                in_flight = None;
            }
            Record::JobFinished { result, .. } => return Ok(State::Finished { result }),
            _ => {}
        }
    }
    Ok(State::Died { completed, in_flight })
}
