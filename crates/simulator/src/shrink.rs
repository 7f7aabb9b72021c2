//! Makes a failure small: leaves out deeds and accidents, as long as the same invariant breaks.

use std::collections::BTreeSet;

use crate::audit::Broken;
use crate::{Attempt, Failure, Options, attempt};

/// Lines of the trace that are kept, from its end.
const TRACE_LINES_MAX: usize = 400;

pub(crate) fn shrink(
    seed: u64,
    options: &Options,
    broken: &Broken,
    happened: &[u64],
    fact: u64,
) -> Failure {
    let mut needed = happened.to_vec();
    let mut skip = options.skip.clone();
    let mut tries = options.shrinks;
    let mut chunk = needed.len().div_ceil(2);
    while chunk > 0 && tries > 0 {
        let mut from = 0;
        while from < needed.len() && tries > 0 {
            let left_out = &needed[from..needed.len().min(from + chunk)];
            let mut without = skip.clone();
            without.extend(left_out);
            tries -= 1;
            match breaks(seed, options, &without, broken) {
                // Without one accident others may come that there was no time for before.
                Some(smaller) if smaller.happened.len() < needed.len() => {
                    skip = without;
                    needed = smaller.happened;
                }
                _ => from += chunk,
            }
        }
        chunk = if chunk == 1 { 0 } else { chunk.div_ceil(2) };
    }
    let told = Options { trace: true, skip, ..options.clone() };
    let last = attempt(seed, &told);
    let detail = last.broken.as_ref().unwrap_or(broken).detail.clone();
    let cut = last.trace.len().saturating_sub(TRACE_LINES_MAX);
    Failure {
        seed,
        invariant: broken.invariant.to_owned(),
        detail,
        fact,
        happenings: happened.len(),
        needed: needed.len(),
        shrunk_fact: last.facts,
        trace: last.trace[cut..].to_vec(),
    }
}

/// The world without these, if the same invariant breaks in it.
fn breaks(
    seed: u64,
    options: &Options,
    without: &BTreeSet<u64>,
    broken: &Broken,
) -> Option<Attempt> {
    let options = Options { skip: without.clone(), trace: false, ..options.clone() };
    let attempt = attempt(seed, &options);
    let same = attempt.broken.as_ref().is_some_and(|other| other.invariant == broken.invariant);
    same.then_some(attempt)
}
