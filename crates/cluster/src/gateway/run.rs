//! The gateway's process: what it holds, and how it comes to other traffic.

mod apply;
mod serve_control;

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use qnt9_model::Place;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Mutex, Notify};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::config::Config;
use super::control::{ArmStatus, BackendStatus, ListenerStatus, Status, Unbound};
use super::entrance::Open;
use super::journal::Writer;
use super::route::{Route, RouteArm};

/// The lock's name in the gateway's directory; the file holds the process id.
const LOCK_FILE: &str = "gateway.lock";
/// Requests that have not been answered so long after being told to stop are cut off.
const STOP_WAIT: Duration = Duration::from_secs(10);
/// How often a waiting drain looks again.
const DRAIN_LOOK: Duration = Duration::from_millis(2);
/// One window of the journal.
const WINDOW: Duration = Duration::from_secs(1);
/// Threads that carry traffic, unless the machine has fewer processors.
const THREADS_MAX: usize = 4;

/// Why a gateway does not run.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// Another gateway serves this directory.
    #[error("a gateway (process {pid}) already serves {dir}")]
    AlreadyRuns {
        /// The directory.
        dir: PathBuf,
        /// The other's process id, as it wrote it down.
        pid: String,
    },
    /// Its directory cannot be used.
    #[error("the gateway cannot use {path}")]
    Directory {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The system lacks something it needs.
    #[error("the gateway cannot start")]
    Start {
        /// What.
        #[source]
        source: io::Error,
    },
}

/// Runs the gateway of a directory, which is made if need be, until it is told to stop over its
/// socket or by SIGTERM or SIGINT; makes its own runtime. When this returns, requests that had begun
/// have been answered.
///
/// # Errors
/// Another gateway serves the directory, or it cannot be used. A configuration that cannot be used is
/// no such error: the gateway stays up, carries what it can and says why when asked.
pub fn run_blocking(dir: &Path) -> Result<(), GatewayError> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .map_err(|source| GatewayError::Start { source })?;
    raise_open_files_limit();
    runtime.block_on(run(dir))
}

/// [`run_blocking`] on the caller's runtime.
///
/// # Errors
/// As there.
pub async fn run(dir: &Path) -> Result<(), GatewayError> {
    let unusable = |path: PathBuf| move |source| GatewayError::Directory { path, source };
    fs::create_dir_all(dir).map_err(unusable(dir.to_owned()))?;
    let _lock = lock(dir)?;
    let journal = Writer::open(dir).map_err(unusable(dir.join(super::journal::JOURNAL_DIR)))?;
    let control = serve_control::bind(dir).map_err(unusable(dir.to_owned()))?;
    let gateway = Arc::new(Gateway {
        dir: dir.to_owned(),
        carried: Mutex::new(Carried::new(journal)),
        stop: Notify::new(),
    });
    // A refusal is kept for the status: whoever asks is told why nothing is carried.
    if let Err(refusal) = gateway.apply_if_any().await {
        tracing::error!(%refusal, "the configuration cannot be used");
    }
    let accepting = tokio::spawn(serve_control::accept(control, gateway.clone()));
    let journaling = tokio::spawn(journal_windows(gateway.clone()));
    wait_for_stop(&gateway).await.map_err(|source| GatewayError::Start { source })?;
    gateway.close_all().await;
    journaling.abort();
    gateway.end_window().await;
    accepting.abort();
    Ok(())
}

/// A running gateway.
#[derive(Debug)]
struct Gateway {
    dir: PathBuf,
    carried: Mutex<Carried>,
    stop: Notify,
}

/// What it carries, changed by one question at a time; requests never wait for this.
#[derive(Debug)]
struct Carried {
    config: Config,
    open: BTreeMap<SocketAddr, Open>,
    /// Replaced routes that may still have requests in flight or uncounted.
    replaced: Vec<Arc<Route>>,
    refused: Option<String>,
    /// Where it should listen and cannot.
    unbound: Vec<Unbound>,
    journal: Writer,
    journal_error: Option<String>,
}

impl Carried {
    const fn new(journal: Writer) -> Self {
        Self {
            config: Config { generation: 0, listeners: Vec::new() },
            open: BTreeMap::new(),
            replaced: Vec::new(),
            refused: None,
            unbound: Vec::new(),
            journal,
            journal_error: None,
        }
    }

    /// All routes by which a request may be on its way, those in use first.
    fn routes(&self) -> Vec<Arc<Route>> {
        let in_use = self.open.values().map(|open| open.entrance.route());
        in_use.chain(self.replaced.iter().cloned()).collect()
    }

    /// Journals the window that ends now.
    fn end_window(&mut self) {
        let window = self.journal.next_window();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        let mut records = Vec::new();
        for open in self.open.values() {
            let route = open.entrance.route();
            records.extend(route.take_window(window, at_ms, route.rollout.is_some()));
            route.backends().for_each(|backend| backend.close_stale());
        }
        // Whoever is the last to hold a route has seen all of its requests counted. The question
        // comes before the counts are taken, so none can slip in between.
        self.replaced.retain(|route| {
            let in_use = Arc::strong_count(route) > 1;
            records.extend(route.take_window(window, at_ms, false));
            in_use
        });
        self.journal_error = self.journal.append(&records).err().map(|error| error.to_string());
        if let Some(error) = &self.journal_error {
            tracing::error!(error, window, "a window is lost: the journal cannot be written");
        }
    }

    fn status(&self) -> Status {
        let listeners = self.open.values().map(|open| {
            let route = open.entrance.route();
            ListenerStatus {
                place: route.place.clone(),
                address: open.entrance.address,
                generation: route.generation,
                connections: open.entrance.connections(),
                arms: route
                    .arms
                    .iter()
                    .map(|arm| arm_status(&route.place, arm, arm.weight))
                    .collect(),
            }
        });
        Status {
            pid: std::process::id(),
            generation: self.config.generation,
            refused: self.refused.clone(),
            unbound: self.unbound.clone(),
            journal_error: self.journal_error.clone(),
            listeners: listeners.collect(),
            draining: self.draining(),
        }
    }

    fn draining(&self) -> Vec<ArmStatus> {
        let mut draining: Vec<ArmStatus> = Vec::new();
        for route in &self.replaced {
            for arm in &route.arms {
                let name = &arm.arm.name;
                let known = (draining.iter()).any(|d| d.place == route.place && d.arm == *name);
                let busy = arm.arm.in_flight.load(std::sync::atomic::Ordering::SeqCst) > 0;
                if busy && !known && self.weight(&route.place, name) == 0 {
                    draining.push(arm_status(&route.place, arm, 0));
                }
            }
        }
        draining
    }

    /// The weight an arm has now.
    fn weight(&self, place: &Place, arm: &str) -> u32 {
        let routes = self.open.values().map(|open| open.entrance.route());
        let mut at_place = routes.filter(|route| route.place == *place);
        at_place.find_map(|route| route.arm(arm).map(|arm| arm.weight)).unwrap_or(0)
    }

    fn in_flight(&self, place: &Place, arm: &str) -> u64 {
        // Routes share an arm's count, except where a place had left and came back meanwhile.
        let mut counted = Vec::new();
        let mut in_flight = 0;
        for route in self.routes().iter().filter(|route| route.place == *place) {
            if let Some(RouteArm { arm, .. }) = route.arm(arm)
                && !counted.iter().any(|known| Arc::ptr_eq(known, arm))
            {
                in_flight += arm.in_flight.load(std::sync::atomic::Ordering::SeqCst);
                counted.push(arm.clone());
            }
        }
        in_flight
    }
}

fn arm_status(place: &Place, arm: &RouteArm, weight: u32) -> ArmStatus {
    use std::sync::atomic::Ordering;
    ArmStatus {
        place: place.clone(),
        arm: arm.arm.name.clone(),
        weight,
        in_flight: arm.arm.in_flight.load(Ordering::SeqCst),
        requests: arm.arm.requests.load(Ordering::Relaxed),
        bad: arm.arm.bad.load(Ordering::Relaxed),
        backends: (arm.backends.iter())
            .map(|backend| BackendStatus {
                address: backend.address,
                in_flight: backend.in_flight(),
                idle_connections: backend.idle_connections(),
                failing: backend.is_failing(),
            })
            .collect(),
    }
}

impl Gateway {
    async fn status(&self) -> Status {
        self.carried.lock().await.status()
    }

    /// Requests of an arm in flight, once there are none or `wait` is over; the arm's weight instead
    /// when it has one.
    async fn drain(&self, place: &Place, arm: &str, wait: Duration) -> Result<u64, u32> {
        let deadline = Instant::now().checked_add(wait);
        loop {
            let carried = self.carried.lock().await;
            let weight = carried.weight(place, arm);
            if weight > 0 {
                return Err(weight);
            }
            let in_flight = carried.in_flight(place, arm);
            drop(carried);
            if in_flight == 0 || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(in_flight);
            }
            sleep(DRAIN_LOOK).await;
        }
    }

    /// Requests on their way to a backend, once there can be none or `wait` is over; `None` when an arm
    /// in use names the backend. A request chooses its backend from the route that it found on arrival,
    /// so as long as anybody holds a replaced route that names it, one may be about to be sent.
    async fn drain_backend(
        &self,
        place: &Place,
        backend: SocketAddr,
        wait: Duration,
    ) -> Option<u64> {
        let deadline = Instant::now().checked_add(wait);
        loop {
            let carried = self.carried.lock().await;
            let routes = carried.open.values().map(|open| open.entrance.route());
            let names = |route: &Route| route.place == *place && route.names(backend);
            if routes.into_iter().any(|route| names(&route)) {
                return None;
            }
            let held = |route: &&Arc<Route>| names(route) && Arc::strong_count(route) > 1;
            let held: Vec<&Arc<Route>> = carried.replaced.iter().filter(held).collect();
            let in_flight = held.iter().map(|route| route.in_flight(backend)).max();
            let is_over = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            match in_flight {
                None => return Some(0),
                Some(in_flight) if is_over => return Some(in_flight),
                Some(_) => {}
            }
            drop(carried);
            sleep(DRAIN_LOOK).await;
        }
    }

    async fn end_window(&self) {
        self.carried.lock().await.end_window();
    }

    async fn close_all(&self) {
        let open = std::mem::take(&mut self.carried.lock().await.open);
        let mut closing = tokio::task::JoinSet::new();
        for open in open.into_values() {
            self.carried.lock().await.replaced.push(open.entrance.route());
            closing.spawn(open.close(STOP_WAIT).await);
        }
        closing.join_all().await;
    }
}

async fn journal_windows(gateway: Arc<Gateway>) {
    let mut ticks = interval(WINDOW);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        gateway.end_window().await;
        gateway.carried.lock().await.bind_missing().await;
    }
}

async fn wait_for_stop(gateway: &Gateway) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = gateway.stop.notified() => {}
    }
    Ok(())
}

/// Holds the directory against a second gateway for as long as the file is open; the system lets go
/// of it when the process ends, however it ends.
fn lock(dir: &Path) -> Result<File, GatewayError> {
    let path = dir.join(LOCK_FILE);
    let unusable = |source| GatewayError::Directory { path: path.clone(), source };
    let mut file = File::options()
        .create(true)
        .read(true)
        .write(true)
        .truncate(false)
        .open(&path)
        .map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let pid = fs::read_to_string(&path).unwrap_or_default().trim().to_owned();
            return Err(GatewayError::AlreadyRuns { dir: dir.to_owned(), pid });
        }
        Err(TryLockError::Error(source)) => return Err(unusable(source)),
    }
    file.set_len(0).map_err(unusable)?;
    writeln!(file, "{}", std::process::id()).map_err(unusable)?;
    Ok(file)
}

/// The process that serves a directory, whether or not it answers yet; `None` when none does. Not to be
/// asked while a gateway is being started there: for an instant it may be kept from its lock.
///
/// # Errors
/// The lock cannot be looked at, or its process has not noted its id yet.
pub fn holder(dir: &Path) -> io::Result<Option<u32>> {
    let path = dir.join(LOCK_FILE);
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => {
            let pid = fs::read_to_string(&path)?.trim().parse();
            Ok(Some(pid.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Every client takes up to two file descriptors, and the usual limit of 1024 is meant for programs
/// that use `select`.
fn raise_open_files_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
}
