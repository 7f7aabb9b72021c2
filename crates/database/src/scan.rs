//! Looks for the source's personal values in every text of a copy.

use std::collections::BTreeMap;
use std::pin::pin;

use futures_util::TryStreamExt as _;
use serde::Serialize;
use tokio_postgres::Client;

use crate::agreement::{Agreement, TablePlan};
use crate::catalog::{Column, Kind};
use crate::connection::quoted;
use crate::error::{DatabaseError, refused};
use crate::index::Index;
use crate::replace::{Replacement, Rule, all_texts};
use crate::rows::{Lines, NULL, unescaped};
use crate::values::{Reach, Values, normal};

/// What came of it. No value is ever in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ScanReport {
    /// Distinct personal values that were looked for in every text.
    pub values: usize,
    /// Too short to say anything: looked for as whole values of their own columns alone.
    pub short: usize,
    /// Carried by too many rows to say anything about one: the same.
    pub common: usize,
    /// Texts that were looked through.
    pub texts: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Where values were found.
    pub hits: Vec<Hit>,
    /// Texts that equal a value of the source by chance: each is the proper replacement of another.
    pub coincidences: u64,
    /// Columns that were not looked through, and why, as the file says.
    pub public: Vec<PublicColumn>,
}

/// A column of the copy in which values of a column of the source were found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hit {
    /// `table.column` of the copy.
    pub column: String,
    /// `table.column` of the source.
    pub of: String,
    /// In how many texts.
    pub texts: u64,
}

/// A column that may hold what is personal elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PublicColumn {
    /// `table.column`.
    pub column: String,
    /// Why.
    pub reason: String,
}

/// Looks through the whole copy.
pub(crate) async fn scan(
    copy: &Client,
    agreement: &Agreement,
    values: &mut Values,
) -> Result<ScanReport, DatabaseError> {
    let mut report = ScanReport::default();
    let mut looked = Vec::new();
    for plan in &agreement.tables {
        looked.push(columns(plan, values, &mut report));
    }
    let values = &*values;
    for id in values.ids() {
        match values.reach(id) {
            Reach::Everywhere => {}
            Reach::Short => report.short += 1,
            Reach::Common => report.common += 1,
        }
    }
    let index = Index::of(values);
    report.values = index.len();
    let mut scan = Scan { values, index, report, hits: BTreeMap::new() };
    for (plan, columns) in agreement.tables.iter().zip(looked) {
        if !columns.is_empty() {
            scan.table(copy, plan, &columns).await?;
        }
    }
    let hit = |((column, of), texts): ((String, String), u64)| Hit { column, of, texts };
    let mut report = scan.report;
    report.hits = scan.hits.into_iter().map(hit).collect();
    Ok(report)
}

/// A column that is looked through.
struct Looked<'a> {
    name: String,
    column: &'a Column,
    /// Its own replacement, and the number of its values, when it is a personal column itself.
    own: Option<(&'a Replacement, u16)>,
}

fn columns<'a>(
    plan: &'a TablePlan,
    values: &mut Values,
    report: &mut ScanReport,
) -> Vec<Looked<'a>> {
    let mut looked = Vec::new();
    for (place, column) in plan.table.columns.iter().enumerate() {
        let name = format!("{}.{}", plan.table.shown(), column.name);
        let column_plan = plan.columns.iter().find(|plan| plan.place == place);
        if let Some(reason) = column_plan.and_then(|plan| plan.public.clone()) {
            report.public.push(PublicColumn { column: name, reason });
            continue;
        }
        if !column.kind.holds_text() {
            continue;
        }
        let personal = column_plan.filter(|plan| plan.replacement.is_personal());
        let own = personal.map(|plan| (&plan.replacement, values.column(&name)));
        looked.push(Looked { name, column, own });
    }
    looked
}

struct Scan<'a> {
    values: &'a Values,
    index: Index<'a>,
    report: ScanReport,
    hits: BTreeMap<(String, String), u64>,
}

impl Scan<'_> {
    async fn table(
        &mut self,
        copy: &Client,
        plan: &TablePlan,
        columns: &[Looked<'_>],
    ) -> Result<(), DatabaseError> {
        let doing = || refused(format!("reading {} of the copy", plan.table.shown()));
        let names: Vec<String> = columns.iter().map(|looked| quoted(&looked.column.name)).collect();
        let query =
            format!("COPY (SELECT {} FROM {}) TO STDOUT", names.join(", "), plan.table.sql());
        let mut stream = pin!(copy.copy_out(&query).await.map_err(doing())?);
        let mut lines = Lines::default();
        while let Some(chunk) = stream.try_next().await.map_err(doing())? {
            lines.add(&chunk);
            while let Some(line) = lines.next() {
                // A server of another encoding still sends what the client asked for, which is UTF-8.
                let line = String::from_utf8_lossy(&line);
                for (text, looked) in line.split('\t').zip(columns) {
                    if text != NULL {
                        self.cell(&unescaped(text), looked);
                    }
                }
            }
        }
        Ok(())
    }

    fn cell(&mut self, text: &str, looked: &Looked<'_>) {
        match looked.column.kind {
            Kind::Json => {
                for text in all_texts(text) {
                    self.text(&text, looked);
                }
            }
            Kind::Bytes => {
                let bytes = hex::decode(text.trim_start_matches("\\x")).unwrap_or_default();
                self.text(&String::from_utf8_lossy(&bytes), looked);
            }
            _ => self.text(text, looked),
        }
    }

    fn text(&mut self, text: &str, looked: &Looked<'_>) {
        let plain = normal(text);
        self.report.texts += 1;
        self.report.bytes += plain.len() as u64;
        let mut of: Vec<String> = Vec::new();
        self.index.find(plain.as_bytes(), |id| {
            let column = self.values.column_of(id);
            if !of.iter().any(|known| known == column) {
                of.push(column.to_owned());
            }
        });
        if self.is_value_of_its_own_column(text, looked) && !of.contains(&looked.name) {
            of.push(looked.name.clone());
        }
        if of.is_empty() {
            return;
        }
        if self.is_a_replacement(text, looked) {
            self.report.coincidences += 1;
            return;
        }
        for of in of {
            *self.hits.entry((looked.name.clone(), of)).or_default() += 1;
        }
    }

    /// Short and common values are looked for in this way alone. Of secrets and fixed values no short
    /// ones: a short text of the same form is soon somebody else's.
    fn is_value_of_its_own_column(&self, text: &str, looked: &Looked<'_>) -> bool {
        let Some((replacement, own)) = looked.own else { return false };
        let says_something = !matches!(
            replacement.rule,
            Rule::Secret
                | Rule::SecretBytes
                | Rule::Fixed { .. }
                | Rule::Drop { .. }
                | Rule::Json { .. }
        );
        says_something && has_letters_or_digits(text) && self.values.rows(own, text).is_some()
    }

    /// Whether the text is what another value of the same column was replaced by.
    fn is_a_replacement(&self, text: &str, looked: &Looked<'_>) -> bool {
        let Some((replacement, own)) = looked.own else { return false };
        let Some(original) = replacement.original(text) else { return false };
        normal(&original) != normal(text) && self.values.rows(own, &original).is_some()
    }
}

/// A dash says nothing, and is replaced by itself.
fn has_letters_or_digits(text: &str) -> bool {
    text.chars().any(char::is_alphanumeric)
}
