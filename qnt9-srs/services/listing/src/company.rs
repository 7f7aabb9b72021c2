//! A company and the list of real ones that comes with the service.

use serde::Serialize;

use crate::identifier::{Isin, wkn_of};

/// `symbol`, `name`, `country`, comma-separated `indices`, `isin` and `sector`, one company a line, after a
/// heading.
const TICKERS: &str = include_str!("../data/tickers.tsv");

/// One listed company.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Company {
    /// The symbol it trades under, in capitals, with the exchange's suffix outside the United States.
    pub symbol: String,
    pub name: String,
    /// Where it has its seat, when known.
    pub country: Option<String>,
    /// The stock indices it belongs to, such as `S&P 500`.
    pub indices: Vec<String>,
    /// The International Securities Identification Number, when known. A company may have it in common with
    /// another: itself, listed under a second symbol.
    pub isin: Option<String>,
    /// The German securities number, of German companies.
    pub wkn: Option<String>,
    /// One of the eleven sectors of the Global Industry Classification Standard, when known.
    pub sector: Option<String>,
}

/// The companies of the list that comes with this release.
pub fn listed() -> Result<Vec<Company>, String> {
    parse(TICKERS)
}

fn parse(text: &str) -> Result<Vec<Company>, String> {
    let rows = text.lines().enumerate().skip(1);
    rows.map(|(index, line)| {
        let wrong = |what: String| format!("tickers.tsv:{}: {what}", index + 1);
        let fields: Vec<&str> = line.split('\t').collect();
        let [symbol, name, country, indices, isin, sector] = fields[..] else {
            return Err(wrong(format!("expected 6 fields, got {}", fields.len())));
        };
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let isin = match isin {
            "" => None,
            text => Some(Isin::parse(text).map_err(|error| wrong(error.to_string()))?),
        };
        Ok(Company {
            symbol: symbol.to_owned(),
            name: name.to_owned(),
            country: given(country),
            indices: indices.split(',').map(str::to_owned).collect(),
            wkn: isin.as_ref().and_then(wkn_of),
            isin: isin.map(|isin| isin.as_str().to_owned()),
            sector: given(sector),
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
        assert!(companies.iter().filter(|c| c.isin.is_some()).count() > 1_200);
        let sap = companies.iter().find(|c| c.symbol == "SAP.DE").unwrap();
        let numbers = (sap.isin.as_deref(), sap.wkn.as_deref());
        assert_eq!(numbers, (Some("DE0007164600"), Some("716460")));
    }

    #[test]
    fn a_wrong_line_is_named() {
        let head = "symbol\tname\tcountry\tindices\tisin\tsector\n";
        let error = parse(&format!("{head}AAPL\tApple\n")).unwrap_err();
        assert_eq!(error, "tickers.tsv:2: expected 6 fields, got 2");
        let error = parse(&format!("{head}AAPL\tApple\t\tDow\tUS0378331006\t\n")).unwrap_err();
        assert!(error.starts_with("tickers.tsv:2: the check digit"), "{error}");
    }
}
