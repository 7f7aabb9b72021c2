use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

use super::table::Process;

/// A process, named so that neither one that gets its number later nor one after a reboot is taken for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// Its number as long as it lives.
    pub pid: u32,
    /// When it started, in clock ticks since the machine did; see proc_pid_stat(5).
    pub start_time: u64,
    /// The machine's `boot_id`, new at every boot; see random(4).
    pub boot: String,
}

impl ProcessId {
    /// The process that has this number now.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        Some(Self { pid, start_time: start_time(pid)?, boot: boot_id() })
    }

    /// Whether it lives.
    pub(crate) fn lives(&self) -> bool {
        self.is_of_this_boot() && start_time(self.pid) == Some(self.start_time)
    }

    /// Whether the machine has not been started again since.
    pub(crate) fn is_of_this_boot(&self) -> bool {
        self.boot == boot_id()
    }

    /// Sends it a signal, if it lives.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid.filter(|_| self.lives()) {
            // It may end between the question and the signal.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }
}

/// Which life of the machine this is; empty where the system does not tell.
pub(crate) fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

/// When the process started, in clock ticks since boot; `None` when it has ended.
fn start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let process = Process::parse(&stat)?;
    (process.state != 'Z').then_some(process.start_time)
}
