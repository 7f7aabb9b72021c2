//! One platform under fire: its folders, its server, what one can ask it, and its processes.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::fixture;
use crate::prove::http::Connection;

/// Ports a platform needs: its own and one for each environment.
const PORTS: u16 = 8;
/// Where ports are looked for: below those that the system gives away by itself.
const PORTS_FROM: u16 = 28_000;
const PORTS_TO: u16 = 32_000;
/// How long a server may take until it is ready, on a busy machine.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// How long one thing may take that is done as soon as there is a server.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two tries of it.
const AGAIN_PULSE: Duration = Duration::from_millis(30);
/// How often a condition is looked at.
pub(super) const PULSE: Duration = Duration::from_millis(2);

/// The programs under test.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) qnt9: PathBuf,
    /// The example that makes a project.
    pub(crate) new_project: PathBuf,
}

impl Programs {
    /// Those that cargo has built into a folder such as `target/debug`.
    pub(crate) fn built_into(folder: &Path) -> Result<Self> {
        let programs =
            Self { qnt9: folder.join("qnt9"), new_project: folder.join("examples/new_project") };
        for program in [&programs.qnt9, &programs.new_project] {
            ensure!(program.is_file(), "{} is not built", program.display());
        }
        Ok(programs)
    }
}

/// What is delivered on a platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Project {
    /// The small one of [`fixture`].
    Fixture,
    /// The reference system that the program has in itself.
    Reference,
}

/// A platform. Dropped, everything of it that still runs is killed; its folder stays.
pub(crate) struct Site {
    project: Project,
    folder: PathBuf,
    port: u16,
    qnt9: PathBuf,
    server: Mutex<Option<Child>>,
}

impl Site {
    fn make(programs: &Programs, project: Project, name: &str) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("qnt9-chaos-{}-{name}", std::process::id()));
        std::fs::create_dir_all(folder.join("bin"))
            .with_context(|| folder.display().to_string())?;
        // A copy, so that whoever builds meanwhile changes nothing here.
        let qnt9 = folder.join("bin/qnt9");
        std::fs::copy(&programs.qnt9, &qnt9).context("the program cannot be copied")?;
        Ok(Self { project, folder, port: free_ports()?, qnt9, server: Mutex::default() })
    }

    /// The platform of the reference system; nothing runs yet.
    pub(super) fn reference(programs: &Programs, name: &str) -> Result<Self> {
        Self::make(programs, Project::Reference, name)
    }

    /// A platform with the small project; nothing runs yet.
    pub(crate) fn new(programs: &Programs, name: &str) -> Result<Self> {
        let site = Self::make(programs, Project::Fixture, name)?;
        // The project has no infrastructure: what answers for terraform is asked for its version.
        site.program("terraform", "echo '{\"terraform_version\": \"1.11.4\"}'")?;
        let files = site.folder.join("first");
        fixture::write(&files, &site.witness())?;
        let mut make = Command::new(&programs.new_project);
        make.arg(site.data()).arg(site.folder.join("key")).arg(site.port.to_string()).arg(&files);
        site.run(&mut make).context("the project cannot be made")?;
        Ok(site)
    }

    fn program(&self, name: &str, script: &str) -> Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.folder.join("bin").join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n"))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
        Ok(())
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The file that steps tell when they begin and end.
    pub(super) fn witness(&self) -> PathBuf {
        self.folder.join("witness")
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Gives a command an environment of its own: nothing of this machine's user is touched. The
    /// reference system is built with this machine's tools, and these need the rest of it.
    fn prepare(&self, command: &mut Command) {
        if self.project == Project::Fixture {
            let path = std::env::var("PATH").unwrap_or_default();
            command
                .env_clear()
                .env("PATH", format!("{}:{path}", self.folder.join("bin").display()))
                .env("HOME", &self.folder)
                .env("DATABASE_URL", "postgres://nobody@127.0.0.1:9/none");
        } else {
            command.env_remove("DATABASE_URL").env("TF_CLI_CONFIG_FILE", "/dev/null");
        }
        command
            .env("XDG_CONFIG_HOME", self.folder.join("config"))
            .env("QNT9_KEY_FILE", self.folder.join("key"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .stdin(Stdio::null());
    }

    /// The name of the project.
    pub(super) fn project(&self) -> &'static str {
        match self.project {
            Project::Fixture => fixture::PROJECT,
            Project::Reference => "qnt9-srs",
        }
    }

    /// Who looks at it.
    pub(super) fn developer(&self) -> &'static str {
        match self.project {
            Project::Fixture => fixture::DEVELOPER,
            Project::Reference => "dana",
        }
    }

    /// The token of one of its people; the program keeps those of the reference system's.
    pub(super) fn token(&self, person: &str) -> Result<String> {
        if self.project == Project::Fixture {
            return Ok(fixture::token(person));
        }
        let file = self.folder.join("config/qnt9/tokens.json");
        let tokens: Value = serde_json::from_slice(&std::fs::read(&file)?)?;
        let mut of_folders = tokens.as_object().context("tokens by folder")?.values();
        let token = of_folders.next().and_then(|tokens| tokens["tokens"][person].as_str());
        token.map(str::to_owned).with_context(|| format!("no token of {person}"))
    }

    /// Runs a command of this platform's user to its end, which must be a good one.
    fn run(&self, command: &mut Command) -> Result<Output> {
        self.prepare(command);
        let output = command.output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("{command:?} ended with {}: {}", output.status, said.trim());
        }
        Ok(output)
    }

    /// Runs the program under test.
    pub(super) fn qnt9(&self, args: &[&str]) -> Result<Output> {
        self.run(Command::new(&self.qnt9).args(args).arg("--data").arg(self.data()))
    }

    pub(crate) fn git(&self, folder: &Path, args: &[&str]) -> Result<String> {
        let output = self.run(Command::new("git").current_dir(folder).args(args))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Where this person pushes to, or anybody clones from.
    pub(crate) fn remote(&self, person: Option<&str>) -> String {
        let who = person
            .map(|person| format!("{person}:{}@", fixture::token(person)))
            .unwrap_or_default();
        format!("http://{who}{}/git/{}.git", self.address(), fixture::PROJECT)
    }

    fn server(&self) -> MutexGuard<'_, Option<Child>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the server, without waiting for it. What it says goes to `server.log`, and what it
    /// tells programs of a delivery of its own to `story.jsonl`.
    pub(crate) fn start(&self) -> Result<()> {
        let child = self.spawn(&["--port", &self.port.to_string()])?;
        *self.server() = Some(child);
        Ok(())
    }

    fn spawn(&self, args: &[&str]) -> Result<Child> {
        let file = |name| {
            let path = self.folder.join(name);
            std::fs::File::options().create(true).append(true).open(path)
        };
        let mut command = Command::new(&self.qnt9);
        command.arg("up").args(args).arg("--data").arg(self.data());
        command.arg(match self.project {
            Project::Fixture => "--empty",
            Project::Reference => "--json",
        });
        self.prepare(&mut command);
        command.stdout(file("story.jsonl")?).stderr(file("server.log")?);
        command.spawn().context("the server cannot be started")
    }

    /// Waits until the server is ready, as its health says.
    pub(crate) fn wait_until_ready(&self) -> Result<()> {
        let since = Instant::now();
        while !self.is_ready() {
            if let Some(child) = self.server().as_mut()
                && let Some(status) = child.try_wait()?
            {
                bail!("the server ended with {status} instead of starting: {}", self.last_words());
            }
            ensure!(since.elapsed() < START_PATIENCE, "not ready: {}", self.last_words());
            std::thread::sleep(PULSE);
        }
        Ok(())
    }

    pub(super) fn is_ready(&self) -> bool {
        let answer = Connection::open(&self.address())
            .and_then(|mut connection| connection.ask("GET", "/healthz", "", ""));
        answer.is_ok_and(|(status, _)| status == 200)
    }

    fn last_words(&self) -> String {
        let log = std::fs::read(self.folder.join("server.log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" / ")
    }

    /// Replaces the program's file and has the new program take over from the server that runs; how
    /// long it took from the old server's end until the new one was ready.
    pub(crate) fn upgrade(&self, programs: &Programs) -> Result<Duration> {
        let fresh = self.qnt9.with_extension("new");
        std::fs::copy(&programs.qnt9, &fresh).context("the program cannot be copied")?;
        std::fs::rename(fresh, &self.qnt9)?;
        let old = self.server().take();
        let new = self.spawn(&["--upgrade"])?;
        *self.server() = Some(new);
        if let Some(mut old) = old {
            let status = old.wait()?;
            ensure!(status.success(), "the old server ended with {status}");
        }
        let since = Instant::now();
        self.wait_until_ready()?;
        Ok(since.elapsed())
    }

    /// `kill -9` for the server, if one runs.
    pub(super) fn kill_server(&self) -> Result<()> {
        if let Some(mut child) = self.server().take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Ctrl-C, to the server's end.
    pub(crate) fn stop(&self) -> Result<()> {
        let Some(mut child) = self.server().take() else { return Ok(()) };
        signal(i32::try_from(child.id())?, Signal::INT);
        let status = child.wait()?;
        ensure!(status.success(), "the server ended with {status}: {}", self.last_words());
        Ok(())
    }

    /// Asks the server in the name of this person: status and answer.
    pub(crate) fn ask(
        &self,
        person: &str,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Result<(u16, String)> {
        let headers = format!(
            "Authorization: Bearer {}\r\nContent-Type: application/json\r\nAccept: application/jsonl\r\n",
            self.token(person)?
        );
        let path = format!("/api/v1/projects/{}{path}", self.project());
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut connection = Connection::open(&self.address())?;
        let (status, answer) = connection.ask(method, &path, &headers, &body)?;
        Ok((status, String::from_utf8_lossy(&answer).into_owned()))
    }

    /// What the project's API shows the developer.
    pub(crate) fn get(&self, path: &str) -> Result<Value> {
        let (status, text) = self.ask(self.developer(), "GET", path, &Value::Null)?;
        ensure!(status == 200, "{path}: {status} {text}");
        serde_json::from_str(&text).with_context(|| format!("{path}: {text}"))
    }

    /// Lines of an attempt's log: number and text.
    pub(crate) fn log(&self, run: u64, job: &str, attempt: u64) -> Result<Vec<(u64, String)>> {
        let path = format!("/runs/{run}/jobs/{job}/log?attempt={attempt}");
        let (status, text) = self.ask(self.developer(), "GET", &path, &Value::Null)?;
        ensure!(status == 200, "{path}: {status} {text}");
        let line = |line: &str| {
            let line: Value = serde_json::from_str(line)?;
            let number = line["line"].as_u64().context("a line has a number")?;
            Ok((number, line["text"].as_str().context("a line has a text")?.to_owned()))
        };
        text.lines().map(line).collect()
    }

    /// Processes of this platform whose command line begins, after the program, with these words
    /// and a path below the data folder: id and that path.
    pub(crate) fn processes(&self, command: &str) -> Vec<(i32, PathBuf)> {
        let data = self.data();
        let found = command_lines().filter_map(|(pid, words)| {
            let is_it = words.get(1).is_some_and(|word| word == command);
            let path = PathBuf::from(words.get(2)?);
            (is_it && path.starts_with(&data)).then_some((pid, path))
        });
        found.collect()
    }

    /// Command lines that name this platform's folder, with their process ids.
    pub(super) fn left_running(&self) -> Vec<(i32, String)> {
        let folder = self.folder.display().to_string();
        let found = command_lines()
            .map(|(pid, words)| (pid, words.join(" ")))
            .filter(|(_, line)| line.contains(&folder));
        found.collect()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.kill_server();
        for (pid, _) in self.left_running() {
            signal(pid, Signal::KILL);
        }
    }
}

/// Tries until there is an answer: there may be no server at the moment.
pub(super) fn again<T>(what: &str, mut action: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        if let Some(answer) = action()? {
            return Ok(answer);
        }
        std::thread::sleep(AGAIN_PULSE);
    }
    bail!("could not {what} within {PATIENCE:?}")
}

pub(super) fn signal(pid: i32, signal: Signal) {
    // It may have ended by itself in this very moment.
    let _ = Pid::from_raw(pid).map(|pid| kill_process(pid, signal));
}

fn command_lines() -> impl Iterator<Item = (i32, Vec<String>)> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let words = line.split(|byte| *byte == 0);
        Some((pid, words.map(|word| String::from_utf8_lossy(word).into_owned()).collect()))
    })
}

/// The first of a block of ports that nobody uses now, and that this process gave to nobody.
fn free_ports() -> Result<u16> {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let blocks = (PORTS_TO - PORTS_FROM) / PORTS;
    // Two of these processes begin somewhere else.
    let begin = u16::try_from(std::process::id() % u32::from(blocks))?;
    for _ in 0..blocks {
        let block = (begin + GIVEN.fetch_add(1, Ordering::Relaxed)) % blocks;
        let first = PORTS_FROM + block * PORTS;
        let is_free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if (first..first + PORTS).all(is_free) {
            return Ok(first);
        }
    }
    bail!("no free ports between {PORTS_FROM} and {PORTS_TO}")
}
