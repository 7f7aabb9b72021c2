//! A PostgreSQL server for tests and measurements, thrown away afterwards.
//!
//! It is found where `initdb` is: on PATH, where `pg_config --bindir` says, or under
//! /usr/lib/postgresql.
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    dead_code,
    reason = "each program that includes this file uses some of it, and fails without a server"
)]

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// PostgreSQL refuses to be root; this is `nobody`.
const NOBODY: u32 = 65_534;
const START_SECONDS: u64 = 60;

/// Whether the server syncs what it commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syncs {
    /// As in production.
    Always,
    /// For tests in which nothing but programs is killed.
    Never,
}

/// A running server with an empty database. It is stopped and removed when this is dropped.
pub struct Scratch {
    folder: TempDir,
    programs: PathBuf,
    port: u16,
    server: Option<Child>,
}

impl Scratch {
    pub fn start(syncs: Syncs) -> Self {
        Self::start_in(&std::env::temp_dir(), syncs)
    }

    /// In a folder of its own within this one.
    pub fn start_in(parent: &Path, syncs: Syncs) -> Self {
        let programs = programs().expect(
            "there is no PostgreSQL here: install it (apt-get install postgresql), or put its \
             folder with initdb and postgres on PATH",
        );
        let folder = TempDir::new_in(parent).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        if rustix::process::geteuid().is_root() {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        let mut scratch = Self { folder, programs, port, server: None };
        let mut init = scratch.command("initdb");
        init.arg("--pgdata").arg(scratch.data());
        init.args(["--username=qnt9", "--auth=trust", "--encoding=UTF8", "--locale=C"]);
        init.args(["--no-sync", "--no-instructions"]);
        let made = init.output().unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let settings = match syncs {
            Syncs::Always => "",
            Syncs::Never => "fsync = off\nfull_page_writes = off\n",
        };
        let conf = scratch.data().join("postgresql.conf");
        let defaults = fs::read_to_string(&conf).unwrap();
        fs::write(conf, format!("{defaults}\n{settings}")).unwrap();
        drop(free);
        scratch.start_again();
        scratch
    }

    pub fn url(&self) -> String {
        format!("postgres://qnt9@127.0.0.1:{}/postgres", self.port)
    }

    /// Starts the server and waits until it takes questions.
    pub fn start_again(&mut self) {
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string(), "-k", ""]);
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "shared_buffers=32MB"]);
        let log = self.folder.path().join("log");
        let log = fs::File::options().create(true).append(true).open(log).unwrap();
        command.stdout(Stdio::null()).stderr(log);
        // A server that was killed may still hold its memory for a moment; then this one ends.
        let began = Instant::now();
        let mut server = command.spawn().unwrap();
        while !self.is_ready(server.id()) {
            assert!(began.elapsed() < Duration::from_secs(START_SECONDS), "{}", self.log());
            if server.try_wait().unwrap().is_some() {
                std::thread::sleep(Duration::from_millis(100));
                server = command.spawn().unwrap();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.server = Some(server);
    }

    /// Ends the server at once, with `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }

    /// The server writes this file, with the word in it once it takes questions.
    fn is_ready(&self, process: u32) -> bool {
        let file = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let lines: Vec<&str> = file.lines().map(str::trim).collect();
        lines.first() == Some(&process.to_string().as_str()) && lines.get(7) == Some(&"ready")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.env("LC_ALL", "C").current_dir("/").stdin(Stdio::null());
        if rustix::process::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        // It stops at once, but takes its processes and its shared memory with it.
        let stopped =
            i32::try_from(server.id()).ok().and_then(rustix::process::Pid::from_raw).is_some_and(
                |id| rustix::process::kill_process(id, rustix::process::Signal::QUIT).is_ok(),
            );
        if !stopped {
            let _ = server.kill();
        }
        let _ = server.wait();
    }
}

fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if let Ok(told) = Command::new("pg_config").arg("--bindir").output() {
        places.push(PathBuf::from(String::from_utf8_lossy(&told.stdout).trim()));
    }
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    places.extend(versions.map(|version| version.path().join("bin")));
    let has = |place: &Path, program: &str| place.join(program).is_file();
    places.into_iter().find(|place| has(place, "initdb") && has(place, "postgres"))
}
