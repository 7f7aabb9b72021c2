//! What a caller may ask for.

use std::fmt;

use serde::Deserialize;

pub const QUERY_CHARS_MAX: usize = 64;
pub const RESULTS_MAX: u32 = 50;

/// A search as it arrives.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchRequest {
    pub query: String,
    pub limit: Option<u32>,
}

/// A search that can be answered: 1 to [`QUERY_CHARS_MAX`] printable characters, trimmed.
#[derive(Debug, PartialEq, Eq)]
pub struct Search {
    pub query: String,
    pub limit: usize,
}

/// Why a search cannot be answered.
#[derive(Debug, PartialEq, Eq)]
pub enum Invalid {
    QueryEmpty,
    QueryTooLong { chars: usize },
    QueryUnprintable,
    LimitOutOfRange { limit: u32 },
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
        let limit = self.limit.unwrap_or(limit_default);
        if !(1..=RESULTS_MAX).contains(&limit) {
            return Err(Invalid::LimitOutOfRange { limit });
        }
        Ok(Search { query: query.to_owned(), limit: limit as usize })
    }
}

impl Invalid {
    /// A name for programs; it does not change between versions.
    pub fn code(&self) -> &'static str {
        match self {
            Self::QueryEmpty => "query_empty",
            Self::QueryTooLong { .. } => "query_too_long",
            Self::QueryUnprintable => "query_unprintable",
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
        SearchRequest { query: query.to_owned(), limit }.validate(10)
    }

    #[test]
    fn a_good_search_is_trimmed_and_gets_the_default_limit() {
        let search = validate("  apple inc ", None).unwrap();
        assert_eq!(search, Search { query: "apple inc".to_owned(), limit: 10 });
    }

    #[test]
    fn each_bad_search_has_its_own_reason() {
        assert_eq!(validate(" \t ", None), Err(Invalid::QueryEmpty));
        assert_eq!(validate(&"é".repeat(65), None), Err(Invalid::QueryTooLong { chars: 65 }));
        assert_eq!(validate("a\0b", None), Err(Invalid::QueryUnprintable));
        assert_eq!(validate("a", Some(0)), Err(Invalid::LimitOutOfRange { limit: 0 }));
        assert_eq!(validate("a", Some(51)), Err(Invalid::LimitOutOfRange { limit: 51 }));
    }

    #[test]
    fn the_borders_are_inside() {
        assert!(validate(&"é".repeat(64), Some(50)).is_ok());
        assert!(validate("a", Some(1)).is_ok());
    }
}
