//! Accounts: who there is, and what is known about them.

use axum::http::StatusCode;
use chassis::{
    answer::ApiError,
    database::{Database, DatabaseError, Parameter},
    limit::Tier,
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use tokio_postgres::Row;

use crate::password;

pub const EMAIL_CHARS_MAX: usize = 254;
pub const NAME_CHARS_MAX: usize = 100;

pub(crate) const BY_EMAIL: &str = "
    SELECT id, email, name, phone, tier, extract(epoch FROM created_at)::bigint AS created, password_hash
    FROM users WHERE email = $1";
pub(crate) const BY_ID: &str = "
    SELECT id, email, name, phone, tier, extract(epoch FROM created_at)::bigint AS created, password_hash
    FROM users WHERE id = $1";
pub(crate) const CHANGE: &str = "
    WITH changed AS (
        UPDATE users SET
            name = coalesce($2, name), phone = CASE WHEN $3 THEN $4 ELSE phone END
        WHERE id = $1
        RETURNING id, email, name, phone, tier, extract(epoch FROM created_at)::bigint AS created,
                  password_hash
    ), audit AS (
        INSERT INTO audit_log (user_id, action, details)
        SELECT id, 'account_changed', jsonb_build_object('name', name, 'phone', phone) FROM changed
    )
    SELECT * FROM changed";
pub(crate) const CHANGE_PASSWORD: &str = "
    WITH changed AS (
        UPDATE users SET password_hash = $3, password_changed_at = now()
        WHERE id = $1 AND password_hash = $2 RETURNING id
    ), ended AS (
        UPDATE refresh_tokens SET revoked_at = now()
        WHERE user_id IN (SELECT id FROM changed) AND revoked_at IS NULL
    ), audit AS (
        INSERT INTO audit_log (user_id, action) SELECT id, 'password_changed' FROM changed
    )
    SELECT id FROM changed";

/// Somebody's account.
#[derive(Clone, Debug, Serialize)]
pub struct Account {
    #[serde(serialize_with = "as_text")]
    pub id: i64,
    pub email: String,
    pub name: String,
    pub phone: Option<String>,
    pub tier: Tier,
    /// In seconds since 1970.
    pub created: i64,
    #[serde(skip)]
    pub(crate) password_hash: String,
}

fn as_text<S: serde::Serializer>(id: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

/// What somebody who makes an account sends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignUp {
    pub email: String,
    pub password: String,
    pub name: String,
}

/// What somebody wants to have otherwise: what is not named stays, `null` takes away.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountChange {
    pub name: Option<String>,
    #[serde(default, deserialize_with = "named")]
    pub phone: Option<Option<String>>,
}

fn named<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

impl SignUp {
    /// The same with the address and name as they are kept, if all of it is good.
    pub fn validate(self) -> Result<Self, ApiError> {
        let (email, name) = (normal_email(&self.email)?, valid_name(&self.name)?);
        check_password(&self.password, &email, &name)?;
        Ok(Self { email, password: self.password, name })
    }
}

/// Refuses a new password and says everything that is wrong with it.
pub fn check_password(new: &str, email: &str, name: &str) -> Result<(), ApiError> {
    let faults = password::faults(new, email, name);
    if faults.is_empty() {
        return Ok(());
    }
    let message = format!("this password is too easy to guess: {}", faults.join("; "));
    Err(ApiError::invalid("password_weak", message).with_details(json!({ "faults": faults })))
}

/// The address in small letters, without blanks around it.
pub fn normal_email(email: &str) -> Result<String, ApiError> {
    let email = email.trim().to_lowercase();
    let plain = !email.contains(|c: char| c.is_whitespace() || c.is_control());
    let parts = email.split_once('@');
    let complete = parts.is_some_and(|(local, domain)| {
        let inner_dot = domain.split_once('.').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty());
        !local.is_empty() && inner_dot && !domain.contains('@')
    });
    if plain && complete && email.chars().count() <= EMAIL_CHARS_MAX {
        return Ok(email);
    }
    Err(ApiError::invalid("email_invalid", "the e-mail address must look like jane@example.com"))
}

fn valid_name(name: &str) -> Result<String, ApiError> {
    let name = name.trim();
    let chars = name.chars().count();
    if (1..=NAME_CHARS_MAX).contains(&chars) && !name.contains(char::is_control) {
        return Ok(name.to_owned());
    }
    let message = format!("the name must have 1 to {NAME_CHARS_MAX} printable characters");
    Err(ApiError::invalid("name_invalid", message))
}

fn valid_phone(phone: &str) -> Result<(), ApiError> {
    let digits = phone.strip_prefix('+').unwrap_or_default();
    let all_digits = digits.bytes().all(|b| b.is_ascii_digit());
    if all_digits && (7..=15).contains(&digits.len()) && !digits.starts_with('0') {
        return Ok(());
    }
    let message = "the telephone number must look like +4915123456789";
    Err(ApiError::invalid("phone_invalid", message))
}

pub async fn by_email(database: &Database, email: &str) -> Result<Option<Account>, ApiError> {
    let rows = database.read(BY_EMAIL, &[&email]).await?;
    Ok(rows.first().map(account).transpose()?)
}

/// The account of an access token. It may be gone although the token is still valid.
pub async fn by_id(database: &Database, id: i64) -> Result<Account, ApiError> {
    let rows = database.read(BY_ID, &[&id]).await?;
    Ok(account(rows.first().ok_or_else(gone)?)?)
}

pub async fn change(
    database: &Database,
    id: i64,
    change: AccountChange,
) -> Result<Account, ApiError> {
    let name = change.name.as_deref().map(valid_name).transpose()?;
    let phone = change.phone.as_ref().and_then(Option::as_deref);
    phone.map(valid_phone).transpose()?;
    let parameters: [Parameter<'_>; 4] = [&id, &name, &change.phone.is_some(), &phone];
    let rows = database.write(CHANGE, &parameters).await.map_err(taken)?;
    Ok(account(rows.first().ok_or_else(gone)?)?)
}

/// Replaces a password that is still `account`'s, and ends all sessions.
pub async fn change_password(
    database: &Database,
    account: &Account,
    password_hash: &str,
) -> Result<(), ApiError> {
    let parameters: [Parameter<'_>; 3] = [&account.id, &account.password_hash, &password_hash];
    match database.write(CHANGE_PASSWORD, &parameters).await?.as_slice() {
        [] => Err(ApiError::new(
            StatusCode::CONFLICT,
            "password_changed_meanwhile",
            "the password was changed meanwhile: sign in with the new one",
        )),
        _ => Ok(()),
    }
}

/// Another account has the address or the number already.
pub(crate) fn taken(error: DatabaseError) -> ApiError {
    let taken = |code, message: &str| ApiError::new(StatusCode::CONFLICT, code, message);
    match error.constraint() {
        Some("users_email_key") => {
            taken("email_taken", "there is an account with this e-mail address already")
        }
        Some("users_phone_key") => {
            taken("phone_taken", "another account has this telephone number already")
        }
        _ => error.into(),
    }
}

fn gone() -> ApiError {
    let message = "the account of this access token is gone";
    ApiError::new(StatusCode::UNAUTHORIZED, "token_invalid", message)
}

pub(crate) fn account(row: &Row) -> Result<Account, DatabaseError> {
    let tier: &str = row.try_get("tier")?;
    Ok(Account {
        id: row.try_get("id")?,
        email: row.try_get("email")?,
        name: row.try_get("name")?,
        phone: row.try_get("phone")?,
        tier: if tier == "paid" { Tier::Paid } else { Tier::Free },
        created: row.try_get("created")?,
        password_hash: row.try_get("password_hash")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_kept_in_one_form_and_wrong_ones_refused() {
        assert_eq!(normal_email(" Jane.Doe@Example.COM ").unwrap(), "jane.doe@example.com");
        let long = format!("{}@example.com", "a".repeat(250));
        for email in [
            "",
            "jane",
            "@example.com",
            "jane@",
            "jane@example",
            "a b@example.com",
            "a@b@c.de",
            &long,
        ] {
            assert_eq!(normal_email(email).unwrap_err().code, "email_invalid", "{email}");
        }
    }

    #[test]
    fn names_and_numbers_have_their_borders() {
        assert_eq!(valid_name(" Jane ").unwrap(), "Jane");
        assert!(valid_name(&"é".repeat(100)).is_ok());
        for name in ["", "  ", "a\0b", &"é".repeat(101)] {
            assert_eq!(valid_name(name).unwrap_err().code, "name_invalid", "{name:?}");
        }
        assert!(valid_phone("+4915123456789").is_ok());
        for phone in
            ["", "015123456789", "+0151234567", "+49 151 2345", "+123456", "+1234567890123456"]
        {
            assert_eq!(valid_phone(phone).unwrap_err().code, "phone_invalid", "{phone}");
        }
    }

    #[test]
    fn a_hash_never_leaves_in_an_answer() {
        let account = Account {
            id: 7,
            email: "jane@example.com".to_owned(),
            name: "Jane".to_owned(),
            phone: None,
            tier: Tier::Paid,
            created: 0,
            password_hash: "$argon2id$secret".to_owned(),
        };
        let answer = json!(account);
        assert_eq!((&answer["id"], &answer["tier"]), (&json!("7"), &json!("paid")));
        assert!(!answer.to_string().contains("secret"));
    }
}
