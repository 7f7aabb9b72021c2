//! The PostgreSQL for environments' databases: one of ours in a folder of ours, or one that runs
//! elsewhere. Ours listens on the loopback interface only, asks for a password, and goes on when the
//! program that started it ends.

mod cluster;
mod databases;
mod dump;
mod identity;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::tools::PostgresBinaries;
pub use dump::DumpTools;

use cluster::Cluster;

/// A PostgreSQL server and the way into it.
pub struct Postgres {
    place: Place,
}

enum Place {
    Ours(Cluster),
    Elsewhere { url: String },
}

/// Why PostgreSQL could not be used.
#[derive(Debug, Error)]
pub enum PostgresError {
    /// Its folder cannot be used.
    #[error("cannot use PostgreSQL's folder {dir}")]
    Folder {
        /// The folder.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Neither a user namespace nor another user is to be had.
    #[error("PostgreSQL refuses to run as root, and there is no way to be somebody else: {why}")]
    Root {
        /// What was tried, and what to do.
        why: String,
    },
    /// One of its programs failed.
    #[error("{program} failed: {said}")]
    Program {
        /// Which.
        program: &'static str,
        /// What it said, and the end of the server's log.
        said: String,
    },
    /// It has no port yet.
    #[error("PostgreSQL has not been started in {dir}")]
    NotStarted {
        /// Its folder.
        dir: PathBuf,
    },
    /// It does not answer, or not to us.
    #[error("cannot connect to PostgreSQL at {place}")]
    Connect {
        /// Host, port and database.
        place: String,
        /// Why.
        source: tokio_postgres::Error,
    },
    /// It answers with an error.
    #[error("PostgreSQL refused: {command}")]
    Refused {
        /// What was asked.
        command: String,
        /// Its answer.
        source: tokio_postgres::Error,
    },
    /// A name that would be cut off or misread.
    #[error("`{name}` cannot be the name of a database: {why}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// An address that is none.
    #[error("DATABASE_URL is not understood: {why}")]
    Url {
        /// What is wrong with it.
        why: String,
    },
}

/// Whether a server was found running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// It was not, and runs now.
    Now,
    /// It was.
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
