//! The database as the running service uses it: a few shared connections, two prepared queries.

use std::{
    error::Error as _,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Mutex, time::timeout};
use tokio_postgres::{Client, NoTls, Row, Statement, types::ToSql};

use crate::{company::Company, log};

/// The longest a request waits for the database, connecting included.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(3);
/// More matches than this are cut before ranking; the order of the query keeps the better ones.
const CANDIDATES_MAX: usize = 200;

const SEARCH: &str = "
    SELECT symbol, name, country, indices FROM stocks
    WHERE symbol LIKE $1 OR search_name LIKE $2
    ORDER BY symbol LIKE $1 DESC, search_name LIKE $3 DESC, search_name LIKE $4 DESC,
             cardinality(indices) DESC, symbol
    LIMIT $5";
const HEALTH: &str = "SELECT FROM stocks LIMIT 1";

type Parameter<'a> = &'a (dyn ToSql + Sync);

/// Connections that all requests share. PostgreSQL's protocol lets queries queue on a connection, so a
/// request takes the next connection in turn and need not wait until it is free.
pub struct Database {
    config: tokio_postgres::Config,
    slots: Vec<Mutex<Option<Arc<Connection>>>>,
    next: AtomicUsize,
}

struct Connection {
    client: Client,
    search: Statement,
    health: Statement,
}

/// Why the database gave no answer.
#[derive(Debug)]
pub enum DatabaseError {
    /// It refused, closed the connection or rejected the query.
    Postgres(tokio_postgres::Error),
    /// It did not answer in time.
    Timeout,
    /// It answers but has no companies.
    Empty,
}

impl Database {
    /// Connects later, when the first request needs it, and again whenever a connection was lost.
    pub fn new(mut config: tokio_postgres::Config, connections: usize) -> Self {
        // A machine that vanished without a word must not hold a connection for hours.
        config.connect_timeout(ANSWER_WAIT_MAX).tcp_user_timeout(2 * ANSWER_WAIT_MAX);
        let slots = (0..connections).map(|_| Mutex::new(None)).collect();
        Self { config, slots, next: AtomicUsize::new(0) }
    }

    /// Companies whose symbol starts with `query` or whose name contains it, roughly best first.
    pub async fn candidates(&self, query: &str) -> Result<Vec<Company>, DatabaseError> {
        let text = escape_like(&query.to_lowercase());
        let symbol = format!("{}%", escape_like(&query.to_uppercase()));
        let (inside, start, word) = (format!("%{text}%"), format!("{text}%"), format!("% {text}%"));
        let limit = CANDIDATES_MAX as i64;
        let parameters: [Parameter; 5] = [&symbol, &inside, &start, &word, &limit];
        let rows = self.rows(|connection| &connection.search, &parameters).await?;
        rows.iter().map(|row| company(row).map_err(DatabaseError::Postgres)).collect()
    }

    /// Whether a search could be answered now.
    pub async fn health(&self) -> Result<(), DatabaseError> {
        let rows = self.rows(|connection| &connection.health, &[]).await?;
        if rows.is_empty() { Err(DatabaseError::Empty) } else { Ok(()) }
    }

    async fn rows(
        &self,
        statement: fn(&Connection) -> &Statement,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, DatabaseError> {
        let answer = async {
            match self.rows_once(statement, parameters).await {
                // The database was restarted since the last request. Both queries only read, so asking
                // again on a new connection is safe.
                Err(error) if error.is_closed() => self.rows_once(statement, parameters).await,
                answer => answer,
            }
        };
        match timeout(ANSWER_WAIT_MAX, answer).await {
            Ok(answer) => answer.map_err(DatabaseError::Postgres),
            Err(_) => Err(DatabaseError::Timeout),
        }
    }

    async fn rows_once(
        &self,
        statement: fn(&Connection) -> &Statement,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        let connection = self.connection().await?;
        connection.client.query(statement(&connection), parameters).await
    }

    async fn connection(&self) -> Result<Arc<Connection>, tokio_postgres::Error> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.slots.len();
        let mut slot = self.slots[turn].lock().await;
        if let Some(connection) = slot.as_ref().filter(|c| !c.client.is_closed()) {
            return Ok(Arc::clone(connection));
        }
        let connection = Arc::new(connect(&self.config).await?);
        *slot = Some(Arc::clone(&connection));
        Ok(connection)
    }
}

async fn connect(config: &tokio_postgres::Config) -> Result<Connection, tokio_postgres::Error> {
    let (client, driver) = config.connect(NoTls).await?;
    tokio::spawn(async move {
        if let Err(error) = driver.await {
            log::warn(&format!("lost a database connection: {}", reason(&error)));
        }
    });
    // A query that nobody waits for any more must not block those queued behind it.
    let wait_max_ms = ANSWER_WAIT_MAX.as_millis();
    client.batch_execute(&format!("SET statement_timeout = {wait_max_ms}")).await?;
    let search = client.prepare(SEARCH).await?;
    let health = client.prepare(HEALTH).await?;
    Ok(Connection { client, search, health })
}

fn company(row: &Row) -> Result<Company, tokio_postgres::Error> {
    Ok(Company {
        symbol: row.try_get("symbol")?,
        name: row.try_get("name")?,
        country: row.try_get("country")?,
        indices: row.try_get("indices")?,
    })
}

/// Makes LIKE take its wildcards and its escape character literally.
fn escape_like(text: &str) -> String {
    text.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_")
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
            Self::Empty => write!(f, "it has no companies yet"),
        }
    }
}

impl From<tokio_postgres::Error> for DatabaseError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_are_searched_for_literally() {
        assert_eq!(escape_like(r"100%_\"), r"100\%\_\\");
    }
}
