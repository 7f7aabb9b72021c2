//! The closed loop: users who each send their next request when the last one is answered.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until};

use crate::client::Client;
use crate::measure::{Measured, Recorder};
use crate::pick::Picker;
use crate::scenario::Scenario;
use crate::target::{Target, TargetError};

/// How many users, and when. A run takes ramp-up, duration and ramp-down together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Users at full load.
    pub users: u64,
    /// Time in which they arrive, evenly.
    pub ramp_up: Duration,
    /// Time at full load.
    pub duration: Duration,
    /// Time in which they leave, the last to come first to go.
    pub ramp_down: Duration,
    /// Pause of a user between an answer and its next request.
    pub pause: Duration,
    /// A request without a complete answer by then has failed.
    pub answer_timeout: Duration,
    /// Where the random choice of requests begins.
    pub seed: u64,
}

impl Default for Plan {
    /// One user for ten seconds.
    fn default() -> Self {
        Self {
            users: 1,
            ramp_up: Duration::ZERO,
            duration: Duration::from_secs(10),
            ramp_down: Duration::ZERO,
            pause: Duration::ZERO,
            answer_timeout: Duration::from_secs(30),
            seed: 0,
        }
    }
}

impl Plan {
    /// How long users keep coming and sending.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.ramp_up + self.duration + self.ramp_down
    }

    /// When a user, counted from 0, comes and when it sends its last request.
    fn stay(&self, user: u64) -> (Duration, Duration) {
        let share = user as f64 / self.users.max(1) as f64;
        let comes = self.ramp_up.mul_f64(share);
        let leaves = self.ramp_up + self.duration + self.ramp_down.mul_f64(1.0 - share);
        (comes, leaves)
    }

    /// Users present after `elapsed`.
    fn users_at(&self, elapsed: Duration) -> u64 {
        let present = |user: &u64| {
            let (comes, leaves) = self.stay(*user);
            comes <= elapsed && elapsed < leaves
        };
        (0..self.users).filter(present).count() as u64
    }
}

/// How a run stands, told once a second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Progress {
    /// Since the start, in seconds.
    pub elapsed_s: f64,
    /// How long the plan is, in seconds.
    pub length_s: f64,
    /// Users present.
    pub users: u64,
    /// Requests that ended within the last second.
    pub rate: u64,
    /// Their times' 95th percentile.
    pub p95_ms: Option<f64>,
    /// Requests that ended since the start.
    pub requests: u64,
    /// Those that failed.
    pub failed: u64,
}

/// Runs a scenario against the target, tells `progress` once a second how it stands, and answers what
/// was measured. Requests that are under way when the plan ends are waited for and counted.
///
/// # Errors
/// The target's name cannot be resolved. A target that does not answer is no error but a measurement.
pub async fn run(
    target: &Target,
    scenario: &Scenario,
    plan: &Plan,
    mut progress: impl FnMut(&Progress),
) -> Result<Measured, TargetError> {
    let address = target.resolve().await?;
    let client = Arc::new(Client::new(target, address, scenario, plan.answer_timeout, true));
    let names = scenario.requests.iter().map(|request| request.name.as_str());
    let recorder = Arc::new(Mutex::new(Recorder::new(names)));
    let start = Instant::now();
    let mut users = JoinSet::new();
    for user in 0..plan.users {
        let (comes, leaves) = plan.stay(user);
        let user = User {
            client: client.clone(),
            picker: Picker::new(scenario, plan.seed, user),
            recorder: recorder.clone(),
            pause: plan.pause,
        };
        users.spawn(user.stay(start + comes, start + leaves));
    }
    let all_left = async { while users.join_next().await.is_some() {} };
    tokio::pin!(all_left);
    let second = Duration::from_secs(1);
    let mut seconds = interval_at(start + second, second);
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = &mut all_left => break,
            now = seconds.tick() => {
                let elapsed = now - start;
                let told = end_second(&recorder, plan, elapsed);
                progress(&told);
            }
        }
    }
    let traffic = &client.traffic;
    let (sent, received) =
        (traffic.sent.load(Ordering::Relaxed), traffic.received.load(Ordering::Relaxed));
    let mut recorder = recorder.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(recorder.measured(start.elapsed(), sent, received))
}

fn end_second(recorder: &Mutex<Recorder>, plan: &Plan, elapsed: Duration) -> Progress {
    let users = plan.users_at(elapsed);
    let mut recorder = recorder.lock().unwrap_or_else(PoisonError::into_inner);
    let (requests, failed) = (recorder.requests(), recorder.failed());
    let second = recorder.end_second(users);
    Progress {
        elapsed_s: elapsed.as_secs_f64(),
        length_s: plan.length().as_secs_f64(),
        users,
        rate: second.requests,
        p95_ms: second.p95_ms,
        requests,
        failed,
    }
}

struct User {
    client: Arc<Client>,
    picker: Picker,
    recorder: Arc<Mutex<Recorder>>,
    pause: Duration,
}

impl User {
    async fn stay(mut self, comes: Instant, leaves: Instant) {
        sleep_until(comes).await;
        let mut connection = None;
        while Instant::now() < leaves {
            let exchange = self.client.exchange(self.picker.next(), &mut connection).await;
            self.recorder.lock().unwrap_or_else(PoisonError::into_inner).count(&exchange);
            if exchange.took.is_none() {
                // A refused connection costs the user nothing; without a pause one user would try
                // thousands of times a second.
                sleep(FAILED_PAUSE).await;
            }
            if !self.pause.is_zero() {
                sleep(self.pause).await;
            }
        }
    }
}

/// Pause of a user whose request got no answer at all.
const FAILED_PAUSE: Duration = Duration::from_millis(10);

#[cfg(test)]
pub(crate) mod tests;
