//! What somebody who has signed in may ask about their own watchlist.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use axum::{
    Json,
    extract::{ConnectInfo, FromRequestParts, Path, State},
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use chassis::{
    answer::{ApiError, Body},
    limit::Tier,
    service::{caller, unix_now},
    token::TokenError,
};
use listing::{calendar::Day, prices};
use serde_json::json;

use super::{Service, companies::company};
use crate::watchlist::{self, Change, Follow, Followed};

/// The id of whoever signed in, once the rate limit of their tier lets the request pass.
pub(super) struct User(i64);

impl FromRequestParts<Arc<Service>> for User {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        service: &Arc<Service>,
    ) -> Result<Self, ApiError> {
        let now = Instant::now();
        match service.signers.claims(&parts.headers).await {
            Ok(claims) => {
                let asker = format!("user {}", claims.sub);
                service.limiter.pass(claims.tier, &asker, &parts.headers, now)?;
                Ok(Self(claims.sub.parse().map_err(|_| TokenError::Malformed)?))
            }
            Err(error) if error.status == StatusCode::UNAUTHORIZED => {
                // Whoever tries tokens has to be slow about it.
                let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
                let asker = caller(&parts.headers, peer);
                service.limiter.pass(Tier::Anonymous, &asker, &parts.headers, now)?;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }
}

pub(super) async fn list(
    State(service): State<Arc<Service>>,
    User(user): User,
) -> Result<Response, ApiError> {
    let followed = watchlist::list(&service.database, user).await?;
    Ok(Json(json!({ "count": followed.len(), "watchlist": followed })).into_response())
}

pub(super) async fn add(
    State(service): State<Arc<Service>>,
    User(user): User,
    Body(mut follow): Body<Follow>,
) -> Result<Response, ApiError> {
    follow.symbol.clone_from(&company(&service, &follow.symbol).await?.symbol);
    let followed = watchlist::add(&service.database, user, &follow).await?;
    Ok((StatusCode::CREATED, Json(followed)).into_response())
}

pub(super) async fn change(
    State(service): State<Arc<Service>>,
    User(user): User,
    Path(symbol): Path<String>,
    Body(change): Body<Change>,
) -> Result<Response, ApiError> {
    let symbol = symbol.to_uppercase();
    Ok(Json(watchlist::change(&service.database, user, &symbol, change).await?).into_response())
}

pub(super) async fn remove(
    State(service): State<Arc<Service>>,
    User(user): User,
    Path(symbol): Path<String>,
) -> Result<StatusCode, ApiError> {
    watchlist::remove(&service.database, user, &symbol.to_uppercase()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The companies on the watchlist whose price today is beyond one of its alerts.
pub(super) async fn alerts(
    State(service): State<Arc<Service>>,
    User(user): User,
) -> Result<Response, ApiError> {
    let today = Day::of_unix(unix_now());
    let alert = |followed: &Followed| {
        let price = prices::close(&followed.symbol, today);
        let above = followed.alert_above.filter(|alert| price > *alert);
        let below = followed.alert_below.filter(|alert| price < *alert);
        let (direction, at) = above.map(|at| ("above", at)).or(below.map(|at| ("below", at)))?;
        Some(json!({
            "symbol": followed.symbol, "price": price, "direction": direction, "alert": at,
        }))
    };
    let followed = watchlist::list(&service.database, user).await?;
    let alerts: Vec<_> = followed.iter().filter_map(alert).collect();
    Ok(Json(json!({ "date": today, "source": "generated", "alerts": alerts })).into_response())
}
