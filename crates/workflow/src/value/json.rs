//! JSON as `fromJSON` reads it and `toJSON` writes it.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use super::{Object, Value, fold_case};

/// The deepest nesting of arrays and objects that is read.
pub const JSON_DEPTH_MAX: usize = 100;

/// A text that is not JSON, and where it stops being.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at line {line}, column {column}")]
pub struct JsonError {
    problem: &'static str,
    /// From 1.
    line: usize,
    /// From 1, in characters.
    column: usize,
}

impl Value {
    /// Reads strict JSON. Of equal keys the last one counts, of keys that differ only in case the
    /// first; numbers beyond the range of `f64` are infinite.
    ///
    /// # Errors
    /// The text is not one JSON value, or nests deeper than [`JSON_DEPTH_MAX`].
    pub fn from_json_text(text: &str) -> Result<Self, JsonError> {
        let mut reader = Reader { text, at: 0 };
        let value = reader.value(0)?;
        reader.skip_space();
        if reader.at < text.len() {
            return Err(reader.error("there is more after the value"));
        }
        Ok(value)
    }

    /// What `toJSON` gives: indented by two spaces.
    pub fn to_json_text(&self) -> String {
        let mut text = String::new();
        write_json(self, 0, &mut text).expect("a `String` takes all that is written");
        text
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn value(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.skip_space();
        match self.peek() {
            Some(b'{' | b'[') if depth == JSON_DEPTH_MAX => Err(self.error("it nests too deep")),
            Some(b'{') => self.object(depth + 1).map(Value::Object),
            Some(b'[') => self.array(depth + 1).map(Value::Array),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number().map(Value::Number),
            Some(b'n') => self.word("null", Value::Null),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(_) => Err(self.error("no value begins with this character")),
            None => Err(self.error("a value is missing")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Object, JsonError> {
        let mut entries: Vec<(String, Value)> = Vec::new();
        let mut positions = BTreeMap::new();
        self.at += 1;
        self.skip_space();
        if self.takes(b'}') {
            return Ok(Object::new());
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.error("a key in double quotes is missing"));
            }
            let key = self.string()?;
            self.skip_space();
            if !self.takes(b':') {
                return Err(self.error("a `:` is missing"));
            }
            let value = self.value(depth)?;
            let at = *positions.entry(fold_case(&key)).or_insert(entries.len());
            if at == entries.len() {
                entries.push((key, value));
            } else if entries[at].0 == key {
                entries[at].1 = value;
            }
            self.skip_space();
            if self.takes(b'}') {
                return Ok(Object { entries });
            }
            if !self.takes(b',') {
                return Err(self.error("a `,` or `}` is missing"));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Vec<Value>, JsonError> {
        let mut items = Vec::new();
        self.at += 1;
        self.skip_space();
        if self.takes(b']') {
            return Ok(items);
        }
        loop {
            items.push(self.value(depth)?);
            self.skip_space();
            if self.takes(b']') {
                return Ok(items);
            }
            if !self.takes(b',') {
                return Err(self.error("a `,` or `]` is missing"));
            }
        }
    }

    fn string(&mut self) -> Result<String, JsonError> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest
                .find(|each: char| matches!(each, '"' | '\\') || each < ' ')
                .unwrap_or(rest.len());
            text.push_str(&rest[..plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => text.push(self.escape()?),
                Some(_) => return Err(self.error("a control character must be escaped")),
                None => return Err(self.error("a string is not closed")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let escaped = match self.text.as_bytes().get(self.at + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return Err(self.error("this escape is unknown")),
        };
        self.at += 2;
        Ok(escaped)
    }

    /// Reads `\uXXXX`, or two of them that together are one character.
    fn unicode_escape(&mut self) -> Result<char, JsonError> {
        let units = [self.unit(self.at), self.unit(self.at + UNIT_ESCAPE_BYTES)];
        let first = units[0].ok_or_else(|| self.error("`\\u` wants four hexadecimal digits"))?;
        if let Some(character) = char::from_u32(u32::from(first)) {
            self.at += UNIT_ESCAPE_BYTES;
            return Ok(character);
        }
        let pair = units.into_iter().flatten();
        match char::decode_utf16(pair).next() {
            Some(Ok(character)) => {
                self.at += 2 * UNIT_ESCAPE_BYTES;
                Ok(character)
            }
            _ => Err(self.error("half of a surrogate pair is no character")),
        }
    }

    fn unit(&self, at: usize) -> Option<u16> {
        let digits = self.text.get(at..at + UNIT_ESCAPE_BYTES)?.strip_prefix("\\u")?;
        let is_hexadecimal = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_hexadecimal.then(|| u16::from_str_radix(digits, 16).ok())?
    }

    fn number(&mut self) -> Result<f64, JsonError> {
        let start = self.at;
        self.takes(b'-');
        if !self.takes(b'0') {
            self.digits()?;
        }
        if self.takes(b'.') {
            self.digits()?;
        }
        if self.takes(b'e') || self.takes(b'E') {
            if !self.takes(b'+') {
                self.takes(b'-');
            }
            self.digits()?;
        }
        Ok(self.text[start..self.at].parse().expect("JSON's numbers are numbers of Rust"))
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let rest = &self.text.as_bytes()[self.at..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 {
            return Err(self.error("a digit is missing"));
        }
        self.at += count;
        Ok(())
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, JsonError> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.error("this word is no value"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn skip_space(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        let space = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
        self.at += space.count();
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn takes(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn error(&self, problem: &'static str) -> JsonError {
        let before = &self.text[..self.at];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        JsonError {
            problem,
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

/// The length of `\uXXXX`.
const UNIT_ESCAPE_BYTES: usize = 6;

/// Writes a value as `toJSON` does. The only error is that of the writer.
pub(crate) fn write_json(value: &Value, depth: usize, text: &mut impl Write) -> fmt::Result {
    match value {
        Value::Null => text.write_str("null"),
        Value::String(value) => write_string(value, text),
        Value::Bool(_) | Value::Number(_) => text.write_str(&value.to_text()),
        Value::Array(items) => write_list(['[', ']'], items.iter(), depth, text, |item, text| {
            write_json(item, depth + 1, text)
        }),
        Value::Object(object) => {
            write_list(['{', '}'], object.iter(), depth, text, |(key, value), text| {
                write_string(key, text)?;
                text.write_str(": ")?;
                write_json(value, depth + 1, text)
            })
        }
    }
}

fn write_list<T, W: Write>(
    [open, close]: [char; 2],
    items: impl Iterator<Item = T>,
    depth: usize,
    text: &mut W,
    write: impl Fn(T, &mut W) -> fmt::Result,
) -> fmt::Result {
    text.write_char(open)?;
    let mut is_empty = true;
    for item in items {
        text.write_str(if is_empty { "\n" } else { ",\n" })?;
        write_indent(depth + 1, text)?;
        write(item, text)?;
        is_empty = false;
    }
    if !is_empty {
        text.write_char('\n')?;
        write_indent(depth, text)?;
    }
    text.write_char(close)
}

fn write_indent(depth: usize, text: &mut impl Write) -> fmt::Result {
    (0..depth).try_for_each(|_| text.write_str("  "))
}

/// Writes a string with the escapes that GitHub's runner writes, among them those of the line ends of
/// Unicode.
fn write_string(value: &str, text: &mut impl Write) -> fmt::Result {
    let needs_escape =
        |each: char| each < ' ' || matches!(each, '"' | '\\' | '\u{85}' | '\u{2028}' | '\u{2029}');
    text.write_char('"')?;
    let mut rest = value;
    while let Some(at) = rest.find(needs_escape) {
        text.write_str(&rest[..at])?;
        let mut characters = rest[at..].chars();
        match characters.next().expect("a character was found there") {
            '"' => text.write_str("\\\"")?,
            '\\' => text.write_str("\\\\")?,
            '\u{8}' => text.write_str("\\b")?,
            '\u{c}' => text.write_str("\\f")?,
            '\n' => text.write_str("\\n")?,
            '\r' => text.write_str("\\r")?,
            '\t' => text.write_str("\\t")?,
            other => write!(text, "\\u{:04x}", u32::from(other))?,
        }
        rest = characters.as_str();
    }
    text.write_str(rest)?;
    text.write_char('"')
}
