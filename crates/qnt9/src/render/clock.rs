//! Moments, relative to now, and durations.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use qnt9_engine::gates::duration;
use qnt9_model::Millis;

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// Beyond this a date says more than a count of days.
const DAYS_COUNTED: i64 = 7 * DAY;
/// Letters of `2026-11-24`.
const DATE_CHARS: usize = 10;

/// Now, and the zone in which moments are written.
#[derive(Clone, Debug)]
pub struct Clock {
    pub now: Millis,
    pub zone: TimeZone,
}

impl Clock {
    /// This machine's clock and zone.
    pub fn here() -> Self {
        let now = Millis(Timestamp::now().as_millisecond());
        Self { now, zone: TimeZone::system() }
    }

    /// The same zone at another moment.
    pub fn at(&self, now: Millis) -> Self {
        Self { now, zone: self.zone.clone() }
    }

    /// `4 min ago`, `in 6 min`, or the day when it is long ago.
    pub fn relative(&self, at: Millis) -> String {
        let past = self.now.since(at);
        match past {
            past if past >= DAYS_COUNTED => self.moment(at, "%Y-%m-%d"),
            past if past >= SECOND => format!("{} ago", coarse(past)),
            past if past > -SECOND => "now".to_owned(),
            future if future > -DAYS_COUNTED => format!("in {}", coarse(-future)),
            _ => self.moment(at, "%Y-%m-%d"),
        }
    }

    /// `14:10:02`, with the day before it unless that is today.
    pub fn time(&self, at: Millis) -> String {
        let day = "%Y-%m-%d";
        let today = self.moment(at, day) == self.moment(self.now, day);
        self.moment(at, if today { "%H:%M:%S" } else { "%Y-%m-%d %H:%M" })
    }

    /// `2026-11-24 14:10:02 CET`.
    pub fn exact(&self, at: Millis) -> String {
        self.moment(at, "%Y-%m-%d %H:%M:%S %Z")
    }

    /// The moment that a person means by RFC 3339, a date and time or a date in this clock's zone, or
    /// a while ago (`2h ago`). A date means its end, or now when it is today.
    pub fn read(&self, text: &str) -> Option<Millis> {
        let text = text.trim();
        let now = Timestamp::from_millisecond(self.now.0).ok()?.to_zoned(self.zone.clone());
        let is_date = text.len() == DATE_CHARS;
        let moment = if let Ok(moment) = text.parse::<Timestamp>() {
            moment
        } else if let (true, Ok(date)) = (is_date, text.parse::<Date>()) {
            let end = date.to_zoned(self.zone.clone()).ok()?.end_of_day().ok()?;
            end.min(now).timestamp()
        } else if let Ok(civil) = text.parse::<DateTime>() {
            civil.to_zoned(self.zone.clone()).ok()?.timestamp()
        } else if let Ok(time) = text.parse::<Time>() {
            now.with().time(time).build().ok()?.timestamp()
        } else {
            let ago = text.parse::<Span>().ok().filter(|span| !span.is_positive())?;
            now.checked_add(ago).ok()?.timestamp()
        };
        Some(Millis(moment.as_millisecond()))
    }

    /// From then until the end, or until now when there is none yet.
    pub fn took(&self, from: Millis, until: Option<Millis>) -> String {
        took(until.unwrap_or(self.now).since(from))
    }

    fn moment(&self, at: Millis, format: &str) -> String {
        // A moment that no calendar has comes from a broken clock, and is shown as its number.
        match Timestamp::from_millisecond(at.0) {
            Ok(timestamp) => timestamp.to_zoned(self.zone.clone()).strftime(format).to_string(),
            Err(_) => format!("{} ms", at.0),
        }
    }
}

/// `24.1 s`, `4 min 2 s`.
pub fn took(ms: i64) -> String {
    let ms = ms.max(0);
    if ms < MINUTE { format!("{}.{} s", ms / SECOND, ms % SECOND / 100) } else { duration(ms) }
}

/// In its largest unit only.
fn coarse(ms: i64) -> String {
    let units = [(DAY, "d"), (HOUR, "h"), (MINUTE, "min")];
    let unit = units.into_iter().find(|(length, _)| ms >= *length).unwrap_or((SECOND, "s"));
    format!("{} {}", ms / unit.0, unit.1)
}
