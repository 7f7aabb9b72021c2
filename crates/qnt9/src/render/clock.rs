//! Moments, relative to now, and durations.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use qnt9_engine::gates::duration;
use qnt9_model::Millis;

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// Beyond this a date says more than a count of days.
const DAYS_COUNTED: i64 = 7 * DAY;

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
