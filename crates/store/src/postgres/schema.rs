//! The tables of PostgreSQL, as numbered steps that are never edited once released. Names are
//! compared byte by byte, as SQLite does.

use super::Database;
use crate::error::StoreError;
use crate::sql::{Driver as _, Value};

/// Step `n` is `STEPS[n - 1]`. The table `schema_steps` has a row for each step done.
const STEPS: &[&str] = &[r#"
    CREATE TABLE heads (
        stream   TEXT COLLATE "C" NOT NULL PRIMARY KEY,
        sequence BIGINT NOT NULL,
        digest   BYTEA  NOT NULL,
        seal     BYTEA  NOT NULL
    );

    CREATE TABLE entries (
        stream   TEXT COLLATE "C" NOT NULL,
        sequence BIGINT NOT NULL,
        line     BYTEA  NOT NULL,
        seal     BYTEA  NOT NULL,
        PRIMARY KEY (stream, sequence)
    );

    -- `sealed` is NULL once the text is erased.
    CREATE TABLE texts (
        stream   TEXT COLLATE "C" NOT NULL,
        sequence BIGINT NOT NULL,
        digest   BYTEA  NOT NULL,
        sealed   BYTEA,
        PRIMARY KEY (stream, sequence, digest)
    );
    CREATE INDEX texts_by_digest ON texts (stream, digest);

    CREATE TABLE snapshots (
        stream        TEXT COLLATE "C" NOT NULL PRIMARY KEY,
        sequence      BIGINT NOT NULL,
        digest        BYTEA  NOT NULL,
        state_version BIGINT NOT NULL,
        generation    BIGINT NOT NULL,
        chunks        BIGINT NOT NULL
    );
    -- What is encrypted does not get smaller by compressing it.
    CREATE TABLE snapshot_chunks (
        stream     TEXT COLLATE "C" NOT NULL,
        generation BIGINT NOT NULL,
        chunk      BIGINT NOT NULL,
        sealed     BYTEA  NOT NULL,
        PRIMARY KEY (stream, generation, chunk)
    );
    ALTER TABLE snapshot_chunks ALTER COLUMN sealed SET STORAGE EXTERNAL;

    CREATE TABLE segments (
        stream         TEXT COLLATE "C" NOT NULL,
        first_sequence BIGINT NOT NULL,
        last_sequence  BIGINT NOT NULL,
        previous       BYTEA  NOT NULL,
        digest         BYTEA  NOT NULL,
        content        BYTEA  NOT NULL,
        seal           BYTEA  NOT NULL,
        PRIMARY KEY (stream, last_sequence)
    );
    ALTER TABLE segments ALTER COLUMN content SET STORAGE EXTERNAL;

    CREATE TABLE leases (
        stream  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
        fence   BIGINT NOT NULL,
        holder  TEXT   NOT NULL,
        address TEXT   NOT NULL,
        until   BIGINT NOT NULL
    );

    CREATE TABLE master_key (fingerprint TEXT NOT NULL);
"#];

const LAST_STEP: i64 = STEPS.len() as i64;

const EXISTS: &str = "SELECT count(*) FROM pg_catalog.pg_tables
    WHERE schemaname = 'qnt9' AND tablename = 'schema_steps'";
const DONE: &str = "SELECT count(*) FROM schema_steps";
const FIRST: &str = "
    CREATE SCHEMA IF NOT EXISTS qnt9;
    CREATE TABLE schema_steps (step BIGINT NOT NULL PRIMARY KEY)";
const NOTE: &str = "INSERT INTO schema_steps (step) VALUES ($1)";

/// Does the missing steps, all of them or none.
pub(super) fn advance(database: &Database) -> Result<(), StoreError> {
    if step(database)? == LAST_STEP {
        return Ok(());
    }
    database.transact(|database| {
        // Two servers may start at once.
        database.lock(&["schema"])?;
        let done = step(database)?;
        if done == 0 {
            database.batch(FIRST)?;
        }
        for (step, statements) in (1_i64..).zip(STEPS).skip(usize::try_from(done).unwrap_or(0)) {
            database.batch(statements)?;
            database.execute(NOTE, &[Value::Integer(step)])?;
        }
        Ok(())
    })
}

/// Refuses a database whose log this program does not know how to read.
pub(super) fn check(database: &Database) -> Result<(), StoreError> {
    match step(database)? {
        LAST_STEP => Ok(()),
        0 => Err(StoreError::Missing { place: database.place() }),
        found => Err(StoreError::OlderSchema { place: database.place(), found }),
    }
}

/// The last step that was done; 0 where there is no log.
fn step(database: &Database) -> Result<i64, StoreError> {
    if database.row(EXISTS, &[], |row| row.integer(0))? != Some(1) {
        return Ok(0);
    }
    let found = database.row(DONE, &[], |row| row.integer(0))?.unwrap_or(0);
    if found > LAST_STEP {
        let place = database.place();
        return Err(StoreError::NewerSchema { place, found, known: LAST_STEP });
    }
    Ok(found)
}
