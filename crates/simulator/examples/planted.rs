//! The board of planted faults: each is switched on alone, and seeds are tried until one finds it.
//!
//! ```text
//! cargo run --release -p qnt9-simulator --features planted --example planted [-- --seeds N] [--json] [FAULT…]
//! ```
//!
//! Exits with 1 when a fault is not found within `N` seeds (100), when the median is above
//! [`MEDIAN_MAX`], or when a seed fails without any fault.

#![expect(clippy::print_stdout, reason = "a program of its own, for people who work on qnt9")]

use std::collections::VecDeque;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::thread;

use qnt9_model::planted::{self, Fault};
use qnt9_simulator::{Failure, Options, simulate};

/// What half of the faults must be found in.
const MEDIAN_MAX: u64 = 10;
const SEEDS: u64 = 100;
/// Seeds that must pass without a fault before any finding counts.
const CLEAN_SEEDS: u64 = 20;

struct Found {
    fault: Fault,
    /// The seed that found it, from 1, and how.
    by: Option<(u64, Box<Failure>)>,
}

fn main() -> ExitCode {
    let mut seeds = SEEDS;
    let mut json = false;
    let mut wanted = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--json" => json = true,
            "--seeds" => match args.next().and_then(|count| count.parse().ok()) {
                Some(count) => seeds = count,
                None => return usage("`--seeds` wants a number"),
            },
            name => match Fault::ALL.iter().find(|fault| format!("{fault:?}") == name) {
                Some(fault) => wanted.push(*fault),
                None => return usage(&format!("there is no fault `{name}`")),
            },
        }
    }
    if wanted.is_empty() {
        wanted = Fault::ALL.to_vec();
    }
    // A panic of the machine is a finding, and told as one.
    std::panic::set_hook(Box::new(|_| {}));
    for seed in 1..=CLEAN_SEEDS {
        if let Err(failure) = simulate(seed, &options()) {
            println!("without any fault: {failure}");
            return ExitCode::FAILURE;
        }
    }
    let found = search(&wanted, seeds);
    let is_good = report(&found, json);
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn usage(problem: &str) -> ExitCode {
    println!("{problem}\nusage: planted [--seeds N] [--json] [FAULT...]");
    ExitCode::from(2)
}

fn options() -> Options {
    Options { shrinks: 0, ..Options::default() }
}

/// Tries the faults, as many at once as there are cores.
fn search(wanted: &[Fault], seeds: u64) -> Vec<Found> {
    let waiting = Mutex::new(wanted.iter().copied().collect::<VecDeque<Fault>>());
    let found = Mutex::new(Vec::new());
    let work = || {
        loop {
            let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(fault) = next else { return };
            planted::switch_on(Some(fault));
            let by = (1..=seeds).find_map(|seed| Some((seed, simulate(seed, &options()).err()?)));
            found.lock().unwrap_or_else(PoisonError::into_inner).push(Found { fault, by });
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(work);
        }
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_by_key(|found| found.fault);
    found
}

/// Prints the board; whether everything was found, and soon enough.
fn report(found: &[Found], json: bool) -> bool {
    let mut needed: Vec<u64> = Vec::new();
    for Found { fault, by } in found {
        let name = format!("{fault:?}");
        match by {
            Some((seed, failure)) => {
                needed.push(*seed);
                let (invariant, fact) = (&failure.invariant, failure.fact);
                if json {
                    let line = serde_json::json!({
                        "fault": name, "what": fault.what(), "seeds": seed,
                        "invariant": invariant, "fact": fact, "detail": failure.detail,
                    });
                    println!("{line}");
                } else {
                    println!("{name:<26} seeds {seed:>3}  fact {fact:>6}  {invariant}");
                }
            }
            None if json => {
                let line = serde_json::json!({
                    "fault": name, "what": fault.what(), "seeds": null,
                });
                println!("{line}");
            }
            None => println!("{name:<26} NOT FOUND  {}", fault.what()),
        }
    }
    needed.sort_unstable();
    let median = needed.get(needed.len() / 2).copied();
    let (count, all) = (needed.len(), found.len());
    if json {
        println!("{}", serde_json::json!({ "faults": all, "found": count, "median": median }));
    } else {
        let median = median.map_or_else(|| "none".to_owned(), |median| median.to_string());
        println!("\n{count} of {all} found; median {median} seeds");
    }
    count == all && median.is_some_and(|median| median <= MEDIAN_MAX)
}
