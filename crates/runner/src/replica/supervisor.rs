use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;
use thiserror::Error;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::log::Log;
use super::{Exit, ReplicaSpec, ReplicaStatus};
use crate::clock::now_ms;
use crate::detach::leave_session;
use crate::journal::PROTOCOL_VERSION;
use crate::limits::{OUTPUT_DRAIN, READERS_DRAIN, REPLICA_STOP_GRACE};
use crate::lines::Lines;
use crate::mask::Masker;
use crate::process::{Group, Invocation, ProcessId, adopt_orphans, kill_descendants};
use crate::shim_dir::{Lock, ShimDir};
use crate::socket::{self, Request, Welcome};
use crate::which::which;

/// Why a replica was not started or not kept.
#[derive(Debug, Error)]
pub enum SupervisorError {
    /// The folder is locked.
    #[error("another process keeps the replica of {dir}")]
    AlreadyRunning {
        /// The replica's folder.
        dir: PathBuf,
    },
    /// Who started this process went away before it had said all.
    #[error("cannot read what to run from the standard input")]
    Spec(#[source] io::Error),
    /// The program cannot be run.
    #[error("cannot start {program} in {folder}")]
    Start {
        /// As the command names it.
        program: String,
        /// The working directory.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The machine refuses something a supervisor needs.
    #[error("cannot keep the replica of {dir}")]
    Keep {
        /// The replica's folder.
        dir: PathBuf,
        /// What.
        source: io::Error,
    },
}

/// Runs the replica whose [`ReplicaSpec`] comes from `input` until it ends or is told to, as the main
/// business of this process.
pub fn run(dir: &Path, input: impl Read) -> Result<(), SupervisorError> {
    let keep = |source| SupervisorError::Keep { dir: dir.into(), source };
    let shim_dir = ShimDir::new(dir);
    leave_session().map_err(keep)?;
    let lock = shim_dir
        .try_lock()
        .map_err(keep)?
        .ok_or_else(|| SupervisorError::AlreadyRunning { dir: dir.into() })?;
    let spec: ReplicaSpec =
        serde_json::from_reader(input).map_err(|error| SupervisorError::Spec(error.into()))?;
    adopt_orphans().map_err(keep)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(keep)?;
    runtime.block_on(async {
        let (group, pipe) = spawn(&spec)?;
        supervise(&shim_dir, &lock, &spec, group, pipe).await.map_err(keep)
    })
}

fn spawn(spec: &ReplicaSpec) -> Result<(Group, pipe::Receiver), SupervisorError> {
    let (program, args) = spec.command.split_first().map_or(("", &[][..]), |(p, a)| (p, a));
    let fail = |source| SupervisorError::Start {
        program: program.into(),
        folder: spec.folder.clone(),
        source,
    };
    let env: std::collections::BTreeMap<String, String> = spec.env.iter().cloned().collect();
    let path = env.get("PATH").map_or("/usr/local/bin:/usr/bin:/bin", String::as_str);
    let found = which(program, path, &spec.folder)
        .ok_or_else(|| fail(io::Error::new(io::ErrorKind::NotFound, "there is no such program")))?;
    let invocation = Invocation {
        program: found.into(),
        args: args.iter().map(Into::into).collect(),
        env,
        dir: spec.folder.clone(),
    };
    Group::spawn(&invocation).map_err(fail)
}

async fn supervise(
    dir: &ShimDir,
    lock: &Lock,
    spec: &ReplicaSpec,
    mut group: Group,
    pipe: pipe::Receiver,
) -> io::Result<()> {
    let process = ProcessId::of(group.pid());
    let status = ReplicaStatus {
        id: spec.id.clone(),
        pid: group.pid(),
        start_time: process.as_ref().map(|process| process.start_time).unwrap_or_default(),
        boot: process.map(|process| process.boot).unwrap_or_default(),
        address: spec.address,
        started_ms: now_ms(),
        exit: None,
        orphaned: false,
    };
    write_status(dir, &status)?;
    let (current, watched) = watch::channel(status.clone());
    let (ask_stop, mut stops) = mpsc::channel(1);
    let door = tokio::spawn(serve(dir.listen(lock)?, watched, ask_stop.clone()));
    let mut term = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        if term.recv().await.is_some() {
            // A full queue means that a stop is under way.
            let _ = ask_stop.try_send(REPLICA_STOP_GRACE);
        }
    });
    let mut logging = tokio::spawn(keep_log(Log::open(dir.path())?, pipe));

    let ended = tokio::select! {
        ended = group.wait() => ended?,
        Some(grace) = stops.recv() => {
            let asks = [(Signal::TERM, grace)];
            group.stop(&asks).await?.unwrap_or_default()
        }
    };
    kill_descendants().await;
    // Nobody holds the pipe any more, so what is left in it is read at once.
    if timeout(OUTPUT_DRAIN * 4, &mut logging).await.is_err() {
        logging.abort();
    }
    let exit = Some(exit_of(ended));
    let status = ReplicaStatus { exit, ..status };
    write_status(dir, &status)?;
    current.send_replace(status);
    // Those who asked for the stop get their answer from the task that serves them.
    let _ = timeout(READERS_DRAIN, door).await;
    Ok(())
}

fn exit_of(status: ExitStatus) -> Exit {
    Exit { code: status.code(), signal: status.signal(), at_ms: now_ms() }
}

/// Answers on the socket until the replica has ended and all who wait for that have been told.
async fn serve(
    listener: UnixListener,
    status: watch::Receiver<ReplicaStatus>,
    stop: mpsc::Sender<Duration>,
) {
    let mut clients = tokio::task::JoinSet::new();
    let mut ended = status.clone();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                clients.spawn(answer(stream, status.clone(), stop.clone()));
            }
            Some(_) = clients.join_next() => {}
            () = until_exit(&mut ended) => break,
        }
    }
    while clients.join_next().await.is_some() {}
}

async fn until_exit(status: &mut watch::Receiver<ReplicaStatus>) {
    // A sender that is gone is an end too.
    let _ = status.wait_for(|status| status.exit.is_some()).await;
}

async fn answer(
    mut stream: UnixStream,
    mut status: watch::Receiver<ReplicaStatus>,
    stop: mpsc::Sender<Duration>,
) -> io::Result<()> {
    let request = socket::receive(&mut stream).await?;
    let welcome = Welcome { protocol: PROTOCOL_VERSION, pid: std::process::id() };
    socket::send(&mut stream, &welcome).await?;
    match request {
        Request::Hello => return Ok(()),
        Request::Status => {}
        Request::Stop { grace_ms } => {
            // A full queue means that a stop is under way.
            let _ = stop.try_send(Duration::from_millis(grace_ms));
            until_exit(&mut status).await;
        }
        Request::Follow { .. } | Request::Cancel | Request::Kill => {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a replica is no job"));
        }
    }
    let status = status.borrow().clone();
    socket::send(&mut stream, &status).await
}

async fn keep_log(mut log: Log, mut pipe: pipe::Receiver) {
    let (mut lines, masker) = (Lines::default(), Masker::default());
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let count = pipe.read(&mut chunk).await.unwrap_or(0);
        let segments = match &chunk[..count] {
            [] => lines.finish(&masker),
            bytes => lines.push(bytes, &masker),
        };
        if !segments.is_empty()
            && let Err(error) = log.lines(segments.iter().map(|segment| segment.text.as_str()))
        {
            // A service goes on serving when its log cannot be kept, on a full disk for instance.
            tracing::warn!(%error, "lines of the replica's log are lost");
        }
        if count == 0 {
            return;
        }
    }
}

/// Written aside and renamed, so that a reader sees all of it or none.
fn write_status(dir: &ShimDir, status: &ReplicaStatus) -> io::Result<()> {
    let (aside, path) = (dir.path().join("status.new"), dir.status());
    let mut file = File::create(&aside)?;
    file.write_all(&serde_json::to_vec(status)?)?;
    file.sync_all()?;
    std::fs::rename(&aside, &path)?;
    File::open(dir.path())?.sync_all()
}
