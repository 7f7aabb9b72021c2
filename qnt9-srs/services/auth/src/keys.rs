//! The keys that sign access tokens. They are made in the database, so that all replicas have the same.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chassis::{
    database::{Database, DatabaseError, Parameter},
    log,
    token::SigningKey,
};
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::time::sleep;
use tokio_postgres::Client;

const SEED_BYTES: usize = 32;
/// How soon it is noticed that all keys are gone.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long a replica may sign with a key after another was made.
const AGE_MAX: Duration = Duration::from_secs(60);

/// The newest key; it signs.
pub(crate) const NEWEST: &str = "
    SELECT seed FROM signing_keys WHERE retired_at IS NULL ORDER BY created_at DESC, kid LIMIT 1";
pub(crate) const ANY: &str = "SELECT FROM signing_keys LIMIT 1";
pub(crate) const ADD: &str = "INSERT INTO signing_keys (kid, public_key, seed) VALUES ($1, $2, $3)";

/// The key that signs now.
pub struct Keys {
    database: Arc<Database>,
    newest: Mutex<Option<(Instant, Arc<SigningKey>)>>,
}

impl Keys {
    pub fn new(database: Arc<Database>) -> Self {
        Self { database, newest: Mutex::default() }
    }

    /// `None` until the database is prepared.
    pub async fn newest(&self) -> Result<Option<Arc<SigningKey>>, DatabaseError> {
        let known = self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, key)) = known.filter(|(fetched, _)| fetched.elapsed() < AGE_MAX) {
            return Ok(Some(key));
        }
        let rows = self.database.read(NEWEST, &[]).await?;
        let seed: Option<&[u8]> = rows.first().map(|row| row.get(0));
        let Some(Ok(key)) = seed.map(SigningKey::from_seed) else { return Ok(None) };
        let key = Arc::new(key);
        let fetched = Some((Instant::now(), Arc::clone(&key)));
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = fetched;
        Ok(Some(key))
    }
}

/// Makes a key whenever there is none: a masked copy that takes the place of a database comes without.
pub async fn keep(database: &Database) {
    loop {
        sleep(LOOK_EVERY).await;
        // Without an answer there is nothing to do; `/readyz` says that it is missing.
        let Ok(rows) = database.read(ANY, &[]).await else { continue };
        if !rows.is_empty() {
            continue;
        }
        let made = match random_key() {
            Ok((seed, key)) => {
                let parameters: [Parameter<'_>; 3] = [&key.kid(), &key.public_key(), &&seed[..]];
                database.write(ADD, &parameters).await.map(|_| ()).map_err(|e| e.to_string())
            }
            Err(error) => Err(error),
        };
        match made {
            Ok(()) => log::info("the signing keys were gone: there is a new one"),
            Err(error) => log::warn(&format!("no signing key could be made: {error}")),
        }
    }
}

/// Makes the first key, if there is none.
pub async fn ensure(client: &Client) -> Result<(), String> {
    let none = client.query(ANY, &[]).await.map_err(|e| e.to_string())?.is_empty();
    if none { add(client).await } else { Ok(()) }
}

/// Makes a new key and retires those before it. Tokens that they have signed stay valid until they expire.
pub async fn rotate(client: &mut Client) -> Result<(), String> {
    let retire = "UPDATE signing_keys SET retired_at = now() WHERE retired_at IS NULL";
    let transaction = client.transaction().await.map_err(|e| e.to_string())?;
    transaction.execute(retire, &[]).await.map_err(|e| e.to_string())?;
    add(transaction.client()).await?;
    transaction.commit().await.map_err(|e| e.to_string())
}

async fn add(client: &Client) -> Result<(), String> {
    let (seed, key) = random_key()?;
    let parameters: [Parameter<'_>; 3] = [&key.kid(), &key.public_key(), &&seed[..]];
    client.execute(ADD, &parameters).await.map_err(|e| e.to_string())?;
    Ok(())
}

fn random_key() -> Result<([u8; SEED_BYTES], SigningKey), String> {
    let mut seed = [0; SEED_BYTES];
    SystemRandom::new().fill(&mut seed).map_err(|_| "the system gives no random bytes")?;
    let key = SigningKey::from_seed(&seed)?;
    Ok((seed, key))
}
