//! What the environment tells the stock service.

use chassis::config::{Config as Common, number};

use crate::search::RESULTS_MAX;

#[derive(Clone, Debug)]
pub struct Config {
    /// The settings that all services have. `PORT` is 8001 by default.
    pub common: Common,
    /// `STOCK_SEARCH_RESULTS`: results of a search that names no limit, default 10.
    pub search_results: u32,
    /// `STOCK_SEARCH`, default `memory`.
    pub engine: Engine,
}

/// Where searches are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// `memory`: from an index of all companies that is fetched again when they change.
    Memory,
    /// `database`: each search asks PostgreSQL, with pg_trgm where it has that extension.
    Database,
}

impl Config {
    /// Reads the settings through `variable`, which answers a variable's value when it is set.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let engine = match variable("STOCK_SEARCH").as_deref() {
            None | Some("memory") => Engine::Memory,
            Some("database") => Engine::Database,
            Some(other) => {
                return Err(format!("STOCK_SEARCH is {other:?}, it must be memory or database"));
            }
        };
        let search_results = number(&variable, "STOCK_SEARCH_RESULTS", 10, 1, RESULTS_MAX)?;
        Ok(Self { common: Common::read("stock", 8001, variable)?, search_results, engine })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: &str) -> Result<Config, String> {
        Config::read(|asked| match asked {
            "DATABASE_URL" => Some("postgres://user@127.0.0.1/stock".to_owned()),
            _ => (asked == name).then(|| value.to_owned()),
        })
    }

    #[test]
    fn settings_are_read_and_wrong_ones_named() {
        let config = read("STOCK_SEARCH", "database").unwrap();
        assert_eq!((config.engine, config.search_results), (Engine::Database, 10));
        assert_eq!(read("STOCK_SEARCH_RESULTS", "3").unwrap().search_results, 3);
        let error = read("STOCK_SEARCH", "elastic").unwrap_err();
        assert_eq!(error, r#"STOCK_SEARCH is "elastic", it must be memory or database"#);
        assert!(read("STOCK_SEARCH_RESULTS", "51").unwrap_err().contains("from 1 to 50"));
    }
}
