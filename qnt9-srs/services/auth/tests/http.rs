//! The service over real HTTP, without a database: what it must do then, and what needs none.

use std::{net::SocketAddr, sync::Arc};

use auth::http::{Service, router};
use chassis::{client::Client, config::Config, limit::LOAD_TEST_HEADER, suite::described};
use serde_json::json;
use tokio::net::TcpListener;

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// A service on a free port whose database address nobody listens on.
async fn service_without_database() -> Client {
    let nobody = free_port().await.local_addr().expect("a bound socket has an address");
    let config = Config::read("auth", 8000, |name| match name {
        "DATABASE_URL" => Some(format!("postgres://auth:hidden@{nobody}/auth")),
        "QNT9_ENVIRONMENT" => Some("staging".to_owned()),
        "LOAD_TEST_KEY" => Some(KEY.to_owned()),
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
async fn it_lives_but_is_not_ready_and_says_why_without_the_password() {
    let client = service_without_database().await;
    assert_eq!(client.get("/livez").await.unwrap().status, 200);
    for path in ["/readyz", "/health"] {
        let answer = client.get(path).await.unwrap();
        assert_eq!(answer.status, 503);
        assert!(
            answer.body.contains("refused") && !answer.body.contains("hidden"),
            "{}",
            answer.body
        );
    }
    assert_eq!(client.get("/.well-known/jwks.json").await.unwrap().status, 503);
}

#[tokio::test]
async fn bad_input_is_refused_before_the_database_is_asked() {
    let client = service_without_database().await.with(LOAD_TEST_HEADER, KEY);
    let sign_up = |email: &str, password: &str, name: &str| {
        json!({ "email": email, "password": password, "name": name }).to_string()
    };
    let cases = [
        ("/auth/signup", "{".to_owned(), 400, "body_invalid"),
        ("/auth/signup", "{}".to_owned(), 422, "body_invalid"),
        ("/auth/signup", sign_up("jane", "Correct-Horse-7", "J"), 422, "email_invalid"),
        ("/auth/signup", sign_up("j@example.org", "Correct-Horse-7", " "), 422, "name_invalid"),
        ("/auth/signup", sign_up("j@example.org", "horse", "J"), 422, "password_weak"),
        (
            "/auth/signup",
            sign_up("j@example.org", "Correct-Horse-7", "J"),
            503,
            "database_unavailable",
        ),
        ("/auth/signin", r#"{"email": "jane", "password": "x"}"#.to_owned(), 422, "email_invalid"),
        ("/auth/signin", r#"{"email": "j@e.de", "pasword": "x"}"#.to_owned(), 422, "body_invalid"),
        ("/auth/refresh", r#"{"refresh_token": 7}"#.to_owned(), 422, "body_invalid"),
    ];
    for (path, body, status, code) in cases {
        let answer = client.post_json(path, &body).await.unwrap();
        assert_eq!(answer.status, status, "{path} {body}: {}", answer.body);
        let answer = answer.json();
        assert_eq!((&answer["error"], &answer["success"]), (&json!(code), &json!(false)), "{body}");
    }
}

#[tokio::test]
async fn whoever_has_not_signed_in_asks_ten_times_a_minute_and_the_load_test_as_often_as_it_likes()
{
    let client = service_without_database().await;
    let load_test = client.with(LOAD_TEST_HEADER, KEY);
    let wrong_key = client.with(LOAD_TEST_HEADER, "ffffffffffffffffffffffffffffffff");
    for _ in 0..40 {
        assert_ne!(load_test.post_json("/auth/signin", "{}").await.unwrap().status, 429);
    }
    for n in 0..10 {
        assert_ne!(
            client.post_json("/auth/signin", "{}").await.unwrap().status,
            429,
            "request {n}"
        );
    }
    let refused = wrong_key.post_json("/auth/signin", "{}").await.unwrap();
    assert_eq!((refused.status, &refused.json()["error"]), (429, &json!("rate_limited")));
    assert!(refused.header("retry-after").is_some());
    let elsewhere = client.with("x-forwarded-for", "203.0.113.9");
    assert_ne!(elsewhere.post_json("/auth/signin", "{}").await.unwrap().status, 429);
}

/// A path that is described but not served answers 404 or 405.
#[tokio::test]
async fn everything_described_is_served() {
    let client = service_without_database().await.with(LOAD_TEST_HEADER, KEY);
    let described = described(&client.get("/openapi.json").await.unwrap().json());
    assert_eq!(described.len(), 14, "{described:?}");
    for (method, path) in &described {
        let answer = client.send(method, path, None).await.unwrap();
        assert!(![404, 405].contains(&answer.status), "{method} {path}: {}", answer.body);
    }
}
