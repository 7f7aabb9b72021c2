//! A database beside another one on the same server, which takes its place in one switch or goes.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio_postgres::Client;

use crate::connection::{Place, literal, quoted};
use crate::error::{DatabaseError, refused};

/// How long those who are connected may hold up the switch.
const SWITCH_TRIES_MAX: u32 = 6;
/// How often they are cut off meanwhile.
const CUT_PULSE: Duration = Duration::from_millis(50);

/// A scratch database. While it is held, nobody else makes one for the same database.
pub(crate) struct Scratch {
    /// Holds the lock that keeps others away.
    maintenance: Client,
    place: Place,
    beside: Place,
}

impl Scratch {
    /// Makes an empty one beside a database, which need not exist. What an earlier one left is removed.
    pub(crate) async fn make(beside: &Place, purpose: &str) -> Result<Self, DatabaseError> {
        let digest = hex::encode(&Sha256::digest(beside.name())[..8]);
        let place = beside.sibling(&format!("qnt9_scratch_{purpose}_{digest}"));
        let maintenance = beside.maintenance().connect().await?;
        let lock = "SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended($1, 9))";
        let locked = maintenance.query_one(lock, &[&place.name()]).await;
        if !locked.map_err(refused("locking"))?.get::<_, bool>(0) {
            return Err(DatabaseError::Busy { place: beside.shown() });
        }
        let scratch = Self { maintenance, place, beside: beside.clone() };
        scratch.remove_leftovers().await?;
        let like = scratch.settings_of_neighbour().await?;
        let create = format!("CREATE DATABASE {} TEMPLATE template0{like}", quoted(scratch.name()));
        scratch.run(&create).await?;
        Ok(scratch)
    }

    pub(crate) const fn place(&self) -> &Place {
        &self.place
    }

    /// Removes it, cutting off who is connected.
    pub(crate) async fn remove(self) -> Result<(), DatabaseError> {
        self.remove_leftovers().await
    }

    /// Puts it in the place of the database beside it, which goes. Both names change in one transaction:
    /// whoever connects finds the old one or the new one. Who is connected is cut off.
    pub(crate) async fn take_place(&self) -> Result<(), DatabaseError> {
        let (ours, theirs, old) =
            (quoted(self.name()), quoted(self.beside.name()), self.old_name());
        let rename = match self.neighbour_exists().await? {
            true => format!(
                "ALTER DATABASE {theirs} RENAME TO {}; ALTER DATABASE {ours} RENAME TO {theirs}",
                quoted(&old)
            ),
            false => format!("ALTER DATABASE {ours} RENAME TO {theirs}"),
        };
        let cutter = self.beside.maintenance().connect().await?;
        let mut tries = 0;
        loop {
            // The rename waits a few seconds until nobody is connected, and lets nobody in meanwhile.
            let renamed = tokio::select! {
                renamed = self.maintenance.batch_execute(&rename) => renamed,
                error = self.keep_cutting(&cutter) => return Err(error),
            };
            tries += 1;
            match renamed {
                Ok(()) => break,
                Err(_) if tries < SWITCH_TRIES_MAX => tokio::time::sleep(CUT_PULSE).await,
                Err(source) => {
                    let doing = format!("putting the copy in the place of {}", self.beside.shown());
                    return Err(DatabaseError::Refused { doing, source });
                }
            }
        }
        self.run(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(&old))).await
    }

    async fn keep_cutting(&self, cutter: &Client) -> DatabaseError {
        let cut = "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
                   WHERE datname IN ($1, $2) AND pid <> pg_catalog.pg_backend_pid()";
        loop {
            let names = [self.name(), self.beside.name()];
            if let Err(source) = cutter.query(cut, &[&names[0], &names[1]]).await {
                return DatabaseError::Refused { doing: "cutting connections off".into(), source };
            }
            tokio::time::sleep(CUT_PULSE).await;
        }
    }

    /// Owner, encoding and locale of the database beside it, if there is one.
    async fn settings_of_neighbour(&self) -> Result<String, DatabaseError> {
        let query =
            "SELECT pg_catalog.pg_get_userbyid(datdba)::text, datcollate::text, datctype::text,
                            pg_catalog.pg_encoding_to_char(encoding)::text
                     FROM pg_catalog.pg_database WHERE datname = $1";
        let row = self.maintenance.query_opt(query, &[&self.beside.name()]).await;
        let Some(row) = row.map_err(refused("looking for the database"))? else {
            return Ok(" ENCODING 'UTF8'".to_owned());
        };
        let text = |place| literal(row.get::<_, &str>(place));
        Ok(format!(
            " OWNER {} LC_COLLATE {} LC_CTYPE {} ENCODING {}",
            quoted(row.get(0)),
            text(1),
            text(2),
            text(3)
        ))
    }

    async fn neighbour_exists(&self) -> Result<bool, DatabaseError> {
        let query = "SELECT 1 FROM pg_catalog.pg_database WHERE datname = $1";
        let row = self.maintenance.query_opt(query, &[&self.beside.name()]).await;
        Ok(row.map_err(refused("looking for the database"))?.is_some())
    }

    async fn remove_leftovers(&self) -> Result<(), DatabaseError> {
        for name in [self.name().to_owned(), self.old_name()] {
            self.run(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(&name))).await?;
        }
        Ok(())
    }

    async fn run(&self, statement: &str) -> Result<(), DatabaseError> {
        self.maintenance.batch_execute(statement).await.map_err(refused(statement))
    }

    fn name(&self) -> &str {
        self.place.name()
    }

    fn old_name(&self) -> String {
        format!("{}_old", self.name())
    }
}
