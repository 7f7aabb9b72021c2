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
    refused(
        "p95_ms",
        "p96_ms",
        &expect![[r#"load.toml:3:1: unknown key "p96_ms"; did you mean "p99_ms"?"#]],
    );
    refused(
        "weight = 2",
        "wait = 2",
        &expect![[r#"load.toml:16:1: unknown key "wait"; did you mean "weight"?"#]],
    );
    refused(
        "[thresholds]",
        "[tresholds]",
        &expect![[r#"load.toml:2:2: unknown key "tresholds"; did you mean "thresholds"?"#]],
    );
    refused(
        "weight = 2",
        "colour = 2",
        &expect![[
            r#"load.toml:16:1: unknown key "colour"; known are name, method, path, json, expect_status, weight"#
        ]],
    );
    refused("500", "\"500\"", &expect!["load.toml:3:10: p95_ms is a number, found string"]);
    refused("500", "0", &expect!["load.toml:3:10: p95_ms must be above 0"]);
    refused(
        "5.0",
        "101",
        &expect!["load.toml:4:17: error_percent must be above 0 and at most 100"],
    );
    refused(
        "p95_ms = 500\nerror_percent = 5.0",
        "",
        &expect!["load.toml:2:1: there is no threshold: nothing could ever fail"],
    );
    refused(
        "[thresholds]\np95_ms = 500\nerror_percent = 5.0",
        "",
        &expect!["load.toml:1:1: there are no [thresholds]: nothing could ever fail"],
    );
    refused(
        "[thresholds]\np95_ms = 500\nerror_percent = 5.0",
        "thresholds = 5",
        &expect!["load.toml:2:14: thresholds is a table, found integer"],
    );
    refused("name = \"homepage\"", "", &expect!["load.toml:6:1: the request has no name"]);
    refused(
        "name = \"homepage\"",
        "name = \"stock search\"",
        &expect![[r#"load.toml:11:8: the name "stock search" is used twice; reports tell by it"#]],
    );
    refused("path = \"/\"", "", &expect![[r#"load.toml:6:1: the request "homepage" has no path"#]]);
    refused(
        "path = \"/\"",
        "path = \"http://elsewhere.example/\"",
        &expect![[
            r#"load.toml:8:8: "http://elsewhere.example/" is not a path: it begins with one /, and names no host"#
        ]],
    );
    refused(
        "path = \"/\"",
        "path = \"//elsewhere.example/\"",
        &expect![[
            r#"load.toml:8:8: "//elsewhere.example/" is not a path: it begins with one /, and names no host"#
        ]],
    );
    refused(
        "path = \"/\"",
        "path = \"/ü and space\"",
        &expect![[
            r#"load.toml:8:8: "/ü and space" is not a path: it begins with one /, and names no host"#
        ]],
    );
    refused(
        "method = \"POST\"",
        "",
        &expect![[r#"load.toml:14:8: a GET request has no body; did you mean method = "POST"?"#]],
    );
    refused(
        "method = \"POST\"",
        "method = \"FETCH\"",
        &expect![[
            r#"load.toml:12:10: "FETCH" is not a method; known are GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS"#
        ]],
    );
    refused(
        "'{\"query\": \"SAP\"}'",
        "'{\"query\"}'",
        &expect!["load.toml:14:30: this is not JSON: expected `:` at line 1 column 9"],
    );
    refused(
        "'{\"query\": \"SAP\"}'",
        "5",
        &expect![[r#"load.toml:14:30: a body is JSON in a string, like '{"query": "AAPL"}'"#]],
    );
    refused(
        "201",
        "2000",
        &expect!["load.toml:15:17: expect_status is a whole number from 100 to 999"],
    );
    refused(
        "weight = 2",
        "weight = -1",
        &expect!["load.toml:16:10: weight is a whole number from 0 to 1000000"],
    );
    refused(
        "weight = 2",
        "weight = ",
        &expect!["load.toml:16:10: string values must be quoted, expected literal string"],
    );
}

#[test]
fn nothing_to_send_is_refused() {
    let said = |text: &str| Scenario::parse("load.toml", text).unwrap_err().to_string();
    let limits = "thresholds = { p95_ms = 1 }\n";
    expect!["load.toml:1:1: there is no [[request]]: nothing would be sent"]
        .assert_eq(&said(limits));
    expect!["load.toml:2:11: requests are written as [[request]]"]
        .assert_eq(&said(&format!("{limits}request = 1")));
    expect!["load.toml:2:1: every weight is 0: nothing would be sent"]
        .assert_eq(&said(&format!("{limits}[[request]]\nname = 'a'\npath = '/'\nweight = 0")));
    expect!["load.toml:1:1: there are no [thresholds]: nothing could ever fail"]
        .assert_eq(&said(""));
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "[\\[\\]a-z_=\"'{}0-9.\n ü#]{0,80}", at in 0..400usize) {
        let _ = Scenario::parse("load.toml", &text);
        let at = (0..=at.min(GOOD.len())).rev().find(|at| GOOD.is_char_boundary(*at)).unwrap_or(0);
        let _ = Scenario::parse("load.toml", &format!("{}{text}{}", &GOOD[..at], &GOOD[at..]));
    }
}
