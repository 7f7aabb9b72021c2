//! The service over real HTTP, without a database: what it must do then, and what needs none.

use std::sync::Arc;

use serde_json::json;
use stock::{
    client::Client,
    config::Config,
    database::Database,
    http::{Service, router},
};
use tokio::net::TcpListener;

const SEARCH: &str = "/api/v1/stock/search";

/// A service on a free port whose database address nobody listens on.
async fn service_without_database() -> Client {
    let nobody = free_port().await.local_addr().expect("a bound socket has an address");
    let config = Config::read(|name| match name {
        "DATABASE_URL" => Some(format!("postgres://stock:hidden@{nobody}/stock")),
        "QNT9_ENVIRONMENT" => Some("test".to_owned()),
        "QNT9_RELEASE" => Some("sha256:1234".to_owned()),
        _ => None,
    })
    .expect("these settings are valid");
    let database = Database::new(config.database.clone(), 2);
    let listener = free_port().await;
    let address = listener.local_addr().expect("a bound socket has an address");
    let routes = router(Arc::new(Service { config, database }));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Client::new(&format!("http://{address}")).expect("an address makes a URL")
}

async fn free_port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("some port is free")
}

#[tokio::test]
async fn health_is_503_and_says_why_without_the_password() {
    let answer = service_without_database().await.get("/health").await.unwrap();
    assert_eq!(answer.status, 503);
    let database = answer.json()["database"].to_string();
    assert!(database.contains("refused"), "{database}");
    assert!(!answer.body.contains("hidden"), "{}", answer.body);
}

#[tokio::test]
async fn the_homepage_needs_no_database_and_every_answer_names_the_release() {
    let client = service_without_database().await;
    for (path, status) in [("/", 200), ("/health", 503), ("/nowhere", 404)] {
        let answer = client.get(path).await.unwrap();
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.release.as_deref(), Some("sha256:1234"), "{path}");
    }
}

#[tokio::test]
async fn a_search_is_503_with_a_reason_as_json_and_as_a_page() {
    let client = service_without_database().await;
    let answer = client.post_json(SEARCH, r#"{"query": "AAPL"}"#).await.unwrap();
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["error"]["code"], json!("database_unavailable"));
    let page = client.get("/?query=AAPL").await.unwrap();
    assert_eq!(page.status, 503);
    assert!(page.body.contains("try again"), "{}", page.body);
}

#[tokio::test]
async fn bad_input_is_refused_before_the_database_is_asked() {
    let client = service_without_database().await;
    let too_long = json!({ "query": "a".repeat(65) }).to_string();
    let too_large = json!({ "query": "a".repeat(20_000) }).to_string();
    let cases = [
        ("not json", 400, "body_invalid"),
        (r#"{"query": 7}"#, 422, "body_invalid"),
        (r#"{"query": "a", "lmit": 3}"#, 422, "body_invalid"),
        (r#"{"query": "a", "limit": -1}"#, 422, "body_invalid"),
        (r#"{"query": ""}"#, 422, "query_empty"),
        (r#"{"query": "a\u0000b"}"#, 422, "query_unprintable"),
        (too_long.as_str(), 422, "query_too_long"),
        (too_large.as_str(), 413, "body_invalid"),
    ];
    for (body, status, code) in cases {
        let answer = client.post_json(SEARCH, body).await.unwrap();
        let shown = &body[..body.len().min(40)];
        assert_eq!(answer.status, status, "{shown}: {}", answer.body);
        assert_eq!(answer.json()["error"]["code"], json!(code), "{shown}");
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_apart_from_a_wrong_path() {
    let client = service_without_database().await;
    assert_eq!(client.get(SEARCH).await.unwrap().status, 405);
    let answer = client.get("/api/v2").await.unwrap();
    assert_eq!(answer.status, 404);
    assert!(answer.json()["error"]["message"].to_string().contains("/api/v1/stock/search"));
}
