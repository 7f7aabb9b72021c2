//! Sessions: families of refresh tokens. Each token is good for one exchange; if it comes a second time,
//! somebody else has it too, and the whole family ends.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chassis::{
    answer::ApiError,
    database::{Database, Parameter},
    service::unix_now,
    token::{Claims, ISSUER, SigningKey},
};
use ring::{
    digest::{SHA256, digest},
    rand::{SecureRandom as _, SystemRandom},
};
use serde_json::{Value, json};

use crate::account::{self, Account, account};

/// How long an access token is valid.
pub const ACCESS_SECONDS: u64 = 15 * 60;
const REFRESH_DAYS: i32 = 30;
const REFRESH_BYTES: usize = 32;
const FAMILY_BYTES: usize = 16;
const USER_AGENT_CHARS_MAX: usize = 200;

pub(crate) const SIGN_UP: &str = "
    WITH account AS (
        INSERT INTO users (email, name, password_hash) VALUES ($1, $2, $3)
        RETURNING id, email, name, phone, tier, extract(epoch FROM created_at)::bigint AS created,
                  password_hash
    ), session AS (
        INSERT INTO refresh_tokens (user_id, family, token_hash, expires_at, address, user_agent)
        SELECT id, $4, $5, now() + make_interval(days => $6), $7::text::inet, $8 FROM account
    ), audit AS (
        INSERT INTO audit_log (user_id, action, address, details)
        SELECT id, 'signed_up', $7::text::inet, jsonb_build_object('email', email) FROM account
    )
    SELECT * FROM account";
pub(crate) const OPEN: &str = "
    WITH session AS (
        INSERT INTO refresh_tokens (user_id, family, token_hash, expires_at, address, user_agent)
        VALUES ($1, $2, $3, now() + make_interval(days => $4), $5::text::inet, $6)
    )
    INSERT INTO audit_log (user_id, action, address) VALUES ($1, 'signed_in', $5::text::inet)";
pub(crate) const FAILED: &str = "
    INSERT INTO audit_log (user_id, action, address) VALUES ($1, 'sign_in_failed', $2::text::inet)";
pub(crate) const REFRESH: &str = "
    WITH used AS (
        UPDATE refresh_tokens SET used_at = now()
        WHERE token_hash = $1 AND used_at IS NULL AND revoked_at IS NULL AND expires_at > now()
        RETURNING user_id, family
    ), next AS (
        INSERT INTO refresh_tokens (user_id, family, token_hash, expires_at, address, user_agent)
        SELECT user_id, family, $2, now() + make_interval(days => $3), $4::text::inet, $5 FROM used
    )
    SELECT id, email, name, phone, tier, extract(epoch FROM created_at)::bigint AS created, password_hash
    FROM users WHERE id = (SELECT user_id FROM used)";
pub(crate) const REUSED: &str = "
    WITH known AS (
        SELECT user_id, family FROM refresh_tokens
        WHERE token_hash = $1 AND used_at IS NOT NULL AND revoked_at IS NULL
    ), ended AS (
        UPDATE refresh_tokens SET revoked_at = now()
        WHERE family IN (SELECT family FROM known) AND revoked_at IS NULL
    )
    INSERT INTO audit_log (user_id, action, address)
    SELECT user_id, 'refresh_token_reused', $2::text::inet FROM known RETURNING id";
pub(crate) const SIGN_OUT: &str = "
    WITH ended AS (
        UPDATE refresh_tokens SET revoked_at = now()
        WHERE family = (SELECT family FROM refresh_tokens WHERE token_hash = $1) AND revoked_at IS NULL
        RETURNING user_id
    )
    INSERT INTO audit_log (user_id, action, address)
    SELECT DISTINCT user_id, 'signed_out', $2::text::inet FROM ended";

/// Where a request comes from, as it is noted with a session.
#[derive(Clone, Debug)]
pub struct Origin {
    /// `None` when it is no address of the internet protocol.
    pub address: Option<String>,
    pub user_agent: Option<String>,
}

impl Origin {
    pub fn new(address: &str, user_agent: Option<&str>) -> Self {
        let address: Option<std::net::IpAddr> = address.parse().ok();
        let shortened = |text: &str| {
            text.chars().filter(|c| !c.is_control()).take(USER_AGENT_CHARS_MAX).collect()
        };
        Self {
            address: address.map(|address| address.to_string()),
            user_agent: user_agent.map(shortened),
        }
    }
}

/// A token that is given out once, and the digest by which it is known again.
struct RefreshToken {
    text: String,
    hash: Vec<u8>,
}

impl RefreshToken {
    fn new() -> Result<Self, ApiError> {
        let text = URL_SAFE_NO_PAD.encode(random::<REFRESH_BYTES>()?);
        let hash = hash_of(&text);
        Ok(Self { text, hash })
    }
}

/// The random token needs no salt and no slow hash: nobody can try them all.
pub(crate) fn hash_of(token: &str) -> Vec<u8> {
    digest(&SHA256, token.as_bytes()).as_ref().to_vec()
}

/// Makes an account whose fields are valid, with its first session.
pub async fn sign_up(
    database: &Database,
    key: &SigningKey,
    sign_up: &account::SignUp,
    password_hash: &str,
    origin: &Origin,
) -> Result<Value, ApiError> {
    let (token, family) = (RefreshToken::new()?, random::<FAMILY_BYTES>()?);
    let parameters: [Parameter<'_>; 8] = [
        &sign_up.email,
        &sign_up.name,
        &password_hash,
        &&family[..],
        &token.hash,
        &REFRESH_DAYS,
        &origin.address,
        &origin.user_agent,
    ];
    let rows = database.write(SIGN_UP, &parameters).await.map_err(account::taken)?;
    let account = account(rows.first().ok_or_else(ended)?)?;
    Ok(answer(key, &account, &token.text))
}

/// Opens a session of somebody whose password was right.
pub async fn open(
    database: &Database,
    key: &SigningKey,
    account: &Account,
    origin: &Origin,
) -> Result<Value, ApiError> {
    let (token, family) = (RefreshToken::new()?, random::<FAMILY_BYTES>()?);
    let parameters: [Parameter<'_>; 6] = [
        &account.id,
        &&family[..],
        &token.hash,
        &REFRESH_DAYS,
        &origin.address,
        &origin.user_agent,
    ];
    database.write(OPEN, &parameters).await?;
    Ok(answer(key, account, &token.text))
}

/// Notes that somebody gave a wrong password for an account.
pub async fn failed(database: &Database, account: i64, origin: &Origin) -> Result<(), ApiError> {
    database.write(FAILED, &[&account, &origin.address]).await?;
    Ok(())
}

/// Exchanges a refresh token for the next one and an access token.
pub async fn refresh(
    database: &Database,
    key: &SigningKey,
    token: &str,
    origin: &Origin,
) -> Result<Value, ApiError> {
    let (hash, next) = (hash_of(token), RefreshToken::new()?);
    let parameters: [Parameter<'_>; 5] =
        [&hash, &next.hash, &REFRESH_DAYS, &origin.address, &origin.user_agent];
    let rows = database.write(REFRESH, &parameters).await?;
    if let Some(row) = rows.first() {
        return Ok(answer(key, &account(row)?, &next.text));
    }
    let reused = database.write(REUSED, &[&hash, &origin.address]).await?;
    if reused.is_empty() {
        return Err(ended());
    }
    Err(ApiError::new(
        axum::http::StatusCode::UNAUTHORIZED,
        "refresh_token_reused",
        "this refresh token was exchanged before: somebody else may have it, so the session is over; \
         sign in again",
    ))
}

/// Ends the session of a refresh token, if there is one.
pub async fn sign_out(database: &Database, token: &str, origin: &Origin) -> Result<(), ApiError> {
    database.write(SIGN_OUT, &[&hash_of(token), &origin.address]).await?;
    Ok(())
}

fn answer(key: &SigningKey, account: &Account, refresh_token: &str) -> Value {
    let now = unix_now();
    let claims = Claims {
        iss: ISSUER.to_owned(),
        sub: account.id.to_string(),
        tier: account.tier,
        iat: now,
        exp: now + ACCESS_SECONDS,
    };
    json!({
        "access_token": key.sign(&claims),
        "token_type": "Bearer",
        "expires_in": ACCESS_SECONDS,
        "refresh_token": refresh_token,
        "account": account,
    })
}

fn ended() -> ApiError {
    ApiError::new(
        axum::http::StatusCode::UNAUTHORIZED,
        "session_over",
        "there is no session with this refresh token (any more): sign in again",
    )
}

fn random<const N: usize>() -> Result<[u8; N], ApiError> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| {
        let status = axum::http::StatusCode::INTERNAL_SERVER_ERROR;
        ApiError::new(status, "no_randomness", "the system gives no random bytes")
    })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refresh_token_is_new_and_known_by_its_digest() {
        let (one, other) = (RefreshToken::new().unwrap(), RefreshToken::new().unwrap());
        assert_ne!(one.text, other.text);
        assert_eq!(one.hash, hash_of(&one.text));
        assert_eq!((one.text.len(), one.hash.len()), (43, 32));
    }

    #[test]
    fn what_a_caller_claims_is_cut_to_what_is_kept() {
        let origin = Origin::new("unknown", Some(&format!("a\0{}", "é".repeat(500))));
        assert_eq!(origin.address, None);
        assert_eq!(origin.user_agent.unwrap().chars().count(), 200);
    }
}
