//! Whether a measurement holds the thresholds.

use serde::Serialize;

use crate::measure::Measured;
use crate::scenario::Thresholds;

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Threshold {
    /// The time that 95 % of the answers stay below.
    P95Ms,
    /// The time that 99 % of the answers stay below.
    P99Ms,
    /// The percentage of failed requests.
    ErrorPercent,
    /// The percentage of requests answered as expected.
    AvailabilityPercent,
}

/// One threshold and what was measured against it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Held {
    /// What is limited.
    pub threshold: Threshold,
    /// The limit, in the threshold's unit.
    pub limit: f64,
    /// What was measured; `None` when nothing was, which never holds.
    pub measured: Option<f64>,
    /// Whether it is strictly on the good side.
    pub ok: bool,
}

/// The outcome of a load test.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// Whether every threshold holds and anything was measured at all.
    pub passed: bool,
    /// Each threshold of the scenario.
    pub thresholds: Vec<Held>,
    /// Why it did not pass, one sentence each; empty when it did.
    pub reasons: Vec<String>,
}

/// Judges a measurement. Without a single request there is nothing that could hold: that fails.
#[must_use]
pub fn judge(thresholds: &Thresholds, measured: &Measured) -> Verdict {
    let limits = [
        (Threshold::P95Ms, thresholds.p95_ms, measured.times.map(|times| times.p95_ms)),
        (Threshold::P99Ms, thresholds.p99_ms, measured.times.map(|times| times.p99_ms)),
        (Threshold::ErrorPercent, thresholds.error_percent, measured.error_percent()),
        (
            Threshold::AvailabilityPercent,
            thresholds.availability_percent,
            measured.availability_percent(),
        ),
    ];
    let held = limits.into_iter().filter_map(|(threshold, limit, measured)| {
        let limit = limit?;
        let ok = measured.is_some_and(|measured| threshold.holds(measured, limit));
        Some(Held { threshold, limit, measured, ok })
    });
    let thresholds: Vec<Held> = held.collect();
    let mut reasons = Vec::new();
    if measured.requests == 0 {
        reasons.push("no request was sent, so nothing was shown".to_owned());
    } else {
        reasons.extend(thresholds.iter().filter(|held| !held.ok).map(Held::broken_by));
    }
    if thresholds.is_empty() {
        reasons.push("no threshold was set, so nothing could be shown".to_owned());
    }
    Verdict { passed: reasons.is_empty(), thresholds, reasons }
}

impl Threshold {
    /// What a person calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::P95Ms => "p95",
            Self::P99Ms => "p99",
            Self::ErrorPercent => "error rate",
            Self::AvailabilityPercent => "availability",
        }
    }

    /// The unit, as it follows a number.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::P95Ms | Self::P99Ms => " ms",
            Self::ErrorPercent | Self::AvailabilityPercent => " %",
        }
    }

    /// `<` or `>`: on which side of its limit the measurement must be.
    #[must_use]
    pub const fn sign(self) -> char {
        if matches!(self, Self::AvailabilityPercent) { '>' } else { '<' }
    }

    fn holds(self, measured: f64, limit: f64) -> bool {
        if self.sign() == '>' { measured > limit } else { measured < limit }
    }
}

impl Held {
    /// Why it does not hold, and by how much: `p95 is 612 ms, 112 ms above the limit of 500 ms`.
    fn broken_by(&self) -> String {
        let (name, unit, limit) = (self.threshold.name(), self.threshold.unit(), self.limit);
        let Some(measured) = self.measured else {
            return format!("{name}: no request was answered");
        };
        let side = if self.threshold.sign() == '>' { "below" } else { "above" };
        let off = (measured - limit).abs();
        let measured = figure(measured);
        if off == 0.0 {
            return format!(
                "{name} is {measured}{unit}, exactly the limit, which is not within it"
            );
        }
        let off_unit = if unit == " %" { " points" } else { unit };
        let off = figure(off);
        format!("{name} is {measured}{unit}, {off}{off_unit} {side} the limit of {limit}{unit}")
    }
}

/// A number as people read it: three digits that count, no more.
pub(crate) fn figure(value: f64) -> String {
    let digits = match value.abs() {
        value if value >= 100.0 => 0,
        value if value >= 10.0 => 1,
        value if value >= 0.01 || value == 0.0 => 2,
        _ => 4,
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use proptest::prelude::*;

    use super::*;
    use crate::measure::Times;

    const LIMITS: Thresholds = Thresholds {
        p95_ms: Some(500.0),
        p99_ms: Some(1000.0),
        error_percent: Some(5.0),
        availability_percent: Some(99.5),
    };

    fn measured(requests: u64, failed: u64, p95_ms: f64, p99_ms: f64) -> Measured {
        let times = Times { p95_ms, p99_ms, ..Times::default() };
        Measured { requests, failed, times: Some(times), ..Measured::default() }
    }

    #[test]
    fn a_good_measurement_passes() {
        let verdict = judge(&LIMITS, &measured(10_000, 49, 499.9, 999.9));
        assert!(verdict.passed, "{verdict:?}");
        assert_eq!(verdict.reasons, Vec::<String>::new());
        assert_eq!(verdict.thresholds.len(), 4);
    }

    #[test]
    fn what_is_broken_is_said_with_how_much() {
        let verdict = judge(&LIMITS, &measured(1_000, 60, 612.4, 1000.0));
        assert!(!verdict.passed);
        expect![[r#"
            p95 is 612 ms, 112 ms above the limit of 500 ms
            p99 is 1000 ms, exactly the limit, which is not within it
            error rate is 6 %, 1 points above the limit of 5 %
            availability is 94 %, 5.5 points below the limit of 99.5 %"#]]
        .assert_eq(&verdict.reasons.join("\n"));
    }

    #[test]
    fn nothing_measured_is_never_a_pass() {
        let verdict = judge(&LIMITS, &Measured::default());
        assert!(!verdict.passed);
        assert_eq!(verdict.reasons, ["no request was sent, so nothing was shown"]);
        let verdict = judge(&Thresholds::default(), &measured(10, 0, 1.0, 1.0));
        assert!(!verdict.passed);
        let limits = Thresholds { p95_ms: Some(1.0), ..Thresholds::default() };
        let silent = Measured { requests: 5, failed: 5, ..Measured::default() };
        assert_eq!(judge(&limits, &silent).reasons, ["p95: no request was answered"]);
    }

    proptest! {
        #[test]
        fn it_passes_exactly_when_each_limit_holds(
            requests in 0..10_000u64, failed_share in 0.0..=1.0f64,
            p95 in 0.0..1000.0f64, p99 in 0.0..2000.0f64,
        ) {
            let failed = (requests as f64 * failed_share) as u64;
            let verdict = judge(&LIMITS, &measured(requests, failed, p95, p99));
            let few_errors = requests > 0 && (failed as f64) < requests as f64 * 0.005;
            // At exactly half a percent the arithmetic of either side may round.
            prop_assume!(failed * 200 != requests);
            prop_assert_eq!(verdict.passed, few_errors && p95 < 500.0 && p99 < 1000.0);
            prop_assert_eq!(verdict.passed, verdict.reasons.is_empty());
        }
    }
}
