//! A keyed permutation of all sequences of digits with given radices: a Feistel network with eight
//! rounds, as in NIST's FF1, over mixed radices. Two inputs never meet in one output, whatever the
//! key, because every round can be taken back; who has the key can take all of them back.

use super::keyed::Keyed;

const ROUNDS: u8 = 8;

#[derive(Clone, Copy)]
enum Way {
    Forth,
    Back,
}

/// Replaces digits by digits; `digits[i] < radices[i]`.
pub(crate) fn permute(keyed: &Keyed, digits: &mut [u32], radices: &[u32]) {
    for round in 0..ROUNDS {
        turn(keyed, digits, radices, round, Way::Forth);
    }
}

/// What [`permute`] made these digits of.
pub(crate) fn restore(keyed: &Keyed, digits: &mut [u32], radices: &[u32]) {
    for round in (0..ROUNDS).rev() {
        turn(keyed, digits, radices, round, Way::Back);
    }
}

/// Moves one half by an amount that the other half decides, so that it can be moved back.
fn turn(keyed: &Keyed, digits: &mut [u32], radices: &[u32], round: u8, way: Way) {
    assert_eq!(digits.len(), radices.len());
    let middle = digits.len() / 2;
    let (left, right) = digits.split_at_mut(middle);
    let (left_radices, right_radices) = radices.split_at(middle);
    let (moved, moved_radices, other) = match round % 2 {
        0 => (right, right_radices, &*left),
        _ => (left, left_radices, &*right),
    };
    let mut input = Vec::with_capacity(2 + 2 * digits_bytes(radices.len()));
    input.push(round);
    for number in radices.iter().chain(other) {
        // Most radices are small, and a shorter input is a quicker one.
        match u8::try_from(*number) {
            Ok(byte) if byte < u8::MAX => input.push(byte),
            _ => {
                input.push(u8::MAX);
                input.extend_from_slice(&number.to_le_bytes());
            }
        }
    }
    let mut stream = keyed.bytes(b'p', &input);
    for (digit, radix) in moved.iter_mut().zip(moved_radices) {
        let amount = stream.below(*radix);
        let (digit_now, radix) = (u64::from(*digit), u64::from(*radix));
        let amount = u64::from(amount);
        let sum = match way {
            Way::Forth => digit_now + amount,
            Way::Back => digit_now + radix - amount,
        };
        *digit = u32::try_from(sum % radix).expect("less than a radix");
    }
}

const fn digits_bytes(count: usize) -> usize {
    count * size_of::<u32>()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::replace::keyed::MaskingKey;

    fn keyed(seed: u8) -> Keyed {
        MaskingKey::new([seed; 32]).function("test")
    }

    /// All sequences with these radices.
    fn all(radices: &[u32]) -> Vec<Vec<u32>> {
        radices.iter().fold(vec![Vec::new()], |known, radix| {
            let longer = |start: &Vec<u32>, digit| [start.as_slice(), &[digit]].concat();
            known
                .iter()
                .flat_map(|start| (0..*radix).map(move |digit| longer(start, digit)))
                .collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        /// Exhaustively: every sequence comes out exactly once.
        #[test]
        fn no_two_inputs_meet(seed in any::<u8>(), radices in prop::collection::vec(1u32..8, 1..5)) {
            let keyed = keyed(seed);
            let inputs = all(&radices);
            let outputs: BTreeSet<Vec<u32>> = inputs.iter().map(|input| {
                let mut digits = input.clone();
                permute(&keyed, &mut digits, &radices);
                assert!(digits.iter().zip(&radices).all(|(digit, radix)| digit < radix));
                digits
            }).collect();
            prop_assert_eq!(outputs, inputs.into_iter().collect());
        }

        #[test]
        fn it_can_be_taken_back(
            seed in any::<u8>(),
            pairs in prop::collection::vec((any::<u32>(), 1u32..=u32::MAX), 0..40),
        ) {
            let radices: Vec<u32> = pairs.iter().map(|(_, radix)| *radix).collect();
            let before: Vec<u32> = pairs.iter().map(|(digit, radix)| digit % radix).collect();
            let mut digits = before.clone();
            permute(&keyed(seed), &mut digits, &radices);
            restore(&keyed(seed), &mut digits, &radices);
            prop_assert_eq!(digits, before);
        }
    }

    #[test]
    fn another_key_gives_another_order() {
        let radices = [10; 12];
        let (mut one, mut other) = ([1; 12], [1; 12]);
        permute(&keyed(1), &mut one, &radices);
        permute(&keyed(2), &mut other, &radices);
        assert_ne!(one, other);
        assert_ne!(one, [1; 12]);
    }
}
