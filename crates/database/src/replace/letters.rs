//! Text replaced sign by sign within its alphabet, so that its shape stays: a digit by a digit, a small
//! letter by a small letter of the same script. What belongs to no alphabet stays.

use super::keyed::Keyed;
use super::permutation::{permute, restore};

/// First and last sign. Scripts whose letters do not follow each other without a gap stay as they are.
const ALPHABETS: [(char, char); 13] = [
    ('0', '9'),
    ('a', 'z'),
    ('A', 'Z'),
    ('à', 'ö'),
    ('ø', 'ÿ'),
    ('À', 'Ö'),
    ('Ø', 'Þ'),
    ('а', 'я'),
    ('А', 'Я'),
    ('α', 'ω'),
    ('あ', 'ん'),
    ('一', '龥'),
    ('가', '힣'),
];
const DIGITS: (char, char) = ALPHABETS[0];
const LEADING_DIGITS: (char, char) = ('1', '9');
const HEX_RADIX: u32 = 16;

/// Which signs are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signs {
    /// Digits and letters.
    All,
    /// Digits alone; the first one stays zero or not zero.
    Digits,
}

impl Signs {
    fn alphabet(self, sign: char, is_first_digit: bool) -> Option<(char, char)> {
        let within = |(first, last): &(char, char)| (*first..=*last).contains(&sign);
        match self {
            Self::All => ALPHABETS.iter().copied().find(within),
            Self::Digits if is_first_digit => Some(LEADING_DIGITS).filter(within),
            Self::Digits => Some(DIGITS).filter(within),
        }
    }
}

/// A text as digits of the alphabets of its signs; every output of the permutation is such a text.
struct Spelled {
    signs: Vec<char>,
    places: Vec<usize>,
    alphabets: Vec<(char, char)>,
    digits: Vec<u32>,
    radices: Vec<u32>,
}

fn spell(text: &str, which: Signs) -> Spelled {
    let signs: Vec<char> = text.chars().collect();
    let mut spelled =
        Spelled { signs, places: vec![], alphabets: vec![], digits: vec![], radices: vec![] };
    let mut is_first_digit = true;
    for (place, sign) in spelled.signs.iter().enumerate() {
        let alphabet = which.alphabet(*sign, is_first_digit);
        is_first_digit &= !sign.is_ascii_digit();
        let Some((first, last)) = alphabet else { continue };
        spelled.places.push(place);
        spelled.alphabets.push((first, last));
        spelled.digits.push(u32::from(*sign) - u32::from(first));
        spelled.radices.push(u32::from(last) - u32::from(first) + 1);
    }
    spelled
}

impl Spelled {
    fn text(mut self) -> String {
        for ((place, (first, _)), digit) in
            self.places.iter().zip(&self.alphabets).zip(&self.digits)
        {
            self.signs[*place] =
                char::from_u32(u32::from(*first) + digit).expect("alphabets have no gaps");
        }
        self.signs.into_iter().collect()
    }
}

/// The replacement; different texts have different ones.
pub(crate) fn replace(keyed: &Keyed, text: &str, signs: Signs) -> String {
    let mut spelled = spell(text, signs);
    permute(keyed, &mut spelled.digits, &spelled.radices);
    spelled.text()
}

/// The text whose replacement this is.
pub(crate) fn original(keyed: &Keyed, replaced: &str, signs: Signs) -> String {
    let mut spelled = spell(replaced, signs);
    restore(keyed, &mut spelled.digits, &spelled.radices);
    spelled.text()
}

/// A text of the same shape out of which nobody, with the key or without, gets the first one.
pub(crate) fn regenerate(keyed: &Keyed, text: &str) -> String {
    let mut spelled = spell(text, Signs::All);
    let mut stream = keyed.bytes(b's', text.as_bytes());
    for (digit, radix) in spelled.digits.iter_mut().zip(&spelled.radices) {
        *digit = stream.below(*radix);
    }
    spelled.text()
}

/// The same of bytes as PostgreSQL writes them: `\\x` and two signs for each.
pub(crate) fn regenerate_bytes(keyed: &Keyed, text: &str) -> String {
    let mut stream = keyed.bytes(b's', text.as_bytes());
    let digit = |_| char::from_digit(stream.below(HEX_RADIX), HEX_RADIX).expect("below sixteen");
    format!("\\x{}", text.trim_start_matches("\\x").chars().map(digit).collect::<String>())
}

/// Another UUID of the same version and variant.
pub(crate) fn uuid(keyed: &Keyed, text: &str) -> String {
    turn_uuid(text, |digits, radices| permute(keyed, digits, radices))
}

/// The UUID whose replacement this is.
pub(crate) fn original_uuid(keyed: &Keyed, text: &str) -> String {
    turn_uuid(text, |digits, radices| restore(keyed, digits, radices))
}

/// Where the version and the variant stand in a UUID's text.
const UUID_FIXED: [usize; 2] = [14, 19];

fn turn_uuid(text: &str, turn: impl FnOnce(&mut [u32], &[u32])) -> String {
    let mut signs: Vec<char> = text.chars().collect();
    let is_free =
        |(place, sign): &(usize, &char)| !UUID_FIXED.contains(place) && sign.is_digit(HEX_RADIX);
    let places: Vec<usize> = signs.iter().enumerate().filter(is_free).map(|(at, _)| at).collect();
    let mut digits: Vec<u32> =
        places.iter().map(|at| signs[*at].to_digit(HEX_RADIX).expect("it is one")).collect();
    let radices = vec![HEX_RADIX; digits.len()];
    turn(&mut digits, &radices);
    for (place, digit) in places.into_iter().zip(digits) {
        signs[place] = char::from_digit(digit, HEX_RADIX).expect("less than sixteen");
    }
    signs.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::replace::keyed::MaskingKey;

    fn keyed() -> Keyed {
        MaskingKey::new([7; 32]).function("test")
    }

    fn shape(text: &str) -> String {
        let sign = |sign: char| match sign {
            'a'..='z' => 'a',
            'A'..='Z' => 'A',
            '0'..='9' => '0',
            other => other,
        };
        text.chars().map(sign).collect()
    }

    proptest! {
        #[test]
        fn the_shape_stays_and_the_text_comes_back(text in "\\PC{0,40}") {
            for signs in [Signs::All, Signs::Digits] {
                let replaced = replace(&keyed(), &text, signs);
                prop_assert_eq!(original(&keyed(), &replaced, signs), text.clone());
                prop_assert_eq!(replaced.chars().count(), text.chars().count());
            }
        }

        #[test]
        fn ascii_keeps_its_alphabets(text in "[ -~]{0,40}") {
            prop_assert_eq!(shape(&replace(&keyed(), &text, Signs::All)), shape(&text));
            prop_assert_eq!(shape(&regenerate(&keyed(), &text)), shape(&text));
        }
    }

    #[test]
    fn a_phone_number_keeps_its_form() {
        for phone in ["+49 170 1234567", "0170/123-456", "(030) 90 18 20"] {
            let replaced = replace(&keyed(), phone, Signs::Digits);
            assert_ne!(replaced, phone);
            assert_eq!(shape(&replaced), shape(phone));
            let first = |text: &str| text.chars().find(char::is_ascii_digit) == Some('0');
            assert_eq!(first(&replaced), first(phone), "{replaced}");
        }
    }

    #[test]
    fn bytes_stay_as_many() {
        let made = regenerate_bytes(&keyed(), "\\x00ff10");
        assert!(made.starts_with("\\x") && made.len() == 8 && made != "\\x00ff10", "{made}");
        assert_eq!(regenerate_bytes(&keyed(), "\\x"), "\\x");
    }

    #[test]
    fn a_uuid_stays_one_of_its_version() {
        let text = "0190b3c4-7f5e-7abc-9def-0123456789ab";
        let replaced = uuid(&keyed(), text);
        assert_eq!(original_uuid(&keyed(), &replaced), text);
        assert_eq!((&replaced[14..15], &replaced[19..20]), ("7", "9"));
        assert_eq!(replaced.len(), text.len());
        assert_ne!(&replaced[..8], &text[..8]);
    }
}
