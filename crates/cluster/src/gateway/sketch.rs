//! How long answers took, in a few numbers that can be added up.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Below this many microseconds every microsecond has a bucket of its own.
const EXACT_BUCKETS: usize = 16;
/// Buckets for each doubling above; each is at most an eighth (12.5 %) wide.
const BUCKETS_PER_DOUBLING: usize = 8;
/// Doublings covered: up to 2^36 microseconds, 19 hours. What took longer counts as that.
const DOUBLINGS: usize = 32;
const BUCKETS: usize = EXACT_BUCKETS + DOUBLINGS * BUCKETS_PER_DOUBLING;

/// Counts of answer times in fixed logarithmic buckets, with their sum. Sketches of different
/// windows, arms or machines add up exactly.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sketch {
    /// All answer times added, in microseconds.
    pub sum_us: u64,
    /// `[bucket, count]`, ascending, without empty buckets.
    buckets: Vec<(u16, u64)>,
}

impl Sketch {
    /// Counts one answer.
    pub fn record(&mut self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.sum_us = self.sum_us.saturating_add(us);
        self.add(bucket_of(us), 1);
    }

    /// Adds what another sketch counted.
    pub fn merge(&mut self, other: &Self) {
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
        for (bucket, count) in &other.buckets {
            self.add(*bucket, *count);
        }
    }

    /// How many answers were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }

    /// The time that at least `share` (0 to 1) of the answers did not exceed, in microseconds, at
    /// most 12.5 % too high; `None` when nothing was counted.
    #[must_use]
    pub fn quantile_us(&self, share: f64) -> Option<u64> {
        let wanted = (share.clamp(0.0, 1.0) * self.count() as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        self.buckets.iter().find_map(|(bucket, count)| {
            seen += count;
            (seen >= wanted).then(|| last_us_of(usize::from(*bucket)))
        })
    }

    /// How many answers took longer than this. Those of the bucket in which `limit` lies are not counted, so
    /// that it is never too many.
    #[must_use]
    pub fn slower_than(&self, limit: Duration) -> u64 {
        let limit = bucket_of(u64::try_from(limit.as_micros()).unwrap_or(u64::MAX));
        let slower = self.buckets.iter().filter(|(bucket, _)| *bucket > limit);
        slower.map(|(_, count)| count).sum()
    }

    fn add(&mut self, bucket: u16, count: u64) {
        match self.buckets.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
            Ok(at) => self.buckets[at].1 += count,
            Err(at) => self.buckets.insert(at, (bucket, count)),
        }
    }
}

fn bucket_of(us: u64) -> u16 {
    let bucket = if us < EXACT_BUCKETS as u64 {
        us as usize
    } else {
        let doubling = us.ilog2() as usize;
        let eighth = (us >> (doubling - 3)) as usize & (BUCKETS_PER_DOUBLING - 1);
        EXACT_BUCKETS + (doubling - 4) * BUCKETS_PER_DOUBLING + eighth
    };
    bucket.min(BUCKETS - 1) as u16
}

fn last_us_of(bucket: usize) -> u64 {
    let Some(above) = bucket.min(BUCKETS - 1).checked_sub(EXACT_BUCKETS) else {
        return bucket as u64;
    };
    let doubling = above / BUCKETS_PER_DOUBLING + 4;
    let eighth = (above % BUCKETS_PER_DOUBLING) as u64;
    ((BUCKETS_PER_DOUBLING as u64 + eighth + 1) << (doubling - 3)) - 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_empty_sketch_has_no_quantile() {
        assert_eq!(Sketch::default().quantile_us(0.5), None);
    }

    #[test]
    fn every_bucket_ends_where_the_next_begins() {
        for bucket in 0..BUCKETS - 1 {
            let last = last_us_of(bucket);
            assert_eq!(usize::from(bucket_of(last)), bucket);
            assert_eq!(usize::from(bucket_of(last + 1)), bucket + 1);
        }
        assert_eq!(usize::from(bucket_of(u64::MAX)), BUCKETS - 1);
    }

    proptest! {
        #[test]
        fn quantiles_are_at_most_an_eighth_too_high(
            mut times in prop::collection::vec(0..100_000_000u64, 1..200),
            share in 0.0..=1.0f64,
        ) {
            let mut sketch = Sketch::default();
            for us in &times {
                sketch.record(Duration::from_micros(*us));
            }
            times.sort_unstable();
            let rank = ((share * times.len() as f64).ceil() as usize).max(1) - 1;
            let (exact, told) = (times[rank], sketch.quantile_us(share).unwrap());
            prop_assert!(told >= exact && told <= exact + exact / 8, "{told} for {exact}");
            prop_assert_eq!(sketch.sum_us, times.iter().sum::<u64>());
        }

        #[test]
        fn what_is_slower_is_never_counted_too_high(
            times in prop::collection::vec(0..100_000_000u64, 0..200),
            limit in 0..100_000_000u64,
        ) {
            let mut sketch = Sketch::default();
            times.iter().for_each(|us| sketch.record(Duration::from_micros(*us)));
            let told = sketch.slower_than(Duration::from_micros(limit));
            let above = |limit: u64| times.iter().filter(|us| **us > limit).count() as u64;
            prop_assert!(told <= above(limit) && told >= above(limit + limit / 8));
        }

        #[test]
        fn halves_add_up_to_the_whole(
            times in prop::collection::vec(0..100_000_000u64, 0..100),
            cut in 0..100usize,
        ) {
            let of = |times: &[u64]| {
                let mut sketch = Sketch::default();
                times.iter().for_each(|us| sketch.record(Duration::from_micros(*us)));
                sketch
            };
            let (left, right) = times.split_at(cut.min(times.len()));
            let mut sum = of(left);
            sum.merge(&of(right));
            prop_assert_eq!(&sum, &of(&times));
            let text = serde_json::to_string(&sum).unwrap();
            prop_assert_eq!(serde_json::from_str::<Sketch>(&text).unwrap(), sum);
        }
    }
}
