//! The routes that every service has, around those of its own.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use axum::{
    Json, Router,
    extract::{ConnectInfo, DefaultBodyLimit, MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header::CONTENT_TYPE},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Map, Value, json};

use crate::{
    answer::ApiError,
    config::{self, Config},
    database::Database,
    log,
    metrics::Metrics,
};

const BODY_BYTES_MAX: usize = 16 * 1024;
const RELEASE_HEADER: HeaderName = HeaderName::from_static("x-qnt9-release");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Something that a service needs, and whether it works now.
#[derive(Debug)]
pub struct Check {
    pub name: &'static str,
    /// Or why it does not work.
    pub outcome: Result<(), String>,
}

/// Tries everything that the service needs.
pub type Checks = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Vec<Check>> + Send>> + Send + Sync>;

/// What every service consists of.
pub struct Service {
    pub name: &'static str,
    pub config: Config,
    pub metrics: Metrics,
    /// The description of the service's own paths (OpenAPI 3.1, JSON).
    pub openapi: &'static str,
    pub checks: Checks,
}

/// The service's own routes, and the common ones: `/livez`, `/readyz`, `/health`, `/metrics`, `/openapi.json`.
pub fn router(service: Arc<Service>, own: Router) -> Router {
    let common = Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .route("/openapi.json", get(openapi))
        .with_state(Arc::clone(&service));
    own.merge(common)
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        // Two layers in one: axum puts each into a box of its own, for every request.
        .layer((
            middleware::from_fn_with_state(service, observe),
            DefaultBodyLimit::max(BODY_BYTES_MAX),
        ))
}

/// Names the release in every answer, counts it, and logs the answers somebody should look at.
async fn observe(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let method = method_name(request.method());
    let uri = request.uri().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let started = Instant::now();
    let mut response = next.run(request).await;
    let (took, status) = (started.elapsed(), response.status());
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    service.metrics.answered(route, method, status.as_u16(), took);
    // A probe that fails is what probes are for; the reason is in its answer.
    let probe = matches!(route, "/readyz" | "/health");
    if (status.is_server_error() && !probe) || took > service.config.slow_request {
        let (status, took_ms) = (status.as_u16(), took.as_millis());
        log::warn(&format!("{method} {} answered {status} in {took_ms} ms", uri.path()));
    }
    if let Ok(release) = HeaderValue::from_str(&service.config.release) {
        response.headers_mut().insert(RELEASE_HEADER, release);
    }
    response
}

/// Methods are counted by name, and a caller must not be able to invent ever new ones.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

/// Whether this replica should get traffic now, and what is missing if not.
async fn readyz(State(service): State<Arc<Service>>) -> Response {
    let started = Instant::now();
    let checks = (service.checks)().await;
    let (status, state) = match checks.iter().all(|check| check.outcome.is_ok()) {
        true => (StatusCode::OK, "ready"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
    };
    let check = |check: &Check| match &check.outcome {
        Ok(()) => json!({ "name": check.name, "ok": true }),
        Err(reason) => json!({ "name": check.name, "ok": false, "reason": reason }),
    };
    let took_ms = started.elapsed().as_secs_f64() * 1000.0;
    let checks: Vec<Value> = checks.iter().map(check).collect();
    (status, Json(json!({ "status": state, "checks": checks, "took_ms": took_ms }))).into_response()
}

/// What runs here and how it is, for people: `status` is `ok` or `unavailable`, each check `ok` or the reason.
async fn health(State(service): State<Arc<Service>>) -> Response {
    let checks = (service.checks)().await;
    let (status, state) = match checks.iter().all(|check| check.outcome.is_ok()) {
        true => (StatusCode::OK, "ok"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
    };
    let mut answer = Map::new();
    answer.insert("status".to_owned(), json!(state));
    for check in checks {
        answer.insert(check.name.to_owned(), json!(check.outcome.err().unwrap_or("ok".to_owned())));
    }
    let config = &service.config;
    answer.insert("service".to_owned(), json!(service.name));
    answer.insert("version".to_owned(), json!(env!("CARGO_PKG_VERSION")));
    answer.insert("commit".to_owned(), json!(config::COMMIT));
    answer.insert("environment".to_owned(), json!(config.environment));
    answer.insert("release".to_owned(), json!(config.release));
    (status, Json(answer)).into_response()
}

async fn metrics(State(service): State<Arc<Service>>) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], service.metrics.text()).into_response()
}

async fn openapi(State(service): State<Arc<Service>>) -> Response {
    ([(CONTENT_TYPE, "application/json")], service.openapi).into_response()
}

async fn not_found(request: Request) -> ApiError {
    let message = format!("there is no {}; /openapi.json says what there is", request.uri().path());
    ApiError::not_found("not_found", message)
}

async fn method_not_allowed(request: Request) -> ApiError {
    let message = format!("{} does not take {}", request.uri().path(), request.method());
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}

/// The check that the database answers: `asked` is one of the service's statements.
pub async fn database_check(database: &Database, asked: &'static str, none: &str) -> Check {
    let outcome = match database.read(asked, &[]).await {
        Ok(rows) if rows.is_empty() => Err(none.to_owned()),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    };
    Check { name: "database", outcome }
}

/// Whom a request comes from. A proxy on this machine is believed about the last hop before it; anybody else
/// could claim what they like.
pub fn caller(headers: &HeaderMap, peer: Option<&ConnectInfo<SocketAddr>>) -> String {
    let Some(ConnectInfo(peer)) = peer else { return "unknown".to_owned() };
    let hops = headers.get(FORWARDED_FOR).filter(|_| peer.ip().is_loopback());
    let last = hops.and_then(|hops| hops.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
    last.unwrap_or(peer.ip()).to_string()
}

/// Seconds since 1970.
pub fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(forwarded: &str, peer: &str) -> String {
        let headers = HeaderMap::from_iter([(FORWARDED_FOR, forwarded.parse().unwrap())]);
        caller(&headers, Some(&ConnectInfo(peer.parse().unwrap())))
    }

    #[test]
    fn only_a_proxy_on_this_machine_is_believed() {
        assert_eq!(called("10.0.0.1, 203.0.113.9", "127.0.0.1:4000"), "203.0.113.9");
        assert_eq!(called("10.0.0.1", "198.51.100.7:4000"), "198.51.100.7");
        assert_eq!(called("nonsense", "127.0.0.1:4000"), "127.0.0.1");
    }
}
