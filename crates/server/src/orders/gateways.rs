//! Starts and stops gateways, the processes that carry projects' traffic.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use qnt9_cluster::gateway::{self, Control};
use rustix::process::{Pid, Signal};
use tokio::sync::RwLock;
use tokio::time::{Instant, sleep, timeout};

use super::OrderError;

/// How long a new gateway may take until it answers.
const START_PATIENCE: Duration = Duration::from_secs(10);
/// How long a gateway may take to end after a signal; it gives requests that have begun ten seconds.
const END_PATIENCE: Duration = Duration::from_secs(12);
/// How long a gateway that has closed its last connection may take to be gone.
const EXIT_PATIENCE: Duration = Duration::from_secs(1);
/// How often a gateway that should answer or end is looked at.
const PULSE: Duration = Duration::from_millis(20);

/// Starts gateways that do not run, until it has stopped them all. Clones are the same.
#[derive(Clone)]
pub(crate) struct Gateways {
    /// What is run as `program gateway DIR`.
    program: PathBuf,
    /// Whoever starts a gateway holds this to read until it answers, and whoever stops them all takes it
    /// to write: no gateway appears behind their back.
    starts: Arc<RwLock<Starts>>,
}

/// Whether gateways may be started.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Starts {
    Allowed,
    Over,
}

impl Gateways {
    pub(crate) fn new(program: &Path) -> Self {
        Self { program: program.to_owned(), starts: Arc::new(RwLock::new(Starts::Allowed)) }
    }

    /// A conversation with the gateway of a folder, started when it does not run.
    pub(super) async fn control(&self, dir: &Path) -> Result<Control, OrderError> {
        if let Ok(control) = Control::connect(dir).await {
            return Ok(control);
        }
        // In a task of its own: a start goes on until the gateway answers, even when whoever waits for it
        // here is ended in the middle.
        let (gateways, dir) = (self.clone(), dir.to_owned());
        let started = tokio::spawn(async move { gateways.start(&dir).await });
        started.await.unwrap_or_else(|error| Err(OrderError::outside(&error)))
    }

    async fn start(&self, dir: &Path) -> Result<Control, OrderError> {
        let starts = self.starts.read().await;
        if *starts == Starts::Over {
            let reason = "the server stops and starts no gateway any more";
            return Err(OrderError::Outside(reason.to_owned()));
        }
        let talk = dir.join("gateway.log");
        let args = ["gateway".as_ref(), dir.as_os_str()];
        let mut process = qnt9_runner::spawn_detached(&self.program, &args, &talk, b"")
            .await
            .map_err(|error| OrderError::Outside(format!("the gateway does not start: {error}")))?;
        let since = Instant::now();
        loop {
            let ended = timeout(PULSE, process.wait()).await.is_ok();
            match Control::connect(dir).await {
                Ok(control) => {
                    // Reaped when it ends, so that it does not stay behind as a zombie.
                    tokio::spawn(async move { process.wait().await });
                    return Ok(control);
                }
                Err(error) if ended || since.elapsed() > START_PATIENCE => {
                    let what = if ended { "has ended" } else { "does not answer" };
                    let talk = talk.display();
                    let said = format!("the new gateway {what} ({error}); {talk} says more");
                    return Err(OrderError::Outside(said));
                }
                Err(_) => {}
            }
        }
    }

    /// Stops every gateway whose folder lies in `root`, and starts none any more.
    pub(crate) async fn stop_all(&self, root: &Path) {
        *self.starts.write().await = Starts::Over;
        let folders = std::fs::read_dir(root).into_iter().flatten().flatten();
        let folders = folders.map(|entry| entry.path()).filter(|path| path.is_dir());
        let stops = folders.map(|dir| async move {
            if let Err(error) = stop(&dir, START_PATIENCE).await {
                tracing::warn!(dir = %dir.display(), "the gateway was not stopped: {error}");
            }
        });
        futures_util::future::join_all(stops).await;
    }
}

/// Stops the gateway of a folder, if there is one, in the way it offers or, when it does not answer in
/// time, by signals.
async fn stop(dir: &Path, patience: Duration) -> io::Result<()> {
    let why = match timeout(patience, answer(dir)).await {
        Ok(None) => return Ok(()),
        Ok(Some(control)) => {
            let process = pid(control.pid())?;
            match control.stop().await {
                Ok(()) => {
                    // A zombie that nobody reaps stays, and has ended all the same.
                    let _ = timeout(EXIT_PATIENCE, gone(process)).await;
                    return Ok(());
                }
                Err(error) => error.to_string(),
            }
        }
        Err(_) => "it does not answer".to_owned(),
    };
    tracing::warn!(dir = %dir.display(), "the gateway is ended by a signal: {why}");
    for signal in [Signal::TERM, Signal::KILL] {
        let Some(process) = gateway::holder(dir)? else { return Ok(()) };
        match rustix::process::kill_process(pid(process)?, signal) {
            // It ended meanwhile.
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(error.into()),
        }
        if timeout(END_PATIENCE, ended(dir)).await.is_ok() {
            return Ok(());
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

/// A conversation with the gateway of a folder; `None` when none runs. One that holds its lock is
/// there, although it may not answer yet.
async fn answer(dir: &Path) -> Option<Control> {
    loop {
        if let Ok(control) = Control::connect(dir).await {
            return Some(control);
        }
        if matches!(gateway::holder(dir), Ok(None)) {
            return None;
        }
        sleep(PULSE).await;
    }
}

async fn ended(dir: &Path) {
    while !matches!(gateway::holder(dir), Ok(None)) {
        sleep(PULSE).await;
    }
}

/// Waits until a process has left the system's table.
async fn gone(process: Pid) {
    while rustix::process::test_kill_process(process).is_ok() {
        sleep(PULSE / 10).await;
    }
}

fn pid(process: u32) -> io::Result<Pid> {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| io::Error::other(format!("{process} is no process id")))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::{Command, Stdio};

    use super::*;

    /// Says to this test program that it is to be the gateway of this folder.
    const FOLDER_VARIABLE: &str = "QNT9_TEST_GATEWAY_FOLDER";

    /// Not a test: the program that [`slow_program`] becomes.
    #[tokio::test]
    async fn gateway_of_the_tests_here() {
        if let Some(dir) = std::env::var_os(FOLDER_VARIABLE) {
            gateway::run(Path::new(&dir)).await.unwrap();
        }
    }

    /// A gateway that takes its time before it takes its lock and answers. `begun` in its folder then
    /// holds its process id.
    fn slow_program(folder: &Path) -> PathBuf {
        let path = folder.join("slow");
        let this = std::env::current_exe().unwrap();
        let script = format!(
            "#!/bin/sh\necho $$ > \"$2/pid\"; mv \"$2/pid\" \"$2/begun\"; sleep 0.5\n\
             {FOLDER_VARIABLE}=\"$2\" exec '{}' gateway_of_the_tests_here\n",
            this.display()
        );
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// Folders of gateways of two projects, in the first one's parent.
    fn folders(root: &Path) -> [PathBuf; 2] {
        ["one", "two"].map(|project| {
            let dir = root.join("gateway").join(project);
            fs::create_dir_all(&dir).unwrap();
            dir
        })
    }

    /// Whether that process still works; a zombie does not.
    fn is_alive(pid: &str) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
    }

    async fn until(what: &str, is_so: impl Fn() -> bool) {
        let since = Instant::now();
        while !is_so() {
            assert!(since.elapsed() < Duration::from_secs(5), "{what}");
            sleep(PULSE).await;
        }
    }

    #[tokio::test]
    async fn a_gateway_whose_start_was_given_up_does_not_outlive_the_stop() {
        let folder = tempfile::tempdir().unwrap();
        let gateways = Gateways::new(&slow_program(folder.path()));
        let dirs = folders(folder.path());
        let carriers = dirs.clone().map(|dir| {
            let gateways = gateways.clone();
            tokio::spawn(async move { gateways.control(&dir).await.map(|_| ()) })
        });
        let begun = || dirs.iter().all(|dir| dir.join("begun").exists());
        until("the gateways begin", begun).await;
        carriers.iter().for_each(tokio::task::JoinHandle::abort);
        gateways.stop_all(&folder.path().join("gateway")).await;
        for dir in &dirs {
            let pid = fs::read_to_string(dir.join("begun")).unwrap();
            until("the gateway ends", || !is_alive(&pid)).await;
            assert!(dir.join("gateway.lock").exists(), "it had become one");
        }
        let refused = gateways.control(&dirs[0]).await.unwrap_err();
        assert!(refused.to_string().contains("starts no gateway any more"), "{refused}");
    }

    #[tokio::test]
    async fn a_gateway_that_holds_its_lock_and_never_answers_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let [dir, _] = folders(folder.path());
        let lock = File::create(dir.join("gateway.lock")).unwrap();
        lock.lock().unwrap();
        // The lock stays with whoever has the file open, which is now only that process.
        let mut silent = Command::new("sleep").arg("60").stdin(Stdio::from(lock)).spawn().unwrap();
        fs::write(dir.join("gateway.lock"), format!("{}\n", silent.id())).unwrap();
        stop(&dir, Duration::from_millis(100)).await.unwrap();
        assert!(!silent.wait().unwrap().success());
        assert_eq!(gateway::holder(&dir).unwrap(), None);
    }

    #[tokio::test]
    async fn where_no_gateway_runs_there_is_nothing_to_stop() {
        let folder = tempfile::tempdir().unwrap();
        let [left, never] = folders(folder.path());
        // Left by one that was killed; the process of that number is another's now.
        fs::write(left.join("gateway.lock"), format!("{}\n", std::process::id())).unwrap();
        for dir in [left, never] {
            stop(&dir, Duration::ZERO).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_program_that_ends_at_once_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let [dir, _] = folders(folder.path());
        let refused = Gateways::new(Path::new("/bin/false")).control(&dir).await.unwrap_err();
        assert!(refused.to_string().contains("the new gateway has ended"), "{refused}");
    }
}
