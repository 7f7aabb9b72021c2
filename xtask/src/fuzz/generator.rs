//! Random contexts and random expressions over them: most are well formed, some are damaged, some
//! are only tokens in a row.
//!
//! What is never made, because GitHub's package is known to be wrong there, stands in
//! `docs/expressions.md`; [`super::differences`] recognises what damage makes of it.

use serde_json::{Map, Value, json};

use super::random::Random;

const CONTEXTS: [&str; 6] = ["github", "env", "matrix", "a", "B", "x_y"];
const KEYS: [&str; 10] = ["a", "b", "c", "A", "name", "ref", "Value", "x-y", "_z", "é"];
const NUMBERS: [&str; 24] = [
    "0",
    "1",
    "2",
    "3",
    "-1",
    "-0",
    "10",
    "255",
    "0.5",
    "-.5",
    "1.25",
    "+1",
    "1e3",
    "1.2E-2",
    "0xff",
    "0xF",
    "0o17",
    "123456.789",
    "99999999",
    "NaN",
    "Infinity",
    "-Infinity",
    "5.",
    "1.50",
];
const TEXTS: [&str; 38] = [
    "",
    " ",
    "a",
    "A",
    "abc",
    "ABC",
    "aBc",
    "b",
    "0",
    "1",
    " 1 ",
    "1.0",
    "01",
    "0xff",
    "0o17",
    "1e3",
    "-1",
    "+1",
    "true",
    "TRUE",
    "false",
    "null",
    "NaN",
    "Infinity",
    "é",
    "É",
    "Σ",
    "ς",
    "σ",
    "i",
    "I",
    "ı",
    "İ",
    "refs/heads/main",
    "it's",
    "Object",
    "Array",
    "[",
];
/// Letters whose capitals are one letter, and what else may stand in a text.
const LETTERS: [char; 32] = [
    'a', 'A', 'b', 'B', 'z', 'Z', 'é', 'É', 'ü', 'Ü', 'ç', 'σ', 'ς', 'Σ', 'ж', 'Ж', 'ı', 'İ', '😀',
    '中', '0', '1', '9', '.', '-', '_', '[', '`', ' ', '"', '{', '/',
];
const JSON: [&str; 14] = [
    "null",
    "true",
    "0",
    "-1.5",
    "\"a\"",
    "\"A\"",
    "[]",
    "{}",
    "[1, 2, 3]",
    "[\"a\", null, {\"a\": 1}]",
    "{\"a\": 1, \"b\": [true]}",
    "{\"A\": {\"name\": \"x\"}}",
    " [ 1 ] ",
    "{\"a\": 1, \"A\": 2, \"a\": 3}",
];
const NO_JSON: [&str; 8] = ["", " ", "{", "[1,]", "nul", "01", "'a'", "{\"a\"}"];
const FORMATS: [&str; 8] = ["", "{0}", "x{0}y{1}", "{1}{0}", "{{", "}}", "{{0}}", "{{{0}}}"];
const NO_FORMATS: [&str; 6] = ["{", "}", "{0", "{}", "{x}", "{9}"];
const COMPARISONS: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];
const SOUP: [&str; 44] = [
    "github", "a", "B", "nosuch", ".", ".a", ".*", "[", "]", "[*]", "[0]", "(", ")", ",", "'a'",
    "''", "'", "1", "0xff", "1e", "-", "+2", "==", "!=", "=", "<", ">=", "!", "&&", "||", "&", "|",
    "*", "true", "null", "NaN", "contains", "format", "fromJSON", "case", "join", "success", "é",
    "\"x\"",
];
/// How deep expressions and contexts nest at most.
const DEPTH_MAX: usize = 4;

/// How an expression was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Grammar,
    Damaged,
    Soup,
}

pub(super) fn contexts(random: &mut Random) -> Map<String, Value> {
    let mut contexts = Map::new();
    for name in CONTEXTS {
        if random.chance(90) {
            contexts.insert(name.to_owned(), value(random, DEPTH_MAX));
        }
    }
    contexts
}

fn value(random: &mut Random, depth: usize) -> Value {
    let kinds = if depth == 0 { 4 } else { 8 };
    match random.below(kinds) {
        0 => Value::Null,
        1 => Value::Bool(random.chance(50)),
        2 => match random.below(4) {
            0 => json!(0.25 * random.below(1000) as f64),
            1 => json!(-(random.below(10) as i64)),
            2 => json!(random.below(1_000_000_000)),
            _ => json!(random.below(4)),
        },
        3 => Value::String(text(random)),
        4 | 5 => (0..random.below(4)).map(|_| value(random, depth - 1)).collect(),
        _ => {
            let count = random.below(4);
            let entries =
                (0..count).map(|_| (random.pick(&KEYS).to_owned(), value(random, depth - 1)));
            Value::Object(entries.collect())
        }
    }
}

pub(super) fn expression(random: &mut Random) -> (String, Origin) {
    match random.below(100) {
        0..70 => (node(random, DEPTH_MAX, MayFail::Yes), Origin::Grammar),
        70..90 => {
            let whole = node(random, DEPTH_MAX, MayFail::Yes);
            (damaged(random, &whole), Origin::Damaged)
        }
        _ => {
            let count = 1 + random.below(8);
            let space = if random.chance(50) { " " } else { "" };
            let tokens: Vec<&str> = (0..count).map(|_| random.pick(&SOUP)).collect();
            (tokens.join(space), Origin::Soup)
        }
    }
}

/// Whether a part may fail to evaluate. Where the package evaluates what the runner does not look at,
/// it may not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MayFail {
    Yes,
    No,
}

fn node(random: &mut Random, depth: usize, may_fail: MayFail) -> String {
    if depth == 0 {
        return if random.chance(50) { literal(random) } else { target(random, 0, may_fail) };
    }
    let below = depth - 1;
    match random.below(20) {
        0..3 => literal(random),
        3..8 => target(random, depth, may_fail),
        8 => format!("!{}", node(random, below, may_fail)),
        9..12 => binary(random, &COMPARISONS, below, may_fail),
        12..15 => binary(random, &["&&", "||"], below, may_fail),
        15 => format!("({})", node(random, below, may_fail)),
        _ => call(random, below, may_fail),
    }
}

fn binary(random: &mut Random, operators: &[&str], depth: usize, may_fail: MayFail) -> String {
    let left = node(random, depth, may_fail);
    let operator = random.pick(operators);
    let space = random.pick(&["", " ", "  ", "\n", "\t"]);
    format!("{left}{space}{operator}{space}{}", node(random, depth, may_fail))
}

fn literal(random: &mut Random) -> String {
    match random.below(8) {
        0 => "true".to_owned(),
        1 => "false".to_owned(),
        2 => "null".to_owned(),
        3 => random.pick(&NUMBERS).to_owned(),
        4 => number(random),
        _ => quoted(&text(random)),
    }
}

/// A number that is written alike by .NET and JavaScript.
fn number(random: &mut Random) -> String {
    let sign = random.pick(&["", "", "-", "+"]);
    match random.below(4) {
        0 => format!("{sign}{}", random.below(1_000_000_000)),
        1 => format!("{sign}{}.{:03}", random.below(100_000), random.below(1000)),
        2 => format!("{sign}{}e{}", random.below(1000), random.below(8)),
        _ => format!("0x{:x}", random.below(1 << 31)),
    }
}

fn text(random: &mut Random) -> String {
    if random.chance(60) {
        return random.pick(&TEXTS).to_owned();
    }
    let count = random.below(6);
    (0..count).map(|_| LETTERS[random.below(LETTERS.len())]).collect()
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Something with indexes behind it.
fn target(random: &mut Random, depth: usize, may_fail: MayFail) -> String {
    let mut text = match random.below(20) {
        0 if depth > 0 => format!("({})", node(random, depth - 1, may_fail)),
        1 if depth > 0 => call(random, depth - 1, may_fail),
        2 => format!("fromJSON({})", quoted(random.pick(&JSON))),
        3 if random.chance(20) => "nosuch".to_owned(),
        _ => name(random, &CONTEXTS),
    };
    for _ in 0..random.below(4) {
        match random.below(12) {
            0..6 => text.push_str(&format!(".{}", name(random, &KEYS[..9]))),
            6 => text.push_str(&format!("[{}]", quoted(random.pick(&KEYS)))),
            7 => text.push_str(random.pick(&["[0]", "[1]", "[2]", "[-1]", "['1']", "[0.5]"])),
            8 | 9 => text.push_str(".*"),
            10 => text.push_str("[*]"),
            _ if depth > 0 => {
                text.push_str(&format!("[{}]", node(random, depth - 1, MayFail::No)));
            }
            _ => {}
        }
    }
    text
}

/// A name in one case or another.
fn name(random: &mut Random, names: &[&str]) -> String {
    let name = random.pick(names);
    match random.below(10) {
        0 => name.to_ascii_uppercase(),
        1 => name.to_ascii_lowercase(),
        _ => name.to_owned(),
    }
}

fn call(random: &mut Random, depth: usize, may_fail: MayFail) -> String {
    let function = random.pick(&[
        "contains",
        "startsWith",
        "endsWith",
        "format",
        "join",
        "toJSON",
        "fromJSON",
        "case",
    ]);
    let mut arguments = match function {
        "format" => format_arguments(random, depth, may_fail),
        "join" => {
            let mut arguments = vec![node(random, depth, may_fail)];
            if random.chance(50) {
                arguments.push(node(random, depth, MayFail::No));
            }
            arguments
        }
        "toJSON" => vec![finite(random, depth, may_fail)],
        "fromJSON" => vec![match may_fail {
            MayFail::Yes if random.chance(30) => node(random, depth, MayFail::Yes),
            MayFail::Yes if random.chance(10) => quoted(random.pick(&NO_JSON)),
            MayFail::Yes if random.chance(10) => {
                let json = value(random, 2).to_string();
                quoted(&damaged(random, &json))
            }
            _ if random.chance(50) => quoted(&value(random, 2).to_string()),
            _ => quoted(random.pick(&JSON)),
        }],
        "case" => case_arguments(random, depth, may_fail),
        _ => vec![node(random, depth, may_fail), node(random, depth, MayFail::No)],
    };
    match random.below(60) {
        0 => arguments.push("1".to_owned()),
        // A format short of an argument fails, which it may not everywhere.
        1 if function != "format" => drop(arguments.pop()),
        _ => {}
    }
    let function = name(random, &[function]);
    let separator = random.pick(&[",", ", ", " , "]);
    format!("{function}({})", arguments.join(separator))
}

/// What `toJSON` may be given: JSON has no word for `NaN`, and the package writes null.
fn finite(random: &mut Random, depth: usize, may_fail: MayFail) -> String {
    loop {
        let text = node(random, depth, may_fail);
        if !text.contains("NaN") && !text.contains("Infinity") {
            return text;
        }
    }
}

fn format_arguments(random: &mut Random, depth: usize, may_fail: MayFail) -> Vec<String> {
    let template = match may_fail {
        MayFail::Yes if random.chance(10) => random.pick(&NO_FORMATS).to_owned(),
        _ => (0..random.below(4)).map(|_| random.pick(&FORMATS)).collect(),
    };
    let count = match may_fail {
        MayFail::Yes => random.below(4),
        MayFail::No => 2,
    };
    let mut arguments = vec![quoted(&template)];
    arguments.extend((0..count).map(|_| node(random, depth, MayFail::No)));
    arguments
}

fn case_arguments(random: &mut Random, depth: usize, may_fail: MayFail) -> Vec<String> {
    let mut arguments = Vec::new();
    for at in 0..=random.below(2) {
        // Of the later conditions the runner may not look at any.
        let predicate = if at == 0 && may_fail == MayFail::Yes && random.chance(20) {
            node(random, depth, MayFail::Yes)
        } else if random.chance(50) {
            format!("!{}", target(random, depth, MayFail::No))
        } else {
            binary(random, &COMPARISONS, depth, MayFail::No)
        };
        let predicate = if predicate.contains("||") || predicate.contains("&&") {
            "true".to_owned()
        } else {
            predicate
        };
        arguments.extend([predicate, node(random, depth, MayFail::No)]);
    }
    arguments.push(node(random, depth, MayFail::No));
    arguments
}

/// The text with one to three small changes.
fn damaged(random: &mut Random, text: &str) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for _ in 0..=random.below(3) {
        let at = random.below(characters.len() + 1);
        let piece: Vec<char> = random.pick(&SOUP).chars().collect();
        match random.below(4) {
            0 => drop(characters.splice(at..at, piece)),
            1 if at < characters.len() => drop(characters.splice(at..=at, piece)),
            2 if at < characters.len() => drop(characters.remove(at)),
            _ => characters.truncate(at.max(1)),
        }
    }
    characters.into_iter().collect()
}
