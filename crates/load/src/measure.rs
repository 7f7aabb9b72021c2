//! What a run measured, in total, by request and second by second.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::client::Failure;

/// Longer answers count as this; the generator gives up sooner.
const LONGEST_US: u64 = 120_000_000;
/// Digits of an answer time that are kept.
const DIGITS: u8 = 3;

/// The times of answers, in milliseconds, with three digits that count.
///
/// An answer's time runs from the request's first byte to the answer's last; making the connection
/// is not part of it. Requests that timed out count with the time they waited; those whose connection
/// was refused or lost have no time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Times {
    /// Mean.
    pub avg_ms: f64,
    /// Shortest.
    pub min_ms: f64,
    /// Median.
    pub med_ms: f64,
    /// Longest.
    pub max_ms: f64,
    /// 90th percentile.
    pub p90_ms: f64,
    /// 95th percentile.
    pub p95_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
}

/// What one kind of request met.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct NameStats {
    /// The request's name in the scenario.
    pub name: String,
    /// How many were sent and have ended.
    pub requests: u64,
    /// Those not answered with the expected status, or not at all.
    pub failed: u64,
    /// `None` when none was answered.
    pub times: Option<Times>,
}

/// What one second met. Requests belong to the second in which they ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Second {
    /// Which: from 0.
    pub second: u64,
    /// Users at its end.
    pub users: u64,
    /// Requests that ended in it.
    pub requests: u64,
    /// Those that failed.
    pub failed: u64,
    /// Their times' median.
    pub med_ms: Option<f64>,
    /// Their times' 95th percentile.
    pub p95_ms: Option<f64>,
    /// Their longest time.
    pub max_ms: Option<f64>,
}

/// Everything a run measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Measured {
    /// Requests sent that have ended.
    pub requests: u64,
    /// Those that failed: refused, lost, timed out, or answered with another status than expected.
    pub failed: u64,
    /// How the failed ones failed, and how many each way.
    pub failures: BTreeMap<String, u64>,
    /// Requests that the generator could not send in time because too many were unanswered; only an
    /// open loop has such.
    pub dropped: u64,
    /// Times of all answers; `None` when there was none.
    pub times: Option<Times>,
    /// Times of making a connection.
    pub connecting: Option<Times>,
    /// Connections made.
    pub connections: u64,
    /// Bytes written.
    pub sent_bytes: u64,
    /// Bytes read.
    pub received_bytes: u64,
    /// The most users at once.
    pub users_max: u64,
    /// How long it took, in seconds.
    pub took_s: f64,
    /// By request, in the scenario's order.
    pub names: Vec<NameStats>,
    /// Second by second.
    pub seconds: Vec<Second>,
}

impl Measured {
    /// Percentage of requests that failed; `None` without requests.
    #[must_use]
    pub fn error_percent(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.failed as f64 * 100.0 / self.requests as f64)
    }

    /// Percentage of requests that were answered as expected; `None` without requests.
    #[must_use]
    pub fn availability_percent(&self) -> Option<f64> {
        let good = self.requests - self.failed;
        (self.requests > 0).then(|| good as f64 * 100.0 / self.requests as f64)
    }

    /// Requests a second over the whole run.
    #[must_use]
    pub fn rate(&self) -> f64 {
        if self.took_s > 0.0 { self.requests as f64 / self.took_s } else { 0.0 }
    }
}

/// How one request ended.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// The request's place in the scenario.
    pub(crate) request: usize,
    pub(crate) outcome: Result<(), Failure>,
    pub(crate) took: Option<Duration>,
    /// How long making a connection took, if it was made for this request.
    pub(crate) connecting: Option<Duration>,
}

/// Counts exchanges while they happen, in constant memory but for one entry a second.
#[derive(Debug)]
pub(crate) struct Recorder {
    total: Measured,
    times: Histogram<u64>,
    connecting: Histogram<u64>,
    by_name: Vec<(NameStats, Histogram<u64>)>,
    second: Second,
    second_times: Histogram<u64>,
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_US, DIGITS).expect("the bounds are those of a histogram")
}

fn record(histogram: &mut Histogram<u64>, took: Duration) {
    histogram.saturating_record(u64::try_from(took.as_micros()).unwrap_or(LONGEST_US));
}

impl Recorder {
    pub(crate) fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let stats = |name: &str| NameStats { name: name.to_owned(), ..NameStats::default() };
        Self {
            total: Measured::default(),
            times: histogram(),
            connecting: histogram(),
            by_name: names.map(|name| (stats(name), histogram())).collect(),
            second: Second::default(),
            second_times: histogram(),
        }
    }

    pub(crate) fn count(&mut self, exchange: &Exchange) {
        let (name, name_times) = &mut self.by_name[exchange.request];
        self.total.requests += 1;
        name.requests += 1;
        self.second.requests += 1;
        if let Err(failure) = &exchange.outcome {
            self.total.failed += 1;
            name.failed += 1;
            self.second.failed += 1;
            *self.total.failures.entry(failure.to_string()).or_default() += 1;
        }
        if let Some(took) = exchange.took {
            record(&mut self.times, took);
            record(name_times, took);
            record(&mut self.second_times, took);
        }
        if let Some(connecting) = exchange.connecting {
            self.total.connections += 1;
            record(&mut self.connecting, connecting);
        }
    }

    pub(crate) const fn drop_one(&mut self) {
        self.total.dropped += 1;
    }

    /// Ends the current second and begins the next; answers the one that ended.
    pub(crate) fn end_second(&mut self, users: u64) -> &Second {
        self.total.users_max = self.total.users_max.max(users);
        let times = times(&self.second_times);
        let mut ended = std::mem::take(&mut self.second);
        self.second.second = ended.second + 1;
        self.second_times.reset();
        ended.users = users;
        ended.med_ms = times.map(|times| times.med_ms);
        ended.p95_ms = times.map(|times| times.p95_ms);
        ended.max_ms = times.map(|times| times.max_ms);
        self.total.seconds.push(ended);
        self.total.seconds.last().expect("one was just pushed")
    }

    pub(crate) const fn requests(&self) -> u64 {
        self.total.requests
    }

    pub(crate) const fn failed(&self) -> u64 {
        self.total.failed
    }

    pub(crate) fn failures(&self) -> BTreeMap<String, u64> {
        self.total.failures.clone()
    }

    /// The measurement so far; a last, shorter second is included when anything ended in it.
    pub(crate) fn measured(&mut self, took: Duration, sent: u64, received: u64) -> Measured {
        if self.second.requests > 0 {
            self.end_second(0);
        }
        let mut measured = self.total.clone();
        measured.times = times(&self.times);
        measured.connecting = times(&self.connecting);
        measured.took_s = took.as_secs_f64();
        measured.sent_bytes = sent;
        measured.received_bytes = received;
        measured.names = (self.by_name.iter())
            .map(|(name, histogram)| NameStats { times: times(histogram), ..name.clone() })
            .collect();
        measured
    }
}

fn times(histogram: &Histogram<u64>) -> Option<Times> {
    let ms = |us: u64| us as f64 / 1000.0;
    let at = |share| ms(histogram.value_at_quantile(share).min(histogram.max()));
    (!histogram.is_empty()).then(|| Times {
        avg_ms: histogram.mean() / 1000.0,
        min_ms: ms(histogram.min()),
        med_ms: at(0.5),
        max_ms: ms(histogram.max()),
        p90_ms: at(0.9),
        p95_ms: at(0.95),
        p99_ms: at(0.99),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(request: usize, ms: u64, outcome: Result<(), Failure>) -> Exchange {
        Exchange { request, outcome, took: Some(Duration::from_millis(ms)), connecting: None }
    }

    #[test]
    fn totals_names_and_seconds_agree() {
        let mut recorder = Recorder::new(["a", "b"].into_iter());
        for ms in 1..=100 {
            recorder.count(&exchange(0, ms, Ok(())));
        }
        recorder.end_second(7);
        recorder.count(&exchange(1, 5, Err(Failure::Status(500))));
        recorder.count(&Exchange {
            request: 1,
            outcome: Err(Failure::Refused),
            took: None,
            connecting: None,
        });
        let measured = recorder.measured(Duration::from_secs(2), 10, 20);
        assert_eq!((measured.requests, measured.failed, measured.users_max), (102, 2, 7));
        assert_eq!(measured.rate(), 51.0);
        assert_eq!(measured.names.iter().map(|name| name.requests).sum::<u64>(), 102);
        assert_eq!(measured.seconds.iter().map(|second| second.requests).sum::<u64>(), 102);
        assert_eq!(measured.failures["status 500"], 1);
        assert_eq!(measured.failures["connection refused"], 1);
        let a = measured.names[0].times.unwrap();
        assert!((a.p95_ms - 95.0).abs() < 0.1 && (a.avg_ms - 50.5).abs() < 0.1, "{a:?}");
        let last_p95 = measured.seconds[1].p95_ms.unwrap();
        assert!((last_p95 - 5.0).abs() < 0.01, "{last_p95}");
    }

    #[test]
    fn nothing_measured_has_no_times_and_no_percentages() {
        let measured = Recorder::new(["a"].into_iter()).measured(Duration::ZERO, 0, 0);
        assert_eq!((measured.times, measured.error_percent()), (None, None));
        assert_eq!((measured.availability_percent(), measured.rate()), (None, 0.0));
        assert_eq!(measured.seconds, []);
    }

    #[test]
    fn an_endless_answer_counts_as_the_longest() {
        let mut recorder = Recorder::new(["a"].into_iter());
        recorder.count(&exchange(0, 10_000_000, Ok(())));
        let times = recorder.measured(Duration::from_secs(1), 0, 0).times.unwrap();
        assert!(times.max_ms >= 120_000.0, "{times:?}");
    }
}
