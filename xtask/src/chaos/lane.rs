//! One platform and the deliveries that it makes, one after the other.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::delivery::Delivery;
use super::judge::{Judge, addresses};
use super::kills::{self, Done, Killer};
use super::plan::{Kill, draw};
use super::site::{Programs, Site};
use super::users::{Deaths, Met, Users};
use super::watch::Watch;

/// A job that no server knows again for so long is not known at all.
const REATTACH_PATIENCE: Duration = Duration::from_secs(10);

/// A platform on which a first delivery went from push to production.
pub(super) struct Lane {
    site: Site,
    deliveries: u32,
}

/// What came of one delivery.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) seed: u64,
    pub(super) took: Duration,
    pub(super) done: Vec<Done>,
    pub(super) met: Met,
    pub(super) reattached: Vec<Duration>,
    /// Lost jobs about which a person was asked.
    pub(super) asked: usize,
    /// What was not as it is without kills; empty when all is well.
    pub(super) deviations: Vec<String>,
}

impl Lane {
    /// Makes a platform and its first delivery, without kills: it shows that the judge is content
    /// with what comes of none.
    pub(super) fn open(programs: &Programs, name: &str) -> Result<Self> {
        let site = Site::new(programs, name)?;
        site.start()?;
        site.wait_until_ready()?;
        let mut lane = Self { site, deliveries: 0 };
        let outcome = lane.make(0, &[]);
        if !outcome.deviations.is_empty() {
            let (folder, deviations) = (lane.folder().display(), outcome.deviations.join("\n  "));
            bail!("a delivery without kills went wrong in {folder}:\n  {deviations}");
        }
        Ok(lane)
    }

    pub(super) fn folder(&self) -> &Path {
        self.site.folder()
    }

    /// One delivery under so many kills.
    pub(super) fn deliver(&mut self, seed: u64, kills: usize) -> Outcome {
        self.make(seed, &draw(seed, kills, 1))
    }

    fn make(&mut self, seed: u64, plan: &[Kill]) -> Outcome {
        self.deliveries += 1;
        let mut outcome = Outcome { seed, ..Outcome::default() };
        let began = Instant::now();
        if let Err(error) = self.try_to_make(plan, &mut outcome) {
            outcome.deviations.push(format!("{error:#}"));
        }
        outcome.took = began.elapsed();
        outcome
    }

    fn try_to_make(&self, plan: &[Kill], outcome: &mut Outcome) -> Result<()> {
        let deaths = Deaths::default();
        let users = Users::start(&addresses(&self.site)?, b"delivery ", &deaths);
        let (watch, stop, stop_watch) =
            (Watch::default(), AtomicBool::new(false), AtomicBool::new(false));
        let killer = Killer::new(&self.site, &watch, &deaths);
        let delivery = Delivery { site: &self.site, killer: &killer, number: self.deliveries };
        let delivered = std::thread::scope(|scope| {
            let watching = scope.spawn(|| watch.run(&self.site, &stop_watch));
            let killing = scope.spawn(|| killer.run(plan, &stop));
            let delivered = delivery.carry_out();
            stop.store(true, Ordering::Relaxed);
            let killed = kills::finished(killing.join());
            let known = killed.and_then(|()| wait_until_known(&watch));
            stop_watch.store(true, Ordering::Relaxed);
            ensure!(watching.join().is_ok(), "the watch fell over");
            known.and(delivered)
        });
        outcome.met = users.stop()?;
        outcome.done = killer.done().clone();
        outcome.reattached = watch.seen().reattached.clone();
        outcome.deviations.extend(failures(&outcome.met));
        let delivered = delivered?;
        outcome.asked = delivered.asked.len();
        let witness = std::fs::read_to_string(self.site.witness()).context("the witness")?;
        let mut judge = Judge {
            site: &self.site,
            killed: killer.attempts(),
            witness: witness.lines().map(str::to_owned).collect(),
            deviations: Vec::new(),
        };
        judge.judge(&delivered, self.deliveries, &watch.seen())?;
        outcome.deviations.append(&mut judge.deviations);
        Ok(())
    }

    /// Stops the platform: the chain of facts must verify, and nothing may be left running.
    pub(super) fn close(self) -> Result<()> {
        self.site.stop()?;
        let left = self.site.left_running();
        ensure!(left.is_empty(), "left running: {left:?}");
        self.site.qnt9(&["audit", "verify"])?;
        let folder = self.site.folder().to_owned();
        drop(self);
        std::fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())
    }
}

/// Every job that runs must be known to the server that came back last.
fn wait_until_known(watch: &Watch) -> Result<()> {
    while let Some((attempt, since)) = watch.unknown_since() {
        ensure!(since < REATTACH_PATIENCE, "{attempt} runs, and the server does not know it");
        std::thread::sleep(super::site::PULSE);
    }
    Ok(())
}

/// Failures of users in a few lines.
pub(super) fn failures(met: &Met) -> Vec<String> {
    const SHOWN: usize = 3;
    let mut lines: Vec<String> =
        met.failures.iter().take(SHOWN).map(|text| format!("a request failed: {text}")).collect();
    if met.failures.len() > SHOWN {
        lines.push(format!("{} requests failed in all", met.failures.len()));
    }
    lines
}
