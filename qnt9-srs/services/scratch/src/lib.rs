//! For tests: a PostgreSQL server in a folder of its own, on a free port of 127.0.0.1, gone with the test; and
//! our programs, started as the platform starts them.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    os::unix::{
        fs::{MetadataExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

/// PostgreSQL does not run as root; as root it is run as nobody.
const NOBODY: u32 = 65_534;
const START_WAIT_MAX: Duration = Duration::from_secs(30);

/// A server without data.
pub struct Postgres {
    folder: PathBuf,
    port: u16,
    server: Child,
}

impl Postgres {
    /// Starts a server. Fails when PostgreSQL's programs are not here.
    pub fn start() -> Result<Self, String> {
        let programs = programs()?;
        let folder = new_folder().map_err(|error| format!("no folder for a database: {error}"))?;
        let data = folder.join("data");
        let made = command(&programs, "initdb")
            .arg("--pgdata")
            .arg(&data)
            .args(["--username=test", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .output()
            .map_err(|error| format!("initdb: {error}"))?;
        if !made.status.success() {
            return Err(format!("initdb: {}", String::from_utf8_lossy(&made.stderr)));
        }
        let port = free_port()?;
        let server = command(&programs, "postgres")
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string(), "-k", "", "-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "fsync=off", "-c", "shared_buffers=32MB"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("postgres: {error}"))?;
        let postgres = Self { folder, port, server };
        let began = Instant::now();
        while !postgres.is_ready() {
            if began.elapsed() > START_WAIT_MAX {
                return Err(format!("postgres takes no questions on port {port}"));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(postgres)
    }

    /// The address of its database.
    pub fn url(&self) -> String {
        format!("postgres://test@127.0.0.1:{}/postgres", self.port)
    }

    /// The server writes this file, with the word in it once it takes questions.
    fn is_ready(&self) -> bool {
        let file = fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap_or_default();
        file.lines().nth(7).map(str::trim) == Some("ready")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // What is left behind lies in the folder for temporary files; a test has nobody to tell.
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// One of our programs, serving.
pub struct Serving {
    pub port: u16,
    process: Child,
}

impl Serving {
    /// Starts `PROGRAM serve` with these settings on a free port and waits until it listens.
    pub fn start(program: &str, settings: &[(&str, &str)]) -> Result<Self, String> {
        let mut process = Command::new(program)
            .arg("serve")
            .envs(settings.iter().copied())
            .env("PORT", "0")
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{program}: {error}"))?;
        let output = process.stdout.take().ok_or("the program has no output")?;
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        let port = lines.find_map(|line| {
            let address = line.split_once("listening on ")?.1.split_once(',')?.0.to_owned();
            address.rsplit_once(':')?.1.parse().ok()
        });
        // Whoever writes into a pipe that nobody reads would wait one day.
        thread::spawn(move || lines.for_each(|line| eprintln!("{line}")));
        let port = port.ok_or(format!("{program} ended without listening"))?;
        Ok(Self { port, process })
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Asks it to stop, as the platform does.
    pub fn terminate(&self) -> Result<(), String> {
        let pid = self.process.id().to_string();
        let sent =
            Command::new("kill").args(["-TERM", &pid]).status().map_err(|e| e.to_string())?;
        if sent.success() { Ok(()) } else { Err(format!("kill -TERM {pid}: {sent}")) }
    }

    /// Waits until it has ended; whether it did so in order.
    pub fn wait(&mut self) -> Result<bool, String> {
        self.process.wait().map(|status| status.success()).map_err(|error| error.to_string())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn command(programs: &Path, program: &str) -> Command {
    let mut command = Command::new(programs.join(program));
    command.env("LC_ALL", "C").current_dir("/").stdin(Stdio::null());
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// The folder that has `initdb` and `postgres`.
fn programs() -> Result<PathBuf, String> {
    let has = |folder: &PathBuf| folder.join("initdb").exists() && folder.join("postgres").exists();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).find(has);
    let installed = || {
        let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
        versions.filter_map(|version| Some(version.ok()?.path().join("bin"))).find(has)
    };
    // The programs find their own files from where they really are.
    let found = on_path.or_else(installed).and_then(|f| fs::canonicalize(f.join("initdb")).ok());
    found.and_then(|initdb| Some(initdb.parent()?.to_owned())).ok_or_else(|| {
        "there is no PostgreSQL here: install it (apt-get install postgresql), or put its folder \
         with initdb and postgres on PATH"
            .to_owned()
    })
}

fn new_folder() -> std::io::Result<PathBuf> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("scratch-postgres-{}-{number}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    fs::create_dir(&folder)?;
    if is_root() {
        chown(&folder, Some(NOBODY), Some(NOBODY))?;
    }
    Ok(folder)
}

fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    listener.local_addr().map(|address| address.port()).map_err(|error| error.to_string())
}
