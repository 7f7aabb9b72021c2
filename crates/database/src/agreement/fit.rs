//! Whether a class fits a column, and the replacement that follows.

use std::collections::BTreeMap;

use super::{Links, Spot};
use crate::catalog::{Catalog, Column, Kind};
use crate::classes::{Class, Classes, Classified};
use crate::replace::{
    E_MAIL_CHARS, MaskingKey, NAME_CHARS, Noise, Replacement, Rule, Signs, UNIQUE_BITS, key_bits,
};

/// Shorter columns cannot hold an address that is one.
const E_MAIL_CHARS_MIN: usize = 17;

/// What is wrong, and what to do.
type Misfit = (String, Option<String>);

pub(super) struct Fitting<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) classes: &'a Classes,
    pub(super) key: &'a MaskingKey,
    pub(super) links: &'a Links,
    pub(super) largest: &'a BTreeMap<Spot, u64>,
}

impl Fitting<'_> {
    pub(super) fn replacement(
        &self,
        spot: Spot,
        classified: &Classified,
    ) -> Result<Replacement, Misfit> {
        let column = self.column(spot);
        let own_chars = match column.kind {
            Kind::Text { chars_max } => chars_max,
            _ => usize::MAX,
        };
        let rule = self.rule(spot, classified)?;
        let chars_max = match classified.class {
            // One value has one replacement in all columns of the domain, so the narrowest decides.
            Class::EMail | Class::Name => self.narrowest(classified),
            _ => own_chars,
        };
        Ok(Replacement {
            rule,
            keyed: self.key.function(&self.domain(spot, classified)),
            chars_max,
        })
    }

    fn rule(&self, spot: Spot, classified: &Classified) -> Result<Rule, Misfit> {
        let column = self.column(spot);
        let is_text = matches!(column.kind, Kind::Text { .. });
        let text = |rule: Rule| if is_text { Ok(rule) } else { Err(unfit(column, "texts")) };
        match &classified.class {
            Class::Keep { .. } => Ok(Rule::Keep),
            Class::Fixed { value } => Ok(Rule::Fixed { value: value.clone() }),
            Class::Drop if !column.not_null => Ok(Rule::Drop { to: None }),
            Class::Drop if is_text => Ok(Rule::Drop { to: Some(String::new()) }),
            Class::Drop => Err((
                format!("the column is {} and must not be NULL", column.sql_type),
                Some("use { class = \"fixed\", value = \"…\" }".to_owned()),
            )),
            Class::Key => match column.kind {
                Kind::Whole { .. } => Ok(Rule::WholeNumber { bits: self.bits(spot) }),
                Kind::Uuid => Ok(Rule::Uuid),
                Kind::Text { .. } => Ok(Rule::Signs(Signs::All)),
                _ => Err(unfit(column, "whole numbers, UUIDs and texts")),
            },
            Class::EMail => self.e_mail(spot, classified),
            Class::Name => self.name(spot, classified),
            Class::Phone => text(Rule::Signs(Signs::Digits)),
            Class::FreeText => text(Rule::FreeText),
            Class::Pattern => text(Rule::Signs(Signs::All)),
            Class::Secret if column.kind == Kind::Bytes => Ok(Rule::SecretBytes),
            Class::Secret => text(Rule::Secret),
            Class::Isin => text(Rule::Isin),
            Class::Ip if column.kind == Kind::Inet || is_text => Ok(Rule::Address),
            Class::Ip => Err(unfit(column, "inet and texts")),
            Class::Number { noise_percent, min, max } => match column.kind {
                Kind::Whole { .. } | Kind::Number => {
                    Ok(Rule::Number(Noise { percent: *noise_percent, min: *min, max: *max }))
                }
                _ => Err(unfit(column, "numbers")),
            },
            Class::Date { days, by } => {
                let by = self.by(spot, by.as_deref())?;
                match column.kind {
                    Kind::Date => Ok(Rule::Date { days: *days, by }),
                    _ => Err(unfit(column, "dates and timestamps")),
                }
            }
            Class::Json { keep } if column.kind == Kind::Json => {
                Ok(Rule::Json { kept: keep.clone() })
            }
            Class::Json { .. } => Err(unfit(column, "json and jsonb")),
        }
    }

    fn e_mail(&self, spot: Spot, classified: &Classified) -> Result<Rule, Misfit> {
        let column = self.column(spot);
        let room = self.narrowest(classified);
        let needed = if self.is_unique(classified) { E_MAIL_CHARS } else { E_MAIL_CHARS_MIN };
        match column.kind {
            Kind::Text { .. } if room >= needed => Ok(Rule::EMail),
            Kind::Text { .. } => Err(too_short(room, needed)),
            _ => Err(unfit(column, "texts")),
        }
    }

    fn name(&self, spot: Spot, classified: &Classified) -> Result<Rule, Misfit> {
        let column = self.column(spot);
        let (room, is_unique) = (self.narrowest(classified), self.is_unique(classified));
        match column.kind {
            Kind::Text { .. } if !is_unique => Ok(Rule::Name { bits: 0 }),
            Kind::Text { .. } if room >= NAME_CHARS => Ok(Rule::Name { bits: UNIQUE_BITS }),
            Kind::Text { .. } => Err(too_short(room, NAME_CHARS)),
            _ => Err(unfit(column, "texts")),
        }
    }

    /// The column that says by how many days: the named one, else the primary key's first.
    fn by(&self, (table, _): Spot, by: Option<&str>) -> Result<Option<usize>, Misfit> {
        let table = &self.catalog.tables[table];
        let place = match by {
            None => table.primary.first().copied(),
            Some(name) => Some(table.place_of(name).ok_or_else(|| {
                (format!("`by` names no column of {}: {name}", table.shown()), None)
            })?),
        };
        // Rows hold written columns alone, so places are counted among these.
        Ok(place.and_then(|place| table.written().position(|(known, _)| known == place)))
    }

    /// Columns of linked keys are permuted alike, so among as many as the largest of all needs.
    fn bits(&self, spot: Spot) -> u32 {
        let root = self.links.root(spot);
        let linked = self.largest.iter().filter(|(other, _)| self.links.root(**other) == root);
        let largest = linked.clone().map(|(_, largest)| *largest).max().unwrap_or(0);
        let width = linked.filter_map(|(other, _)| match self.column(*other).kind {
            Kind::Whole { bits } => Some(bits),
            _ => None,
        });
        key_bits(largest, width.min().unwrap_or(63))
    }

    fn domain(&self, spot: Spot, classified: &Classified) -> String {
        let word = classified.class.word();
        match (&classified.domain, &classified.class) {
            (Some(domain), _) => format!("{word} {domain}"),
            (None, Class::Key) => {
                let (table, column) = self.links.root(spot);
                let table = &self.catalog.tables[table];
                format!("{word} {}.{}", table.full_name(), table.columns[column].name)
            }
            (None, _) => word.to_owned(),
        }
    }

    /// The columns of the same class and domain.
    fn alike(&self, classified: &Classified) -> impl Iterator<Item = Spot> {
        let of = |spot: &Spot| {
            let (table, column) = (&self.catalog.tables[spot.0], self.column(*spot));
            self.classes.tables.get(&table.full_name())?.get(&column.name)
        };
        let spots = self
            .catalog
            .tables
            .iter()
            .enumerate()
            .flat_map(|(here, table)| (0..table.columns.len()).map(move |place| (here, place)));
        spots.filter(move |spot| {
            of(spot).is_some_and(|other| {
                other.class == classified.class && other.domain == classified.domain
            })
        })
    }

    fn narrowest(&self, classified: &Classified) -> usize {
        let chars = self.alike(classified).filter_map(|spot| match self.column(spot).kind {
            Kind::Text { chars_max } => Some(chars_max),
            _ => None,
        });
        chars.min().unwrap_or(usize::MAX)
    }

    fn is_unique(&self, classified: &Classified) -> bool {
        let mut alike = self.alike(classified);
        alike.any(|(table, place)| {
            self.catalog.tables[table].unique.iter().any(|unique| unique.contains(&place))
        })
    }

    fn column(&self, (table, place): Spot) -> &Column {
        &self.catalog.tables[table].columns[place]
    }
}

fn unfit(column: &Column, takes: &str) -> Misfit {
    (format!("the column is {}, and the class is for {takes}", column.sql_type), None)
}

fn too_short(room: usize, needed: usize) -> Misfit {
    let message = format!(
        "the narrowest column of its class and domain holds {room} characters, and {needed} are needed"
    );
    (message, Some("give the narrow column a `domain` of its own, or use `pattern`".to_owned()))
}
