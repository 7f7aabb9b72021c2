//! Lives through seeds and prints how many facts a second that makes on one core:
//! `cargo run --release -p qnt9-simulator --example rate -- FROM TO [SHRINKS [DAYS]]`.

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::time::Instant;

use qnt9_simulator::{Coverage, Options, Rhythm, simulate};

fn main() {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    let (from, to) =
        (numbers.first().copied().unwrap_or(0), numbers.get(1).copied().unwrap_or(100));
    let shrinks = numbers.get(2).copied().unwrap_or(0) as u32;
    let office = |days: &u64| Rhythm::Office { days: *days as u32, team: 20 };
    let rhythm = numbers.get(3).map_or(Rhythm::Dense, office);
    let options = Options { rhythm, shrinks, ..Options::default() };
    let begun = Instant::now();
    let (mut facts, mut broken) = (0, 0);
    let mut coverage = Coverage::default();
    for seed in from..to {
        match simulate(seed, &options) {
            Ok(report) => {
                facts += report.facts;
                coverage.add(&report.coverage);
            }
            Err(failure) => {
                broken += 1;
                println!("{failure}");
                if shrinks > 0 {
                    println!(
                        "{} of {}\n{}",
                        failure.needed,
                        failure.happenings,
                        failure.trace.join("\n")
                    );
                }
            }
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{facts} facts in {seconds:.1} s: {:.0} a second; {broken} broken",
        facts as f64 / seconds
    );
    let often = |fact: &str| {
        coverage
            .counts()
            .find(|(what, name, _)| *what == "fact" && *name == fact)
            .map_or(0, |c| c.2)
    };
    let told = ["RunCreated", "GatesOpened", "CheckAnswered", "WindowJudged", "JobCancelRequested"];
    let told: Vec<String> = told.iter().map(|fact| format!("{} {fact}", often(fact))).collect();
    println!("among them: {}", told.join(", "));
    println!("never: {}", coverage.missing().join(", "));
}
