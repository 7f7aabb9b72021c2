//! What anybody may ask about companies.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use chassis::{
    answer::{ApiError, Parameters},
    service::unix_now,
};
use listing::{
    calendar::Day,
    company::Company,
    identifier::{Isin, Kind, kind_of},
    index::Filter,
    prices, recommendation,
};
use serde::Deserialize;
use serde_json::json;

use super::{Service, find, invalid};
use crate::search::{Invalid, RESULTS_MAX, SearchRequest};

const SUGGESTIONS_MAX: u32 = 10;
/// Ten years.
const PRICE_DAYS_MAX: i64 = 3_660;
const PRICE_DAYS_DEFAULT: i64 = 30;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SuggestParameters {
    query: String,
    limit: Option<u32>,
}

/// A few symbols and names, for somebody who is still typing.
pub(super) async fn suggest(
    State(service): State<Arc<Service>>,
    Parameters(SuggestParameters { query, limit }): Parameters<SuggestParameters>,
) -> Result<Response, ApiError> {
    let limit = limit.unwrap_or(SUGGESTIONS_MAX).min(SUGGESTIONS_MAX);
    let request = SearchRequest { query, limit: Some(limit), ..SearchRequest::default() };
    let (search, found) = find(&service, request).await?;
    let suggestion = |company: &Company| json!({ "symbol": company.symbol, "name": company.name });
    let suggestions: Vec<_> = found.iter().map(|found| suggestion(&found.company)).collect();
    Ok(Json(json!({ "query": search.query, "suggestions": suggestions })).into_response())
}

pub(super) async fn details(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let company = company(&service, &id).await?;
    let today = Day::of_unix(unix_now());
    let price = prices::close(&company.symbol, today);
    let recommendation = recommendation::recommend(&company, today);
    let answer = json!({
        "company": *company,
        "price": { "close": price, "date": today, "source": "generated" },
        "recommendation": recommendation,
    });
    Ok(Json(answer).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PriceParameters {
    from: Option<String>,
    to: Option<String>,
}

pub(super) async fn prices(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    Parameters(PriceParameters { from, to }): Parameters<PriceParameters>,
) -> Result<Response, ApiError> {
    let today = Day::of_unix(unix_now());
    let to = day("to", to, today)?;
    let from = day("from", from, Day(to.0 - PRICE_DAYS_DEFAULT))?;
    let wrong = |message: String| Err(ApiError::invalid("period_invalid", message));
    if from > to {
        return wrong(format!("from {from} is after to {to}"));
    }
    if to > today {
        return wrong(format!("to {to} is in the future: today is {today}"));
    }
    if to.0 - from.0 > PRICE_DAYS_MAX {
        return wrong(format!("from {from} to {to} are more than {PRICE_DAYS_MAX} days"));
    }
    let company = company(&service, &id).await?;
    let bars = prices::bars(&company.symbol, from, to);
    let answer = json!({
        "symbol": company.symbol, "from": from, "to": to, "source": "generated", "prices": bars,
    });
    Ok(Json(answer).into_response())
}

fn day(name: &str, text: Option<String>, default: Day) -> Result<Day, ApiError> {
    let Some(text) = text else { return Ok(default) };
    Day::parse(&text).ok_or_else(|| {
        let message = format!("{name} is {text:?}, it must be a day like 2026-01-31");
        ApiError::invalid("day_invalid", message)
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecommendationParameters {
    limit: Option<u32>,
    country: Option<String>,
    sector: Option<String>,
    index: Option<String>,
}

pub(super) async fn recommendations(
    State(service): State<Arc<Service>>,
    Parameters(parameters): Parameters<RecommendationParameters>,
) -> Result<Response, ApiError> {
    let RecommendationParameters { limit, country, sector, index } = parameters;
    let limit = limit.unwrap_or(service.config.search_results);
    if !(1..=RESULTS_MAX).contains(&limit) {
        return Err(invalid(Invalid::LimitOutOfRange { limit }));
    }
    let filter = Filter { country, sector, index };
    let all = service.catalog.all().await?;
    let today = Day::of_unix(unix_now());
    let admitted = all.companies().filter(|company| filter.admits(company));
    let best = recommendation::top(admitted, today, limit as usize);
    let answer = json!({ "date": today, "source": "generated", "recommendations": best });
    Ok(Json(answer).into_response())
}

/// The company that an ISIN, WKN or symbol in a path stands for.
pub(super) async fn company(service: &Service, id: &str) -> Result<Arc<Company>, ApiError> {
    if kind_of(id) == Kind::Isin {
        Isin::parse(id).map_err(|error| invalid(Invalid::Isin(error)))?;
    }
    let found = service.catalog.get(id).await?;
    found.ok_or_else(|| {
        let message = format!(
            "there is no company {id:?}: give its symbol, ISIN or WKN; /api/v1/stock/search finds it by \
             name"
        );
        ApiError::not_found("company_unknown", message)
    })
}
