//! What users do, and what the service must hold: a TOML file.
//!
//! ```toml
//! [thresholds]                  # each is optional, but there must be one
//! p95_ms               = 500    # 95 of 100 answers come sooner
//! p99_ms               = 1000
//! error_percent        = 5.0    # fewer requests than this fail
//! availability_percent = 99.5   # more requests than this are answered as expected
//!
//! [[request]]
//! name          = "stock search"           # names the request in reports
//! method        = "POST"                   # GET unless said otherwise
//! path          = "/api/v1/stock/search"
//! json          = '{"query": "AAPL"}'      # or a list, of which each request sends one at random
//! expect_status = 200                      # 200 unless said otherwise; anything else has failed
//! weight        = 2                        # how often, against the others; 1 unless said otherwise
//! ```

mod read;

use http::{Method, StatusCode};

/// A scenario that can be run: at least one request with a weight, at least one threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// What the service must hold.
    pub thresholds: Thresholds,
    /// What users send.
    pub requests: Vec<RequestTemplate>,
}

/// The limits; a measurement must be strictly on the good side of each.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Thresholds {
    /// Milliseconds that 95 % of the answers stay below.
    pub p95_ms: Option<f64>,
    /// Milliseconds that 99 % of the answers stay below.
    pub p99_ms: Option<f64>,
    /// Percentage of failed requests, to stay below.
    pub error_percent: Option<f64>,
    /// Percentage of requests answered as expected, to stay above. It is what the errors leave of a
    /// hundred; both exist because agreements speak of either.
    pub availability_percent: Option<f64>,
}

/// One kind of request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestTemplate {
    /// Its name in reports, unique in the scenario.
    pub name: String,
    /// Its method.
    pub method: Method,
    /// Its path, from the root, with the query.
    pub path: String,
    /// Its bodies, each valid JSON; none for a request without a body.
    pub json: Vec<String>,
    /// The only status that is not a failure.
    pub expect_status: StatusCode,
    /// Its share of all requests is this over the sum of the weights.
    pub weight: u32,
}

/// What is wrong with a scenario, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct ScenarioError {
    /// The file as the caller named it.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// What is wrong and what would be right.
    pub message: String,
    /// The bytes of the text that are meant.
    pub span: std::ops::Range<usize>,
}

impl Scenario {
    /// Reads a scenario; `file` is only named in errors.
    ///
    /// # Errors
    /// The first thing that is wrong: syntax, an unknown key, a value of the wrong kind or out of
    /// range, a name used twice, no request, no threshold.
    pub fn parse(file: &str, text: &str) -> Result<Self, ScenarioError> {
        read::scenario(text).map_err(|read::Problem { span, message }| {
            let start = (0..=span.start.min(text.len()))
                .rev()
                .find(|at| text.is_char_boundary(*at))
                .unwrap_or(0);
            let before = &text[..start];
            let line_start = before.rfind('\n').map_or(0, |at| at + 1);
            ScenarioError {
                file: file.to_owned(),
                line: before.matches('\n').count() + 1,
                column: before[line_start..].chars().count() + 1,
                message,
                span,
            }
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
