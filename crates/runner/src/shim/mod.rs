//! The shim: one small process per job that owns the job's processes and keeps its journal, so that
//! the server may die and come back without the job noticing.

mod actions;
mod client;
mod contexts;
mod control;
mod door;
mod environment;
mod files;
mod handed_on;
mod hash_files;
mod heard;
mod job;
mod last_seen;
mod log;
mod script;
mod step;
mod supervise;
mod take_over;

pub use client::{
    AttachError, Attachment, attach, cancel, follow, kill, kill_leftovers, last_words, start,
};
pub use last_seen::{CompletedStep, LastSeen, StepAtWork};

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use self::control::{Control, Wish};
use self::door::Door;
use self::job::Job;
use self::log::JobLog;
use crate::clock::now_ms;
use crate::detach::leave_session;
use crate::journal::{PROTOCOL_VERSION, Record, Writer};
use crate::mask::Masker;
use crate::process::{ProcessId, adopt_orphans, kill_descendants};
use crate::shim_dir::{Lock, ShimDir};
use crate::spec::{JobSecrets, JobSpec, SPEC_VERSION};

/// Why a shim did not carry out its job to the end.
#[derive(Debug, Error)]
pub enum ShimError {
    /// The folder is locked.
    #[error("another shim is at work in {dir}")]
    AlreadyRunning {
        /// The job's folder.
        dir: PathBuf,
    },
    /// There is a journal.
    #[error("the attempt of {dir} has run already; an attempt runs once")]
    AlreadyRan {
        /// The job's folder.
        dir: PathBuf,
    },
    /// There is no description, or none that can be read.
    #[error("cannot read the job's description in {path}")]
    Spec {
        /// The description.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The description is of another version.
    #[error("the job's description has version {found}, this program reads up to {SPEC_VERSION}")]
    Version {
        /// The description's version, 0 when it has none.
        found: u32,
    },
    /// The server went away before it had said all.
    #[error("cannot read the job's secrets from the standard input")]
    Secrets(#[source] io::Error),
    /// The machine refuses something a shim needs.
    #[error("cannot set up the shim in {dir}")]
    SetUp {
        /// The job's folder.
        dir: PathBuf,
        /// What.
        #[source]
        source: io::Error,
    },
    /// What happens could not be written down any more, so nothing more was done.
    #[error("cannot write the journal in {dir}; the job was given up")]
    Journal {
        /// The job's folder.
        dir: PathBuf,
        /// Why, such as a full disk.
        #[source]
        source: io::Error,
    },
}

/// Carries out the job that lies in `dir`, as the main business of this process: it leaves its
/// session, adopts orphans and takes signals. `inherited` is this process's environment, `input`
/// its standard input, from which the secrets come.
///
/// How the job went is in the journal; an error means that the job has no end there.
pub fn run(
    dir: &Path,
    inherited: impl IntoIterator<Item = (OsString, OsString)>,
    input: impl Read,
) -> Result<(), ShimError> {
    let set_up = |source| ShimError::SetUp { dir: dir.into(), source };
    let shim_dir = ShimDir::new(dir);
    leave_session().map_err(set_up)?;
    let lock = shim_dir
        .try_lock()
        .map_err(set_up)?
        .ok_or_else(|| ShimError::AlreadyRunning { dir: dir.into() })?;
    let spec = read_spec(&shim_dir)?;
    let secrets: JobSecrets =
        serde_json::from_reader(input).map_err(|error| ShimError::Secrets(error.into()))?;
    if !last_seen::has_begun(&shim_dir) {
        // A shim died before its first step: to begin once more is to begin once.
        match std::fs::remove_file(shim_dir.journal()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(set_up(error)),
            Ok(()) | Err(_) => {}
        }
    }
    let writer = match Writer::create(&shim_dir.journal()) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(ShimError::AlreadyRan { dir: dir.into() });
        }
        created => created.map_err(set_up)?,
    };
    adopt_orphans().map_err(set_up)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(set_up)?;
    let hidden = secrets.secrets.values().chain(&secrets.masks).chain([&secrets.token]);
    let log = Arc::new(JobLog::new(writer, Masker::new(hidden.map(String::as_str))));
    let done = runtime.block_on(attend(&shim_dir, &lock, &spec, &secrets, inherited, log));
    runtime.shutdown_background();
    done.map_err(|source| ShimError::Journal { dir: dir.into(), source })
}

/// The description in a job's folder.
fn read_spec(dir: &ShimDir) -> Result<JobSpec, ShimError> {
    let path = dir.spec();
    let unreadable = |source| ShimError::Spec { path: path.clone(), source };
    let bytes = std::fs::read(&path).map_err(unreadable)?;
    // The version comes first, since the rest of another version may have another shape.
    let value: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|error| unreadable(error.into()))?;
    match value.get("version").and_then(serde_json::Value::as_u64) {
        Some(version) if (1..=u64::from(SPEC_VERSION)).contains(&version) => {
            serde_json::from_value(value).map_err(|error| unreadable(error.into()))
        }
        found => Err(ShimError::Version {
            found: found.and_then(|found| u32::try_from(found).ok()).unwrap_or_default(),
        }),
    }
}

/// Carries out the job and serves its journal meanwhile.
async fn attend(
    dir: &ShimDir,
    lock: &Lock,
    spec: &JobSpec,
    secrets: &JobSecrets,
    inherited: impl IntoIterator<Item = (OsString, OsString)>,
    log: Arc<JobLog>,
) -> io::Result<()> {
    let pid = std::process::id();
    let process = ProcessId::of(pid);
    log.record(&Record::Hello { protocol: PROTOCOL_VERSION, pid, process, at: now_ms() })?;
    let (wish, wished) = watch::channel(Wish::GoOn);
    let (noted, wish_noted) = watch::channel(false);
    let (finish, finished) = watch::channel(false);
    let door =
        Door { dir: dir.clone(), log: Arc::clone(&log), wish: wish.clone(), wish_noted, finished };
    let door = tokio::spawn(door.serve(dir.listen(lock)?));
    tokio::spawn(cancel_on_signal(signal(SignalKind::terminate())?, wish.clone()));

    let control = Control::new(wished, noted.clone(), Arc::clone(&log), spec.patience);
    let done = Job::new(spec, secrets, inherited, log, control).run().await;
    if done.is_err() {
        kill_descendants().await;
    }
    noted.send_replace(true);
    finish.send_replace(true);
    door.await.map_err(io::Error::other)?;
    done
}

/// The machine shuts down, or a person has lost patience: the job ends as if cancelled.
async fn cancel_on_signal(mut signal: tokio::signal::unix::Signal, wish: watch::Sender<Wish>) {
    if signal.recv().await.is_some() {
        Wish::raise(&wish, Wish::Cancel);
    }
}
