//! Keeps each project's gateway carrying what the engine wants, and brings back what it counted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use qnt9_cluster::gateway::{self, Arm, Config, Control, Listener, Unbound, journal};
use qnt9_engine::rollout;
use qnt9_engine::state::Project;
use qnt9_model::fact::Counts;
use qnt9_model::{Command, DeploymentId, Place, Refusal, StreamId};
use tokio::sync::Notify;

use super::OrderError;
use crate::Core;

/// How often the gateway's journal is read.
const JOURNAL_PULSE: Duration = Duration::from_millis(250);
/// How often it is seen whether the gateway still runs; one that died is started again, and until then
/// nobody reaches any service.
const ALIVE_PULSE: Duration = Duration::from_millis(100);
/// The pause after a try that failed.
const PAUSE: Duration = Duration::from_millis(500);
/// How long requests to a leaving release may take to end.
const DRAIN_PATIENCE: Duration = Duration::from_secs(30);
/// Where the server notes how far it has read the journal.
const POSITION_FILE: &str = "position.json";

/// Looks after the gateways of the projects that this server decides for.
pub(super) struct Traffic {
    core: Core,
    gateways: BTreeMap<StreamId, Gateway>,
}

impl Traffic {
    pub(super) fn new(core: &Core) -> Self {
        Self { core: core.clone(), gateways: BTreeMap::new() }
    }

    /// Looks after the gateways of these projects and of no others; none is stopped.
    pub(super) fn keep(&mut self, own: &BTreeSet<StreamId>) {
        self.gateways.retain(|stream, _| own.contains(stream));
        for stream in own {
            let gateway = || Gateway::new(&self.core, stream);
            self.gateways.entry(stream.clone()).or_insert_with(gateway);
        }
    }

    /// Has the project's gateway told what to carry.
    pub(super) fn carry(&self, stream: &StreamId) {
        if let Some(gateway) = self.gateways.get(stream) {
            gateway.wake.notify_one();
        }
    }
}

/// The two tasks that look after a gateway.
struct Gateway {
    wake: Arc<Notify>,
    tasks: [tokio::task::JoinHandle<()>; 2],
}

impl Gateway {
    fn new(core: &Core, stream: &StreamId) -> Self {
        let wake = Arc::new(Notify::new());
        let carrier = tokio::spawn(carry(core.clone(), stream.clone(), wake.clone()));
        let counter = tokio::spawn(count(core.clone(), stream.clone()));
        Self { wake, tasks: [carrier, counter] }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

/// The folder of a project's gateway.
fn dir(core: &Core, stream: &StreamId) -> PathBuf {
    core.folder().gateway().join(stream.as_str())
}

fn arm_name(deployment: DeploymentId) -> String {
    deployment.to_string()
}

/// Everything a project's gateway should carry. Its generation is the sum of the places' generations:
/// none of them ever falls, so it grows whenever one does.
fn wanted(project: &Project) -> Result<Config, String> {
    let mut config = Config::default();
    for (place, at) in &project.places {
        let Some(address) = &at.address else { continue };
        let arms: Result<Vec<Arm>, String> = rollout::arms(project, place)
            .into_iter()
            .map(|arm| {
                let backends = arm.backends.iter().map(|backend| parse(backend));
                Ok(Arm {
                    arm: arm_name(arm.deployment),
                    weight: arm.percent,
                    backends: backends.collect::<Result<_, String>>()?,
                })
            })
            .collect();
        config.generation += at.generation;
        config.listeners.push(Listener {
            place: place.clone(),
            generation: at.generation,
            address: parse(address)?,
            rollout: at.active.or(watched(project, place)),
            arms: arms?,
        });
        if let (Some(address), Some(arm)) = (&at.preview, rollout::previewed(project, place)) {
            let backends = arm.backends.iter().map(|backend| parse(backend));
            config.listeners.push(Listener {
                place: preview_of(place),
                generation: at.generation,
                address: parse(address)?,
                rollout: None,
                arms: vec![Arm {
                    arm: arm_name(arm.deployment),
                    weight: arm.percent,
                    backends: backends.collect::<Result<_, String>>()?,
                }],
            });
        }
    }
    Ok(config)
}

/// What the gateway calls the entrance to a release that waits to be promoted. No service is called so.
fn preview_of(place: &Place) -> Place {
    Place { environment: place.environment.clone(), service: format!("{}@preview", place.service) }
}

/// The deployment that serves a place, while it is watched.
fn watched(project: &Project, place: &Place) -> Option<DeploymentId> {
    project.serving(place).filter(|serving| serving.is_watched()).map(|serving| serving.id)
}

fn parse(address: &str) -> Result<std::net::SocketAddr, String> {
    address.parse().map_err(|_| format!("`{address}` is not an address"))
}

async fn carry(core: Core, stream: StreamId, wake: Arc<Notify>) {
    loop {
        tokio::select! {
            () = wake.notified() => {}
            () = tokio::time::sleep(ALIVE_PULSE) => {
                if Control::connect(&dir(&core, &stream)).await.is_ok() {
                    continue;
                }
            }
        }
        let mut said = String::new();
        while let Err(error) = carry_once(&core, &stream).await {
            let error = error.to_string();
            if error != said {
                tracing::warn!(%stream, "the gateway does not carry what it should: {error}");
                said = error;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn carry_once(core: &Core, stream: &StreamId) -> Result<(), OrderError> {
    let config = core.read(|state| state.projects.get(stream).map(wanted).transpose());
    let config = config.map_err(OrderError::Outside)?.unwrap_or_default();
    if config.listeners.is_empty() {
        return Ok(());
    }
    let dir = dir(core, stream);
    std::fs::create_dir_all(&dir).map_err(|error| OrderError::outside(&error))?;
    gateway::write_config(&dir, &config).map_err(|error| OrderError::outside(&error))?;
    let mut control = core.gateways().control(&dir).await?;
    let applied = control.apply().await.map_err(|error| OrderError::outside(&error))?;
    if applied.generation < config.generation {
        return Err(OrderError::Outside(format!(
            "it is at generation {} and should be at {}",
            applied.generation, config.generation
        )));
    }
    for Listener { place, generation, .. } in config.listeners {
        if !applied.unbound.iter().any(|unbound| unbound.place == place) {
            core.tell(stream, Command::TrafficApplied { place, generation }).await?;
        }
    }
    match applied.unbound.first() {
        None => Ok(()),
        Some(Unbound { place, address, reason }) => {
            Err(OrderError::Outside(format!("cannot listen on {address} for {place}: {reason}")))
        }
    }
}

/// Waits until the leaving deployment's arm has nothing in flight.
pub(super) async fn drain(
    core: &Core,
    stream: &StreamId,
    place: &Place,
    deployment: DeploymentId,
) -> Result<(), OrderError> {
    // Without a gateway nothing is in flight.
    if let Ok(mut control) = Control::connect(&dir(core, stream)).await {
        for entrance in [place, &preview_of(place)] {
            let drained = control.drain(entrance, &arm_name(deployment), DRAIN_PATIENCE).await;
            let in_flight = drained.map_err(|error| OrderError::outside(&error))?;
            if in_flight > 0 {
                tracing::warn!(place = %entrance, %deployment, in_flight, "requests are cut off");
            }
        }
    }
    core.tell(stream, Command::ArmDrained { deployment }).await?;
    Ok(())
}

/// Waits until nothing is on its way to one replica of a deployment, which gets no traffic any more
/// although others of the same deployment do.
pub(super) async fn drain_replica(
    core: &Core,
    stream: &StreamId,
    place: &Place,
    deployment: DeploymentId,
    replica: u32,
) -> Result<(), OrderError> {
    let address = core.read(|state| {
        let project = state.projects.get(stream)?;
        project.deployments.get(&deployment)?.ready.get(&replica).cloned()
    });
    // One that was not ready had no traffic.
    if let Some(address) = address {
        let backend = parse(&address).map_err(OrderError::Outside)?;
        // Without a gateway nothing is in flight.
        if let Ok(mut control) = Control::connect(&dir(core, stream)).await {
            let drained = control.drain_backend(place, backend, DRAIN_PATIENCE).await;
            let in_flight = drained.map_err(|error| OrderError::outside(&error))?;
            if in_flight > 0 {
                tracing::warn!(%place, %deployment, replica, in_flight, "requests are cut off");
            }
        }
    }
    core.tell(stream, Command::ReplicaDrained { deployment, replica }).await?;
    Ok(())
}

/// Reads the journal and submits what was counted. What could not be recorded is read again: the
/// position moves on only behind windows that the machine knows.
async fn count(core: Core, stream: StreamId) {
    let dir = dir(&core, &stream);
    let mut reader = journal::Reader::new(&dir, read_position(&dir));
    loop {
        tokio::time::sleep(JOURNAL_PULSE).await;
        match reader.read() {
            Ok(batch) if batch.records.is_empty() => {}
            Ok(batch) => match submit(&core, &stream, &batch.records).await {
                Ok(()) => write_position(&dir, reader.position()),
                Err(refusal) => {
                    tracing::warn!(%stream, "what the gateway counted waits: {refusal}");
                    reader = journal::Reader::new(&dir, read_position(&dir));
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Err(error) => tracing::warn!(%stream, "the gateway's journal cannot be read: {error}"),
        }
    }
}

fn read_position(dir: &Path) -> journal::Position {
    let text = std::fs::read_to_string(dir.join(POSITION_FILE)).unwrap_or_default();
    // Without a note the journal is read from its start: windows counted already are passed over.
    serde_json::from_str(&text).unwrap_or_default()
}

fn write_position(dir: &Path, position: journal::Position) {
    let text = serde_json::to_string(&position).expect("a position is plain data");
    if let Err(error) = std::fs::write(dir.join(POSITION_FILE), text) {
        tracing::warn!("how far the gateway's journal was read is not noted: {error}");
    }
}

/// The deployments that are watched, and how long their releases may take to answer.
fn latency_limits(project: &Project) -> BTreeMap<DeploymentId, Duration> {
    let watched = project.places.keys().filter_map(|place| watched(project, place));
    let limit = |id| {
        let rule = project.deployments.get(&id)?.terms.watch.as_ref()?;
        let limit_ms = rule.p99_ms.and_then(|limit_ms| u64::try_from(limit_ms).ok());
        Some((id, limit_ms.map_or(Duration::MAX, Duration::from_millis)))
    };
    watched.filter_map(limit).collect()
}

/// Sums the records of each rollout's windows into new and old, and submits them in order. An error
/// means that they must be submitted again; those that were recorded are then passed over.
async fn submit(
    core: &Core,
    stream: &StreamId,
    records: &[journal::Record],
) -> Result<(), Refusal> {
    let limits = core.read(|state| state.projects.get(stream).map(latency_limits));
    let limits = limits.unwrap_or_default();
    let mut windows: BTreeMap<(u64, DeploymentId), (u64, Counts, Counts, u64)> = BTreeMap::new();
    for record in records {
        let Some(rollout) = record.rollout else { continue };
        let start = || (record.generation, Counts::default(), Counts::default(), 0);
        let window = windows.entry((record.window, rollout)).or_insert_with(start);
        window.0 = window.0.min(record.generation);
        let counts = Counts { requests: record.requests, bad: record.bad };
        let slow = limits.get(&rollout).map_or(0, |limit| record.latency.slower_than(*limit));
        if record.arm == arm_name(rollout) {
            window.3 += slow;
        }
        let side = if record.arm == arm_name(rollout) { &mut window.1 } else { &mut window.2 };
        *side = side.plus(counts);
    }
    for ((window, deployment), (generation, new, old, slow)) in windows {
        let command = if limits.contains_key(&deployment) {
            Command::WatchWindow { deployment, window, counts: new, slow }
        } else {
            Command::CountWindow { deployment, generation, window, new, old }
        };
        match core.tell(stream, command).await {
            Ok(_) => {}
            Err(refusal @ Refusal::Unavailable { .. }) => return Err(refusal),
            Err(refusal) => {
                tracing::warn!(%deployment, window, "a window was not counted: {refusal}");
            }
        }
    }
    Ok(())
}
