//! Whether a delivery under fire came out as one without: results, steps, logs, approvals, traffic.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::delivery::Delivered;
use super::fixture::{
    self, APPROVERS, DISPATCHED_JOBS, ENVIRONMENTS, Job, PUSHED_JOBS, SHARES, line_of,
};
use super::questions::asks;
use super::site::{PULSE, Site};
use super::watch::{Attempt, Seen};
use crate::prove::http::Connection;

/// How long a killed gateway may take until it carries again.
const GATEWAY_PATIENCE: Duration = Duration::from_secs(10);

/// Collects what is not as it should be.
pub(super) struct Judge<'a> {
    pub(super) site: &'a Site,
    /// The attempts whose shims were killed.
    pub(super) killed: BTreeSet<Attempt>,
    /// What the steps told, oldest first.
    pub(super) witness: Vec<String>,
    pub(super) deviations: Vec<String>,
}

impl Judge<'_> {
    /// Looks at everything that a delivery left.
    pub(super) fn judge(&mut self, delivered: &Delivered, number: u32, seen: &Seen) -> Result<()> {
        let [pushed, dispatched] = &delivered.runs;
        self.run(pushed, &PUSHED_JOBS, &delivered.asked, seen)?;
        self.run(dispatched, &DISPATCHED_JOBS, &delivered.asked, seen)?;
        self.approvals(dispatched);
        self.deployments(delivered, number)?;
        self.answers(number)?;
        self.deviations.extend(seen.deviations.iter().cloned());
        Ok(())
    }

    fn must(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.deviations.push(otherwise());
        }
    }

    fn run(
        &mut self,
        run: &Value,
        jobs: &[Job],
        asked: &BTreeSet<Attempt>,
        seen: &Seen,
    ) -> Result<()> {
        let id = run["run"]["id"].as_u64().context("a run has an id")?;
        let shown = run["jobs"].as_array().context("a run has jobs")?;
        self.must(shown.len() == jobs.len(), || format!("run {id} has {} jobs", shown.len()));
        for (job, shown) in jobs.iter().zip(shown) {
            let key = job.key;
            let result = &shown["result"];
            self.must(shown["key"] == key && result == "success", || {
                format!("job {key} of run {id}: {result}")
            });
            let legs = shown["legs"].as_array().context("a job has legs")?;
            self.must(legs.len() == job.legs, || format!("{key} of {id}: {} legs", legs.len()));
            for leg in legs {
                self.leg(id, job, leg, asked, seen)?;
            }
        }
        Ok(())
    }

    fn leg(
        &mut self,
        run: u64,
        job: &Job,
        leg: &Value,
        asked: &BTreeSet<Attempt>,
        seen: &Seen,
    ) -> Result<()> {
        let key = leg["job"].as_str().context("a leg has a key")?;
        let attempts = leg["attempts"].as_array().context("a leg has attempts")?;
        let name = |number: usize| format!("{run}.{key}.{number}");
        for (place, attempt) in attempts.iter().enumerate() {
            let name = name(place + 1);
            let is_last = place + 1 == attempts.len();
            let reason = attempt["reason"].as_str().unwrap_or_default();
            self.must(is_last || self.killed.contains(&name), || {
                format!("{name} was lost, and nobody killed its shim: {reason}")
            });
            let is_asked = asked.contains(&name);
            let must_be_asked = !is_last && asks(job.environment, place + 1);
            self.must(is_asked == must_be_asked, || {
                format!("{name}: asked about: {is_asked}; should have been: {must_be_asked}")
            });
            self.steps(&name, job, attempt, is_last);
            let log = self.site.log(run, key, place as u64 + 1)?;
            self.log(&name, job, attempt, &log, seen.lines.get(&name));
        }
        self.order_of_attempts(run, key, attempts.len());
        Ok(())
    }

    /// What the witness heard of an attempt's steps against what is recorded of them.
    fn steps(&mut self, attempt: &str, job: &Job, shown: &Value, is_last: bool) {
        let recorded: BTreeMap<u64, &Value> = shown["steps"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|step| Some((step["step"].as_u64()?, &step["conclusion"])))
            .collect();
        let of_attempt = format!("{attempt} ");
        let lines = self.witness.iter().filter_map(|line| line.strip_prefix(&of_attempt));
        let mut heard: BTreeMap<String, usize> = BTreeMap::new();
        for line in lines {
            *heard.entry(line.to_owned()).or_default() += 1;
        }
        for (number, step) in job.steps.iter().enumerate() {
            let conclusion = recorded.get(&(number as u64));
            let is_done = conclusion.is_some_and(|conclusion| *conclusion == "success");
            self.must(is_done || !is_last, || {
                format!("{attempt}: step {number} is recorded as {conclusion:?}")
            });
            if !step.tells_the_witness() {
                continue;
            }
            for what in ["begins", "ends"] {
                let times = heard.remove(&format!("{number} {what}")).unwrap_or(0);
                let right = if is_done { times == 1 } else { times <= 1 };
                self.must(right, || {
                    format!("{attempt}: the witness heard {times} times that step {number} {what}")
                });
            }
        }
        self.must(heard.is_empty(), || format!("{attempt}: the witness also heard {heard:?}"));
    }

    /// Once a later attempt has begun, an earlier one must be heard of no more.
    fn order_of_attempts(&mut self, run: u64, job: &str, attempts: usize) {
        let of_leg = format!("{run}.{job}.");
        let numbers: Vec<usize> = self
            .witness
            .iter()
            .filter_map(|line| line.strip_prefix(&of_leg)?.split(' ').next()?.parse().ok())
            .collect();
        self.must(numbers.is_sorted(), || {
            format!("{of_leg}: attempts ran at the same time: {numbers:?}")
        });
        self.must(numbers.iter().all(|number| *number <= attempts), || {
            format!("{of_leg}: the witness heard of attempts that nobody knows: {numbers:?}")
        });
    }

    fn log(
        &mut self,
        attempt: &str,
        job: &Job,
        shown: &Value,
        log: &[(u64, String)],
        seen: Option<&Vec<String>>,
    ) {
        let is_counted = log.iter().enumerate().all(|(place, (n, _))| *n == place as u64 + 1);
        self.must(is_counted, || {
            let numbers: Vec<u64> = log.iter().map(|(number, _)| *number).collect();
            format!("{attempt}: its lines are numbered {numbers:?}")
        });
        for (place, line) in seen.into_iter().flatten().enumerate() {
            let now = log.get(place).map(|(_, text)| text);
            self.must(now == Some(line), || {
                format!("{attempt}: line {} was shown as `{line}` and is {now:?}", place + 1)
            });
        }
        let recorded = shown["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
        for (number, step) in job.steps.iter().enumerate() {
            let begin = line_of(attempt, &number.to_string());
            let printed: Vec<&str> =
                log.iter().filter_map(|(_, text)| text.strip_prefix(&begin)).collect();
            let is_over = recorded.iter().any(|step| step["step"] == number);
            let expected: Vec<String> = (1..=step.lines()).map(|n| n.to_string()).collect();
            let right = match is_over {
                true => printed == expected,
                false => printed.iter().zip(&expected).all(|(a, b)| a == b),
            };
            self.must(right && printed.len() <= expected.len(), || {
                format!("{attempt}: step {number} printed {printed:?}")
            });
        }
    }

    fn approvals(&mut self, run: &Value) {
        let leg = super::watch::legs(run).find(|leg| leg["environment"] == "production");
        let approvals = leg.and_then(|leg| leg["approvals"].as_array());
        let people: Vec<&str> =
            approvals.into_iter().flatten().filter_map(|one| one["person"].as_str()).collect();
        self.must(people == APPROVERS, || format!("approved by {people:?}"));
    }

    /// One rollout for each environment, through all its steps. What nothing served before takes all
    /// traffic at once.
    fn deployments(&mut self, delivered: &Delivered, number: u32) -> Result<()> {
        let all = self.site.get("/deployments")?;
        let all = all.as_array().context("a list of deployments")?;
        for environment in ENVIRONMENTS {
            let ours: Vec<&Value> = all
                .iter()
                .filter(|one| one["commit"] == delivered.commit)
                .filter(|one| one["environment"] == environment)
                .collect();
            let states: Vec<String> =
                ours.iter().map(|one| format!("{} {}", one["state"], one["reason"])).collect();
            self.must(ours.len() == 1 && ours[0]["state"] == "succeeded", || {
                format!("deployments to {environment}: {states:?}")
            });
            let shares: Vec<u64> = ours
                .iter()
                .flat_map(|one| one["history"].as_array().into_iter().flatten())
                .filter_map(|share| share["percent"].as_u64())
                .collect();
            let is_canary = environment == "production" && number > 1;
            let expected = if is_canary { &SHARES[..] } else { &SHARES[2..] };
            self.must(shares == expected, || format!("{environment} had the shares {shares:?}"));
        }
        Ok(())
    }

    /// Both environments answer as this delivery's service does, once there is a gateway.
    fn answers(&mut self, number: u32) -> Result<()> {
        let expected = (200, fixture::answer(number));
        let until = Instant::now() + GATEWAY_PATIENCE;
        for address in addresses(self.site)? {
            let answer = loop {
                let answer = Connection::open(&address)
                    .and_then(|mut connection| connection.ask("GET", "/", "", ""))
                    .map(|(status, body)| (status, String::from_utf8_lossy(&body).into_owned()));
                match answer {
                    Err(_) if Instant::now() < until => std::thread::sleep(PULSE),
                    answer => break answer,
                }
            };
            let right = answer.as_ref().is_ok_and(|answer| *answer == expected);
            let answer = answer.map_err(|error| format!("{error:#}"));
            self.must(right, || format!("{address} answers {answer:?} instead of {expected:?}"));
        }
        Ok(())
    }
}

/// `HOST:PORT` of every environment that has a service.
pub(super) fn addresses(site: &Site) -> Result<Vec<String>> {
    let environments = site.get("/environments")?;
    let environments = environments.as_array().context("a list of environments")?;
    let urls = environments.iter().filter_map(|one| one["services"][0]["url"].as_str());
    Ok(urls.map(|url| url.trim_start_matches("http://").to_owned()).collect())
}
