//! Moments and durations: relative for the eye, exact with the zone for whoever hovers or copies.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};
use qnt9_model::Millis;

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Now, and the zone in which moments are written.
#[derive(Clone, Debug)]
pub struct Clock {
    /// Now.
    pub now: Millis,
    /// The zone; UTC where it is unknown.
    pub zone: TimeZone,
}

impl Clock {
    /// Moments written in UTC, for want of a known zone.
    #[must_use]
    pub const fn utc(now: Millis) -> Self {
        Self { now, zone: TimeZone::UTC }
    }

    /// `4 min ago`, `in 6 min`, with the exact moment in its title.
    #[must_use]
    pub fn relative(&self, at: Millis) -> Markup {
        let words = relative(self.now.since(at));
        html! { time datetime=(machine(at)) title=(self.exact(at)) { (words) } }
    }

    /// How long something has been so: `9 d`.
    #[must_use]
    pub fn since(&self, at: Millis) -> Markup {
        html! {
            time datetime=(machine(at)) title={ "since " (self.exact(at)) } {
                (coarse(self.now.since(at)))
            }
        }
    }

    /// `14:10`, with the day before it unless it is today.
    #[must_use]
    pub fn moment(&self, at: Millis) -> Markup {
        let today = self.zoned(self.now).date() == self.zoned(at).date();
        let format = if today { "%H:%M" } else { "%a %d %b %H:%M" };
        let words = self.zoned(at).strftime(format).to_string();
        html! { time datetime=(machine(at)) title=(self.exact(at)) { (words) } }
    }

    /// `Mon 23 Nov 2026 14:10:02 CET`.
    #[must_use]
    pub fn exact(&self, at: Millis) -> String {
        self.zoned(at).strftime("%a %d %b %Y %H:%M:%S %Z").to_string()
    }

    /// `14:10:02`, for axes and logs.
    #[must_use]
    pub fn wall(&self, at: Millis) -> String {
        self.zoned(at).strftime("%H:%M:%S").to_string()
    }

    /// The zone's name as shown in the foot of a page.
    #[must_use]
    pub fn zone_name(&self) -> String {
        self.zone.iana_name().unwrap_or("UTC").to_owned()
    }

    fn zoned(&self, at: Millis) -> jiff::Zoned {
        timestamp(at).to_zoned(self.zone.clone())
    }
}

fn timestamp(at: Millis) -> Timestamp {
    // Beyond the year 9999 a clock is broken; the page is shown all the same.
    Timestamp::from_millisecond(at.0).unwrap_or(Timestamp::MAX)
}

/// RFC 3339 in UTC.
#[must_use]
pub fn machine(at: Millis) -> String {
    timestamp(at).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Date and time in UTC as a form's field of type `datetime-local` wants them.
#[must_use]
pub fn field(at: Millis) -> String {
    timestamp(at).strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// A moment as an address says it: milliseconds, RFC 3339, or date and time in UTC as a form's field
/// of type `datetime-local` sends them. `None` for anything else.
#[must_use]
pub fn read(text: &str) -> Option<Millis> {
    if let Ok(ms) = text.parse() {
        return Some(Millis(ms));
    }
    let moment = text.parse::<Timestamp>().or_else(|_| {
        let civil = text.parse::<jiff::civil::DateTime>()?;
        civil.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp())
    });
    moment.ok().map(|moment| Millis(moment.as_millisecond()))
}

fn relative(ago: i64) -> String {
    match ago {
        ago if ago.abs() < SECOND => "now".to_owned(),
        ago if ago < 0 => format!("in {}", coarse(-ago)),
        ago => format!("{} ago", coarse(ago)),
    }
}

/// One unit: `4 min`, `9 d`.
#[must_use]
pub fn coarse(ms: i64) -> String {
    match ms {
        ms if ms < MINUTE => format!("{} s", ms.max(0) / SECOND),
        ms if ms < HOUR => format!("{} min", ms / MINUTE),
        ms if ms < DAY => format!("{} h", ms / HOUR),
        ms => format!("{} d", ms / DAY),
    }
}

/// `0.3 s`, `41 s`, `6 min 38 s`, `3 h 4 min`, `9 d 3 h`.
#[must_use]
pub fn duration(ms: i64) -> String {
    let two = |big: i64, unit: &str, small: i64, sub: &str| {
        if small == 0 { format!("{big} {unit}") } else { format!("{big} {unit} {small} {sub}") }
    };
    match ms.max(0) {
        ms if ms < 10 * SECOND && ms % SECOND >= 100 => {
            format!("{}.{} s", ms / SECOND, ms % SECOND / 100)
        }
        ms if ms < MINUTE => format!("{} s", ms / SECOND),
        ms if ms < HOUR => two(ms / MINUTE, "min", ms % MINUTE / SECOND, "s"),
        ms if ms < DAY => two(ms / HOUR, "h", ms % HOUR / MINUTE, "min"),
        ms => two(ms / DAY, "d", ms % DAY / HOUR, "h"),
    }
}

/// A duration as an element that the page may count on.
#[must_use]
pub fn lasting(ms: i64) -> Markup {
    html! { time datetime={ "PT" (ms.max(0) / SECOND) "S" } { (duration(ms)) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units_at_most() {
        assert_eq!(duration(-5), "0 s");
        assert_eq!(duration(340), "0.3 s");
        assert_eq!(duration(41_900), "41 s");
        assert_eq!(duration(398_000), "6 min 38 s");
        assert_eq!(duration(420_000), "7 min");
        assert_eq!(duration(11_040_000), "3 h 4 min");
        assert_eq!(duration(9 * DAY + 3 * HOUR), "9 d 3 h");
    }

    #[test]
    fn moments_are_read_as_addresses_write_them() {
        let expected = Some(Millis(1_795_500_000_000));
        for text in ["1795500000000", "2026-11-24T06:00:00Z", "2026-11-24T07:00:00+01:00"] {
            assert_eq!(read(text), expected, "{text}");
        }
        assert_eq!(read("2026-11-24T06:00"), expected, "a form's field, in UTC");
        for text in ["", "yesterday", "2026-13-01T00:00:00Z", "24.11.2026"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn moments_carry_their_exact_time_and_zone() {
        let zone = TimeZone::get("Europe/Berlin").expect("the zone database is built in");
        let clock = Clock { now: Millis(1_795_500_000_000), zone };
        let shown = clock.relative(Millis(1_795_500_000_000 - 4 * MINUTE)).into_string();
        expect_test::expect![[r#"<time datetime="2026-11-24T05:56:00Z" title="Tue 24 Nov 2026 06:56:00 CET">4 min ago</time>"#]].assert_eq(&shown);
        assert!(clock.relative(clock.now.plus(6 * MINUTE)).into_string().contains("in 6 min"));
    }
}
