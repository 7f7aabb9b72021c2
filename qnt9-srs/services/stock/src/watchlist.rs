//! Watchlists: the companies that somebody follows, with notes and price alerts.

use axum::http::StatusCode;
use chassis::{
    answer::ApiError,
    database::{Database, DatabaseError, Parameter},
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use tokio_postgres::Row;

pub const NOTES_CHARS_MAX: usize = 500;
pub const ENTRIES_MAX: i64 = 200;

pub(crate) const LIST: &str = "
    SELECT symbol, notes, alert_above, alert_below, extract(epoch FROM created_at)::bigint AS created
    FROM watchlists WHERE user_id = $1 ORDER BY symbol";
pub(crate) const ADD: &str = "
    INSERT INTO watchlists (user_id, symbol, notes, alert_above, alert_below)
    SELECT $1, $2, $3, $4, $5
    WHERE (SELECT count(*) FROM watchlists WHERE user_id = $1) < $6
    RETURNING symbol, notes, alert_above, alert_below, extract(epoch FROM created_at)::bigint AS created";
pub(crate) const CHANGE: &str = "
    UPDATE watchlists SET
        notes = CASE WHEN $3 THEN $4 ELSE notes END,
        alert_above = CASE WHEN $5 THEN $6 ELSE alert_above END,
        alert_below = CASE WHEN $7 THEN $8 ELSE alert_below END
    WHERE user_id = $1 AND symbol = $2
    RETURNING symbol, notes, alert_above, alert_below, extract(epoch FROM created_at)::bigint AS created";
pub(crate) const REMOVE: &str =
    "DELETE FROM watchlists WHERE user_id = $1 AND symbol = $2 RETURNING symbol";

/// One company that somebody follows.
#[derive(Debug, PartialEq, Serialize)]
pub struct Followed {
    pub symbol: String,
    pub notes: Option<String>,
    /// Tell when the price is higher, in the currency of the symbol.
    pub alert_above: Option<f64>,
    pub alert_below: Option<f64>,
    /// In seconds since 1970.
    pub created: i64,
}

/// What somebody wants to follow.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Follow {
    pub symbol: String,
    pub notes: Option<String>,
    pub alert_above: Option<f64>,
    pub alert_below: Option<f64>,
}

/// What somebody wants to have otherwise: what is not named stays, `null` takes away.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    #[serde(default, deserialize_with = "named")]
    pub notes: Option<Option<String>>,
    #[serde(default, deserialize_with = "named")]
    pub alert_above: Option<Option<f64>>,
    #[serde(default, deserialize_with = "named")]
    pub alert_below: Option<Option<f64>>,
}

/// A field that is named, even if as `null`.
fn named<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// Everything that `user` follows, by symbol.
pub async fn list(database: &Database, user: i64) -> Result<Vec<Followed>, ApiError> {
    let rows = database.read(LIST, &[&user]).await?;
    Ok(rows.iter().map(followed).collect::<Result<_, _>>()?)
}

/// `symbol` is one that there is.
pub async fn add(database: &Database, user: i64, follow: &Follow) -> Result<Followed, ApiError> {
    let Follow { symbol, notes, alert_above, alert_below } = follow;
    validate(notes.as_deref(), *alert_above, *alert_below)?;
    let parameters: [Parameter<'_>; 6] =
        [&user, symbol, notes, alert_above, alert_below, &ENTRIES_MAX];
    let rows = database.write(ADD, &parameters).await.map_err(|error| refusal(error, symbol))?;
    match rows.first() {
        Some(row) => Ok(followed(row)?),
        None => Err(ApiError::new(
            StatusCode::CONFLICT,
            "watchlist_full",
            format!("a watchlist has at most {ENTRIES_MAX} companies: remove one first"),
        )),
    }
}

pub async fn change(
    database: &Database,
    user: i64,
    symbol: &str,
    change: Change,
) -> Result<Followed, ApiError> {
    let Change { notes, alert_above, alert_below } = change;
    let new = |value: Option<Option<f64>>| value.flatten();
    validate(notes.as_ref().and_then(Option::as_deref), new(alert_above), new(alert_below))?;
    let parameters: [Parameter<'_>; 8] = [
        &user,
        &symbol,
        &notes.is_some(),
        &notes.as_ref().and_then(Option::as_deref),
        &alert_above.is_some(),
        &new(alert_above),
        &alert_below.is_some(),
        &new(alert_below),
    ];
    let rows = database.write(CHANGE, &parameters).await.map_err(|error| refusal(error, symbol))?;
    Ok(followed(rows.first().ok_or_else(|| not_followed(symbol))?)?)
}

pub async fn remove(database: &Database, user: i64, symbol: &str) -> Result<(), ApiError> {
    match database.write(REMOVE, &[&user, &symbol]).await?.as_slice() {
        [] => Err(not_followed(symbol)),
        _ => Ok(()),
    }
}

fn validate(
    notes: Option<&str>,
    alert_above: Option<f64>,
    alert_below: Option<f64>,
) -> Result<(), ApiError> {
    let chars = notes.map_or(0, |notes| notes.chars().count());
    if chars > NOTES_CHARS_MAX {
        let message = format!("notes have {chars} characters, at most {NOTES_CHARS_MAX} are kept");
        return Err(ApiError::invalid("notes_too_long", message)
            .with_details(json!({ "chars": chars, "chars_max": NOTES_CHARS_MAX })));
    }
    if notes.is_some_and(|notes| notes.contains('\0')) {
        return Err(ApiError::invalid("notes_unprintable", "notes contain a null character"));
    }
    let alerts = [alert_above, alert_below];
    if let Some(price) = alerts.into_iter().flatten().find(|price| *price <= 0.0) {
        return Err(ApiError::invalid("alert_invalid", format!("an alert at {price} never comes")));
    }
    Ok(())
}

fn refusal(error: DatabaseError, symbol: &str) -> ApiError {
    let conflict = |code, message| ApiError::new(StatusCode::CONFLICT, code, message);
    match error.constraint() {
        Some("watchlists_user_id_symbol_key") => {
            conflict("already_followed", format!("{symbol} is on the watchlist already"))
        }
        Some("watchlists_check") => ApiError::invalid(
            "alert_invalid",
            "alert_below must be less than alert_above".to_owned(),
        ),
        Some("watchlists_user_id_fkey") => ApiError::new(
            StatusCode::UNAUTHORIZED,
            "token_invalid",
            "the account of this access token is gone",
        ),
        _ => error.into(),
    }
}

fn not_followed(symbol: &str) -> ApiError {
    ApiError::not_found("not_followed", format!("{symbol} is not on the watchlist"))
}

fn followed(row: &Row) -> Result<Followed, DatabaseError> {
    Ok(Followed {
        symbol: row.try_get("symbol")?,
        notes: row.try_get("notes")?,
        alert_above: row.try_get("alert_above")?,
        alert_below: row.try_get("alert_below")?,
        created: row.try_get("created")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_tells_what_is_taken_away_from_what_stays() {
        let change: Change = serde_json::from_str(r#"{"notes": null, "alert_above": 9}"#).unwrap();
        assert_eq!(change.notes, Some(None));
        assert_eq!((change.alert_above, change.alert_below), (Some(Some(9.0)), None));
    }

    #[test]
    fn notes_and_alerts_have_their_borders() {
        assert!(validate(Some(&"é".repeat(500)), Some(0.01), None).is_ok());
        let refused = validate(Some(&"é".repeat(501)), None, None).unwrap_err();
        assert_eq!((refused.code, &refused.details["chars"]), ("notes_too_long", &json!(501)));
        assert_eq!(validate(None, None, Some(0.0)).unwrap_err().code, "alert_invalid");
    }
}
