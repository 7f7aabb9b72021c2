//! Numbers with noise, and whole numbers that identify something and must stay different.

use super::keyed::Keyed;
use super::permutation::{permute, restore};

/// Noise is chosen in so many steps of its greatest amount.
const STEPS: u32 = 20_001;
/// Whole numbers are permuted among at least so many, so that a small table does not stand almost as it was.
const KEY_BITS_MIN: u32 = 20;
const CHUNK_BITS: u32 = 16;

/// The bounds and the amount of noise of a column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Noise {
    pub(crate) percent: f64,
    pub(crate) min: Option<f64>,
    pub(crate) max: Option<f64>,
}

/// A number near the given one, with as many places. Its sign, zero, infinity and what is no number
/// stay. It never has more digits before the point, so it fits where the first one did.
pub(crate) fn noisy(keyed: &Keyed, text: &str, noise: &Noise) -> String {
    let mut stream = keyed.bytes(b'#', text.as_bytes());
    let step = f64::from(stream.below(STEPS)) / f64::from(STEPS - 1);
    let share = (step * 2.0 - 1.0) * noise.percent / 100.0;
    let Ok(number) = text.parse::<f64>() else { return text.to_owned() };
    if !number.is_finite() || number == 0.0 {
        return text.to_owned();
    }
    let places = text.split_once('.').map_or(0, |(_, places)| places.len());
    let bounded = |number: f64| {
        let number = noise.min.map_or(number, |min| number.max(min));
        noise.max.map_or(number, |max| number.min(max))
    };
    let shown = |number: f64| match text.contains(['e', 'E']) {
        true => format!("{number:e}"),
        false => format!("{number:.places$}"),
    };
    let up = shown(bounded(number * (1.0 + share)));
    if up.trim_start_matches('-').len() <= text.trim_start_matches('-').len() {
        return up;
    }
    shown(bounded(number * (1.0 - share.abs())))
}

/// How many bits the numbers of a column are permuted among, by the largest of them and the column's
/// own width.
pub(crate) fn key_bits(largest: u64, width: u32) -> u32 {
    (u64::BITS - largest.leading_zeros()).max(KEY_BITS_MIN).min(width)
}

/// Another whole number below 2^`bits`, a different one for each. Negative ones stay negative.
pub(crate) fn key(keyed: &Keyed, text: &str, bits: u32) -> Option<String> {
    turn(text, bits, |digits, radices| permute(keyed, digits, radices))
}

/// The number whose replacement this is.
pub(crate) fn original_key(keyed: &Keyed, text: &str, bits: u32) -> Option<String> {
    turn(text, bits, |digits, radices| restore(keyed, digits, radices))
}

fn turn(text: &str, bits: u32, turn: impl FnOnce(&mut [u32], &[u32])) -> Option<String> {
    let number: i64 = text.parse().ok()?;
    // -1 counts as the first negative number, so that zero belongs to one side alone.
    let size = if number < 0 { !number } else { number };
    let mut left = u64::try_from(size).ok().filter(|size| bits >= 63 || size >> bits == 0)?;
    let (mut digits, mut radices, mut bits_left) = (Vec::new(), Vec::new(), bits);
    while bits_left > 0 {
        let chunk = bits_left.min(CHUNK_BITS);
        radices.push(1 << chunk);
        digits.push(u32::try_from(left & ((1 << chunk) - 1)).expect("at most sixteen bits"));
        left >>= chunk;
        bits_left -= chunk;
    }
    turn(&mut digits, &radices);
    let join =
        |made: i64, (digit, radix): (&u32, &u32)| made * i64::from(*radix) + i64::from(*digit);
    let made = digits.iter().zip(&radices).rev().fold(0, join);
    Some(if number < 0 { !made } else { made }.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::replace::keyed::MaskingKey;

    fn keyed() -> Keyed {
        MaskingKey::new([7; 32]).function("test")
    }

    proptest! {
        #[test]
        fn noise_stays_within_its_bounds(number in -1_000_000i64..1_000_000, places in 0usize..4) {
            let factor = 10f64.powi(i32::try_from(places).unwrap());
            #[expect(clippy::cast_precision_loss, reason = "the numbers are small")]
            let number = number as f64 / factor;
            let text = format!("{number:.places$}");
            let noise = Noise { percent: 10.0, min: None, max: Some(90.0) };
            let made = noisy(&keyed(), &text, &noise);
            let value: f64 = made.parse().unwrap();
            let half = 0.5001 / factor;
            prop_assert!(value <= 90.0);
            prop_assert!(number > 80.0 || (value - number).abs() <= number.abs() * 0.1 + half);
            let digits = |text: &str| text.trim_start_matches('-').len();
            prop_assert!(digits(&made) <= digits(&text), "{} became {}", text, made);
            prop_assert!(number == 0.0 || value == 0.0 || (value > 0.0) == (number > 0.0));
        }

        #[test]
        fn keys_come_back(number in any::<i64>(), bits in 20u32..=63) {
            let number = if bits < 63 { number % (1 << bits) } else { number };
            let made = key(&keyed(), &number.to_string(), bits);
            let made = made.unwrap();
            let value: i64 = made.parse().unwrap();
            prop_assert_eq!(value < 0, number < 0);
            prop_assert_eq!(original_key(&keyed(), &made, bits), Some(number.to_string()));
        }
    }

    #[test]
    fn keys_of_a_narrow_column_are_a_permutation() {
        let made: BTreeSet<String> =
            (0..1 << 15).map(|n: i64| key(&keyed(), &n.to_string(), 15).unwrap()).collect();
        assert_eq!(made.len(), 1 << 15);
        assert!(made.iter().all(|text| text.parse::<i16>().is_ok_and(|n| n >= 0)));
        assert_eq!(key(&keyed(), "32768", 15), None);
        assert_eq!(key(&keyed(), "no number", 15), None);
    }

    #[test]
    fn what_is_no_amount_stays() {
        let noise = Noise { percent: 50.0, min: None, max: None };
        for text in ["0", "0.00", "NaN", "Infinity", "-Infinity"] {
            assert_eq!(noisy(&keyed(), text, &noise), text);
        }
        assert_ne!(noisy(&keyed(), "1.5e+20", &noise), "1.5e+20");
    }
}
