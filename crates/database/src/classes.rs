//! The file that says of every column what becomes of it in a copy: `classes.toml`.

mod read;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub(crate) use read::WORDS;

/// What becomes of a column's values.
#[derive(Clone, Debug, PartialEq)]
pub enum Class {
    /// They stay. With `public`, the reason why they may hold what is personal elsewhere: such a column
    /// is not scanned.
    Keep {
        /// The reason.
        public: Option<String>,
    },
    /// Another key for each key, the same wherever it is referenced.
    Key,
    /// An address that reaches nobody.
    EMail,
    /// A name that nobody bears.
    Name,
    /// Other digits in the same form.
    Phone,
    /// Words without a meaning, about as many.
    FreeText,
    /// Another text of the same form, a different one for each.
    Pattern,
    /// Another text of the same form, from which nobody gets the first one back.
    Secret,
    /// Another valid ISIN of the same country.
    Isin,
    /// An address of a range that belongs to nobody.
    Ip,
    /// A number near it.
    Number {
        /// The greatest change, in percent.
        noise_percent: f64,
        /// Never less.
        min: Option<f64>,
        /// Never more.
        max: Option<f64>,
    },
    /// A day near it.
    Date {
        /// The greatest change, in days.
        days: u32,
        /// The column whose value decides by how many; without one, the primary key.
        by: Option<String>,
    },
    /// A document of the same shape with other texts and numbers.
    Json {
        /// Paths at and below which values stay.
        keep: Vec<String>,
    },
    /// Always this.
    Fixed {
        /// The value.
        value: String,
    },
    /// Nothing.
    Drop,
}

impl Class {
    /// The word of the file.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Keep { .. } => "keep",
            Self::Key => "key",
            Self::EMail => "e-mail",
            Self::Name => "name",
            Self::Phone => "phone",
            Self::FreeText => "free-text",
            Self::Pattern => "pattern",
            Self::Secret => "secret",
            Self::Isin => "isin",
            Self::Ip => "ip",
            Self::Number { .. } => "number",
            Self::Date { .. } => "date",
            Self::Json { .. } => "json",
            Self::Fixed { .. } => "fixed",
            Self::Drop => "drop",
        }
    }
}

/// One column's line in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Classified {
    /// What becomes of it.
    pub class: Class,
    /// Columns of one domain and class replace the same value by the same value. Without one, all
    /// columns of the class do; of `key`, all that reference the same column.
    pub domain: Option<String>,
    /// The line, from 1.
    pub line: usize,
}

/// The whole file.
#[derive(Clone, Debug, PartialEq)]
pub struct Classes {
    /// What problems call it.
    pub file: String,
    /// By `schema.table`, then by column.
    pub tables: BTreeMap<String, BTreeMap<String, Classified>>,
    /// Tables of which no row is copied.
    pub without_rows: BTreeSet<String>,
    /// The line of each table's heading, from 1.
    pub headings: BTreeMap<String, usize>,
}

impl Classes {
    /// Reads the text of the file; `file` is what problems call it.
    ///
    /// # Errors
    /// Everything wrong with it, in the order of its lines.
    pub fn read(file: &str, text: &str) -> Result<Self, Problems> {
        read::read(file, text)
    }
}

/// Something that stops a copy before anything is written.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// The line, where it is about one.
    pub line: Option<usize>,
    /// `table.column`, where it is about one.
    pub column: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "\n  {hint}"))
    }
}

/// All of them; never none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.0.iter().enumerate() {
            let newline = if number > 0 { "\n" } else { "" };
            write!(f, "{newline}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
