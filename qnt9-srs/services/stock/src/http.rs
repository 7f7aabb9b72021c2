//! What the service answers over HTTP.

use std::{sync::Arc, time::Instant};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Query, Request, State, rejection::JsonRejection},
    http::{HeaderName, HeaderValue, StatusCode},
    middleware::{self, Next},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    company::Company,
    config::{self, Config},
    database::{Database, DatabaseError},
    home::{self, Found},
    log, ranking,
    search::{Invalid, Search, SearchRequest},
};

const BODY_BYTES_MAX: usize = 16 * 1024;
const RELEASE_HEADER: HeaderName = HeaderName::from_static("x-qnt9-release");

/// What every handler may use.
pub struct Service {
    pub config: Config,
    pub database: Database,
}

/// The routes, ready to be served.
pub fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/", get(homepage))
        .route("/api/v1/stock/search", post(search))
        .route("/health", get(health))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(Arc::clone(&service), observe))
        .with_state(service)
}

/// Names the release in every answer, and logs the answers somebody should look at.
async fn observe(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let what = format!("{} {}", request.method(), request.uri().path());
    let started = Instant::now();
    let mut response = next.run(request).await;
    let (took, status) = (started.elapsed(), response.status());
    if status.is_server_error() || took > service.config.slow_request {
        log::warn(&format!("{what} answered {} in {} ms", status.as_u16(), took.as_millis()));
    }
    if let Ok(release) = HeaderValue::from_str(&service.config.release) {
        response.headers_mut().insert(RELEASE_HEADER, release);
    }
    response
}

#[derive(Deserialize)]
struct HomepageQuery {
    query: Option<String>,
}

async fn homepage(
    State(service): State<Arc<Service>>,
    Query(HomepageQuery { query }): Query<HomepageQuery>,
) -> Response {
    let query = query.unwrap_or_default();
    let (environment, release) = (&service.config.environment, &service.config.release);
    let page = |found: Found<'_>| Html(home::page(environment, release, &query, &found));
    if query.is_empty() {
        return page(Found::Nothing).into_response();
    }
    match find(&service, SearchRequest { query: query.clone(), limit: None }).await {
        Ok((_, companies)) => page(Found::Companies(&companies)).into_response(),
        Err(error) => (error.status, page(Found::Problem(&error.message))).into_response(),
    }
}

async fn search(
    State(service): State<Arc<Service>>,
    request: Result<Json<SearchRequest>, JsonRejection>,
) -> Result<Response, ApiError> {
    let Json(request) = request?;
    let (search, results) = find(&service, request).await?;
    let answer = SearchAnswer { query: &search.query, count: results.len(), results: &results };
    Ok(Json(answer).into_response())
}

#[derive(Serialize)]
struct SearchAnswer<'a> {
    query: &'a str,
    count: usize,
    /// Best first.
    results: &'a [Company],
}

async fn find(
    service: &Service,
    request: SearchRequest,
) -> Result<(Search, Vec<Company>), ApiError> {
    let search = request.validate(service.config.search_results)?;
    let candidates = service.database.candidates(&search.query).await?;
    let companies = ranking::rank(&search.query, candidates, search.limit);
    Ok((search, companies))
}

async fn health(State(service): State<Arc<Service>>) -> Response {
    let (status, state, database) = match service.database.health().await {
        Ok(()) => (StatusCode::OK, "ok", "ok".to_owned()),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", error.to_string()),
    };
    let answer = HealthAnswer {
        status: state,
        database: &database,
        version: env!("CARGO_PKG_VERSION"),
        commit: config::COMMIT,
        environment: &service.config.environment,
        release: &service.config.release,
    };
    (status, Json(answer)).into_response()
}

#[derive(Serialize)]
struct HealthAnswer<'a> {
    /// `ok` or `unavailable`.
    status: &'a str,
    /// `ok`, or why a search could not be answered now.
    database: &'a str,
    version: &'a str,
    commit: Option<&'a str>,
    environment: &'a str,
    release: &'a str,
}

async fn not_found(request: Request) -> ApiError {
    ApiError {
        status: StatusCode::NOT_FOUND,
        code: "not_found",
        message: format!(
            "there is no {}; there are /, /health and /api/v1/stock/search",
            request.uri().path()
        ),
    }
}

async fn method_not_allowed(request: Request) -> ApiError {
    ApiError {
        status: StatusCode::METHOD_NOT_ALLOWED,
        code: "method_not_allowed",
        message: format!("{} does not take {}", request.uri().path(), request.method()),
    }
}

/// An answer other than what was asked for: `{"error": {"code", "message"}}`.
#[derive(Debug)]
pub struct ApiError {
    pub status: StatusCode,
    /// A name for programs.
    pub code: &'static str,
    /// A sentence for people.
    pub message: String,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({ "error": { "code": self.code, "message": self.message } });
        (self.status, Json(body)).into_response()
    }
}

impl From<Invalid> for ApiError {
    fn from(invalid: Invalid) -> Self {
        Self {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            code: invalid.code(),
            message: invalid.to_string(),
        }
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        Self {
            status: rejection.status(),
            code: "body_invalid",
            message: format!(
                "{}; expected {{\"query\": TEXT, \"limit\": NUMBER}}, limit is optional",
                rejection.body_text()
            ),
        }
    }
}

impl From<DatabaseError> for ApiError {
    fn from(error: DatabaseError) -> Self {
        // The reason is for the people who run the service; a caller can only come back later.
        log::warn(&format!("the database gave no answer: {error}"));
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            code: "database_unavailable",
            message: "the database gives no answer at the moment, try again".to_owned(),
        }
    }
}
