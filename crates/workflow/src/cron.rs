//! The five fields of a `cron:` entry, as POSIX writes them.

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CronError {
    #[error("it has {0} fields, and five are needed: minute, hour, day, month, day of the week")]
    Fields(usize),
    #[error("`{text}` is no {field} ({least} to {most})")]
    Value { text: String, field: &'static str, least: u8, most: u8 },
    #[error("`{0}` runs backwards")]
    Backward(String),
    #[error("`{0}` has no step of at least 1")]
    Step(String),
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

/// Whether the text is a `cron:` entry.
pub(crate) fn check(cron: &str) -> Result<(), CronError> {
    let texts: Vec<&str> = cron.split_whitespace().collect();
    if texts.len() != FIELDS.len() {
        return Err(CronError::Fields(texts.len()));
    }
    FIELDS
        .iter()
        .zip(texts)
        .try_for_each(|(field, text)| text.split(',').try_for_each(|item| field.check(item)))
}

impl Field {
    fn check(&self, item: &str) -> Result<(), CronError> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        if let Some(step) = step {
            match step.parse::<u8>() {
                Ok(1..) => {}
                _ => return Err(CronError::Step(item.to_owned())),
            }
        }
        match range.split_once('-') {
            _ if range == "*" => Ok(()),
            Some((first, last)) if self.value(first)? > self.value(last)? => {
                Err(CronError::Backward(range.to_owned()))
            }
            Some(_) => Ok(()),
            None => self.value(range).map(|_| ()),
        }
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
mod tests {
    use super::*;

    #[test]
    fn entries_as_posix_writes_them() {
        for cron in ["0 3 * * *", "*/15 0-6/2 1,15 JAN-mar 1-5", "5 4 31 12 SUN"] {
            assert_eq!(check(cron), Ok(()), "{cron}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            (
                "0 3 * *",
                "it has 4 fields, and five are needed: minute, hour, day, month, day of the week",
            ),
            ("60 * * * *", "`60` is no minute (0 to 59)"),
            ("0 3 * * 7", "`7` is no day of the week (0 to 6)"),
            ("0 9-3 * * *", "`9-3` runs backwards"),
            ("*/0 * * * *", "`*/0` has no step of at least 1"),
            ("0 3 * * MON-", "`` is no day of the week (0 to 6)"),
        ];
        for (cron, message) in cases {
            assert_eq!(check(cron).unwrap_err().to_string(), message);
        }
    }
}
