//! The personal values of the source, collected while its rows are read: each once, with how many rows
//! carry it, so that the scan knows what to look for.
//!
//! Memory grows with the distinct values alone (about 40 bytes each and the value itself, of a long one
//! its beginning); rows are never kept.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

/// Of a longer value its first bytes are looked for.
const VALUE_BYTES_MAX: usize = 120;
/// A value shorter than this stands in other texts by chance.
pub(crate) const CHARS_MIN: usize = 6;
/// Without a letter it takes more of them.
pub(crate) const CHARS_MIN_WITHOUT_LETTERS: usize = 9;
/// A value that more rows of its column carry says nothing about one person.
pub(crate) const ROWS_MAX: u32 = 20;

/// A value of one column; its number among all.
pub(crate) type ValueId = u32;

#[derive(Debug)]
struct Value {
    /// Where its text ends in the texts; the one before says where it begins.
    end: usize,
    column: u16,
    rows: u32,
}

/// All distinct personal values.
#[derive(Debug, Default)]
pub(crate) struct Values {
    /// `table.column`, by number.
    columns: Vec<String>,
    /// By a digest of column and whole text, so that long texts are told apart beyond their beginnings.
    known: HashMap<u64, ValueId>,
    hasher: RandomState,
    texts: Vec<u8>,
    list: Vec<Value>,
}

impl Values {
    /// The number under which a column's values are collected.
    pub(crate) fn column(&mut self, name: &str) -> u16 {
        let place = self.columns.iter().position(|known| known == name);
        let place = place.unwrap_or_else(|| {
            self.columns.push(name.to_owned());
            self.columns.len() - 1
        });
        u16::try_from(place).expect("a database has fewer personal columns than that")
    }

    pub(crate) fn add(&mut self, column: u16, text: &str) {
        let text = normal(text);
        if text.is_empty() {
            return;
        }
        let digest = self.hasher.hash_one((column, &text));
        if let Some(known) = self.known.get(&digest) {
            let value = &mut self.list[*known as usize];
            value.rows = value.rows.saturating_add(1);
            return;
        }
        let id = ValueId::try_from(self.list.len()).expect("fewer distinct values than 2^32");
        self.known.insert(digest, id);
        let start =
            (0..=VALUE_BYTES_MAX.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
        self.texts.extend_from_slice(&text.as_bytes()[..start.unwrap_or(0)]);
        self.list.push(Value { end: self.texts.len(), column, rows: 1 });
    }

    /// Whether the column has this value, and how many rows carry it.
    pub(crate) fn rows(&self, column: u16, text: &str) -> Option<u32> {
        let digest = self.hasher.hash_one((column, &normal(text)));
        self.known.get(&digest).map(|id| self.list[*id as usize].rows)
    }

    pub(crate) fn text(&self, id: ValueId) -> &[u8] {
        let place = id as usize;
        let start = place.checked_sub(1).map_or(0, |before| self.list[before].end);
        &self.texts[start..self.list[place].end]
    }

    pub(crate) fn column_of(&self, id: ValueId) -> &str {
        &self.columns[usize::from(self.list[id as usize].column)]
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = ValueId> + use<> {
        0..u32::try_from(self.list.len()).expect("it was counted so")
    }

    /// Whether the value is looked for in every text, or only in its own column.
    pub(crate) fn reach(&self, id: ValueId) -> Reach {
        let text = String::from_utf8_lossy(self.text(id));
        let needed = if text.chars().any(char::is_alphabetic) {
            CHARS_MIN
        } else {
            CHARS_MIN_WITHOUT_LETTERS
        };
        match () {
            () if text.chars().count() < needed => Reach::Short,
            () if self.list[id as usize].rows > ROWS_MAX => Reach::Common,
            () => Reach::Everywhere,
        }
    }
}

/// Where a value is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// In every text of the copy.
    Everywhere,
    /// Too short: as a whole value of its own column alone.
    Short,
    /// Too many carry it: as a whole value of its own column alone.
    Common,
}

/// Texts are compared without case and without space around them.
pub(crate) fn normal(text: &str) -> String {
    let text = text.trim();
    if text.is_ascii() { text.to_ascii_lowercase() } else { text.to_lowercase() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_known_once_with_its_rows() {
        let mut values = Values::default();
        let (mail, name) = (values.column("users.email"), values.column("users.name"));
        values.add(mail, "Anna@Firma.de ");
        values.add(mail, "anna@firma.de");
        values.add(name, "anna@firma.de");
        values.add(name, "");
        assert_eq!(values.ids().count(), 2);
        assert_eq!(values.rows(mail, "ANNA@firma.de"), Some(2));
        assert_eq!(values.rows(mail, "bob@firma.de"), None);
        assert_eq!((values.text(1), values.column_of(1)), (&b"anna@firma.de"[..], "users.name"));
    }

    #[test]
    fn what_is_short_or_common_is_not_looked_for_everywhere() {
        let mut values = Values::default();
        let column = values.column("users.name");
        for text in ["Li", "Schmid", "12345678", "123456789"] {
            values.add(column, text);
        }
        for _ in 0..=ROWS_MAX {
            values.add(column, "Schmidt");
        }
        let reach: Vec<Reach> = values.ids().map(|id| values.reach(id)).collect();
        use Reach::{Common, Everywhere, Short};
        assert_eq!(reach, [Short, Everywhere, Short, Everywhere, Common]);
    }

    #[test]
    fn of_a_long_value_the_beginning_is_kept() {
        let mut values = Values::default();
        let column = values.column("c");
        let long = "ü".repeat(100);
        values.add(column, &long);
        values.add(column, &format!("{long}!"));
        assert_eq!(values.ids().count(), 2);
        assert_eq!(values.text(0).len(), VALUE_BYTES_MAX);
    }
}
