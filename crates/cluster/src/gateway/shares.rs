//! Whose turn it is when traffic is shared out by weight.

/// Shares turns out so that after every single turn each arm has had its exact share, give or take
/// less than one turn.
///
/// This is R. Tijdeman's solution of the chairman assignment problem (Discrete Mathematics 32, 1980):
/// of the arms that lag far enough behind, the one whose turn is due first. Smooth weighted round
/// robin, the usual choice, strays further with three arms or more.
#[derive(Debug)]
pub(super) struct Shares {
    /// The weights; `u32` values, kept wide for the arithmetic.
    weights: Vec<i128>,
    given: Vec<i128>,
    total: i128,
    /// Turns given in this cycle; a cycle has as many turns as the sum of the weights.
    turns: i128,
}

impl Shares {
    pub(super) fn new(weights: impl IntoIterator<Item = u32>) -> Self {
        let weights: Vec<i128> = weights.into_iter().map(i128::from).collect();
        let total = weights.iter().sum();
        Self { given: vec![0; weights.len()], weights, total, turns: 0 }
    }

    /// The arm whose turn it is; `None` when no arm has a weight.
    pub(super) fn next(&mut self) -> Option<usize> {
        let sharing = self.weights.iter().filter(|weight| **weight > 0).count();
        if sharing <= 1 {
            return self.weights.iter().position(|weight| *weight > 0);
        }
        if self.turns == self.total {
            self.turns = 0;
            self.given.fill(0);
        }
        self.turns += 1;
        let scale = 2 * sharing as i128 - 2;
        let mut first_due: Option<(usize, i128)> = None;
        for (arm, weight) in self.weights.iter().enumerate() {
            let lag = (weight * self.turns - self.given[arm] * self.total) * scale;
            if *weight == 0 || lag < self.total {
                continue;
            }
            // The turn is due after `slack / weight` more turns; compared without dividing.
            let slack = self.total * scale - self.total - lag;
            if first_due.is_none_or(|(best, due)| slack * self.weights[best] < due * weight) {
                first_due = Some((arm, slack));
            }
        }
        let (arm, _) = first_due.expect("lags add up to one turn, so some arm lags far enough");
        self.given[arm] += 1;
        Some(arm)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn count(weights: &[u32], turns: usize) -> Vec<usize> {
        let mut shares = Shares::new(weights.iter().copied());
        let mut counts = vec![0; weights.len()];
        for _ in 0..turns {
            counts[shares.next().unwrap()] += 1;
        }
        counts
    }

    #[test]
    fn shares_are_exact_over_a_cycle() {
        assert_eq!(count(&[70, 30, 0], 500), [350, 150, 0]);
        assert_eq!(count(&[5, 95], 1000), [50, 950]);
        assert_eq!(count(&[1], 10), [10]);
    }

    #[test]
    fn without_a_weight_nobody_has_a_turn() {
        assert_eq!(Shares::new([]).next(), None);
        assert_eq!(Shares::new([0, 0]).next(), None);
    }

    proptest! {
        #[test]
        fn no_arm_is_ever_a_whole_turn_off(
            weights in prop::collection::vec(prop_oneof![Just(0), 1..5u32, 1..=1_000_000u32], 1..8),
            turns in 1..400usize,
        ) {
            prop_assume!(weights.iter().any(|weight| *weight > 0));
            let total: f64 = weights.iter().copied().map(f64::from).sum();
            let mut shares = Shares::new(weights.iter().copied());
            let mut counts = vec![0.0; weights.len()];
            for turn in 1..=turns {
                counts[shares.next().unwrap()] += 1.0;
                for (arm, weight) in weights.iter().enumerate() {
                    let fair = f64::from(*weight) / total * turn as f64;
                    let off: f64 = counts[arm] - fair;
                    prop_assert!(off.abs() < 1.0, "arm {arm} is {off} off after {turn} turns");
                    prop_assert!(*weight > 0 || counts[arm] == 0.0);
                }
            }
        }
    }
}
