//! What the service answers over HTTP, besides what all services answer.

mod account;
mod companies;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Query, State},
    response::{Html, IntoResponse, Response},
    routing::{get, patch},
};
use chassis::{
    answer::{ApiError, Body, Parameters},
    database::Database,
    limit::Limiter,
    metrics::Metrics,
    service,
    signers::Signers,
};
use listing::identifier::Kind;
use serde::{Deserialize, Serialize};

use crate::{
    catalog::{Catalog, Found, STATEMENTS},
    config::Config,
    home,
    search::{Invalid, Search, SearchParameters, SearchRequest},
};

const OPENAPI: &str = include_str!("../openapi.json");

/// What every handler may use.
pub struct Service {
    pub config: Config,
    pub catalog: Arc<Catalog>,
    pub database: Arc<Database>,
    pub signers: Signers,
    pub limiter: Limiter,
}

impl Service {
    pub fn new(config: Config) -> Self {
        let common = &config.common;
        let (address, connections) = (common.database.clone(), common.database_connections);
        let database = Arc::new(Database::new(address, connections, STATEMENTS));
        Self {
            catalog: Arc::new(Catalog::new(config.engine, Arc::clone(&database))),
            signers: Signers::new(Arc::clone(&database)),
            limiter: Limiter::new(common.load_test_key.clone()),
            database,
            config,
        }
    }
}

/// The routes, ready to be served.
pub fn router(service: Arc<Service>) -> Router {
    let common = common(&service);
    let own = Router::new()
        .route("/", get(homepage))
        .route("/api/v1/stock/search", get(search_address).post(search))
        .route("/api/v1/stock/suggest", get(companies::suggest))
        .route("/api/v1/stocks/{id}", get(companies::details))
        .route("/api/v1/stocks/{id}/prices", get(companies::prices))
        .route("/api/v1/recommendations", get(companies::recommendations))
        .route("/api/v1/watchlists", get(account::list).post(account::add))
        .route("/api/v1/watchlists/{symbol}", patch(account::change).delete(account::remove))
        .route("/api/v1/alerts", get(account::alerts))
        .with_state(service);
    service::router(common, own)
}

fn common(service: &Service) -> Arc<service::Service> {
    let config = service.config.common.clone();
    let catalog = Arc::clone(&service.catalog);
    Arc::new(service::Service {
        name: "stock",
        metrics: Metrics::new("stock", &config.release),
        config,
        openapi: OPENAPI,
        checks: Box::new(move || {
            let catalog = Arc::clone(&catalog);
            Box::pin(async move { catalog.checks().await })
        }),
    })
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
    let (environment, release) =
        (&service.config.common.environment, &service.config.common.release);
    let page = |found: home::Found<'_>| Html(home::page(environment, release, &query, &found));
    if query.is_empty() {
        return page(home::Found::Nothing).into_response();
    }
    let request = SearchRequest { query: query.clone(), ..SearchRequest::default() };
    match find(&service, request).await {
        Ok((_, results)) => page(home::Found::Companies(&results)).into_response(),
        Err(error) => (error.status, page(home::Found::Problem(&error.message))).into_response(),
    }
}

async fn search(
    State(service): State<Arc<Service>>,
    Body(request): Body<SearchRequest>,
) -> Result<Response, ApiError> {
    let (search, results) = find(&service, request).await?;
    Ok(SearchAnswer::response(&search, &results))
}

async fn search_address(
    State(service): State<Arc<Service>>,
    Parameters(parameters): Parameters<SearchParameters>,
) -> Result<Response, ApiError> {
    let (search, results) = find(&service, parameters.into()).await?;
    Ok(SearchAnswer::response(&search, &results))
}

#[derive(Serialize)]
struct SearchAnswer<'a> {
    query: &'a str,
    /// What the query looks like.
    kind: Kind,
    count: usize,
    /// Best first.
    results: &'a [Found],
}

impl SearchAnswer<'_> {
    fn response(search: &Search, results: &[Found]) -> Response {
        let (query, kind, count) = (search.query.as_str(), search.kind, results.len());
        Json(SearchAnswer { query, kind, count, results }).into_response()
    }
}

async fn find(service: &Service, request: SearchRequest) -> Result<(Search, Vec<Found>), ApiError> {
    let search = request.validate(service.config.search_results).map_err(invalid)?;
    let found = service.catalog.search(&search.query, &search.filter, search.limit).await?;
    Ok((search, found))
}

fn invalid(invalid: Invalid) -> ApiError {
    ApiError::invalid(invalid.code(), invalid.to_string())
}
