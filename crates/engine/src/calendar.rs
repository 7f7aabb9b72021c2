//! Windows, freezes and schedules: what opens or is due when.

use jiff::ToSpan as _;
use jiff::civil::{Date, DateTime};
use qnt9_model::Millis;
use qnt9_model::fact::Schedule;
use qnt9_model::planted::{self, Fault};
use qnt9_model::policy::{Day, Freeze, Window};
use qnt9_workflow::{Cron, Zone};

/// The first moment of a schedule after another one; `None` when there is none.
#[must_use]
pub fn next_of(schedule: &Schedule, after: Millis) -> Option<Millis> {
    let cron = Cron::parse(&schedule.cron).ok()?;
    let zone = match &schedule.timezone {
        Some(name) => Zone::named(name)?,
        None => Zone::utc(),
    };
    cron.next_after(after.0, &zone).map(Millis)
}

/// Whether a moment lies in one of some windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// It does, and until then so do those that follow.
    Open {
        /// The end of the window.
        until: Millis,
    },
    /// It does not.
    Closed {
        /// The next moment that does; `None` when there is none.
        opens: Option<Millis>,
    },
}

/// A window that spans a week's end began at most so many days ago, and each opens once a week.
const DAYS_BACK: i32 = 2;
const DAYS_AHEAD: i32 = 8;
const MINUTES_A_DAY: u16 = 24 * 60;

/// Where a moment lies among these windows. Without windows every moment is open.
///
/// A window whose border is a time over which the clocks are put forward begins or ends when they are;
/// one whose border they show twice begins at the first and ends at the second.
#[must_use]
pub fn opening(windows: &[Window], at: Millis) -> Opening {
    if windows.is_empty() {
        return Opening::Open { until: Millis(i64::MAX) };
    }
    let mut weeks: Vec<Week<'_>> = Vec::with_capacity(windows.len());
    for window in windows {
        weeks.extend(Week::around(window, at, weeks.last()));
    }
    let mut until = at;
    // A window may begin where another one ends.
    while let Some(further) = weeks.iter().filter_map(|week| week.open_at(until)).max() {
        until = further;
    }
    if until > at {
        return Opening::Open { until };
    }
    Opening::Closed { opens: weeks.iter().filter_map(|week| week.opens_after(at)).min() }
}

/// A window around a moment and in the week after it.
struct Week<'a> {
    window: &'a Window,
    zone: Zone,
    /// The moment's date by the clocks of the zone.
    today: Date,
}

impl<'a> Week<'a> {
    /// `None` where the zone is not known. Windows mostly share a zone: `other` lends its own.
    fn around(window: &'a Window, at: Millis, other: Option<&Self>) -> Option<Self> {
        let same = other.filter(|other| other.window.timezone == window.timezone);
        let (zone, today) = match same {
            Some(same) => (same.zone.clone(), same.today),
            None => {
                let zone = Zone::named(&window.timezone)?;
                let today = zone.local(at.0).date();
                (zone, today)
            }
        };
        Some(Self { window, zone, today })
    }

    /// When the window closes that is open at that moment.
    fn open_at(&self, at: Millis) -> Option<Millis> {
        self.ending_after(at).find(|span| span.0 <= at).map(|span| span.1)
    }

    /// When it opens next after that moment.
    fn opens_after(&self, at: Millis) -> Option<Millis> {
        self.ending_after(at).map(|span| span.0).find(|opens| *opens > at)
    }

    /// When it opens and closes, one after the other, from the first time on that it closes after
    /// that moment. The further ones are not worked out until somebody looks.
    fn ending_after(&self, at: Millis) -> impl Iterator<Item = (Millis, Millis)> {
        let late = if planted::is(Fault::WindowClosesLate) { 60_000 } else { 0 };
        let window = self.window;
        let dates = (-DAYS_BACK..=DAYS_AHEAD).filter_map(|day| {
            let date = self.today.checked_add(day.days()).ok()?;
            let weekday = date.weekday().to_monday_zero_offset();
            window.days.iter().any(|day| *day as i8 == weekday).then_some(date)
        });
        dates.filter_map(move |date| {
            let overnight = window.closes <= window.opens;
            let closes_on = if overnight { date.tomorrow().ok()? } else { date };
            let closes = Millis(self.zone.last(time_of(closes_on, window.closes)?) + late);
            if closes <= at {
                return None;
            }
            let opens = Millis(self.zone.first(time_of(date, window.opens)?));
            (opens.plus(late) < closes).then_some((opens, closes))
        })
    }
}

/// So many minutes after midnight as the clocks count them; 24:00 is the next day's midnight.
fn time_of(date: Date, minutes: u16) -> Option<DateTime> {
    let date = if minutes >= MINUTES_A_DAY { date.tomorrow().ok()? } else { date };
    let minutes = minutes % MINUTES_A_DAY;
    let [hour, minute] = [minutes / 60, minutes % 60].map(|part| i8::try_from(part).unwrap_or(0));
    Some(date.at(hour, minute, 0, 0))
}

/// The freeze in which a moment lies; of several, the one that lasts longest.
#[must_use]
pub fn freeze_at<'a>(freezes: &[&'a Freeze], at: Millis) -> Option<&'a Freeze> {
    let holds = |freeze: &&&Freeze| {
        freeze.from <= at && at < freeze.until && !planted::is(Fault::FreezeIgnored)
    };
    freezes.iter().filter(holds).max_by_key(|freeze| freeze.until).copied()
}

/// How often windows and freezes may exclude each other before they are said never to meet: a year
/// of windows that open several times a day.
const MEETINGS_MAX: usize = 3_000;

/// The first moment from `from` on at which each of these sets of windows is open and no freeze
/// holds; `None` when there is none for at least a year.
#[must_use]
pub fn first_opening(sets: &[&[Window]], freezes: &[&Freeze], from: Millis) -> Option<Millis> {
    let mut at = from;
    for _ in 0..MEETINGS_MAX {
        if let Some(freeze) = freeze_at(freezes, at) {
            at = freeze.until;
            continue;
        }
        let closed = sets.iter().find_map(|windows| match opening(windows, at) {
            Opening::Open { .. } => None,
            Opening::Closed { opens } => Some(opens),
        });
        match closed {
            None => return Some(at),
            Some(opens) => at = opens?,
        }
    }
    None
}

/// The next moment after `after` at which time alone opens or closes one of these.
#[must_use]
pub fn next_change(sets: &[&[Window]], freezes: &[&Freeze], after: Millis) -> Option<Millis> {
    let windows = sets.iter().filter(|windows| !windows.is_empty()).filter_map(|windows| {
        match opening(windows, after) {
            Opening::Open { until } => Some(until),
            Opening::Closed { opens } => opens,
        }
    });
    let freezes = freezes.iter().flat_map(|freeze| [freeze.from, freeze.until]);
    windows.chain(freezes).filter(|at| *at > after).min()
}

/// `Mon 30 Nov 2026 09:00 Europe/Berlin`: a moment for people, by the clocks of a zone.
#[must_use]
pub fn moment(at: Millis, timezone: &str) -> String {
    let (zone, timezone) = match Zone::named(timezone) {
        Some(zone) => (zone, timezone),
        None => (Zone::utc(), "UTC"),
    };
    let local = zone.local(at.0);
    let day = usize::try_from(local.weekday().to_monday_zero_offset()).unwrap_or(0);
    format!("{} {} {timezone}", Day::ALL[day], local.strftime("%-d %b %Y %H:%M"))
}

#[cfg(test)]
mod tests;
