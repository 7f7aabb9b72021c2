//! Recommendations: a score from 0 to 100 by rules, each of which says what it saw and what it gave for it.
//!
//! The fundamentals are invented like the prices: the rules are real, what they are applied to is not.

use serde::Serialize;

use crate::{
    calendar::Day,
    company::Company,
    prices,
    seed::{seed_of, unit_at},
};

/// Half a year of days, weekends included.
const MOMENTUM_DAYS: i64 = 182;

/// What is known about a company's business, in percent except where said otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Fundamentals {
    return_on_equity: f64,
    operating_margin: f64,
    /// Times equity.
    debt_to_equity: f64,
    revenue_growth: f64,
    /// Change of the price in half a year.
    momentum: f64,
}

/// One rule and what it found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Factor {
    pub name: &'static str,
    pub value: f64,
    /// What it gave, at most `points_max`.
    pub points: f64,
    pub points_max: f64,
    pub reason: String,
}

/// What to do, by the score alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Advice {
    Buy,
    Hold,
    Sell,
}

/// A scored company. The points of the factors add up to the score.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recommendation {
    pub symbol: String,
    pub name: String,
    /// From 0 to 100.
    pub score: f64,
    pub advice: Advice,
    pub factors: Vec<Factor>,
}

/// A rule: more than `good` gets all points, less than `poor` none, between them in proportion. Where less is
/// better, `good` is the smaller one.
struct Rule {
    name: &'static str,
    unit: &'static str,
    poor: f64,
    good: f64,
    points_max: f64,
    value: fn(&Fundamentals) -> f64,
}

const RULES: [Rule; 5] = [
    Rule {
        name: "return_on_equity",
        unit: " %",
        poor: 5.0,
        good: 20.0,
        points_max: 30.0,
        value: |f| f.return_on_equity,
    },
    Rule {
        name: "operating_margin",
        unit: " %",
        poor: 5.0,
        good: 25.0,
        points_max: 25.0,
        value: |f| f.operating_margin,
    },
    Rule {
        name: "debt_to_equity",
        unit: " times",
        poor: 2.0,
        good: 0.5,
        points_max: 20.0,
        value: |f| f.debt_to_equity,
    },
    Rule {
        name: "revenue_growth",
        unit: " %",
        poor: 0.0,
        good: 12.0,
        points_max: 15.0,
        value: |f| f.revenue_growth,
    },
    Rule {
        name: "momentum",
        unit: " %",
        poor: -10.0,
        good: 15.0,
        points_max: 10.0,
        value: |f| f.momentum,
    },
];

/// The score of a company on a day.
pub fn recommend(company: &Company, day: Day) -> Recommendation {
    let fundamentals = fundamentals(&company.symbol, day);
    let factors: Vec<Factor> = RULES.iter().map(|rule| rule.judge(&fundamentals)).collect();
    let score = score(&fundamentals);
    let advice = match score {
        70.0.. => Advice::Buy,
        40.0.. => Advice::Hold,
        _ => Advice::Sell,
    };
    Recommendation {
        symbol: company.symbol.clone(),
        name: company.name.clone(),
        score,
        advice,
        factors,
    }
}

/// The best `limit` companies of a day, best first; among equals the alphabet decides.
pub fn top<'a>(
    companies: impl Iterator<Item = &'a Company>,
    day: Day,
    limit: usize,
) -> Vec<Recommendation> {
    let scored = companies.map(|c| (score(&fundamentals(&c.symbol, day)), c));
    let mut scored: Vec<(f64, &Company)> = scored.collect();
    scored.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.symbol.cmp(&b.1.symbol)));
    scored.into_iter().take(limit).map(|(_, company)| recommend(company, day)).collect()
}

fn score(fundamentals: &Fundamentals) -> f64 {
    tenths(RULES.iter().map(|rule| rule.points((rule.value)(fundamentals))).sum())
}

fn fundamentals(symbol: &str, day: Day) -> Fundamentals {
    let seed = seed_of(symbol);
    // Two numbers make the middle likelier than the ends.
    let between = |place: u64, low: f64, high: f64| {
        let unit = (unit_at(seed, place) + unit_at(seed, place + 1)) / 2.0;
        tenths(low + (high - low) * unit)
    };
    let (then, now) =
        (prices::close(symbol, Day(day.0 - MOMENTUM_DAYS)), prices::close(symbol, day));
    Fundamentals {
        return_on_equity: between(100, -8.0, 38.0),
        operating_margin: between(110, -5.0, 42.0),
        debt_to_equity: between(120, 0.0, 3.0),
        revenue_growth: between(130, -9.0, 24.0),
        momentum: tenths(100.0 * (now / then - 1.0)),
    }
}

impl Rule {
    fn points(&self, value: f64) -> f64 {
        tenths(self.points_max * ((value - self.poor) / (self.good - self.poor)).clamp(0.0, 1.0))
    }

    fn judge(&self, fundamentals: &Fundamentals) -> Factor {
        let value = (self.value)(fundamentals);
        let points = self.points(value);
        let Self { name, unit, poor, good, points_max, .. } = self;
        let words = name.replace('_', " ");
        let reason = format!(
            "{words} is {value}{unit}: {points} of {points_max} points (none at {poor}{unit}, all at \
             {good}{unit})"
        );
        Factor { name, value, points, points_max: *points_max, reason }
    }
}

fn tenths(value: f64) -> f64 {
    // Adding zero makes a negative zero an ordinary one.
    (value * 10.0).round() / 10.0 + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::company::listed;

    const DAY: Day = Day(20_780);

    #[test]
    fn the_points_add_up_and_the_order_is_that_of_the_scores() {
        let companies = listed().unwrap();
        let all = top(companies.iter(), DAY, companies.len());
        assert_eq!(all.len(), companies.len());
        for one in &all {
            let points: f64 = one.factors.iter().map(|f| f.points).sum();
            assert!((points - one.score).abs() < 0.01, "{one:?}");
            assert!((0.0..=100.0).contains(&one.score));
        }
        assert!(all.windows(2).all(|two| two[0].score >= two[1].score));
        let some = |advice| all.iter().any(|one| one.advice == advice);
        assert!(some(Advice::Buy) && some(Advice::Hold) && some(Advice::Sell));
        assert_eq!(top(companies.iter(), DAY, 3), all[..3]);
    }

    #[test]
    fn a_better_value_never_gives_fewer_points() {
        for rule in &RULES {
            let better = (rule.good - rule.poor).signum();
            let points: Vec<f64> = (-40..=40).map(|n| rule.points(better * f64::from(n))).collect();
            assert!(points.is_sorted(), "{}", rule.name);
            let ends = (points[0], points[points.len() - 1]);
            assert_eq!(ends, (0.0, rule.points_max), "{}", rule.name);
        }
        let points: f64 = RULES.iter().map(|rule| rule.points_max).sum();
        assert_eq!(points, 100.0);
    }

    #[test]
    fn a_reason_is_a_sentence_with_its_figures() {
        let apple = Company { symbol: "AAPL".to_owned(), ..Company::default() };
        let factor = &recommend(&apple, DAY).factors[0];
        let start = format!("return on equity is {} %: {} of 30", factor.value, factor.points);
        assert!(factor.reason.starts_with(&start), "{}", factor.reason);
    }
}
