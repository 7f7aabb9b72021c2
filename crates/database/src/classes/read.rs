//! Reading the file, each problem with its line.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml_edit::{Document, Item, TableLike, Value};

use super::{Class, Classes, Classified, Problem, Problems};

/// The words of the file, for hints.
pub(crate) const WORDS: &str = "keep, key, e-mail, name, phone, free-text, pattern, secret, isin, \
                                ip, number, date, json, fixed, drop";
/// In place of a table's columns: none of its rows are copied.
const NO_ROWS: &str = "no-rows";
const DEFAULT_SCHEMA: &str = "public";
const NOISE_PERCENT: f64 = 10.0;
const DAYS: u32 = 30;
const DAYS_MAX: i64 = 36_500;

pub(super) fn read(file: &str, text: &str) -> Result<Classes, Problems> {
    let mut reader = Reader { file, text, problems: Vec::new() };
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => {
            let at = error.span().unwrap_or_default();
            reader.wrong(&at, format!("this is not TOML: {}", error.message()), None);
            return Err(Problems(reader.problems));
        }
    };
    let (mut tables, mut headings) = (BTreeMap::new(), BTreeMap::new());
    let mut without_rows = BTreeSet::new();
    for (name, item) in document.as_table() {
        let at = item.span().unwrap_or_default();
        let full =
            if name.contains('.') { name.to_owned() } else { format!("{DEFAULT_SCHEMA}.{name}") };
        let is_twice = headings.insert(full.clone(), reader.line(&at)).is_some();
        if is_twice {
            reader.wrong(&at, format!("`{full}` is there twice"), None);
        } else if item.as_str() == Some(NO_ROWS) {
            without_rows.insert(full);
        } else if let Some(table) = item.as_table_like() {
            tables.insert(full, reader.columns(name, table));
        } else {
            let hint = format!(
                "write a table of columns, [{name}], or {name} = \"{NO_ROWS}\" above all tables"
            );
            reader.wrong(&at, format!("`{name}` is not a table"), Some(hint));
        }
    }
    let Reader { mut problems, .. } = reader;
    problems.sort_by_key(|problem| problem.line);
    match problems.is_empty() {
        true => Ok(Classes { file: file.to_owned(), tables, without_rows, headings }),
        false => Err(Problems(problems)),
    }
}

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn columns(&mut self, table: &str, columns: &dyn TableLike) -> BTreeMap<String, Classified> {
        let mut read = BTreeMap::new();
        for (column, item) in columns.iter() {
            let at = item.span().unwrap_or_default();
            let name = format!("{table}.{column}");
            if let Some((class, domain)) = self.class(&name, item, &at) {
                read.insert(column.to_owned(), Classified { class, domain, line: self.line(&at) });
            }
        }
        read
    }

    fn class(
        &mut self,
        column: &str,
        item: &Item,
        at: &Range<usize>,
    ) -> Option<(Class, Option<String>)> {
        if let Some(word) = item.as_str() {
            return Some((self.of_word(column, word, at)?, None));
        }
        let Some(table) = item.as_table_like() else {
            let hint = format!("write a class in quotes, one of {WORDS}");
            self.wrong(at, format!("`{column}` is neither a class nor a table"), Some(hint));
            return None;
        };
        let Some(word) = table.get("class").and_then(Item::as_str) else {
            let hint = "write { class = \"number\", … }".to_owned();
            self.wrong(at, format!("`{column}` says no class"), Some(hint));
            return None;
        };
        let mut class = self.of_word(column, word, at)?;
        let mut domain = None;
        for (key, item) in table.iter().filter(|(key, _)| *key != "class") {
            let fits = item.as_value().is_some_and(|value| match key {
                "domain" => set(&mut domain, value.as_str().map(str::to_owned)),
                _ => set_option(&mut class, key, value),
            });
            if !fits {
                let message = format!("`{key}` of `{column}` does not fit the class `{word}`");
                self.wrong(at, message, Some(options(&class).to_owned()));
            }
        }
        Some((class, domain))
    }

    fn of_word(&mut self, column: &str, word: &str, at: &Range<usize>) -> Option<Class> {
        let class = match word {
            "keep" => Class::Keep { public: None },
            "key" => Class::Key,
            "e-mail" => Class::EMail,
            "name" => Class::Name,
            "phone" => Class::Phone,
            "free-text" => Class::FreeText,
            "pattern" => Class::Pattern,
            "secret" => Class::Secret,
            "isin" => Class::Isin,
            "ip" => Class::Ip,
            "number" => Class::Number { noise_percent: NOISE_PERCENT, min: None, max: None },
            "date" => Class::Date { days: DAYS, by: None },
            "json" => Class::Json { keep: Vec::new() },
            "fixed" => Class::Fixed { value: String::new() },
            "drop" => Class::Drop,
            _ => {
                let hint = format!("the classes are {WORDS}");
                self.wrong(at, format!("`{column}`: there is no class `{word}`"), Some(hint));
                return None;
            }
        };
        Some(class)
    }

    fn wrong(&mut self, at: &Range<usize>, message: String, hint: Option<String>) {
        let (file, line) = (self.file.to_owned(), Some(self.line(at)));
        self.problems.push(Problem { file, line, column: None, message, hint });
    }

    fn line(&self, at: &Range<usize>) -> usize {
        let before = self.text.as_bytes().get(..at.start).unwrap_or(self.text.as_bytes());
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }
}

fn set<T>(place: &mut Option<T>, value: Option<T>) -> bool {
    *place = value;
    place.is_some()
}

/// Whether the class has such an option and the value is one.
fn set_option(class: &mut Class, key: &str, value: &Value) -> bool {
    let number = || value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64));
    match (class, key) {
        (Class::Keep { public }, "public") => set(
            public,
            value.as_str().filter(|reason| !reason.trim().is_empty()).map(str::to_owned),
        ),
        (Class::Number { noise_percent, .. }, "noise_percent") => {
            let asked = number().filter(|percent| (0.0..100.0).contains(percent) && *percent > 0.0);
            asked.is_some_and(|percent| {
                *noise_percent = percent;
                true
            })
        }
        (Class::Number { min, .. }, "min") => set(min, number()),
        (Class::Number { max, .. }, "max") => set(max, number()),
        (Class::Date { days, .. }, "days") => {
            let asked = value.as_integer().filter(|days| (1..=DAYS_MAX).contains(days));
            asked.and_then(|days| u32::try_from(days).ok()).is_some_and(|asked| {
                *days = asked;
                true
            })
        }
        (Class::Date { by, .. }, "by") => set(by, value.as_str().map(str::to_owned)),
        (Class::Json { keep }, "keep") => {
            let paths = value.as_array().map(|paths| paths.iter().map(Value::as_str));
            paths.and_then(Iterator::collect::<Option<Vec<_>>>).is_some_and(|paths| {
                *keep = paths.into_iter().map(str::to_owned).collect();
                true
            })
        }
        (Class::Fixed { value: fixed }, "value") => value.as_str().is_some_and(|text| {
            text.clone_into(fixed);
            true
        }),
        _ => false,
    }
}

fn options(class: &Class) -> &'static str {
    match class {
        Class::Keep { .. } => "it takes `public = \"why it may hold personal values\"`",
        Class::Number { .. } => "it takes `noise_percent` above 0 and below 100, `min` and `max`",
        Class::Date { .. } => "it takes `days` from 1 to 36500 and `by = \"column\"`",
        Class::Json { .. } => "it takes `keep = [\"path.of.keys\"]`",
        Class::Fixed { .. } => "it takes `value = \"text\"`",
        _ => "it takes `domain = \"name\"` alone",
    }
}
