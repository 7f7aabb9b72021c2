//! The tables of SQLite, as numbered steps that are never edited once released.

use rusqlite::{Connection, TransactionBehavior};

/// Step `n` is `STEPS[n - 1]`. `PRAGMA user_version` holds the number of the last step done.
pub(crate) const STEPS: &[&str] = &[
    "
    CREATE TABLE heads (
        stream   TEXT    NOT NULL PRIMARY KEY,
        sequence INTEGER NOT NULL,
        digest   BLOB    NOT NULL,
        seal     BLOB    NOT NULL
    ) STRICT;

    CREATE TABLE entries (
        stream   TEXT    NOT NULL,
        sequence INTEGER NOT NULL,
        line     BLOB    NOT NULL,
        seal     BLOB    NOT NULL,
        PRIMARY KEY (stream, sequence)
    ) STRICT;

    -- `sealed` is NULL once the text is erased.
    CREATE TABLE texts (
        stream   TEXT    NOT NULL,
        sequence INTEGER NOT NULL,
        digest   BLOB    NOT NULL,
        sealed   BLOB,
        PRIMARY KEY (stream, sequence, digest)
    ) STRICT;
    CREATE INDEX texts_by_digest ON texts (stream, digest);

    CREATE TABLE snapshots (
        stream   TEXT    NOT NULL PRIMARY KEY,
        sequence INTEGER NOT NULL,
        sealed   BLOB    NOT NULL
    ) STRICT;

    CREATE TABLE master_key (fingerprint TEXT NOT NULL) STRICT;
",
    "
    -- Snapshots can be made again at any time.
    DROP TABLE snapshots;
    CREATE TABLE snapshots (
        stream        TEXT    NOT NULL PRIMARY KEY,
        sequence      INTEGER NOT NULL,
        digest        BLOB    NOT NULL,
        state_version INTEGER NOT NULL,
        generation    INTEGER NOT NULL,
        chunks        INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE snapshot_chunks (
        stream     TEXT    NOT NULL,
        generation INTEGER NOT NULL,
        chunk      INTEGER NOT NULL,
        sealed     BLOB    NOT NULL,
        PRIMARY KEY (stream, generation, chunk)
    ) STRICT;

    CREATE TABLE segments (
        stream         TEXT    NOT NULL,
        first_sequence INTEGER NOT NULL,
        last_sequence  INTEGER NOT NULL,
        previous       BLOB    NOT NULL,
        digest         BLOB    NOT NULL,
        content        BLOB    NOT NULL,
        seal           BLOB    NOT NULL,
        PRIMARY KEY (stream, last_sequence)
    ) STRICT;

    CREATE TABLE leases (
        stream  TEXT    NOT NULL PRIMARY KEY,
        fence   INTEGER NOT NULL,
        holder  TEXT    NOT NULL,
        address TEXT    NOT NULL,
        until   INTEGER NOT NULL
    ) STRICT;
",
];

/// The last step this program knows.
pub(crate) const LAST_STEP: i64 = STEPS.len() as i64;

/// The last step that was done to this file; 0 for an empty one.
pub(crate) fn step(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Does the steps after `done`, all of them or none.
pub(crate) fn advance(connection: &mut Connection, done: i64) -> rusqlite::Result<()> {
    let missing = STEPS.iter().skip(usize::try_from(done).unwrap_or(0));
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for statements in missing {
        transaction.execute_batch(statements)?;
    }
    transaction.pragma_update(None, "user_version", LAST_STEP)?;
    transaction.commit()
}
