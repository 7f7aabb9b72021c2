//! Users of an environment's service, who come through the gateway and count every failure.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::prove::http::Connection;

/// Users of one environment. Every second one keeps its connection.
const USERS: u32 = 6;
/// Between two requests of one user.
const PAUSE: Duration = Duration::from_millis(80);

/// When processes were killed that carry requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Deaths(Arc<Mutex<Instants>>);

#[derive(Debug, Default)]
struct Instants {
    gateways: Vec<Instant>,
    replicas: Vec<Instant>,
}

impl Deaths {
    fn lock(&self) -> MutexGuard<'_, Instants> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Kills a gateway. Whoever fails because of it finds the note of it.
    pub(super) fn of_gateway(&self, kill: impl FnOnce()) {
        let mut instants = self.lock();
        kill();
        instants.gateways.push(Instant::now());
    }

    /// When a replica was killed last.
    pub(super) fn last_of_replica(&self) -> Option<Instant> {
        self.lock().replicas.last().copied()
    }

    /// Kills a replica, likewise.
    pub(super) fn of_replica(&self, kill: impl FnOnce()) {
        let mut instants = self.lock();
        kill();
        instants.replicas.push(Instant::now());
    }
}

/// What users have met.
#[derive(Clone, Debug, Default)]
pub(super) struct Met {
    pub(super) requests: u64,
    /// Failures that a killed gateway accounts for: it carried the request, or was not back yet.
    pub(super) while_gateway_was_gone: u64,
    /// Failures of requests that were on their way when a replica was killed.
    pub(super) cut_off: u64,
    /// From a gateway's death to the next answer, as each user saw it.
    pub(super) gaps: Vec<Duration>,
    /// All others, with what was wrong.
    pub(super) failures: Vec<String>,
}

/// Users at work until they are sent home.
pub(super) struct Users {
    stop: Arc<AtomicBool>,
    users: Vec<JoinHandle<Met>>,
}

impl Users {
    /// Users of the service at these addresses, `HOST:PORT`, whose page begins like this.
    pub(super) fn start(addresses: &[String], page: &'static [u8], deaths: &Deaths) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let user = |(address, number): (&String, u32)| {
            let user = User {
                address: address.clone(),
                page,
                keeps: number.is_multiple_of(2),
                connection: None,
                last_success: Instant::now(),
                deaths: deaths.clone(),
                met: Met::default(),
            };
            let (stop, begin) = (Arc::clone(&stop), Instant::now() + PAUSE * number / USERS);
            std::thread::spawn(move || user.visit(begin, &stop))
        };
        let each = addresses.iter().flat_map(|address| (0..USERS).map(move |n| (address, n)));
        Self { users: each.map(user).collect(), stop }
    }

    /// Sends them home, each after the answer it waits for.
    pub(super) fn stop(self) -> Result<Met> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Met::default();
        for user in self.users {
            let met = user.join().map_err(|_| anyhow::anyhow!("a user fell over"))?;
            all.requests += met.requests;
            all.while_gateway_was_gone += met.while_gateway_was_gone;
            all.cut_off += met.cut_off;
            all.gaps.extend(met.gaps);
            all.failures.extend(met.failures);
        }
        Ok(all)
    }
}

struct User {
    address: String,
    page: &'static [u8],
    keeps: bool,
    connection: Option<Connection>,
    /// When its last request without a failure began.
    last_success: Instant,
    deaths: Deaths,
    met: Met,
}

impl User {
    fn visit(mut self, mut due: Instant, stop: &AtomicBool) -> Met {
        let mut without_gateway: Option<Instant> = None;
        while !stop.load(Ordering::Relaxed) {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            due += PAUSE;
            let began = Instant::now();
            let outcome = self.request();
            self.met.requests += 1;
            match outcome {
                Ok(()) => {
                    let gap = without_gateway.take().map(|death| death.elapsed());
                    self.met.gaps.extend(gap);
                    self.last_success = began;
                }
                Err(_) if self.gateway_lost_at().is_some() => {
                    without_gateway = self.gateway_lost_at();
                    self.met.while_gateway_was_gone += 1;
                }
                Err(_) if self.was_cut_off(began) => self.met.cut_off += 1,
                Err(failure) => {
                    let after = began.elapsed().as_millis();
                    self.met.failures.push(format!("{failure:#}, after {after} ms"));
                }
            }
        }
        self.met
    }

    /// When a gateway was killed last since it answered here.
    fn gateway_lost_at(&self) -> Option<Instant> {
        let last = self.deaths.lock().gateways.last().copied();
        last.filter(|death| *death >= self.last_success)
    }

    /// Whether a replica was killed while this request was on its way.
    fn was_cut_off(&self, began: Instant) -> bool {
        self.deaths.lock().replicas.iter().any(|death| *death >= began)
    }

    fn request(&mut self) -> Result<()> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(&self.address)?,
        };
        let headers = if self.keeps { "" } else { "Connection: close\r\n" };
        let (status, body) = connection.ask("GET", "/", headers, "")?;
        ensure!(status == 200, "{status}: {}", String::from_utf8_lossy(&body));
        let text = String::from_utf8_lossy(&body);
        ensure!(body.starts_with(self.page), "a strange answer: {text}");
        if self.keeps {
            self.connection = Some(connection);
        }
        Ok(())
    }
}
