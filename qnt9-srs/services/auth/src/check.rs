//! Integration tests against a running service and its database: `auth check --url URL`.
//!
//! They make an account with an address that nobody has. Without the load-test key they can be run once a
//! minute: more requests would pass the rate limit of somebody who has not signed in.

use chassis::{
    client::{Answer, Client},
    limit::LOAD_TEST_HEADER,
    service::unix_now,
    suite::{Outcome, expect, report},
};
use serde_json::{Value, json};

const PASSWORD: &str = "Correct-Horse-7";
const NEXT_PASSWORD: &str = "Battery-Staple-8";

/// Runs every check, prints one line each, and fails when one of them failed.
pub async fn run(url: &str, load_test_key: Option<&str>) -> Result<(), String> {
    let mut client = Client::new(url)?;
    if let Some(key) = load_test_key {
        client = client.with(LOAD_TEST_HEADER, key);
    }
    let email = format!("check.{}.{}@example.org", unix_now(), std::process::id());
    let session = sign_up(&client, &email).await;
    let opened = session.as_ref().cloned().unwrap_or_default();
    let outcomes = [
        ("health says the database answers", health(&client).await),
        ("an account is made and signed in", session.map(|_| ())),
        ("an address can be used once", again(&client, &email).await),
        ("the account is told to its owner", me(&client, &opened, &email).await),
        ("the token's key is published", published(&client, &opened).await),
        ("a wrong password is refused", wrong_password(&client, &email).await),
        ("a weak password is refused with reasons", weak(&client).await),
        ("a refresh token is good for one exchange", rotation(&client, &opened).await),
        ("a new password ends all sessions", new_password(&client, &email).await),
        ("metrics count what was asked", metrics(&client).await),
    ];
    report(url, &outcomes)
}

async fn post(client: &Client, path: &str, body: Value) -> Result<Answer, String> {
    client.post_json(path, &body.to_string()).await
}

async fn sign_up(client: &Client, email: &str) -> Result<Value, String> {
    let body = json!({ "email": email, "password": PASSWORD, "name": "Check Mate" });
    Ok(post(client, "/auth/signup", body).await?.expect_status(201)?.json())
}

async fn sign_in(client: &Client, email: &str, password: &str) -> Result<Answer, String> {
    post(client, "/auth/signin", json!({ "email": email, "password": password })).await
}

fn bearer(client: &Client, session: &Value) -> Client {
    let token = session["access_token"].as_str().unwrap_or_default();
    client.with("authorization", &format!("Bearer {token}"))
}

async fn health(client: &Client) -> Outcome {
    let health = client.get("/health").await?.expect_status(200)?.json();
    client.get("/readyz").await?.expect_status(200)?;
    expect("database", &health["database"], &json!("ok"))
}

async fn again(client: &Client, email: &str) -> Outcome {
    let body = json!({ "email": email.to_uppercase(), "password": PASSWORD, "name": "X" });
    let answer = post(client, "/auth/signup", body).await?.expect_status(409)?.json();
    expect("error code", &answer["error"], &json!("email_taken"))
}

async fn me(client: &Client, session: &Value, email: &str) -> Outcome {
    let me = bearer(client, session).get("/auth/me").await?.expect_status(200)?.json();
    expect("email", &me["email"], &json!(email))?;
    let answer = client.get("/auth/me").await?.expect_status(401)?.json();
    expect("error code", &answer["error"], &json!("token_missing"))
}

async fn published(client: &Client, session: &Value) -> Outcome {
    let keys = client.get("/.well-known/jwks.json").await?.expect_status(200)?.json();
    let set = chassis::token::KeySet::from_document(&keys)?;
    let token = session["access_token"].as_str().unwrap_or_default();
    let claims = set.verify(token, unix_now()).map_err(|error| error.to_string())?;
    expect("subject", &json!(claims.sub), &session["account"]["id"])
}

async fn wrong_password(client: &Client, email: &str) -> Outcome {
    let answer = sign_in(client, email, "Wrong-Horse-7").await?.expect_status(401)?.json();
    expect("error code", &answer["error"], &json!("sign_in_failed"))
}

async fn weak(client: &Client) -> Outcome {
    let body = json!({ "email": "weak@example.org", "password": "abc", "name": "X" });
    let answer = post(client, "/auth/signup", body).await?.expect_status(422)?.json();
    let faults = answer["details"]["faults"].as_array().map(Vec::len);
    expect("faults", &json!(faults), &json!(4))
}

async fn rotation(client: &Client, session: &Value) -> Outcome {
    let exchange = async |token: &Value| {
        post(client, "/auth/refresh", json!({ "refresh_token": token })).await
    };
    let next = exchange(&session["refresh_token"]).await?.expect_status(200)?.json();
    let reused = exchange(&session["refresh_token"]).await?.expect_status(401)?.json();
    expect("error code", &reused["error"], &json!("refresh_token_reused"))?;
    let after = exchange(&next["refresh_token"]).await?.expect_status(401)?.json();
    expect("after that", &after["error"], &json!("session_over"))
}

async fn new_password(client: &Client, email: &str) -> Outcome {
    let session = sign_in(client, email, PASSWORD).await?.expect_status(200)?.json();
    let body = json!({ "current": PASSWORD, "new": NEXT_PASSWORD }).to_string();
    let owner = bearer(client, &session);
    owner.send("PATCH", "/auth/me/password", Some(&body)).await?.expect_status(204)?;
    let token = json!({ "refresh_token": session["refresh_token"] });
    post(client, "/auth/refresh", token).await?.expect_status(401)?;
    Ok(())
}

async fn metrics(client: &Client) -> Outcome {
    let text = client.get("/metrics").await?.expect_status(200)?.body;
    let line =
        r#"http_request_duration_seconds_count{route="/auth/signin",method="POST",status="401"}"#;
    if text.contains(line) { Ok(()) } else { Err(format!("{line} is not in {text}")) }
}
