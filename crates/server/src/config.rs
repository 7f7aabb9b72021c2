//! What the server must be told; it reads neither environment nor command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use qnt9_runner::postgres::Postgres;

/// Where the log of facts lies.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum LogPlace {
    /// In the data folder, for one server.
    #[default]
    Folder,
    /// In a PostgreSQL database, which several servers may share. Blobs stay in the data folder.
    Database {
        /// Its address, with the password.
        url: String,
        /// This server's name among those that share the log.
        server: String,
    },
}

/// Without the password.
impl std::fmt::Debug for LogPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder => f.write_str("Folder"),
            Self::Database { server, .. } => write!(f, "Database {{ server: {server} }}"),
        }
    }
}

/// Everything the server needs.
#[derive(Clone)]
pub struct Config {
    /// The data folder.
    pub data: PathBuf,
    /// Where the log of facts lies.
    pub log: LogPlace,
    /// How many of a stream's newest entries stay outside the archive; `None` archives nothing.
    pub keep_live: Option<u64>,
    /// The master key's file, outside the data folder.
    pub key_file: PathBuf,
    /// Where to listen; loopback unless told otherwise.
    pub listen: SocketAddr,
    /// The first port tried for environments' addresses.
    pub first_environment_port: u16,
    /// This program, for shims and the gateway.
    pub program: PathBuf,
    /// Jobs that run at once.
    pub slots: usize,
    /// Variables that jobs inherit: `PATH`, `HOME` and their like.
    pub job_environment: Vec<(String, String)>,
    /// The PostgreSQL for environments' databases, started in the background.
    pub postgres: Option<Arc<Postgres>>,
    /// Whether clones and fetches need no token.
    pub public_read: bool,
}
