//! `qnt9 up --empty` as a process of its own, with folders of its own.

use std::fs::Permissions;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::project::token;

/// The program under test.
pub(crate) const QNT9: &str = env!("CARGO_BIN_EXE_qnt9");
/// How long anything may take that takes a second or two.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How often a condition is looked at.
const PULSE: Duration = Duration::from_millis(25);
/// The project that [`crate::project`] makes.
pub(crate) const PROJECT: &str = "shop";

/// Ports from here on, below those that the system gives away by itself.
const PORTS_FROM: u32 = 12_000;
/// Ports that one platform may use: its own and one for each environment.
const PORTS_EACH: u32 = 8;
const PORT_BLOCKS: u32 = 2_000;

/// Folders and a port for one platform. Whatever still runs on them ends with this value.
pub(crate) struct Home {
    folder: tempfile::TempDir,
    pub(crate) port: u16,
}

impl Home {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("qnt9-it-").tempdir().unwrap();
        let home = Self { folder, port: free_ports() };
        std::fs::create_dir(home.path("bin")).unwrap();
        // These projects have no infrastructure: what answers for terraform is never asked for more.
        home.program("terraform", "echo '{\"terraform_version\": \"1.11.4\"}'");
        home
    }

    /// A program of this platform's own, first on its path.
    pub(crate) fn program(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// `PATH` of this platform.
    pub(crate) fn search_path(&self) -> String {
        format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap())
    }

    /// The program with an environment of its own: nothing of this machine's user is touched.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(QNT9);
        command.args(args).arg("--data").arg(self.data());
        self.prepare(&mut command);
        command
    }

    /// Gives a command this platform's environment, without a PostgreSQL: nothing here needs one.
    pub(crate) fn prepare(&self, command: &mut Command) {
        command
            .env_clear()
            .env("PATH", self.search_path())
            .env("HOME", self.folder.path())
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("QNT9_KEY_FILE", self.path("key"))
            .env("DATABASE_URL", "postgres://nobody@127.0.0.1:9/none")
            .stdin(Stdio::null());
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Starts `qnt9 up --empty` and waits until it serves.
    pub(crate) fn up(&self) -> Platform<'_> {
        let port = self.port.to_string();
        Platform::start(self, self.command(&["up", "--empty", "--port", &port]))
    }

    /// Processes that have this platform's folder in their command line.
    pub(crate) fn processes(&self) -> Vec<(i32, String)> {
        processes_with(&self.folder.path().display().to_string())
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        for (pid, _) in self.processes() {
            signal(pid, Signal::KILL);
        }
    }
}

/// Processes whose command line holds this text: id and command line.
pub(crate) fn processes_with(text: &str) -> Vec<(i32, String)> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let found = entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let command = std::fs::read(entry.path().join("cmdline")).ok()?;
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        command.contains(text).then_some((pid, command))
    });
    found.collect()
}

pub(crate) fn signal(pid: i32, signal: Signal) {
    // It may have ended by itself in this very moment.
    let _ = kill_process(Pid::from_raw(pid).unwrap(), signal);
}

/// The first of a block of ports that nobody uses now.
fn free_ports() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        // Test processes run at the same time, so each begins somewhere else.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let block = std::process::id().wrapping_mul(7).wrapping_add(number) % PORT_BLOCKS;
        let first = u16::try_from(PORTS_FROM + block * PORTS_EACH).unwrap();
        let block = first..first + u16::try_from(PORTS_EACH).unwrap();
        if block.into_iter().all(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()) {
            return first;
        }
    }
}

/// A running platform. Dropped, its server is killed; what it had started stays, as after a crash.
pub(crate) struct Platform<'a> {
    pub(crate) home: &'a Home,
    pub(crate) url: String,
    /// The project that is asked about.
    pub(crate) project: &'static str,
    child: Child,
    said: Receiver<String>,
    pub(crate) heard: Vec<String>,
    http: reqwest::Client,
}

impl<'a> Platform<'a> {
    pub(crate) fn start(home: &'a Home, command: Command) -> Self {
        Self::start_at(home, command, home.url())
    }

    /// The same for one that serves elsewhere than the home's first port.
    pub(crate) fn start_at(home: &'a Home, command: Command, url: String) -> Self {
        let mut platform = Self::launch(home, command, url);
        platform.hear("empty");
        platform
    }

    /// One that delivers something: whoever starts it listens to what it says.
    pub(crate) fn launch(home: &'a Home, mut command: Command, url: String) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let talk = BufReader::new(child.stderr.take().unwrap());
        let (say, said) = channel();
        std::thread::spawn(move || {
            for line in talk.lines().map_while(Result::ok) {
                if say.send(line).is_err() {
                    return;
                }
            }
        });
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let heard = Vec::new();
        Self { home, url, project: PROJECT, child, said, heard, http }
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// Waits until it says a line with this word.
    pub(crate) fn hear(&mut self, word: &str) -> String {
        loop {
            match self.said.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.heard.push(line.clone());
                    if line.contains(word) {
                        return line;
                    }
                }
                Err(error) => panic!("no `{word}` ({error}) in:\n{}", self.heard.join("\n")),
            }
        }
    }

    /// Presses Ctrl-C and waits for the end.
    pub(crate) fn interrupt(mut self) -> ExitStatus {
        signal(self.pid(), Signal::INT);
        self.child.wait().unwrap()
    }

    /// Waits for the end that something else has asked it for.
    pub(crate) fn ended_by_itself(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// `kill -9`
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// GET as this person: status and text.
    pub(crate) async fn get_text(&self, person: &str, path: &str) -> (u16, String) {
        let request = self.http.get(format!("{}{path}", self.url));
        let answer = request.bearer_auth(token(person)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// GET below the project as this person, an answer in JSON.
    pub(crate) async fn get(&self, person: &str, path: &str) -> Value {
        let path = format!("/api/v1/projects/{}{path}", self.project);
        let (status, text) = self.get_text(person, &path).await;
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// POST below the project as this person: status and answer.
    pub(crate) async fn post(&self, person: &str, path: &str, body: Value) -> (u16, Value) {
        let url = format!("{}/api/v1/projects/{}{path}", self.url, self.project);
        let request = self.http.post(url).bearer_auth(token(person)).json(&body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Sets a secret: status and text.
    pub(crate) async fn set_secret(&self, name: &str, value: &str) -> (u16, String) {
        let url = format!("{}/api/v1/projects/{}/secrets/{name}", self.url, self.project);
        let body = serde_json::json!({ "value": value });
        let request = self.http.put(url).bearer_auth(token("root")).json(&body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// What `/healthz` answers.
    pub(crate) async fn healthz(&self) -> (u16, String) {
        let answer = self.http.get(format!("{}/healthz", self.url)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    pub(crate) async fn run(&self, id: u64) -> Value {
        self.get("dora", &format!("/runs/{id}")).await
    }

    /// The run when it looks as wanted.
    pub(crate) async fn run_when(&self, id: u64, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let since = Instant::now();
        loop {
            let run = self.run(id).await;
            if is(&run) {
                return run;
            }
            assert!(since.elapsed() < PATIENCE, "run {id} is not {what}: {run:#}");
            tokio::time::sleep(PULSE).await;
        }
    }

    /// The run when it has ended.
    pub(crate) async fn ended(&self, id: u64) -> Value {
        self.run_when(id, "over", |run| !run["run"]["result"].is_null()).await
    }

    /// Lines of a job's log: number and text.
    pub(crate) async fn log(&self, run: u64, job: &str) -> Vec<(u64, String)> {
        let url =
            format!("{}/api/v1/projects/{}/runs/{run}/jobs/{job}/log", self.url, self.project);
        let request = self.http.get(url).bearer_auth(token("dora"));
        let answer = request.header("accept", "application/jsonl").send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let text = answer.text().await.unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .map(|line| (line["line"].as_u64().unwrap(), line["text"].as_str().unwrap().to_owned()))
            .collect()
    }

    /// Waits until the job's log holds this text.
    pub(crate) async fn log_holds(&self, run: u64, job: &str, text: &str) {
        let since = Instant::now();
        while !self.log(run, job).await.iter().any(|(_, line)| line.contains(text)) {
            assert!(since.elapsed() < PATIENCE, "the log of {run}.{job} does not say {text}");
            tokio::time::sleep(PULSE).await;
        }
    }
}

impl Drop for Platform<'_> {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let rest: Vec<String> = self.said.try_iter().collect();
            let heard = [self.heard.join("\n"), rest.join("\n")].join("\n");
            println!("what the platform said:\n{heard}");
        }
    }
}

/// A job of a run, as the API shows it.
pub(crate) fn job<'a>(run: &'a Value, key: &str) -> &'a Value {
    let jobs = run["jobs"].as_array().unwrap();
    jobs.iter().find(|job| job["key"] == key).unwrap_or_else(|| panic!("no job {key} in {run:#}"))
}

/// What a command said on both its ways, for a human eye.
pub(crate) fn said(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

/// Waits until a condition holds.
pub(crate) fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(PULSE);
    }
}
