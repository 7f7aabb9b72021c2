//! Days, without a clock: the proleptic Gregorian calendar (after Howard Hinnant, "chrono-compatible
//! low-level date algorithms").

use std::fmt;

use serde::{Serialize, Serializer};

const DAYS_PER_ERA: i64 = 146_097;

/// A day, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub i64);

impl Day {
    /// The day at this many seconds since 1970, in UTC.
    pub fn of_unix(seconds: u64) -> Self {
        Self((seconds / 86_400) as i64)
    }

    /// `YYYY-MM-DD`, when there is such a day.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().enumerate().all(|(n, b)| match n {
            4 | 7 => b == b'-',
            _ => b.is_ascii_digit(),
        });
        if text.len() != 10 || !digits {
            return None;
        }
        let (year, month, day) =
            (text[..4].parse().ok()?, text[5..7].parse().ok()?, text[8..].parse().ok()?);
        let found = Self::from_civil(year, month, day);
        (found.civil() == (year, month, day)).then_some(found)
    }

    fn from_civil(year: i64, month: i64, day: i64) -> Self {
        // Years begin in March, so that the day which may be missing comes last.
        let year = if month <= 2 { year - 1 } else { year };
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        Self(era * DAYS_PER_ERA + day_of_era - 719_468)
    }

    /// Year, month and day.
    pub fn civil(self) -> (i64, i64, i64) {
        let shifted = self.0 + 719_468;
        let era = shifted.div_euclid(DAYS_PER_ERA);
        let day_of_era = shifted.rem_euclid(DAYS_PER_ERA);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        (year_of_era + era * 400 + i64::from(month <= 2), month, day)
    }

    /// Monday to Friday: exchanges' holidays are not known here.
    pub fn is_trading_day(self) -> bool {
        // 1970-01-01 was a Thursday.
        (self.0 + 3).rem_euclid(7) < 5
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_four_centuries_is_read_as_it_is_written() {
        for day in (-146_097..146_097).map(Day) {
            let text = day.to_string();
            assert_eq!(Day::parse(&text), Some(day), "{text}");
        }
    }

    #[test]
    fn days_that_everybody_knows() {
        assert_eq!(Day(0).to_string(), "1970-01-01");
        assert_eq!(Day::parse("2000-03-01").unwrap().0 - Day::parse("2000-02-28").unwrap().0, 2);
        assert_eq!(Day::of_unix(1_795_305_600).to_string(), "2026-11-22");
        assert!(!Day::parse("2026-11-22").unwrap().is_trading_day());
        assert!(Day::parse("2026-11-23").unwrap().is_trading_day());
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for text in
            ["", "2026-02-29", "2026-13-01", "2026-1-1", "26-01-01", "2026-01-32", "2026/01/01"]
        {
            assert_eq!(Day::parse(text), None, "{text}");
        }
    }
}
