//! One table of the file: typed access to its keys, each wrong type noted with its place.

use std::ops::{Range, RangeInclusive};

use toml_edit::{Item, TableLike, Value};

use super::problem::Problems;
use super::times::Moment;

/// A value with its place in the text, in bytes.
#[derive(Clone, Debug)]
pub(super) struct Found<T> {
    pub(super) value: T,
    pub(super) at: Range<usize>,
}

/// An entry of a list of strings and tables.
pub(super) enum Entry<'a> {
    Text(Found<String>),
    Table(Section<'a>),
}

/// The words that a key may have as its value, and what they mean.
pub(super) type Choices<'a, T> = &'a [(&'a str, T)];

/// A table and its dotted name; the root has none.
pub(super) struct Section<'a> {
    name: String,
    table: &'a dyn TableLike,
    /// Where the table begins: its header, or its opening brace.
    pub(super) at: Range<usize>,
}

impl<'a> Section<'a> {
    pub(super) fn root(table: &'a dyn TableLike) -> Self {
        Self { name: String::new(), table, at: 0..0 }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Where a key stands; the section itself when it is missing.
    pub(super) fn place_of(&self, key: &str) -> Range<usize> {
        let key = self.table.get_key_value(key).and_then(|(key, _)| key.span());
        key.unwrap_or_else(|| self.at.clone())
    }

    /// Notes every key that is not among `known`.
    pub(super) fn allow_only(&self, known: &[&str], problems: &mut Problems<'_>) {
        for (key, _) in self.table.iter().filter(|(key, _)| !known.contains(key)) {
            let hint = nearest(key, known).map_or_else(
                || format!("known here: {}", known.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            let message = format!("unknown key `{key}`{}", self.within());
            problems.add(&self.place_of(key), message, Some(hint));
        }
    }

    /// Notes a key that is missing.
    pub(super) fn require(&self, key: &str, problems: &mut Problems<'_>) {
        if !self.has(key) {
            let message = format!("`{key}` is missing{}", self.within());
            problems.add(&self.at, message, None);
        }
    }

    /// The table under `key`, if there is one.
    pub(super) fn section(&self, key: &str, problems: &mut Problems<'_>) -> Option<Self> {
        let item = self.table.get(key)?;
        let Some(table) = item.as_table_like() else {
            self.wrong_type(key, item, "a table", problems);
            return None;
        };
        let name =
            if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) };
        // A table that only exists as part of longer names has no place of its own.
        let at = item.span().unwrap_or_else(|| self.place_of(key));
        Some(Self { name, table, at })
    }

    pub(super) fn required_section(&self, key: &str, problems: &mut Problems<'_>) -> Option<Self> {
        if !self.has(key) {
            problems.add(&self.at, format!("the section `[{key}]` is missing"), None);
        }
        self.section(key, problems)
    }

    /// The tables `[key.NAME]`, in file order.
    pub(super) fn sections(
        &self,
        key: &str,
        problems: &mut Problems<'_>,
    ) -> Vec<(Found<String>, Self)> {
        let Some(parent) = self.section(key, problems) else { return Vec::new() };
        let names = parent.table.iter().map(|(name, _)| name.to_owned());
        let with_section = |name: String| {
            let section = parent.section(&name, problems)?;
            let at = parent.place_of(&name);
            Some((Found { value: name, at }, section))
        };
        names.filter_map(with_section).collect()
    }

    /// The tables of a list: `[[key]]`, or `key = [{ .. }, ..]`.
    pub(super) fn tables(&self, key: &str, problems: &mut Problems<'_>) -> Vec<Self> {
        let Some(item) = self.table.get(key) else { return Vec::new() };
        let name =
            if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) };
        let inner = |table: &'a dyn TableLike, at: Option<Range<usize>>| Self {
            name: name.clone(),
            table,
            at: at.unwrap_or_else(|| self.place_of(key)),
        };
        if let Some(tables) = item.as_array_of_tables() {
            return tables.iter().map(|table| inner(table, table.span())).collect();
        }
        let Some(values) = self.list(key, "a list of tables", problems) else { return Vec::new() };
        let table = |value: &'a Value| match value.as_inline_table() {
            Some(table) => Some(inner(table, value.span())),
            None => {
                let found = with_article(value.type_name());
                problems.add(
                    &place(value),
                    format!("`{key}` takes tables, and this is {found}"),
                    None,
                );
                None
            }
        };
        values.filter_map(table).collect()
    }

    /// A date or a time of a date, as TOML writes them without quotes.
    pub(super) fn required_moment(
        &self,
        key: &str,
        problems: &mut Problems<'_>,
    ) -> Option<Found<Moment>> {
        const HINT: &str = "write it without quotes: 2026-12-20, 2026-12-20T18:00:00 or \
                            2026-12-20T18:00:00+01:00";
        self.require(key, problems);
        let value = self.value(key, "a date", problems)?;
        let at = place(value);
        let moment = value.as_datetime().and_then(|written| Moment::read(&written.to_string()));
        if moment.is_none() {
            let found = with_article(value.type_name());
            let message = format!("`{key}` is a date, and this is {found}");
            problems.add(&at, message, Some(HINT.to_owned()));
        }
        moment.map(|value| Found { value, at })
    }

    pub(super) fn text(&self, key: &str, problems: &mut Problems<'_>) -> Option<Found<String>> {
        let value = self.value(key, "a string", problems)?;
        self.as_text(key, value, problems)
    }

    pub(super) fn required_text(
        &self,
        key: &str,
        problems: &mut Problems<'_>,
    ) -> Option<Found<String>> {
        self.require(key, problems);
        self.text(key, problems)
    }

    /// A list of strings.
    pub(super) fn texts(
        &self,
        key: &str,
        problems: &mut Problems<'_>,
    ) -> Option<Vec<Found<String>>> {
        let values = self.list(key, "a list of strings", problems)?;
        Some(values.filter_map(|value| self.as_text(key, value, problems)).collect())
    }

    pub(super) fn required_texts(
        &self,
        key: &str,
        problems: &mut Problems<'_>,
    ) -> Option<Vec<Found<String>>> {
        self.require(key, problems);
        self.texts(key, problems)
    }

    pub(super) fn number(
        &self,
        key: &str,
        range: RangeInclusive<u32>,
        problems: &mut Problems<'_>,
    ) -> Option<u32> {
        let value = self.value(key, "a whole number", problems)?;
        self.as_number(key, value, &range, problems).map(|number| number.value)
    }

    pub(super) fn required_number(
        &self,
        key: &str,
        range: RangeInclusive<u32>,
        problems: &mut Problems<'_>,
    ) -> Option<u32> {
        self.require(key, problems);
        self.number(key, range, problems)
    }

    /// A list of strings and tables.
    pub(super) fn texts_or_tables(
        &self,
        key: &str,
        problems: &mut Problems<'_>,
    ) -> Option<Vec<Entry<'a>>> {
        let values = self.list(key, "a list of strings and tables", problems)?;
        let name =
            if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) };
        let entry = |value: &'a Value| match value.as_inline_table() {
            Some(table) => {
                let at = value.span().unwrap_or_else(|| self.place_of(key));
                Some(Entry::Table(Self { name: name.clone(), table, at }))
            }
            None => self.as_text(key, value, problems).map(Entry::Text),
        };
        Some(values.filter_map(entry).collect())
    }

    /// A list of whole numbers.
    pub(super) fn numbers(
        &self,
        key: &str,
        range: RangeInclusive<u32>,
        problems: &mut Problems<'_>,
    ) -> Option<Vec<Found<u32>>> {
        let values = self.list(key, "a list of whole numbers", problems)?;
        Some(values.filter_map(|value| self.as_number(key, value, &range, problems)).collect())
    }

    /// A duration in milliseconds.
    pub(super) fn duration(&self, key: &str, problems: &mut Problems<'_>) -> Option<i64> {
        let value = self.value(key, "a duration such as \"30s\"", problems)?;
        let Some(text) = value.as_str() else {
            let found = value.type_name();
            let message =
                format!("`{key}` is a duration such as \"30s\", not {}", with_article(found));
            problems.add(&place(value), message, Some(DURATION_HINT.to_owned()));
            return None;
        };
        let duration = duration_ms(text);
        if duration.is_none() {
            let message = format!("`{text}` is not a duration");
            problems.add(&place(value), message, Some(DURATION_HINT.to_owned()));
        }
        duration
    }

    /// A duration in milliseconds that may be written in them: `"500ms"`.
    pub(super) fn short_duration(&self, key: &str, problems: &mut Problems<'_>) -> Option<i64> {
        let written = self.table.get(key).and_then(Item::as_str);
        let digits = written.and_then(|text| text.strip_suffix("ms"));
        let is_number = |digits: &&str| digits.bytes().all(|byte| byte.is_ascii_digit());
        match digits.filter(is_number).and_then(|digits| digits.parse().ok()) {
            Some(duration_ms) => Some(duration_ms),
            None => self.duration(key, problems),
        }
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(
        &self,
        key: &str,
        choices: Choices<'_, T>,
        problems: &mut Problems<'_>,
    ) -> Option<T> {
        let text = self.text(key, problems)?;
        let chosen = choices.iter().find(|(word, _)| *word == text.value);
        if chosen.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            let hint = nearest(&text.value, &words).map_or_else(
                || format!("write one of: {}", words.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            let message = format!("`{}` is not a value of `{key}`", text.value);
            problems.add(&text.at, message, Some(hint));
        }
        chosen.map(|(_, meaning)| *meaning)
    }

    fn value(&self, key: &str, wanted: &str, problems: &mut Problems<'_>) -> Option<&'a Value> {
        let item = self.table.get(key)?;
        if item.as_value().is_none() {
            self.wrong_type(key, item, wanted, problems);
        }
        item.as_value()
    }

    fn list(
        &self,
        key: &str,
        wanted: &str,
        problems: &mut Problems<'_>,
    ) -> Option<impl Iterator<Item = &'a Value> + use<'a>> {
        let item = self.table.get(key)?;
        let array = item.as_array();
        if array.is_none() {
            self.wrong_type(key, item, wanted, problems);
        }
        array.map(|array| array.iter())
    }

    fn as_text(
        &self,
        key: &str,
        value: &'a Value,
        problems: &mut Problems<'_>,
    ) -> Option<Found<String>> {
        let at = place(value);
        match value.as_str() {
            Some("") => problems.add(&at, format!("`{key}` holds an empty string"), None),
            Some(text) => return Some(Found { value: text.to_owned(), at }),
            None => {
                let found = with_article(value.type_name());
                problems.add(&at, format!("`{key}` takes strings, and this is {found}"), None);
            }
        }
        None
    }

    fn as_number(
        &self,
        key: &str,
        value: &'a Value,
        range: &RangeInclusive<u32>,
        problems: &mut Problems<'_>,
    ) -> Option<Found<u32>> {
        let at = place(value);
        let Some(number) = value.as_integer() else {
            let found = with_article(value.type_name());
            problems.add(&at, format!("`{key}` takes whole numbers, and this is {found}"), None);
            return None;
        };
        let fitting = u32::try_from(number).ok().filter(|number| range.contains(number));
        if fitting.is_none() {
            let hint = if *range.end() == u32::MAX {
                format!("the least is {}", range.start())
            } else {
                format!("it goes from {} to {}", range.start(), range.end())
            };
            problems.add(&at, format!("`{key}` cannot be {number}"), Some(hint));
        }
        fitting.map(|value| Found { value, at })
    }

    fn wrong_type(&self, key: &str, item: &Item, wanted: &str, problems: &mut Problems<'_>) {
        let at = item.span().unwrap_or_else(|| self.place_of(key));
        let found = with_article(item.type_name());
        problems.add(&at, format!("`{key}`{} is {wanted}, not {found}", self.within()), None);
    }

    fn within(&self) -> String {
        if self.name.is_empty() { String::new() } else { format!(" in [{}]", self.name) }
    }
}

const DURATION_HINT: &str =
    "write a whole number and its unit, s, m, h or d: \"90s\", \"10m\", \"7d\"";
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const DURATION_DAYS_MAX: i64 = 366;

/// `30s`, `10m`, `2h` or `7d` in milliseconds; `None` when it is not of that form or longer than a
/// year.
fn duration_ms(text: &str) -> Option<i64> {
    let unit_ms = match text.chars().last()? {
        's' => 1000,
        'm' => 60 * 1000,
        'h' => 60 * 60 * 1000,
        'd' => DAY_MS,
        _ => return None,
    };
    let digits = &text[..text.len() - 1];
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let duration = digits.parse::<i64>().ok()?.checked_mul(unit_ms)?;
    (duration <= DURATION_DAYS_MAX * DAY_MS).then_some(duration)
}

/// The word of `known` that a misspelt `word` most likely means.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let distance = |other: &str| strsim::damerau_levenshtein(&word.to_lowercase(), other);
    let near = known.iter().map(|other| (distance(other), *other)).min()?;
    (near.0 <= near.1.len().div_ceil(3)).then_some(near.1)
}

fn place(value: &Value) -> Range<usize> {
    value.span().unwrap_or(0..0)
}

fn with_article(type_name: &str) -> String {
    let article = if type_name.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {type_name}")
}
