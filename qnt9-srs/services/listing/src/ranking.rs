//! Which of the matching companies comes first.

use std::{cmp::Reverse, sync::Arc};

use serde::Serialize;

use crate::company::Company;

/// How a company matches what was searched for, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Match {
    /// The whole ISIN or WKN.
    Identifier,
    /// The whole symbol: `SAP.DE` for `sap.de`.
    Symbol,
    /// The symbol without the exchange: `SAP.DE` for `sap`.
    Ticker,
    SymbolStart,
    /// The whole name.
    Name,
    NameStart,
    /// A word inside the name starts with it: `Bank of America` for `america`.
    WordStart,
    /// It is somewhere inside the name.
    Inside,
    /// The name is written similarly: `Deutsche Bank` for `deutche bank`.
    Similar,
}

/// A company and the texts it is found by, in small letters.
#[derive(Clone, Debug)]
pub struct Entry {
    pub company: Arc<Company>,
    pub(crate) symbol: String,
    pub(crate) name: String,
}

/// A company that matches.
#[derive(Clone, Copy, Debug)]
pub struct Hit<'a> {
    pub how: Match,
    /// From 0 to 1; 1 unless the name is only similar.
    pub similarity: f64,
    pub entry: &'a Entry,
}

impl Entry {
    pub fn new(company: Company) -> Self {
        let (symbol, name) = (company.symbol.to_lowercase(), company.name.to_lowercase());
        Self { company: Arc::new(company), symbol, name }
    }
}

/// How the entry matches a query in small letters, similarity left out of account.
pub fn match_of(query: &str, entry: &Entry) -> Option<Match> {
    let (symbol, name) = (&entry.symbol, &entry.name);
    let is =
        |number: &Option<String>| number.as_ref().is_some_and(|n| n.eq_ignore_ascii_case(query));
    if is(&entry.company.isin) || is(&entry.company.wkn) {
        Some(Match::Identifier)
    } else if symbol == query {
        Some(Match::Symbol)
    } else if symbol.split_once('.').is_some_and(|(ticker, _)| ticker == query) {
        Some(Match::Ticker)
    } else if symbol.starts_with(query) {
        Some(Match::SymbolStart)
    } else if name == query {
        Some(Match::Name)
    } else if name.starts_with(query) {
        Some(Match::NameStart)
    } else if starts_a_word(query, name) {
        Some(Match::WordStart)
    } else {
        name.contains(query).then_some(Match::Inside)
    }
}

/// The best `limit` of the hits, best first. Among equals the company in more indices comes first, then the
/// alphabet decides.
pub fn best(mut hits: Vec<Hit<'_>>, limit: usize) -> Vec<Hit<'_>> {
    let order = |a: &Hit<'_>, b: &Hit<'_>| {
        let key =
            |hit: &Hit<'_>| (Reverse(hit.entry.company.indices.len()), hit.entry.symbol.clone());
        a.how
            .cmp(&b.how)
            .then(b.similarity.total_cmp(&a.similarity))
            .then_with(|| key(a).cmp(&key(b)))
    };
    // Many match a single letter, few are asked for.
    if hits.len() > limit && limit > 0 {
        hits.select_nth_unstable_by(limit - 1, order);
    }
    hits.truncate(limit);
    hits.sort_unstable_by(order);
    hits
}

fn starts_a_word(query: &str, name: &str) -> bool {
    name.match_indices(query).any(|(start, _)| {
        name[..start].chars().next_back().is_some_and(|before| !before.is_alphanumeric())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(symbol: &str, name: &str, indices: usize) -> Entry {
        let indices = (0..indices).map(|n| format!("Index {n}")).collect();
        let (symbol, name) = (symbol.to_owned(), name.to_owned());
        Entry::new(Company { symbol, name, indices, ..Company::default() })
    }

    fn symbols(query: &str, entries: &[Entry], limit: usize) -> Vec<String> {
        let hits = entries
            .iter()
            .filter_map(|entry| Some(Hit { how: match_of(query, entry)?, similarity: 1.0, entry }));
        best(hits.collect(), limit).iter().map(|h| h.entry.company.symbol.clone()).collect()
    }

    #[test]
    fn better_matches_come_first_whatever_the_order_they_arrive_in() {
        let best_first = [
            entry("SAP", "Anything", 0),
            entry("SAP.DE", "Anything", 0),
            entry("SAPX", "Anything", 0),
            entry("A1", "Sap", 0),
            entry("A2", "Sapphire", 0),
            entry("A3", "Good Sapphires", 0),
            entry("A4", "Disappear", 9),
        ];
        let expected: Vec<&str> = best_first.iter().map(|e| e.company.symbol.as_str()).collect();
        let mut arriving = best_first.to_vec();
        for _ in 0..arriving.len() {
            arriving.rotate_left(1);
            assert_eq!(symbols("sap", &arriving, 10), expected);
            assert_eq!(symbols("sap", &arriving, 3), expected[..3]);
        }
    }

    #[test]
    fn companies_that_do_not_match_are_left_out() {
        assert_eq!(symbols("zzz", &[entry("AAPL", "Apple Inc.", 4)], 10), [""; 0]);
    }

    #[test]
    fn among_equals_more_indices_then_the_alphabet() {
        let entries = [entry("C", "Bank C", 1), entry("B", "Bank B", 1), entry("D", "Bank D", 2)];
        assert_eq!(symbols("bank", &entries, 10), ["D", "B", "C"]);
    }
}
