//! The database as a running service uses it: a few connections that all requests share, statements that are
//! prepared once per connection.

use std::{
    collections::HashMap,
    error::Error as _,
    fmt,
    sync::{
        Arc, Mutex as SyncMutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Mutex, time::timeout};
use tokio_postgres::{Client, NoTls, Row, Statement, types::ToSql};

use crate::log;

/// The longest a request waits for the database, connecting included.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(3);

/// A statement's parameter.
pub type Parameter<'a> = &'a (dyn ToSql + Sync);

/// Connections that all requests share. PostgreSQL's protocol lets queries queue on a connection, so a
/// request takes the next connection in turn and need not wait until it is free. There are no transactions
/// for that reason: what belongs together is one statement.
pub struct Database {
    config: tokio_postgres::Config,
    statements: &'static [&'static str],
    slots: Vec<Mutex<Option<Arc<Connection>>>>,
    next: AtomicUsize,
}

struct Connection {
    client: Client,
    prepared: SyncMutex<HashMap<&'static str, Statement>>,
}

/// Why the database gave no answer.
#[derive(Debug)]
pub enum DatabaseError {
    /// It refused, closed the connection or rejected the query.
    Postgres(tokio_postgres::Error),
    /// It did not answer in time.
    Timeout,
}

impl Database {
    /// Connects later, when the first request needs it, and again whenever a connection was lost.
    /// `statements` is everything that will be asked; a release enters it with the schema.
    pub fn new(
        mut config: tokio_postgres::Config,
        connections: usize,
        statements: &'static [&'static str],
    ) -> Self {
        // A machine that vanished without a word must not hold a connection for hours.
        config.connect_timeout(ANSWER_WAIT_MAX).tcp_user_timeout(2 * ANSWER_WAIT_MAX);
        let slots = (0..connections).map(|_| Mutex::new(None)).collect();
        Self { config, statements, slots, next: AtomicUsize::new(0) }
    }

    pub fn config(&self) -> &tokio_postgres::Config {
        &self.config
    }

    pub fn statements(&self) -> &'static [&'static str] {
        self.statements
    }

    /// The rows that a statement answers which changes nothing.
    pub async fn read(
        &self,
        statement: &'static str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, DatabaseError> {
        within_wait(async {
            match self.ask(statement, parameters).await {
                // The database was restarted since the last request. Asking again is safe.
                Err(error) if error.is_closed() => self.ask(statement, parameters).await,
                answer => answer,
            }
        })
        .await
    }

    /// The rows that a statement answers which changes something. It is asked once: when the connection is
    /// lost meanwhile, nobody knows whether it was carried out.
    pub async fn write(
        &self,
        statement: &'static str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, DatabaseError> {
        within_wait(self.ask(statement, parameters)).await
    }

    async fn ask(
        &self,
        statement: &'static str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        debug_assert!(self.statements.contains(&statement), "not entered: {statement}");
        let connection = self.connection().await?;
        let prepared = connection.prepared(statement).await?;
        connection.client.query(&prepared, parameters).await
    }

    async fn connection(&self) -> Result<Arc<Connection>, tokio_postgres::Error> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.slots.len();
        let mut slot = self.slots[turn].lock().await;
        if let Some(connection) = slot.as_ref().filter(|c| !c.client.is_closed()) {
            return Ok(Arc::clone(connection));
        }
        let client = connect(&self.config).await?;
        // A query that nobody waits for any more must not block those queued behind it.
        let wait_max_ms = ANSWER_WAIT_MAX.as_millis();
        client.batch_execute(&format!("SET statement_timeout = {wait_max_ms}")).await?;
        let connection = Arc::new(Connection { client, prepared: SyncMutex::default() });
        *slot = Some(Arc::clone(&connection));
        Ok(connection)
    }
}

impl Connection {
    async fn prepared(&self, statement: &'static str) -> Result<Statement, tokio_postgres::Error> {
        let known = {
            let prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
            prepared.get(statement).cloned()
        };
        if let Some(known) = known {
            return Ok(known);
        }
        let new = self.client.prepare(statement).await?;
        let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(prepared.entry(statement).or_insert(new).clone())
    }
}

/// A connection of its own, for work that is not a request.
pub async fn connect(config: &tokio_postgres::Config) -> Result<Client, tokio_postgres::Error> {
    let (client, driver) = config.connect(NoTls).await?;
    tokio::spawn(async move {
        if let Err(error) = driver.await {
            log::warn(&format!("lost a database connection: {}", reason(&error)));
        }
    });
    Ok(client)
}

async fn within_wait(
    answer: impl Future<Output = Result<Vec<Row>, tokio_postgres::Error>>,
) -> Result<Vec<Row>, DatabaseError> {
    match timeout(ANSWER_WAIT_MAX, answer).await {
        Ok(answer) => answer.map_err(DatabaseError::Postgres),
        Err(_) => Err(DatabaseError::Timeout),
    }
}

impl DatabaseError {
    /// The constraint that a change would have broken.
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Postgres(error) => error.as_db_error()?.constraint(),
            Self::Timeout => None,
        }
    }
}

/// The error and what caused it; the crate's own text is only "db error".
fn reason(error: &tokio_postgres::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(error) => write!(f, "{}", reason(error)),
            Self::Timeout => write!(f, "no answer within {} s", ANSWER_WAIT_MAX.as_secs()),
        }
    }
}

impl From<tokio_postgres::Error> for DatabaseError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(error)
    }
}
