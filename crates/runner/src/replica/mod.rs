//! One running copy of a service under a small detached process of its own, which keeps its log and
//! its exit status. Whether it should run, and again after its end, is for the caller to say.

mod client;
mod log;
mod supervisor;

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::process::{ProcessId, boot_id};

pub use client::{ReplicaError, start, status, stop};
pub use log::last_log_lines;
pub use supervisor::{SupervisorError, run};

/// What to run. It travels through the supervisor's standard input and lies in no file, since the
/// environment may hold secrets.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaSpec {
    /// For people.
    pub id: String,
    /// Program and arguments. A program without a slash is looked for on the `PATH` of `env`, one
    /// with a relative path in `folder`.
    pub command: Vec<String>,
    /// The working directory.
    pub folder: PathBuf,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// Where it is expected to listen; kept for whoever asks, not checked.
    pub address: SocketAddr,
}

impl ReplicaSpec {
    /// All there is to say.
    #[must_use]
    pub fn new(
        id: String,
        command: Vec<String>,
        folder: PathBuf,
        env: Vec<(String, String)>,
        address: SocketAddr,
    ) -> Self {
        Self { id, command, folder, env, address }
    }
}

impl std::fmt::Debug for ReplicaSpec {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut spec = formatter.debug_struct("ReplicaSpec");
        spec.field("id", &self.id).field("command", &self.command);
        spec.field("address", &self.address).finish_non_exhaustive()
    }
}

/// What became of a replica's process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaStatus {
    id: String,
    pid: u32,
    /// With the id it names the process until the machine is started again; see proc_pid_stat(5).
    start_time: u64,
    /// The machine's boot. Empty when a supervisor of version 0.1 wrote it.
    #[serde(default)]
    boot: String,
    address: SocketAddr,
    started_ms: u64,
    exit: Option<Exit>,
    /// The supervisor is gone though the process may still run: nobody keeps its log, and a line it
    /// prints may kill it. Stop it.
    #[serde(default)]
    orphaned: bool,
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// `None` when a signal ended it.
    pub code: Option<i32>,
    /// The number of that signal.
    pub signal: Option<i32>,
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
}

impl ReplicaStatus {
    /// Whether the process runs under its supervisor.
    #[must_use]
    pub fn running(&self) -> bool {
        self.exit.is_none() && !self.orphaned
    }

    /// The id of the spec.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The service's process, named for ever.
    fn process(&self) -> ProcessId {
        let boot = if self.boot.is_empty() { boot_id() } else { self.boot.clone() };
        ProcessId { pid: self.pid, start_time: self.start_time, boot }
    }

    /// The service's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The address of the spec.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn started_ms(&self) -> u64 {
        self.started_ms
    }

    /// How it ended; `None` while it runs, and when that was never seen.
    #[must_use]
    pub fn exit(&self) -> Option<&Exit> {
        self.exit.as_ref()
    }
}
