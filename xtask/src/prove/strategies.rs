//! Blue-green, canary and rolling releases of a small service, one after the other under steady traffic,
//! and switches back to what blue-green keeps: no request fails.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::Options;
use super::platform::{Ground, PROJECT};
use super::promote::{answers, git, wait_for};
use super::users::Users;
use crate::tools;

/// Who does everything here.
const PERSON: &str = "alice";
/// Requests a second.
const RATE: u32 = 200;

const SERVICE: &str = r#"#!/usr/bin/env python3
import os, signal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 64 * 1024

    def do_GET(self):
        body = os.environ["QNT9_RELEASE"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
Server((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"#;

const WORKFLOW: &str = r#"name: Deploy
on:
  push:
    branches: [main]
jobs:
  deploy:
    runs-on: ubuntu-latest
    environment: production
    steps:
      - uses: actions/checkout@v4
      - id: release
        run: qnt9 release build --service web --file serve.py=bin/serve
      - run: qnt9 deploy --environment production --release "${{ steps.release.outputs.digest }}"
"#;

/// Each strategy by its name, and how `qnt9.toml` says it.
const STRATEGIES: [(&str, &str); 3] = [
    ("blue-green", r#"{ strategy = "blue-green", keep = "10m" }"#),
    (
        "canary",
        r#"{ strategy = "canary", steps = [20, 50, 100], step_for = "1s", min_requests = 20 }"#,
    ),
    ("rolling", r#"{ strategy = "rolling", max_surge = 1, max_unavailable = 1 }"#),
];

pub(super) fn prove(options: &Options) -> Result<()> {
    let ground = Ground::new(options, "strategies")?;
    let project = ground.folder().join("project");
    write(&project)?;
    let dir = project.to_str().context("the folder's name is text")?;
    let (summary, status) = ground.up(&["--exit", "--project", dir])?.end()?;
    ensure!(status.success(), "the project was not taken in: {status}, {summary}");
    let platform = ground.up(&["--empty"])?;
    platform.wait_for("empty", |event| event["event"] == "empty")?;
    let clone = ground.folder().join("clone");
    let from = format!("http://{}/git/{PROJECT}.git", ground.address());
    git(ground.folder(), &["clone", "-q", &from, "clone"])?;
    let production = ground.production_by(PERSON)?;
    answers(&production)?;
    let mut failed = 0;
    for (strategy, rollout) in STRATEGIES {
        let users = Users::start(&production, RATE);
        push(&ground, &clone, strategy, rollout)?;
        deliver(&ground)?;
        failed += try_strategy(&ground, &clone, users, strategy, options.tries)?;
    }
    let stopped = platform.interrupt()?;
    ensure!(failed == 0, "{failed} requests failed");
    ensure!(stopped.success(), "the platform ended with {stopped}");
    ground.clear()
}

/// The small service.
fn write(project: &Path) -> Result<()> {
    std::fs::create_dir_all(project.join(".github/workflows"))?;
    std::fs::write(project.join(".github/workflows/deploy.yml"), WORKFLOW)?;
    let program = project.join("serve.py");
    std::fs::write(&program, SERVICE)?;
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
    write_rules(project, STRATEGIES[0].1)
}

/// The environment to which nothing goes is there for its approver, who is a person of the platform by it.
fn write_rules(project: &Path, rollout: &str) -> Result<()> {
    let rules = format!(
        "[project]\nname = \"{PROJECT}\"\n\n[service.web]\ncommand = [\"bin/serve\"]\n\
         replicas = 3\nsmoke = [\"/health\"]\n\n[environment.production]\nrollout = {rollout}\n\n\
         [environment.elsewhere]\napprovals = {{ needed = 1, from = [\"{PERSON}\"] }}\n"
    );
    Ok(std::fs::write(project.join("qnt9.toml"), rules)?)
}

/// Puts these rules in force.
fn push(ground: &Ground, clone: &Path, strategy: &str, rollout: &str) -> Result<()> {
    write_rules(clone, rollout)?;
    git(clone, &["add", "--all"])?;
    commit(ground, clone, &format!("Deliver by {strategy}"))
}

fn commit(ground: &Ground, clone: &Path, title: &str) -> Result<()> {
    let (name, email) = (format!("user.name={PERSON}"), format!("user.email={PERSON}@localhost"));
    git(clone, &["-c", &name, "-c", &email, "commit", "-q", "--allow-empty", "-m", title])?;
    git(clone, &["push", "-q", &ground.remote(PERSON)?, "HEAD:main"])
}

/// So many releases by one strategy under traffic; how many requests failed.
fn try_strategy(
    ground: &Ground,
    clone: &Path,
    users: Users,
    strategy: &str,
    tries: u32,
) -> Result<u64> {
    let (begun, mut back) = (Instant::now(), 0);
    for number in 1..=tries {
        commit(ground, clone, &format!("{strategy} {number}"))?;
        let deployment = deliver(ground)?;
        let state = &deployment["state"];
        ensure!(state == "succeeded", "{strategy} {number}: {deployment:#}");
        ensure!(deployment["strategy"] == strategy, "it went by {}", deployment["strategy"]);
        if strategy == "blue-green" {
            switch_back(ground)?;
            back += 1;
        }
    }
    let met = users.stop()?;
    tools::say(&format!(
        "{strategy}: {tries} releases, {back} switches back in {} s; {} requests, {} failed {:?}",
        begun.elapsed().as_secs(),
        met.requests,
        met.failed(),
        met.failures
    ));
    Ok(met.failed())
}

/// The deployment that the last push led to.
fn deliver(ground: &Ground) -> Result<Value> {
    let runs = ground.api(PERSON, "GET", "/runs?limit=1", &Value::Null)?;
    let run = runs[0]["id"].as_u64().context("the push started no run")?;
    wait_for(ground, PERSON, run, |run| !run["run"]["result"].is_null())?;
    let deployments = ground.api(PERSON, "GET", "/deployments", &Value::Null)?;
    let mut deployments = deployments.as_array().context("a list of deployments")?.iter();
    deployments.find(|one| one["run"] == run).cloned().context("it deployed nothing")
}

/// Back to the release whose replicas are kept; it must take over these.
fn switch_back(ground: &Ground) -> Result<()> {
    let deployments = ground.api(PERSON, "GET", "/deployments", &Value::Null)?;
    let deployments = deployments.as_array().context("a list of deployments")?;
    let to = &deployments.get(1).context("there is one before")?["release"];
    let path = "/environments/production/rollback";
    let back = ground.api(PERSON, "POST", path, &json!({ "to": to, "dry_run": false }))?;
    ensure!(back["warm"] == true, "nothing was kept: {back:#}");
    let id = back["deployment"].as_u64().context("the rollback's deployment")?;
    let begun = Instant::now();
    while begun.elapsed().as_secs() < 60 {
        let shape = ground.api(PERSON, "GET", &format!("/deployments/{id}"), &Value::Null)?;
        if shape["state"] == "succeeded" {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    anyhow::bail!("the switch back takes too long")
}
