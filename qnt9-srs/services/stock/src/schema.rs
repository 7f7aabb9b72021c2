//! Bringing a database to this version: tables, then the companies that come with the release.
//!
//! The service does this itself when it starts. Several replicas may start at once and an older release may
//! still be serving, so steps are locked against each other and only ever add.

use tokio_postgres::{Client, NoTls, Transaction};

use crate::{
    company::{self, Company},
    database::DatabaseError,
    fake,
};

/// Any number, the same in every release.
const LOCK: i64 = 0x51_4e_54_39;

/// One step each, never edited once released; step n brings version n - 1 to version n.
const STEPS: [&str; 1] = ["
    CREATE TABLE stocks (
        symbol      text PRIMARY KEY,
        name        text NOT NULL,
        search_name text NOT NULL, -- the name in small letters
        country     text,
        indices     text[] NOT NULL
    )"];

const INSERT: &str = "
    INSERT INTO stocks AS old (symbol, name, search_name, country, indices)
    SELECT symbol, name, search_name, country, string_to_array(indices, ',')
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
         AS new (symbol, name, search_name, country, indices)
    ON CONFLICT (symbol) DO UPDATE
    SET name = EXCLUDED.name, search_name = EXCLUDED.search_name,
        country = EXCLUDED.country, indices = EXCLUDED.indices
    WHERE (old.name, old.search_name, old.country, old.indices)
        IS DISTINCT FROM (EXCLUDED.name, EXCLUDED.search_name, EXCLUDED.country, EXCLUDED.indices)";

/// Which companies the database shall have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    Listed,
    ListedAndFake,
}

/// How many companies the database has now.
#[derive(Debug, PartialEq, Eq)]
pub struct Counts {
    pub listed: i64,
    pub fake: i64,
}

/// Creates or upgrades the tables and loads the companies. All of it happens, or nothing.
pub async fn prepare(config: &tokio_postgres::Config, data: Data) -> Result<Counts, PrepareError> {
    let (mut client, driver) = config.connect(NoTls).await.map_err(DatabaseError::Postgres)?;
    let driver = tokio::spawn(driver);
    let counts = prepare_on(&mut client, data).await;
    drop(client);
    // The driver ends once the client is gone. What went wrong with it, the client has already told.
    let _ = driver.await;
    counts
}

async fn prepare_on(client: &mut Client, data: Data) -> Result<Counts, PrepareError> {
    let transaction = client.transaction().await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    upgrade(&transaction).await?;
    insert(&transaction, &company::listed().map_err(PrepareError::Tickers)?).await?;
    if data == Data::ListedAndFake {
        insert(&transaction, &fake::companies()).await?;
    }
    let counts = transaction
        .query_one(
            "SELECT count(*) FILTER (WHERE symbol NOT LIKE 'FAKE%'),
                    count(*) FILTER (WHERE symbol LIKE 'FAKE%') FROM stocks",
            &[],
        )
        .await?;
    transaction.commit().await?;
    Ok(Counts { listed: counts.get(0), fake: counts.get(1) })
}

async fn upgrade(transaction: &Transaction<'_>) -> Result<(), PrepareError> {
    transaction
        .batch_execute("CREATE TABLE IF NOT EXISTS schema_steps (version int PRIMARY KEY)")
        .await?;
    let row =
        transaction.query_one("SELECT coalesce(max(version), 0) FROM schema_steps", &[]).await?;
    // A newer release may have been here before a rollback: then there is nothing left to do.
    let version = usize::try_from(row.get::<_, i32>(0)).unwrap_or(0);
    for (step, sql) in (1_i32..).zip(STEPS).skip(version) {
        transaction.batch_execute(sql).await?;
        transaction.execute("INSERT INTO schema_steps VALUES ($1)", &[&step]).await?;
    }
    Ok(())
}

async fn insert(
    transaction: &Transaction<'_>,
    companies: &[Company],
) -> Result<(), tokio_postgres::Error> {
    let symbols: Vec<&str> = companies.iter().map(|c| c.symbol.as_str()).collect();
    let names: Vec<&str> = companies.iter().map(|c| c.name.as_str()).collect();
    let search_names: Vec<String> = companies.iter().map(|c| c.name.to_lowercase()).collect();
    let countries: Vec<Option<&str>> = companies.iter().map(|c| c.country.as_deref()).collect();
    let indices: Vec<String> = companies.iter().map(|c| c.indices.join(",")).collect();
    transaction.execute(INSERT, &[&symbols, &names, &search_names, &countries, &indices]).await?;
    Ok(())
}

/// Why a database could not be prepared.
#[derive(Debug)]
pub enum PrepareError {
    Database(DatabaseError),
    /// The list that comes with the release cannot be read.
    Tickers(String),
}

impl std::fmt::Display for PrepareError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Database(error) => write!(f, "the database could not be prepared: {error}"),
            Self::Tickers(error) => write!(f, "the list of companies is damaged: {error}"),
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
