use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::sync::Mutex;

use super::databases;
use super::identity::Identity;
use super::{PostgresError, Started};
use crate::http::path_segment;
use crate::preflight::{free_port, port_is_free};
use crate::tools::PostgresBinaries;

const USER: &str = "qnt9";
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Small and quick, and durable: `fsync` and `synchronous_commit` stay as they are.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
shared_buffers = 64MB
wal_level = minimal
max_wal_senders = 0
max_wal_size = 256MB
checkpoint_timeout = 15min
jit = off
autovacuum_naptime = 30s
log_line_prefix = '%m [%p] '
timezone = 'UTC'
";

/// A PostgreSQL server of ours: `DIR/data`, `DIR/port`, `DIR/log`.
pub(super) struct Cluster {
    binaries: PostgresBinaries,
    dir: PathBuf,
    password: String,
    /// Starting and stopping wait for each other.
    at_work: Mutex<()>,
}

impl Cluster {
    pub(super) fn new(binaries: PostgresBinaries, dir: &Path, password: &str) -> Self {
        let (dir, password) = (dir.to_path_buf(), password.to_owned());
        Self { binaries, dir, password, at_work: Mutex::new(()) }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn url(&self, database: &str) -> Result<String, PostgresError> {
        let not_started = || PostgresError::NotStarted { dir: self.dir.clone() };
        let port = self.port().ok_or_else(not_started)?;
        let (password, database) = (path_segment(&self.password), path_segment(database));
        Ok(format!("postgres://{USER}:{password}@127.0.0.1:{port}/{database}"))
    }

    pub(super) async fn start(&self) -> Result<Started, PostgresError> {
        let _alone = self.at_work.lock().await;
        if self.is_running().await {
            return Ok(Started::Already);
        }
        fs::create_dir_all(&self.dir).map_err(|source| self.folder(source))?;
        let identity = Identity::find(&self.dir, PATH).await?;
        if !self.data().is_dir() {
            self.init(&identity).await?;
        }
        let port = self.choose_port().map_err(|source| self.folder(source))?;
        let log = self.dir.join("log");
        File::options()
            .create(true)
            .append(true)
            .open(&log)
            .and_then(|_| identity.own(&log))
            .map_err(|source| self.folder(source))?;
        let mut command = self.command(&identity, "pg_ctl");
        command.arg("start").arg("--pgdata").arg(self.data()).arg("--log").arg(&log);
        command.args(["--wait", "--timeout", "60", "--silent", "-o", &format!("-p {port}")]);
        run("pg_ctl start", command).await.map_err(|error| with_log(error, &log))?;
        databases::check_answers(&self.url("postgres")?).await?;
        Ok(Started::Now)
    }

    pub(super) async fn stop(&self) -> Result<(), PostgresError> {
        let _alone = self.at_work.lock().await;
        if !self.data().join("postmaster.pid").exists() {
            return Ok(());
        }
        let identity = Identity::find(&self.dir, PATH).await?;
        let mut status = self.command(&identity, "pg_ctl");
        status.arg("status").arg("--pgdata").arg(self.data());
        if run("pg_ctl status", status).await.is_err() {
            return Ok(());
        }
        let mut command = self.command(&identity, "pg_ctl");
        command.arg("stop").arg("--pgdata").arg(self.data());
        command.args(["--mode", "fast", "--wait", "--timeout", "60", "--silent"]);
        run("pg_ctl stop", command).await
    }

    /// Makes the data folder aside and moves it, so that an interruption leaves none.
    async fn init(&self, identity: &Identity) -> Result<(), PostgresError> {
        let partial = self.dir.join("data.part");
        let password = self.dir.join("password.part");
        let prepare = || -> io::Result<()> {
            if partial.exists() {
                fs::remove_dir_all(&partial)?;
            }
            fs::create_dir(&partial)?;
            identity.own(&partial)?;
            let mut options = File::options();
            let mut file =
                options.write(true).create(true).truncate(true).mode(0o600).open(&password)?;
            file.write_all(self.password.as_bytes())?;
            identity.own(&password)
        };
        prepare().map_err(|source| self.folder(source))?;
        let mut command = self.command(identity, "initdb");
        command.arg("--pgdata").arg(&partial).arg("--pwfile").arg(&password);
        command.args(["--username", USER, "--auth", "scram-sha-256", "--encoding", "UTF8"]);
        command.args(["--locale", "C.UTF-8", "--no-instructions"]);
        let made = run("initdb", command).await;
        let finish = || -> io::Result<()> {
            fs::remove_file(&password)?;
            if made.is_err() {
                return Ok(());
            }
            let conf = partial.join("postgresql.conf");
            let mut file = File::options().append(true).open(&conf)?;
            file.write_all(SETTINGS.as_bytes())?;
            file.sync_all()?;
            fs::rename(&partial, self.data())?;
            File::open(&self.dir)?.sync_all()
        };
        finish().map_err(|source| self.folder(source))?;
        made
    }

    async fn is_running(&self) -> bool {
        let Ok(url) = self.url("postgres") else { return false };
        let found = databases::data_directory(&url).await;
        let is_ours = |found: String| {
            let (found, ours) = (Path::new(&found).canonicalize(), self.data().canonicalize());
            matches!((found, ours), (Ok(found), Ok(ours)) if found == ours)
        };
        found.is_ok_and(is_ours)
    }

    fn command(&self, identity: &Identity, program: &str) -> tokio::process::Command {
        let mut command = identity.command(&self.binaries.bin.join(program));
        command.env_clear().env("PATH", PATH).env("LC_ALL", "C.UTF-8");
        if let Some(lib) = &self.binaries.lib {
            command.env("LD_LIBRARY_PATH", lib);
        }
        command.current_dir("/");
        command
    }

    /// The port of the last start, if it is free; else another, which is written down.
    fn choose_port(&self) -> io::Result<u16> {
        let is_free = |port: &u16| port_is_free(SocketAddr::from((Ipv4Addr::LOCALHOST, *port)));
        if let Some(port) = self.port().filter(is_free) {
            return Ok(port);
        }
        let port = free_port()?;
        fs::write(self.dir.join("port"), port.to_string())?;
        Ok(port)
    }

    fn port(&self) -> Option<u16> {
        fs::read_to_string(self.dir.join("port")).ok()?.trim().parse().ok()
    }

    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    fn folder(&self, source: io::Error) -> PostgresError {
        PostgresError::Folder { dir: self.dir.clone(), source }
    }
}

async fn run(
    program: &'static str,
    mut command: tokio::process::Command,
) -> Result<(), PostgresError> {
    let failed = |said: String| PostgresError::Program { program, said };
    let output = command
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|error| failed(format!("it does not start: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(failed(String::from_utf8_lossy(&said).trim().to_owned()))
}

/// Adds the last lines of the server's log to what a program said.
fn with_log(error: PostgresError, log: &Path) -> PostgresError {
    const LINES: usize = 10;
    let PostgresError::Program { program, said } = error else { return error };
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let last = lines[lines.len().saturating_sub(LINES)..].join("\n");
    PostgresError::Program { program, said: format!("{said}\n{last}") }
}
