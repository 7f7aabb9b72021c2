//! The numbers and symbols that stand for a security.

use std::fmt;

use serde::Serialize;

const ISIN_CHARS: usize = 12;
const WKN_CHARS: usize = 6;
const SYMBOL_CHARS_MAX: usize = 5;

/// What a text looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Isin,
    Wkn,
    Symbol,
    Name,
}

/// An International Securities Identification Number (ISO 6166) whose check digit is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Isin(String);

/// Why a text is no ISIN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoIsin {
    /// It is not two letters, nine letters or digits, and a digit.
    Shape { text: String },
    /// It has the shape, but a character is wrong or two are exchanged.
    CheckDigit { text: String, expected: u32 },
}

impl Isin {
    /// Reads it in capitals or small letters.
    pub fn parse(text: &str) -> Result<Self, NoIsin> {
        let text = text.to_ascii_uppercase();
        if !has_isin_shape(&text) {
            return Err(NoIsin::Shape { text });
        }
        let expected = check_digit(&text[..ISIN_CHARS - 1]);
        if text.ends_with(char::from_digit(expected, 10).unwrap_or('-')) {
            Ok(Self(text))
        } else {
            Err(NoIsin::CheckDigit { text, expected })
        }
    }

    /// The number with its check digit.
    pub fn with_check_digit(body: &str) -> Result<Self, NoIsin> {
        Self::parse(&format!("{body}{}", check_digit(&body.to_ascii_uppercase())))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Letters count as two digits (A is 10); from the right, every second digit is doubled; all digits of the
/// results and the check digit add up to a multiple of ten.
fn check_digit(body: &str) -> u32 {
    let digits: Vec<u32> = body
        .chars()
        .filter_map(|c| c.to_digit(36))
        .flat_map(|value| if value < 10 { vec![value] } else { vec![value / 10, value % 10] })
        .collect();
    let doubled = digits.iter().rev().enumerate().map(|(place, digit)| match place % 2 {
        0 => digit * 2,
        _ => *digit,
    });
    let sum: u32 = doubled.map(|value| value / 10 + value % 10).sum();
    (10 - sum % 10) % 10
}

/// The German number inside a German ISIN.
pub fn wkn_of(isin: &Isin) -> Option<String> {
    isin.0.strip_prefix("DE000").map(|rest| rest[..WKN_CHARS].to_owned())
}

/// What somebody who types this probably means.
pub fn kind_of(text: &str) -> Kind {
    let upper = text.to_ascii_uppercase();
    let alphanumeric = upper.chars().all(|c| c.is_ascii_alphanumeric());
    if has_isin_shape(&upper) {
        Kind::Isin
    } else if alphanumeric
        && upper.len() == WKN_CHARS
        && upper.contains(|c: char| c.is_ascii_digit())
    {
        Kind::Wkn
    } else if text.contains(char::is_whitespace) {
        Kind::Name
    } else if text.chars().count() <= SYMBOL_CHARS_MAX || text.contains(['.', '-']) {
        Kind::Symbol
    } else {
        Kind::Name
    }
}

fn has_isin_shape(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == ISIN_CHARS
        && bytes[..2].iter().all(u8::is_ascii_uppercase)
        && bytes[2..].iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
        && bytes[ISIN_CHARS - 1].is_ascii_digit()
}

impl NoIsin {
    /// A name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Shape { .. } => "isin_shape",
            Self::CheckDigit { .. } => "isin_check_digit",
        }
    }
}

impl fmt::Display for NoIsin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape { text } => write!(
                f,
                "{text:?} is no ISIN: two letters, nine letters or digits, and a digit are expected"
            ),
            Self::CheckDigit { text, expected } => write!(
                f,
                "the check digit of {text} would have to be {expected}: a character is wrong, or two \
                 are exchanged"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers in use, with their check digits, of Apple, SAP, Nestlé, Toyota and Royal Dutch.
    const REAL: [&str; 5] =
        ["US0378331005", "DE0007164600", "CH0038863350", "JP3633400001", "GB00B03MLX29"];

    #[test]
    fn real_numbers_are_accepted_in_any_case() {
        for isin in REAL {
            assert_eq!(Isin::parse(&isin.to_lowercase()).unwrap().as_str(), isin);
            assert_eq!(Isin::with_check_digit(&isin[..11]).unwrap().as_str(), isin);
        }
    }

    #[test]
    fn one_wrong_digit_is_always_noticed() {
        for isin in REAL {
            for place in 2..isin.len() {
                for digit in b'0'..=b'9' {
                    let mut wrong = isin.as_bytes().to_vec();
                    if !wrong[place].is_ascii_digit() || wrong[place] == digit {
                        continue;
                    }
                    wrong[place] = digit;
                    let wrong = String::from_utf8(wrong).unwrap();
                    assert!(Isin::parse(&wrong).is_err(), "{wrong} for {isin}");
                }
            }
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let error = Isin::parse("US0378331006").unwrap_err();
        assert_eq!(
            (error.code(), error.to_string().contains("to be 5")),
            ("isin_check_digit", true)
        );
        for text in
            ["", "US037833100", "US03783310055", "U50378331005", "US037833100X", "ÜS78331005"]
        {
            assert_eq!(Isin::parse(text).unwrap_err().code(), "isin_shape", "{text}");
        }
    }

    #[test]
    fn only_german_companies_have_a_german_number() {
        assert_eq!(wkn_of(&Isin::parse("DE0007164600").unwrap()).as_deref(), Some("716460"));
        assert_eq!(wkn_of(&Isin::parse("DE000A0Z23Q5").unwrap()).as_deref(), Some("A0Z23Q"));
        assert_eq!(wkn_of(&Isin::parse("US0378331005").unwrap()), None);
    }

    #[test]
    fn texts_are_told_apart() {
        for (text, kind) in [
            ("US0378331005", Kind::Isin),
            ("us0378331005", Kind::Isin),
            ("716460", Kind::Wkn),
            ("A0Z23Q", Kind::Wkn),
            ("AAPL", Kind::Symbol),
            ("BRK-B", Kind::Symbol),
            ("INDU-C.ST", Kind::Symbol),
            ("GOOGLE", Kind::Name),
            ("Deutsche Bank", Kind::Name),
            ("ü", Kind::Symbol),
        ] {
            assert_eq!(kind_of(text), kind, "{text}");
        }
    }
}
