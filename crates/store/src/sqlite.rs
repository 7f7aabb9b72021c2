//! A log in one SQLite file, in write-ahead mode and synced before each transaction returns.

mod failure;
mod schema;

use self::failure::explain;
use crate::error::{Place, StoreError};
use crate::key::MasterKey;
use crate::sealing::Keys;
use crate::sql::{Driver, Row, SqlLog, Unreadable, Value, queries};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, ToSql, params_from_iter};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a statement waits for another holder of the file.
const BUSY_WAIT_SECONDS: u64 = 5;
/// The write-ahead log is cut back to this size once it is in the file.
const WAL_BYTES_KEPT: i64 = 16 * 1024 * 1024;

/// A log in one SQLite file.
pub type Sqlite = SqlLog<File>;

/// The file, opened.
#[derive(Debug)]
pub struct File {
    pub(crate) connection: Connection,
    path: PathBuf,
}

impl Sqlite {
    /// Opens the log, or makes it where there is none. The folder must exist.
    pub fn open(path: &Path, key: &MasterKey) -> Result<Self, StoreError> {
        let keys = Keys::new(key);
        Ok(Self { driver: File::open(path, &keys)?, keys })
    }

    /// Opens an existing log for reading only, even while a server writes it.
    pub fn open_reader(path: &Path, key: &MasterKey) -> Result<Self, StoreError> {
        if !path.exists() {
            return Err(StoreError::Missing { place: Place::File(path.to_owned()) });
        }
        let keys = Keys::new(key);
        Ok(Self { driver: File::connect_reader(path, &keys)?, keys })
    }
}

impl File {
    fn open(path: &Path, keys: &Keys) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let mut file = Self::connect(path, flags)?;
        let mode = file.set_up().map_err(|error| file.explain(error))?;
        if mode != "wal" {
            return Err(StoreError::NoWriteAheadLog { path: path.to_owned(), mode });
        }
        let done = file.check_schema()?;
        if done < schema::LAST_STEP {
            schema::advance(&mut file.connection, done).map_err(|error| explain(path, error))?;
        }
        file.check_key(keys)?;
        Ok(file)
    }

    fn connect_reader(path: &Path, keys: &Keys) -> Result<Self, StoreError> {
        let file = Self::connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let found = file.check_schema()?;
        if found < schema::LAST_STEP {
            return Err(StoreError::OlderSchema { place: file.place(), found });
        }
        file.check_key(keys)?;
        Ok(file)
    }

    fn connect(path: &Path, flags: OpenFlags) -> Result<Self, StoreError> {
        // One connection belongs to one owner, so SQLite's own lock around it is not needed.
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)
            .and_then(|connection| {
                connection.busy_timeout(Duration::from_secs(BUSY_WAIT_SECONDS))?;
                connection.set_prepared_statement_cache_capacity(64);
                Ok(connection)
            })
            .map_err(|error| explain(path, error))?;
        Ok(Self { connection, path: path.to_owned() })
    }

    /// Makes appends durable and erasures real; answers the journal mode that the file got.
    fn set_up(&self) -> rusqlite::Result<String> {
        let mode = self.connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        // What is erased is overwritten with zeros.
        self.connection.pragma_update(None, "secure_delete", "ON")?;
        let limit = format!("PRAGMA journal_size_limit = {WAL_BYTES_KEPT}");
        self.connection.query_row(&limit, [], |_| Ok(()))?;
        Ok(mode)
    }

    /// The schema step of the file, unless it is newer than this program.
    fn check_schema(&self) -> Result<i64, StoreError> {
        let found = schema::step(&self.connection).map_err(|error| self.explain(error))?;
        if found > schema::LAST_STEP {
            let known = schema::LAST_STEP;
            return Err(StoreError::NewerSchema { place: self.place(), found, known });
        }
        Ok(found)
    }

    /// A log belongs to the key it was made with; noticing another key here is better than
    /// refusing one text after the other later.
    fn check_key(&self, keys: &Keys) -> Result<(), StoreError> {
        let sealed_with = self
            .connection
            .query_row(queries::KEY_FINGERPRINT, [], |row| row.get::<_, String>(0))
            .optional()
            .map_err(|error| self.explain(error))?;
        match sealed_with {
            Some(sealed_with) => keys.check(&sealed_with, self.place()),
            None => self.execute(queries::PUT_KEY_FINGERPRINT, &[Value::Text(&keys.fingerprint)]),
        }
    }

    fn explain(&self, error: rusqlite::Error) -> StoreError {
        explain(&self.path, error)
    }
}

impl Driver for File {
    const NOW: &'static str = "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)";

    fn place(&self) -> Place {
        Place::File(self.path.clone())
    }

    fn execute_each(&self, sql: &'static str, sets: &[Vec<Value<'_>>]) -> Result<(), StoreError> {
        let execute = || -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare_cached(sql)?;
            for set in sets {
                statement.execute(params_from_iter(set))?;
            }
            Ok(())
        };
        execute().map_err(|error| self.explain(error))
    }

    fn rows_each<T>(
        &self,
        sql: &'static str,
        sets: &[Vec<Value<'_>>],
        mut read: impl FnMut(&dyn Row) -> Result<T, Unreadable>,
    ) -> Result<Vec<T>, StoreError> {
        let mut collect = || -> rusqlite::Result<Result<Vec<T>, Unreadable>> {
            let mut statement = self.connection.prepare_cached(sql)?;
            let mut found = Vec::new();
            for set in sets {
                let mut rows = statement.query(params_from_iter(set))?;
                while let Some(row) = rows.next()? {
                    match read(row) {
                        Ok(read) => found.push(read),
                        Err(unreadable) => return Ok(Err(unreadable)),
                    }
                }
            }
            Ok(Ok(found))
        };
        match collect() {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(Unreadable(what))) => {
                Err(StoreError::Corrupt { place: self.place(), what, source: None })
            }
            Err(error) => Err(self.explain(error)),
        }
    }

    fn begin(&self) -> Result<(), StoreError> {
        // A rollback that failed with the disk is made up for before anything else is written.
        if !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK").map_err(|error| self.explain(error))?;
        }
        self.execute("BEGIN IMMEDIATE", &[])
    }

    fn commit(&self) -> Result<(), StoreError> {
        self.execute("COMMIT", &[]).inspect_err(|_| self.roll_back())
    }

    /// A failure is made up for at the next beginning.
    fn roll_back(&self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::debug!(%error, "a transaction is undone later");
        }
    }

    /// A transaction that writes has the file for itself.
    fn lock(&self, _streams: &[&str]) -> Result<(), StoreError> {
        Ok(())
    }

    /// Moves the write-ahead log into the file and empties it, so that no old page remains there.
    fn purge(&self) -> Result<(), StoreError> {
        let busy: i64 = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
            .map_err(|error| self.explain(error))?;
        match busy {
            0 => Ok(()),
            _ => Err(StoreError::EraseUnfinished { place: self.place() }),
        }
    }

    fn writer(&self, keys: &Keys) -> Result<Self, StoreError> {
        Self::open(&self.path, keys)
    }

    fn reader(&self, keys: &Keys) -> Result<Self, StoreError> {
        Self::connect_reader(&self.path, keys)
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Integer(integer) => ValueRef::Integer(*integer),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl Row for rusqlite::Row<'_> {
    fn integer(&self, column: usize) -> Result<i64, Unreadable> {
        self.get(column).map_err(unreadable)
    }

    fn text(&self, column: usize) -> Result<String, Unreadable> {
        self.get(column).map_err(unreadable)
    }

    fn bytes(&self, column: usize) -> Result<Option<Vec<u8>>, Unreadable> {
        self.get(column).map_err(unreadable)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn unreadable(error: rusqlite::Error) -> Unreadable {
    Unreadable(error.to_string())
}

#[cfg(test)]
mod tests;
