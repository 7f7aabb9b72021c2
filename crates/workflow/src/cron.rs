//! The five fields of a `cron:` entry, as POSIX writes them, and the moments they mean.

use jiff::civil::{Date, DateTime};

use crate::Zone;

/// What is wrong with a `cron:` entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each is its sentence")]
pub enum CronError {
    #[error("it has {0} fields, and five are needed: minute, hour, day, month, day of the week")]
    Fields(usize),
    #[error("`{text}` is no {field} ({least} to {most})")]
    Value { text: String, field: &'static str, least: u8, most: u8 },
    #[error("`{0}` runs backwards")]
    Backward(String),
    #[error("`{0}` has no step of at least 1")]
    Step(String),
}

/// A `cron:` entry that has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cron {
    minutes: Values,
    hours: Values,
    days: Values,
    months: Values,
    weekdays: Values,
}

/// The values that a field admits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Values {
    bits: u64,
    /// It begins with `*`, and so is no restriction of its own.
    is_star: bool,
}

impl Values {
    const fn admits(self, value: i8) -> bool {
        self.bits >> value & 1 == 1
    }
}

/// Years within which every entry that means a day at all means one: the 29th of February may be
/// eight years away.
const YEARS_MAX: i16 = 9;
/// No clock is put forward or back further than this within a day that exists.
const CHANGE_HOURS_MAX: i8 = 3;

impl Cron {
    /// The least number of minutes between two moments of the same hour; 60 when there is only one.
    pub(crate) fn minutes_between_min(&self) -> u8 {
        let minutes: Vec<u8> =
            (0..60).filter(|minute| self.minutes.bits >> minute & 1 == 1).collect();
        minutes.windows(2).map(|pair| pair[1] - pair[0]).min().unwrap_or(60)
    }

    /// Reads an entry.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        let texts: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = texts[..] else {
            return Err(CronError::Fields(texts.len()));
        };
        let [minutes, hours, days, months, weekdays] = &FIELDS;
        Ok(Self {
            minutes: minutes.values(minute)?,
            hours: hours.values(hour)?,
            days: days.values(day)?,
            months: months.values(month)?,
            weekdays: weekdays.values(weekday)?,
        })
    }

    /// The first moment after `after_ms` that the entry means by the clocks of `zone`, both in
    /// milliseconds since 1970; `None` when there is none, as with the 30th of February.
    ///
    /// A time over which the clocks are put forward counts as the moment at which they are, as on
    /// GitHub. Of a time that they show twice the first counts, unless every hour is meant.
    #[must_use]
    pub fn next_after(&self, after_ms: i64, zone: &Zone) -> Option<i64> {
        let from = zone.local(after_ms);
        let last_year = from.year().saturating_add(YEARS_MAX);
        let mut date = from.date();
        while date.year() <= last_year {
            if !self.months.admits(date.month()) {
                date = date.last_of_month().tomorrow().ok()?;
                continue;
            }
            if self.is_day(date)
                && let Some(found) = self.on(date, after_ms, zone)
            {
                return Some(found);
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    /// Whether a date is meant: when both kinds of day are restricted, one of them is enough.
    fn is_day(&self, date: Date) -> bool {
        let day = self.days.admits(date.day());
        let weekday = self.weekdays.admits(date.weekday().to_sunday_zero_offset());
        if self.days.is_star || self.weekdays.is_star { day && weekday } else { day || weekday }
    }

    /// The first moment after `after_ms` on a date that is meant.
    fn on(&self, date: Date, after_ms: i64, zone: &Zone) -> Option<i64> {
        let mut found: Option<(i64, i8)> = None;
        let from = zone.local(after_ms);
        let first_hour = if from.date() == date { from.hour() - CHANGE_HOURS_MAX } else { 0 };
        for hour in (first_hour.max(0)..24).filter(|hour| self.hours.admits(*hour)) {
            if found.is_some_and(|(_, at)| hour > at + CHANGE_HOURS_MAX) {
                break;
            }
            for minute in (0..60).filter(|minute| self.minutes.admits(*minute)) {
                let local = DateTime::from_parts(date, jiff::civil::time(hour, minute, 0, 0));
                let again = self.hours.is_star.then(|| zone.last(local));
                for moment in [Some(zone.first(local)), again].into_iter().flatten() {
                    if moment > after_ms && found.is_none_or(|(best, _)| moment < best) {
                        found = Some((moment, hour));
                    }
                }
            }
        }
        found.map(|(moment, _)| moment)
    }
}

struct Field {
    name: &'static str,
    least: u8,
    most: u8,
    /// Names for the values from `least` on.
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", least: 0, most: 59, names: &[] },
    Field { name: "hour", least: 0, most: 23, names: &[] },
    Field { name: "day of the month", least: 1, most: 31, names: &[] },
    Field {
        name: "month",
        least: 1,
        most: 12,
        names: &[
            "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
        ],
    },
    Field {
        name: "day of the week",
        least: 0,
        most: 6,
        names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
    },
];

impl Field {
    fn values(&self, text: &str) -> Result<Values, CronError> {
        let mut values = Values { bits: 0, is_star: text.starts_with('*') };
        for item in text.split(',') {
            let (first, last, step) = self.range(item)?;
            for value in (first..=last).step_by(step) {
                values.bits |= 1 << value;
            }
        }
        Ok(values)
    }

    /// First, last and step of one item.
    fn range(&self, item: &str) -> Result<(u8, u8, usize), CronError> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        let width = match step.map(str::parse::<u8>) {
            None => 1,
            Some(Ok(step @ 1..)) => usize::from(step),
            Some(_) => return Err(CronError::Step(item.to_owned())),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (self.least, self.most),
            Some((first, last)) => (self.value(first)?, self.value(last)?),
            // `5/15` goes on from 5 to the end.
            None if step.is_some() => (self.value(range)?, self.most),
            None => (self.value(range)?, self.value(range)?),
        };
        if first > last {
            return Err(CronError::Backward(range.to_owned()));
        }
        Ok((first, last, width))
    }

    fn value(&self, text: &str) -> Result<u8, CronError> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let value = match named {
            Some(at) => u8::try_from(at).ok().map(|at| at + self.least),
            None => text.parse().ok(),
        };
        value.filter(|value| (self.least..=self.most).contains(value)).ok_or_else(|| {
            CronError::Value {
                text: text.to_owned(),
                field: self.name,
                least: self.least,
                most: self.most,
            }
        })
    }
}

#[cfg(test)]
mod tests;
