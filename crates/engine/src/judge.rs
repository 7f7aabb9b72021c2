//! The judge of a canary step: this release against the old one, over the same seconds.
//!
//! It counts requests and the bad ones among them (answered 5xx or not at all) and works in whole
//! numbers. It never says `Good` without enough requests of the new release, nor without any of the
//! old one to compare with, nor of a share that is worse than tolerated, however few requests make it.

use qnt9_model::fact::{Counts, Verdict};
use qnt9_model::policy::WatchRule;

/// Bad requests below this many are never enough to call a release bad.
pub const BAD_REQUESTS_MIN: u64 = 5;
/// A release is tolerated up to this many bad requests in a thousand, however good the old one is.
pub const TOLERATED_PER_MILLE: u64 = 10;
/// A release is tolerated up to this many times the old one's share of bad requests.
pub const TOLERATED_FACTOR: u64 = 2;
/// Below the wanted number of requests a release is called bad only when this many times past what
/// is tolerated.
pub const EARLY_FACTOR: u64 = 4;

/// What these counts say, and the sentence with the figures.
#[must_use]
pub fn judge(new: Counts, old: Counts, min_requests: u64) -> (Verdict, String) {
    let figures = format!("{} against {} of the old release", share(new), share(old));
    let tolerated = tolerated_per_mille(old);
    let share_is_above = |per_mille: u64| new.bad * 1000 > new.requests * per_mille;
    let is_worse_than = |per_mille: u64| new.bad >= BAD_REQUESTS_MIN && share_is_above(per_mille);
    let enough = new.requests >= min_requests;
    if is_worse_than(tolerated * EARLY_FACTOR) || (enough && is_worse_than(tolerated)) {
        return (Verdict::Bad, format!("{figures}: worse than tolerated"));
    }
    if new.requests == 0 {
        return (Verdict::Undecided, "no request has reached the new release yet".to_owned());
    }
    if !enough {
        let missing = min_requests - new.requests;
        return (Verdict::Undecided, format!("{figures}; {missing} more needed"));
    }
    if old.requests == 0 {
        return (Verdict::Undecided, format!("{figures}; nothing to compare with yet"));
    }
    if share_is_above(tolerated) {
        return (Verdict::Undecided, format!("{figures}; too few to tell"));
    }
    (Verdict::Good, format!("{figures}: not worse"))
}

/// What these requests of a watched release say, `slow` of which took longer than they should. A few bad
/// or slow ones are chance.
#[must_use]
pub fn watch(counts: Counts, slow: u64, rule: &WatchRule) -> (Verdict, String) {
    let limit = u64::from(rule.bad_per_mille);
    let mut figures = share(counts);
    if counts.bad >= BAD_REQUESTS_MIN && counts.bad * 1000 > counts.requests * limit {
        let reason = format!("{figures}, more than {}.{} %", limit / 10, limit % 10);
        return (Verdict::Bad, reason);
    }
    if let Some(p99_ms) = rule.p99_ms {
        figures = format!("{figures}, {slow} took longer than {p99_ms} ms");
        if slow >= BAD_REQUESTS_MIN && slow * 100 > counts.requests {
            return (Verdict::Bad, format!("{figures}: the P99 is above that"));
        }
    }
    match counts.requests {
        0 => (Verdict::Undecided, "no request was counted".to_owned()),
        _ => (Verdict::Good, figures),
    }
}

/// How many bad requests in a thousand are tolerated beside this old release.
fn tolerated_per_mille(old: Counts) -> u64 {
    let of_old = (old.bad * 1000 * TOLERATED_FACTOR).checked_div(old.requests).unwrap_or(0);
    of_old.max(TOLERATED_PER_MILLE)
}

fn share(counts: Counts) -> String {
    let Counts { requests, bad } = counts;
    let per_mille = (bad * 1000).checked_div(requests).unwrap_or(0);
    format!("{bad} of {requests} failed ({}.{} %)", per_mille / 10, per_mille % 10)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_few_bad_requests_are_neither_bad_nor_good() {
        let old = Counts { requests: 1000, bad: 0 };
        let verdict = |requests, bad| judge(Counts { requests, bad }, old, 20).0;
        assert_eq!(verdict(20, 0), Verdict::Good);
        assert_eq!(verdict(20, 4), Verdict::Undecided, "a fifth failed, of very few");
        assert_eq!(verdict(20, 5), Verdict::Bad);
        assert_eq!(verdict(400, 4), Verdict::Good, "more requests showed that it was chance");
    }

    proptest! {
        #[test]
        fn good_takes_data_and_a_tolerated_share(
            requests in 0u64..500, bad in 0u64..500, old in 0u64..500, old_bad in 0u64..500,
            least in 1u64..200,
        ) {
            let new = Counts { requests, bad: bad.min(requests) };
            let old = Counts { requests: old, bad: old_bad.min(old) };
            if judge(new, old, least).0 == Verdict::Good {
                prop_assert!(new.requests >= least && old.requests > 0);
                let tolerated = (old.bad * 2000 / old.requests).max(10);
                prop_assert!(new.bad * 1000 <= new.requests * tolerated);
            }
        }
    }
}
