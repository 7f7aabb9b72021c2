//! The service over real HTTP, without a database: what it must do then, and what needs none.

use std::{net::SocketAddr, sync::Arc};

use chassis::{client::Client, suite::described};
use serde_json::json;
use stock::{
    config::Config,
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
    let listener = free_port().await;
    let address = listener.local_addr().expect("a bound socket has an address");
    let routes = router(Arc::new(Service::new(config)));
    let routes = routes.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Client::new(&format!("http://{address}")).expect("an address makes a URL")
}

async fn free_port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("some port is free")
}

#[tokio::test]
async fn health_is_503_and_says_why_without_the_password() {
    let client = service_without_database().await;
    let answer = client.get("/health").await.unwrap();
    assert_eq!(answer.status, 503);
    let database = answer.json()["database"].to_string();
    assert!(database.contains("refused"), "{database}");
    let ready = client.get("/readyz").await.unwrap();
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json()["checks"][0]["ok"], json!(false));
    assert!(!format!("{}{}", answer.body, ready.body).contains("hidden"), "{}", answer.body);
    assert_eq!(client.get("/livez").await.unwrap().status, 200);
}

#[tokio::test]
async fn the_homepage_needs_no_database_and_every_answer_names_the_release() {
    let client = service_without_database().await;
    for (path, status) in [("/", 200), ("/health", 503), ("/nowhere", 404)] {
        let answer = client.get(path).await.unwrap();
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.header("x-qnt9-release"), Some("sha256:1234"), "{path}");
    }
}

#[tokio::test]
async fn a_search_is_503_with_a_reason_as_json_and_as_a_page() {
    let client = service_without_database().await;
    let answer = client.post_json(SEARCH, r#"{"query": "AAPL"}"#).await.unwrap();
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert_eq!(answer.json()["error"], json!("database_unavailable"));
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
        (r#"{"query": "a", "filters": {"indx": "DAX"}}"#, 422, "body_invalid"),
        (r#"{"query": ""}"#, 422, "query_empty"),
        (r#"{"query": "a\u0000b"}"#, 422, "query_unprintable"),
        (r#"{"query": "US0378331006"}"#, 422, "isin_check_digit"),
        (too_long.as_str(), 422, "query_too_long"),
        (too_large.as_str(), 413, "body_invalid"),
    ];
    for (body, status, code) in cases {
        let answer = client.post_json(SEARCH, body).await.unwrap();
        let shown = &body[..body.len().min(40)];
        assert_eq!(answer.status, status, "{shown}: {}", answer.body);
        assert_eq!(answer.json()["error"], json!(code), "{shown}");
    }
    for (path, code) in [
        ("/api/v1/stock/search", "parameters_invalid"),
        ("/api/v1/stock/search?query=", "query_empty"),
        ("/api/v1/stock/suggest?query=a&limit=0", "limit_out_of_range"),
        ("/api/v1/stocks/US0378331006", "isin_check_digit"),
        ("/api/v1/stocks/AAPL/prices?from=2026-02-30", "day_invalid"),
        ("/api/v1/stocks/AAPL/prices?from=2020-02-01&to=2020-01-01", "period_invalid"),
        ("/api/v1/stocks/AAPL/prices?from=2016-01-01&to=2026-11-23", "period_invalid"),
        ("/api/v1/stocks/AAPL/prices?to=9999-01-01", "period_invalid"),
        ("/api/v1/recommendations?limit=51", "limit_out_of_range"),
        ("/api/v1/recommendations?indx=DAX", "parameters_invalid"),
    ] {
        let answer = client.get(path).await.unwrap();
        assert!([400, 422].contains(&answer.status), "{path}: {}", answer.body);
        assert_eq!(answer.json()["error"], json!(code), "{path}");
    }
}

#[tokio::test]
async fn whoever_tries_tokens_is_slowed_down() {
    let client = service_without_database().await;
    for n in 0..10 {
        let answer = client.get("/api/v1/watchlists").await.unwrap();
        assert_eq!(answer.status, 401, "request {n}: {}", answer.body);
    }
    let answer = client.get("/api/v1/alerts").await.unwrap();
    assert_eq!(answer.status, 429, "{}", answer.body);
    assert_eq!(answer.json()["details"]["requests_per_minute_max"], json!(10));
    assert!(answer.header("retry-after").is_some());
}

#[tokio::test]
async fn a_wrong_method_is_told_apart_from_a_wrong_path() {
    let client = service_without_database().await;
    assert_eq!(client.send("DELETE", SEARCH, None).await.unwrap().status, 405);
    let answer = client.get("/api/v2").await.unwrap();
    assert_eq!(answer.status, 404);
    assert!(answer.json()["message"].to_string().contains("/openapi.json"));
}

/// A path that is described but not served answers 404 or 405. That all that is served is described, the
/// metrics show: they count by route.
#[tokio::test]
async fn everything_described_is_served() {
    let client = service_without_database().await;
    let openapi = client.get("/openapi.json").await.unwrap().json();
    let described = described(&openapi);
    assert_eq!(described.len(), 17, "{described:?}");
    for (method, path) in &described {
        let answer = client.send(method, path, None).await.unwrap();
        let served =
            !matches!(answer.json()["error"].as_str(), Some("not_found" | "method_not_allowed"));
        assert!(served, "{method} {path}: {}", answer.body);
    }
    let metrics = client.get("/metrics").await.unwrap().body;
    for (method, path) in &described {
        let counted = format!("_count{{route=\"{path}\",method=\"{method}\"");
        assert!(metrics.contains(&counted) || path == "/metrics", "{counted}");
    }
}
