use jiff::Timestamp;
use proptest::prelude::*;

use super::*;

fn after(cron: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
    let cron = Cron::parse(cron).unwrap();
    let zone = Zone::named(zone).unwrap();
    let mut at = from.parse::<Timestamp>().unwrap().as_millisecond();
    let mut found = Vec::new();
    while found.len() < count
        && let Some(next) = cron.next_after(at, &zone)
    {
        found.push(Timestamp::from_millisecond(next).unwrap().to_string());
        at = next;
    }
    found
}

#[test]
fn entries_as_posix_writes_them() {
    for cron in ["0 3 * * *", "*/15 0-6/2 1,15 JAN-mar 1-5", "5 4 31 12 SUN", "5/20 * * * *"] {
        assert!(Cron::parse(cron).is_ok(), "{cron}");
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
        assert_eq!(Cron::parse(cron).unwrap_err().to_string(), message);
    }
}

#[test]
fn moments_in_order() {
    assert_eq!(
        after("*/20 9-10 * * *", "UTC", "2026-11-23T10:15:00Z", 3),
        ["2026-11-23T10:20:00Z", "2026-11-23T10:40:00Z", "2026-11-24T09:00:00Z"]
    );
    // The 13th, and every Friday.
    assert_eq!(
        after("0 0 13 * FRI", "UTC", "2026-11-01T00:00:00Z", 3),
        ["2026-11-06T00:00:00Z", "2026-11-13T00:00:00Z", "2026-11-20T00:00:00Z"]
    );
    assert_eq!(after("0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", 1), ["2104-02-29T00:00:00Z"]);
    assert!(after("0 0 30 2 *", "UTC", "2026-01-01T00:00:00Z", 1).is_empty());
}

#[test]
fn clocks_that_are_put_forward_or_back() {
    // At 02:00 it is 03:00.
    assert_eq!(
        after("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2),
        ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
    );
    // At 03:00 it is 02:00 once more: half past two comes once.
    assert_eq!(
        after("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
        ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
    );
    // Every half hour means every half hour.
    assert_eq!(
        after("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", 4),
        [
            "2026-10-25T00:30:00Z",
            "2026-10-25T01:00:00Z",
            "2026-10-25T01:30:00Z",
            "2026-10-25T02:00:00Z"
        ]
    );
    assert_eq!(
        after("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 3),
        ["2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"]
    );
}

proptest! {
    /// The next moment is one that the entry means, and between the two there is no other.
    #[test]
    fn no_moment_is_passed_over(
        minute in 0u8..60,
        hour in prop_oneof![Just("*".to_owned()), (0u8..24).prop_map(|hour| hour.to_string())],
        days in 1u64..400,
        zone in prop_oneof![Just("UTC"), Just("Europe/Berlin"), Just("America/St_Johns")],
    ) {
        let cron = Cron::parse(&format!("{minute} {hour} * * *")).unwrap();
        let zone = Zone::named(zone).unwrap();
        const MINUTE_MS: i64 = 60_000;
        let after = 1_767_225_600_000 + i64::try_from(days).unwrap() * 86_400_000 + 7;
        let found = cron.next_after(after, &zone).unwrap();
        prop_assert!(found > after);
        prop_assert!(found - after <= 2 * 86_400_000);
        // Looked for minute by minute, as the clocks show them.
        let mut at = after - after.rem_euclid(MINUTE_MS) + MINUTE_MS;
        while at < found {
            let local = zone.local(at);
            let meant = local.minute() == i8::try_from(minute).unwrap()
                && cron.hours.admits(local.hour());
            let is_second = zone.first(local) != at;
            prop_assert!(!meant || (is_second && !cron.hours.is_star), "{local} was passed over");
            at += MINUTE_MS;
        }
    }
}
