//! The program itself on a real PostgreSQL: everything that its integration tests ask, watchlists, and two
//! releases at the same time on one database while its steps are taken.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::{
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use chassis::{
    client::{Answer, Client},
    limit::Tier,
    service::unix_now,
    token::{Claims, ISSUER, SigningKey},
};
use scratch::{Postgres, Serving};
use serde_json::{Value, json};
use stock::check;
use tokio_postgres::NoTls;

const STOCK: &str = env!("CARGO_BIN_EXE_stock");
const PATIENCE: Duration = Duration::from_secs(30);

fn serve(postgres: &Postgres, settings: &[(&str, &str)]) -> Serving {
    let url = postgres.url();
    let mut all = vec![("DATABASE_URL", url.as_str())];
    all.extend_from_slice(settings);
    Serving::start(STOCK, &all).unwrap()
}

async fn ready(serving: &Serving) -> Client {
    let client = Client::new(&serving.url()).unwrap();
    let began = std::time::Instant::now();
    loop {
        let answer = client.get("/readyz").await.unwrap();
        if answer.status == 200 {
            return client;
        }
        assert!(began.elapsed() < PATIENCE, "not ready: {}", answer.body);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn database(postgres: &Postgres) -> tokio_postgres::Client {
    let config = tokio_postgres::Config::from_str(&postgres.url()).unwrap();
    let (client, driver) = config.connect(NoTls).await.unwrap();
    tokio::spawn(driver);
    client
}

#[tokio::test]
async fn both_search_engines_pass_the_integration_tests() {
    let postgres = Postgres::start().unwrap();
    for engine in ["memory", "database"] {
        let serving = serve(&postgres, &[("STOCK_SEARCH", engine)]);
        ready(&serving).await;
        check::run(&serving.url()).await.unwrap_or_else(|error| panic!("{engine}: {error}"));
    }
}

/// A user whose tokens the service accepts, as the auth service makes them.
async fn signed_in(postgres: &Postgres, client: &Client, tier: Tier) -> Client {
    let key = SigningKey::from_seed(&[7; 32]).unwrap();
    let database = database(postgres).await;
    let insert = "INSERT INTO signing_keys (kid, public_key, seed) VALUES ($1, $2, $3)
                  ON CONFLICT DO NOTHING";
    let seed = [7_u8; 32];
    database.execute(insert, &[&key.kid(), &key.public_key(), &&seed[..]]).await.unwrap();
    let insert = "INSERT INTO users (email, name, password_hash)
                  VALUES (gen_random_uuid() || '@example.org', 'Jane', '$argon2id$') RETURNING id";
    let id: i64 = database.query_one(insert, &[]).await.unwrap().get(0);
    let now = unix_now();
    let (iss, sub) = (ISSUER.to_owned(), id.to_string());
    let token = key.sign(&Claims { iss, sub, tier, iat: now, exp: now + 60 });
    client.with("authorization", &format!("Bearer {token}"))
}

async fn send(client: &Client, method: &str, path: &str, body: Value) -> Answer {
    client.send(method, path, Some(&body.to_string())).await.unwrap()
}

#[tokio::test]
async fn a_watchlist_is_kept_for_whoever_signed_in() {
    let postgres = Postgres::start().unwrap();
    let serving = serve(&postgres, &[]);
    let client = ready(&serving).await;
    let jane = signed_in(&postgres, &client, Tier::Paid).await;
    let other = signed_in(&postgres, &client, Tier::Paid).await;
    const LIST: &str = "/api/v1/watchlists";

    let follow = json!({ "symbol": "US0378331005", "notes": "é".repeat(500), "alert_above": 0.01 });
    let added = send(&jane, "POST", LIST, follow.clone()).await;
    assert_eq!((added.status, &added.json()["symbol"]), (201, &json!("AAPL")));
    for (body, status, code) in [
        (follow, 409, "already_followed"),
        (json!({ "symbol": "NOSUCH" }), 404, "company_unknown"),
        (json!({ "symbol": "MSFT", "notes": "é".repeat(501) }), 422, "notes_too_long"),
        (json!({ "symbol": "MSFT", "alert_above": 1, "alert_below": 2 }), 422, "alert_invalid"),
        (json!({ "symbol": "MSFT", "alert_above": -1 }), 422, "alert_invalid"),
    ] {
        let refused = send(&jane, "POST", LIST, body.clone()).await;
        assert_eq!((refused.status, &refused.json()["error"]), (status, &json!(code)), "{body}");
    }
    let alerts = jane.get("/api/v1/alerts").await.unwrap().json();
    assert_eq!(alerts["alerts"][0]["direction"], json!("above"), "{alerts}");

    let path = format!("{LIST}/aapl");
    let changed = send(&jane, "PATCH", &path, json!({ "notes": null, "alert_below": 0.001 })).await;
    let expected = (json!(null), json!(0.01), json!(0.001));
    let changed = changed.json();
    assert_eq!(
        (changed["notes"].clone(), changed["alert_above"].clone(), changed["alert_below"].clone()),
        expected
    );
    assert_eq!(send(&other, "PATCH", &path, json!({})).await.status, 404, "it is Jane's");
    assert_eq!(other.get(LIST).await.unwrap().json()["count"], json!(0));
    assert_eq!(jane.get(LIST).await.unwrap().json()["count"], json!(1));
    assert_eq!(other.send("DELETE", &path, None).await.unwrap().status, 404);
    assert_eq!(jane.send("DELETE", &path, None).await.unwrap().status, 204);
    assert_eq!(jane.get(LIST).await.unwrap().json()["count"], json!(0));
}

#[tokio::test]
async fn each_tier_has_its_rate_limit_and_a_foreign_key_opens_nothing() {
    let postgres = Postgres::start().unwrap();
    let serving = serve(&postgres, &[]);
    let client = ready(&serving).await;
    for (tier, max) in [(Tier::Free, 30), (Tier::Paid, 100)] {
        let user = signed_in(&postgres, &client, tier).await;
        for n in 0..max {
            assert_eq!(user.get("/api/v1/alerts").await.unwrap().status, 200, "{tier:?} {n}");
        }
        assert_eq!(user.get("/api/v1/alerts").await.unwrap().status, 429, "{tier:?}");
    }
    let foreign = SigningKey::from_seed(&[8; 32]).unwrap();
    let (iss, sub) = (ISSUER.to_owned(), "1".to_owned());
    let token = foreign.sign(&Claims { iss, sub, tier: Tier::Paid, iat: 0, exp: u64::MAX });
    let forger = client.with("authorization", &format!("Bearer {token}"));
    assert_eq!(forger.get("/api/v1/alerts").await.unwrap().status, 401);
}

/// What the first release of all asked of its database, word for word; it entered no releases.
const FIRST_STEP: &str = "
    CREATE TABLE schema_steps (version int PRIMARY KEY);
    INSERT INTO schema_steps VALUES (1);
    CREATE TABLE stocks (symbol text PRIMARY KEY, name text NOT NULL, search_name text NOT NULL,
                         country text, indices text[] NOT NULL);
    INSERT INTO stocks VALUES ('AAPL', 'Apple Inc.', 'apple inc.', 'United States', '{S&P 500}')";
const FIRST_SEARCH: &str = "
    SELECT symbol, name, country, indices FROM stocks
    WHERE symbol LIKE $1 OR search_name LIKE $2
    ORDER BY symbol LIKE $1 DESC, search_name LIKE $3 DESC, search_name LIKE $4 DESC,
             cardinality(indices) DESC, symbol
    LIMIT $5";
const FIRST_INSERT: &str = "
    INSERT INTO stocks AS old (symbol, name, search_name, country, indices)
    VALUES ($1, $2, $3, NULL, '{}') ON CONFLICT (symbol) DO UPDATE SET name = EXCLUDED.name";

/// Users of one release until `stop`: how many requests were answered. Any failure ends the test.
async fn users_of(client: Client, stop: Arc<AtomicBool>, answered: Arc<AtomicU32>) {
    while !stop.load(Ordering::Relaxed) {
        let answer =
            client.post_json("/api/v1/stock/search", r#"{"query": "AAPL"}"#).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.json()["results"][0]["symbol"], json!("AAPL"));
        let answer = client.get("/health").await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        answered.fetch_add(2, Ordering::Relaxed);
    }
}

/// The first release, reading and writing until `stop`.
async fn first_release(
    database: tokio_postgres::Client,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU32>,
) {
    let search = database.prepare(FIRST_SEARCH).await.unwrap();
    let insert = database.prepare(FIRST_INSERT).await.unwrap();
    while !stop.load(Ordering::Relaxed) {
        let rows = database.query(&search, &[&"AAPL%", &"%aapl%", &"aapl%", &"% aapl%", &200_i64]);
        assert_eq!(rows.await.unwrap()[0].get::<_, &str>("symbol"), "AAPL");
        let number = answered.fetch_add(2, Ordering::Relaxed);
        let symbol = format!("OLD{}", number % 50);
        let name = format!("Old company {number}");
        database.execute(&insert, &[&symbol, &name, &name.to_lowercase()]).await.unwrap();
    }
}

async fn version(database: &tokio_postgres::Client) -> i32 {
    database.query_one("SELECT max(version) FROM schema_steps", &[]).await.unwrap().get(0)
}

/// Three releases follow one another. While two of them serve, steps are taken, and nobody fails: the second
/// expands under the first, which reads and writes as it always did; the third contracts under the second.
#[tokio::test]
async fn steps_are_taken_while_old_and_new_release_serve_and_no_request_fails() {
    let postgres = Postgres::start().unwrap();
    let database = database(&postgres).await;
    database.batch_execute(FIRST_STEP).await.unwrap();

    let (stop_first, by_first) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let connection = self::database(&postgres).await;
    let first =
        tokio::spawn(first_release(connection, Arc::clone(&stop_first), Arc::clone(&by_first)));
    let second = serve(&postgres, &[("QNT9_RELEASE", "sha256:second")]);
    let client = ready(&second).await;
    let (stop, by_second) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let second_users = tokio::spawn(users_of(client, Arc::clone(&stop), Arc::clone(&by_second)));
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(version(&database).await, 7, "the contract step waits for the first release");
    stop_first.store(true, Ordering::Relaxed);
    first.await.unwrap();
    assert!(by_first.load(Ordering::Relaxed) > 50, "the first release was at work");

    // Later: the first release has not been seen for long, and the second is the one before the third.
    let age = "UPDATE schema_releases SET last_seen = now() - interval '1 hour'
               WHERE release <> 'sha256:second'";
    assert_eq!(database.execute(age, &[]).await.unwrap(), 1);
    let third = serve(&postgres, &[("QNT9_RELEASE", "sha256:third")]);
    let client = ready(&third).await;
    assert_eq!(version(&database).await, 8, "nobody needs the old column any more");
    let before = by_second.load(Ordering::Relaxed);
    let by_third = Arc::new(AtomicU32::new(0));
    let third_users = tokio::spawn(users_of(client, Arc::clone(&stop), Arc::clone(&by_third)));
    tokio::time::sleep(Duration::from_millis(500)).await;
    stop.store(true, Ordering::Relaxed);
    second_users.await.unwrap();
    third_users.await.unwrap();
    assert!(by_second.load(Ordering::Relaxed) > before, "the second went on after the step");
    assert!(by_third.load(Ordering::Relaxed) > 0);
}
