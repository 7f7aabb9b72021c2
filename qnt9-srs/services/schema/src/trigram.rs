//! Trigrams in the database: PostgreSQL's extension pg_trgm, where there is one.

use tokio_postgres::{Client, Error};

/// Whether the database can search for similar names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigram {
    Available,
    /// And why not, in PostgreSQL's words.
    Unavailable(String),
}

/// Sees to the extension and its index. It is no step: what an installation lacks today it may have
/// tomorrow, and no release needs it to serve.
pub async fn trigram(client: &Client) -> Result<Trigram, Error> {
    let created = client.batch_execute("CREATE EXTENSION IF NOT EXISTS pg_trgm").await;
    if let Err(error) = created {
        // Only an answer of PostgreSQL means that it has none; a lost connection means nothing.
        return match error.as_db_error() {
            Some(answer) => Ok(Trigram::Unavailable(answer.message().to_owned())),
            None => Err(error),
        };
    }
    let index = "
        CREATE INDEX IF NOT EXISTS stocks_name_trigrams ON stocks USING gin (lower(name) gin_trgm_ops)";
    client.batch_execute(index).await?;
    Ok(Trigram::Available)
}
