use std::time::Duration;

use expect_test::expect_file;

use super::*;
use crate::client::Failure;
use crate::measure::{Exchange, Recorder};
use crate::scenario::Thresholds;
use crate::verdict::judge;

fn measured() -> Measured {
    let mut recorder = Recorder::new(["homepage", "stock search"].into_iter());
    for number in 0..1000u64 {
        let outcome = match number {
            7 => Err(Failure::Refused),
            number if number % 100 == 99 => Err(Failure::Status(500)),
            _ => Ok(()),
        };
        let took = (number != 7).then(|| Duration::from_micros(1000 + number));
        let connecting = (number < 2).then(|| Duration::from_micros(80));
        let request = usize::from(number % 3 > 0);
        recorder.count(&Exchange { request, outcome, took, connecting });
        if number == 499 {
            recorder.end_second(10);
        }
    }
    recorder.end_second(10);
    recorder.measured(Duration::from_secs(2), 123_456, 7_890_123)
}

fn with_report<T>(limits: &Thresholds, seen: impl FnOnce(&Report<'_>) -> T) -> T {
    let measured = measured();
    let verdict = judge(limits, &measured);
    let plan = Plan { users: 10, duration: Duration::from_secs(2), ..Plan::default() };
    seen(&Report {
        scenario: "load-tests/staging.toml",
        target: "http://127.0.0.1:9012".to_owned(),
        plan,
        started_ms: 1_795_000_000_000,
        measured: &measured,
        verdict: &verdict,
    })
}

const BROKEN: Thresholds = Thresholds {
    p95_ms: Some(1.5),
    p99_ms: Some(1000.0),
    error_percent: Some(5.0),
    availability_percent: Some(99.5),
};

#[test]
fn the_text_says_what_holds_and_what_does_not() {
    let text = with_report(&BROKEN, text_summary);
    expect_file!["snapshots/summary.txt"].assert_eq(&text);
    let good = Thresholds { p95_ms: Some(500.0), ..Thresholds::default() };
    let text = with_report(&good, text_summary);
    assert!(text.ends_with("passed: every threshold holds\n"), "{text}");
}

#[test]
fn the_files_say_the_same_to_programs() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("not/there/yet");
    with_report(&BROKEN, |report| write_reports(&out, report)).unwrap();
    let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    expect_file!["snapshots/summary.json"].assert_eq(&read(SUMMARY_FILE));
    expect_file!["snapshots/results.json"].assert_eq(&read(RESULTS_FILE));
    let summary: Value = serde_json::from_str(&read(SUMMARY_FILE)).unwrap();
    let metrics = &summary["metrics"];
    assert_eq!(metrics["http_req_duration"]["thresholds"]["p(95)<1.5"]["ok"], false);
    assert_eq!(metrics["http_req_failed"]["thresholds"]["rate<0.05"]["ok"], true);
    assert_eq!(metrics["checks"]["thresholds"]["rate>0.995"]["ok"], false);
    assert_eq!(metrics["http_req_failed"]["passes"], 11);
}

#[test]
fn a_run_without_answers_is_reported_too() {
    let measured = Measured::default();
    let verdict = judge(&BROKEN, &measured);
    let report = Report {
        scenario: "x.toml",
        target: "http://127.0.0.1:1".to_owned(),
        plan: Plan::default(),
        started_ms: 0,
        measured: &measured,
        verdict: &verdict,
    };
    let text = text_summary(&report);
    assert!(text.contains("failed: no request was sent, so nothing was shown"), "{text}");
    assert_eq!(summary(&report)["metrics"]["http_req_duration"]["avg"], Value::Null);
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = with_report(&BROKEN, |report| write_reports(file.path(), report)).unwrap_err();
    assert_eq!(error.path, file.path());
}
