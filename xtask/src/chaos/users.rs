//! Users of an environment's service, who come through the gateway and count every failure.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::prove::http::Connection;

/// Users of one environment. Every second one keeps its connection.
const USERS: u32 = 6;
/// Between two requests of one user.
const PAUSE: Duration = Duration::from_millis(80);

/// When gateways were killed.
pub(super) type GatewayDeaths = Arc<Mutex<Vec<Instant>>>;

/// What users have met.
#[derive(Clone, Debug, Default)]
pub(super) struct Met {
    pub(super) requests: u64,
    /// Failures that a killed gateway accounts for: it carried the request, or was not back yet.
    pub(super) while_gateway_was_gone: u64,
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
    pub(super) fn start(addresses: &[String], page: &'static [u8], deaths: &GatewayDeaths) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let user = |(address, number): (&String, u32)| {
            let user = User {
                address: address.clone(),
                page,
                keeps: number.is_multiple_of(2),
                connection: None,
                last_success: Instant::now(),
                deaths: Arc::clone(deaths),
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
    deaths: GatewayDeaths,
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
        let deaths = self.deaths.lock().unwrap_or_else(PoisonError::into_inner);
        deaths.last().copied().filter(|death| *death >= self.last_success)
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
