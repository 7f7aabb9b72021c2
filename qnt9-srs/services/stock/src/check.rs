//! Integration tests against a running service and its database: `stock check --url URL`.

use chassis::{
    client::Client,
    suite::{Outcome, expect, report},
};
use serde_json::{Value, json};

const SEARCH: &str = "/api/v1/stock/search";
const TOGETHER: usize = 20;

/// Runs every check, prints one line each, and fails when one of them failed.
pub async fn run(url: &str) -> Result<(), String> {
    let client = Client::new(url)?;
    let outcomes = [
        ("health says the database answers", health(&client).await),
        ("it is ready, and says what it tried", ready(&client).await),
        ("homepage is served and has a form", homepage(&client).await),
        ("every answer names its release", release(&client).await),
        ("a symbol is found first", first(&client, "AAPL", "AAPL").await),
        ("small letters find it too", first(&client, "aapl", "AAPL").await),
        ("a name finds its company", first(&client, "microsoft", "MSFT").await),
        ("a symbol without its exchange is found", first(&client, "SAP", "SAP.DE").await),
        ("an ISIN finds its company", first(&client, "DE0007164600", "SAP.DE").await),
        ("a WKN finds its company", first(&client, "716460", "SAP.DE").await),
        ("a misspelt name finds its company", first(&client, "deutche bank", "DBK.DE").await),
        ("the limit is kept", limit(&client).await),
        ("no match is an empty list", count(&client, "qqqq wwww zzzz", 0).await),
        ("a wildcard is only a character", count(&client, "%", 0).await),
        ("filters leave out the others", filters(&client).await),
        ("bad input is refused with a reason", refused(&client).await),
        ("details are found by each identifier", details(&client).await),
        ("prices are the same every time", prices(&client).await),
        ("recommendations explain themselves", recommendations(&client).await),
        ("a watchlist needs an access token", watchlist(&client).await),
        ("metrics count what was asked", metrics(&client).await),
        ("an unknown path is a 404", status(&client, "/nowhere", 404).await.map(|_| ())),
        ("searches at the same time are all answered", together(&client).await),
    ];
    report(url, &outcomes)
}

async fn status(client: &Client, path: &str, status: u16) -> Result<Value, String> {
    Ok(client.get(path).await?.expect_status(status)?.json())
}

async fn health(client: &Client) -> Outcome {
    let health = status(client, "/health", 200).await?;
    expect("status", &health["status"], &json!("ok"))?;
    expect("database", &health["database"], &json!("ok"))
}

async fn ready(client: &Client) -> Outcome {
    client.get("/livez").await?.expect_status(200)?;
    let ready = status(client, "/readyz", 200).await?;
    expect("first check", &ready["checks"][0], &json!({ "name": "database", "ok": true }))
}

async fn homepage(client: &Client) -> Outcome {
    let answer = client.get("/").await?.expect_status(200)?;
    let complete = answer.body.contains("<form") && answer.body.contains("release ");
    if complete { Ok(()) } else { Err(format!("no form or no release in {}", answer.body)) }
}

async fn release(client: &Client) -> Outcome {
    let health = client.get("/health").await?.expect_status(200)?;
    let release = health.header("x-qnt9-release").ok_or("no x-qnt9-release header")?;
    expect("release", &health.json()["release"], &json!(release))
}

async fn first(client: &Client, query: &str, symbol: &str) -> Outcome {
    let found = search(client, json!({ "query": query })).await?;
    expect("first result", &found["results"][0]["symbol"], &json!(symbol))
}

async fn limit(client: &Client) -> Outcome {
    let found = search(client, json!({ "query": "a", "limit": 3 })).await?;
    expect("count", &found["count"], &json!(3))
}

async fn count(client: &Client, query: &str, count: usize) -> Outcome {
    let found = search(client, json!({ "query": query })).await?;
    expect("count", &found["count"], &json!(count))
}

async fn filters(client: &Client) -> Outcome {
    let filters = json!({ "country": "Germany", "index": "DAX" });
    let found = search(client, json!({ "query": "bank", "filters": filters })).await?;
    expect("first result", &found["results"][0]["symbol"], &json!("DBK.DE"))?;
    let path = format!("{SEARCH}?query=bank&country=Germany&index=DAX");
    expect("the same by GET", &status(client, &path, 200).await?, &found)
}

async fn refused(client: &Client) -> Outcome {
    let cases = [
        ("{", 400, "body_invalid"),
        ("{}", 422, "body_invalid"),
        (r#"{"query": "  "}"#, 422, "query_empty"),
        (r#"{"query": "AAPL", "limit": 0}"#, 422, "limit_out_of_range"),
        (r#"{"query": "US0378331006"}"#, 422, "isin_check_digit"),
    ];
    for (body, expected, code) in cases {
        let answer = client.post_json(SEARCH, body).await?.expect_status(expected)?.json();
        expect("error code", &answer["error"], &json!(code))?;
        expect("success", &answer["success"], &json!(false))?;
    }
    Ok(())
}

async fn details(client: &Client) -> Outcome {
    for id in ["SAP.DE", "sap.de", "DE0007164600", "716460"] {
        let details = status(client, &format!("/api/v1/stocks/{id}"), 200).await?;
        expect(id, &details["company"]["symbol"], &json!("SAP.DE"))?;
    }
    let unknown = status(client, "/api/v1/stocks/NOSUCH", 404).await?;
    expect("error code", &unknown["error"], &json!("company_unknown"))
}

async fn prices(client: &Client) -> Outcome {
    let path = "/api/v1/stocks/AAPL/prices?from=2020-01-02&to=2020-01-02";
    let prices = status(client, path, 200).await?;
    expect("close", &prices["prices"][0]["close"], &json!(49.4))?;
    let wrong = "/api/v1/stocks/AAPL/prices?from=2026-02-30";
    expect("error code", &status(client, wrong, 422).await?["error"], &json!("day_invalid"))
}

async fn recommendations(client: &Client) -> Outcome {
    let best = status(client, "/api/v1/recommendations?limit=2&index=DAX", 200).await?;
    let best = &best["recommendations"];
    expect("how many", &json!(best.as_array().map(Vec::len)), &json!(2))?;
    expect("factors", &json!(best[0]["factors"].as_array().map(Vec::len)), &json!(5))
}

async fn watchlist(client: &Client) -> Outcome {
    let answer = status(client, "/api/v1/watchlists", 401).await?;
    expect("error code", &answer["error"], &json!("token_missing"))
}

async fn metrics(client: &Client) -> Outcome {
    let text = client.get("/metrics").await?.expect_status(200)?.body;
    let line = r#"http_request_duration_seconds_count{route="/api/v1/stock/search""#;
    if text.contains(line) { Ok(()) } else { Err(format!("{line} is not in {text}")) }
}

async fn together(client: &Client) -> Outcome {
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
    Ok(client.post_json(SEARCH, &request.to_string()).await?.expect_status(200)?.json())
}
