//! What is said of deliveries under fire: a table for people on stderr, JSON Lines on stdout.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::kills;
use super::lane::Outcome;
use crate::tools;

/// Says how one delivery went.
pub(super) fn one(outcome: &Outcome, as_json: bool) {
    let Outcome { seed, took, done, met, reattached, asked, deviations } = outcome;
    let word = if deviations.is_empty() { "as without kills" } else { "DEVIATES" };
    tools::say(&format!(
        "seed {seed}: {word}; {} kills, {:.0} s, {} requests, {} failed, {} without a gateway, {} cut off, {asked} questions",
        done.len(),
        took.as_secs_f64(),
        met.requests,
        met.failures.len(),
        met.while_gateway_was_gone,
        met.cut_off,
    ));
    if !deviations.is_empty() {
        for line in deviations.iter().map(|line| format!("  - {line}")) {
            tools::say(&line);
        }
        for line in kills::list(done) {
            tools::say(&format!("    {line}"));
        }
    }
    if as_json {
        let kills: Vec<Value> = done
            .iter()
            .map(|done| {
                json!({
                    "at_ms": ms(done.at),
                    "target": done.kill.target.word(),
                    "when": done.kill.when.to_string(),
                    "away_ms": ms(done.kill.away),
                    "start_ms": done.start.map(ms),
                    "attempts": done.attempts,
                })
            })
            .collect();
        print(&json!({ "delivery": {
            "seed": seed,
            "took_ms": ms(*took),
            "kills": kills,
            "requests": met.requests,
            "failed": met.failures.len(),
            "failed_without_gateway": met.while_gateway_was_gone,
            "cut_off": met.cut_off,
            "reattached_ms": reattached.iter().copied().map(ms).collect::<Vec<_>>(),
            "questions": asked,
            "deviations": deviations,
        }}));
    }
}

/// Says what all deliveries came to.
pub(super) fn sum(outcomes: &[Outcome], as_json: bool) {
    let mut by_target: BTreeMap<_, usize> = BTreeMap::new();
    for done in outcomes.iter().flat_map(|outcome| &outcome.done) {
        *by_target.entry(done.kill.target).or_default() += 1;
    }
    let kills: usize = by_target.values().sum();
    let well = outcomes.iter().filter(|outcome| outcome.deviations.is_empty()).count();
    let all = |count: fn(&Outcome) -> u64| outcomes.iter().map(count).sum::<u64>();
    let (requests, failed, excused, cut_off) = (
        all(|outcome| outcome.met.requests),
        all(|outcome| outcome.met.failures.len() as u64),
        all(|outcome| outcome.met.while_gateway_was_gone),
        all(|outcome| outcome.met.cut_off),
    );
    let questions: usize = outcomes.iter().map(|outcome| outcome.asked).sum();
    let reattached = Distribution::of(outcomes.iter().flat_map(|one| one.reattached.clone()));
    let gaps = Distribution::of(outcomes.iter().flat_map(|one| one.met.gaps.clone()));
    let starts = outcomes.iter().flat_map(|one| &one.done).filter_map(|done| done.start);
    let starts = Distribution::of(starts);
    tools::say(&format!("\ndeliveries   {}, {well} as without kills", outcomes.len()));
    tools::say(&format!("kills        {kills}"));
    for (target, times) in &by_target {
        tools::say(&format!("  {target:<15} {times:>4}"));
    }
    tools::say(&format!(
        "requests     {requests}, {failed} failed, {excused} more while a gateway was gone, {cut_off} on their way to a killed replica"
    ));
    tools::say(&format!("questions    {questions}, each asked and answered"));
    tools::say(&format!("ready        {starts}"));
    tools::say(&format!("known again  {reattached}"));
    tools::say(&format!("no gateway   {gaps}, as users saw it"));
    if as_json {
        let by_target: serde_json::Map<String, Value> = by_target
            .iter()
            .map(|(target, times)| (target.word().to_owned(), json!(times)))
            .collect();
        print(&json!({ "sum": {
            "deliveries": outcomes.len(),
            "as_without_kills": well,
            "kills": by_target,
            "requests": requests,
            "failed": failed,
            "failed_without_gateway": excused,
            "cut_off": cut_off,
            "questions": questions,
            "ready_ms": starts.json(),
            "known_again_ms": reattached.json(),
            "without_gateway_ms": gaps.json(),
        }}));
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn print(value: &Value) {
    // That nobody listens any more is no reason to stop.
    let _ = writeln!(std::io::stdout(), "{value}");
}

/// Measured times, shortest first, in milliseconds.
struct Distribution(Vec<u64>);

impl Distribution {
    fn of(times: impl Iterator<Item = Duration>) -> Self {
        let mut times: Vec<u64> = times.map(ms).collect();
        times.sort_unstable();
        Self(times)
    }

    fn at(&self, percent: usize) -> u64 {
        let place = (self.0.len() * percent).div_ceil(100).saturating_sub(1);
        self.0.get(place).copied().unwrap_or(0)
    }

    fn json(&self) -> Value {
        json!({
            "times": self.0.len(),
            "p50": self.at(50),
            "p90": self.at(90),
            "p99": self.at(99),
            "max": self.at(100),
        })
    }
}

impl std::fmt::Display for Distribution {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [half, most, nearly_all, all] = [50, 90, 99, 100].map(|percent| self.at(percent));
        let times = self.0.len();
        write!(
            formatter,
            "{times} times: median {half} ms, p90 {most} ms, p99 {nearly_all} ms, longest {all} ms"
        )
    }
}
