//! Starts and stops a server.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::{Router, middleware};
use qnt9_model::{Door, StreamId};
use qnt9_store::{
    DataFolder, FolderError, KeyError, LeaseHolder, LogHandle, MasterKey, Postgres, Sqlite,
    StoreError, Writer,
};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::config::{Config, LogPlace};
use crate::core::Core;
use crate::machine::{LoadError, Machine, Snapshots};
use crate::orders::{Conductor, replicas};
use crate::sharing::forward::{Forwarding, forward};
use crate::sharing::{Sharing, standby};
use crate::{api, console, repositories, retention};

/// How long requests may take to end when the server stops.
const STOP_PATIENCE: Duration = Duration::from_secs(2);
/// How long another server may take to give back this one's address.
const ADDRESS_PATIENCE: Duration = Duration::from_secs(3);
/// How long nobody may decide for the platform's stream at a start.
const OWNER_PATIENCE: Duration = Duration::from_secs(6);
/// How often the address is tried meanwhile.
const ADDRESS_PULSE: Duration = Duration::from_millis(50);

/// A running server.
pub struct Server {
    core: Core,
    serving: JoinHandle<()>,
    /// What ends at once when the server stops.
    tasks: JoinSet<()>,
    /// With other servers of the same log.
    sharing: Option<Sharing>,
    machine: std::thread::JoinHandle<()>,
    snapshots: (std::sync::mpsc::Sender<()>, std::thread::JoinHandle<()>),
    writer: Writer,
    stop: tokio::sync::watch::Sender<bool>,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The data folder cannot be had; another server may hold it.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The master key cannot be had.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The log cannot be opened.
    #[error("the log {path} cannot be opened")]
    Store {
        /// Its file.
        path: String,
        /// Why.
        #[source]
        source: Box<StoreError>,
    },
    /// The log cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The blobs cannot be opened.
    #[error("the blobs of {path} cannot be opened")]
    Blobs {
        /// The data folder.
        path: String,
        /// Why.
        #[source]
        source: qnt9_store::BlobError,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}{}", if .source.kind() == io::ErrorKind::AddrInUse { ": another program does" } else { "" })]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Something in the data folder cannot be made.
    #[error("cannot make {path}")]
    Make {
        /// What.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Server {
    /// Takes the data folder, folds the log, and serves. It answers when this returns.
    pub async fn start(mut config: Config) -> Result<Self, ServeError> {
        let folder = match &config.log {
            LogPlace::Folder => DataFolder::open(&config.data)?,
            LogPlace::Database { server, .. } => {
                let folder = DataFolder::open_shared(&config.data, server)?;
                // Said before it is taken, so that whoever stands by there gives it back.
                folder.announce(&format!("http://{}", config.listen))?;
                folder
            }
        };
        let listener = listen(&mut config).await?;
        let key = MasterKey::load_or_create(&config.key_file)?;
        let writer = open_log(&config, &folder, &key).await?;
        let blobs = folder.blobs().map_err(|source| ServeError::Blobs {
            path: folder.root().display().to_string(),
            source,
        })?;
        let (machine, thread) = fold(&config, writer.handle()).await?;
        link_program(&config, &folder)?;
        folder.announce(&format!("http://{}", config.listen))?;
        let core = Core::new(config, folder, machine, writer.handle(), blobs, key);
        let sharing = share(&core).await?;
        let snapshots = make_snapshots(&core)?;
        let (stop, stopping) = tokio::sync::watch::channel(false);
        let router = router(&core);
        let mut tasks = JoinSet::new();
        if sharing.is_some() {
            tasks.spawn(standby::stand_by(core.clone(), router.clone()));
        }
        tasks.spawn(Conductor::new(&core).run());
        tasks.spawn(retention::run(core.clone()));
        let serving = tokio::spawn(serve(router, listener, stopping));
        Ok(Self { core, serving, tasks, machine: thread, snapshots, sharing, writer, stop })
    }

    /// What this server shares.
    #[must_use]
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// Stops the server and what it delivered: replicas and gateways, unless another server of the same
    /// data folder goes on with them. Running jobs are left to their shims; the next server finds them.
    pub async fn stop(self) {
        self.end(Delivered::Stopped).await;
    }

    /// Stops the server only. Jobs, replicas and gateways go on, and the next server takes them over.
    pub async fn leave(self) {
        self.end(Delivered::Left).await;
    }

    async fn end(mut self, delivered: Delivered) {
        self.tasks.shutdown().await;
        self.stop.send_replace(true);
        if tokio::time::timeout(STOP_PATIENCE, &mut self.serving).await.is_err() {
            self.serving.abort();
        }
        if delivered == Delivered::Stopped && !self.core.has_company() {
            replicas::stop_all(&self.core).await;
            self.core.gateways().stop_all(&self.core.folder().gateway()).await;
        }
        let core = self.core;
        let (sharing, machine, writer) = (self.sharing, self.machine, self.writer);
        let (stop_snapshots, snapshots) = self.snapshots;
        on_a_thread(move || {
            drop(stop_snapshots);
            // While the streams are still this server's own.
            let snapshots = snapshots.join();
            if let Some(sharing) = sharing {
                sharing.stop();
            }
            core.stop_machine();
            if snapshots.is_err() || machine.join().is_err() {
                tracing::error!("a thread of the machine had panicked");
            }
            writer.stop();
        })
        .await;
    }
}

/// What becomes of replicas and gateways when their server ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Delivered {
    Stopped,
    Left,
}

impl Core {
    /// Whether other servers work in this data folder now.
    #[must_use]
    pub fn has_company(&self) -> bool {
        match self.folder().has_company() {
            Ok(has_company) => has_company,
            Err(error) => {
                tracing::warn!("who shares the data folder is not known: {error}");
                false
            }
        }
    }
}

/// Listens at the configured address. Another server may stand by at the address of one that shares its
/// log, and gives it back as soon as it sees that one.
async fn listen(config: &mut Config) -> Result<TcpListener, ServeError> {
    let patience = match config.log {
        LogPlace::Folder => Duration::ZERO,
        LogPlace::Database { .. } => ADDRESS_PATIENCE,
    };
    let since = Instant::now();
    let listener = loop {
        match TcpListener::bind(config.listen).await {
            Ok(listener) => break listener,
            Err(error)
                if error.kind() == io::ErrorKind::AddrInUse && since.elapsed() < patience =>
            {
                tokio::time::sleep(ADDRESS_PULSE).await;
            }
            Err(source) => return Err(ServeError::Listen { address: config.listen, source }),
        }
    };
    if let Ok(address) = listener.local_addr() {
        config.listen = address;
    }
    Ok(listener)
}

async fn open_log(
    config: &Config,
    folder: &DataFolder,
    key: &MasterKey,
) -> Result<Writer, ServeError> {
    let (place, file, key) = (config.log.clone(), folder.log(), key.clone());
    let shown = match &place {
        LogPlace::Folder => file.display().to_string(),
        LogPlace::Database { .. } => "in the database".to_owned(),
    };
    let opened = on_a_thread(move || match place {
        LogPlace::Folder => Writer::start(Sqlite::open(&file, &key)?),
        LogPlace::Database { url, .. } => Writer::start(Postgres::open(&url, &key)?),
    });
    opened.await.map_err(|source| ServeError::Store { path: shown, source: Box::new(source) })
}

async fn fold(
    config: &Config,
    log: LogHandle,
) -> Result<(Machine, std::thread::JoinHandle<()>), ServeError> {
    let is_shared = matches!(config.log, LogPlace::Database { .. });
    let folded =
        on_a_thread(
            move || {
                if is_shared { Machine::start_shared(log) } else { Machine::start(log) }
            },
        );
    Ok(folded.await?)
}

/// Work that blocks, aside from those that serve.
async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// The thread that makes snapshots, until its sender is dropped.
fn make_snapshots(
    core: &Core,
) -> Result<(std::sync::mpsc::Sender<()>, std::thread::JoinHandle<()>), ServeError> {
    let (stop, stopping) = std::sync::mpsc::channel();
    let snapshots = Snapshots::new(core.machine(), core.log(), core.config().keep_live);
    let thread = std::thread::Builder::new()
        .name("snapshots".to_owned())
        .spawn(move || snapshots.run(&stopping))
        .map_err(|error| LoadError::Store(StoreError::NoThread(Arc::new(error))))?;
    Ok((stop, thread))
}

/// What leases are held under: the same after a restart, which then need not wait for their end, and
/// never another server's, even if both were given the same name.
fn server_id(folder: &DataFolder, name: &str) -> Result<String, ServeError> {
    let path = folder.root().join("servers").join(format!("{name}.id"));
    let make = |source| ServeError::Make { path: path.display().to_string(), source };
    match std::fs::read_to_string(&path) {
        Ok(id) if !id.trim().is_empty() => return Ok(id.trim().to_owned()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(make(error)),
        Ok(_) | Err(_) => {}
    }
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| make(io::Error::other(error)))?;
    let id = format!("{name}-{}", hex::encode(random));
    std::fs::write(&path, &id).map_err(make)?;
    Ok(id)
}

/// Shares the log with other servers, where it lies in a database.
async fn share(core: &Core) -> Result<Option<Sharing>, ServeError> {
    let LogPlace::Database { server, .. } = &core.config().log else { return Ok(None) };
    let me = LeaseHolder { id: server_id(core.folder(), server)?, address: core.url() };
    let sharing = Sharing::start(core, me);
    let sharing = sharing.map_err(|error| StoreError::NoThread(Arc::new(error)));
    let sharing = sharing.map_err(LoadError::from)?;
    // Who decides about people and projects is known from the start, unless the database goes away.
    let since = Instant::now();
    while core.owner_of(&StreamId::platform()).is_none() && since.elapsed() < OWNER_PATIENCE {
        tokio::time::sleep(ADDRESS_PULSE).await;
    }
    Ok(Some(sharing))
}

/// `bin/qnt9` in the data folder is this program: the first thing on the path of jobs.
fn link_program(config: &Config, folder: &DataFolder) -> Result<(), ServeError> {
    let bin = folder.root().join("bin");
    let link = bin.join("qnt9");
    let make = |source| ServeError::Make { path: link.display().to_string(), source };
    std::fs::create_dir_all(&bin).map_err(make)?;
    let fresh = bin.join(".qnt9.new");
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(make(error)),
        Ok(()) | Err(_) => {}
    }
    // What is given may be a way to the running program that ends with it; its file stays.
    let program = config.program.canonicalize().map_err(make)?;
    std::os::unix::fs::symlink(program, &fresh).map_err(make)?;
    std::fs::rename(&fresh, &link).map_err(make)
}

fn router(core: &Core) -> Router {
    let door: Arc<dyn Door> = Arc::new(core.clone());
    let router = api::router(core.clone())
        .merge(repositories::router(core, &door))
        .layer(middleware::from_fn_with_state(core.clone(), console::guard_programs))
        .merge(console::router(core.clone()));
    match core.config().log {
        LogPlace::Folder => router,
        LogPlace::Database { .. } => {
            let forwarding = Forwarding::new(core);
            router.layer(middleware::from_fn_with_state(forwarding, forward))
        }
    }
}

async fn serve(
    router: Router,
    listener: TcpListener,
    mut stopping: tokio::sync::watch::Receiver<bool>,
) {
    let stopped = async move {
        // An error means that the server was dropped, which is an end too.
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
        tracing::error!("the server ended: {error}");
    }
}
