//! The program itself on a real PostgreSQL: everything that its integration tests ask, invented accounts, new
//! keys, and a stop in the middle of a request.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::{process::Command, str::FromStr, time::Duration};

use auth::{
    check,
    fake::{self, Made},
};
use chassis::{client::Client, config::Config};
use scratch::{Postgres, Serving};
use serde_json::{Value, json};
use tokio_postgres::NoTls;

const AUTH: &str = env!("CARGO_BIN_EXE_auth");
const KEY: &str = "0123456789abcdef0123456789abcdef";
const PATIENCE: Duration = Duration::from_secs(30);

async fn serve(postgres: &Postgres) -> (Serving, Client) {
    let settings = [("DATABASE_URL", postgres.url()), ("LOAD_TEST_KEY", KEY.to_owned())];
    let settings: Vec<(&str, &str)> = settings.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let serving = Serving::start(AUTH, &settings).unwrap();
    let client = Client::new(&serving.url()).unwrap().with("x-load-test-key", KEY);
    let began = std::time::Instant::now();
    while client.get("/readyz").await.unwrap().status != 200 {
        assert!(began.elapsed() < PATIENCE, "not ready");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    (serving, client)
}

async fn database(postgres: &Postgres) -> tokio_postgres::Client {
    let config = tokio_postgres::Config::from_str(&postgres.url()).unwrap();
    let (client, driver) = config.connect(NoTls).await.unwrap();
    tokio::spawn(driver);
    client
}

fn config(postgres: &Postgres, environment: &str) -> Config {
    Config::read("auth", 8000, |name| match name {
        "DATABASE_URL" => Some(postgres.url()),
        "QNT9_ENVIRONMENT" => Some(environment.to_owned()),
        _ => None,
    })
    .unwrap()
}

#[tokio::test]
async fn it_passes_its_integration_tests_and_notes_what_happened() {
    let postgres = Postgres::start().unwrap();
    let (serving, _client) = serve(&postgres).await;
    check::run(&serving.url(), Some(KEY)).await.unwrap();
    let rows = database(&postgres).await;
    let rows = rows.query("SELECT action FROM audit_log ORDER BY id", &[]).await.unwrap();
    let actions: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
    let expected =
        ["signed_up", "sign_in_failed", "refresh_token_reused", "signed_in", "password_changed"];
    assert_eq!(actions, expected);
}

/// Two requests with the same refresh token at the same time: at most one of them may win.
#[tokio::test]
async fn a_refresh_token_is_good_for_one_exchange_even_at_the_same_moment() {
    let postgres = Postgres::start().unwrap();
    let (_serving, client) = serve(&postgres).await;
    let body = json!({ "email": "j@example.org", "password": "Correct-Horse-7", "name": "J" });
    let session = client.post_json("/auth/signup", &body.to_string()).await.unwrap().json();
    let token = json!({ "refresh_token": session["refresh_token"] }).to_string();
    let exchanges: Vec<_> = (0..8)
        .map(|_| {
            let (client, token) = (client.clone(), token.clone());
            tokio::spawn(async move { client.post_json("/auth/refresh", &token).await.unwrap() })
        })
        .collect();
    let mut won = 0;
    for exchange in exchanges {
        won += u32::from(exchange.await.unwrap().status == 200);
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn a_new_key_signs_and_tokens_of_the_old_one_stay_valid() {
    let postgres = Postgres::start().unwrap();
    let (_serving, client) = serve(&postgres).await;
    let body = json!({ "email": "j@example.org", "password": "Correct-Horse-7", "name": "J" });
    let session = client.post_json("/auth/signup", &body.to_string()).await.unwrap().json();
    let rotated =
        Command::new(AUTH).arg("rotate-keys").env("DATABASE_URL", postgres.url()).status();
    assert!(rotated.unwrap().success());
    let keys = client.get("/.well-known/jwks.json").await.unwrap().json();
    assert_eq!(keys["keys"].as_array().map(Vec::len), Some(2), "{keys}");
    let token = session["access_token"].as_str().unwrap();
    let owner = client.with("authorization", &format!("Bearer {token}"));
    assert_eq!(owner.get("/auth/me").await.unwrap().status, 200);
}

#[tokio::test]
async fn a_database_without_keys_gets_one_without_a_new_start() {
    let postgres = Postgres::start().unwrap();
    let (_serving, client) = serve(&postgres).await;
    database(&postgres).await.execute("DELETE FROM signing_keys", &[]).await.unwrap();
    let began = std::time::Instant::now();
    let keys = loop {
        let keys = client.get("/.well-known/jwks.json").await.unwrap().json();
        if keys["keys"][0].is_object() {
            break keys;
        }
        assert!(began.elapsed() < PATIENCE, "{keys}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert_eq!(keys["keys"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_stop_waits_for_requests_that_have_begun() {
    let postgres = Postgres::start().unwrap();
    let (mut serving, client) = serve(&postgres).await;
    // Hashing takes a while: the signal comes while these are under way.
    let signing_up: Vec<_> = (0..4)
        .map(|n| {
            let client = client.clone();
            let email = format!("j{n}@example.org");
            let body = json!({ "email": email, "password": "Correct-Horse-7", "name": "J" });
            tokio::spawn(async move { client.post_json("/auth/signup", &body.to_string()).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(60)).await;
    serving.terminate().unwrap();
    for answer in signing_up {
        assert_eq!(answer.await.unwrap().unwrap().status, 201);
    }
    assert!(serving.wait().unwrap(), "it did not end in order");
    assert!(client.get("/livez").await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn invented_accounts_are_always_the_same_and_not_for_production() {
    let contents = async |postgres: &Postgres, rows: usize| -> (Made, Vec<Value>) {
        let database = database(postgres).await;
        let config = config(postgres, "development");
        chassis::prepare::prepare(&config, "test", &[]).await.map_err(|e| e.to_string()).unwrap();
        let stocks =
            "INSERT INTO stocks (symbol, name, indices) VALUES ('A', 'A', '{}'), ('B', 'B', '{}')
                      ON CONFLICT DO NOTHING";
        database.execute(stocks, &[]).await.unwrap();
        let made = fake::seed(&config, rows).await.unwrap();
        let mut all = Vec::new();
        for table in ["users", "refresh_tokens", "watchlists", "audit_log"] {
            let text = format!("SELECT to_jsonb(t)::text FROM {table} AS t ORDER BY t.id");
            let rows = database.query(&text, &[]).await.unwrap();
            all.extend(rows.iter().map(|row| serde_json::from_str(row.get(0)).unwrap()));
        }
        (made, all)
    };
    let (one, other) = (Postgres::start().unwrap(), Postgres::start().unwrap());
    let (made, first) = contents(&one, 300).await;
    assert_eq!((made.users, made.refresh_tokens, made.audit_log), (300, 300, 600));
    assert!(made.watchlists > 300);
    assert_eq!(first, contents(&other, 300).await.1);
    // Asking again, for more, adds only what is missing.
    assert_eq!(contents(&one, 310).await.0.users, 10);
    assert!(fake::seed(&config(&one, "production"), 1).await.unwrap_err().contains("production"));
}

#[test]
fn production_does_not_start_with_a_load_test_key() {
    let started = Command::new(AUTH)
        .env("DATABASE_URL", "postgres://auth@127.0.0.1:1/auth")
        .env("QNT9_ENVIRONMENT", "production")
        .env("LOAD_TEST_KEY", KEY)
        .output()
        .unwrap();
    assert!(!started.status.success());
    let told = String::from_utf8(started.stderr).unwrap();
    assert!(told.contains("LOAD_TEST_KEY is set in production"), "{told}");
    assert!(!told.contains(KEY));
}
