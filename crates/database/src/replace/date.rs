//! Dates moved by days. All dates of one row, or of one person where the file says by which column,
//! move by the same number, so that what came first stays first.

use jiff::Span;
use jiff::civil::Date;

use super::keyed::Keyed;

/// `2026-11-23`
const DATE_CHARS: usize = 10;

/// A date or a timestamp as PostgreSQL writes it by ISO, moved by up to `days` either way, never by
/// none. What has no day (`infinity`, years before Christ) stays.
pub(crate) fn moved(keyed: &Keyed, text: &str, by: &str, days: u32) -> String {
    let mut stream = keyed.bytes(b'd', by.as_bytes());
    let amount = 1 + i64::from(stream.below(days));
    let amount = if stream.below(2) == 0 { amount } else { -amount };
    let parts = text.split_at_checked(DATE_CHARS);
    let Some((day, rest)) = parts.filter(|(_, rest)| !rest.ends_with("BC")) else {
        return text.to_owned();
    };
    let moved = day.parse::<Date>().and_then(|day| day.checked_add(Span::new().days(amount)));
    moved.map_or_else(|_| text.to_owned(), |day| format!("{day}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replace::keyed::MaskingKey;

    #[test]
    fn dates_of_one_row_move_together() {
        let keyed = MaskingKey::new([7; 32]).function("date");
        let day = |text: &str| text[..DATE_CHARS].parse::<Date>().unwrap();
        for row in 0..100 {
            let row = row.to_string();
            let made = moved(&keyed, "2024-02-29 23:59:59.123+00", &row, 30);
            assert!(made.ends_with(" 23:59:59.123+00"), "{made}");
            let by = (day(&made) - day("2024-02-29")).get_days();
            assert!(by != 0 && by.abs() <= 30, "{made}");
            let other = moved(&keyed, "2024-03-01", &row, 30);
            assert_eq!((day(&other) - day("2024-03-01")).get_days(), by);
        }
        for text in ["infinity", "-infinity", "0044-03-15 BC", ""] {
            assert_eq!(moved(&keyed, text, "1", 30), text);
        }
    }
}
