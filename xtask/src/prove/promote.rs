//! Good releases, one after the other under steady traffic: every one is promoted.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::Options;
use super::platform::Ground;
use super::users::Users;
use crate::tools;

/// Requests a second; 5 % of them must come to the judge's least number soon.
const RATE: u32 = 200;
/// Waits and load test are as short as they may be: it is the canary that is tried here.
const TIME_SCALE: &str = "200";
/// The file that every commit changes, and where in it.
const FILE: &str = "services/stock/src/home.rs";
const PLACE: &str = "</form>\n";
/// How long one run may take.
const PATIENCE: Duration = Duration::from_secs(600);

pub(super) fn prove(options: &Options) -> Result<()> {
    let ground = Ground::new(options, "promote")?;
    let (summary, status) = ground.up(&["--exit", "--time-scale", TIME_SCALE])?.end()?;
    ensure!(status.success(), "the first delivery ended with {status}: {summary}");
    let platform = ground.up(&["--empty"])?;
    platform.wait_for("empty", |event| event["event"] == "empty")?;
    let clone = ground.folder().join("clone");
    let from = format!("http://{}/git/{}.git", ground.address(), super::platform::PROJECT);
    git(ground.folder(), &["clone", "-q", &from, "clone"])?;
    let production = ground.production()?;
    answers(&production)?;
    let users = Users::start(&production, RATE);
    let mut promoted = 0;
    for number in 1..=options.tries {
        let since = Instant::now();
        let outcome = deliver(&ground, &clone, number)?;
        promoted += u32::from(outcome == "succeeded");
        let took = since.elapsed().as_secs();
        tools::say(&format!("try {number} of {}: {outcome}, {took} s", options.tries));
    }
    let met = users.stop()?;
    tools::say(&format!(
        "{promoted} of {} promoted; users: {} requests, {} failed",
        options.tries,
        met.requests,
        met.failed()
    ));
    let stopped = platform.interrupt()?;
    ensure!(promoted == options.tries, "not every good release was promoted");
    ensure!(met.failures.is_empty(), "requests failed: {:#?}", met.failures);
    ensure!(stopped.success(), "the platform ended with {stopped}");
    ground.clear()
}

/// Waits until production serves again after the start.
pub(super) fn answers(production: &str) -> Result<()> {
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        let answer = super::http::Connection::open(production)
            .and_then(|mut connection| connection.ask("GET", "/health", "", ""));
        if answer.is_ok_and(|(status, _)| status == 200) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    bail!("production at {production} does not serve")
}

/// One more good release, from push to production; how its rollout ended.
fn deliver(ground: &Ground, clone: &Path, number: u32) -> Result<String> {
    let file = clone.join(FILE);
    let text = std::fs::read_to_string(&file)?;
    ensure!(text.contains(PLACE), "{FILE} has no `{}`", PLACE.trim());
    let mark = format!("{PLACE}<!-- try {number} -->\n");
    std::fs::write(&file, text.replacen(PLACE, &mark, 1))?;
    let (name, email) = ("user.name=Dana", "user.email=dana@qnt9-srs.example");
    let title = format!("Try {number}");
    git(clone, &["-c", name, "-c", email, "commit", "-q", "-a", "-m", &title])?;
    git(clone, &["push", "-q", &ground.remote("dana")?, "HEAD:main"])?;
    let runs = ground.api("dana", "GET", "/runs?limit=1", &Value::Null)?;
    let staging = runs[0]["id"].as_u64().context("the push started no run")?;
    wait_for(ground, "dana", staging, |run| !run["run"]["result"].is_null())?;
    let dispatch = json!({
        "workflow": "production.yml",
        "inputs": { "environment": "production", "action": "apply" },
    });
    let started = ground.api("carol", "POST", "/dispatch", &dispatch)?;
    let run = started["run"].as_u64().context("the dispatch started no run")?;
    wait_for(ground, "dana", run, |run| {
        !run["run"]["waits_for"].as_array().is_none_or(Vec::is_empty)
    })?;
    for person in ["alice", "bob"] {
        let approve = json!({ "environment": "production" });
        ground.api(person, "POST", &format!("/runs/{run}/approve"), &approve)?;
    }
    wait_for(ground, "dana", run, |run| !run["run"]["result"].is_null())?;
    let deployments = ground.api("dana", "GET", "/deployments", &Value::Null)?;
    let mut deployments = deployments.as_array().context("a list of deployments")?.iter();
    let deployment = deployments.find(|one| one["run"] == run);
    let state = deployment.and_then(|deployment| deployment["state"].as_str());
    Ok(state.unwrap_or("not deployed").to_owned())
}

/// Waits until the run, as this person sees it, looks like this; an error when it ends without.
pub(super) fn wait_for(
    ground: &Ground,
    by: &str,
    run: u64,
    is: impl Fn(&Value) -> bool,
) -> Result<()> {
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        let shape = ground.api(by, "GET", &format!("/runs/{run}"), &Value::Null)?;
        let result = &shape["run"]["result"];
        if is(&shape) && (result.is_null() || result == "success") {
            return Ok(());
        }
        ensure!(result.is_null() || result == "success", "run {run}: {result}; {shape:#}");
        std::thread::sleep(Duration::from_millis(100));
    }
    bail!("run {run} takes too long")
}

pub(super) fn git(folder: &Path, args: &[&str]) -> Result<()> {
    let status = Command::new("git").arg("-C").arg(folder).args(args).status()?;
    ensure!(status.success(), "git {} ended with {status}", args.join(" "));
    Ok(())
}
