//! What a person is asked when a job is lost that must not be tried again by itself.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::kills::Killer;
use super::site::{Site, again};
use super::watch::{Attempt, legs};

/// How long a question must stay a question.
const QUESTION: Duration = Duration::from_millis(300);
/// Between two looks.
const PULSE: Duration = Duration::from_millis(30);
/// A job without environment is tried so often before a person is asked.
const TRIES_BY_ITSELF: usize = 3;

/// Whoever answers: have it tried again.
pub(super) struct Questions<'a> {
    site: &'a Site,
    killer: &'a Killer<'a>,
    /// Lost attempts about which somebody was asked.
    pub(super) asked: BTreeSet<Attempt>,
}

impl<'a> Questions<'a> {
    pub(super) fn new(site: &'a Site, killer: &'a Killer<'a>) -> Self {
        Self { site, killer, asked: BTreeSet::new() }
    }

    /// Answers what the run asks about one of its jobs, if it asks anything.
    pub(super) fn answer(&mut self, run: u64, shape: &Value) -> Result<()> {
        let Some(leg) = legs(shape).find(|leg| leg["phase"] == "lost") else { return Ok(()) };
        let job = leg["job"].as_str().context("a leg has a key")?;
        let number = attempts_of(leg);
        let attempt = format!("{run}.{job}.{number}");
        ensure!(asks(leg["environment"].as_str(), number), "{attempt} asks a person: {leg}");
        let hit = self.killer.attempts().contains(&attempt);
        ensure!(hit, "{attempt} is lost, and nobody killed its shim: {leg}");
        let until = Instant::now() + QUESTION;
        while Instant::now() < until {
            std::thread::sleep(PULSE);
            let Ok(now) = self.site.get(&format!("/runs/{run}")) else { continue };
            let now = legs(&now).find(|leg| leg["job"] == job).context("the leg is gone")?;
            let waits = now["phase"] == "lost" && attempts_of(now) == number;
            ensure!(waits, "{attempt} was lost and goes on without an answer: {now}");
        }
        self.try_again(run, job, &attempt)?;
        self.asked.insert(attempt);
        Ok(())
    }

    fn try_again(&self, run: u64, job: &str, attempt: &str) -> Result<()> {
        let path = format!("/runs/{run}/jobs/{job}/resolve");
        let body = json!({ "decision": "rerun" });
        let mut was_unanswered = false;
        again(&format!("have {attempt} tried again"), || {
            match self.site.ask(self.site.developer(), "POST", &path, &body) {
                Ok((200..300, _)) => Ok(Some(())),
                Ok((409, _)) if was_unanswered => Ok(Some(())),
                Ok((503, _)) | Err(_) => {
                    was_unanswered = true;
                    Ok(None)
                }
                Ok((status, answer)) => {
                    bail!("the answer to what becomes of {attempt} got {status}: {answer}")
                }
            }
        })
    }
}

/// Whether a person is asked when this attempt is lost: always for an environment, and else when it
/// was lost too often to be tried again without.
pub(super) fn asks(environment: Option<&str>, attempt: usize) -> bool {
    environment.is_some() || attempt >= TRIES_BY_ITSELF
}

/// How many attempts a leg had.
pub(super) fn attempts_of(leg: &Value) -> usize {
    leg["attempts"].as_array().map_or(0, Vec::len)
}
