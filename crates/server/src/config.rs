//! What the server must be told; it reads neither environment nor command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use qnt9_runner::postgres::Postgres;

/// Everything the server needs.
#[derive(Clone)]
pub struct Config {
    /// The data folder.
    pub data: PathBuf,
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
