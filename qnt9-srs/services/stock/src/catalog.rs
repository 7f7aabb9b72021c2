//! All companies, as requests ask for them: from memory or from the database.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use chassis::{
    answer::ApiError,
    database::{Database, DatabaseError, Parameter},
    log,
    service::{Check, database_check},
    signers::SIGNING_KEYS,
};
use listing::{
    company::Company,
    index::{Filter, Index, rank},
    ranking::{Entry, Hit, Match},
};
use serde::{Serialize, Serializer, ser::SerializeStruct as _};
use tokio::time::sleep;
use tokio_postgres::Row;

use crate::{config::Engine, data, watchlist};

/// How often it is asked whether the companies have changed.
const REFRESH: Duration = Duration::from_secs(5);
const FETCH_RETRY: Duration = Duration::from_millis(250);
/// More matches than this are cut before ranking; the order of the query keeps the better ones.
const CANDIDATES_MAX: i64 = 200;

const ANY: &str = "SELECT FROM stocks LIMIT 1";
const ALL: &str = "SELECT symbol, name, country, indices, isin, wkn, sector FROM stocks";
/// A number that differs as soon as any company does.
const FINGERPRINT: &str = "
    SELECT coalesce(sum(hashtextextended(
        concat_ws(chr(31), symbol, name, country, indices::text, isin, wkn, sector), 0)), 0)::text
    FROM stocks";
const BY_ID: &str = "
    SELECT symbol, name, country, indices, isin, wkn, sector FROM stocks
    WHERE symbol = $1 OR isin = $1 OR wkn = $1
    ORDER BY (isin = $1 OR wkn = $1) DESC NULLS LAST, cardinality(indices) DESC, symbol LIMIT 1";
const MATCHING: &str = "
    SELECT symbol, name, country, indices, isin, wkn, sector FROM stocks
    WHERE (symbol LIKE $1 OR lower(name) LIKE $2)
        AND ($6::text IS NULL OR lower(country) = lower($6))
        AND ($7::text IS NULL OR lower(sector) = lower($7))
        AND ($8::text IS NULL OR lower($8) = ANY (lower(indices::text)::text[]))
    ORDER BY symbol LIKE $1 DESC, lower(name) LIKE $3 DESC, lower(name) LIKE $4 DESC,
             cardinality(indices) DESC, symbol
    LIMIT $5";
const SIMILAR: &str = "
    SELECT symbol, name, country, indices, isin, wkn, sector FROM stocks
    WHERE lower(name) % lower($1)
        AND ($3::text IS NULL OR lower(country) = lower($3))
        AND ($4::text IS NULL OR lower(sector) = lower($4))
        AND ($5::text IS NULL OR lower($5) = ANY (lower(indices::text)::text[]))
    ORDER BY similarity(lower(name), lower($1)) DESC, symbol
    LIMIT $2";
const HAS_TRIGRAMS: &str = "SELECT FROM pg_extension WHERE extname = 'pg_trgm'";

/// Everything that the service asks of the database.
pub const STATEMENTS: &[&str] = &[
    ANY,
    ALL,
    FINGERPRINT,
    BY_ID,
    MATCHING,
    SIMILAR,
    HAS_TRIGRAMS,
    data::INSERT,
    SIGNING_KEYS,
    watchlist::LIST,
    watchlist::ADD,
    watchlist::CHANGE,
    watchlist::REMOVE,
];

/// A company that was found, and how.
#[derive(Clone, Debug)]
pub struct Found {
    pub company: Arc<Company>,
    pub how: Match,
    /// From 0 to 1; 1 unless the name is only similar.
    pub similarity: f64,
}

/// One flat object, written without going through a map.
impl Serialize for Found {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Company { symbol, name, country, indices, isin, wkn, sector } = &*self.company;
        let mut object = serializer.serialize_struct("Found", 9)?;
        object.serialize_field("symbol", symbol)?;
        object.serialize_field("name", name)?;
        object.serialize_field("country", country)?;
        object.serialize_field("indices", indices)?;
        object.serialize_field("isin", isin)?;
        object.serialize_field("wkn", wkn)?;
        object.serialize_field("sector", sector)?;
        object.serialize_field("match", &self.how)?;
        object.serialize_field("similarity", &self.similarity)?;
        object.end()
    }
}

/// The companies, wherever they are looked up.
pub struct Catalog {
    engine: Engine,
    database: Arc<Database>,
    index: RwLock<Option<Arc<Index>>>,
}

impl Catalog {
    /// With [`Engine::Memory`] it has no companies until [`Catalog::keep_fresh`] has fetched them.
    pub fn new(engine: Engine, database: Arc<Database>) -> Self {
        Self { engine, database, index: RwLock::new(None) }
    }

    /// The companies that match, best first.
    pub async fn search(
        &self,
        query: &str,
        filter: &Filter,
        limit: usize,
    ) -> Result<Vec<Found>, ApiError> {
        match self.engine {
            Engine::Memory => {
                let index = self.index()?;
                Ok(index.search(query, filter, limit).iter().map(Found::from).collect())
            }
            Engine::Database => self.search_database(query, filter, limit).await,
        }
    }

    /// The company with this ISIN, WKN or symbol.
    pub async fn get(&self, id: &str) -> Result<Option<Arc<Company>>, ApiError> {
        match self.engine {
            Engine::Memory => Ok(self.index()?.get(id).cloned()),
            Engine::Database => {
                let id = id.to_uppercase();
                let rows = self.database.read(BY_ID, &[&id]).await?;
                Ok(rows.first().map(company).transpose()?.map(Arc::new))
            }
        }
    }

    /// All of them.
    pub async fn all(&self) -> Result<Arc<Index>, ApiError> {
        match self.engine {
            Engine::Memory => self.index(),
            Engine::Database => Ok(Arc::new(Index::new(self.fetch().await?))),
        }
    }

    /// What it needs, and whether it is there.
    pub async fn checks(&self) -> Vec<Check> {
        let database = database_check(&self.database, ANY, "it has no companies yet").await;
        let search = match self.engine {
            Engine::Memory => {
                let outcome = self.index().map(|_| ()).map_err(|error| error.message);
                Check { name: "search", outcome }
            }
            Engine::Database => {
                let none = "PostgreSQL has no extension pg_trgm: similar names are not found";
                Check { name: "search", ..database_check(&self.database, HAS_TRIGRAMS, none).await }
            }
        };
        vec![database, search]
    }

    /// Fetches the companies, and again whenever they have changed. While the database gives no answer,
    /// searches go on with what was fetched before.
    pub async fn keep_fresh(&self) {
        let mut known = String::new();
        loop {
            match self.refresh(&known).await {
                Ok(fingerprint) => known = fingerprint,
                Err(error) if !known.is_empty() => {
                    log::warn(&format!("the companies could not be fetched again: {error}"));
                }
                // Before the first time, the database is still being prepared.
                Err(_) => {}
            }
            sleep(if known.is_empty() { FETCH_RETRY } else { REFRESH }).await;
        }
    }

    /// The fingerprint of what is now in memory.
    async fn refresh(&self, known: &str) -> Result<String, DatabaseError> {
        let rows = self.database.read(FINGERPRINT, &[]).await?;
        let fingerprint: String = rows.first().map(|row| row.get(0)).unwrap_or_default();
        if fingerprint == known || fingerprint == "0" {
            return Ok(known.to_owned());
        }
        let index = Index::new(self.fetch().await?);
        log::info(&format!("{} companies are in memory", index.len()));
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(index));
        Ok(fingerprint)
    }

    async fn fetch(&self) -> Result<Vec<Company>, DatabaseError> {
        self.database.read(ALL, &[]).await?.iter().map(company).collect()
    }

    fn index(&self) -> Result<Arc<Index>, ApiError> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        index.clone().ok_or_else(|| {
            ApiError::new(
                axum::http::StatusCode::SERVICE_UNAVAILABLE,
                "database_unavailable",
                "the companies have not been fetched from the database yet, try again",
            )
            .retry_after(1)
        })
    }

    async fn search_database(
        &self,
        query: &str,
        filter: &Filter,
        limit: usize,
    ) -> Result<Vec<Found>, ApiError> {
        let Filter { country, sector, index } = filter;
        let id = query.to_uppercase();
        let is = |number: &Option<String>| number.as_deref() == Some(id.as_str());
        let identified = self.get(&id).await?.filter(|c| is(&c.isin) || is(&c.wkn));
        if let Some(company) = identified {
            let entry =
                if filter.admits(&company) { vec![Entry::new((*company).clone())] } else { vec![] };
            return Ok(found(query, &entry, limit));
        }
        let text = escape_like(&query.to_lowercase());
        let symbol = format!("{}%", escape_like(&query.to_uppercase()));
        let (inside, start, word) = (format!("%{text}%"), format!("{text}%"), format!("% {text}%"));
        let parameters: [Parameter<'_>; 8] =
            [&symbol, &inside, &start, &word, &CANDIDATES_MAX, country, sector, index];
        let mut rows = self.database.read(MATCHING, &parameters).await?;
        if rows.is_empty() && !self.database.read(HAS_TRIGRAMS, &[]).await?.is_empty() {
            let parameters: [Parameter<'_>; 5] = [&query, &CANDIDATES_MAX, country, sector, index];
            rows = self.database.read(SIMILAR, &parameters).await?;
        }
        let entries: Result<Vec<Entry>, DatabaseError> =
            rows.iter().map(|row| company(row).map(Entry::new)).collect();
        Ok(found(query, &entries?, limit))
    }
}

fn found(query: &str, entries: &[Entry], limit: usize) -> Vec<Found> {
    rank(query, entries, limit).iter().map(Found::from).collect()
}

impl From<&Hit<'_>> for Found {
    fn from(hit: &Hit<'_>) -> Self {
        let company = Arc::clone(&hit.entry.company);
        Self { company, how: hit.how, similarity: hit.similarity }
    }
}

fn company(row: &Row) -> Result<Company, DatabaseError> {
    Ok(Company {
        symbol: row.try_get("symbol")?,
        name: row.try_get("name")?,
        country: row.try_get("country")?,
        indices: row.try_get("indices")?,
        isin: row.try_get("isin")?,
        wkn: row.try_get("wkn")?,
        sector: row.try_get("sector")?,
    })
}

/// Makes LIKE take its wildcards and its escape character literally.
fn escape_like(text: &str) -> String {
    text.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_are_searched_for_literally() {
        assert_eq!(escape_like(r"100%_\"), r"100\%\_\\");
    }
}
