use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

pub(crate) fn scenario(text: &str) -> Scenario {
    Scenario::parse("test.toml", text).unwrap()
}

const GOOD: &str = r#"
[thresholds]
p95_ms = 500
error_percent = 5.0

[[request]]
name = "homepage"
path = "/"

[[request]]
name = "stock search"
method = "POST"
path = "/api/v1/stock/search"
json = ['{"query": "AAPL"}', '{"query": "SAP"}']
expect_status = 201
weight = 2
"#;

#[test]
fn a_scenario_is_read_with_its_defaults() {
    let Scenario { thresholds, requests } = scenario(GOOD);
    let expected =
        Thresholds { p95_ms: Some(500.0), error_percent: Some(5.0), ..Thresholds::default() };
    assert_eq!(thresholds, expected);
    let [homepage, search] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!((&homepage.method, homepage.weight), (&Method::GET, 1));
    assert_eq!((homepage.expect_status, homepage.json.len()), (StatusCode::OK, 0));
    assert_eq!((&search.method, search.weight), (&Method::POST, 2));
    assert_eq!((search.expect_status, search.json.len()), (StatusCode::CREATED, 2));
}

/// Replaces a piece of a good scenario and shows what is said.
fn refused(piece: &str, replaced_by: &str, expected: &Expect) {
    assert!(GOOD.contains(piece), "{piece}");
    let error = Scenario::parse("load.toml", &GOOD.replacen(piece, replaced_by, 1)).unwrap_err();
    expected.assert_eq(&error.to_string());
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    refused("p95_ms", "p96_ms", &expect![]);
    refused("weight = 2", "wait = 2", &expect![]);
    refused("[thresholds]", "[tresholds]", &expect![]);
    refused("weight = 2", "colour = 2", &expect![]);
    refused("500", "\"500\"", &expect![]);
    refused("500", "0", &expect![]);
    refused("5.0", "101", &expect![]);
    refused("p95_ms = 500\nerror_percent = 5.0", "", &expect![]);
    refused("[thresholds]\np95_ms = 500\nerror_percent = 5.0", "", &expect![]);
    refused("[thresholds]\np95_ms = 500\nerror_percent = 5.0", "thresholds = 5", &expect![]);
    refused("name = \"homepage\"", "", &expect![]);
    refused("name = \"homepage\"", "name = \"stock search\"", &expect![]);
    refused("path = \"/\"", "", &expect![]);
    refused("path = \"/\"", "path = \"http://elsewhere.example/\"", &expect![]);
    refused("path = \"/\"", "path = \"//elsewhere.example/\"", &expect![]);
    refused("path = \"/\"", "path = \"/ü and space\"", &expect![]);
    refused("method = \"POST\"", "", &expect![]);
    refused("method = \"POST\"", "method = \"FETCH\"", &expect![]);
    refused("'{\"query\": \"SAP\"}'", "'{\"query\"}'", &expect![]);
    refused("'{\"query\": \"SAP\"}'", "5", &expect![]);
    refused("201", "2000", &expect![]);
    refused("weight = 2", "weight = -1", &expect![]);
    refused("weight = 2", "weight = ", &expect![]);
}

#[test]
fn nothing_to_send_is_refused() {
    let said = |text: &str| Scenario::parse("load.toml", text).unwrap_err().to_string();
    let limits = "thresholds = { p95_ms = 1 }\n";
    expect![].assert_eq(&said(limits));
    expect![].assert_eq(&said(&format!("{limits}request = 1")));
    expect![].assert_eq(&said(&format!("{limits}[[request]]\nname = 'a'\npath = '/'\nweight = 0")));
    expect![].assert_eq(&said(""));
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "[\\[\\]a-z_=\"'{}0-9.\n ü#]{0,80}", at in 0..400usize) {
        let _ = Scenario::parse("load.toml", &text);
        let at = (0..=at.min(GOOD.len())).rev().find(|at| GOOD.is_char_boundary(*at)).unwrap_or(0);
        let _ = Scenario::parse("load.toml", &format!("{}{text}{}", &GOOD[..at], &GOOD[at..]));
    }
}
