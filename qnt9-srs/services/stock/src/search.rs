//! What a caller may search for.

use std::fmt;

use listing::{
    identifier::{Isin, Kind, NoIsin, kind_of},
    index::Filter,
};
use serde::Deserialize;

pub const QUERY_CHARS_MAX: usize = 64;
pub const RESULTS_MAX: u32 = 50;

/// A search as it arrives as JSON.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchRequest {
    pub query: String,
    pub limit: Option<u32>,
    #[serde(default)]
    pub filters: Filters,
}

/// The companies searched for must have these as well.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filters {
    pub country: Option<String>,
    pub sector: Option<String>,
    /// A stock index, such as `DAX`.
    pub index: Option<String>,
}

/// A search as it arrives in an address.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchParameters {
    pub query: String,
    pub limit: Option<u32>,
    pub country: Option<String>,
    pub sector: Option<String>,
    pub index: Option<String>,
}

/// A search that can be answered: 1 to [`QUERY_CHARS_MAX`] printable characters, trimmed.
#[derive(Debug)]
pub struct Search {
    pub query: String,
    pub kind: Kind,
    pub limit: usize,
    pub filter: Filter,
}

/// Why a search cannot be answered.
#[derive(Debug, PartialEq, Eq)]
pub enum Invalid {
    QueryEmpty,
    QueryTooLong { chars: usize },
    QueryUnprintable,
    Isin(NoIsin),
    LimitOutOfRange { limit: u32 },
}

impl From<SearchParameters> for SearchRequest {
    fn from(parameters: SearchParameters) -> Self {
        let SearchParameters { query, limit, country, sector, index } = parameters;
        Self { query, limit, filters: Filters { country, sector, index } }
    }
}

impl SearchRequest {
    pub fn validate(self, limit_default: u32) -> Result<Search, Invalid> {
        let query = self.query.trim();
        let chars = query.chars().count();
        if query.is_empty() {
            return Err(Invalid::QueryEmpty);
        }
        if chars > QUERY_CHARS_MAX {
            return Err(Invalid::QueryTooLong { chars });
        }
        if query.chars().any(char::is_control) {
            return Err(Invalid::QueryUnprintable);
        }
        let kind = kind_of(query);
        if kind == Kind::Isin {
            Isin::parse(query).map_err(Invalid::Isin)?;
        }
        let limit = self.limit.unwrap_or(limit_default);
        if !(1..=RESULTS_MAX).contains(&limit) {
            return Err(Invalid::LimitOutOfRange { limit });
        }
        let Filters { country, sector, index } = self.filters;
        let filter = Filter { country, sector, index };
        Ok(Search { query: query.to_owned(), kind, limit: limit as usize, filter })
    }
}

impl Invalid {
    /// A name for programs; it does not change between versions.
    pub fn code(&self) -> &'static str {
        match self {
            Self::QueryEmpty => "query_empty",
            Self::QueryTooLong { .. } => "query_too_long",
            Self::QueryUnprintable => "query_unprintable",
            Self::Isin(error) => error.code(),
            Self::LimitOutOfRange { .. } => "limit_out_of_range",
        }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QueryEmpty => write!(f, "query is empty: give a symbol or a part of a name"),
            Self::QueryTooLong { chars } => {
                write!(f, "query has {chars} characters, at most {QUERY_CHARS_MAX} are searched")
            }
            Self::QueryUnprintable => write!(f, "query contains a control character"),
            Self::Isin(error) => error.fmt(f),
            Self::LimitOutOfRange { limit } => {
                write!(f, "limit is {limit}, it must be from 1 to {RESULTS_MAX}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validate(query: &str, limit: Option<u32>) -> Result<Search, Invalid> {
        SearchRequest { query: query.to_owned(), limit, ..SearchRequest::default() }.validate(10)
    }

    fn refused(query: &str, limit: Option<u32>) -> Invalid {
        validate(query, limit).unwrap_err()
    }

    #[test]
    fn a_good_search_is_trimmed_and_gets_the_default_limit() {
        let search = validate("  apple inc ", None).unwrap();
        assert_eq!(
            (search.query.as_str(), search.limit, search.kind),
            ("apple inc", 10, Kind::Name)
        );
    }

    #[test]
    fn each_bad_search_has_its_own_reason() {
        assert_eq!(refused(" \t ", None), Invalid::QueryEmpty);
        assert_eq!(refused(&"é".repeat(65), None), Invalid::QueryTooLong { chars: 65 });
        assert_eq!(refused("a\0b", None), Invalid::QueryUnprintable);
        assert_eq!(refused("a", Some(0)), Invalid::LimitOutOfRange { limit: 0 });
        assert_eq!(refused("a", Some(51)), Invalid::LimitOutOfRange { limit: 51 });
        assert_eq!(refused("US0378331006", None).code(), "isin_check_digit");
    }

    #[test]
    fn the_borders_are_inside() {
        assert!(validate(&"é".repeat(64), Some(50)).is_ok());
        assert!(validate("a", Some(1)).is_ok());
        assert_eq!(validate("us0378331005", None).unwrap().kind, Kind::Isin);
    }
}
