//! Starts and stops a server.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::middleware;
use qnt9_model::Door;
use qnt9_store::{DataFolder, FolderError, KeyError, MasterKey, Sqlite, StoreError, Writer};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::core::Core;
use crate::machine::{LoadError, Machine};
use crate::orders::{Conductor, replicas, traffic};
use crate::{api, console, repositories, retention};

/// How long requests may take to end when the server stops.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// A running server.
pub struct Server {
    core: Core,
    serving: JoinHandle<()>,
    conducting: JoinHandle<()>,
    retaining: JoinHandle<()>,
    machine: std::thread::JoinHandle<()>,
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
        source: StoreError,
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
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|source| ServeError::Listen { address: config.listen, source })?;
        if let Ok(address) = listener.local_addr() {
            config.listen = address;
        }
        let folder = DataFolder::open(&config.data)?;
        let key = MasterKey::load_or_create(&config.key_file)?;
        let path = folder.log().display().to_string();
        let store = |source| ServeError::Store { path: path.clone(), source };
        let log = Sqlite::open(&folder.log(), &key).map_err(store)?;
        let writer = Writer::start(log).map_err(store)?;
        let blobs = folder.blobs().map_err(|source| ServeError::Blobs {
            path: folder.root().display().to_string(),
            source,
        })?;
        let (machine, thread) = Machine::start(writer.handle())?;
        link_program(&config, &folder)?;
        folder.announce(&format!("http://{}", config.listen))?;
        let core = Core::new(config, folder, machine, writer.handle(), blobs, key);
        let (stop, stopping) = tokio::sync::watch::channel(false);
        let serving = tokio::spawn(serve(core.clone(), listener, stopping));
        let conducting = tokio::spawn(Conductor::new(&core).run());
        let retaining = tokio::spawn(retention::run(core.clone()));
        Ok(Self { core, serving, conducting, retaining, machine: thread, writer, stop })
    }

    /// What this server shares.
    #[must_use]
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// Stops the server and what it delivered: replicas and gateway. Running jobs are left to their
    /// shims; the next server finds them.
    pub async fn stop(self) {
        self.conducting.abort();
        self.retaining.abort();
        self.stop.send_replace(true);
        let mut serving = self.serving;
        if tokio::time::timeout(STOP_PATIENCE, &mut serving).await.is_err() {
            serving.abort();
        }
        replicas::stop_all(&self.core).await;
        traffic::stop(&self.core).await;
        self.core.stop_machine();
        let machine = self.machine;
        // The thread only ends; joining it here would block the runtime for a moment otherwise.
        let joined = tokio::task::spawn_blocking(move || machine.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the machine's thread had panicked");
        }
        self.writer.stop();
    }
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
    std::os::unix::fs::symlink(&config.program, &fresh).map_err(make)?;
    std::fs::rename(&fresh, &link).map_err(make)
}

async fn serve(
    core: Core,
    listener: TcpListener,
    mut stopping: tokio::sync::watch::Receiver<bool>,
) {
    let door: Arc<dyn Door> = Arc::new(core.clone());
    let router = api::router(core.clone())
        .merge(repositories::router(&core, &door))
        .layer(middleware::from_fn_with_state(core.clone(), console::guard_programs))
        .merge(console::router(core.clone()));
    let stopped = async move {
        // An error means that the server was dropped, which is an end too.
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
        tracing::error!("the server ended: {error}");
    }
}
