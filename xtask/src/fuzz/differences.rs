//! Where GitHub's package is known to differ from GitHub's runner, which counts: `docs/expressions.md`
//! gives the reason for each. They are recognised as narrowly as that can be.

use qnt9_workflow::conformance::expressions::Outcome;

use super::generator::Origin;
use super::oracle::Theirs;

/// Numbers from here on are written with an exponent by the runner.
const EXPONENT_FROM: f64 = 1e15;
/// Numbers below are written with an exponent by the runner.
const EXPONENT_BELOW: f64 = 1e-4;

/// Letters of which a capital or a small one has several others: the package's `contains` compares
/// small letters, all else of it capitals.
const UNEVEN_LETTERS: [char; 4] = ['Σ', 'ς', 'σ', 'İ'];

/// The name of the known difference that a disagreement is, if it is one. `contexts` is JSON.
pub(super) fn known(
    expression: &str,
    contexts: &str,
    origin: Origin,
    ours: &Outcome,
    theirs: &Theirs,
) -> Option<&'static str> {
    let outside = without_texts(expression);
    let squeezed: String = outside.chars().filter(|each| !each.is_whitespace()).collect();
    match (ours, theirs) {
        (Outcome::Error { message, .. }, _)
            if message.starts_with("Exceeded max expression depth") =>
        {
            Some("depth")
        }
        (_, Theirs::Error { message, .. })
            if message.starts_with("Exceeded max expression depth") =>
        {
            Some("depth")
        }
        (Outcome::Error { message, .. }, _)
            if message.starts_with("Unexpected symbol: ')'") && squeezed.contains(",)") =>
        {
            Some("trailing comma")
        }
        (Outcome::Error { message, .. }, Theirs::Value { .. })
            if message.starts_with("The following format string is invalid")
                && has_number_with_more(expression) =>
        {
            Some("format")
        }
        (Outcome::Value { .. }, Theirs::Error { kind, .. })
            if kind == "evaluation" && origin != Origin::Grammar =>
        {
            Some("lazy")
        }
        _ if has_text_with_quotes(expression) => Some("quotes"),
        _ if has_extreme_number(expression) => Some("numbers"),
        _ if has_foreign_prefix(expression) => Some("prefix"),
        _ if squeezed.to_ascii_lowercase().contains("contains(")
            && (expression.contains(UNEVEN_LETTERS) || contexts.contains(UNEVEN_LETTERS)) =>
        {
            Some("contains")
        }
        _ if squeezed.to_ascii_lowercase().contains("tojson(")
            && (expression.contains("NaN") || expression.contains("Infinity")) =>
        {
            Some("toJSON of NaN")
        }
        _ => None,
    }
}

/// The expression with its texts emptied.
fn without_texts(expression: &str) -> String {
    expression.split('\'').step_by(2).collect::<Vec<_>>().join("''")
}

/// Whether a text has two escaped quotes in it: the package replaces only the first.
fn has_text_with_quotes(expression: &str) -> bool {
    let mut quotes = 0;
    let mut rest = expression;
    while let Some(start) = rest.find('\'') {
        rest = &rest[start + 1..];
        quotes = 0;
        while let Some(end) = rest.find('\'') {
            rest = &rest[end + 1..];
            if !rest.starts_with('\'') {
                break;
            }
            quotes += 1;
            if quotes == 2 {
                return true;
            }
            rest = &rest[1..];
        }
    }
    quotes >= 2
}

/// Whether there is a number whose text differs. It may stand in a text, too, as JSON.
fn has_extreme_number(expression: &str) -> bool {
    let runs =
        expression.split(|each: char| !matches!(each, '0'..='9' | '.' | 'e' | 'E' | '+' | '-'));
    runs.filter_map(|run| run.trim_start_matches('+').parse::<f64>().ok()).any(|number| {
        let size = number.abs();
        size >= EXPONENT_FROM || (size > 0.0 && size < EXPONENT_BELOW)
    }) || expression
        .split(|each: char| !each.is_ascii_digit() && each != '.')
        .any(|run| run.len() > 15)
}

/// Whether there is a number that only JavaScript reads.
fn has_foreign_prefix(expression: &str) -> bool {
    ["0b", "0B", "0X", "0O"].iter().any(|prefix| expression.contains(prefix))
}

/// Whether a brace is followed by a number and then not by a brace, which the package passes over.
fn has_number_with_more(expression: &str) -> bool {
    expression.split('{').skip(1).any(|after| {
        let rest = after.trim_start_matches(|each: char| each.is_ascii_digit());
        rest.len() < after.len() && !rest.starts_with('}')
    })
}
