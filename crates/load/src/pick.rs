//! Which request a user sends next: by weight, at random, the same for the same seed.

use crate::scenario::Scenario;

/// One user's choices.
#[derive(Clone, Debug)]
pub(crate) struct Picker {
    /// Weights added up; a number below the last one falls into one request's share.
    shares: Vec<u64>,
    bodies: Vec<usize>,
    random: SplitMix64,
}

/// A request by its place in the scenario, and which of its bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pick {
    pub(crate) request: usize,
    pub(crate) body: usize,
}

impl Picker {
    /// The choices of a user by number; every user's are its own.
    pub(crate) fn new(scenario: &Scenario, seed: u64, user: u64) -> Self {
        let mut sum = 0;
        let shares = scenario.requests.iter().map(|request| {
            sum += u64::from(request.weight);
            sum
        });
        Self {
            shares: shares.collect(),
            bodies: scenario.requests.iter().map(|request| request.json.len()).collect(),
            random: SplitMix64(seed ^ user.wrapping_mul(0x2545_F491_4F6C_DD1D)),
        }
    }

    pub(crate) fn next(&mut self) -> Pick {
        let total = self.shares.last().copied().unwrap_or(1);
        let point = self.random.below(total);
        let request = self.shares.partition_point(|share| *share <= point);
        let bodies = self.bodies.get(request).copied().unwrap_or(0).max(1) as u64;
        Pick { request, body: self.random.below(bodies) as usize }
    }
}

/// G. Steele's SplitMix64: a full-period generator that is random enough for a choice of requests.
#[derive(Clone, Debug)]
struct SplitMix64(u64);

impl SplitMix64 {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        // Maps the whole range onto the bound; the bias is below bound / 2^64.
        ((u128::from(z) * u128::from(bound)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::tests::scenario;

    const TEXT: &str = r#"
        thresholds = { p95_ms = 1 }
        [[request]]
        name = "one"
        path = "/"
        weight = 1
        [[request]]
        name = "three"
        method = "POST"
        path = "/"
        json = ["1", "2"]
        weight = 3
    "#;

    #[test]
    fn requests_come_by_weight_and_bodies_evenly() {
        let mut picker = Picker::new(&scenario(TEXT), 1, 0);
        let mut counts = [[0_i32; 2]; 2];
        for _ in 0..40_000 {
            let Pick { request, body } = picker.next();
            counts[request][body] += 1;
        }
        assert_eq!(counts[0][1], 0, "a request without bodies has only the empty one");
        for (count, expected) in
            [(counts[0][0], 10_000), (counts[1][0], 15_000), (counts[1][1], 15_000)]
        {
            assert!((count - expected).abs() < 500, "{counts:?}");
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_choices_and_another_user_others() {
        let picks = |seed, user| {
            let mut picker = Picker::new(&scenario(TEXT), seed, user);
            (0..50).map(|_| picker.next()).collect::<Vec<_>>()
        };
        assert_eq!(picks(7, 3), picks(7, 3));
        assert_ne!(picks(7, 3), picks(7, 4));
        assert_ne!(picks(7, 3), picks(8, 3));
    }
}
