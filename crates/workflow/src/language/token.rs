//! GitHub's template tokens: what a workflow file consists of once YAML and `${{ }}` are read.

use std::ops::Range;

use crate::value::format_number;
use crate::{Object, Position, Value};

/// One value of a workflow file, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    pub kind: TokenKind,
    /// Where it begins; `None` for what no file says, such as the `success()` of a missing `if:`.
    pub place: Option<Place>,
    /// In bytes of its file. A list or mapping ends where its last item does.
    pub span: Range<usize>,
    /// The text of the scalar without quotes, where `kind` is what has been made of it.
    pub raw: Option<Box<str>>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum TokenKind {
    Null,
    Boolean(bool),
    Number(f64),
    String(String),
    /// An expression without its `${{ }}`. Text around it has become a call of `format`.
    Expression(String),
    /// `${{ insert }}`, in place of a key: the entries of the value belong to the mapping.
    Insert,
    Sequence(Vec<Token>),
    /// The keys are scalars, in the order of the file.
    Mapping(Vec<(Token, Token)>),
}

/// A place in one of the files that were read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The number of the file, from 0, in the order in which they were read.
    pub file: usize,
    pub position: Position,
}

impl Token {
    /// A token that no file contains.
    pub(crate) fn made(kind: TokenKind) -> Self {
        Self { kind, place: None, span: 0..0, raw: None }
    }

    pub(crate) fn with_kind(&self, kind: TokenKind) -> Self {
        Self { kind, place: self.place, span: self.span.clone(), raw: None }
    }

    /// Where it begins; the start of the file for what no file says.
    pub fn position(&self) -> Position {
        self.place.map_or(Position { line: 1, column: 1 }, |place| place.position)
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            TokenKind::String(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self.kind {
            TokenKind::Boolean(value) => Some(value),
            _ => None,
        }
    }

    pub fn items(&self) -> &[Self] {
        match &self.kind {
            TokenKind::Sequence(items) => items,
            _ => &[],
        }
    }

    /// The entries of a mapping; none of anything else.
    pub fn entries(&self) -> &[(Self, Self)] {
        match &self.kind {
            TokenKind::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// The value under a key of a mapping.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|(_, value)| value)
    }

    /// A key of a mapping with its value.
    pub fn entry(&self, key: &str) -> Option<&(Self, Self)> {
        self.entries().iter().find(|(name, _)| name.as_str() == Some(key))
    }

    pub fn is_null(&self) -> bool {
        self.kind == TokenKind::Null
    }

    pub fn is_mapping(&self) -> bool {
        matches!(self.kind, TokenKind::Mapping(_))
    }

    pub fn is_sequence(&self) -> bool {
        matches!(self.kind, TokenKind::Sequence(_))
    }

    /// Whether it is one expression, or text with expressions in it.
    pub fn is_expression(&self) -> bool {
        matches!(self.kind, TokenKind::Expression(_) | TokenKind::Insert)
    }

    /// Whether anything in it, keys included, is an expression.
    pub fn has_expressions(&self) -> bool {
        match &self.kind {
            TokenKind::Sequence(items) => items.iter().any(Self::has_expressions),
            TokenKind::Mapping(entries) => {
                entries.iter().any(|(key, value)| key.has_expressions() || value.has_expressions())
            }
            _ => self.is_expression(),
        }
    }

    /// A scalar as it was written, without quotes: what evaluates to it.
    pub fn source(&self) -> String {
        match &self.raw {
            Some(raw) => raw.to_string(),
            None => self.text(),
        }
    }

    /// How GitHub's messages repeat it.
    pub fn text(&self) -> String {
        match &self.kind {
            TokenKind::Null => String::new(),
            TokenKind::Boolean(value) => value.to_string(),
            TokenKind::Number(value) => format_number(*value),
            TokenKind::String(text) => text.clone(),
            TokenKind::Expression(expression) => format!("${{{{ {expression} }}}}"),
            TokenKind::Insert => "${{ insert }}".to_owned(),
            TokenKind::Sequence(_) => "a list".to_owned(),
            TokenKind::Mapping(_) => "a mapping".to_owned(),
        }
    }

    /// The value of what contains no expressions; an expression is its text.
    pub fn value(&self) -> Value {
        match &self.kind {
            TokenKind::Null => Value::Null,
            TokenKind::Boolean(value) => Value::Bool(*value),
            TokenKind::Number(value) => Value::Number(*value),
            TokenKind::String(text) => Value::String(text.clone()),
            TokenKind::Expression(_) | TokenKind::Insert => Value::String(self.text()),
            TokenKind::Sequence(items) => Value::Array(items.iter().map(Self::value).collect()),
            TokenKind::Mapping(entries) => {
                let mut object = Object::new();
                for (key, value) in entries {
                    object.insert(key.text(), value.value());
                }
                Value::Object(object)
            }
        }
    }
}
