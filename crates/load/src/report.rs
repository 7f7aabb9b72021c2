//! What a run found, for people and for programs.
//!
//! `summary.json` has the shape of k6's summary export, with two differences: a threshold says
//! `{"ok": true}` when it holds (k6's export says `true` when it does *not*), and `verdict` says why a
//! run did not pass. As in k6, `http_req_failed` counts failed requests as its `passes`, being a rate
//! of "failed". `results.json` holds what k6 writes point by point, by second and by request instead.

mod text;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::generator::Plan;
use crate::measure::{Measured, Times};
use crate::verdict::{Threshold, Verdict};
pub use text::text_summary;

/// The summary's name in the output directory.
const SUMMARY_FILE: &str = "summary.json";
/// The details' name in the output directory.
const RESULTS_FILE: &str = "results.json";

/// A load test that has ended.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    /// The scenario's file, as it was named.
    pub scenario: &'a str,
    /// Where the load went.
    pub target: String,
    /// What was planned.
    pub plan: Plan,
    /// When it began: milliseconds since 1970-01-01T00:00:00Z.
    pub started_ms: i64,
    /// What was measured.
    pub measured: &'a Measured,
    /// What was judged.
    pub verdict: &'a Verdict,
}

/// Why reports could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}")]
pub struct ReportError {
    /// The file or directory.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// Writes `summary.json` and `results.json` into a directory, which is made if need be.
///
/// # Errors
/// A file cannot be written.
pub fn write_reports(dir: &Path, report: &Report<'_>) -> Result<(), ReportError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ReportError { path, source }
    };
    fs::create_dir_all(dir).map_err(failed(dir))?;
    for (name, value) in [(SUMMARY_FILE, summary(report)), (RESULTS_FILE, results(report))] {
        let path = dir.join(name);
        fs::write(&path, format!("{value:#}\n")).map_err(failed(&path))?;
    }
    Ok(())
}

fn summary(report: &Report<'_>) -> Value {
    let Measured { requests, failed, took_s, .. } = *report.measured;
    let good = requests - failed;
    let per_second = |count: u64| if took_s > 0.0 { count as f64 / took_s } else { 0.0 };
    let counter = |count: u64| json!({ "count": count, "rate": per_second(count) });
    let share = |part: u64| if requests > 0 { part as f64 / requests as f64 } else { 0.0 };
    let mut metrics = Map::new();
    let mut add = |name: &str, value: Value| {
        metrics.insert(name.to_owned(), with_thresholds(name, value, report.verdict));
    };
    add("http_reqs", counter(requests));
    add("http_req_duration", trend(report.measured.times));
    add("http_req_connecting", trend(report.measured.connecting));
    add("http_req_failed", json!({ "passes": failed, "fails": good, "value": share(failed) }));
    add("checks", json!({ "passes": good, "fails": failed, "value": share(good) }));
    add("iterations", counter(requests));
    add("vus", json!({ "value": 0, "min": 0, "max": report.measured.users_max }));
    add(
        "vus_max",
        json!({ "value": report.plan.users, "min": report.plan.users, "max": report.plan.users }),
    );
    add("data_sent", counter(report.measured.sent_bytes));
    add("data_received", counter(report.measured.received_bytes));
    json!({
        "metrics": metrics,
        "root_group": { "name": "", "path": "", "groups": {}, "checks": checks(report.measured) },
        "availability_percent": report.measured.availability_percent(),
        "verdict": report.verdict,
        "run": run(report),
    })
}

/// The time statistics under k6's names; empty when nothing was timed.
fn trend(times: Option<Times>) -> Value {
    times.map_or_else(
        || json!({}),
        |times| {
            json!({
                "avg": times.avg_ms, "min": times.min_ms, "med": times.med_ms, "max": times.max_ms,
                "p(90)": times.p90_ms, "p(95)": times.p95_ms, "p(99)": times.p99_ms,
            })
        },
    )
}

/// Adds to a metric those thresholds that are about it, each under the expression k6 has for it.
fn with_thresholds(metric: &str, mut value: Value, verdict: &Verdict) -> Value {
    let mut thresholds = Map::new();
    for held in &verdict.thresholds {
        let limit = held.limit;
        let (about, expression) = match held.threshold {
            Threshold::P95Ms => ("http_req_duration", format!("p(95)<{limit}")),
            Threshold::P99Ms => ("http_req_duration", format!("p(99)<{limit}")),
            Threshold::ErrorPercent => ("http_req_failed", format!("rate<{}", fraction(limit))),
            Threshold::AvailabilityPercent => ("checks", format!("rate>{}", fraction(limit))),
        };
        if about == metric {
            thresholds.insert(expression, json!({ "ok": held.ok }));
        }
    }
    if !thresholds.is_empty() {
        value["thresholds"] = Value::Object(thresholds);
    }
    value
}

/// A percentage as a fraction of one, without the noise of binary arithmetic.
fn fraction(percent: f64) -> String {
    let text = format!("{:.6}", percent / 100.0);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn checks(measured: &Measured) -> Value {
    let check = |name: &crate::measure::NameStats| {
        let check = json!({
            "name": name.name, "path": format!("::{}", name.name),
            "passes": name.requests - name.failed, "fails": name.failed,
        });
        (name.name.clone(), check)
    };
    Value::Object(measured.names.iter().map(check).collect())
}

fn run(report: &Report<'_>) -> Value {
    let plan = &report.plan;
    json!({
        "scenario": report.scenario,
        "target": report.target,
        "started_ms": report.started_ms,
        "took_s": report.measured.took_s,
        "users": plan.users,
        "ramp_up_s": plan.ramp_up.as_secs_f64(),
        "duration_s": plan.duration.as_secs_f64(),
        "ramp_down_s": plan.ramp_down.as_secs_f64(),
        "seed": plan.seed,
    })
}

fn results(report: &Report<'_>) -> Value {
    json!({
        "run": run(report),
        "requests": report.measured.names,
        "failures": report.measured.failures,
        "connections": report.measured.connections,
        "seconds": report.measured.seconds,
    })
}

#[cfg(test)]
mod tests;
