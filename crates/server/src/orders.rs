//! Carries out what the engine says should happen outside, one file per kind of order.
//!
//! Orders are computed from the state after every change and compared with what is being carried
//! out. Each is carried out by one task at a time; when its task ends and the order still stands, it
//! is begun again, with a pause that grows while it keeps failing.

pub(crate) mod addresses;
pub(crate) mod checks;
pub(crate) mod gateways;
pub mod jobs;
pub(crate) mod notify;
pub(crate) mod pushes;
pub(crate) mod replicas;
pub(crate) mod smoke;
pub(crate) mod traffic;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use qnt9_engine::orders::{not_before, orders};
use qnt9_engine::state::{LegPhase, Project};
use qnt9_model::{Command, Order, StreamId};
use tokio::task::{AbortHandle, JoinSet};

use crate::Core;

/// How often the orders are looked at when nothing changes.
const PULSE: Duration = Duration::from_secs(1);
/// The pause after an order's first failure; it doubles up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_millis(250);
/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(15);

/// Carries out orders until it is dropped.
pub(crate) struct Conductor {
    core: Core,
    /// When it began: before any push that this server takes in.
    since: SystemTime,
    /// The projects that this server decides for, and so carries out orders of.
    own: BTreeSet<StreamId>,
    /// Orders that a task is at, and how often in a row each has failed.
    busy: Arc<Mutex<BTreeMap<(StreamId, Order), AbortHandle>>>,
    failures: Arc<Mutex<BTreeMap<(StreamId, Order), u32>>>,
    tasks: JoinSet<()>,
    replicas: replicas::Replicas,
    traffic: traffic::Traffic,
}

impl Conductor {
    pub(crate) fn new(core: &Core) -> Self {
        Self {
            core: core.clone(),
            since: SystemTime::now(),
            own: BTreeSet::new(),
            busy: Arc::default(),
            failures: Arc::default(),
            tasks: JoinSet::new(),
            replicas: replicas::Replicas::new(core),
            traffic: traffic::Traffic::new(core),
        }
    }

    /// Runs until the task it runs in is ended.
    pub(crate) async fn run(mut self) {
        let mut changed = self.core.changed();
        loop {
            self.see_what_is_own();
            self.look();
            while self.tasks.try_join_next().is_some() {}
            tokio::select! {
                change = changed.changed() => if change.is_err() { return },
                () = tokio::time::sleep(PULSE) => {}
            }
        }
    }

    /// Begins with projects that are now this server's own, and leaves the others alone: what was
    /// begun of them goes on under whoever decides for them now.
    fn see_what_is_own(&mut self) {
        let projects: Vec<StreamId> =
            self.core.read(|state| state.projects.keys().cloned().collect());
        let own: BTreeSet<StreamId> =
            projects.into_iter().filter(|stream| self.core.owns(stream)).collect();
        for lost in self.own.difference(&own) {
            let of_lost = |(stream, _): &(StreamId, Order)| stream == lost;
            lock(&self.busy).retain(|key, task| {
                if of_lost(key) {
                    task.abort();
                }
                !of_lost(key)
            });
            lock(&self.failures).retain(|key, _| !of_lost(key));
            self.core.live_jobs().forget(lost);
        }
        for new in own.difference(&self.own) {
            self.tasks.spawn(jobs::sweep(self.core.clone(), new.clone()));
            self.tasks.spawn(pushes::take_hold(self.core.clone(), new.clone(), self.since));
        }
        self.traffic.keep(&own);
        self.own = own;
    }

    fn look(&mut self) {
        let now = crate::machine::now();
        let (outstanding, running) = self.core.read(|state| {
            let projects = || self.own.iter().filter_map(|id| Some((id, state.projects.get(id)?)));
            let outstanding: Vec<(StreamId, Order)> = projects()
                .flat_map(|(stream, project)| {
                    let due =
                        move |order: &Order| not_before(project, order).is_none_or(|at| at <= now);
                    orders(project)
                        .into_iter()
                        .filter(due)
                        .map(move |order| (stream.clone(), order))
                })
                .collect();
            let running: usize = projects().map(|(_, project)| running_jobs(project)).sum();
            (outstanding, running)
        });
        let mut free = self.core.config().slots.saturating_sub(running);
        let mut wanted = Vec::new();
        for (stream, order) in outstanding {
            match order {
                Order::KeepReplicas(replicas) => {
                    wanted.extend(replicas.into_iter().map(|replica| (stream.clone(), replica)));
                }
                Order::CarryTraffic(_) => self.traffic.carry(&stream),
                Order::StartJob(_) if free == 0 => {}
                Order::StartJob(_) => {
                    free -= 1;
                    self.begin(stream, order);
                }
                order => self.begin(stream, order),
            }
        }
        self.replicas.keep(&self.own, wanted);
    }

    /// Has a task carry the order out, unless one is at it.
    fn begin(&mut self, stream: StreamId, order: Order) {
        let key = (stream, order);
        // Held until the task is noted: it may end before that.
        let mut at_work = lock(&self.busy);
        if at_work.contains_key(&key) {
            return;
        }
        let (core, busy, failures) = (self.core.clone(), self.busy.clone(), self.failures.clone());
        let noted = key.clone();
        let task = self.tasks.spawn(async move {
            let (stream, order) = &key;
            match carry_out(&core, stream, order).await {
                Ok(()) => {
                    lock(&failures).remove(&key);
                }
                Err(error) => {
                    let times = {
                        let mut failures = lock(&failures);
                        let times = failures.entry(key.clone()).or_default();
                        *times += 1;
                        *times
                    };
                    tracing::warn!(%stream, ?order, times, "an order failed: {error}");
                    let pause = PAUSE * 2u32.saturating_pow(times.min(10) - 1);
                    tokio::time::sleep(pause.min(PAUSE_MAX)).await;
                }
            }
            lock(&busy).remove(&key);
        });
        at_work.insert(noted, task);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn running_jobs(project: &Project) -> usize {
    let live = project.live.iter().filter_map(|id| project.runs.get(id));
    live.flat_map(|run| run.legs.values()).filter(|leg| leg.phase == LegPhase::Running).count()
}

async fn carry_out(core: &Core, stream: &StreamId, order: &Order) -> Result<(), OrderError> {
    match order {
        Order::SettlePush(push) => pushes::settle_abandoned(core, stream, *push).await,
        Order::StartJob(attempt) => {
            let command =
                Command::StartJob { attempt: attempt.clone(), runner: "local".to_owned() };
            core.tell(stream, command).await?;
            Ok(())
        }
        Order::FollowJob(attempt) => jobs::follow(core, stream, attempt).await,
        Order::KillJob(attempt) => jobs::kill(core, stream, attempt).await,
        Order::AskJob(attempt) => jobs::ask(core, stream, attempt).await,
        Order::AskCheck(check) => checks::ask(core, stream, *check).await,
        Order::CancelJob(attempt) => jobs::cancel(core, stream, attempt).await,
        Order::AssignAddress(place, entrance) => {
            addresses::assign(core, stream, place, *entrance).await
        }
        Order::DrainArm(place, deployment) => {
            traffic::drain(core, stream, place, *deployment).await
        }
        Order::DrainReplica(place, deployment, replica) => {
            traffic::drain_replica(core, stream, place, *deployment, *replica).await
        }
        Order::SmokeTest(deployment) => smoke::test(core, stream, *deployment).await,
        Order::Notify(notification) => notify::deliver(core, stream, *notification).await,
        Order::KeepReplicas(_) | Order::CarryTraffic(_) => Ok(()),
    }
}

/// Why an order could not be carried out this time.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// The machine refused the answer.
    #[error("{0}")]
    Refused(#[from] qnt9_model::Refusal),
    /// Something outside failed.
    #[error("{0}")]
    Outside(String),
}

impl OrderError {
    /// An error of the outside with all its causes in one line.
    pub(crate) fn outside(error: &dyn std::error::Error) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        Self::Outside(text)
    }
}
