//! Who may sign access tokens: the public keys that the auth service keeps in the database.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::http::HeaderMap;

use crate::{
    answer::ApiError,
    database::{Database, DatabaseError},
    service::unix_now,
    token::{self, Claims, KeySet, TokenError},
};

/// The keys whose tokens may not have expired yet. A service that uses [`Signers`] enters it as its own.
pub const SIGNING_KEYS: &str = "
    SELECT kid, public_key FROM signing_keys
    WHERE retired_at IS NULL OR retired_at > now() - interval '1 hour'";

/// A key set older than this is not relied on: a key may have been retired.
const AGE_MAX: Duration = Duration::from_secs(300);
/// Tokens with invented key ids must not make a service ask the database again and again.
const UNKNOWN_PAUSE: Duration = Duration::from_secs(1);

/// The key set, fetched when it is needed.
pub struct Signers {
    database: Arc<Database>,
    keys: KeySet,
    fetched: Mutex<Option<Instant>>,
}

impl Signers {
    pub fn new(database: Arc<Database>) -> Self {
        Self { database, keys: KeySet::default(), fetched: Mutex::default() }
    }

    /// Who sent a request with these headers.
    pub async fn claims(&self, headers: &HeaderMap) -> Result<Claims, ApiError> {
        let token = token::bearer(headers)?;
        if self.is_older_than(AGE_MAX) {
            self.fetch().await?;
        }
        match self.keys.verify(token, unix_now()) {
            Err(TokenError::UnknownKey) if self.is_older_than(UNKNOWN_PAUSE) => {
                self.fetch().await?;
                Ok(self.keys.verify(token, unix_now())?)
            }
            outcome => Ok(outcome?),
        }
    }

    /// The keys, freshly fetched.
    pub async fn document(&self) -> Result<serde_json::Value, DatabaseError> {
        self.fetch().await?;
        Ok(self.keys.document())
    }

    async fn fetch(&self) -> Result<(), DatabaseError> {
        let rows = self.database.read(SIGNING_KEYS, &[]).await?;
        self.keys.replace(rows.iter().map(|row| (row.get(0), row.get(1))));
        *self.fetched.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        Ok(())
    }

    fn is_older_than(&self, age: Duration) -> bool {
        let fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        fetched.is_none_or(|fetched| fetched.elapsed() >= age)
    }
}
