//! One delivery from push to production, by people who try again what a killed server left unanswered,
//! and who are asked when a job of an environment is lost.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::fixture::{self, APPROVERS, BRANCH, DEVELOPER, DISPATCHED, PROGRAM, PUSHED};
use super::kills::Killer;
use super::questions::{Questions, attempts_of};
use super::site::{Site, again};
use super::watch::{Attempt, legs};

/// How long a run may take, kills and a busy machine included.
const RUN_PATIENCE: Duration = Duration::from_secs(240);
/// Between two looks.
const PULSE: Duration = Duration::from_millis(30);

/// The people and their clone.
pub(super) struct Delivery<'a> {
    pub(super) site: &'a Site,
    pub(super) killer: &'a Killer<'a>,
    /// Counted from 1 on each site.
    pub(super) number: u32,
}

/// What a delivery came to.
pub(super) struct Delivered {
    pub(super) commit: String,
    /// The run of the push, then the dispatched one.
    pub(super) runs: [Value; 2],
    /// Lost attempts about which somebody was asked.
    pub(super) asked: BTreeSet<Attempt>,
}

impl Delivery<'_> {
    pub(super) fn carry_out(&self) -> Result<Delivered> {
        let mut questions = Questions::new(self.site, self.killer);
        let commit = self.push()?;
        let pushed = self.run_of(PUSHED, &commit)?;
        let first = self.wait(pushed, "over", &mut questions, is_over)?;
        ensure!(first["run"]["result"] == "success", "{}", failure_of(&first));
        let dispatched = self.dispatch(&commit)?;
        let waits = |run: &Value| is_over(run) || legs(run).any(|leg| leg["phase"] == "gated");
        let run = self.wait(dispatched, "waiting for approvals", &mut questions, waits)?;
        ensure!(!is_over(&run), "run {dispatched} did not wait for approvals");
        for person in APPROVERS {
            self.approve(person, dispatched)?;
        }
        let second = self.wait(dispatched, "over", &mut questions, is_over)?;
        ensure!(second["run"]["result"] == "success", "{}", failure_of(&second));
        Ok(Delivered { commit, runs: [first, second], asked: questions.asked })
    }

    fn clone(&self) -> PathBuf {
        self.site.folder().join("clone")
    }

    /// Commits and pushes until the server says yes; the commit.
    fn push(&self) -> Result<String> {
        let clone = self.clone();
        if !clone.exists() {
            let from = self.site.remote(None);
            self.site.git(self.site.folder(), &["clone", "-q", &from, "clone"])?;
        }
        std::fs::write(clone.join(PROGRAM), fixture::service(self.number))?;
        let (name, email) = ("user.name=dora", "user.email=dora@till.example");
        let title = format!("Delivery {}", self.number);
        self.site.git(&clone, &["-c", name, "-c", email, "commit", "-q", "-a", "-m", &title])?;
        let (to, branch) = (self.site.remote(Some(DEVELOPER)), format!("HEAD:refs/heads/{BRANCH}"));
        again("push", || Ok(self.site.git(&clone, &["push", "-q", &to, &branch]).ok()))?;
        self.site.git(&clone, &["rev-parse", "HEAD"])
    }

    /// The run of a workflow for a commit: there must come one, and no more than one.
    fn run_of(&self, workflow: &str, commit: &str) -> Result<u64> {
        again(&format!("find the run of {workflow} for {commit}"), || {
            let Ok(runs) = self.site.get("/runs?limit=20") else { return Ok(None) };
            let runs = runs_of(&runs, workflow, commit)?;
            ensure!(runs.len() <= 1, "{workflow} runs {} times for one push: {runs:?}", runs.len());
            Ok(runs.first().copied())
        })
    }

    /// Dispatches once: an answer that was lost is looked for among the runs.
    fn dispatch(&self, commit: &str) -> Result<u64> {
        let body = json!({ "workflow": DISPATCHED });
        again("dispatch", || {
            let Ok(runs) = self.site.get("/runs?limit=20") else { return Ok(None) };
            if let Some(known) = runs_of(&runs, DISPATCHED, commit)?.first() {
                return Ok(Some(*known));
            }
            match self.site.ask(DEVELOPER, "POST", "/dispatch", &body) {
                Ok((200..300, answer)) => {
                    Ok(serde_json::from_str::<Value>(&answer)?["run"].as_u64())
                }
                Ok((503, _)) | Err(_) => Ok(None),
                Ok((status, answer)) => bail!("the dispatch was answered {status}: {answer}"),
            }
        })
    }

    /// Approves until it is known to be approved.
    fn approve(&self, person: &str, run: u64) -> Result<()> {
        let body = json!({ "environment": "production" });
        let mut was_unanswered = false;
        again(&format!("approve as {person}"), || {
            match self.site.ask(person, "POST", &format!("/runs/{run}/approve"), &body) {
                Ok((200..300, _)) => Ok(Some(())),
                Ok((409, answer)) if was_unanswered && answer.contains("already approved") => {
                    Ok(Some(()))
                }
                Ok((503, _)) | Err(_) => {
                    was_unanswered = true;
                    Ok(None)
                }
                Ok((status, answer)) => {
                    bail!("{person}'s approval was answered {status}: {answer}")
                }
            }
        })
    }

    /// The run once it looks like this. Questions about lost jobs are answered meanwhile.
    fn wait(
        &self,
        id: u64,
        what: &str,
        questions: &mut Questions<'_>,
        is: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let since = Instant::now();
        let mut last = Value::Null;
        while since.elapsed() < RUN_PATIENCE {
            if let Ok(run) = self.site.get(&format!("/runs/{id}")) {
                if is(&run) {
                    return Ok(run);
                }
                questions.answer(id, &run)?;
                last = run;
            }
            std::thread::sleep(PULSE);
        }
        bail!("run {id} is not {what} after {RUN_PATIENCE:?}: {}", standing(&last))
    }
}

fn is_over(run: &Value) -> bool {
    !run["run"]["result"].is_null()
}

fn runs_of(runs: &Value, workflow: &str, commit: &str) -> Result<Vec<u64>> {
    let runs = runs.as_array().context("a list of runs")?.iter();
    let ours = runs.filter(|run| run["path"] == workflow && run["commit"] == commit);
    Ok(ours.filter_map(|run| run["id"].as_u64()).collect())
}

/// Where each leg of a run stands, in a line.
fn standing(run: &Value) -> String {
    let word = |leg: &Value| {
        let (job, phase) = (&leg["job"], &leg["phase"]);
        format!("{job} {phase} {} in attempt {}", leg["result"], attempts_of(leg)).replace('"', "")
    };
    legs(run).map(word).collect::<Vec<_>>().join("; ")
}

fn failure_of(run: &Value) -> String {
    let reasons = legs(run).flat_map(|leg| {
        let own = leg["reason"].as_str();
        let attempts = leg["attempts"].as_array().into_iter().flatten();
        let theirs = attempts.filter_map(|attempt| attempt["reason"].as_str());
        own.into_iter().chain(theirs).map(str::to_owned).collect::<Vec<_>>()
    });
    let reasons: Vec<String> = reasons.collect();
    let (id, result) = (&run["run"]["id"], &run["run"]["result"]);
    format!("run {id} ended with {result}: {}; {}", standing(run), reasons.join("; "))
}
