//! `windows` and `[[freeze]]`: when deployments may begin.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use qnt9_model::policy::{Day, Freeze, Window};
use qnt9_model::{EnvironmentName, Millis};
use qnt9_workflow::Zone;

use super::problem::Problems;
use super::section::{Found, Section, nearest};

const WINDOW_HINT: &str =
    "write days, hours and a time zone: \"Mon-Thu 09:00-16:00 Europe/Berlin\"";
const ZONE_HINT: &str = "write a name of the IANA database, such as Europe/Berlin";
const MINUTES_A_DAY: u16 = 24 * 60;

pub(super) fn read_windows(environment: &Section<'_>, problems: &mut Problems<'_>) -> Vec<Window> {
    let written = environment.texts("windows", problems).unwrap_or_default();
    written.iter().filter_map(|text| read_window(text, problems)).collect()
}

fn read_window(written: &Found<String>, problems: &mut Problems<'_>) -> Option<Window> {
    let parts: Vec<&str> = written.value.split_whitespace().collect();
    let [days, hours, zone] = parts[..] else {
        let message = format!("`{}` is no window", written.value);
        problems.add(&written.at, message, Some(WINDOW_HINT.to_owned()));
        return None;
    };
    let read = read_days(days).and_then(|days| Ok((days, read_hours(hours)?)));
    match read {
        Err((message, hint)) => {
            problems.add(&written.at, message, Some(hint));
            None
        }
        Ok(_) if Zone::named(zone).is_none() => {
            let message = format!("`{zone}` is no time zone");
            problems.add(&written.at, message, Some(ZONE_HINT.to_owned()));
            None
        }
        Ok((days, (opens, closes))) => {
            Some(Window { days, opens, closes, timezone: zone.to_owned() })
        }
    }
}

/// A message and a hint.
type Wrong = (String, String);

/// `Mon-Thu`, `Mon,Wed,Fri-Sat`; `Fri-Mon` goes over the end of the week.
fn read_days(text: &str) -> Result<Vec<Day>, Wrong> {
    let mut days = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (read_day(first)?, read_day(last)?);
        let from_first = (0..7).map(|step| Day::ALL[(first as usize + step) % 7]);
        let length = (last as usize + 7 - first as usize) % 7 + 1;
        days.extend(from_first.take(length));
    }
    days.sort_unstable();
    days.dedup();
    Ok(days)
}

fn read_day(text: &str) -> Result<Day, Wrong> {
    let same = |day: &&Day| day.to_string().eq_ignore_ascii_case(text);
    Day::ALL.iter().find(same).copied().ok_or_else(|| {
        let names = Day::ALL.map(|day| day.to_string());
        let lower: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
        let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
        let near = nearest(text, &lower).and_then(|near| lower.iter().position(|l| *l == near));
        let hint = near.map_or_else(
            || format!("the days are {}", names.join(", ")),
            |near| format!("did you mean `{}`?", names[near]),
        );
        (format!("`{text}` is no day of the week"), hint)
    })
}

/// `09:00-16:00` in minutes after midnight; up to 24:00.
fn read_hours(text: &str) -> Result<(u16, u16), Wrong> {
    let wrong = || {
        let hint = "write from when until when: \"09:00-16:00\"; until 24:00 is until midnight";
        (format!("`{text}` is no stretch of a day"), hint.to_owned())
    };
    let (opens, closes) = text.split_once('-').ok_or_else(wrong)?;
    let (opens, closes) = read_hour(opens).zip(read_hour(closes)).ok_or_else(wrong)?;
    if opens >= MINUTES_A_DAY { Err(wrong()) } else { Ok((opens, closes)) }
}

fn read_hour(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |part: &str| {
        (part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| part.parse().ok())
    };
    let (hour, minute): (u16, u16) = (digits(hour)??, digits(minute)??);
    let minutes = hour * 60 + minute;
    (minute < 60 && minutes <= MINUTES_A_DAY).then_some(minutes)
}

pub(super) fn read_freezes(
    root: &Section<'_>,
    environments: &[&str],
    problems: &mut Problems<'_>,
) -> Vec<Freeze> {
    let sections = root.tables("freeze", problems);
    sections.iter().filter_map(|section| read_freeze(section, environments, problems)).collect()
}

fn read_freeze(
    section: &Section<'_>,
    environments: &[&str],
    problems: &mut Problems<'_>,
) -> Option<Freeze> {
    section.allow_only(&["from", "until", "reason", "environments", "timezone"], problems);
    let zone = read_zone(section, problems);
    let from = section.required_moment("from", problems);
    let until = section.required_moment("until", problems);
    let reason = section.required_text("reason", problems);
    let named = section.texts("environments", problems).unwrap_or_default();
    // An environment without rules has no section; what is nearly the name of one is a slip.
    for name in named.iter().filter(|name| !environments.contains(&name.value.as_str())) {
        if let Some(near) = nearest(&name.value, environments) {
            let message = format!("there is no environment `{}` in this file", name.value);
            problems.add(&name.at, message, Some(format!("did you mean `{near}`?")));
        }
    }
    let (from, until) = (from?, until?);
    let zone = zone?;
    let (starts, ends) = (begins(&from.value, &zone), ends(&until.value, &zone));
    if ends <= starts {
        problems.add(&until.at, "the freeze ends before it begins", None);
    }
    Some(Freeze {
        from: starts,
        until: ends,
        reason: reason?.value,
        environments: named.into_iter().map(|name| EnvironmentName(name.value)).collect(),
    })
}

fn read_zone(section: &Section<'_>, problems: &mut Problems<'_>) -> Option<Zone> {
    let Some(name) = section.text("timezone", problems) else {
        return Some(Zone::utc());
    };
    let zone = Zone::named(&name.value);
    if zone.is_none() {
        let message = format!("`{}` is no time zone", name.value);
        problems.add(&name.at, message, Some(ZONE_HINT.to_owned()));
    }
    zone
}

/// A date, a time by the clocks of some place, or a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Moment {
    Date(Date),
    Local(DateTime),
    Instant(Timestamp),
}

impl Moment {
    /// As TOML writes it.
    pub(super) fn read(text: &str) -> Option<Self> {
        // TOML lets a space stand for the `T`.
        let text = text.replacen(' ', "T", 1);
        let instant = text.parse().map(Self::Instant).ok();
        let is_date = text.len() == "2026-12-20".len();
        let local = || match is_date {
            true => text.parse().map(Self::Date).ok(),
            false => text.parse().map(Self::Local).ok(),
        };
        instant.or_else(local)
    }
}

fn begins(moment: &Moment, zone: &Zone) -> Millis {
    Millis(match moment {
        Moment::Date(date) => zone.first(date.at(0, 0, 0, 0)),
        Moment::Local(local) => zone.first(*local),
        Moment::Instant(at) => at.as_millisecond(),
    })
}

/// A date is in it as a whole.
fn ends(moment: &Moment, zone: &Zone) -> Millis {
    match moment {
        Moment::Date(date) => match date.tomorrow() {
            Ok(next) => Millis(zone.first(next.at(0, 0, 0, 0))),
            Err(_) => Millis(i64::MAX),
        },
        Moment::Local(local) => Millis(zone.last(*local)),
        Moment::Instant(_) => begins(moment, zone),
    }
}
