//! The summary as it stands at the end of a run, in the manner of k6.

use std::fmt::Write;

use super::Report;
use crate::measure::Times;
use crate::verdict::{Held, figure};

/// Width of a name with its dots.
const NAME_WIDTH: usize = 26;

/// The summary for a terminal, without colour; ends with a line that says whether it passed.
#[must_use]
pub fn text_summary(report: &Report<'_>) -> String {
    let mut text = String::new();
    section(&mut text, "THRESHOLDS");
    for held in &report.verdict.thresholds {
        threshold(&mut text, held);
    }
    section(&mut text, "REQUESTS");
    for name in &report.measured.names {
        let mark = if name.failed == 0 && name.requests > 0 { '✓' } else { '✗' };
        let times = name.times.map(|times| format!(", p95 {} ms", figure(times.p95_ms)));
        let times = times.unwrap_or_default();
        let good = name.requests - name.failed;
        line(
            &mut text,
            mark,
            &name.name,
            &format!("{good} of {} as expected{times}", name.requests),
        );
    }
    for (failure, count) in &report.measured.failures {
        line(&mut text, ' ', &format!("  {failure}"), &count.to_string());
    }
    section(&mut text, "TOTAL");
    totals(&mut text, report);
    text.push('\n');
    if report.verdict.passed {
        text.push_str("  passed: every threshold holds\n");
    } else {
        for reason in &report.verdict.reasons {
            let _ = writeln!(text, "  failed: {reason}");
        }
    }
    text
}

fn totals(text: &mut String, report: &Report<'_>) {
    let measured = report.measured;
    let rate = |count: u64| count as f64 / measured.took_s.max(f64::MIN_POSITIVE);
    if let Some(times) = measured.times {
        line(text, ' ', "http_req_duration", &trend(times));
    }
    let failed = measured
        .error_percent()
        .map_or_else(|| "-".to_owned(), |percent| format!("{} %", figure(percent)));
    line(
        text,
        ' ',
        "http_req_failed",
        &format!("{failed}  {} of {}", measured.failed, measured.requests),
    );
    let per_second = figure(rate(measured.requests));
    line(text, ' ', "http_reqs", &format!("{}  {per_second}/s", measured.requests));
    if let Some(percent) = measured.availability_percent() {
        line(text, ' ', "availability", &format!("{} %", figure(percent)));
    }
    let users = format!("{} of {} planned", measured.users_max, report.plan.users);
    line(text, ' ', "vus", &users);
    let data = |bytes: u64| format!("{}  {}/s", size(bytes as f64), size(rate(bytes)));
    line(text, ' ', "data_received", &data(measured.received_bytes));
    line(text, ' ', "data_sent", &data(measured.sent_bytes));
}

fn section(text: &mut String, title: &str) {
    let _ = write!(text, "\n  █ {title}\n\n");
}

fn line(text: &mut String, mark: char, name: &str, value: &str) {
    let dots = ".".repeat(NAME_WIDTH.saturating_sub(name.chars().count()).max(2));
    let _ = writeln!(text, "    {mark} {name}{dots}: {value}");
}

fn threshold(text: &mut String, held: &Held) {
    let Held { threshold, limit, measured, ok } = *held;
    let (mark, unit) = (if ok { '✓' } else { '✗' }, threshold.unit());
    let measured =
        measured.map_or_else(|| "-".to_owned(), |measured| format!("{}{unit}", figure(measured)));
    let name = format!("{} {} {limit}{unit}", threshold.name(), threshold.sign());
    line(text, mark, &name, &measured);
}

fn trend(times: Times) -> String {
    let named = [
        ("avg", times.avg_ms),
        ("min", times.min_ms),
        ("med", times.med_ms),
        ("max", times.max_ms),
        ("p(90)", times.p90_ms),
        ("p(95)", times.p95_ms),
        ("p(99)", times.p99_ms),
    ];
    let parts = named.map(|(name, ms)| format!("{name}={}ms", figure(ms)));
    parts.join(" ")
}

fn size(bytes: f64) -> String {
    match bytes {
        bytes if bytes >= 1e9 => format!("{:.1} GB", bytes / 1e9),
        bytes if bytes >= 1e6 => format!("{:.1} MB", bytes / 1e6),
        bytes if bytes >= 1e3 => format!("{:.1} kB", bytes / 1e3),
        bytes => format!("{bytes:.0} B"),
    }
}
