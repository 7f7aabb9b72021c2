use std::collections::BTreeSet;
use std::io;

use rustix::process::{Pid, Signal};
use tokio::time::{Instant, sleep};

use super::id::{ProcessId, boot_id};
use super::table::{Process, processes, with_descendants};
use super::{KILL_WAIT, POLL};

/// What is known of the processes of a program that died.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leftovers {
    /// What stands in the environment that they were started with.
    pub(crate) mark: Option<Mark>,
    /// The leader of their session.
    pub(crate) session: Option<ProcessId>,
    /// Those that were written down when they began.
    pub(crate) known: Vec<ProcessId>,
}

/// A `NAME=VALUE` in an environment.
#[derive(Clone, Debug)]
pub(crate) enum Mark {
    Is(String),
    /// Any that begins so, but this one.
    Begins {
        begins: String,
        but: String,
    },
}

impl Mark {
    fn matches(&self, variable: &[u8]) -> bool {
        match self {
            Self::Is(mark) => variable == mark.as_bytes(),
            Self::Begins { begins, but } => {
                variable.starts_with(begins.as_bytes()) && variable != but.as_bytes()
            }
        }
    }
}

impl Leftovers {
    /// Kills all of them with all their descendants, and returns how many there were.
    /// One that does not end even so is an error: it may still act.
    pub(crate) async fn kill(&self) -> io::Result<usize> {
        let deadline = Instant::now() + KILL_WAIT;
        let mut killed = BTreeSet::new();
        loop {
            let living = self.find();
            if living.is_empty() {
                return Ok(killed.len());
            }
            if Instant::now() > deadline {
                let pid = living[0].as_raw_nonzero();
                return Err(io::Error::other(format!("process {pid} does not end when killed")));
            }
            for pid in living {
                killed.insert(pid.as_raw_nonzero());
                // The process may have ended since it was listed.
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
            sleep(POLL).await;
        }
    }

    fn find(&self) -> Vec<Pid> {
        let boot = boot_id();
        let processes: Vec<Process> = processes().collect();
        let session = self.session.as_ref().filter(|leader| leader.boot == boot);
        // A number is given away again once nobody uses it: a session whose leader started at another
        // time is somebody else's.
        let session = session.filter(|leader| {
            processes.iter().all(|p| p.number() != leader.pid || p.start_time == leader.start_time)
        });
        let in_session = |process: &Process| {
            session.is_some_and(|leader| {
                process.session == leader.pid && process.start_time >= leader.start_time
            })
        };
        let is_known = |process: &Process| {
            self.known.iter().any(|known| {
                known.boot == boot
                    && (known.pid, known.start_time) == (process.number(), process.start_time)
            })
        };
        let is_marked = |process: &Process| {
            self.mark.as_ref().is_some_and(|mark| has_in_environment(process.pid, mark))
        };
        let this = rustix::process::getpid();
        let found: Vec<Pid> = processes
            .iter()
            .filter(|process| process.pid != this)
            .filter(|process| in_session(process) || is_known(process) || is_marked(process))
            .map(|process| process.pid)
            .collect();
        let mut living = with_descendants(&processes, found);
        living.retain(|pid| processes.iter().any(|p| p.pid == *pid && p.state != 'Z'));
        living
    }
}

fn has_in_environment(pid: Pid, mark: &Mark) -> bool {
    // Unreadable means another user's process, or one that has just ended: neither is ours.
    std::fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).is_ok_and(|environ| {
        environ.split(|&byte| byte == 0).any(|variable| mark.matches(variable))
    })
}
