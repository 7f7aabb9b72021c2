//! A log in a database, written once for every database: only connecting, the schema and the
//! meaning of errors differ, and those are behind [`Driver`].

mod append;
mod archive;
mod leases;
pub(crate) mod queries;
mod reading;
mod snapshots;

#[cfg(test)]
pub(crate) use self::append::write_group;
use crate::digest::Digest;
use crate::error::{Conflict, Place, StoreError};
use crate::group::Batch;
use crate::lease::Leases;
use crate::log::{Erasure, Log, LogRead, NewSnapshot};
use crate::sealing::Keys;
use std::ops::RangeInclusive;

/// A log in a database.
#[derive(Debug)]
pub struct SqlLog<D> {
    pub(crate) driver: D,
    pub(crate) keys: Keys,
}

/// One connection to a database. One owner uses it at a time, so transactions do not interleave.
pub trait Driver: Send + Sized + 'static {
    /// Answers one row with the database's time in milliseconds since 1970.
    const NOW: &'static str;

    /// Where the log lies, as people are told.
    fn place(&self) -> Place;

    /// Runs a statement once for each set of parameters.
    fn execute_each(&self, sql: &'static str, sets: &[Vec<Value<'_>>]) -> Result<(), StoreError>;

    /// Runs several statements, each once for each of its sets, in any order.
    fn execute_all(&self, statements: &[Statement<'_>]) -> Result<(), StoreError> {
        statements.iter().try_for_each(|(sql, sets)| self.execute_each(sql, sets))
    }

    /// Runs a query once for each set of parameters, and reads all rows.
    fn rows_each<T>(
        &self,
        sql: &'static str,
        sets: &[Vec<Value<'_>>],
        read: impl FnMut(&dyn Row) -> Result<T, Unreadable>,
    ) -> Result<Vec<T>, StoreError>;

    /// Begins a transaction that may write.
    fn begin(&self) -> Result<(), StoreError>;

    /// Makes the transaction durable. [`StoreError::OutcomeUnknown`] when nobody can tell.
    fn commit(&self) -> Result<(), StoreError>;

    /// Undoes the transaction as far as the connection still stands.
    fn roll_back(&self);

    /// Keeps other writers away from these streams until the transaction ends.
    fn lock(&self, streams: &[&str]) -> Result<(), StoreError>;

    /// Removes what the database keeps of rows that were overwritten or deleted.
    fn purge(&self) -> Result<(), StoreError>;

    /// Another connection that may write.
    fn writer(&self, keys: &Keys) -> Result<Self, StoreError>;

    /// Another connection, for reading only.
    fn reader(&self, keys: &Keys) -> Result<Self, StoreError>;

    /// Runs a statement.
    fn execute(&self, sql: &'static str, parameters: &[Value<'_>]) -> Result<(), StoreError> {
        self.execute_each(sql, &[parameters.to_vec()])
    }

    /// Runs a query and reads all rows.
    fn rows<T>(
        &self,
        sql: &'static str,
        parameters: &[Value<'_>],
        read: impl FnMut(&dyn Row) -> Result<T, Unreadable>,
    ) -> Result<Vec<T>, StoreError> {
        self.rows_each(sql, &[parameters.to_vec()], read)
    }

    /// Runs a query and reads its first row.
    fn row<T>(
        &self,
        sql: &'static str,
        parameters: &[Value<'_>],
        read: impl FnMut(&dyn Row) -> Result<T, Unreadable>,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.rows(sql, parameters, read)?.into_iter().next())
    }

    /// Does all of `work` or nothing.
    fn transact<T>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.begin()?;
        match work(self) {
            Ok(done) => {
                self.commit()?;
                Ok(done)
            }
            Err(error) => {
                self.roll_back();
                Err(error)
            }
        }
    }
}

/// A statement and its sets of parameters.
pub(crate) type Statement<'a> = (&'static str, Vec<Vec<Value<'a>>>);

/// A parameter of a statement.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    /// A whole number.
    Integer(i64),
    /// Characters.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
}

/// A row of an answer; columns are counted from 0.
pub trait Row {
    /// The column as a whole number.
    fn integer(&self, column: usize) -> Result<i64, Unreadable>;
    /// The column as characters.
    fn text(&self, column: usize) -> Result<String, Unreadable>;
    /// The column as bytes, or `None` where it is null.
    fn bytes(&self, column: usize) -> Result<Option<Vec<u8>>, Unreadable>;
}

/// A column does not hold what the schema says.
#[derive(Debug)]
pub struct Unreadable(pub(crate) String);

impl dyn Row + '_ {
    /// The column as a sequence number or another count.
    fn count(&self, column: usize) -> Result<u64, Unreadable> {
        let value = self.integer(column)?;
        u64::try_from(value).map_err(|_| Unreadable(format!("{value} is no count")))
    }

    fn digest(&self, column: usize) -> Result<Digest, Unreadable> {
        let digest = self.bytes(column)?.as_deref().and_then(Digest::from_slice);
        digest.ok_or_else(|| Unreadable("a column is no digest".to_owned()))
    }

    fn filled(&self, column: usize) -> Result<Vec<u8>, Unreadable> {
        self.bytes(column)?.ok_or_else(|| Unreadable("a column is empty".to_owned()))
    }
}

/// A count that was checked to fit SQL's signed integers, or that exceeds all that is stored.
fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl<D: Driver> Log for SqlLog<D> {
    fn append_group(
        &mut self,
        batches: &[Batch<'_>],
    ) -> Result<Vec<Result<(), Conflict>>, StoreError> {
        append::append_group(&self.driver, &self.keys, batches)
    }

    fn erase(&mut self, stream: &str, digest: &Digest) -> Result<Erasure, StoreError> {
        let named = [Value::Text(stream), Value::Bytes(digest.as_bytes())];
        let erasure = self.driver.transact(|driver| {
            driver.lock(&[stream])?;
            let counts = driver
                .row(queries::COUNT_TEXTS, &named, |row| Ok((row.integer(0)?, row.integer(1)?)))?;
            let erasure = match counts {
                None | Some((0, _)) => Erasure::Unknown,
                Some((_, 0)) => Erasure::AlreadyErased,
                Some(_) => Erasure::Erased,
            };
            if erasure == Erasure::Erased {
                driver.execute(queries::ERASE_TEXT, &named)?;
                snapshots::drop_all(driver, stream)?;
            }
            Ok(erasure)
        })?;
        if erasure != Erasure::Unknown {
            // Also when it was erased before: that erasure may have been left unfinished.
            self.driver.purge()?;
        }
        Ok(erasure)
    }

    fn put_snapshot_part(&mut self, snapshot: &mut NewSnapshot) -> Result<bool, StoreError> {
        snapshots::put_part(&self.driver, &self.keys, snapshot)
    }

    fn compact(
        &mut self,
        stream: &str,
        upto: u64,
    ) -> Result<Option<RangeInclusive<u64>>, StoreError> {
        archive::compact(&self.driver, &self.keys, stream, upto)
    }

    fn reader(&self) -> Result<Box<dyn LogRead>, StoreError> {
        let driver = self.driver.reader(&self.keys)?;
        Ok(Box::new(Self { driver, keys: self.keys.clone() }))
    }

    fn leases(&self) -> Result<Box<dyn Leases + Send>, StoreError> {
        let driver = self.driver.writer(&self.keys)?;
        Ok(Box::new(Self { driver, keys: self.keys.clone() }))
    }
}

/// What the encryption failed of.
fn unsealed(place: Place, error: crate::key::Unsealable) -> StoreError {
    match error {
        crate::key::Unsealable::NoRandomness(source) => StoreError::NoRandomness(source),
        other => StoreError::Io { place, source: std::sync::Arc::new(other) },
    }
}
