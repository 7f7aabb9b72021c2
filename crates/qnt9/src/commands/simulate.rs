//! `qnt9 simulate`: seeded worlds on all cores, or an exported log in the same tool. No server needed.

mod log;

use std::ops::Range;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use qnt9_simulator::{Coverage, Options, Report, Rhythm, simulate};
use serde_json::json;

use crate::cli::{Common, Simulate};
use crate::failure::Failure;
use crate::render::count;
use crate::talk;

/// How often the progress line changes.
const PROGRESS: Duration = Duration::from_millis(500);

/// Lives through seeds, tells one of them, or looks into a log.
pub fn run(common: &Common, args: &Simulate) -> Result<ExitCode, Failure> {
    match (&args.log, args.seed) {
        (Some(file), _) => log::run(common, file, args.at.as_deref()),
        (None, Some(seed)) => tell(common, args, seed),
        (None, None) => sweep(common, args),
    }
}

fn options(args: &Simulate) -> Options {
    let rhythm = match args.days {
        Some(days) => Rhythm::Office { days, team: args.team },
        None => Rhythm::Dense,
    };
    Options { rhythm, ..Options::default() }
}

/// One seed, line by line.
fn tell(common: &Common, args: &Simulate, seed: u64) -> Result<ExitCode, Failure> {
    // Nothing is left out: this is the world as it was.
    let options = Options { until: args.until, trace: true, shrinks: 0, ..options(args) };
    quietly(|| match simulate(seed, &options) {
        Ok(report) => {
            for text in &report.trace {
                say_line(common, text);
            }
            if common.json {
                talk::json(&world(&report));
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(failure) => {
            for text in &failure.trace {
                say_line(common, text);
            }
            Err(broken(args, &failure, &[]))
        }
    })
}

fn say_line(common: &Common, text: &str) {
    if common.json {
        talk::json(&json!({ "line": text }));
    } else {
        talk::line(text);
    }
}

/// What all workers have come to.
#[derive(Default)]
struct Sum {
    seeds: u64,
    facts: u64,
    happenings: u64,
    coverage: Coverage,
}

/// Lives through all seeds on all cores and stops at the first that breaks something.
fn sweep(common: &Common, args: &Simulate) -> Result<ExitCode, Failure> {
    // A year is one world: its days follow each other.
    let seeds =
        if args.days.is_some() && args.seeds == (0..100) { 0..1 } else { args.seeds.clone() };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let jobs = args.jobs.unwrap_or(cores).clamp(1, 256);
    let begun = Instant::now();
    let (sum, failure) = quietly(|| live_all(&options(args), &seeds, jobs, begun));
    let seconds = begun.elapsed().as_secs_f64();
    if let Some(failure) = failure {
        let failure = broken(args, &failure, &failure.trace);
        return Err(
            failure.detail(format!("{} before it were whole", count(sum.seeds as usize, "seed")))
        );
    }
    let busy = jobs.min(seeds.count()) as f64;
    let rate = sum.facts as f64 / seconds / busy;
    if common.json {
        let counts = sum.coverage.counts();
        let counts: Vec<_> = counts
            .map(|(what, kind, n)| json!({ "what": what, "kind": kind, "count": n }))
            .collect();
        talk::json(&json!({
            "seeds": sum.seeds, "facts": sum.facts, "happenings": sum.happenings,
            "crashes": sum.coverage.crashes, "seconds": seconds, "facts_per_second_and_core": rate,
            "occurred": counts, "never": sum.coverage.missing(),
        }));
        return Ok(ExitCode::SUCCESS);
    }
    talk::line(&format!(
        "✓ {}, {} facts, {} deeds and accidents, {} deaths of the server: no invariant was broken",
        count(sum.seeds as usize, "seed"),
        sum.facts,
        sum.happenings,
        sum.coverage.crashes
    ));
    talk::line(&format!("  {seconds:.1} s, {rate:.0} facts per second and core"));
    let missing = sum.coverage.missing();
    if !missing.is_empty() {
        talk::line(&format!("  did not occur: {}", missing.join(", ")));
    }
    Ok(ExitCode::SUCCESS)
}

type Lived = Result<Report, Box<qnt9_simulator::Failure>>;

fn live_all(
    options: &Options,
    seeds: &Range<u64>,
    jobs: usize,
    begun: Instant,
) -> (Sum, Option<Box<qnt9_simulator::Failure>>) {
    let (next, stop) = (AtomicU64::new(seeds.start), AtomicBool::new(false));
    let (send, receive) = mpsc::channel::<Lived>();
    let worker = |send: mpsc::Sender<Lived>| {
        while !stop.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            // Nobody listens any more when something was broken elsewhere.
            if seed >= seeds.end || send.send(simulate(seed, options)).is_err() {
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            let send = send.clone();
            scope.spawn(|| worker(send));
        }
        drop(send);
        let (mut sum, mut failure) = (Sum::default(), None);
        let mut progress = Progress { shown: None, all: seeds.end - seeds.start, begun };
        loop {
            match receive.recv_timeout(PROGRESS) {
                Ok(Ok(report)) => {
                    sum.seeds += 1;
                    sum.facts += report.facts;
                    sum.happenings += report.happenings;
                    sum.coverage.add(&report.coverage);
                }
                Ok(Err(found)) => {
                    stop.store(true, Ordering::Relaxed);
                    failure.get_or_insert(found);
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
            progress.show(&sum);
        }
        progress.clear();
        (sum, failure)
    })
}

/// One line on a terminal that says how far it is.
struct Progress {
    shown: Option<Instant>,
    all: u64,
    begun: Instant,
}

impl Progress {
    fn show(&mut self, sum: &Sum) {
        if !talk::is_terminal() || self.shown.is_some_and(|at| at.elapsed() < PROGRESS) {
            return;
        }
        self.shown = Some(Instant::now());
        let seconds = self.begun.elapsed().as_secs_f64();
        let left = match sum.seeds {
            0 => String::new(),
            done => {
                let left = seconds / done as f64 * (self.all - done) as f64;
                format!(", {left:.0} s left")
            }
        };
        let (done, all, facts) = (sum.seeds, self.all, sum.facts);
        talk::say_raw(&format!(
            "\r\x1b[K{done} of {all} seeds, {facts} facts, {seconds:.0} s{left}"
        ));
    }

    fn clear(&self) {
        if self.shown.is_some() {
            talk::say_raw("\r\x1b[K");
        }
    }
}

fn broken(args: &Simulate, failure: &qnt9_simulator::Failure, trace: &[String]) -> Failure {
    let days = args.days.map(|days| format!(" --days {days} --team {}", args.team));
    let days = days.unwrap_or_default();
    let said = Failure::new(failure.to_string());
    let said = trace.iter().fold(said, |said, line| said.detail(line.clone()));
    let said = match (failure.needed, trace.is_empty()) {
        (_, true) => said,
        (needed, false) => said.detail(format!(
            "{needed} of {} deeds and accidents are enough to break it",
            failure.happenings
        )),
    };
    said.hint(format!("qnt9 simulate --seed {}{days} --until {}", failure.seed, failure.fact))
}

fn world(report: &Report) -> serde_json::Value {
    json!({
        "seed": report.seed, "facts": report.facts, "happenings": report.happenings,
        "crashes": report.coverage.crashes,
        "heads": report.heads.iter().map(|(stream, digest)| json!({ "stream": stream, "digest": digest })).collect::<Vec<_>>(),
    })
}

/// A panic of the machine is a finding here and told as one, not printed where it happens.
fn quietly<T>(work: impl FnOnce() -> T) -> T {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let done = work();
    std::panic::set_hook(hook);
    done
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::failure::Exit;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        simulate: Simulate,
    }

    #[test]
    fn what_breaks_is_told_with_its_trace_and_how_to_see_it_again() {
        let found = qnt9_simulator::Failure {
            seed: 17,
            invariant: "one-holder".to_owned(),
            detail: "two jobs hold production".to_owned(),
            fact: 240,
            happenings: 90,
            needed: 3,
            shrunk_fact: 41,
            trace: vec!["ada: Push".to_owned(), "fact shop 41 RunCreated".to_owned()],
        };
        let args = Line::parse_from(["simulate", "--days", "30"]).simulate;
        let said = broken(&args, &found, &found.trace);
        assert_eq!(said.exit, Exit::Failed);
        expect_test::expect![[r"
            error: seed 17 breaks `one-holder` at fact 240: two jobs hold production
              ada: Push
              fact shop 41 RunCreated
              3 of 90 deeds and accidents are enough to break it
            hint: qnt9 simulate --seed 17 --days 30 --team 20 --until 240"]]
        .assert_eq(&said.to_string());
    }
}
