//! A company and the list of real ones that comes with the service.

use serde::Serialize;

/// `symbol`, `name`, `country` and comma-separated `indices`, one company a line, after a heading.
const TICKERS: &str = include_str!("../data/tickers.tsv");

/// One listed company.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Company {
    /// The symbol it trades under, in capitals, with the exchange's suffix outside the United States.
    pub symbol: String,
    pub name: String,
    /// Where it has its seat, when known.
    pub country: Option<String>,
    /// The stock indices it belongs to, such as `S&P 500`.
    pub indices: Vec<String>,
}

/// The companies of the list that comes with this release.
pub fn listed() -> Result<Vec<Company>, String> {
    parse(TICKERS)
}

fn parse(text: &str) -> Result<Vec<Company>, String> {
    let rows = text.lines().enumerate().skip(1);
    rows.map(|(index, line)| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [symbol, name, country, indices] = fields[..] else {
            return Err(format!(
                "tickers.tsv:{}: expected 4 fields, got {}",
                index + 1,
                fields.len()
            ));
        };
        Ok(Company {
            symbol: symbol.to_owned(),
            name: name.to_owned(),
            country: (!country.is_empty()).then(|| country.to_owned()),
            indices: indices.split(',').map(str::to_owned).collect(),
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_listed_company_is_complete_and_unique() {
        let companies = listed().unwrap();
        assert!(companies.len() > 1_800, "only {} companies", companies.len());
        let symbols: BTreeSet<&str> = companies.iter().map(|c| c.symbol.as_str()).collect();
        assert_eq!(symbols.len(), companies.len(), "a symbol appears twice");
        for company in &companies {
            assert_eq!(company.symbol, company.symbol.to_uppercase());
            assert!(!company.name.trim().is_empty(), "{} has no name", company.symbol);
            assert!(company.indices.iter().all(|i| !i.is_empty()), "{}: no index", company.symbol);
        }
    }

    #[test]
    fn a_line_with_a_missing_field_is_named() {
        let error = parse("symbol\tname\tcountry\tindices\nAAPL\tApple\n").unwrap_err();
        assert_eq!(error, "tickers.tsv:2: expected 4 fields, got 2");
    }
}
