//! Which of the matching companies comes first.

use std::cmp::Reverse;

use crate::company::Company;

/// How a company matches what was searched for, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Match {
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
}

/// The best `limit` of `companies` for `query`, best first; those that do not match are left out.
/// Among equals the company in more indices comes first, then the alphabet decides.
pub fn rank(query: &str, companies: Vec<Company>, limit: usize) -> Vec<Company> {
    let query = query.to_lowercase();
    let mut ranked: Vec<(Match, Company)> = companies
        .into_iter()
        .filter_map(|company| Some((match_of(&query, &company)?, company)))
        .collect();
    ranked.sort_by(|(a_match, a), (b_match, b)| {
        let a_key = (a_match, Reverse(a.indices.len()), &a.symbol);
        let b_key = (b_match, Reverse(b.indices.len()), &b.symbol);
        a_key.cmp(&b_key)
    });
    ranked.truncate(limit);
    ranked.into_iter().map(|(_, company)| company).collect()
}

fn match_of(query: &str, company: &Company) -> Option<Match> {
    let symbol = company.symbol.to_lowercase();
    let name = company.name.to_lowercase();
    if symbol == query {
        Some(Match::Symbol)
    } else if symbol.split_once('.').is_some_and(|(ticker, _)| ticker == query) {
        Some(Match::Ticker)
    } else if symbol.starts_with(query) {
        Some(Match::SymbolStart)
    } else if name == query {
        Some(Match::Name)
    } else if name.starts_with(query) {
        Some(Match::NameStart)
    } else if starts_a_word(query, &name) {
        Some(Match::WordStart)
    } else {
        name.contains(query).then_some(Match::Inside)
    }
}

fn starts_a_word(query: &str, name: &str) -> bool {
    name.match_indices(query).any(|(start, _)| {
        name[..start].chars().next_back().is_some_and(|before| !before.is_alphanumeric())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn company(symbol: &str, name: &str, indices: usize) -> Company {
        let indices = (0..indices).map(|n| format!("Index {n}")).collect();
        Company { symbol: symbol.to_owned(), name: name.to_owned(), country: None, indices }
    }

    fn symbols(query: &str, companies: &[Company], limit: usize) -> Vec<String> {
        rank(query, companies.to_vec(), limit).into_iter().map(|c| c.symbol).collect()
    }

    #[test]
    fn better_matches_come_first_whatever_the_order_they_arrive_in() {
        let best_first = [
            company("SAP", "Anything", 0),
            company("SAP.DE", "Anything", 0),
            company("SAPX", "Anything", 0),
            company("A1", "Sap", 0),
            company("A2", "Sapphire", 0),
            company("A3", "Good Sapphires", 0),
            company("A4", "Disappear", 9),
        ];
        let expected: Vec<&str> = best_first.iter().map(|c| c.symbol.as_str()).collect();
        let mut arriving = best_first.to_vec();
        for _ in 0..arriving.len() {
            arriving.rotate_left(1);
            assert_eq!(symbols("sap", &arriving, 10), expected);
        }
    }

    #[test]
    fn companies_that_do_not_match_are_left_out() {
        assert_eq!(symbols("zzz", &[company("AAPL", "Apple Inc.", 4)], 10), [""; 0]);
    }

    #[test]
    fn among_equals_more_indices_then_the_alphabet() {
        let companies =
            [company("C", "Bank C", 1), company("B", "Bank B", 1), company("D", "Bank D", 2)];
        assert_eq!(symbols("bank", &companies, 10), ["D", "B", "C"]);
    }

    #[test]
    fn the_limit_keeps_the_best() {
        let companies = [company("A4", "Disappear", 0), company("SAP", "Anything", 0)];
        assert_eq!(symbols("sap", &companies, 1), ["SAP"]);
    }

    #[test]
    fn case_does_not_matter_beyond_ascii_either() {
        let companies = [company("INDU-C.ST", "Industrivärden", 1)];
        assert_eq!(symbols("INDUSTRIVÄR", &companies, 10), ["INDU-C.ST"]);
    }

    #[test]
    fn every_listed_company_is_found_first_by_its_own_symbol() {
        let listed = crate::company::listed().unwrap();
        for company in listed.iter().step_by(25) {
            assert_eq!(symbols(&company.symbol, &listed, 1), [company.symbol.as_str()]);
        }
    }
}
