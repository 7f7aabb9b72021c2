//! The server is killed in the middle of a canary and started again: no user notices, and the rollout
//! ends as it would have.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::Options;
use super::platform::Ground;
use super::users::Users;
use crate::tools;

/// Requests a second of our own users.
const RATE: u32 = 100;
/// The step of the canary at which the server is killed.
const AT_PERCENT: u64 = 25;
/// How long there is no server.
const AWAY: Duration = Duration::from_secs(2);
/// How long the canary may take to that step.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) fn prove(options: &Options) -> Result<()> {
    let ground = Ground::new(options, "kill")?;
    let platform = ground.up(&["--exit"])?;
    platform.wait_for_part("staging (2)")?;
    let users = Users::start(&ground.production()?, RATE);
    platform.wait_for_part("production (2)")?;
    let deployment = rollout_at(&ground, AT_PERCENT)?;
    platform.kill()?;
    tools::say(&format!("server killed at {AT_PERCENT} % of deployment {deployment}"));
    std::thread::sleep(AWAY);
    let again = Instant::now();
    let platform = ground.up(&["--exit"])?;
    platform.wait_for("serving", |event| event["event"] == "serving")?;
    tools::say(&format!("server back after {} ms more", again.elapsed().as_millis()));
    let deployed = platform.wait_for_stage("production (2)/deploy");
    let met = users.stop()?;
    tools::say(&format!("users: {} requests, {} failed", met.requests, met.failed()));
    let stage = deployed?["stage"].clone();
    ensure!(stage["result"] == "success", "the deploy job did not succeed: {stage}");
    let path = format!("/deployments/{deployment}");
    let rollout = ground.api("dana", "GET", &path, &Value::Null);
    let (summary, status) = platform.end()?;
    let rollout = rollout?;
    tools::say(&format!("rollout: {}, shares {}", rollout["state"], shares(&rollout)?));
    ensure!(met.failures.is_empty(), "requests failed: {:#?}", met.failures);
    ensure!(rollout["state"] == "succeeded", "the rollout was not promoted: {rollout}");
    ensure!(shares(&rollout)? == json!([5, 25, 50, 100]), "it did not go through its steps");
    ensure!(status.success() && summary["result"] == "success", "{status}: {summary}");
    ensure!(summary["production"]["failed"] == 0, "its own users met failures: {summary}");
    ground.clear()
}

/// The deployment that is rolling out to production, once it carries this share.
fn rollout_at(ground: &Ground, percent: u64) -> Result<u64> {
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        let deployments = ground.api("dana", "GET", "/deployments", &Value::Null)?;
        let mut deployments = deployments.as_array().context("a list of deployments")?.iter();
        let found = deployments.find(|one| {
            one["environment"] == "production"
                && one["state"] == "moving"
                && one["percent"] == percent
        });
        if let Some(found) = found {
            return found["id"].as_u64().context("a deployment has an id");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    bail!("no rollout to production came to {percent} %")
}

fn shares(rollout: &Value) -> Result<Value> {
    let history = rollout["history"].as_array().context("a rollout has a history")?;
    Ok(history.iter().map(|share| share["percent"].clone()).collect())
}
