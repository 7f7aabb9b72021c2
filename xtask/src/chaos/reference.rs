//! The reference system from push to production under fire: the program tells its story itself, and
//! people approve and answer through the API.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::judge::addresses;
use super::kills::{self, Killer};
use super::lane::{Outcome, failures};
use super::plan::{Kill, draw};
use super::questions::Questions;
use super::site::{Programs, Site};
use super::users::{Deaths, Users};
use super::watch::{Watch, legs};

/// Pauses between kills, against those of the small project.
const PACE: u32 = 30;
/// Those who approve production.
const APPROVERS: [&str; 2] = ["alice", "bob"];
/// How long a whole delivery may take, builds from nothing on a busy machine included.
const PATIENCE: Duration = Duration::from_secs(60 * 60);
/// Between two looks at the runs.
const PULSE: Duration = Duration::from_millis(200);

/// One delivery of the reference system under so many kills.
pub(super) fn deliver(programs: &Programs, seed: u64, kills: usize) -> Result<Outcome> {
    let site = Site::reference(programs, "reference")?;
    crate::tools::say(&format!("in {}", site.folder().display()));
    site.start()?;
    site.wait_until_ready()?;
    let (mut outcome, began) = (Outcome { seed, ..Outcome::default() }, Instant::now());
    if let Err(error) = make(&site, &draw(seed, kills, PACE), &mut outcome) {
        outcome.deviations.push(format!("{error:#}"));
    }
    outcome.took = began.elapsed();
    if outcome.deviations.is_empty() {
        site.stop()?;
        site.qnt9(&["audit", "verify"])?;
    }
    Ok(outcome)
}

fn make(site: &Site, plan: &[Kill], outcome: &mut Outcome) -> Result<()> {
    let deaths = Deaths::default();
    let watch = Watch::default();
    let (stop, stop_watch) = (AtomicBool::new(false), AtomicBool::new(false));
    let killer = Killer::new(site, &watch, &deaths);
    let mut story = Story { site, questions: Questions::new(site, &killer), users: None };
    let told = std::thread::scope(|scope| {
        let watching = scope.spawn(|| watch.run(site, &stop_watch));
        let killing = scope.spawn(|| killer.run(plan, &stop));
        let told = story.follow(&deaths);
        stop.store(true, Ordering::Relaxed);
        let killed = kills::finished(killing.join());
        stop_watch.store(true, Ordering::Relaxed);
        ensure!(watching.join().is_ok(), "the watch fell over");
        killed.and(told)
    });
    outcome.asked = story.questions.asked.len();
    if let Some(users) = story.users {
        outcome.met = users.stop()?;
    }
    outcome.done = killer.done().clone();
    outcome.reattached = watch.seen().reattached.clone();
    outcome.deviations.extend(failures(&outcome.met));
    let summary = told?;
    ensure!(summary["result"] == "success", "the delivery did not succeed: {summary}");
    let seen = watch.seen();
    outcome.deviations.extend(seen.deviations.iter().cloned());
    for (attempt, lines) in &seen.lines {
        let [run, job, number] = parts(attempt)?;
        let log = site.log(run.parse()?, job, number.parse()?)?;
        let is_kept = lines.iter().zip(&log).all(|(shown, (_, kept))| shown == kept);
        let is_counted = log.iter().enumerate().all(|(place, (line, _))| *line == place as u64 + 1);
        if !is_kept || !is_counted || log.len() < lines.len() {
            let (had, has) = (lines.len(), log.len());
            outcome.deviations.push(format!("{attempt}: {had} lines were shown, {has} are kept"));
        }
    }
    Ok(())
}

/// `RUN.JOB.ATTEMPT`, where the job may have dots of its own.
fn parts(attempt: &str) -> Result<[&str; 3]> {
    let (run, rest) = attempt.split_once('.').context("an attempt names its run")?;
    let (job, number) = rest.rsplit_once('.').context("an attempt has a number")?;
    Ok([run, job, number])
}

struct Story<'a> {
    site: &'a Site,
    questions: Questions<'a>,
    users: Option<Users>,
}

impl Story<'_> {
    /// Approves and answers until the program has told its story to the end; its summary.
    fn follow(&mut self, deaths: &Deaths) -> Result<Value> {
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            if let Some(summary) = self.summary() {
                return Ok(summary);
            }
            std::thread::sleep(PULSE);
            // Without a server there is nothing to do.
            let Ok(runs) = self.site.get("/runs?limit=10") else { continue };
            for run in runs.as_array().context("a list of runs")? {
                let id = run["id"].as_u64().context("a run has an id")?;
                if !run["result"].is_null() {
                    continue;
                }
                let Ok(run) = self.site.get(&format!("/runs/{id}")) else { continue };
                self.questions.answer(id, &run)?;
                self.approve(id, &run)?;
            }
            self.visit(deaths);
        }
        bail!("it is not delivered after {PATIENCE:?}")
    }

    /// The summary, once it is told.
    fn summary(&self) -> Option<Value> {
        let story = std::fs::read_to_string(self.site.folder().join("story.jsonl")).ok()?;
        let line = story.lines().rev().find(|line| line.starts_with("{\"summary\""))?;
        Some(serde_json::from_str::<Value>(line).ok()?["summary"].clone())
    }

    fn approve(&self, run: u64, shape: &Value) -> Result<()> {
        let production =
            |leg: &&Value| leg["phase"] == "gated" && leg["environment"] == "production";
        let Some(leg) = legs(shape).find(production) else { return Ok(()) };
        let approvals = leg["approvals"].as_array().map(Vec::as_slice).unwrap_or_default();
        let body = json!({ "environment": "production" });
        for person in APPROVERS {
            if approvals.iter().any(|approval| approval["person"] == person) {
                continue;
            }
            match self.site.ask(person, "POST", &format!("/runs/{run}/approve"), &body) {
                // It opens before the second one looked, or there is no server: seen next time.
                Ok((200..300 | 409 | 503, _)) | Err(_) => {}
                Ok((status, answer)) => bail!("{person}'s approval got {status}: {answer}"),
            }
        }
        Ok(())
    }

    /// Users come as soon as an environment serves.
    fn visit(&mut self, deaths: &Deaths) {
        let serves =
            |one: &Value| one["name"] == "production" && !one["services"][0]["serving"].is_null();
        if self.users.is_some() {
            return;
        }
        let Ok(environments) = self.site.get("/environments") else { return };
        let is_there = environments.as_array().is_some_and(|all| all.iter().any(serves));
        if let (true, Ok(addresses)) = (is_there, addresses(self.site)) {
            self.users = Some(Users::start(&addresses, b"<!doctype html>", deaths));
        }
    }
}
