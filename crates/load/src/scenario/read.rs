//! From TOML to a scenario, with the place of whatever is wrong.

use std::ops::Range;

use http::{Method, StatusCode};
use toml_edit::{ArrayOfTables, Document, Item, TableLike, Value};

use super::{RequestTemplate, Scenario, Thresholds};

/// Methods that a scenario may use.
const METHODS: [Method; 7] = [
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::HEAD,
    Method::OPTIONS,
];
/// Largest weight of a request.
const WEIGHT_MAX: i64 = 1_000_000;

pub(super) struct Problem {
    pub(super) span: Range<usize>,
    pub(super) message: String,
}

type Read<T> = Result<T, Problem>;

fn problem<T>(span: Option<Range<usize>>, message: impl Into<String>) -> Read<T> {
    Err(Problem { span: span.unwrap_or(0..0), message: message.into() })
}

pub(super) fn scenario(text: &str) -> Read<Scenario> {
    let document = Document::parse(text).map_err(|error| Problem {
        span: error.span().unwrap_or(0..0),
        message: error.message().to_owned(),
    })?;
    let root = document.as_table();
    known_keys(root, &["thresholds", "request"])?;
    let thresholds = match root.get("thresholds") {
        Some(item) => thresholds(item)?,
        None => return problem(None, "there are no [thresholds]: nothing could ever fail"),
    };
    let requests = match root.get("request") {
        Some(Item::ArrayOfTables(tables)) => requests(tables)?,
        Some(other) => return problem(other.span(), "requests are written as [[request]]"),
        None => return problem(None, "there is no [[request]]: nothing would be sent"),
    };
    Ok(Scenario { thresholds, requests })
}

fn thresholds(item: &Item) -> Read<Thresholds> {
    let table = table_like(item, "thresholds")?;
    known_keys(table, &["p95_ms", "p99_ms", "error_percent", "availability_percent"])?;
    let thresholds = Thresholds {
        p95_ms: number(table, "p95_ms", f64::MAX)?,
        p99_ms: number(table, "p99_ms", f64::MAX)?,
        error_percent: number(table, "error_percent", 100.0)?,
        availability_percent: number(table, "availability_percent", 100.0)?,
    };
    if thresholds == Thresholds::default() {
        return problem(item.span(), "there is no threshold: nothing could ever fail");
    }
    Ok(thresholds)
}

fn requests(tables: &ArrayOfTables) -> Read<Vec<RequestTemplate>> {
    let mut requests: Vec<RequestTemplate> = Vec::new();
    for table in tables {
        let request = request(table, table.span())?;
        if requests.iter().any(|other| other.name == request.name) {
            let message = format!("the name {:?} is used twice; reports tell by it", request.name);
            return problem(table.get("name").and_then(Item::span), message);
        }
        requests.push(request);
    }
    if requests.iter().all(|request| request.weight == 0) {
        return problem(tables.span(), "every weight is 0: nothing would be sent");
    }
    Ok(requests)
}

fn request(table: &dyn TableLike, span: Option<Range<usize>>) -> Read<RequestTemplate> {
    known_keys(table, &["name", "method", "path", "json", "expect_status", "weight"])?;
    let Some(name) = text(table, "name")? else { return problem(span, "the request has no name") };
    let Some(path) = text(table, "path")? else {
        return problem(span, format!("the request {name:?} has no path"));
    };
    let valid_path = path.parse::<http::uri::PathAndQuery>().is_ok();
    if !path.starts_with('/') || path.starts_with("//") || !valid_path {
        let message = format!("{path:?} is not a path: it begins with one /, and names no host");
        return problem(span_of(table, "path"), message);
    }
    let method = method(table)?;
    let json = json(table)?;
    if !json.is_empty() && (method == Method::GET || method == Method::HEAD) {
        let message = format!("a {method} request has no body; did you mean method = \"POST\"?");
        return problem(span_of(table, "json"), message);
    }
    let status = whole(table, "expect_status", 100..=999)?.unwrap_or(200);
    let weight = whole(table, "weight", 0..=WEIGHT_MAX)?.unwrap_or(1);
    Ok(RequestTemplate {
        name,
        method,
        path,
        json,
        expect_status: StatusCode::from_u16(status as u16).expect("100 to 999 are statuses"),
        weight: weight as u32,
    })
}

fn method(table: &dyn TableLike) -> Read<Method> {
    let Some(name) = text(table, "method")? else { return Ok(Method::GET) };
    match METHODS.iter().find(|method| method.as_str() == name) {
        Some(method) => Ok(method.clone()),
        None => {
            let known: Vec<&str> = METHODS.iter().map(Method::as_str).collect();
            let message = format!("{name:?} is not a method; known are {}", known.join(", "));
            problem(span_of(table, "method"), message)
        }
    }
}

/// One body or a list of them, each of which must be JSON.
fn json(table: &dyn TableLike) -> Read<Vec<String>> {
    let values: Vec<&Value> = match table.get("json").and_then(Item::as_value) {
        None => return Ok(vec![]),
        Some(Value::Array(array)) => array.iter().collect(),
        Some(value) => vec![value],
    };
    if values.is_empty() {
        return problem(span_of(table, "json"), "the list has no body");
    }
    let body = |value: &Value| {
        let Some(text) = value.as_str() else {
            return problem(
                value.span(),
                "a body is JSON in a string, like '{\"query\": \"AAPL\"}'",
            );
        };
        match serde_json::from_str::<serde::de::IgnoredAny>(text) {
            Ok(_) => Ok(text.to_owned()),
            Err(error) => problem(value.span(), format!("this is not JSON: {error}")),
        }
    };
    values.into_iter().map(body).collect()
}

fn table_like<'a>(item: &'a Item, name: &str) -> Read<&'a dyn TableLike> {
    match item.as_table_like() {
        Some(table) => Ok(table),
        None => problem(item.span(), format!("{name} is a table, found {}", item.type_name())),
    }
}

fn known_keys(table: &dyn TableLike, known: &[&str]) -> Read<()> {
    for (key, item) in table.iter() {
        if known.contains(&key) {
            continue;
        }
        let near = known
            .iter()
            .max_by(|a, b| strsim::jaro_winkler(key, a).total_cmp(&strsim::jaro_winkler(key, b)));
        let hint = match near {
            Some(near) if strsim::jaro_winkler(key, near) > 0.75 => {
                format!("did you mean {near:?}?")
            }
            _ => format!("known are {}", known.join(", ")),
        };
        let span = table.get_key_value(key).and_then(|(key, _)| key.span()).or(item.span());
        return problem(span, format!("unknown key {key:?}; {hint}"));
    }
    Ok(())
}

fn span_of(table: &dyn TableLike, key: &str) -> Option<Range<usize>> {
    table.get(key).and_then(Item::span)
}

fn text(table: &dyn TableLike, key: &str) -> Read<Option<String>> {
    let Some(item) = table.get(key) else { return Ok(None) };
    match item.as_str() {
        Some("") => problem(item.span(), format!("{key} is empty")),
        Some(text) => Ok(Some(text.to_owned())),
        None => problem(item.span(), format!("{key} is a string, found {}", item.type_name())),
    }
}

/// A limit: a number above 0, with or without a fraction.
fn number(table: &dyn TableLike, key: &str, max: f64) -> Read<Option<f64>> {
    let Some(item) = table.get(key) else { return Ok(None) };
    let number = item.as_float().or_else(|| item.as_integer().map(|number| number as f64));
    match number {
        Some(number) if number > 0.0 && number <= max => Ok(Some(number)),
        Some(_) if max == f64::MAX => problem(item.span(), format!("{key} must be above 0")),
        Some(_) => problem(item.span(), format!("{key} must be above 0 and at most {max}")),
        None => problem(item.span(), format!("{key} is a number, found {}", item.type_name())),
    }
}

fn whole(
    table: &dyn TableLike,
    key: &str,
    range: std::ops::RangeInclusive<i64>,
) -> Read<Option<i64>> {
    let Some(item) = table.get(key) else { return Ok(None) };
    match item.as_integer() {
        Some(number) if range.contains(&number) => Ok(Some(number)),
        _ => {
            let message =
                format!("{key} is a whole number from {} to {}", range.start(), range.end());
            problem(item.span(), message)
        }
    }
}
