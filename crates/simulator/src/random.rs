//! Randomness that is the same for the same seed, on every machine and in every version:
//! xoshiro256++ seeded by SplitMix64 (Blackman and Vigna, public domain).

use std::ops::RangeInclusive;

/// A stream of numbers that its seed determines.
#[derive(Clone, Debug)]
pub(crate) struct Random([u64; 4]);

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A seed made of two: whoever is the `n`th child of `seed` is always the same one.
pub(crate) const fn mix(seed: u64, n: u64) -> u64 {
    let mut z = seed.wrapping_add(GOLDEN.wrapping_mul(n.wrapping_add(1)));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self([mix(seed, 0), mix(seed, 1), mix(seed, 2), mix(seed, 3)])
    }

    pub(crate) const fn next(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// Below `bound`, which is at least 1. The bias of the remainder does not matter here.
    pub(crate) const fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Yes in so many of a thousand cases.
    pub(crate) const fn chance(&mut self, per_mille: u32) -> bool {
        self.below(1000) < per_mille as u64
    }

    pub(crate) fn between(&mut self, range: RangeInclusive<i64>) -> i64 {
        let width = range.end().wrapping_sub(*range.start()) as u64 + 1;
        range.start().wrapping_add(self.below(width) as i64)
    }

    /// One of them; `None` when there is none.
    pub(crate) fn one_of<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        if items.is_empty() { None } else { items.get(self.below(items.len() as u64) as usize) }
    }

    /// One of a list that is written out and so is not empty.
    pub(crate) fn pick<T: Copy, const N: usize>(&mut self, items: [T; N]) -> T {
        items[self.below(N as u64) as usize]
    }

    /// The index of one of the weights, in proportion to it.
    pub(crate) fn weighted(&mut self, weights: &[u32]) -> usize {
        let sum: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
        let mut at = self.below(sum.max(1));
        for (index, weight) in weights.iter().enumerate() {
            match at.checked_sub(u64::from(*weight)) {
                Some(rest) => at = rest,
                None => return index,
            }
        }
        0
    }

    pub(crate) fn salt(&mut self) -> [u8; 16] {
        let [a, b] = [self.next().to_le_bytes(), self.next().to_le_bytes()];
        let mut salt = [0; 16];
        salt[..8].copy_from_slice(&a);
        salt[8..].copy_from_slice(&b);
        salt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_for_ever() {
        let mut random = Random::new(9);
        let numbers: Vec<u64> = (0..3).map(|_| random.below(1_000_000)).collect();
        expect_test::expect!["[766995, 153328, 124215]"].assert_eq(&format!("{numbers:?}"));
    }

    #[test]
    fn weights_are_proportions() {
        let mut random = Random::new(1);
        let mut counts = [0; 3];
        for _ in 0..10_000 {
            counts[random.weighted(&[1, 0, 3])] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!(counts[2] > 2 * counts[0] && counts[2] < 4 * counts[0], "{counts:?}");
    }
}
