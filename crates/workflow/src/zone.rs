//! Time zones: what the clocks of a place show at a moment, and at which moment they show something.
//!
//! The zones are those compiled into this program, so that every machine answers alike.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};

/// A time zone of the IANA database.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

impl Zone {
    /// The zone of that IANA name; upper and lower case are the same.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        TimeZoneDatabase::bundled().get(name).ok().map(Self)
    }

    /// UTC.
    #[must_use]
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// What the clocks show, to the millisecond. A moment beyond the calendar (the year 9999) is
    /// taken as its end.
    #[must_use]
    pub fn local(&self, ms: i64) -> DateTime {
        let beyond = if ms < 0 { Timestamp::MIN } else { Timestamp::MAX };
        self.0.to_datetime(Timestamp::from_millisecond(ms).unwrap_or(beyond))
    }

    /// The first moment at which the clocks show this, in milliseconds since 1970. Where they are put
    /// forward over it, the moment at which they are.
    #[must_use]
    pub fn first(&self, local: DateTime) -> i64 {
        let ambiguous = self.0.to_ambiguous_timestamp(local);
        let earlier = match ambiguous.offset() {
            AmbiguousOffset::Gap { .. } => {
                ambiguous.compatible().ok().and_then(|after| self.last_change(after))
            }
            _ => ambiguous.earlier().ok(),
        };
        earlier.unwrap_or(Timestamp::MAX).as_millisecond()
    }

    /// The last moment at which the clocks show this: where they are put back, the second one.
    #[must_use]
    pub fn last(&self, local: DateTime) -> i64 {
        let ambiguous = self.0.to_ambiguous_timestamp(local);
        match ambiguous.offset() {
            AmbiguousOffset::Fold { .. } => {
                ambiguous.later().unwrap_or(Timestamp::MAX).as_millisecond()
            }
            _ => self.first(local),
        }
    }

    /// When the clocks were last put forward or back at that moment or before.
    fn last_change(&self, at: Timestamp) -> Option<Timestamp> {
        let just_after = at.as_nanosecond() + 1;
        let just_after = Timestamp::from_nanosecond(just_after).ok()?;
        self.0.preceding(just_after).next().map(|change| change.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::datetime;

    use super::*;

    fn at(ms: i64) -> String {
        Timestamp::from_millisecond(ms).unwrap().to_string()
    }

    #[test]
    fn clocks_that_are_put_forward_or_back() {
        let berlin = Zone::named("europe/berlin").unwrap();
        let noon = datetime(2026, 11, 23, 12, 0, 0, 0);
        assert_eq!(at(berlin.first(noon)), "2026-11-23T11:00:00Z");
        assert_eq!(berlin.first(noon), berlin.last(noon));
        assert_eq!(berlin.local(berlin.first(noon)), noon);
        // 02:30 does not happen on 29 March 2026, and happens twice on 25 October.
        let skipped = datetime(2026, 3, 29, 2, 30, 0, 0);
        assert_eq!(at(berlin.first(skipped)), "2026-03-29T01:00:00Z");
        assert_eq!(at(berlin.last(skipped)), "2026-03-29T01:00:00Z");
        let twice = datetime(2026, 10, 25, 2, 30, 0, 0);
        assert_eq!(at(berlin.first(twice)), "2026-10-25T00:30:00Z");
        assert_eq!(at(berlin.last(twice)), "2026-10-25T01:30:00Z");
        // Half an hour, and a whole day.
        let lord_howe = Zone::named("Australia/Lord_Howe").unwrap();
        assert_eq!(at(lord_howe.first(datetime(2026, 10, 4, 2, 15, 0, 0))), "2026-10-03T15:30:00Z");
        let apia = Zone::named("Pacific/Apia").unwrap();
        assert_eq!(at(apia.first(datetime(2011, 12, 30, 12, 0, 0, 0))), "2011-12-30T10:00:00Z");
    }

    #[test]
    fn only_names_of_the_database_are_zones() {
        for name in ["UTC", "Etc/UTC", "America/New_York"] {
            assert!(Zone::named(name).is_some(), "{name}");
        }
        for name in ["Europe/Berln", "", "../etc/passwd", "CEST"] {
            assert!(Zone::named(name).is_none(), "{name}");
        }
    }

    #[test]
    fn moments_beyond_the_calendar_are_its_ends() {
        assert_eq!(Zone::utc().local(i64::MAX).year(), 9999);
        assert_eq!(Zone::utc().local(i64::MIN).year(), -9999);
    }
}
