//! What the environment tells every service.

use std::{str::FromStr, time::Duration};

/// The commit this was compiled from. That the compiler sees it also means that two commits never share
/// a compiled program, however close together they are built.
pub const COMMIT: Option<&str> = option_env!("GITHUB_SHA");

/// The environment in which nobody may pass the rate limits, and in which no test data is made.
pub const PRODUCTION: &str = "production";
/// A shorter load-test key could be guessed.
const LOAD_TEST_KEY_CHARS_MIN: usize = 32;

/// The settings that all services have.
#[derive(Clone, Debug)]
pub struct Config {
    /// `HOST`, default 127.0.0.1.
    pub host: String,
    /// `PORT`; each service has a default of its own.
    pub port: u16,
    /// `DATABASE_URL`, required.
    pub database: tokio_postgres::Config,
    /// `DATABASE_CONNECTIONS`, default 2.
    pub database_connections: usize,
    /// `QNT9_ENVIRONMENT`: the environment's name, default `local`.
    pub environment: String,
    /// `QNT9_RELEASE`: the digest of the release this runs from, default `none`.
    pub release: String,
    /// `SLOW_REQUEST_MS`: slower requests are logged, default 500.
    pub slow_request: Duration,
    /// `LOAD_TEST_KEY`: requests that name it in `x-load-test-key` pass the rate limits. Not in production.
    pub load_test_key: Option<String>,
}

impl Config {
    /// Reads the settings through `variable`, which answers a variable's value when it is set. Settings of
    /// one service alone may also be given as `SERVICE_NAME`, such as `STOCK_SLOW_REQUEST_MS`.
    pub fn read(
        service: &str,
        port_default: u16,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let database_url = variable("DATABASE_URL").ok_or(
            "DATABASE_URL is not set; it is the database's address, postgres://USER:PASSWORD@HOST/NAME",
        )?;
        // The address may hold a password, so the message does not repeat it.
        let database = tokio_postgres::Config::from_str(&database_url).map_err(|e| {
            format!("DATABASE_URL is not the address of a PostgreSQL database: {e}")
        })?;
        let environment = variable("QNT9_ENVIRONMENT").unwrap_or_else(|| "local".to_owned());
        let own = |name: &str| format!("{}_{name}", service.to_uppercase());
        Ok(Self {
            host: variable("HOST").unwrap_or_else(|| "127.0.0.1".to_owned()),
            port: number(&variable, "PORT", port_default, 0, u16::MAX)?,
            database,
            database_connections: number(&variable, &own("DATABASE_CONNECTIONS"), 2, 1, 16)?,
            load_test_key: load_test_key(variable("LOAD_TEST_KEY"), &environment)?,
            environment,
            release: variable("QNT9_RELEASE").unwrap_or_else(|| "none".to_owned()),
            slow_request: Duration::from_millis(number(
                &variable,
                &own("SLOW_REQUEST_MS"),
                500,
                1,
                u64::MAX,
            )?),
        })
    }

    /// A name of this release that no other has: its digest, or else what was compiled.
    pub fn release_name(&self) -> String {
        if self.release != "none" {
            return self.release.clone();
        }
        format!("{} {}", env!("CARGO_PKG_VERSION"), COMMIT.unwrap_or("without a commit"))
    }
}

fn load_test_key(key: Option<String>, environment: &str) -> Result<Option<String>, String> {
    let Some(key) = key else { return Ok(None) };
    if environment == PRODUCTION {
        return Err("LOAD_TEST_KEY is set in production: there nobody passes the rate limits; \
                    take the setting away"
            .to_owned());
    }
    if key.chars().count() < LOAD_TEST_KEY_CHARS_MIN {
        return Err(format!(
            "LOAD_TEST_KEY has fewer than {LOAD_TEST_KEY_CHARS_MIN} characters; make one with \
             `openssl rand -hex 32`"
        ));
    }
    Ok(Some(key))
}

/// The number a variable holds, when it is set and from `min` to `max`.
pub fn number<T: FromStr + PartialOrd + std::fmt::Display>(
    variable: &impl Fn(&str) -> Option<String>,
    name: &str,
    default: T,
    min: T,
    max: T,
) -> Result<T, String> {
    let Some(text) = variable(name) else { return Ok(default) };
    match text.parse::<T>() {
        Ok(value) if value >= min && value <= max => Ok(value),
        _ => Err(format!("{name} is {text:?}, it must be a number from {min} to {max}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: (&str, &str) = ("DATABASE_URL", "postgres://user:hidden@127.0.0.1:5432/stock");
    const KEY: &str = "0123456789abcdef0123456789abcdef";

    fn read(variables: &[(&str, &str)]) -> Result<Config, String> {
        Config::read("stock", 8001, |name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_database_is_all_that_must_be_given() {
        let config = read(&[URL]).unwrap();
        assert_eq!((config.host.as_str(), config.port), ("127.0.0.1", 8001));
        assert_eq!(config.database.get_dbname(), Some("stock"));
    }

    #[test]
    fn what_is_set_counts() {
        let config = read(&[URL, ("PORT", "9001"), ("STOCK_SLOW_REQUEST_MS", "20")]).unwrap();
        assert_eq!((config.port, config.slow_request), (9001, Duration::from_millis(20)));
    }

    #[test]
    fn a_missing_or_wrong_setting_is_named() {
        assert!(read(&[]).unwrap_err().starts_with("DATABASE_URL is not set"));
        let error = read(&[URL, ("PORT", "70000")]).unwrap_err();
        assert_eq!(error, r#"PORT is "70000", it must be a number from 0 to 65535"#);
        let error = read(&[URL, ("STOCK_DATABASE_CONNECTIONS", "0")]).unwrap_err();
        assert_eq!(error, r#"STOCK_DATABASE_CONNECTIONS is "0", it must be a number from 1 to 16"#);
    }

    #[test]
    fn a_password_never_appears_in_the_message() {
        let error =
            read(&[("DATABASE_URL", "postgres://user:hidden@host:port/stock")]).unwrap_err();
        assert!(!error.contains("hidden"), "{error}");
    }

    #[test]
    fn production_refuses_the_load_test_identity_and_nobody_may_guess_it_elsewhere() {
        let (staging, production) =
            (("QNT9_ENVIRONMENT", "staging"), ("QNT9_ENVIRONMENT", "production"));
        let config = read(&[URL, staging, ("LOAD_TEST_KEY", KEY)]).unwrap();
        assert_eq!(config.load_test_key.as_deref(), Some(KEY));
        let error = read(&[URL, production, ("LOAD_TEST_KEY", KEY)]).unwrap_err();
        assert!(error.starts_with("LOAD_TEST_KEY is set in production"), "{error}");
        let error = read(&[URL, staging, ("LOAD_TEST_KEY", "short")]).unwrap_err();
        assert!(error.contains("fewer than 32") && !error.contains("short"), "{error}");
    }
}
