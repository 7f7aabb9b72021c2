//! The values of the expression language, and the exact rules by which one kind turns into another.

mod json;

use std::cmp::Ordering;

pub(crate) use json::write_json;
pub use json::{JSON_DEPTH_MAX, JsonError};
use serde::{Deserialize, Serialize};

/// A value of the expression language. It is stored as JSON, in which `NaN` and the infinities
/// become null.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(from = "serde_json::Value", into = "serde_json::Value")]
pub enum Value {
    #[default]
    Null,
    Bool(bool),
    Number(f64),
    String(String),
    Array(Vec<Self>),
    Object(Object),
}

impl Value {
    /// The null that a missing property yields.
    pub const NULL: &'static Self = &Self::Null;

    /// Whether the value counts as true in a condition: everything but `null`, `false`, `0`, `NaN` and `''`.
    pub fn is_truthy(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(value) => *value,
            Self::Number(value) => *value != 0.0 && !value.is_nan(),
            Self::String(value) => !value.is_empty(),
            Self::Array(_) | Self::Object(_) => true,
        }
    }

    /// Whether the value is neither an array nor an object.
    pub fn is_primitive(&self) -> bool {
        !matches!(self, Self::Array(_) | Self::Object(_))
    }

    /// The property of an object, whatever its letters' case; `null` where there is none.
    pub fn get(&self, key: &str) -> &Self {
        match self {
            Self::Object(object) => object.get(key).unwrap_or(Self::NULL),
            _ => Self::NULL,
        }
    }

    /// The name of its kind, as it stands in messages.
    pub fn kind_name(&self) -> &'static str {
        match self {
            Self::Null => "Null",
            Self::Bool(_) => "Boolean",
            Self::Number(_) => "Number",
            Self::String(_) => "String",
            Self::Array(_) => "Array",
            Self::Object(_) => "Object",
        }
    }

    /// The text that an expression puts into a string. Arrays and objects show only what they are.
    pub fn to_text(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Bool(value) => value.to_string(),
            Self::Number(value) => format_number(*value),
            Self::String(value) => value.clone(),
            Self::Array(_) => "Array".to_owned(),
            Self::Object(_) => "Object".to_owned(),
        }
    }

    /// The number that comparisons see; arrays, objects and strings that are no number are `NaN`.
    pub fn to_number(&self) -> f64 {
        match self {
            Self::Null => 0.0,
            Self::Bool(value) => f64::from(u8::from(*value)),
            Self::Number(value) => *value,
            Self::String(value) => parse_number(value),
            Self::Array(_) | Self::Object(_) => f64::NAN,
        }
    }

    /// The value as it would be written in an expression; arrays and objects show only what they are.
    pub fn to_literal(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::String(value) => format!("'{}'", value.replace('\'', "''")),
            other => other.to_text(),
        }
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::String(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::String(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl From<Object> for Value {
    fn from(value: Object) -> Self {
        Self::Object(value)
    }
}

impl From<serde_json::Value> for Value {
    fn from(json: serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(value),
            serde_json::Value::Number(value) => Self::Number(value.as_f64().unwrap_or(f64::NAN)),
            serde_json::Value::String(value) => Self::String(value),
            serde_json::Value::Array(items) => {
                Self::Array(items.into_iter().map(Self::from).collect())
            }
            serde_json::Value::Object(entries) => Self::Object(entries.into()),
        }
    }
}

impl From<Value> for serde_json::Value {
    /// Whole numbers become JSON integers; `NaN` and the infinities, which JSON lacks, become null.
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(value),
            Value::Number(value) => json_number(value),
            Value::String(value) => Self::String(value),
            Value::Array(items) => Self::Array(items.into_iter().map(Self::from).collect()),
            Value::Object(object) => Self::Object(object.into()),
        }
    }
}

fn json_number(value: f64) -> serde_json::Value {
    /// Up to here every whole number has an exact `f64`.
    const EXACT_INTEGER_MAX: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT_INTEGER_MAX {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within the exact range")]
        return serde_json::Value::from(value as i64);
    }
    serde_json::Number::from_f64(value).map_or(serde_json::Value::Null, serde_json::Value::Number)
}

/// An ordered map whose keys are found whatever their letters' case; the first spelling is kept.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(from = "serde_json::Map<String, serde_json::Value>")]
#[serde(into = "serde_json::Map<String, serde_json::Value>")]
pub struct Object {
    entries: Vec<(String, Value)>,
}

impl Object {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn get(&self, key: &str) -> Option<&Value> {
        self.position(key).map(|at| &self.entries[at].1)
    }

    /// Sets a property, replacing the value of one that differs at most in case.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<Value>) {
        let key = key.into();
        match self.position(&key) {
            Some(at) => self.entries[at].1 = value.into(),
            None => self.entries.push((key, value.into())),
        }
    }

    /// Sets a property, unless there is one that differs at most in case.
    fn insert_new(&mut self, key: String, value: Value) {
        if self.position(&key).is_none() {
            self.entries.push((key, value));
        }
    }

    /// Takes a property out.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        self.position(key).map(|at| self.entries.remove(at).1)
    }

    pub fn contains_key(&self, key: &str) -> bool {
        self.position(key).is_some()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value))
    }

    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.entries.iter().map(|(_, value)| value)
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn position(&self, key: &str) -> Option<usize> {
        // The exact spelling is by far the usual one, and comparing it costs little.
        self.entries
            .iter()
            .position(|(name, _)| name == key)
            .or_else(|| self.entries.iter().position(|(name, _)| equals_ignoring_case(name, key)))
    }
}

impl<K: Into<String>, V: Into<Value>> FromIterator<(K, V)> for Object {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut object = Self::new();
        for (key, value) in entries {
            object.insert(key, value);
        }
        object
    }
}

impl From<serde_json::Map<String, serde_json::Value>> for Object {
    /// Of keys that differ only in case the first one counts.
    fn from(entries: serde_json::Map<String, serde_json::Value>) -> Self {
        let mut object = Self::new();
        for (key, value) in entries {
            object.insert_new(key, value.into());
        }
        object
    }
}

impl From<Object> for serde_json::Map<String, serde_json::Value> {
    fn from(object: Object) -> Self {
        object.into_iter().map(|(key, value)| (key, value.into())).collect()
    }
}

impl IntoIterator for Object {
    type Item = (String, Value);
    type IntoIter = std::vec::IntoIter<(String, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

/// One character's capital where that is a single character. The dotless `ı` is left alone, so that
/// it does not become equal to `i`; this is the ordinal comparison of .NET, in which GitHub compares.
fn capital(character: char) -> char {
    if character == 'ı' {
        return character;
    }
    let mut upper = character.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(single), None) => single,
        _ => character,
    }
}

/// The text with every letter capital, for comparisons that ignore case.
pub(crate) fn fold_case(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_uppercase();
    }
    text.chars().map(capital).collect()
}

/// Whether two texts differ at most in the case of their letters.
pub(crate) fn equals_ignoring_case(left: &str, right: &str) -> bool {
    if left.is_ascii() && right.is_ascii() {
        return left.eq_ignore_ascii_case(right);
    }
    left.chars().map(capital).eq(right.chars().map(capital))
}

/// An end of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Front,
    Back,
}

/// Whether a text begins or ends with another, whatever the case of their letters.
pub(crate) fn has_at_ignoring_case(text: &str, part: &str, end: End) -> bool {
    if text.is_ascii() && part.is_ascii() {
        let (text, part) = (text.as_bytes(), part.as_bytes());
        return part.len() <= text.len() && {
            let stretch = match end {
                End::Front => &text[..part.len()],
                End::Back => &text[text.len() - part.len()..],
            };
            stretch.eq_ignore_ascii_case(part)
        };
    }
    let (text, part) = (fold_case(text), fold_case(part));
    match end {
        End::Front => text.starts_with(&part),
        End::Back => text.ends_with(&part),
    }
}

/// Whether a text contains another, whatever the case of their letters.
pub(crate) fn contains_ignoring_case(text: &str, part: &str) -> bool {
    fold_case(text).contains(&fold_case(part))
}

/// Orders two texts by their capital letters' UTF-16 code units.
pub(crate) fn compare_ignoring_case(left: &str, right: &str) -> Ordering {
    if left.is_ascii() && right.is_ascii() {
        let lefts = left.bytes().map(|byte| byte.to_ascii_uppercase());
        return lefts.cmp(right.bytes().map(|byte| byte.to_ascii_uppercase()));
    }
    let units = |text: &str| fold_case(text).encode_utf16().collect::<Vec<_>>();
    units(left).cmp(&units(right))
}

/// Reads a number as comparisons and the lexer do: decimal with an optional exponent, `0x`, `0o`,
/// and the infinities. Nothing is 0, anything else is `NaN`.
pub(crate) fn parse_number(text: &str) -> f64 {
    let text = text.trim();
    if text.is_empty() {
        return 0.0;
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return parse_digits(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return parse_digits(digits, 8);
    }
    match text {
        "Infinity" | "+Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        // Rust also reads words such as `inf`, which are no numbers here.
        _ if text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) =>
        {
            text.parse().unwrap_or(f64::NAN)
        }
        _ => f64::NAN,
    }
}

fn parse_digits(digits: &str, radix: u32) -> f64 {
    if digits.is_empty() {
        return f64::NAN;
    }
    digits
        .chars()
        .try_fold(0.0, |sum, character| {
            character.to_digit(radix).map(|digit| sum * f64::from(radix) + f64::from(digit))
        })
        .unwrap_or(f64::NAN)
}

/// Writes a number with at most fifteen significant digits, as .NET's `G15` does.
pub(crate) fn format_number(value: f64) -> String {
    const SIGNIFICANT_DIGITS: i32 = 15;
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let rounded = format!("{:.14e}", value.abs());
    let (mantissa, exponent) = rounded.split_once('e').expect("`e` formatting writes an exponent");
    let exponent: i32 = exponent.parse().expect("`e` formatting writes a whole exponent");
    let digits = mantissa.replace('.', "");
    let digits = digits.trim_end_matches('0');
    let sign = if value < 0.0 { "-" } else { "" };
    if !(-4..SIGNIFICANT_DIGITS).contains(&exponent) {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        let direction = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{first}{point}{rest}E{direction}{:02}", exponent.abs());
    }
    if exponent < 0 {
        let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
        return format!("{sign}0.{zeros}{digits}");
    }
    let whole = exponent.unsigned_abs() as usize + 1;
    if digits.len() <= whole {
        return format!("{sign}{digits}{}", "0".repeat(whole - digits.len()));
    }
    format!("{sign}{}.{}", &digits[..whole], &digits[whole..])
}

#[cfg(test)]
mod tests;
