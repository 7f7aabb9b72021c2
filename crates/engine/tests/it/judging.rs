//! The judge at its borders, and what jobs are told of each other and of their own matrix.

use qnt9_engine::judge::{BAD_REQUESTS_MIN, judge};
use qnt9_model::fact::{Counts, Outcome, Verdict};

use crate::world::{RULES, World};

fn counts(requests: u64, bad: u64) -> Counts {
    Counts { requests, bad }
}

fn verdict(new: (u64, u64), old: (u64, u64)) -> Verdict {
    judge(counts(new.0, new.1), counts(old.0, old.1), 50).0
}

/// One in a hundred is tolerated beside an old release without a fault; one more is not.
#[test]
fn a_share_is_bad_from_just_above_what_is_tolerated() {
    let flawless = (1_000, 0);
    assert_eq!(verdict((1_000, 10), flawless), Verdict::Good);
    assert_eq!(verdict((1_000, 11), flawless), Verdict::Bad);
    assert_eq!(verdict((100_000, 1_000), flawless), Verdict::Good);
    assert_eq!(verdict((100_000, 1_001), flawless), Verdict::Bad);
}

/// Fewer bad ones than that may be chance, whatever their share.
#[test]
fn a_few_bad_requests_condemn_nobody() {
    let few = BAD_REQUESTS_MIN - 1;
    assert_ne!(verdict((60, few), (1_000, 0)), Verdict::Bad);
    assert_eq!(verdict((60, BAD_REQUESTS_MIN), (1_000, 0)), Verdict::Bad);
}

/// Before there are enough requests, only what is four times past the tolerance is called bad.
#[test]
fn an_early_verdict_wants_a_clear_case() {
    assert_eq!(verdict((49, BAD_REQUESTS_MIN), (1_000, 0)), Verdict::Bad);
    let many = judge(counts(900, 36), counts(1_000, 0), 1_000).0;
    assert_eq!(many, Verdict::Undecided, "36 of 900 is exactly four times one in a hundred");
    assert_eq!(judge(counts(900, 37), counts(1_000, 0), 1_000).0, Verdict::Bad);
}

/// Outputs of a job that failed reach the jobs that run all the same.
#[test]
fn outputs_of_a_failed_job_are_passed_on() {
    let text = "# outputs.yml
on: push
jobs:
  a: { runs-on: x, outputs: { n: x }, steps: [{ run: x }] }
  b: { needs: a, if: always(), name: 'told ${{ needs.a.outputs.n }}', runs-on: x, steps: [{ run: x }] }
";
    let mut world = World::new(RULES);
    let run = world.push("dev", "main", "c1", "dev", &[text])[0];
    let attempt = world.start(run, "a");
    world.end_with(&attempt, Outcome::Failure, &[("n", "seven")]);
    assert_eq!(world.project().runs[&run].legs[&"b".into()].leg.name, "told seven");
}

/// Each leg knows its place in the matrix.
#[test]
fn the_strategy_context_counts_the_legs() {
    let text = "# legs.yml
on: push
jobs:
  a:
    runs-on: x
    strategy: { max-parallel: 3, fail-fast: false, matrix: { n: [x, y] } }
    name: '${{ strategy.job-index }} of ${{ strategy.job-total }}, ${{ strategy.max-parallel }}, ${{ strategy.fail-fast }}'
    steps: [{ run: x }]
  b:
    runs-on: x
    name: 'alone ${{ strategy.job-index }} of ${{ strategy.job-total }}'
    steps: [{ run: x }]
";
    let mut world = World::new(RULES);
    let run = world.push("dev", "main", "c1", "dev", &[text])[0];
    let legs = &world.project().runs[&run].legs;
    let names: Vec<&str> = legs.values().map(|leg| leg.leg.name.as_str()).collect();
    assert_eq!(names, ["0 of 2, 3, false", "1 of 2, 3, false", "alone 0 of 1"]);
}

/// Beside an old release that fails itself, twice its share is tolerated.
#[test]
fn what_is_tolerated_grows_with_what_the_old_release_does() {
    let old = (1_000, 20);
    assert_eq!(verdict((1_000, 40), old), Verdict::Good);
    assert_eq!(verdict((1_000, 41), old), Verdict::Bad);
    assert_eq!(verdict((1_000, 10), (1_000, 1)), Verdict::Good, "one in a hundred at least");
}
