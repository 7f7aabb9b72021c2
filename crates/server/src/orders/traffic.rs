//! Keeps the gateway carrying what the engine wants, and brings back what it counted.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use qnt9_cluster::gateway::{self, Arm, Config, Control, Listener, journal};
use qnt9_engine::{State, rollout};
use qnt9_model::fact::Counts;
use qnt9_model::{Command, DeploymentId, Place, StreamId};
use tokio::sync::Notify;

use super::OrderError;
use crate::Core;

/// How often the gateway's journal is read.
const JOURNAL_PULSE: Duration = Duration::from_millis(250);
/// How often it is seen whether the gateway still runs; one that died is started again.
const ALIVE_PULSE: Duration = Duration::from_secs(1);
/// How long a new gateway may take until it answers.
const START_PATIENCE: Duration = Duration::from_secs(10);
/// The pause after a try that failed.
const PAUSE: Duration = Duration::from_millis(500);
/// How long requests to a leaving release may take to end.
const DRAIN_PATIENCE: Duration = Duration::from_secs(30);
/// Where the server notes how far it has read the journal.
const POSITION_FILE: &str = "position.json";

/// The two tasks that look after the gateway.
pub(super) struct Traffic {
    wake: Arc<Notify>,
    tasks: [tokio::task::JoinHandle<()>; 2],
}

impl Traffic {
    pub(super) fn new(core: &Core) -> Self {
        let wake = Arc::new(Notify::new());
        let carrier = tokio::spawn(carry(core.clone(), wake.clone()));
        let counter = tokio::spawn(count(core.clone()));
        Self { wake, tasks: [carrier, counter] }
    }

    /// Has the gateway told what to carry.
    pub(super) fn carry(&self) {
        self.wake.notify_one();
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

/// The gateway's folder.
fn dir(core: &Core) -> PathBuf {
    core.folder().gateway()
}

/// The gateway is one for all projects, and places of two projects may have the same name.
fn gateway_place(stream: &StreamId, place: &Place) -> Place {
    Place { environment: place.environment.clone(), service: format!("{stream}/{}", place.service) }
}

fn project_place(place: &Place) -> Option<(StreamId, Place)> {
    let (stream, service) = place.service.split_once('/')?;
    let environment = place.environment.clone();
    Some((stream.into(), Place { environment, service: service.to_owned() }))
}

fn arm_name(deployment: DeploymentId) -> String {
    deployment.to_string()
}

/// Everything the gateway should carry. Its generation is the sum of the places' generations: none
/// of them ever falls, so it grows whenever one does.
fn wanted(state: &State) -> Result<Config, String> {
    let mut config = Config::default();
    for (stream, project) in &state.projects {
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
                place: gateway_place(stream, place),
                generation: at.generation,
                address: parse(address)?,
                rollout: at.active,
                arms: arms?,
            });
        }
    }
    Ok(config)
}

fn parse(address: &str) -> Result<std::net::SocketAddr, String> {
    address.parse().map_err(|_| format!("`{address}` is not an address"))
}

async fn carry(core: Core, wake: Arc<Notify>) {
    loop {
        tokio::select! {
            () = wake.notified() => {}
            () = tokio::time::sleep(ALIVE_PULSE) => {
                if Control::connect(&dir(&core)).await.is_ok() {
                    continue;
                }
            }
        }
        while let Err(error) = carry_once(&core).await {
            tracing::warn!("the gateway does not carry what it should: {error}");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn carry_once(core: &Core) -> Result<(), OrderError> {
    let config = core.read(wanted).map_err(OrderError::Outside)?;
    if config.listeners.is_empty() {
        return Ok(());
    }
    let dir = dir(core);
    gateway::write_config(&dir, &config).map_err(|error| OrderError::outside(&error))?;
    let mut control = control(core).await?;
    let active = control.apply().await.map_err(|error| OrderError::outside(&error))?;
    if active < config.generation {
        return Err(OrderError::Outside(format!(
            "it is at generation {active} and should be at {}",
            config.generation
        )));
    }
    for listener in &config.listeners {
        let Some((stream, place)) = project_place(&listener.place) else { continue };
        let command = Command::TrafficApplied { place, generation: listener.generation };
        core.tell(&stream, command).await?;
    }
    Ok(())
}

/// A conversation with the gateway, started when it does not run.
async fn control(core: &Core) -> Result<Control, OrderError> {
    let dir = dir(core);
    if let Ok(control) = Control::connect(&dir).await {
        return Ok(control);
    }
    let program = &core.config().program;
    let talk = dir.join("gateway.log");
    let args = ["gateway".as_ref(), dir.as_os_str()];
    let mut process = qnt9_runner::spawn_detached(program, &args, &talk, b"")
        .await
        .map_err(|error| OrderError::Outside(format!("the gateway does not start: {error}")))?;
    let since = tokio::time::Instant::now();
    loop {
        match Control::connect(&dir).await {
            Ok(control) => {
                // Reaped when it ends, so that it does not stay behind as a zombie.
                tokio::spawn(async move { process.wait().await });
                return Ok(control);
            }
            Err(error) if since.elapsed() > START_PATIENCE => {
                return Err(OrderError::Outside(format!(
                    "the gateway does not answer ({error}); {} says more",
                    talk.display()
                )));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
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
    let drained = match Control::connect(&dir(core)).await {
        Ok(mut control) => control
            .drain(&gateway_place(stream, place), &arm_name(deployment), DRAIN_PATIENCE)
            .await
            .map_err(|error| OrderError::outside(&error))?,
        // Without a gateway nothing is in flight.
        Err(_) => 0,
    };
    if drained > 0 {
        tracing::warn!(%place, %deployment, in_flight = drained, "requests are cut off");
    }
    core.tell(stream, Command::ArmDrained { deployment }).await?;
    Ok(())
}

/// Stops the gateway, if one runs.
pub(crate) async fn stop(core: &Core) {
    if let Ok(control) = Control::connect(&dir(core)).await
        && let Err(error) = control.stop().await
    {
        tracing::warn!("the gateway was not stopped: {error}");
    }
}

async fn count(core: Core) {
    let dir = dir(&core);
    let position = read_position(&dir);
    let mut reader = journal::Reader::new(&dir, position);
    loop {
        tokio::time::sleep(JOURNAL_PULSE).await;
        match reader.read() {
            Ok(batch) if batch.records.is_empty() => {}
            Ok(batch) => {
                submit(&core, &batch.records).await;
                write_position(&dir, reader.position());
            }
            Err(error) => tracing::warn!("the gateway's journal cannot be read: {error}"),
        }
    }
}

fn read_position(dir: &std::path::Path) -> journal::Position {
    let text = std::fs::read_to_string(dir.join(POSITION_FILE)).unwrap_or_default();
    // Without a note the journal is read from its start: windows counted already are passed over.
    serde_json::from_str(&text).unwrap_or_default()
}

fn write_position(dir: &std::path::Path, position: journal::Position) {
    let text = serde_json::to_string(&position).expect("a position is plain data");
    if let Err(error) = std::fs::write(dir.join(POSITION_FILE), text) {
        tracing::warn!("how far the gateway's journal was read is not noted: {error}");
    }
}

/// Sums the records of each rollout's windows into new and old, and submits them in order.
async fn submit(core: &Core, records: &[journal::Record]) {
    let mut windows: BTreeMap<(u64, DeploymentId), (StreamId, u64, Counts, Counts)> =
        BTreeMap::new();
    for record in records {
        let Some(rollout) = record.rollout else { continue };
        let Some((stream, _)) = project_place(&record.place) else { continue };
        let start = || (stream, record.generation, Counts::default(), Counts::default());
        let window = windows.entry((record.window, rollout)).or_insert_with(start);
        window.1 = window.1.min(record.generation);
        let counts = Counts { requests: record.requests, bad: record.bad };
        let side = if record.arm == arm_name(rollout) { &mut window.2 } else { &mut window.3 };
        *side = side.plus(counts);
    }
    for ((window, deployment), (stream, generation, new, old)) in windows {
        let command = Command::CountWindow { deployment, generation, window, new, old };
        if let Err(refusal) = core.tell(&stream, command).await {
            tracing::warn!(%deployment, window, "a window was not counted: {refusal}");
        }
    }
}
