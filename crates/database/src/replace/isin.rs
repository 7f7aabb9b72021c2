//! Securities' numbers: the country stays, the body is permuted, and the check digit fits again.

use super::keyed::Keyed;
use super::letters::{self, Signs};

const BODY: std::ops::Range<usize> = 2..11;
const LENGTH: usize = 12;
const RADIX: u32 = 36;

/// Another ISIN of the same country. A text that only looks like one stays as wrong as it was; any
/// other text is replaced sign by sign.
pub(crate) fn replace(keyed: &Keyed, text: &str) -> String {
    turn(text, |body| letters::replace(keyed, body, Signs::All))
}

/// The text whose replacement this is.
pub(crate) fn original(keyed: &Keyed, replaced: &str) -> String {
    turn(replaced, |body| letters::original(keyed, body, Signs::All))
}

fn turn(text: &str, body: impl Fn(&str) -> String) -> String {
    let Some((right, given)) = check_digits(text) else { return body(text) };
    // How far the given digit is from the right one is kept, so that no two texts meet.
    let (country, turned) = (&text[..BODY.start], body(&text[BODY]));
    let start = format!("{country}{turned}");
    let digit = (check_digit(&start) + 10 + given - right) % 10;
    format!("{start}{digit}")
}

/// The right check digit and the one that is there, of what has the form of an ISIN.
fn check_digits(text: &str) -> Option<(u32, u32)> {
    let is_form = text.len() == LENGTH
        && text.is_ascii()
        && text[..BODY.start].chars().all(|sign| sign.is_ascii_uppercase())
        && text[BODY].chars().all(|sign| sign.is_ascii_uppercase() || sign.is_ascii_digit());
    let given = text.chars().last()?.to_digit(10).filter(|_| is_form)?;
    Some((check_digit(&text[..BODY.end]), given))
}

/// ISO 6166: letters count from 10 to 35, and the digits of all that are summed by Luhn's rule.
fn check_digit(start: &str) -> u32 {
    let numbers = start.chars().filter_map(|sign| sign.to_digit(RADIX));
    let digits: Vec<u32> = numbers
        .flat_map(|number| if number < 10 { vec![number] } else { vec![number / 10, number % 10] })
        .collect();
    let weighed = digits.iter().rev().enumerate().map(|(place, digit)| match place % 2 {
        0 => digit * 2 / 10 + digit * 2 % 10,
        _ => *digit,
    });
    (10 - weighed.sum::<u32>() % 10) % 10
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::replace::keyed::MaskingKey;

    fn keyed() -> Keyed {
        MaskingKey::new([7; 32]).function("isin")
    }

    fn is_valid(text: &str) -> bool {
        check_digits(text).is_some_and(|(right, given)| right == given)
    }

    #[test]
    fn well_known_numbers_are_valid_before_and_after() {
        for isin in ["US0378331005", "DE0007164600", "US5949181045", "AU0000XVGZA3", "GB0002634946"]
        {
            assert!(is_valid(isin), "{isin}");
            let replaced = replace(&keyed(), isin);
            assert!(is_valid(&replaced), "{isin} became {replaced}");
            assert_eq!(replaced[..2], isin[..2]);
            assert_ne!(replaced, isin);
        }
        assert!(!is_valid(&replace(&keyed(), "US0378331006")), "what was wrong stays wrong");
    }

    proptest! {
        #[test]
        fn it_comes_back(text in "([A-Z]{2}[A-Z0-9]{9}[0-9]|[A-Z0-9]{0,14})") {
            let replaced = replace(&keyed(), &text);
            prop_assert_eq!(is_valid(&replaced), is_valid(&text));
            prop_assert_eq!(original(&keyed(), &replaced), text);
        }
    }
}
