//! Worlds.

use super::*;

fn run(seeds: std::ops::Range<u64>) -> Coverage {
    let mut coverage = Coverage::default();
    for seed in seeds {
        match simulate(seed, &Options::default()) {
            Ok(report) => {
                assert!(report.facts >= FACTS_LEAST, "seed {seed} has {} facts", report.facts);
                coverage.add(&report.coverage);
            }
            Err(failure) => panic!("{failure}\n{}", failure.trace.join("\n")),
        }
    }
    coverage
}

#[test]
fn everything_occurs_within_a_hundred_seeds() {
    let missing = run(0..100).missing();
    assert!(missing.is_empty(), "these never occurred: {}", missing.join(", "));
}

#[test]
fn the_same_seed_is_the_same_world() {
    let [one, two] = [simulate(7, &Options::default()), simulate(7, &Options::default())];
    assert_eq!(one, two);
}
