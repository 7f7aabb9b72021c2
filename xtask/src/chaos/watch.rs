//! Reads the logs of running jobs all the time, as somebody who looks at the console would: what was
//! shown once must be shown for ever, and a server that comes back must soon know again what runs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::site::Site;

/// Between two looks.
const PULSE: Duration = Duration::from_millis(10);

/// Which attempt: `RUN.JOB.ATTEMPT`.
pub(super) type Attempt = String;

/// What was seen of a site's jobs.
#[derive(Debug, Default)]
pub(super) struct Watch(Mutex<Seen>);

#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The lines of each attempt.
    pub(super) lines: BTreeMap<Attempt, Vec<String>>,
    /// What was wrong at the first sight.
    pub(super) deviations: Vec<String>,
    /// How soon jobs were known again after a server's return.
    pub(super) reattached: Vec<Duration>,
    /// Jobs that are not known again yet, since when.
    awaited: BTreeMap<Attempt, Instant>,
}

impl Watch {
    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A server is ready again, and these attempts run.
    pub(super) fn server_is_back(&self, running: impl IntoIterator<Item = Attempt>) {
        let now = Instant::now();
        self.seen().awaited = running.into_iter().map(|attempt| (attempt, now)).collect();
    }

    /// The server is gone: nobody can say what it knows.
    pub(super) fn server_is_gone(&self) {
        self.seen().awaited.clear();
    }

    /// Jobs that a server has not known again for so long already.
    pub(super) fn unknown_since(&self) -> Option<(Attempt, Duration)> {
        let seen = self.seen();
        let oldest = seen.awaited.iter().min_by_key(|(_, since)| **since);
        oldest.map(|(attempt, since)| (attempt.clone(), since.elapsed()))
    }

    /// Looks until it is told to stop.
    pub(super) fn run(&self, site: &Site, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            // Without a server there is nothing to be seen.
            let _ = self.look(site);
            std::thread::sleep(PULSE);
        }
    }

    fn look(&self, site: &Site) -> Result<()> {
        let runs = site.get("/runs?limit=3")?;
        for run in runs.as_array().context("a list of runs")? {
            let id = run["id"].as_u64().context("a run has an id")?;
            let awaits = self.seen().awaited.keys().any(|one| one.starts_with(&format!("{id}.")));
            if !run["result"].is_null() && !awaits {
                continue;
            }
            let run = site.get(&format!("/runs/{id}"))?;
            for (job, attempt) in attempts(&run) {
                self.look_at(site, id, &job, attempt)?;
            }
        }
        Ok(())
    }

    fn look_at(&self, site: &Site, run: u64, job: &str, attempt: &Value) -> Result<()> {
        let number = attempt["number"].as_u64().context("an attempt has a number")?;
        let name = format!("{run}.{job}.{number}");
        let over = !attempt["finished"].is_null();
        let awaited = self.seen().awaited.contains_key(&name);
        if over && !awaited {
            return Ok(());
        }
        let log = site.log(run, job, number)?;
        let mut seen = self.seen();
        let before = seen.lines.get(&name).map_or(0, Vec::len);
        if awaited && (over || log.len() > before || !attempt["running"].is_null()) {
            let since = seen.awaited.remove(&name);
            seen.reattached.extend(since.map(|since| since.elapsed()));
        }
        seen.take(&name, log);
        Ok(())
    }
}

impl Seen {
    /// Takes in what an attempt's log says now.
    fn take(&mut self, attempt: &str, log: Vec<(u64, String)>) {
        let known = self.lines.entry(attempt.to_owned()).or_default();
        for (place, (number, text)) in log.into_iter().enumerate() {
            if number != place as u64 + 1 {
                let line =
                    format!("{attempt}: its line {} was shown as number {number}", place + 1);
                self.deviations.push(line);
                return;
            }
            match known.get(place) {
                None => known.push(text),
                Some(shown) if *shown != text => {
                    let line = format!("{attempt}: line {number} was `{shown}`, then `{text}`");
                    self.deviations.push(line);
                    return;
                }
                Some(_) => {}
            }
        }
    }
}

/// The attempts of a run, with the key of their leg.
pub(super) fn attempts(run: &Value) -> Vec<(String, &Value)> {
    let of_leg = |leg: &'_ Value| leg["job"].as_str().unwrap_or_default().to_owned();
    legs(run)
        .flat_map(|leg| {
            let attempts = leg["attempts"].as_array().into_iter().flatten();
            attempts.map(move |attempt| (of_leg(leg), attempt))
        })
        .collect()
}

/// The legs of a run.
pub(super) fn legs(run: &Value) -> impl Iterator<Item = &Value> {
    let jobs = run["jobs"].as_array().into_iter().flatten();
    jobs.flat_map(|job| job["legs"].as_array().into_iter().flatten())
}
