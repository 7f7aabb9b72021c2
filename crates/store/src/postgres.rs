//! A log in a database of PostgreSQL, for several servers at once.
//!
//! Everything lies in a schema of its own, `qnt9`, so that the database may hold other things too.
//! Calls block, and may be made from any thread, also one that runs asynchronous tasks: a thread of
//! the log's own talks with the database. A connection that was lost is made anew with the next
//! call. Connections are not encrypted; between machines they belong in a tunnel.

mod failure;
mod link;
mod schema;

use self::failure::{explain, is_lost};
use self::link::{Background, Link, Parameter};
use crate::error::{Place, StoreError};
use crate::key::MasterKey;
use crate::sealing::Keys;
use crate::sql::{Driver, Row, SqlLog, Statement, Unreadable, Value, queries};
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// How long a transaction waits for a database that does not answer, before it is refused.
const PATIENCE: Duration = Duration::from_secs(2);
/// A pause between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(50);
/// How long making one connection may take.
const CONNECT_SECONDS: u64 = 3;

const BEGIN: &str = "BEGIN";
const BEGIN_READING: &str = "BEGIN READ ONLY";

/// A log in a database of PostgreSQL.
pub type Postgres = SqlLog<Database>;

/// One connection to the database, made anew when it is lost.
#[derive(Debug)]
pub struct Database {
    server: Arc<Server>,
    access: Access,
    link: RefCell<Option<Arc<Link>>>,
    in_transaction: Cell<bool>,
}

/// What the connections of one log share.
#[derive(Debug)]
struct Server {
    config: Config,
    place: Place,
    background: Background,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Write,
    Read,
}

impl Postgres {
    /// Opens the log at an address like `postgres://user:password@host:5432/database`, or makes it
    /// where there is none.
    pub fn open(url: &str, key: &MasterKey) -> Result<Self, StoreError> {
        let keys = Keys::new(key);
        let driver = Database::open(Server::new(url)?, &keys)?;
        Ok(Self { driver, keys })
    }

    /// Opens an existing log for reading only.
    pub fn open_reader(url: &str, key: &MasterKey) -> Result<Self, StoreError> {
        let keys = Keys::new(key);
        let driver = Database::open_reader(Server::new(url)?, &keys)?;
        Ok(Self { driver, keys })
    }
}

impl Server {
    fn new(url: &str) -> Result<Arc<Self>, StoreError> {
        let bad = |problem: String| StoreError::BadAddress { problem };
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
            let source = std::error::Error::source(&error);
            bad(source.map_or_else(|| error.to_string(), ToString::to_string))
        })?;
        if config.get_ssl_mode() == SslMode::Require {
            return Err(bad("it asks for TLS (sslmode=require), which qnt9 does not speak with PostgreSQL yet; \
                 make an encrypted tunnel and give the address of its near end".to_owned()));
        }
        config.connect_timeout(Duration::from_secs(CONNECT_SECONDS));
        config.tcp_user_timeout(Duration::from_secs(2 * CONNECT_SECONDS));
        config.application_name("qnt9");
        let Some(host) = config.get_hosts().first() else {
            return Err(bad("it names no host".to_owned()));
        };
        let host = match host {
            Host::Tcp(name) => name.clone(),
            #[cfg(unix)]
            Host::Unix(path) => path.display().to_string(),
        };
        if !matches!(host.as_str(), "localhost" | "127.0.0.1" | "::1") && !host.starts_with('/') {
            tracing::warn!(%host, "the connection with the database is not encrypted");
        }
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let name = config.get_dbname().or_else(|| config.get_user()).unwrap_or("postgres");
        let place = Place::Database { name: name.to_owned(), host: format!("{host}:{port}") };
        let background = Background::start()?;
        Ok(Arc::new(Self { config, place, background }))
    }
}

impl Database {
    fn open(server: Arc<Server>, keys: &Keys) -> Result<Self, StoreError> {
        let database = Self::unconnected(server, Access::Write);
        schema::advance(&database)?;
        let stored = database.fingerprint()?;
        match stored {
            Some(stored) => keys.check(&stored, database.place())?,
            None => database.transact(|database| {
                let fingerprint = [Value::Text(&keys.fingerprint)];
                database.execute(queries::PUT_KEY_FINGERPRINT, &fingerprint)
            })?,
        }
        Ok(database)
    }

    fn open_reader(server: Arc<Server>, keys: &Keys) -> Result<Self, StoreError> {
        let database = Self::unconnected(server, Access::Read);
        schema::check(&database)?;
        match database.fingerprint()? {
            Some(stored) => keys.check(&stored, database.place())?,
            None => return Err(StoreError::Missing { place: database.place() }),
        }
        Ok(database)
    }

    fn unconnected(server: Arc<Server>, access: Access) -> Self {
        Self { server, access, link: RefCell::default(), in_transaction: Cell::new(false) }
    }

    fn fingerprint(&self) -> Result<Option<String>, StoreError> {
        self.row(queries::KEY_FINGERPRINT, &[], |row| row.text(0))
    }

    /// The connection there is, or a new one.
    fn link(&self) -> Result<Arc<Link>, StoreError> {
        if let Some(link) = self.link.borrow().as_ref().filter(|link| !link.is_closed()) {
            return Ok(link.clone());
        }
        let connected = self
            .server
            .background
            .wait(Link::connect(self.server.config.clone(), self.access == Access::Read));
        let link = Arc::new(connected.map_err(|error| self.explain(error))?);
        *self.link.borrow_mut() = Some(link.clone());
        Ok(link)
    }

    /// Has the database asked something, and waits. Outside a transaction a lost connection is made
    /// anew once: the same question may be asked again.
    fn ask<T, F>(&self, ask: impl Fn(Arc<Link>) -> F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, tokio_postgres::Error>> + Send + 'static,
    {
        if self.in_transaction.get() {
            let link = self.link.borrow().clone();
            let link = link.ok_or_else(|| failure::gone(self.place()))?;
            return self.answer(ask(link));
        }
        let had_link = self.link.borrow().is_some();
        match self.answer(ask(self.link()?)) {
            Err(StoreError::Away { .. }) if had_link => self.answer(ask(self.link()?)),
            answer => answer,
        }
    }

    fn answer<T: Send + 'static>(
        &self,
        asked: impl Future<Output = Result<T, tokio_postgres::Error>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let answer = self.server.background.wait_awhile(asked);
        let Some(answer) = answer else {
            self.link.take();
            return Err(failure::silent(self.place()));
        };
        if answer.as_ref().is_err_and(is_lost) {
            self.link.take();
        }
        answer.map_err(|error| self.explain(error))
    }

    /// Runs statements that have no parameters.
    fn batch(&self, sql: &'static str) -> Result<(), StoreError> {
        self.ask(move |link| async move { link.batch(sql).await })
    }

    fn explain(&self, error: tokio_postgres::Error) -> StoreError {
        explain(self.place(), error)
    }
}

impl Driver for Database {
    const NOW: &'static str = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)";

    fn place(&self) -> Place {
        self.server.place.clone()
    }

    fn execute_each(&self, sql: &'static str, sets: &[Vec<Value<'_>>]) -> Result<(), StoreError> {
        self.execute_all(&[(sql, sets.to_vec())])
    }

    fn execute_all(&self, statements: &[Statement<'_>]) -> Result<(), StoreError> {
        let statements = statements.iter().filter(|(_, sets)| !sets.is_empty());
        let statements: Arc<[_]> = statements.map(|(sql, sets)| (*sql, parameters(sets))).collect();
        if statements.is_empty() {
            return Ok(());
        }
        self.ask(move |link| {
            let statements = statements.clone();
            async move { link.execute_all(&statements).await }
        })
    }

    fn rows_each<T>(
        &self,
        sql: &'static str,
        sets: &[Vec<Value<'_>>],
        mut read: impl FnMut(&dyn Row) -> Result<T, Unreadable>,
    ) -> Result<Vec<T>, StoreError> {
        if sets.is_empty() {
            return Ok(Vec::new());
        }
        let sets = parameters(sets);
        let rows = self.ask(move |link| {
            let sets = sets.clone();
            async move { link.rows_each(sql, &sets).await }
        })?;
        let read: Result<Vec<T>, Unreadable> = rows.iter().map(|row| read(row)).collect();
        read.map_err(|Unreadable(what)| StoreError::Corrupt {
            place: self.place(),
            what,
            source: None,
        })
    }

    /// Waits a while for a database that is away, for instance because it is being started again.
    fn begin(&self) -> Result<(), StoreError> {
        self.in_transaction.set(false);
        let begin = match self.access {
            Access::Write => BEGIN,
            Access::Read => BEGIN_READING,
        };
        let since = Instant::now();
        loop {
            match self.batch(begin) {
                Err(StoreError::Away { .. }) if since.elapsed() < PATIENCE => {
                    std::thread::sleep(PAUSE);
                }
                begun => {
                    self.in_transaction.set(begun.is_ok());
                    return begun;
                }
            }
        }
    }

    fn commit(&self) -> Result<(), StoreError> {
        let committed = self.batch("COMMIT");
        self.in_transaction.set(false);
        match committed {
            // It was sent, or may have been.
            Err(StoreError::Away { place, source }) => {
                Err(StoreError::OutcomeUnknown { place, source })
            }
            committed => committed,
        }
    }

    fn roll_back(&self) {
        if self.link.borrow().is_some() && self.in_transaction.get() {
            let undone = self.batch("ROLLBACK");
            if let Err(error) = undone {
                // The database undoes what belongs to a connection that ends.
                self.link.take();
                tracing::debug!(%error, "a transaction was left to the database to undo");
            }
        }
        self.in_transaction.set(false);
    }

    /// A lock for each stream, in one order for all, and until the transaction ends.
    fn lock(&self, streams: &[&str]) -> Result<(), StoreError> {
        let sets: Vec<_> = streams.iter().map(|stream| vec![Value::Text(stream)]).collect();
        let lock = "SELECT pg_advisory_xact_lock(hashtextextended('qnt9 ' || $1, 0))";
        self.execute_each(lock, &sets)
    }

    /// Frees the rows that were overwritten. Copies remain in the write-ahead log of the server until
    /// it has been written round, and in its backups.
    fn purge(&self) -> Result<(), StoreError> {
        for vacuum in ["VACUUM texts", "VACUUM snapshot_chunks"] {
            self.batch(vacuum)?;
        }
        Ok(())
    }

    fn writer(&self, keys: &Keys) -> Result<Self, StoreError> {
        Self::open(self.server.clone(), keys)
    }

    fn reader(&self, keys: &Keys) -> Result<Self, StoreError> {
        Self::open_reader(self.server.clone(), keys)
    }
}

fn parameters(sets: &[Vec<Value<'_>>]) -> Arc<[Vec<Parameter>]> {
    sets.iter().map(|set| set.iter().map(Parameter::from).collect()).collect()
}

impl Row for tokio_postgres::Row {
    fn integer(&self, column: usize) -> Result<i64, Unreadable> {
        self.try_get(column).map_err(|error| unreadable(&error))
    }

    fn text(&self, column: usize) -> Result<String, Unreadable> {
        self.try_get(column).map_err(|error| unreadable(&error))
    }

    fn bytes(&self, column: usize) -> Result<Option<Vec<u8>>, Unreadable> {
        self.try_get(column).map_err(|error| unreadable(&error))
    }
}

fn unreadable(error: &tokio_postgres::Error) -> Unreadable {
    Unreadable(error.to_string())
}

#[cfg(test)]
mod tests;
