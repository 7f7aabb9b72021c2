//! What the service answers over HTTP, besides what all services answer.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use axum::{
    Json, Router,
    extract::{ConnectInfo, FromRequestParts, State},
    http::{HeaderMap, StatusCode, header::USER_AGENT, request::Parts},
    response::{IntoResponse, Response},
    routing::{get, patch, post},
};
use chassis::{
    answer::{ApiError, Body},
    config::Config,
    database::Database,
    limit::{Limiter, Tier},
    log,
    metrics::Metrics,
    service::{self, caller, database_check},
    signers::{SIGNING_KEYS, Signers},
    token::{SigningKey, TokenError},
};
use serde::Deserialize;
use serde_json::json;

use crate::{
    account::{self, AccountChange, SignUp},
    keys::{self, Keys},
    password,
    session::{self, Origin},
};

const OPENAPI: &str = include_str!("../openapi.json");

/// Everything that the service asks of the database.
pub const STATEMENTS: &[&str] = &[
    SIGNING_KEYS,
    keys::NEWEST,
    keys::ANY,
    keys::ADD,
    account::BY_EMAIL,
    account::BY_ID,
    account::CHANGE,
    account::CHANGE_PASSWORD,
    session::SIGN_UP,
    session::OPEN,
    session::FAILED,
    session::REFRESH,
    session::REUSED,
    session::SIGN_OUT,
];

/// What every handler may use.
pub struct Service {
    config: Config,
    database: Arc<Database>,
    keys: Keys,
    signers: Signers,
    limiter: Limiter,
}

impl Service {
    pub fn new(config: Config) -> Self {
        let (address, connections) = (config.database.clone(), config.database_connections);
        let database = Arc::new(Database::new(address, connections, STATEMENTS));
        Self {
            keys: Keys::new(Arc::clone(&database)),
            signers: Signers::new(Arc::clone(&database)),
            limiter: Limiter::new(config.load_test_key.clone()),
            database,
            config,
        }
    }

    /// The connections of the requests, for work beside them.
    pub fn database(&self) -> Arc<Database> {
        Arc::clone(&self.database)
    }

    async fn key(&self) -> Result<Arc<SigningKey>, ApiError> {
        self.keys.newest().await?.ok_or_else(|| {
            let message = "there is no key to sign access tokens with yet, try again";
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "no_signing_key", message).retry_after(1)
        })
    }
}

/// The routes, ready to be served.
pub fn router(service: Arc<Service>) -> Router {
    let common = common(&service);
    let own = Router::new()
        .route("/", get(home))
        .route("/auth/signup", post(sign_up))
        .route("/auth/signin", post(sign_in))
        .route("/auth/refresh", post(refresh))
        .route("/auth/signout", post(sign_out))
        .route("/auth/me", get(me).patch(change_me))
        .route("/auth/me/password", patch(change_password))
        .route("/.well-known/jwks.json", get(key_set))
        .with_state(service);
    service::router(common, own)
}

fn common(service: &Service) -> Arc<service::Service> {
    let config = service.config.clone();
    let database = Arc::clone(&service.database);
    Arc::new(service::Service {
        name: "auth",
        metrics: Metrics::new("auth", &config.release),
        config,
        openapi: OPENAPI,
        checks: Box::new(move || {
            let database = Arc::clone(&database);
            Box::pin(async move {
                vec![database_check(&database, keys::ANY, "it has no signing key yet").await]
            })
        }),
    })
}

async fn home(State(service): State<Arc<Service>>) -> Response {
    let (environment, release) = (&service.config.environment, &service.config.release);
    let answer = json!({
        "service": "auth", "environment": environment, "release": release, "paths": "/openapi.json",
    });
    Json(answer).into_response()
}

/// Somebody who has not signed in, once the rate limit lets the request pass.
struct Anonymous(Origin);

impl FromRequestParts<Arc<Service>> for Anonymous {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        service: &Arc<Service>,
    ) -> Result<Self, ApiError> {
        let address = address(parts);
        service.limiter.pass(Tier::Anonymous, &address, &parts.headers, Instant::now())?;
        let user_agent = parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
        Ok(Self(Origin::new(&address, user_agent)))
    }
}

/// The id of whoever signed in, once the rate limit of their tier lets the request pass.
struct User(i64);

impl FromRequestParts<Arc<Service>> for User {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        service: &Arc<Service>,
    ) -> Result<Self, ApiError> {
        let (headers, now) = (&parts.headers, Instant::now());
        match service.signers.claims(headers).await {
            Ok(claims) => {
                let asker = format!("user {}", claims.sub);
                service.limiter.pass(claims.tier, &asker, headers, now)?;
                Ok(Self(claims.sub.parse().map_err(|_| TokenError::Malformed)?))
            }
            Err(error) if error.status == StatusCode::UNAUTHORIZED => {
                // Whoever tries tokens has to be slow about it.
                service.limiter.pass(Tier::Anonymous, &address(parts), headers, now)?;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }
}

fn address(parts: &Parts) -> String {
    caller(&parts.headers, parts.extensions.get::<ConnectInfo<SocketAddr>>())
}

async fn sign_up(
    State(service): State<Arc<Service>>,
    Anonymous(origin): Anonymous,
    Body(request): Body<SignUp>,
) -> Result<Response, ApiError> {
    let request = request.validate()?;
    let key = service.key().await?;
    let hash = password::hash(request.password.clone()).await.map_err(not_hashed)?;
    let answer = session::sign_up(&service.database, &key, &request, &hash, &origin).await?;
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    email: String,
    password: String,
}

async fn sign_in(
    State(service): State<Arc<Service>>,
    Anonymous(origin): Anonymous,
    headers: HeaderMap,
    Body(SignIn { email, password }): Body<SignIn>,
) -> Result<Response, ApiError> {
    let email = account::normal_email(&email)?;
    // Whoever guesses one account's password from many addresses has to be slow about it, too.
    let asker = format!("account {email}");
    service.limiter.pass(Tier::Anonymous, &asker, &headers, Instant::now())?;
    let key = service.key().await?;
    let account = account::by_email(&service.database, &email).await?;
    let kept = account.as_ref().map(|account| account.password_hash.clone());
    let right = password::verify(password, kept).await.map_err(not_hashed)?;
    match account {
        Some(account) if right => {
            let answer = session::open(&service.database, &key, &account, &origin).await?;
            Ok(Json(answer).into_response())
        }
        account => {
            if let Some(account) = account {
                session::failed(&service.database, account.id, &origin).await?;
            }
            Err(ApiError::new(
                StatusCode::UNAUTHORIZED,
                "sign_in_failed",
                "there is no account with this e-mail address and this password",
            ))
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefreshRequest {
    refresh_token: String,
}

async fn refresh(
    State(service): State<Arc<Service>>,
    Anonymous(origin): Anonymous,
    Body(RefreshRequest { refresh_token }): Body<RefreshRequest>,
) -> Result<Response, ApiError> {
    let key = service.key().await?;
    let answer = session::refresh(&service.database, &key, &refresh_token, &origin).await?;
    Ok(Json(answer).into_response())
}

async fn sign_out(
    State(service): State<Arc<Service>>,
    Anonymous(origin): Anonymous,
    Body(RefreshRequest { refresh_token }): Body<RefreshRequest>,
) -> Result<StatusCode, ApiError> {
    session::sign_out(&service.database, &refresh_token, &origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn me(State(service): State<Arc<Service>>, User(user): User) -> Result<Response, ApiError> {
    Ok(Json(account::by_id(&service.database, user).await?).into_response())
}

async fn change_me(
    State(service): State<Arc<Service>>,
    User(user): User,
    Body(change): Body<AccountChange>,
) -> Result<Response, ApiError> {
    Ok(Json(account::change(&service.database, user, change).await?).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PasswordChange {
    current: String,
    new: String,
}

async fn change_password(
    State(service): State<Arc<Service>>,
    User(user): User,
    Body(PasswordChange { current, new }): Body<PasswordChange>,
) -> Result<StatusCode, ApiError> {
    let account = account::by_id(&service.database, user).await?;
    account::check_password(&new, &account.email, &account.name)?;
    let kept = account.password_hash.clone();
    if !password::verify(current, Some(kept)).await.map_err(not_hashed)? {
        let message = "the current password is another one";
        return Err(ApiError::new(StatusCode::UNAUTHORIZED, "password_wrong", message));
    }
    let hash = password::hash(new).await.map_err(not_hashed)?;
    account::change_password(&service.database, &account, &hash).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn key_set(State(service): State<Arc<Service>>) -> Result<Response, ApiError> {
    Ok(Json(service.signers.document().await?).into_response())
}

fn not_hashed(reason: String) -> ApiError {
    log::warn(&reason);
    let message = "the password could not be checked";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "not_hashed", message)
}
