//! What takes the place of a value.

mod address;
mod date;
mod isin;
mod json;
mod keyed;
mod letters;
mod number;
mod permutation;
mod words;

pub use keyed::MaskingKey;

pub(crate) use json::{Paths, all_texts, replaced_texts};
pub(crate) use keyed::Keyed;
pub(crate) use letters::Signs;
pub(crate) use number::{Noise, key_bits};
pub(crate) use words::{E_MAIL_CHARS, NAME_CHARS, UNIQUE_BITS};

/// How a column's values are replaced, agreed with the column's type and constraints.
#[derive(Clone, Debug)]
pub(crate) struct Replacement {
    pub(crate) rule: Rule,
    pub(crate) keyed: Keyed,
    /// Characters that the column takes.
    pub(crate) chars_max: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Rule {
    Keep,
    /// Nothing, or the empty text where there must be something.
    Drop {
        to: Option<String>,
    },
    Fixed {
        value: String,
    },
    EMail,
    /// `bits` of the input are seen in the name.
    Name {
        bits: usize,
    },
    Signs(Signs),
    FreeText,
    Secret,
    /// Bytes, as many.
    SecretBytes,
    Isin,
    Address,
    WholeNumber {
        bits: u32,
    },
    Uuid,
    Number(Noise),
    /// `by` is the place in the row of the column that says by how many days.
    Date {
        days: u32,
        by: Option<usize>,
    },
    Json {
        kept: Paths,
    },
}

/// A value that the rule of its column cannot take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotReplaceable;

impl Replacement {
    /// What takes the place of `text`; `row` gives the text of another column of the same row.
    pub(crate) fn of<'a>(
        &self,
        text: &str,
        row: impl FnOnce(usize) -> Option<&'a str>,
    ) -> Result<Option<String>, NotReplaceable> {
        let keyed = &self.keyed;
        Ok(Some(match &self.rule {
            Rule::Keep => text.to_owned(),
            Rule::Drop { to } => return Ok(to.clone()),
            Rule::Fixed { value } => value.clone(),
            Rule::EMail => words::e_mail(keyed, text, self.chars_max),
            Rule::Name { bits } => words::name(keyed, text, self.chars_max, *bits),
            Rule::Signs(signs) => letters::replace(keyed, text, *signs),
            Rule::FreeText => words::free_text(keyed, text, self.chars_max),
            Rule::Secret => letters::regenerate(keyed, text),
            Rule::SecretBytes => letters::regenerate_bytes(keyed, text),
            Rule::Isin => isin::replace(keyed, text),
            Rule::Address => address::replace(keyed, text),
            Rule::WholeNumber { bits } => number::key(keyed, text, *bits).ok_or(NotReplaceable)?,
            Rule::Uuid => letters::uuid(keyed, text),
            Rule::Number(noise) => number::noisy(keyed, text, noise),
            Rule::Date { days, by } => {
                let by = by.and_then(row).unwrap_or_default();
                date::moved(keyed, text, by, *days)
            }
            Rule::Json { kept } => json::replace(keyed, text, kept).ok_or(NotReplaceable)?,
        }))
    }

    /// The value that this one replaces, for rules that are permutations.
    pub(crate) fn original(&self, replaced: &str) -> Option<String> {
        match &self.rule {
            Rule::Signs(signs) => Some(letters::original(&self.keyed, replaced, *signs)),
            Rule::Json { .. } => Some(letters::original(&self.keyed, replaced, Signs::All)),
            Rule::Isin => Some(isin::original(&self.keyed, replaced)),
            Rule::Uuid => Some(letters::original_uuid(&self.keyed, replaced)),
            Rule::WholeNumber { bits } => number::original_key(&self.keyed, replaced, *bits),
            _ => None,
        }
    }

    /// Whether different values surely have different replacements.
    pub(crate) const fn keeps_apart(&self) -> bool {
        match &self.rule {
            Rule::Keep
            | Rule::EMail
            | Rule::Signs(_)
            | Rule::Isin
            | Rule::WholeNumber { .. }
            | Rule::Uuid
            | Rule::Secret
            | Rule::SecretBytes => true,
            Rule::Name { bits } => *bits >= UNIQUE_BITS,
            Rule::Drop { .. }
            | Rule::Fixed { .. }
            | Rule::FreeText
            | Rule::Address
            | Rule::Number(_)
            | Rule::Date { .. }
            | Rule::Json { .. } => false,
        }
    }

    /// Whether the values of the column must not be found in the copy.
    pub(crate) const fn is_personal(&self) -> bool {
        !matches!(
            self.rule,
            Rule::Keep | Rule::WholeNumber { .. } | Rule::Number(_) | Rule::Date { .. }
        )
    }
}
