//! Counts of requests and how long they took, in Prometheus' text format
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Upper ends of the histogram's buckets, in seconds.
const BUCKETS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];
/// The size of a page as `/proc/self/statm` counts them on the machines this runs on.
const PAGE_BYTES: u64 = 4096;

/// What one process has answered so far.
pub struct Metrics {
    service: &'static str,
    release: String,
    started: SystemTime,
    /// By route, then by method and status.
    requests: Mutex<BTreeMap<String, Answers>>,
}

type Answers = BTreeMap<(&'static str, u16), Series>;

#[derive(Clone, Default)]
struct Series {
    /// How many fell into each bucket; what was slower than the last is only in `count`.
    buckets: [u64; BUCKETS.len()],
    count: u64,
    sum: Duration,
}

impl Metrics {
    pub fn new(service: &'static str, release: &str) -> Self {
        Self {
            service,
            release: release.to_owned(),
            started: SystemTime::now(),
            requests: Mutex::default(),
        }
    }

    /// Counts one answer. `route` is the pattern that matched, not the path: there are few of them.
    pub fn answered(&self, route: &str, method: &'static str, status: u16, took: Duration) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        if !requests.contains_key(route) {
            requests.insert(route.to_owned(), Answers::new());
        }
        let Some(answers) = requests.get_mut(route) else { return };
        let series = answers.entry((method, status)).or_default();
        if let Some(bucket) = BUCKETS.iter().position(|end| took.as_secs_f64() <= *end) {
            series.buckets[bucket] += 1;
        }
        series.count += 1;
        series.sum += took;
    }

    /// Everything counted, and the process itself.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let (service, release) = (self.service, label(&self.release));
        writeln!(text, "# HELP service_info What runs.\n# TYPE service_info gauge")?;
        let version = env!("CARGO_PKG_VERSION");
        writeln!(
            text,
            "service_info{{service=\"{service}\",version=\"{version}\",release=\"{release}\"}} 1"
        )?;
        let started = self.started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        writeln!(
            text,
            "# HELP process_start_time_seconds When it started, since 1970.\n\
             # TYPE process_start_time_seconds gauge\nprocess_start_time_seconds {started:.3}"
        )?;
        if let Some(bytes) = resident_bytes() {
            writeln!(
                text,
                "# HELP process_resident_memory_bytes Memory in use.\n\
                 # TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes {bytes}"
            )?;
        }
        writeln!(
            text,
            "# HELP http_request_duration_seconds How long answers took.\n\
             # TYPE http_request_duration_seconds histogram"
        )?;
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (route, answers) in &requests {
            for ((method, status), series) in answers {
                let route = label(route);
                let labels = format!("route=\"{route}\",method=\"{method}\",status=\"{status}\"");
                series.write(text, &labels)?;
            }
        }
        Ok(())
    }
}

impl Series {
    fn write(&self, text: &mut String, labels: &str) -> std::fmt::Result {
        const NAME: &str = "http_request_duration_seconds";
        let mut within = 0;
        for (end, count) in BUCKETS.iter().zip(self.buckets) {
            within += count;
            writeln!(text, "{NAME}_bucket{{{labels},le=\"{end}\"}} {within}")?;
        }
        writeln!(text, "{NAME}_bucket{{{labels},le=\"+Inf\"}} {}", self.count)?;
        writeln!(text, "{NAME}_sum{{{labels}}} {}", self.sum.as_secs_f64())?;
        writeln!(text, "{NAME}_count{{{labels}}} {}", self.count)
    }
}

/// Text as a label's value may hold it.
fn label(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

/// Linux says it; elsewhere it is left out.
fn resident_bytes() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    Some(statm.split(' ').nth(1)?.parse::<u64>().ok()? * PAGE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_route_method_and_status() {
        let metrics = Metrics::new("stock", "sha256:\"1\"");
        metrics.answered("/health", "GET", 200, Duration::from_micros(400));
        metrics.answered("/health", "GET", 200, Duration::from_secs(9));
        metrics.answered("/health", "GET", 503, Duration::from_millis(3));
        let text = metrics.text();
        let labels = r#"route="/health",method="GET",status="200""#;
        for line in [
            r#"release="sha256:\"1\"""#.to_owned(),
            format!("_bucket{{{labels},le=\"0.0005\"}} 1\n"),
            format!("_bucket{{{labels},le=\"2.5\"}} 1\n"),
            format!("_bucket{{{labels},le=\"+Inf\"}} 2\n"),
            format!("_sum{{{labels}}} 9.0004\n"),
            format!("_count{{{labels}}} 2\n"),
            "status=\"503\",le=\"0.0025\"} 0\n".to_owned(),
            "status=\"503\",le=\"0.005\"} 1\n".to_owned(),
        ] {
            assert!(text.contains(&line), "{line} is not in\n{text}");
        }
    }
}
