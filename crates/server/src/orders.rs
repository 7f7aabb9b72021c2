//! Carries out what the engine says should happen outside, one file per kind of order.
//!
//! Orders are computed from the state after every change and compared with what is being carried
//! out. Each is carried out by one task at a time; when its task ends and the order still stands, it
//! is begun again, with a pause that grows while it keeps failing.

pub(crate) mod addresses;
pub mod jobs;
pub(crate) mod notify;
pub(crate) mod pushes;
pub(crate) mod replicas;
pub(crate) mod traffic;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use qnt9_engine::orders;
use qnt9_engine::state::LegPhase;
use qnt9_model::{Command, Order, StreamId};
use tokio::task::JoinSet;

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
    /// Orders that a task is at, and how often in a row each has failed.
    busy: Arc<Mutex<BTreeMap<(StreamId, Order), ()>>>,
    failures: Arc<Mutex<BTreeMap<(StreamId, Order), u32>>>,
    tasks: JoinSet<()>,
    replicas: replicas::Replicas,
    traffic: traffic::Traffic,
}

impl Conductor {
    pub(crate) fn new(core: &Core) -> Self {
        Self {
            core: core.clone(),
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
        self.tasks.spawn(jobs::sweep(self.core.clone()));
        loop {
            self.look();
            while self.tasks.try_join_next().is_some() {}
            tokio::select! {
                change = changed.changed() => if change.is_err() { return },
                () = tokio::time::sleep(PULSE) => {}
            }
        }
    }

    fn look(&mut self) {
        let (outstanding, running) = self.core.read(|state| {
            let outstanding: Vec<(StreamId, Order)> = state
                .projects
                .iter()
                .flat_map(|(stream, project)| {
                    orders(project).into_iter().map(move |order| (stream.clone(), order))
                })
                .collect();
            (outstanding, running_jobs(state))
        });
        let mut free = self.core.config().slots.saturating_sub(running);
        let mut wanted = Vec::new();
        let mut behind = false;
        for (stream, order) in outstanding {
            match order {
                Order::KeepReplicas(replicas) => {
                    wanted.extend(replicas.into_iter().map(|replica| (stream.clone(), replica)));
                }
                Order::CarryTraffic(_) => behind = true,
                Order::StartJob(_) if free == 0 => {}
                Order::StartJob(_) => {
                    free -= 1;
                    self.begin(stream, order);
                }
                order => self.begin(stream, order),
            }
        }
        self.replicas.keep(wanted);
        if behind {
            self.traffic.carry();
        }
    }

    /// Has a task carry the order out, unless one is at it.
    fn begin(&mut self, stream: StreamId, order: Order) {
        let key = (stream, order);
        if lock(&self.busy).insert(key.clone(), ()).is_some() {
            return;
        }
        let (core, busy, failures) = (self.core.clone(), self.busy.clone(), self.failures.clone());
        self.tasks.spawn(async move {
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
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn running_jobs(state: &qnt9_engine::State) -> usize {
    let projects = state.projects.values();
    projects
        .flat_map(|project| project.live.iter().filter_map(|id| project.runs.get(id)))
        .flat_map(|run| run.legs.values())
        .filter(|leg| leg.phase == LegPhase::Running)
        .count()
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
        Order::CancelJob(attempt) => jobs::cancel(core, stream, attempt).await,
        Order::AssignAddress(place) => addresses::assign(core, stream, place).await,
        Order::DrainArm(place, deployment) => {
            traffic::drain(core, stream, place, *deployment).await
        }
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
