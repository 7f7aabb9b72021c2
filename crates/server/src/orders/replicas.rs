//! Keeps exactly the wanted replicas running, healthy ones reported, and stops the rest.
//!
//! Each wanted replica has one task. It finds the replica's process or starts it from the unpacked
//! release, reports it ready when it answers its health check, starts it again when it dies, and
//! stops it once it is not wanted any more. A server that was away finds the processes it left.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use qnt9_cluster::health::{self, Health, Probe};
use qnt9_engine::state::{Deployment, Project};
use qnt9_model::order::WantedReplica;
use qnt9_model::policy::Service;
use qnt9_model::{Command, DeploymentId, ReleaseDigest, StreamId};
use qnt9_runner::replica::{self, ReplicaSpec};
use tokio::sync::watch;

use super::OrderError;
use crate::Core;

/// How often a running replica is looked at.
const PULSE: Duration = Duration::from_millis(500);
/// How often a starting replica is asked whether it is healthy.
const HEALTH_PULSE: Duration = Duration::from_millis(50);
/// How long one health check may take.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);
/// The pause before a replica that died is started again; it doubles up to [`RESTART_PAUSE_MAX`].
const RESTART_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause between two starts.
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(30);
/// How long a replica may take to end after SIGTERM.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// Lines of a replica's log that a failure shows.
const LAST_LINES: usize = 20;

type Key = (StreamId, WantedReplica);

/// The tasks, one per wanted replica.
pub(super) struct Replicas {
    core: Core,
    tasks: BTreeMap<Key, (watch::Sender<bool>, tokio::task::JoinHandle<()>)>,
    /// The projects whose left-over replicas were looked for.
    swept: BTreeSet<StreamId>,
}

impl Replicas {
    pub(super) fn new(core: &Core) -> Self {
        Self { core: core.clone(), tasks: BTreeMap::new(), swept: BTreeSet::new() }
    }

    /// Has exactly these replicas of the own projects running. Those of other projects are left to
    /// whoever decides for these.
    pub(super) fn keep(&mut self, own: &BTreeSet<StreamId>, wanted: Vec<Key>) {
        self.tasks.retain(|(stream, _), (_, task)| {
            if !own.contains(stream) {
                task.abort();
            }
            !task.is_finished() && own.contains(stream)
        });
        for (key, (stop, _)) in &self.tasks {
            if !wanted.contains(key) {
                stop.send_replace(true);
            }
        }
        self.swept.retain(|stream| own.contains(stream));
        for stream in own {
            if self.swept.insert(stream.clone()) {
                tokio::spawn(sweep(self.core.clone(), stream.clone(), wanted.clone()));
            }
        }
        for key in wanted {
            let core = self.core.clone();
            self.tasks.entry(key.clone()).or_insert_with(|| {
                let (stop, stopping) = watch::channel(false);
                (stop, tokio::spawn(async move { Replica { core, key, stopping }.keep().await }))
            });
        }
    }
}

impl Drop for Replicas {
    fn drop(&mut self) {
        self.tasks.values().for_each(|(_, task)| task.abort());
    }
}

fn dir(core: &Core, key: &Key) -> PathBuf {
    let (stream, replica) = key;
    let name = format!("{}-{}", replica.deployment, replica.replica);
    core.folder().replicas().join(stream.as_str()).join(name)
}

/// Stops replicas of a project that an earlier server left and that nobody wants any more.
async fn sweep(core: Core, stream: StreamId, wanted: Vec<Key>) {
    let wanted: Vec<PathBuf> = wanted.iter().map(|key| dir(&core, key)).collect();
    for found in children(&core.folder().replicas().join(stream.as_str())) {
        if !wanted.contains(&found) {
            stop(&found).await;
        }
    }
}

/// Stops every replica there is.
pub(crate) async fn stop_all(core: &Core) {
    let stops = folders(&core.folder().replicas()).into_iter().map(|dir| async move {
        if let Err(error) = replica::stop(&dir, STOP_GRACE).await {
            tracing::warn!(dir = %dir.display(), "a replica was not stopped: {error}");
        }
    });
    futures_util::future::join_all(stops).await;
}

fn folders(root: &Path) -> Vec<PathBuf> {
    children(root).iter().flat_map(|project| children(project)).collect()
}

fn children(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

async fn stop(dir: &Path) {
    if let Err(error) = replica::stop(dir, STOP_GRACE).await {
        tracing::warn!(dir = %dir.display(), "a replica was not stopped: {error}");
        return;
    }
    if let Err(error) = tokio::fs::remove_dir_all(dir).await
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(dir = %dir.display(), "a replica's folder was not removed: {error}");
    }
}

/// How a replica's life went.
enum Life {
    /// It was healthy until its process ended.
    Served,
    /// It did not answer its health check.
    NeverHealthy,
}

struct Replica {
    core: Core,
    key: Key,
    stopping: watch::Receiver<bool>,
}

impl Replica {
    async fn keep(mut self) {
        let dir = dir(&self.core, &self.key);
        let mut stopping = self.stopping.clone();
        tokio::select! {
            () = self.run(&dir) => {}
            _ = stopping.wait_for(|stop| *stop) => {}
        }
        if *self.stopping.borrow_and_update() {
            stop(&dir).await;
        }
    }

    async fn run(&self, dir: &Path) {
        let mut pause = RESTART_PAUSE;
        loop {
            match self.live(dir).await {
                Ok(Life::Served) => pause = RESTART_PAUSE,
                Ok(Life::NeverHealthy) => {}
                Err(error) => {
                    let (stream, replica) = &self.key;
                    tracing::warn!(%stream, deployment = %replica.deployment,
                        replica = replica.replica, "a replica does not run: {error}");
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RESTART_PAUSE_MAX);
        }
    }

    /// One life: found or started, healthy, until it ends.
    async fn live(&self, dir: &Path) -> Result<Life, OrderError> {
        let address = match running(dir).await {
            Some(address) => address,
            None => {
                // Its address of an earlier life may be somebody else's by now.
                self.lost("its process does not run".to_owned()).await?;
                self.start(dir).await?
            }
        };
        if !self.become_healthy(dir, address).await? {
            return Ok(Life::NeverHealthy);
        }
        while running(dir).await.is_some() {
            tokio::time::sleep(PULSE).await;
        }
        // What it logged is for whoever runs this server; a line of a log is never part of a fact.
        let (stream, replica) = &self.key;
        tracing::warn!(%stream, deployment = %replica.deployment, replica = replica.replica,
            "a replica's process ended{}", tail(dir));
        self.lost("its process ended".to_owned()).await?;
        Ok(Life::Served)
    }

    /// Says that it is gone; nothing comes of it when nobody took it for ready.
    async fn lost(&self, reason: String) -> Result<(), OrderError> {
        let (deployment, replica) = (self.key.1.deployment, self.key.1.replica);
        self.tell(Command::ReplicaLost { deployment, replica, reason }).await
    }

    async fn tell(&self, command: Command) -> Result<(), OrderError> {
        self.core.tell(&self.key.0, command).await?;
        Ok(())
    }

    async fn start(&self, dir: &Path) -> Result<SocketAddr, OrderError> {
        let (stream, replica) = &self.key;
        let wanted = self.core.read(|state| {
            let project = state.projects.get(stream)?;
            let deployment = project.deployments.get(&replica.deployment)?;
            let service = service_of(project, deployment)?;
            let settings: Vec<(String, String)> = deployment
                .settings
                .iter()
                .map(|(name, value)| (name.clone(), value.show().to_owned()))
                .collect();
            Some((service.command, settings))
        });
        let Some((command, settings)) = wanted else {
            return Err(OrderError::Outside(format!(
                "qnt9.toml no longer says how to run {}",
                replica.place.service
            )));
        };
        let folder = release_folder(&self.core, &replica.release).await?;
        let address = free_address()?;
        let mut env = self.core.config().job_environment.clone();
        env.retain(|(name, _)| matches!(name.as_str(), "PATH" | "HOME" | "LANG" | "TZ"));
        env.extend(settings);
        env.extend([
            ("HOST".to_owned(), address.ip().to_string()),
            ("PORT".to_owned(), address.port().to_string()),
            ("QNT9_ENVIRONMENT".to_owned(), replica.place.environment.to_string()),
            ("QNT9_RELEASE".to_owned(), replica.release.to_string()),
        ]);
        let spec = ReplicaSpec::new(
            format!("{}-{}", replica.deployment, replica.replica),
            command,
            folder,
            env,
            address,
        );
        replica::start(&self.core.config().program, dir, &spec)
            .await
            .map_err(|error| OrderError::outside(&error))?;
        Ok(address)
    }

    /// Waits until it answers its health check. `false` when it does not in time; that is reported.
    async fn become_healthy(&self, dir: &Path, address: SocketAddr) -> Result<bool, OrderError> {
        let (stream, wanted) = &self.key;
        let service = self.core.read(|state| {
            let project = state.projects.get(stream)?;
            service_of(project, project.deployments.get(&wanted.deployment)?)
        });
        let Some(service) = service else { return Ok(false) };
        let probe =
            Probe { address, path: service.health.clone(), expect_status: http::StatusCode::OK };
        let patience = Duration::from_millis(u64::try_from(service.health_timeout_ms).unwrap_or(0));
        let since = tokio::time::Instant::now();
        let (deployment, replica) = (wanted.deployment, wanted.replica);
        let mut tries = 0;
        let got = loop {
            tries += 1;
            let unhealthy = match health::check(&probe, HEALTH_TIMEOUT).await {
                Health::Unhealthy(unhealthy) => unhealthy,
                Health::Healthy => {
                    let address = address.to_string();
                    self.tell(Command::ReplicaReady { deployment, replica, address }).await?;
                    return Ok(true);
                }
            };
            let dead = running(dir).await.is_none();
            if dead || since.elapsed() > patience {
                break format!("{unhealthy}{}", if dead { "; its process has ended" } else { "" });
            }
            tokio::time::sleep(HEALTH_PULSE).await;
        };
        let report = format!(
            "{} did not become healthy in {} s\n  {got}, {tries} times\n  \
             qnt9.toml:{}  health = \"{}\"{}",
            wanted.release.short(),
            since.elapsed().as_secs(),
            service.health_line,
            service.health,
            tail(dir),
        );
        self.tell(Command::ReplicaFailed { deployment, replica, report }).await?;
        stop(dir).await;
        Ok(false)
    }
}

/// How a deployment is started and known to be well: as `qnt9.toml` said when it was requested, so that
/// a later mistake in the file does not keep an old release from coming back.
fn service_of(project: &Project, deployment: &Deployment) -> Option<Service> {
    let said_now = || {
        let (_, policy) = project.policy.as_ref()?;
        policy.service(&deployment.place.service).cloned()
    };
    deployment.service.clone().or_else(said_now)
}

/// Where the replica of this folder listens, if its process runs.
async fn running(dir: &Path) -> Option<SocketAddr> {
    let status = replica::status(dir).await.ok().flatten()?;
    status.running().then_some(status.address())
}

fn tail(dir: &Path) -> String {
    match replica::last_log_lines(dir, LAST_LINES) {
        Ok(lines) if !lines.is_empty() => {
            let lines: Vec<String> = lines.iter().map(|line| format!("    {line}")).collect();
            format!("\n  last lines of its log:\n{}", lines.join("\n"))
        }
        _ => String::new(),
    }
}

fn free_address() -> Result<SocketAddr, OrderError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let address = listener.and_then(|listener| listener.local_addr());
    address.map_err(|error| OrderError::Outside(format!("no free port for a replica: {error}")))
}

/// The folder with the unpacked release; unpacked once.
pub(super) async fn release_folder(
    core: &Core,
    release: &ReleaseDigest,
) -> Result<PathBuf, OrderError> {
    let layout = qnt9_registry::upload::release_folder(&core.releases(), release);
    let unpacked = core.folder().root().join("unpacked");
    let target = qnt9_registry::upload::release_folder(&unpacked, release);
    let (release, into) = (release.clone(), target.clone());
    let unpack = tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&unpacked).map_err(|error| OrderError::outside(&error))?;
        qnt9_registry::extract(&layout, &release, &into)
            .map_err(|error| OrderError::outside(&error))
    });
    unpack.await.map_err(|error| OrderError::outside(&error))??;
    Ok(target)
}

/// The last lines that the replicas of a deployment logged, as the end of a report; empty for none.
pub(crate) fn last_words(core: &Core, stream: &StreamId, deployment: DeploymentId) -> String {
    let prefix = format!("{deployment}-");
    let folders = folders(&core.folder().replicas());
    let of_deployment = |dir: &&PathBuf| {
        dir.parent().and_then(Path::file_name) == Some(stream.as_str().as_ref())
            && dir.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix))
    };
    folders.iter().filter(of_deployment).map(|dir| tail(dir)).collect()
}
