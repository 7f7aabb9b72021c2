//! What the environment tells the service.

use std::{str::FromStr, time::Duration};

use crate::search::RESULTS_MAX;

/// The commit this was compiled from. That the compiler sees it also means that two commits never share
/// a compiled program, however close together they are built.
pub const COMMIT: Option<&str> = option_env!("GITHUB_SHA");

#[derive(Clone, Debug)]
pub struct Config {
    /// `HOST`, default 127.0.0.1.
    pub host: String,
    /// `PORT`, default 8000.
    pub port: u16,
    /// `DATABASE_URL`, required.
    pub database: tokio_postgres::Config,
    /// `QNT9_ENVIRONMENT`: the environment's name, default `local`.
    pub environment: String,
    /// `QNT9_RELEASE`: the digest of the release this runs from, default `none`.
    pub release: String,
    /// `STOCK_DATABASE_CONNECTIONS`, default 2.
    pub database_connections: usize,
    /// `STOCK_SEARCH_RESULTS`: results of a search that names no limit, default 10.
    pub search_results: u32,
    /// `STOCK_SLOW_REQUEST_MS`: slower requests are logged, default 500.
    pub slow_request: Duration,
}

impl Config {
    /// Reads the settings through `variable`, which answers a variable's value when it is set.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let database_url = variable("DATABASE_URL").ok_or(
            "DATABASE_URL is not set; it is the database's address, postgres://USER:PASSWORD@HOST/NAME",
        )?;
        // The address may hold a password, so the message does not repeat it.
        let database = tokio_postgres::Config::from_str(&database_url).map_err(|e| {
            format!("DATABASE_URL is not the address of a PostgreSQL database: {e}")
        })?;
        let config = Self {
            host: variable("HOST").unwrap_or_else(|| "127.0.0.1".to_owned()),
            port: number(&variable, "PORT", 8000, 0, u16::MAX)?,
            database,
            environment: variable("QNT9_ENVIRONMENT").unwrap_or_else(|| "local".to_owned()),
            release: variable("QNT9_RELEASE").unwrap_or_else(|| "none".to_owned()),
            database_connections: number(&variable, "STOCK_DATABASE_CONNECTIONS", 2, 1, 16)?,
            search_results: number(&variable, "STOCK_SEARCH_RESULTS", 10, 1, RESULTS_MAX)?,
            slow_request: Duration::from_millis(number(
                &variable,
                "STOCK_SLOW_REQUEST_MS",
                500,
                1,
                u64::MAX,
            )?),
        };
        Ok(config)
    }
}

fn number<T: FromStr + PartialOrd + std::fmt::Display>(
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

    fn read(variables: &[(&str, &str)]) -> Result<Config, String> {
        Config::read(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    const URL: (&str, &str) = ("DATABASE_URL", "postgres://user:hidden@127.0.0.1:5432/stock");

    #[test]
    fn the_database_is_all_that_must_be_given() {
        let config = read(&[URL]).unwrap();
        assert_eq!((config.host.as_str(), config.port), ("127.0.0.1", 8000));
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
}
