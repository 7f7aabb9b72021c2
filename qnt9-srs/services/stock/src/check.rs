//! Integration tests against a running service and its database: `stock check --url URL`.

use serde_json::{Value, json};

use crate::client::{Answer, Client};

const SEARCH: &str = "/api/v1/stock/search";
const TOGETHER: usize = 20;

/// Runs every check, prints one line each, and fails when one of them failed.
pub async fn run(url: &str) -> Result<(), String> {
    let client = Client::new(url)?;
    let checks: [(&str, Result<(), String>); 13] = [
        ("health says the database answers", health(&client).await),
        ("homepage is served and has a form", homepage(&client).await),
        ("every answer names its release", release(&client).await),
        ("a symbol is found first", first(&client, "AAPL", "AAPL").await),
        ("small letters find it too", first(&client, "aapl", "AAPL").await),
        ("a name finds its company", first(&client, "microsoft", "MSFT").await),
        ("a symbol without its exchange is found", first(&client, "SAP", "SAP.DE").await),
        ("the limit is kept", limit(&client).await),
        ("no match is an empty list", count(&client, "no company is called this", 0).await),
        ("a wildcard is only a character", count(&client, "%", 0).await),
        ("bad input is refused with a reason", refused(&client).await),
        ("an unknown path is a 404", status(client.get("/nowhere").await, 404).map(|_| ())),
        ("searches at the same time are all answered", together(&client).await),
    ];
    for (name, result) in &checks {
        match result {
            Ok(()) => println!("ok      {name}"),
            Err(reason) => println!("FAILED  {name}: {reason}"),
        }
    }
    let failed = checks.iter().filter(|(_, result)| result.is_err()).count();
    println!("{} of {} integration tests passed", checks.len() - failed, checks.len());
    if failed == 0 { Ok(()) } else { Err(format!("{failed} integration tests failed at {url}")) }
}

async fn health(client: &Client) -> Result<(), String> {
    let health = status(client.get("/health").await, 200)?.json();
    expect("status", &health["status"], &json!("ok"))?;
    expect("database", &health["database"], &json!("ok"))
}

async fn homepage(client: &Client) -> Result<(), String> {
    let answer = status(client.get("/").await, 200)?;
    let complete = answer.body.contains("<form") && answer.body.contains("release ");
    if complete { Ok(()) } else { Err(format!("no form or no release in {}", answer.body)) }
}

async fn release(client: &Client) -> Result<(), String> {
    let health = status(client.get("/health").await, 200)?;
    let release = health.release.clone().ok_or("no x-qnt9-release header")?;
    expect("release", &health.json()["release"], &json!(release))
}

async fn first(client: &Client, query: &str, symbol: &str) -> Result<(), String> {
    let found = search(client, json!({ "query": query })).await?;
    expect("first result", &found["results"][0]["symbol"], &json!(symbol))
}

async fn limit(client: &Client) -> Result<(), String> {
    let found = search(client, json!({ "query": "a", "limit": 3 })).await?;
    expect("count", &found["count"], &json!(3))
}

async fn count(client: &Client, query: &str, count: usize) -> Result<(), String> {
    let found = search(client, json!({ "query": query })).await?;
    expect("count", &found["count"], &json!(count))
}

async fn refused(client: &Client) -> Result<(), String> {
    let cases = [
        ("{", 400, "body_invalid"),
        ("{}", 422, "body_invalid"),
        (r#"{"query": "  "}"#, 422, "query_empty"),
        (r#"{"query": "AAPL", "limit": 0}"#, 422, "limit_out_of_range"),
    ];
    for (body, expected, code) in cases {
        let answer = status(client.post_json(SEARCH, body).await, expected)?;
        expect("error code", &answer.json()["error"]["code"], &json!(code))?;
    }
    Ok(())
}

async fn together(client: &Client) -> Result<(), String> {
    let searches: Vec<_> = (0..TOGETHER)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { first(&client, "AAPL", "AAPL").await })
        })
        .collect();
    for search in searches {
        search.await.map_err(|error| error.to_string())??;
    }
    Ok(())
}

async fn search(client: &Client, request: Value) -> Result<Value, String> {
    Ok(status(client.post_json(SEARCH, &request.to_string()).await, 200)?.json())
}

fn status(answer: Result<Answer, String>, expected: u16) -> Result<Answer, String> {
    let answer = answer?;
    if answer.status == expected {
        return Ok(answer);
    }
    Err(format!("expected {expected}, got {}: {}", answer.status, answer.body))
}

fn expect(what: &str, got: &Value, expected: &Value) -> Result<(), String> {
    if got == expected { Ok(()) } else { Err(format!("{what}: expected {expected}, got {got}")) }
}
