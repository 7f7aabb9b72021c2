//! Carries out the kills of a plan while a delivery is on its way.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::process::Signal;

use super::plan::{Kill, Target, When};
use super::site::{PULSE, Site, signal};
use super::users::Deaths;
use super::watch::{Attempt, Watch};

/// A job to hit, or a gateway, is not waited for any longer.
const TARGET_PATIENCE: Duration = Duration::from_secs(2);

/// Between two kills of replicas.
const REPLICA_PAUSE: Duration = Duration::from_secs(4);

/// A kill that was carried out.
#[derive(Clone, Debug)]
pub(super) struct Done {
    pub(super) kill: Kill,
    /// Since the delivery began.
    pub(super) at: Duration,
    /// The attempts whose shims it hit.
    pub(super) attempts: Vec<Attempt>,
    /// How long the server took to be ready again after its last start.
    pub(super) start: Option<Duration>,
}

/// Whoever kills.
pub(super) struct Killer<'a> {
    site: &'a Site,
    watch: &'a Watch,
    deaths: Deaths,
    done: Mutex<Vec<Done>>,
    began: Instant,
}

impl<'a> Killer<'a> {
    pub(super) fn new(site: &'a Site, watch: &'a Watch, deaths: &Deaths) -> Self {
        let (done, began) = (Mutex::default(), Instant::now());
        Self { site, watch, deaths: deaths.clone(), done, began }
    }

    /// What was done so far.
    pub(super) fn done(&self) -> MutexGuard<'_, Vec<Done>> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The attempts whose shims were killed so far.
    pub(super) fn attempts(&self) -> BTreeSet<Attempt> {
        self.done().iter().flat_map(|done| done.attempts.clone()).collect()
    }

    /// Carries out the plan as far as it comes until it is told to stop. The server runs when this
    /// returns without an error.
    pub(super) fn run(&self, plan: &[Kill], stop: &AtomicBool) -> Result<()> {
        for kill in plan {
            if !self.wait(kill.when, stop) {
                return Ok(());
            }
            let at = self.began.elapsed();
            // Known before anybody sees what it leads to.
            let place = self.done().len();
            let attempts = Vec::new();
            self.done().push(Done { kill: *kill, at, attempts, start: None });
            let hit = self.carry_out(kill, place, stop)?;
            if !hit {
                self.done().pop();
            }
        }
        Ok(())
    }

    /// Whether the instant has come.
    fn wait(&self, when: When, stop: &AtomicBool) -> bool {
        match when {
            When::After(pause) => sleep(pause, stop),
            When::Changes { count, patience } => {
                // The server answered a moment ago; if it does not now, this is the instant.
                let _ = self.wait_for_changes(count, patience, stop);
            }
        }
        !stop.load(Ordering::Relaxed)
    }

    /// Listens to the project's changes as the console does.
    fn wait_for_changes(&self, count: u32, patience: Duration, stop: &AtomicBool) -> Result<()> {
        let until = Instant::now() + patience;
        let stream = TcpStream::connect(self.site.address())?;
        stream.set_read_timeout(Some(Duration::from_millis(100)))?;
        let (project, token) = (self.site.project(), self.site.token(self.site.developer())?);
        write!(
            &stream,
            "GET /api/v1/projects/{project}/changes HTTP/1.1\r\nHost: qnt9\r\n\
             Authorization: Bearer {token}\r\n\r\n"
        )?;
        let mut events = BufReader::new(stream);
        let (mut seen, mut line) = (0, Vec::new());
        while seen < count && Instant::now() < until && !stop.load(Ordering::Relaxed) {
            match events.read_until(b'\n', &mut line) {
                Ok(0) => break,
                Ok(_) => {
                    seen += u32::from(line.starts_with(b"data:"));
                    line.clear();
                }
                // Nothing has happened for a while.
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Whether there was something to hit.
    fn carry_out(&self, kill: &Kill, place: usize, stop: &AtomicBool) -> Result<bool> {
        match kill.target {
            Target::Server => self.kill_server()?,
            Target::ServerTwice | Target::ServerStarting => {
                self.kill_server()?;
                std::thread::sleep(kill.away);
                self.site.start()?;
                std::thread::sleep(kill.successor);
                self.kill_server()?;
                return self.bring_back(Duration::ZERO, place).map(|()| true);
            }
            Target::Shim => return Ok(self.kill_a_shim(kill.choice, place, stop)),
            Target::Replica => return Ok(self.kill_a_replica(kill.choice, stop)),
            Target::Gateway => {
                let is_there = self.find("gateway", kill.choice, stop).is_some();
                self.kill_gateways();
                return Ok(is_there);
            }
            Target::Everything => {
                self.kill_server()?;
                self.kill_gateways();
                for (pid, dir) in self.site.processes("shim") {
                    self.done()[place].attempts.extend(attempt_of(&dir));
                    signal(pid, Signal::KILL);
                }
            }
        }
        self.bring_back(kill.away, place)?;
        Ok(true)
    }

    fn kill_server(&self) -> Result<()> {
        self.watch.server_is_gone();
        self.site.kill_server()
    }

    fn bring_back(&self, away: Duration, place: usize) -> Result<()> {
        std::thread::sleep(away);
        let since = Instant::now();
        self.site.start()?;
        self.site.wait_until_ready()?;
        self.done()[place].start = Some(since.elapsed());
        let shims = self.site.processes("shim");
        self.watch.server_is_back(shims.iter().filter_map(|(_, dir)| attempt_of(dir)));
        Ok(())
    }

    fn kill_a_shim(&self, choice: u64, place: usize, stop: &AtomicBool) -> bool {
        let Some((pid, dir)) = self.find("shim", choice, stop) else { return false };
        self.done()[place].attempts.extend(attempt_of(&dir));
        signal(pid, Signal::KILL);
        true
    }

    /// One replica whose deployment has another one, and only once the last one killed had time to
    /// come back: a service whose replicas are all dead cannot answer.
    fn kill_a_replica(&self, choice: u64, stop: &AtomicBool) -> bool {
        if self.deaths.last_of_replica().is_some_and(|death| death.elapsed() < REPLICA_PAUSE) {
            return false;
        }
        let Some((pid, dir)) = self.find("replica", choice, stop) else { return false };
        let has_another = self.site.processes("replica").iter().any(|(other, other_dir)| {
            *other != pid && deployment_of(other_dir) == deployment_of(&dir)
        });
        if has_another {
            self.deaths.of_replica(|| signal(pid, Signal::KILL));
        }
        has_another
    }

    /// One of the processes of this kind, as soon as there is one.
    fn find(&self, command: &str, choice: u64, stop: &AtomicBool) -> Option<(i32, PathBuf)> {
        let since = Instant::now();
        while since.elapsed() < TARGET_PATIENCE && !stop.load(Ordering::Relaxed) {
            let mut found = self.site.processes(command);
            if !found.is_empty() {
                let choice = usize::try_from(choice >> 32).unwrap_or(0) % found.len();
                return Some(found.swap_remove(choice));
            }
            std::thread::sleep(PULSE);
        }
        None
    }

    fn kill_gateways(&self) {
        for (pid, _) in self.site.processes("gateway") {
            self.deaths.of_gateway(|| signal(pid, Signal::KILL));
        }
    }
}

fn sleep(pause: Duration, stop: &AtomicBool) {
    let until = Instant::now() + pause;
    while Instant::now() < until && !stop.load(Ordering::Relaxed) {
        std::thread::sleep(PULSE);
    }
}

/// What the folders of a deployment's replicas, `…/DEPLOYMENT-REPLICA`, have in common.
fn deployment_of(dir: &Path) -> Option<&str> {
    Some(dir.to_str()?.rsplit_once('-')?.0)
}

/// The attempt whose folder this is.
fn attempt_of(dir: &Path) -> Option<Attempt> {
    Some(dir.file_name()?.to_str()?.to_owned())
}

/// The part of a plan as a list for people.
pub(super) fn list(done: &[Done]) -> Vec<String> {
    let line = |(number, done): (usize, &Done)| {
        let Done { kill, at, attempts, start } = done;
        let mut line = format!(
            "{:>2}  {:>6.2} s  {:<15}  {}",
            number + 1,
            at.as_secs_f64(),
            kill.target,
            kill.when
        );
        if let Some(start) = start {
            let (away, start) = (kill.away.as_millis(), start.as_millis());
            line = format!("{line}; away {away} ms, ready after {start} ms");
        }
        if !attempts.is_empty() {
            line = format!("{line}; hit {}", attempts.join(", "));
        }
        line
    };
    done.iter().enumerate().map(line).collect()
}

/// A plan carried out by nobody is a mistake of the harness.
pub(super) fn finished(killer: std::thread::Result<Result<()>>) -> Result<()> {
    killer.ok().context("the killer fell over")?
}
