//! Bringing the database to this release, and telling it that this release is in use.

use std::{fmt, time::Duration};

use schema::{Migrated, Release, STEPS, Trigram};
use tokio::time::sleep;
use tokio_postgres::Client;

use crate::{
    config::Config,
    database::{self, DatabaseError},
    log,
};

const RETRY: Duration = Duration::from_secs(1);

/// A database whose tables are those of this release.
pub struct Prepared {
    pub client: Client,
    pub migrated: Migrated,
    pub trigram: Trigram,
}

/// Takes the steps the database lacks. Only a release that serves is entered as one in use: see
/// [`keep_prepared`].
pub async fn prepare(
    config: &Config,
    service: &str,
    statements: &[&str],
) -> Result<Prepared, PrepareError> {
    let mut client = database::connect(&config.database).await.map_err(DatabaseError::Postgres)?;
    let name = config.release_name();
    let release = Release { service, name: &name, statements };
    let migrated = schema::migrate(&mut client, STEPS, &release).await?;
    let trigram = schema::trigram(&client).await?;
    Ok(Prepared { client, migrated, trigram })
}

/// Prepares until it works, then does `first`; from then on says every minute that the release is in use,
/// and takes steps that had to wait. A database that starts later than the service is nothing unusual.
pub async fn keep_prepared(
    config: Config,
    service: &'static str,
    statements: &'static [&'static str],
    first: impl AsyncFn(&mut Prepared) -> Result<String, PrepareError>,
) {
    let name = config.release_name();
    let (mut done, mut waiting) = (false, None);
    loop {
        let outcome = async {
            let mut prepared = prepare(&config, service, statements).await?;
            let release = Release { service, name: &name, statements };
            schema::enter(&prepared.client, &release).await?;
            if !done {
                log::info(&format!("the database is ready: {}", first(&mut prepared).await?));
                done = true;
            }
            Ok::<_, PrepareError>(prepared.migrated)
        };
        let pause = match outcome.await {
            Ok(Migrated { taken, postponed }) => {
                for step in taken {
                    log::info(&format!("took step {step}"));
                }
                if let Some(step) = postponed.as_ref().filter(|_| postponed != waiting) {
                    log::info(&format!("step {} waits: {}", step.step, step.because));
                }
                waiting = postponed;
                schema::SEEN_EVERY
            }
            Err(error) => {
                log::warn(&error.to_string());
                RETRY
            }
        };
        sleep(pause).await;
    }
}

/// Why a database could not be prepared.
#[derive(Debug)]
pub enum PrepareError {
    Database(DatabaseError),
    Migration(schema::MigrateError),
    /// What the release brings along, or what was to be made, is not as it should be.
    Data(String),
}

impl fmt::Display for PrepareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(error) => write!(f, "the database could not be prepared: {error}"),
            Self::Migration(error) => write!(f, "the database could not be prepared: {error}"),
            Self::Data(error) => f.write_str(error),
        }
    }
}

impl From<DatabaseError> for PrepareError {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

impl From<tokio_postgres::Error> for PrepareError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error.into())
    }
}

impl From<schema::MigrateError> for PrepareError {
    fn from(error: schema::MigrateError) -> Self {
        Self::Migration(error)
    }
}
