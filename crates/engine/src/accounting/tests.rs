use super::*;

fn spans(pairs: &[(i64, i64)]) -> Vec<Span> {
    pairs.iter().map(|(from, to)| span(Millis(*from), Millis(*to))).collect()
}

fn ledger(waiting: &[(i64, i64)], user: &[(i64, i64)]) -> Ledger {
    Ledger { waiting: union(spans(waiting)), user: union(spans(user)) }
}

/// A small generator, so that the property below sees many shapes without a clock or a dependency.
fn numbers(seed: u64) -> impl FnMut(u64) -> i64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        i64::try_from(state % below).unwrap()
    }
}

/// What a moment counts as, asked for each millisecond by itself.
fn by_the_millisecond(waiting: &[Span], user: &[Span], wall: Span) -> Shares {
    let covers = |spans: &[Span], at: i64| {
        spans.iter().any(|span| span.started.0 <= at && at < span.finished.0)
    };
    let mut shares = Shares::default();
    for at in wall.started.0..wall.finished.0 {
        if covers(waiting, at) {
            shares.waiting_ms += 1;
        } else if covers(user, at) {
            shares.user_ms += 1;
        } else {
            shares.own_ms += 1;
        }
    }
    shares
}

#[test]
fn every_millisecond_of_the_wall_is_counted_once() {
    for seed in 0..2_000 {
        let mut next = numbers(seed);
        let mut some = || -> Vec<Span> {
            let count = next(6);
            let mut one = |_| {
                let from = next(120);
                // Some end before they begin: clocks were set back.
                span(Millis(from), Millis(from + next(50) - 5))
            };
            (0..count).map(&mut one).collect()
        };
        let (waiting, user) = (some(), some());
        let wall = span(Millis(20), Millis(100));
        let ledger = Ledger { waiting: union(waiting.clone()), user: union(user.clone()) };
        assert_eq!(ledger.share(wall), by_the_millisecond(&waiting, &user, wall), "seed {seed}");
    }
}

#[test]
fn what_is_cut_out_of_a_body_is_own() {
    let body = spans(&[(0, 100)]);
    let own = union(spans(&[(90, 200), (10, 30), (20, 40)]));
    assert_eq!(minus(&body, &own), spans(&[(0, 10), (40, 90)]));
    assert_eq!(minus(&body, &spans(&[(0, 100)])), []);
    assert_eq!(minus(&body, &[]), body);
}

#[test]
fn a_wait_inside_a_users_step_is_waiting() {
    let shares = ledger(&[(20, 60)], &[(0, 80)]).share(span(Millis(0), Millis(100)));
    assert_eq!(shares, Shares { own_ms: 20, waiting_ms: 40, user_ms: 40 });
}

#[test]
fn a_stage_counts_only_what_lies_within_it() {
    let shares = ledger(&[(0, 50)], &[(40, 70)]).share(span(Millis(45), Millis(60)));
    assert_eq!(shares, Shares { own_ms: 0, waiting_ms: 5, user_ms: 10 });
}
