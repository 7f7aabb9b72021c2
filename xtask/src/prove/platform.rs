//! The program as a process with folders of its own, and what one can ask it.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::Options;
use super::http::Connection;
use crate::tools;

/// The reference project.
pub(crate) const PROJECT: &str = "qnt9-srs";
/// How long one stage of a delivery may take, a build from nothing included.
const PATIENCE: Duration = Duration::from_secs(900);
/// Ports a platform needs: its own and one for each environment.
const PORTS: u16 = 8;

/// Folders for one platform, outside of the user's own. They stay when a proof fails.
pub(crate) struct Ground {
    folder: PathBuf,
    port: u16,
    program: PathBuf,
}

impl Ground {
    pub(crate) fn new(options: &Options, name: &str) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("qnt9-prove-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        tools::say(&format!("in {}", folder.display()));
        // A copy, so that whoever builds meanwhile changes nothing here.
        let program = folder.join("qnt9");
        std::fs::copy(&options.program, &program).context("the program cannot be copied")?;
        Ok(Self { folder, port: free_ports()?, program })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts `qnt9 up --json` with further arguments.
    pub(crate) fn up(&self, args: &[&str]) -> Result<Platform> {
        let mut command = Command::new(&self.program);
        command.args(["up", "--json", "--port", &self.port.to_string(), "--data"]).arg(self.data());
        command.args(args).env("XDG_CONFIG_HOME", self.folder.join("config"));
        command
            .env("QNT9_KEY_FILE", self.folder.join("key"))
            .env("TF_CLI_CONFIG_FILE", "/dev/null");
        command.env_remove("DATABASE_URL").stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().context("the program cannot be started")?;
        let lines = BufReader::new(child.stdout.take().context("its output is piped")?).lines();
        let (tell, events) = channel();
        std::thread::spawn(move || {
            let events =
                lines.map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok());
            for event in events {
                if tell.send(event).is_err() {
                    return;
                }
            }
        });
        Ok(Platform { child, events })
    }

    /// Asks the API in the name of this person, of those whose tokens the program keeps.
    pub(crate) fn api(
        &self,
        person: &str,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Result<Value> {
        let file = self.folder.join("config/qnt9/tokens.json");
        let tokens: Value = serde_json::from_slice(&std::fs::read(&file)?)?;
        let mut of_folders = tokens.as_object().context("tokens by folder")?.values();
        let token = of_folders.next().and_then(|tokens| tokens["tokens"][person].as_str());
        let token = token.with_context(|| format!("no token of {person} in {}", file.display()))?;
        let headers =
            format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n");
        let path = format!("/api/v1/projects/{PROJECT}{path}");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, answer) =
            Connection::open(&self.address())?.ask(method, &path, &headers, &body)?;
        let text = String::from_utf8_lossy(&answer);
        if !(200..300).contains(&status) {
            bail!("{method} {path}: {status} {text}");
        }
        serde_json::from_str(&text).with_context(|| format!("{path}: {text}"))
    }

    /// `HOST:PORT` of production.
    pub(crate) fn production(&self) -> Result<String> {
        self.production_by("dana")
    }

    /// The same, as this person sees it.
    pub(crate) fn production_by(&self, person: &str) -> Result<String> {
        let environments = self.api(person, "GET", "/environments", &Value::Null)?;
        let environments = environments.as_array().context("a list of environments")?;
        let production = environments.iter().find(|one| one["name"] == "production");
        let url = production.and_then(|production| production["services"][0]["url"].as_str());
        let url = url.context("production has no address")?;
        Ok(url.trim_start_matches("http://").to_owned())
    }

    /// A token-bearing address to push to.
    pub(crate) fn remote(&self, person: &str) -> Result<String> {
        let file = self.folder.join("config/qnt9/tokens.json");
        let tokens: Value = serde_json::from_slice(&std::fs::read(file)?)?;
        let mut of_folders = tokens.as_object().context("tokens by folder")?.values();
        let token = of_folders.next().and_then(|tokens| tokens["tokens"][person].as_str());
        let token = token.with_context(|| format!("no token of {person}"))?;
        Ok(format!("http://{person}:{token}@{}/git/{PROJECT}.git", self.address()))
    }

    /// The proof is made; nothing of it is kept.
    pub(crate) fn clear(self) -> Result<()> {
        std::fs::remove_dir_all(&self.folder).with_context(|| self.folder.display().to_string())
    }
}

fn free_ports() -> Result<u16> {
    let is_free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let mut blocks = (9_200..12_000).step_by(usize::from(PORTS));
    let free = blocks.find(|first| (*first..first + PORTS).all(is_free));
    free.context("no free ports between 9200 and 12000")
}

/// A running `qnt9 up`. Dropped, it is killed.
pub(crate) struct Platform {
    child: Child,
    events: Receiver<Value>,
}

impl Platform {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next event for which this holds.
    pub(crate) fn wait_for(&self, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left) {
                Ok(event) if is(&event) => return Ok(event),
                Ok(event) if !event["summary"].is_null() => {
                    bail!("it ended before {what}: {event}")
                }
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => bail!("waited too long for {what}"),
                Err(RecvTimeoutError::Disconnected) => bail!("it ended before {what}"),
            }
        }
    }

    /// Waits until a part of the delivery begins.
    pub(crate) fn wait_for_part(&self, name: &str) -> Result<Value> {
        self.wait_for(name, |event| event["event"] == "part" && event["name"] == name)
    }

    /// Waits until a stage has ended.
    pub(crate) fn wait_for_stage(&self, name: &str) -> Result<Value> {
        self.wait_for(name, |event| event["stage"]["name"] == name)
    }

    /// The summary and how the program ended.
    pub(crate) fn end(mut self) -> Result<(Value, ExitStatus)> {
        let line = self.wait_for("its summary", |event| !event["summary"].is_null())?;
        let status = self.child.wait()?;
        Ok((line["summary"].clone(), status))
    }

    /// `kill -9`
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Ctrl-C, to its end.
    pub(crate) fn interrupt(mut self) -> Result<ExitStatus> {
        let pid = self.pid().to_string();
        if !tools::answers("kill", &["-INT", &pid]) {
            bail!("process {pid} could not be interrupted");
        }
        Ok(self.child.wait()?)
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
