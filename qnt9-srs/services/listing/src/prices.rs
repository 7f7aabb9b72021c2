//! Prices that are invented, always the same for the same symbol and day. They are no market data.
//!
//! A price is a start value times slow and quick waves: each wave runs straight from one number of the
//! symbol's sequence to the next. So any day can be asked for without those before it, and all of it is
//! additions and multiplications, which every machine rounds alike.

use serde::Serialize;

use crate::{
    calendar::Day,
    seed::{seed_of, unit_at},
};

/// Days from one number of a wave to the next, and how far the wave moves the price.
const WAVES: [(i64, f64); 6] =
    [(900, 0.45), (260, 0.22), (70, 0.12), (20, 0.06), (5, 0.025), (1, 0.012)];
/// No earlier day has a price.
pub const FIRST_DAY: Day = Day(16_436); // 2015-01-01

/// One day of one symbol, in the currency of its exchange.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bar {
    pub date: Day,
    pub open: f64,
    pub high: f64,
    pub low: f64,
    pub close: f64,
    /// Shares traded.
    pub volume: u64,
}

/// The trading days from `from` to `to`, both included.
pub fn bars(symbol: &str, from: Day, to: Day) -> Vec<Bar> {
    let seed = seed_of(symbol);
    let days = (from.max(FIRST_DAY).0..=to.0).map(Day).filter(|day| day.is_trading_day());
    days.map(|day| bar(seed, day)).collect()
}

/// The price at the end of the last trading day that is not after `day`.
pub fn close(symbol: &str, day: Day) -> f64 {
    let mut day = day.max(FIRST_DAY);
    while !day.is_trading_day() {
        day = Day(day.0 - 1);
    }
    cents(value(seed_of(symbol), day.0))
}

fn bar(seed: u64, date: Day) -> Bar {
    let (open, close) = (value(seed, date.0 - 1), value(seed, date.0));
    let spread = |place: u64| 1.0 + 0.012 * unit_at(seed, place.wrapping_add(date.0 as u64 * 4));
    let high = open.max(close) * spread(1);
    let low = open.min(close) / spread(2);
    let volume = 20_000.0 + 2_000_000.0 * unit_at(seed, (date.0 as u64 * 4).wrapping_add(3));
    Bar {
        date,
        open: cents(open),
        high: cents(high),
        low: cents(low),
        close: cents(close),
        volume: volume as u64,
    }
}

fn value(seed: u64, day: i64) -> f64 {
    let start = 8.0 + 340.0 * unit_at(seed, 0) * unit_at(seed, 1);
    (1_u64..).zip(WAVES).fold(start, |price, (wave, (period, reach))| {
        let (place, into) = (day.div_euclid(period), day.rem_euclid(period) as f64 / period as f64);
        let number = |n: i64| 2.0 * unit_at(seed, (wave << 40).wrapping_add(n as u64)) - 1.0;
        price * (1.0 + reach * (number(place) * (1.0 - into) + number(place + 1) * into))
    })
}

fn cents(price: f64) -> f64 {
    (price * 100.0).round().max(1.0) / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    /// Whoever changes these changes what every environment shows.
    #[test]
    fn prices_stay_what_they_are() {
        let bars = bars("AAPL", day("2026-11-20"), day("2026-11-23"));
        let shown: Vec<String> =
            bars.iter().map(|b| format!("{} {} {}", b.date, b.close, b.volume)).collect();
        assert_eq!(shown, ["2026-11-20 64.31 1874388", "2026-11-23 63.6 1332571"]);
    }

    #[test]
    fn a_bar_holds_together_and_a_longer_question_changes_nothing() {
        for symbol in ["AAPL", "SAP.DE", "7203.T", "FAKE0001"] {
            let all = bars(symbol, FIRST_DAY, day("2026-11-23"));
            assert_eq!(all.len(), 3_103, "{symbol}");
            assert_eq!(all[3_000..], bars(symbol, all[3_000].date, day("2026-11-23")));
            for bar in &all {
                let (highest, lowest) = (bar.open.max(bar.close), bar.open.min(bar.close));
                assert!(bar.low <= lowest && highest <= bar.high && bar.low > 0.0, "{bar:?}");
                assert!(bar.date.is_trading_day() && bar.volume > 0);
                assert_eq!(bar.close, close(symbol, bar.date));
            }
        }
    }

    #[test]
    fn a_weekend_has_friday_s_price_and_no_bar() {
        assert_eq!(close("AAPL", day("2026-11-22")), close("AAPL", day("2026-11-20")));
        assert!(bars("AAPL", day("2026-11-21"), day("2026-11-22")).is_empty());
    }
}
