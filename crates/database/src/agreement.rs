//! Whether the file of classes and the database agree, and what follows for each column.
//!
//! Everything is checked before anything is written: that each column has a class, that the class fits
//! its type, that replaced keys stay different where they must, and that what references something is
//! replaced as that is.

mod fit;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::catalog::{Catalog, Column, Kind, Table};
use crate::classes::{Class, Classes, Classified, Problem, Problems, WORDS};
use crate::replace::{MaskingKey, Replacement, Rule};

/// What is done with each table.
#[derive(Debug)]
pub(crate) struct Agreement {
    pub(crate) tables: Vec<TablePlan>,
    /// Lines of the file that are about nothing in the database.
    pub(crate) stale: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct TablePlan {
    pub(crate) table: Table,
    /// Whether its rows are copied.
    pub(crate) with_rows: bool,
    /// One for each written column, in their order.
    pub(crate) columns: Vec<ColumnPlan>,
}

#[derive(Clone, Debug)]
pub(crate) struct ColumnPlan {
    /// The place in the table's columns.
    pub(crate) place: usize,
    pub(crate) word: &'static str,
    pub(crate) replacement: Replacement,
    /// Why it may hold what is personal elsewhere.
    pub(crate) public: Option<String>,
}

/// Tables and columns by their places.
pub(crate) type Spot = (usize, usize);

/// Which columns are linked by foreign keys: each spot's representative.
pub(crate) struct Links(BTreeMap<Spot, Spot>);

impl Links {
    pub(crate) fn of(catalog: &Catalog) -> Self {
        let mut links = Self(BTreeMap::new());
        for (here, table) in catalog.tables.iter().enumerate() {
            for reference in &table.references {
                for (from, to) in reference.columns.iter().zip(&reference.referenced) {
                    let (from, to) =
                        (links.root((here, *from)), links.root((reference.table, *to)));
                    // The referenced one represents both, so that names of domains mean something.
                    if from != to {
                        links.0.insert(from, to);
                    }
                }
            }
        }
        links
    }

    pub(crate) fn root(&self, spot: Spot) -> Spot {
        self.0.get(&spot).map_or(spot, |next| self.root(*next))
    }
}

/// The columns of whole numbers that are replaced as keys: their greatest number must be known first.
pub(crate) fn whole_keys(catalog: &Catalog, classes: &Classes) -> Vec<Spot> {
    let is_key = |table: &Table, column: &Column| {
        let classified = classes.tables.get(&table.full_name());
        let class = classified.and_then(|columns| columns.get(&column.name));
        matches!(column.kind, Kind::Whole { .. })
            && class.is_some_and(|classified| classified.class == Class::Key)
    };
    let tables = catalog.tables.iter().enumerate();
    let spots = tables.flat_map(|(here, table)| {
        let columns = table.written().filter(|(_, column)| is_key(table, column));
        columns.map(move |(place, _)| (here, place))
    });
    spots.collect()
}

/// Brings both together. `largest` are the greatest numbers in the columns that [`whole_keys`] named.
pub(crate) fn agree(
    catalog: &Catalog,
    classes: &Classes,
    key: &MaskingKey,
    largest: &BTreeMap<Spot, u64>,
) -> Result<Agreement, Problems> {
    let links = Links::of(catalog);
    let mut problems = Vec::new();
    let mut tables = Vec::new();
    let fitting = fit::Fitting { catalog, classes, key, links: &links, largest };
    for (here, table) in catalog.tables.iter().enumerate() {
        let mut columns = Vec::new();
        let with_rows = !classes.without_rows.contains(&table.full_name());
        for (place, column) in table.written().filter(|_| with_rows) {
            let Some(classified) = classified(classes, table, column) else {
                problems.push(unclassified(classes, table, column));
                continue;
            };
            match fitting.replacement((here, place), classified) {
                Ok(replacement) => columns.push(ColumnPlan {
                    place,
                    word: classified.class.word(),
                    replacement,
                    public: public(&classified.class),
                }),
                Err((message, hint)) => {
                    problems.push(problem(classes, classified, table, column, &message, hint));
                }
            }
        }
        tables.push(TablePlan { table: table.clone(), with_rows, columns });
    }
    problems.extend(linked_otherwise(catalog, classes, &links));
    problems.extend(may_meet(&tables, classes));
    let stale = stale(catalog, classes);
    if problems.is_empty() { Ok(Agreement { tables, stale }) } else { Err(Problems(problems)) }
}

fn classified<'a>(classes: &'a Classes, table: &Table, column: &Column) -> Option<&'a Classified> {
    classes.tables.get(&table.full_name())?.get(&column.name)
}

fn public(class: &Class) -> Option<String> {
    match class {
        Class::Keep { public } => public.clone(),
        _ => None,
    }
}

fn problem(
    classes: &Classes,
    classified: &Classified,
    table: &Table,
    column: &Column,
    message: &str,
    hint: Option<String>,
) -> Problem {
    let name = format!("{}.{}", table.shown(), column.name);
    let message = format!("{name} cannot be `{}`: {message}", classified.class.word());
    let line = Some(classified.line);
    Problem { file: classes.file.clone(), line, column: Some(name), message, hint }
}

fn unclassified(classes: &Classes, table: &Table, column: &Column) -> Problem {
    let name = format!("{}.{}", table.shown(), column.name);
    let heading = table.shown();
    let heading =
        if heading.contains('.') { format!("[\"{heading}\"]") } else { format!("[{heading}]") };
    let line = classes.headings.get(&table.full_name()).copied();
    let add = if line.is_some() { "add to" } else { "add the table" };
    let guess = guess(table, column);
    let hint = format!(
        "{add} {heading}: {} = \"{guess}\"   (a guess by its name and type; the classes are {WORDS})",
        column.name
    );
    let message = format!("{name} ({}) is not classified", column.sql_type);
    Problem { file: classes.file.clone(), line, column: Some(name), message, hint: Some(hint) }
}

fn guess(table: &Table, column: &Column) -> &'static str {
    let name = column.name.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    let is_text = matches!(column.kind, Kind::Text { .. });
    let is_primary = table.primary.iter().any(|place| table.columns[*place].name == column.name);
    match column.kind {
        Kind::Json => "json",
        Kind::Uuid => "key",
        Kind::Inet => "ip",
        Kind::Whole { .. } if is_primary || name == "id" || name.ends_with("_id") => "key",
        _ if is_text && has(&["mail"]) => "e-mail",
        _ if is_text && has(&["phone", "mobile", "tel", "fax"]) => "phone",
        _ if is_text && has(&["passw", "hash", "token", "secret", "api_key", "salt"]) => "secret",
        _ if is_text && has(&["isin"]) => "isin",
        _ if is_text && has(&["note", "comment", "text", "message", "description", "reason"]) => {
            "free-text"
        }
        _ if is_text && has(&["name", "street", "city"]) => "name",
        Kind::Date if has(&["birth", "born"]) => "date",
        Kind::Number if has(&["amount", "balance", "salary", "price"]) => "number",
        _ if is_text => "pattern",
        _ => "keep",
    }
}

/// Columns that reference something and are replaced otherwise than that is.
fn linked_otherwise(catalog: &Catalog, classes: &Classes, links: &Links) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (here, table) in catalog.tables.iter().enumerate() {
        for reference in &table.references {
            for (from, to) in reference.columns.iter().zip(&reference.referenced) {
                let other = &catalog.tables[reference.table];
                let (from, to) = (&table.columns[*from], &other.columns[*to]);
                let (Some(ours), Some(theirs)) =
                    (classified(classes, table, from), classified(classes, other, to))
                else {
                    continue;
                };
                if ours.class == theirs.class && ours.domain == theirs.domain {
                    continue;
                }
                let message = format!(
                    "{} references {}.{}, which is `{}` with its own options",
                    reference.name,
                    other.shown(),
                    to.name,
                    theirs.class.word()
                );
                let hint = "give both the same class, options and domain".to_owned();
                problems.push(problem(classes, ours, table, from, &message, Some(hint)));
            }
        }
        debug_assert!(table.columns.is_empty() || links.root((here, 0)).0 < catalog.tables.len());
    }
    problems
}

/// Unique columns whose replacements could meet.
fn may_meet(tables: &[TablePlan], classes: &Classes) -> Vec<Problem> {
    let mut problems = Vec::new();
    for plan in tables {
        let table = &plan.table;
        let apart = |place: &usize| {
            let column = plan.columns.iter().find(|column| column.place == *place);
            let is_primary = table.primary.contains(place);
            column.is_none_or(|column| {
                let is_null = column.replacement.rule == Rule::Drop { to: None } && !is_primary;
                column.replacement.keeps_apart() || is_null
            })
        };
        for unique in &table.unique {
            // What differs already in fewer columns differs in more of them.
            let narrower =
                table.unique.iter().filter(|other| other.iter().all(|one| unique.contains(one)));
            if narrower.into_iter().any(|columns| columns.iter().all(apart)) {
                continue;
            }
            for place in unique.iter().filter(|place| !apart(place)) {
                let column = &table.columns[*place];
                let Some(classified) = classified(classes, table, column) else { continue };
                let message = "the column is unique, and replacements of that class may meet";
                let hint = "key, e-mail, name, phone, pattern, secret and isin keep values apart";
                let hint = Some(hint.to_owned());
                problems.push(problem(classes, classified, table, column, message, hint));
            }
        }
    }
    problems
}

fn stale(catalog: &Catalog, classes: &Classes) -> Vec<String> {
    let mut stale = Vec::new();
    for (name, columns) in &classes.tables {
        let table = catalog.tables.iter().find(|table| table.full_name() == *name);
        for (column, classified) in columns {
            if table.is_none_or(|table| table.place_of(column).is_none()) {
                let file = &classes.file;
                stale.push(format!(
                    "{file}:{}: the database has no {name}.{column}",
                    classified.line
                ));
            }
        }
    }
    let missing = classes
        .without_rows
        .iter()
        .filter(|name| !catalog.tables.iter().any(|table| table.full_name() == **name));
    stale.extend(missing.map(|name| {
        let line = classes.headings.get(name).copied().unwrap_or(1);
        format!("{}:{line}: the database has no {name}", classes.file)
    }));
    stale
}
