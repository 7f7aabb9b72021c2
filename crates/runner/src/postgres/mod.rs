//! The PostgreSQL for environments' databases: one of ours in a folder of ours, or one that runs
//! elsewhere. Ours listens on the loopback interface only, asks for a password, and goes on when the
//! program that started it ends.

mod cluster;
mod databases;
mod identity;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::tools::PostgresBinaries;
use cluster::Cluster;

/// A PostgreSQL server and the way into it.
pub struct Postgres {
    place: Place,
}

enum Place {
    Ours(Cluster),
    Elsewhere { url: String },
}

#[derive(Debug, Error)]
pub enum PostgresError {
    #[error("cannot use PostgreSQL's folder {dir}: {source}")]
    Folder { dir: PathBuf, source: io::Error },
    #[error("PostgreSQL refuses to run as root, and there is no way to be somebody else: {why}")]
    Root { why: String },
    #[error("{program} failed: {said}")]
    Program { program: &'static str, said: String },
    #[error("PostgreSQL has not been started in {dir}")]
    NotStarted { dir: PathBuf },
    #[error("cannot connect to PostgreSQL at {place}: {source}")]
    Connect { place: String, source: tokio_postgres::Error },
    #[error("PostgreSQL refused: {command}: {source}")]
    Refused { command: String, source: tokio_postgres::Error },
    #[error("`{name}` cannot be the name of a database: {why}")]
    Name { name: String, why: &'static str },
    #[error("DATABASE_URL is not understood: {why}")]
    Url { why: String },
}

/// Whether a server was found running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    Now,
    Already,
}

impl Postgres {
    /// A server of ours in `dir`, for whose superuser `password` is set when the folder is made. The
    /// same password must be given ever after.
    #[must_use]
    pub fn ours(binaries: PostgresBinaries, dir: &Path, password: &str) -> Self {
        Self { place: Place::Ours(Cluster::new(binaries, dir, password)) }
    }

    /// A server that somebody else runs, by its `DATABASE_URL`, whose user may create databases.
    pub fn elsewhere(url: &str) -> Result<Self, PostgresError> {
        databases::check_url(url)?;
        Ok(Self { place: Place::Elsewhere { url: url.to_owned() } })
    }

    /// Sees that the server runs and answers. Ours is made on the first start.
    pub async fn start(&self) -> Result<Started, PostgresError> {
        match &self.place {
            Place::Ours(cluster) => cluster.start().await,
            Place::Elsewhere { url } => {
                databases::check_answers(url).await?;
                Ok(Started::Already)
            }
        }
    }

    /// Stops ours, cutting off who is connected; one that does not run is fine. One elsewhere is left
    /// alone.
    pub async fn stop(&self) -> Result<(), PostgresError> {
        match &self.place {
            Place::Ours(cluster) => cluster.stop().await,
            Place::Elsewhere { .. } => Ok(()),
        }
    }

    /// The address of a database, with the password.
    pub fn url(&self, database: &str) -> Result<String, PostgresError> {
        databases::check_name(database)?;
        match &self.place {
            Place::Ours(cluster) => cluster.url(database),
            Place::Elsewhere { url } => Ok(databases::with_database(url, database)),
        }
    }

    /// Makes a database unless it exists, and returns its address.
    pub async fn ensure_database(&self, name: &str) -> Result<String, PostgresError> {
        let url = self.url(name)?;
        databases::ensure(&self.maintenance_url()?, name).await?;
        Ok(url)
    }

    /// Drops a database, cutting off who is connected to it; one that does not exist is fine.
    pub async fn drop_database(&self, name: &str) -> Result<(), PostgresError> {
        databases::check_name(name)?;
        databases::remove(&self.maintenance_url()?, name).await
    }

    /// Whether databases can have an extension, such as `pg_trgm`.
    pub async fn has_extension(&self, name: &str) -> Result<bool, PostgresError> {
        databases::has_extension(&self.maintenance_url()?, name).await
    }

    /// The server's version as it tells it itself.
    pub async fn version(&self) -> Result<String, PostgresError> {
        databases::version(&self.maintenance_url()?).await
    }

    fn maintenance_url(&self) -> Result<String, PostgresError> {
        match &self.place {
            Place::Ours(cluster) => cluster.url("postgres"),
            Place::Elsewhere { url } => Ok(url.clone()),
        }
    }
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.place {
            Place::Ours(cluster) => {
                formatter.debug_struct("Postgres").field("dir", &cluster.dir()).finish()
            }
            Place::Elsewhere { .. } => formatter.write_str("Postgres { elsewhere }"),
        }
    }
}
