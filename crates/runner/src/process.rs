//! Processes in groups: started, signalled and cleared away as one.

mod id;
mod leftovers;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions};
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout_at};

pub use id::ProcessId;
pub(crate) use id::boot_id;
pub(crate) use leftovers::{Leftovers, Mark};
use table::descendants;

/// How often a group that is asked to end is looked at.
const POLL: Duration = Duration::from_millis(10);
/// How long killed processes may take to vanish before we go on without them.
const KILL_WAIT: Duration = Duration::from_secs(2);

/// What to start. The environment is exactly `env`.
#[derive(Clone, Debug)]
pub(crate) struct Invocation {
    pub(crate) program: OsString,
    pub(crate) args: Vec<OsString>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) dir: PathBuf,
}

/// A started process that leads its own group, stdout and stderr joined in one pipe so that their
/// order is kept.
#[derive(Debug)]
pub(crate) struct Group {
    child: Child,
    leader: Pid,
}

impl Group {
    pub(crate) fn spawn(invocation: &Invocation) -> io::Result<(Self, pipe::Receiver)> {
        let (reader, writer) = io::pipe()?;
        let child = Command::new(&invocation.program)
            .args(&invocation.args)
            .env_clear()
            .envs(&invocation.env)
            .current_dir(&invocation.dir)
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .process_group(0)
            .spawn()?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        let leader = pid.ok_or_else(|| io::Error::other("the new process has no id"))?;
        Ok((Self { child, leader }, pipe::Receiver::from_owned_fd(reader.into())?))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.leader.as_raw_nonzero().get().unsigned_abs()
    }

    /// Waits for the leader's end. Cancel-safe.
    pub(crate) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Asks the group to end with each signal in turn, waits as long as it says, then kills what is
    /// left of the group and of the leader's descendants.
    pub(crate) async fn stop(
        &mut self,
        asks: &[(Signal, Duration)],
    ) -> io::Result<Option<ExitStatus>> {
        let mut status = None;
        for &(signal, grace) in asks {
            self.signal(signal);
            let deadline = Instant::now() + grace;
            if status.is_none() {
                status = timeout_at(deadline, self.child.wait()).await.ok().transpose()?;
            }
            while status.is_some() && Instant::now() < deadline && !self.is_empty() {
                sleep(POLL).await;
            }
            if status.is_some() && self.is_empty() {
                return Ok(status);
            }
        }
        let descendants = if status.is_none() { descendants(self.leader) } else { Vec::new() };
        self.signal(Signal::KILL);
        for pid in descendants {
            // The process may have ended since it was listed.
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
        if status.is_none() {
            status = Some(self.child.wait().await?);
        }
        let deadline = Instant::now() + KILL_WAIT;
        while !self.is_empty() && Instant::now() < deadline {
            sleep(POLL).await;
        }
        Ok(status)
    }

    fn signal(&self, signal: Signal) {
        // No such group means that all of it has ended, which is what every signal here asks for.
        let _ = rustix::process::kill_process_group(self.leader, signal);
    }

    /// Whether no process of the group is left, once the leader was waited for.
    fn is_empty(&self) -> bool {
        // Orphans of the group became our children; they must be collected to be gone.
        while let Ok(Some(_)) = rustix::process::waitpgid(self.leader, WaitOptions::NOHANG) {}
        rustix::process::test_kill_process_group(self.leader).is_err()
    }
}

/// Makes orphaned descendants children of this process, so that none of them escapes.
pub(crate) fn adopt_orphans() -> io::Result<()> {
    let this = rustix::process::getpid();
    Ok(rustix::process::set_child_subreaper(Some(this))?)
}

/// Kills every descendant of this process and returns how many there were. They must be descendants
/// nobody waits for any more.
pub(crate) async fn kill_descendants() -> usize {
    let this = rustix::process::getpid();
    let deadline = Instant::now() + KILL_WAIT;
    let mut killed = BTreeSet::new();
    loop {
        while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {}
        let living = descendants(this);
        if living.is_empty() || Instant::now() > deadline {
            return killed.len();
        }
        for pid in living {
            killed.insert(pid.as_raw_nonzero());
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
        sleep(POLL).await;
    }
}

#[cfg(test)]
mod tests;
