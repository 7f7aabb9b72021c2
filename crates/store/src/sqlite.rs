//! A log in one SQLite file, in write-ahead mode and synced before each transaction returns.

mod failure;
mod queries;
mod schema;
mod sealed;

use self::failure::{explain, unsealed};
use self::sealed::{frame, snapshot_aad, text_aad, unframe};
use crate::digest::Digest;
use crate::error::{Conflict, StoreError};
use crate::key::{MasterKey, SealKey, Unsealable};
use crate::log::{
    Erasure, Head, Log, LogRead, NewEntry, SealedHead, Seals, Snapshot, StoredEntry, StoredText,
    Text,
};
use rusqlite::{
    Connection, OpenFlags, OptionalExtension as _, Row, Transaction, TransactionBehavior, params,
};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a statement waits for another holder of the file.
const BUSY_WAIT_SECONDS: u64 = 5;

/// A log in one SQLite file.
#[derive(Debug)]
pub struct Sqlite {
    connection: Connection,
    path: PathBuf,
    keys: Keys,
}

#[derive(Debug, Clone)]
struct Keys {
    seals: Seals,
    texts: SealKey,
    snapshots: SealKey,
    fingerprint: String,
}

impl Sqlite {
    /// Opens the log, or makes it where there is none. The folder must exist.
    pub fn open(path: &Path, key: &MasterKey) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let mut log = Self::connect(path, Keys::new(key), flags)?;
        let mode = log.set_up().map_err(|error| log.explain(error))?;
        if mode != "wal" {
            return Err(StoreError::NoWriteAheadLog { path: path.to_owned(), mode });
        }
        let done = log.check_schema()?;
        if done < schema::LAST_STEP {
            schema::advance(&mut log.connection, done).map_err(|error| log.explain(error))?;
        }
        log.check_key()?;
        Ok(log)
    }

    /// Opens an existing log for reading only, even while a server writes it.
    pub fn open_reader(path: &Path, key: &MasterKey) -> Result<Self, StoreError> {
        if !path.exists() {
            return Err(StoreError::Missing { path: path.to_owned() });
        }
        Self::connect_reader(path, Keys::new(key))
    }

    fn connect_reader(path: &Path, keys: Keys) -> Result<Self, StoreError> {
        let log = Self::connect(path, keys, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let found = log.check_schema()?;
        if found < schema::LAST_STEP {
            return Err(log.corrupt(format!("it has schema step {found}")));
        }
        log.check_key()?;
        Ok(log)
    }

    fn connect(path: &Path, keys: Keys, flags: OpenFlags) -> Result<Self, StoreError> {
        // One connection belongs to one owner, so SQLite's own lock around it is not needed.
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)
            .and_then(|connection| {
                connection.busy_timeout(Duration::from_secs(BUSY_WAIT_SECONDS))?;
                Ok(connection)
            })
            .map_err(|error| explain(path, error))?;
        Ok(Self { connection, path: path.to_owned(), keys })
    }

    /// Makes appends durable and erasures real; answers the journal mode that the file got.
    fn set_up(&self) -> rusqlite::Result<String> {
        let mode = self.connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        // What is erased is overwritten with zeros.
        self.connection.pragma_update(None, "secure_delete", "ON")?;
        Ok(mode)
    }

    /// The schema step of the file, unless it is newer than this program.
    fn check_schema(&self) -> Result<i64, StoreError> {
        let found = schema::step(&self.connection).map_err(|error| self.explain(error))?;
        if found > schema::LAST_STEP {
            let known = schema::LAST_STEP;
            return Err(StoreError::NewerSchema { path: self.path.clone(), found, known });
        }
        Ok(found)
    }

    /// A log belongs to the key it was made with; noticing another key here is better than
    /// refusing one text after the other later.
    fn check_key(&self) -> Result<(), StoreError> {
        let given = &self.keys.fingerprint;
        let sealed_with = self
            .connection
            .query_row(queries::KEY_FINGERPRINT, [], |row| row.get::<_, String>(0))
            .optional()
            .map_err(|error| self.explain(error))?;
        match sealed_with {
            Some(sealed_with) if sealed_with == *given => Ok(()),
            Some(sealed_with) => {
                let given = given.clone();
                Err(StoreError::WrongKey { path: self.path.clone(), sealed_with, given })
            }
            None => {
                let put = self.connection.execute(queries::PUT_KEY_FINGERPRINT, [given]);
                put.map(|_| ()).map_err(|error| self.explain(error))
            }
        }
    }

    fn begin(&mut self) -> Result<Transaction<'_>, StoreError> {
        let path = &self.path;
        // A rollback that failed with the disk is made up for before anything else is written.
        if !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK").map_err(|error| explain(path, error))?;
        }
        self.connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|error| explain(path, error))
    }

    /// Moves the write-ahead log into the file and empties it, so that no old page remains there.
    fn empty_write_ahead_log(&self) -> Result<(), StoreError> {
        let busy: i64 = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
            .map_err(|error| self.explain(error))?;
        match busy {
            0 => Ok(()),
            _ => Err(StoreError::EraseUnfinished { path: self.path.clone() }),
        }
    }

    fn explain(&self, error: rusqlite::Error) -> StoreError {
        explain(&self.path, error)
    }

    fn corrupt(&self, what: String) -> StoreError {
        StoreError::Corrupt { path: self.path.clone(), what, source: None }
    }

    /// Runs a query and collects its rows.
    fn rows<T>(
        &self,
        query: &str,
        parameters: impl rusqlite::Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let collect = || -> rusqlite::Result<Vec<T>> {
            let mut statement = self.connection.prepare_cached(query)?;
            statement.query_map(parameters, read)?.collect()
        };
        collect().map_err(|error| self.explain(error))
    }

    fn open_text(
        &self,
        stream: &str,
        sequence: u64,
        digest: Digest,
        sealed: &[u8],
    ) -> Result<Text, StoreError> {
        let aad = text_aad(stream, sequence, &digest);
        let opened = self.keys.texts.open(&aad, sealed).ok();
        opened
            .and_then(|content| unframe(digest, &content))
            .ok_or_else(|| StoreError::TextChanged { stream: stream.to_owned(), sequence, digest })
    }
}

impl LogRead for Sqlite {
    fn sealed_head(&self, stream: &str) -> Result<Option<SealedHead>, StoreError> {
        sealed_head(&self.connection, stream).map_err(|error| self.explain(error))
    }

    fn streams(&self) -> Result<Vec<String>, StoreError> {
        self.rows(queries::STREAMS, [], |row| row.get(0))
    }

    fn read(&self, stream: &str, from: u64, limit: usize) -> Result<Vec<StoredEntry>, StoreError> {
        let Ok(from) = i64::try_from(from) else { return Ok(Vec::new()) };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.rows(queries::READ, params![stream, from, limit], |row| {
            let seal: Vec<u8> = row.get(2)?;
            Ok(StoredEntry {
                sequence: count(row, 0)?,
                line: row.get(1)?,
                // A seal that is no digest cannot fit any entry, and neither does zero.
                seal: Some(Digest::from_slice(&seal).unwrap_or(Digest::ZERO)),
            })
        })
    }

    fn texts(
        &self,
        stream: &str,
        sequences: RangeInclusive<u64>,
    ) -> Result<Vec<StoredText>, StoreError> {
        let Ok(first) = i64::try_from(*sequences.start()) else { return Ok(Vec::new()) };
        let last = i64::try_from(*sequences.end()).unwrap_or(i64::MAX);
        let rows = self.rows(queries::TEXTS, params![stream, first, last], |row| {
            Ok((count(row, 0)?, digest(row, 1)?, row.get::<_, Option<Vec<u8>>>(2)?))
        })?;
        let open = |(sequence, digest, sealed): (u64, Digest, Option<Vec<u8>>)| {
            let open = |sealed: Vec<u8>| self.open_text(stream, sequence, digest, &sealed);
            Ok(StoredText { sequence, digest, text: sealed.map(open).transpose()? })
        };
        rows.into_iter().map(open).collect()
    }

    fn snapshot(&self, stream: &str) -> Result<Option<Snapshot>, StoreError> {
        let rows = self.rows(queries::SNAPSHOT, [stream], |row| {
            Ok((count(row, 0)?, row.get::<_, Vec<u8>>(1)?))
        })?;
        let Some((sequence, sealed)) = rows.into_iter().next() else { return Ok(None) };
        let state = self.keys.snapshots.open(&snapshot_aad(stream, sequence), &sealed);
        match state {
            Ok(state) => Ok(Some(Snapshot { sequence, state })),
            Err(_) => Err(StoreError::SnapshotChanged { stream: stream.to_owned() }),
        }
    }
}

impl Log for Sqlite {
    fn append_group(
        &mut self,
        batches: &[&[NewEntry]],
    ) -> Result<Vec<Result<(), Conflict>>, StoreError> {
        let keys = self.keys.clone();
        let path = self.path.clone();
        let transaction = self.begin()?;
        let results =
            insert_group(&transaction, &keys, batches).map_err(|error| error.with_path(&path))?;
        transaction.commit().map_err(|error| explain(&path, error))?;
        Ok(results)
    }

    fn erase(&mut self, stream: &str, digest: &Digest) -> Result<Erasure, StoreError> {
        let path = self.path.clone();
        let transaction = self.begin()?;
        let erase = || {
            let named = params![stream, digest.as_bytes()];
            let (all, left): (i64, i64) = transaction
                .prepare_cached(queries::COUNT_TEXTS)?
                .query_row(named, |row| Ok((row.get(0)?, row.get(1)?)))?;
            if left > 0 {
                transaction.prepare_cached(queries::ERASE_TEXT)?.execute(named)?;
                transaction.prepare_cached(queries::DROP_SNAPSHOT)?.execute([stream])?;
            }
            Ok(match (all, left) {
                (0, _) => Erasure::Unknown,
                (_, 0) => Erasure::AlreadyErased,
                _ => Erasure::Erased,
            })
        };
        let erasure = erase().map_err(|error| explain(&path, error))?;
        transaction.commit().map_err(|error| explain(&path, error))?;
        if erasure != Erasure::Unknown {
            // Also when it was erased before: that erasure may have been left unfinished.
            self.empty_write_ahead_log()?;
        }
        Ok(erasure)
    }

    fn put_snapshot(
        &mut self,
        stream: &str,
        sequence: u64,
        state: &[u8],
    ) -> Result<(), StoreError> {
        let path = self.path.clone();
        let head = self.head(stream)?.sequence;
        if sequence == 0 || sequence > head {
            return Err(StoreError::SnapshotAhead { stream: stream.to_owned(), sequence, head });
        }
        let aad = snapshot_aad(stream, sequence);
        let sealed =
            self.keys.snapshots.seal(&aad, state).map_err(|error| unsealed(&path, error))?;
        let transaction = self.begin()?;
        let put = || {
            let parameters = params![stream, signed(sequence), sealed];
            transaction.prepare_cached(queries::PUT_SNAPSHOT)?.execute(parameters)
        };
        put().map_err(|error| explain(&path, error))?;
        transaction.commit().map_err(|error| explain(&path, error))
    }

    fn reader(&self) -> Result<Box<dyn LogRead>, StoreError> {
        Ok(Box::new(Self::connect_reader(&self.path, self.keys.clone())?))
    }
}

impl Keys {
    fn new(key: &MasterKey) -> Self {
        Self {
            seals: Seals::new(key),
            texts: key.seal_key("log text"),
            snapshots: key.seal_key("log snapshot"),
            fingerprint: key.fingerprint(),
        }
    }
}

/// What stops a group inside its transaction.
enum GroupError {
    Database(rusqlite::Error),
    Seal(Unsealable),
}

impl GroupError {
    fn with_path(self, path: &Path) -> StoreError {
        match self {
            Self::Database(error) => explain(path, error),
            Self::Seal(error) => unsealed(path, error),
        }
    }
}

impl From<rusqlite::Error> for GroupError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

/// Inserts the batches that continue their streams. Each batch is checked against the heads before
/// its first row is written, so a refused one leaves nothing to undo.
fn insert_group(
    transaction: &Transaction<'_>,
    keys: &Keys,
    batches: &[&[NewEntry]],
) -> Result<Vec<Result<(), Conflict>>, GroupError> {
    let mut heads = BTreeMap::new();
    for entry in batches.iter().copied().flatten() {
        if !heads.contains_key(entry.stream()) {
            let stored = sealed_head(transaction, entry.stream())?;
            heads.insert(entry.stream(), stored.map_or(Head::EMPTY, |sealed| sealed.head));
        }
    }
    let stored = heads.clone();
    let mut results = Vec::with_capacity(batches.len());
    for batch in batches {
        let mut after = heads.clone();
        let checked = batch.iter().try_for_each(|entry| {
            let head = after.get_mut(entry.stream()).expect("every stream's head was read above");
            entry.check_follows(*head)?;
            *head = entry.as_head();
            Ok(())
        });
        if checked.is_ok() {
            heads = after;
            insert(transaction, keys, batch)?;
        }
        results.push(checked);
    }
    for (stream, head) in heads.iter().filter(|(stream, head)| stored[*stream] != **head) {
        let sealed = keys.seals.head(stream, head);
        transaction.prepare_cached(queries::PUT_HEAD)?.execute(params![
            stream,
            signed(head.sequence),
            head.digest.as_bytes(),
            sealed.seal.as_bytes()
        ])?;
    }
    Ok(results)
}

fn insert(
    transaction: &Transaction<'_>,
    keys: &Keys,
    batch: &[NewEntry],
) -> Result<(), GroupError> {
    let mut append = transaction.prepare_cached(queries::APPEND)?;
    let mut append_text = transaction.prepare_cached(queries::APPEND_TEXT)?;
    for entry in batch {
        let (stream, sequence) = (entry.stream(), signed(entry.sequence()));
        let seal = keys.seals.entry(&entry.digest());
        append.execute(params![stream, sequence, entry.line(), seal.as_bytes()])?;
        for text in entry.texts() {
            let aad = text_aad(stream, entry.sequence(), &text.digest);
            let sealed = keys.texts.seal(&aad, &frame(text)).map_err(GroupError::Seal)?;
            append_text.execute(params![stream, sequence, text.digest.as_bytes(), sealed])?;
        }
    }
    Ok(())
}

fn sealed_head(connection: &Connection, stream: &str) -> rusqlite::Result<Option<SealedHead>> {
    connection
        .prepare_cached(queries::HEAD)?
        .query_row([stream], |row| {
            let head = Head { sequence: count(row, 0)?, digest: digest(row, 1)? };
            Ok(SealedHead { head, seal: digest(row, 2)? })
        })
        .optional()
}

fn signed(sequence: u64) -> i64 {
    i64::try_from(sequence).expect("an entry's sequence number was checked to fit")
}

fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

fn digest(row: &Row<'_>, column: usize) -> rusqlite::Result<Digest> {
    row.get(column).map(Digest::from_bytes)
}

#[cfg(test)]
mod tests;
