//! The open loop: so many requests a second, each at its time whatever became of the others, as a
//! service in use meets them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use crate::client::{Client, Connection};
use crate::measure::{Measured, Recorder};
use crate::pick::Picker;
use crate::scenario::Scenario;
use crate::target::{Target, TargetError};

/// With so many requests unanswered at once, the next ones are dropped: the generator must not fall
/// over before the service does.
const UNANSWERED_MAX: usize = 2_000;

/// Whether connections outlive a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connections {
    /// A connection is used again when its request is answered.
    Kept,
    /// Every request has a connection of its own.
    OnePerRequest,
}

/// How much, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SteadyPlan {
    /// Requests a second; at least 1.
    pub rate: u32,
    /// How they connect.
    pub connections: Connections,
    /// A request without a complete answer by then has failed.
    pub answer_timeout: Duration,
    /// Where the random choice of requests begins.
    pub seed: u64,
}

/// What steady traffic met so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Requests that have ended.
    pub requests: u64,
    /// Those that failed: refused, lost, timed out, or answered with another status than expected.
    pub failed: u64,
    /// How they failed, and how many each way.
    pub failures: BTreeMap<String, u64>,
    /// Requests under way.
    pub in_flight: u64,
}

/// Steady traffic that runs until it is stopped. Dropping it ends it at once.
#[derive(Debug)]
pub struct Steady {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    sending: JoinHandle<()>,
    started: Instant,
}

#[derive(Debug)]
struct Shared {
    client: Client,
    keep: bool,
    idle: Mutex<Vec<Connection>>,
    recorder: Mutex<Recorder>,
    in_flight: AtomicU64,
}

impl Steady {
    /// Starts sending; needs a tokio runtime.
    ///
    /// # Errors
    /// The target's name cannot be resolved.
    pub async fn start(
        target: &Target,
        scenario: &Scenario,
        plan: SteadyPlan,
    ) -> Result<Self, TargetError> {
        let address = target.resolve().await?;
        let keep = plan.connections == Connections::Kept;
        let client = Client::new(target, address, scenario, plan.answer_timeout, keep);
        let names = scenario.requests.iter().map(|request| request.name.as_str());
        let shared = Arc::new(Shared {
            client,
            keep,
            idle: Mutex::default(),
            recorder: Mutex::new(Recorder::new(names)),
            in_flight: AtomicU64::new(0),
        });
        let picker = Picker::new(scenario, plan.seed, 0);
        let (stop, stopped) = watch::channel(false);
        let sending = tokio::spawn(send(shared.clone(), picker, plan.rate.max(1), stopped));
        Ok(Self { shared, stop, sending, started: Instant::now() })
    }

    /// What it met so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let recorder = self.shared.recorder.lock().unwrap_or_else(PoisonError::into_inner);
        Counts {
            requests: recorder.requests(),
            failed: recorder.failed(),
            failures: recorder.failures(),
            in_flight: self.shared.in_flight.load(Ordering::Relaxed),
        }
    }

    /// Sends nothing more, waits for the answers that are still to come, and answers what it met.
    pub async fn stop(mut self) -> Measured {
        self.stop.send_replace(true);
        if let Err(error) = (&mut self.sending).await
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
        let traffic = &self.shared.client.traffic;
        let (sent, received) =
            (traffic.sent.load(Ordering::Relaxed), traffic.received.load(Ordering::Relaxed));
        let mut recorder = self.shared.recorder.lock().unwrap_or_else(PoisonError::into_inner);
        recorder.measured(self.started.elapsed(), sent, received)
    }
}

impl Drop for Steady {
    fn drop(&mut self) {
        self.sending.abort();
    }
}

async fn send(
    shared: Arc<Shared>,
    mut picker: Picker,
    rate: u32,
    mut stopped: watch::Receiver<bool>,
) {
    let start = Instant::now();
    let second = Duration::from_secs(1);
    let mut seconds = interval_at(start + second, second);
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut unanswered = JoinSet::new();
    let mut number: u32 = 0;
    let mut epoch = start;
    loop {
        // Each at its own time from the start: a late one does not delay those after it.
        let due = epoch + second.mul_f64(f64::from(number) / f64::from(rate));
        tokio::select! {
            _ = stopped.changed() => break,
            _ = seconds.tick() => {
                let users = shared.in_flight.load(Ordering::Relaxed);
                shared.recorder.lock().unwrap_or_else(PoisonError::into_inner).end_second(users);
                continue;
            }
            () = sleep_until(due) => {}
        }
        number += 1;
        if number == rate {
            (number, epoch) = (0, epoch + second);
        }
        while unanswered.try_join_next().is_some() {}
        if unanswered.len() >= UNANSWERED_MAX {
            shared.recorder.lock().unwrap_or_else(PoisonError::into_inner).drop_one();
        } else {
            unanswered.spawn(one(shared.clone(), picker.next()));
        }
    }
    unanswered.join_all().await;
}

async fn one(shared: Arc<Shared>, pick: crate::pick::Pick) {
    shared.in_flight.fetch_add(1, Ordering::Relaxed);
    let mut connection = shared.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let exchange = shared.client.exchange(pick, &mut connection).await;
    if let Some(connection) = connection
        && shared.keep
    {
        shared.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }
    shared.recorder.lock().unwrap_or_else(PoisonError::into_inner).count(&exchange);
    shared.in_flight.fetch_sub(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests;
