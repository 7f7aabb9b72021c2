use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Millis {
    Millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

fn window(days: &[Day], opens: u16, closes: u16, timezone: &str) -> Window {
    Window { days: days.to_vec(), opens, closes, timezone: timezone.to_owned() }
}

const HOUR: u16 = 60;

fn office() -> Window {
    window(&Day::ALL[..4], 9 * HOUR, 16 * HOUR, "Europe/Berlin")
}

#[test]
fn a_window_of_a_week() {
    // A Monday; Berlin is an hour ahead.
    assert_eq!(
        opening(&[office()], at("2026-11-23T07:59:59Z")),
        Opening::Closed { opens: Some(at("2026-11-23T08:00:00Z")) }
    );
    assert_eq!(
        opening(&[office()], at("2026-11-23T08:00:00Z")),
        Opening::Open { until: at("2026-11-23T15:00:00Z") }
    );
    // From Thursday on it is closed until Monday.
    assert_eq!(
        opening(&[office()], at("2026-11-26T15:00:00Z")),
        Opening::Closed { opens: Some(at("2026-11-30T08:00:00Z")) }
    );
}

#[test]
fn over_midnight_and_the_end_of_the_week() {
    let night = window(&[Day::Sun], 22 * HOUR, 2 * HOUR, "UTC");
    assert_eq!(
        opening(&[night], at("2026-11-23T01:00:00Z")),
        Opening::Open { until: at("2026-11-23T02:00:00Z") }
    );
    let always = window(&Day::ALL, 0, 24 * HOUR, "UTC");
    let Opening::Open { until } = opening(&[always], at("2026-11-23T01:00:00Z")) else { panic!() };
    assert!(until >= at("2026-11-30T00:00:00Z"), "one day's window goes over into the next");
}

#[test]
fn clocks_that_are_put_forward_or_back() {
    let early = window(&Day::ALL, 2 * HOUR + 30, 4 * HOUR, "Europe/Berlin");
    // 02:30 does not happen: it opens when the clocks are put forward.
    assert_eq!(
        opening(std::slice::from_ref(&early), at("2026-03-29T00:30:00Z")),
        Opening::Closed { opens: Some(at("2026-03-29T01:00:00Z")) }
    );
    // 02:30 happens twice: it opens at the first and closes at the second.
    assert_eq!(
        opening(&[early], at("2026-10-25T00:00:00Z")),
        Opening::Closed { opens: Some(at("2026-10-25T00:30:00Z")) }
    );
    let late = window(&Day::ALL, HOUR, 2 * HOUR + 30, "Europe/Berlin");
    assert_eq!(
        opening(&[late], at("2026-10-25T00:45:00Z")),
        Opening::Open { until: at("2026-10-25T01:30:00Z") }
    );
    // A window that lies whole within what is passed over does not open that day.
    let lost = window(&Day::ALL, 2 * HOUR, 2 * HOUR + 30, "Europe/Berlin");
    assert_eq!(
        opening(&[lost], at("2026-03-28T12:00:00Z")),
        Opening::Closed { opens: Some(at("2026-03-30T00:00:00Z")) }
    );
}

#[test]
fn windows_and_freezes_together() {
    let freeze = |from: &str, until: &str| Freeze {
        from: at(from),
        until: at(until),
        reason: "holidays".to_owned(),
        environments: Vec::new(),
    };
    let freezes = [
        freeze("2026-12-20T00:00:00Z", "2027-01-04T00:00:00Z"),
        freeze("2027-01-04T00:00:00Z", "2027-01-05T10:00:00Z"),
    ];
    let freezes: Vec<&Freeze> = freezes.iter().collect();
    let from = at("2026-12-22T10:00:00Z");
    assert_eq!(freeze_at(&freezes, from).unwrap().until, at("2027-01-04T00:00:00Z"));
    assert_eq!(first_opening(&[&[office()]], &freezes, from), Some(at("2027-01-05T10:00:00Z")));
    assert_eq!(next_change(&[&[office()]], &freezes, from), Some(at("2026-12-22T15:00:00Z")));
    let friday = window(&[Day::Fri], 9 * HOUR, 10 * HOUR, "UTC");
    assert_eq!(first_opening(&[&[office()], &[friday]], &freezes, from), None, "they never meet");
    assert_eq!(first_opening(&[], &[], from), Some(from));
}

#[test]
fn moments_for_people() {
    let moment_at = at("2026-11-30T08:00:00Z");
    assert_eq!(moment(moment_at, "Europe/Berlin"), "Mon 30 Nov 2026 09:00 Europe/Berlin");
    assert_eq!(moment(moment_at, "nowhere"), "Mon 30 Nov 2026 08:00 UTC");
}

/// A change is one to come: the border that lies at the very moment is none.
#[test]
fn the_next_change_lies_ahead() {
    let (from, until) = (at("2026-11-23T00:00:00Z"), at("2026-11-25T00:00:00Z"));
    let freeze = Freeze { from, until, reason: "the fair".to_owned(), environments: Vec::new() };
    let next = |after| next_change(&[], &[&freeze], after);
    assert_eq!(next(from.plus(-1)), Some(from));
    assert_eq!(next(from), Some(until));
    assert_eq!(next(until.plus(-1)), Some(until));
    assert_eq!(next(until), None);
}

proptest! {
    /// What is open is what the clocks of the zone show, on every minute that happens once.
    #[test]
    fn open_is_what_the_clocks_show(
        days in proptest::sample::subsequence(&Day::ALL[..], 1..=7),
        opens in 0u16..1440,
        closes in 0u16..=1440,
        minute in 0i64..600_000,
        zone in prop_oneof![Just("UTC"), Just("Europe/Berlin"), Just("America/St_Johns")],
    ) {
        let moment = Millis(1_767_225_600_000 + minute * 60_000);
        let window = window(&days, opens, closes, zone);
        let zone = Zone::named(zone).unwrap();
        let local = zone.local(moment.0);
        prop_assume!(zone.first(local) == zone.last(local));
        let now = u16::try_from(local.hour()).unwrap() * 60 + u16::try_from(local.minute()).unwrap();
        let opens_on = |date: Date| {
            let weekday = usize::try_from(date.weekday().to_monday_zero_offset()).unwrap();
            days.contains(&Day::ALL[weekday])
        };
        let (today, yesterday) = (local.date(), local.date().yesterday().unwrap());
        let expected = if closes > opens {
            opens_on(today) && (opens..closes).contains(&now)
        } else {
            (opens_on(today) && now >= opens) || (opens_on(yesterday) && now < closes)
        };
        match opening(&[window], moment) {
            Opening::Open { until } => {
                prop_assert!(expected);
                prop_assert!(until > moment);
            }
            Opening::Closed { opens } => {
                prop_assert!(!expected);
                prop_assert!(opens.is_some_and(|opens| opens > moment));
            }
        }
    }
}
