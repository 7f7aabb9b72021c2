//! A masked copy: read in one snapshot of the source, written into a scratch database, compared,
//! scanned, and only then put in the target's place.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::time::Instant;

use bytes::Bytes;
use futures_util::{SinkExt as _, TryStreamExt as _};
use serde::Serialize;
use tokio_postgres::Client;

use crate::agreement::{self, Agreement, ColumnPlan, Spot, TablePlan};
use crate::catalog::{self, Catalog};
use crate::classes::{Classes, Problem, Problems};
use crate::connection::{Place, literal, quoted};
use crate::error::{DatabaseError, refused};
use crate::replace::{MaskingKey, Rule, replaced_texts};
use crate::rows::{Lines, NULL, escape_into, unescaped};
use crate::scan::{self, ScanReport};
use crate::scratch::Scratch;
use crate::structure;
use crate::values::Values;

/// Rows are handed on in pieces of about this size.
const PIECE_BYTES: usize = 64 * 1024;
pub(crate) const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// What is asked for.
#[derive(Debug)]
pub struct CopyRequest<'a> {
    /// The address of the database that is read.
    pub source: &'a str,
    /// The address of the database whose place the copy takes. It need not exist.
    pub target: &'a str,
    /// What becomes of each column.
    pub classes: &'a Classes,
    /// The target environment's key.
    pub key: &'a MaskingKey,
}

/// What a copy is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A table's rows are copied.
    Copied {
        /// The table.
        table: String,
        /// Its rows.
        rows: u64,
    },
    /// Constraints, indexes, views and triggers are added and checked.
    Checking,
    /// Personal values are looked for.
    Scanning,
    /// The copy takes the target's place.
    Switching,
}

/// What came of a copy.
#[derive(Clone, Debug, Serialize)]
pub struct CopyReport {
    /// Whether the copy is in the target's place now; it is not when the scan found something.
    pub switched: bool,
    /// What was copied.
    pub tables: Vec<CopiedTable>,
    /// Rows of all tables.
    pub rows: u64,
    /// Values that were replaced.
    pub replaced: u64,
    /// Constraints that the source has and the copy has too, checked on all rows.
    pub constraints: usize,
    /// What the scan found.
    pub scan: ScanReport,
    /// Lines of the file that are about nothing in the database.
    pub notes: Vec<String>,
    /// Seconds of copying, of constraints and indexes, of the scan.
    pub seconds: Seconds,
}

/// How long the parts took.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Seconds {
    /// Reading, replacing, writing.
    pub copy: f64,
    /// Adding constraints and indexes, and comparing them.
    pub constraints: f64,
    /// Looking for personal values.
    pub scan: f64,
    /// Putting it in the target's place.
    pub switch: f64,
}

/// One table of a copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CopiedTable {
    /// The table.
    pub table: String,
    /// Its rows.
    pub rows: u64,
    /// Values of it that were replaced.
    pub replaced: u64,
}

/// Makes a masked copy. When `stopped` is ready before it is done, or anything fails, or the scan finds
/// something, the scratch database goes and the target stays as it is.
///
/// # Errors
/// See [`DatabaseError`]. A scan that found something is no error: the report says so.
pub async fn copy(
    request: &CopyRequest<'_>,
    stopped: impl Future<Output = ()>,
    mut progress: impl FnMut(Progress),
) -> Result<CopyReport, DatabaseError> {
    let source = Place::of("source", request.source)?;
    let target = Place::of("target", request.target)?;
    if source.shown() == target.shown() {
        let why = "it is the source itself".to_owned();
        return Err(DatabaseError::Url { whose: "target", why });
    }
    let reader = source.connect().await?;
    reader.batch_execute(SNAPSHOT).await.map_err(refused("beginning a snapshot"))?;
    let catalog = catalog::read(&reader).await?;
    let agreement = agreed(&reader, &catalog, request).await?;
    let scratch = Scratch::make(&target, "copy").await?;
    let made = async {
        let mut report = fill(&reader, &source, &scratch, &agreement, &mut progress).await?;
        if report.scan.hits.is_empty() {
            progress(Progress::Switching);
            let since = Instant::now();
            scratch.take_place().await?;
            report.switched = true;
            report.seconds.switch = since.elapsed().as_secs_f64();
        }
        Ok(report)
    };
    let made = tokio::select! {
        made = made => made,
        () = stopped => Err(DatabaseError::Stopped),
    };
    // What went wrong first is what is told; the next copy removes what this one could not.
    if let Err(error) = scratch.remove().await {
        tracing::warn!("the scratch database was not removed: {error}");
    }
    made
}

/// Says of a database whether the file classifies all of it, without copying anything.
///
/// # Errors
/// See [`DatabaseError`]; [`DatabaseError::Unclassified`] names what is missing.
pub async fn check_classes(
    source: &str,
    classes: &Classes,
    key: &MaskingKey,
) -> Result<Vec<String>, DatabaseError> {
    let reader = Place::of("source", source)?.connect().await?;
    let request = CopyRequest { source, target: source, classes, key };
    let agreement = agreed(&reader, &catalog::read(&reader).await?, &request).await?;
    Ok(agreement.stale)
}

async fn agreed(
    reader: &Client,
    catalog: &Catalog,
    request: &CopyRequest<'_>,
) -> Result<Agreement, DatabaseError> {
    let mut largest = BTreeMap::new();
    for spot in agreement::whole_keys(catalog, request.classes) {
        largest.insert(spot, largest_number(reader, catalog, spot).await?);
    }
    let agreement = agreement::agree(catalog, request.classes, request.key, &largest);
    let agreement = agreement.map_err(DatabaseError::Unclassified)?;
    let bare = agreement.tables.iter().filter(|plan| plan.with_rows && plan.columns.is_empty());
    let bare: Vec<Problem> = bare
        .map(|plan| Problem {
            file: request.classes.file.clone(),
            line: None,
            column: None,
            message: format!("{} has no column that could be copied", plan.table.shown()),
            hint: None,
        })
        .collect();
    if bare.is_empty() { Ok(agreement) } else { Err(DatabaseError::Unclassified(Problems(bare))) }
}

async fn largest_number(
    reader: &Client,
    catalog: &Catalog,
    (table, column): Spot,
) -> Result<u64, DatabaseError> {
    let table = &catalog.tables[table];
    let name = quoted(&table.columns[column].name);
    // Of a negative number the one below zero counts, which is never larger than the type.
    let query = format!(
        "SELECT coalesce(max(CASE WHEN {name} < 0 THEN -({name}::int8 + 1) ELSE {name}::int8 END), 0) \
         FROM ONLY {}",
        table.sql()
    );
    let row =
        reader.query_one(&query, &[]).await.map_err(refused("looking for the largest key"))?;
    Ok(u64::try_from(row.get::<_, i64>(0)).unwrap_or(0))
}

async fn fill(
    reader: &Client,
    source: &Place,
    scratch: &Scratch,
    agreement: &Agreement,
    progress: &mut impl FnMut(Progress),
) -> Result<CopyReport, DatabaseError> {
    let since = Instant::now();
    let structure = structure::read(reader, &source.shown()).await?;
    let writer = scratch.place().connect().await?;
    structure::make(&writer, &structure.before).await?;
    let mut values = Values::default();
    let mut tables = Vec::new();
    for plan in agreement.tables.iter().filter(|plan| plan.with_rows) {
        let copied = copy_table(reader, &writer, plan, &mut values).await?;
        progress(Progress::Copied { table: copied.table.clone(), rows: copied.rows });
        tables.push(copied);
    }
    let copy = since.elapsed().as_secs_f64();

    progress(Progress::Checking);
    let since = Instant::now();
    structure::make(&writer, &structure.after).await?;
    advance_sequences(&writer, agreement).await?;
    let (constraints, differences) = structure::differences(reader, &writer).await?;
    if !differences.is_empty() {
        return Err(DatabaseError::Differs { what: "copy", differences });
    }
    writer.batch_execute("ANALYZE").await.map_err(refused("ANALYZE"))?;
    let constraints_s = since.elapsed().as_secs_f64();

    progress(Progress::Scanning);
    let since = Instant::now();
    let scan = scan::scan(&writer, agreement, &mut values).await?;
    let seconds = Seconds {
        copy,
        constraints: constraints_s,
        scan: since.elapsed().as_secs_f64(),
        switch: 0.0,
    };
    Ok(CopyReport {
        switched: false,
        rows: tables.iter().map(|table| table.rows).sum(),
        replaced: tables.iter().map(|table| table.replaced).sum(),
        tables,
        constraints,
        scan,
        notes: agreement.stale.clone(),
        seconds,
    })
}

async fn copy_table(
    reader: &Client,
    writer: &Client,
    plan: &TablePlan,
    values: &mut Values,
) -> Result<CopiedTable, DatabaseError> {
    let table = plan.table.shown();
    let doing = || refused(format!("copying {table}"));
    let columns: Vec<String> =
        plan.table.written().map(|(_, column)| quoted(&column.name)).collect();
    let (columns, sql) = (columns.join(", "), plan.table.sql());
    let read = format!("COPY (SELECT {columns} FROM ONLY {sql}) TO STDOUT");
    let write = format!("COPY {sql} ({columns}) FROM STDIN");
    let mut stream = pin!(reader.copy_out(&read).await.map_err(doing())?);
    let mut sink = pin!(writer.copy_in::<_, Bytes>(&write).await.map_err(doing())?);
    let mut masking = Masking::of(plan, values);
    let mut lines = Lines::default();
    let mut piece = String::with_capacity(2 * PIECE_BYTES);
    while let Some(chunk) = stream.try_next().await.map_err(doing())? {
        lines.add(&chunk);
        while let Some(line) = lines.next() {
            masking.row(&String::from_utf8_lossy(&line), &mut piece)?;
        }
        if piece.len() >= PIECE_BYTES {
            let full = std::mem::replace(&mut piece, String::with_capacity(2 * PIECE_BYTES));
            sink.send(Bytes::from(full)).await.map_err(doing())?;
        }
    }
    if !piece.is_empty() {
        sink.send(Bytes::from(piece)).await.map_err(doing())?;
    }
    let written = sink.finish().await.map_err(doing())?;
    let Masking { rows, replaced, .. } = masking;
    if written != rows {
        let differences = vec![format!("{table}: {rows} rows were read, {written} written")];
        return Err(DatabaseError::Differs { what: "copy", differences });
    }
    Ok(CopiedTable { table, rows, replaced })
}

/// Replaces the rows of one table and collects what must not be found afterwards.
struct Masking<'a> {
    plan: &'a TablePlan,
    values: &'a mut Values,
    /// The number of each personal column's values.
    personal: Vec<Option<u16>>,
    rows: u64,
    replaced: u64,
}

impl<'a> Masking<'a> {
    fn of(plan: &'a TablePlan, values: &'a mut Values) -> Self {
        let number = |column: &ColumnPlan| {
            let name = &plan.table.columns[column.place].name;
            let name = format!("{}.{name}", plan.table.shown());
            column.replacement.is_personal().then(|| values.column(&name))
        };
        let personal = plan.columns.iter().map(number).collect();
        Self { plan, values, personal, rows: 0, replaced: 0 }
    }

    fn row(&mut self, line: &str, piece: &mut String) -> Result<(), DatabaseError> {
        self.rows += 1;
        let cells: Vec<&str> = line.split('\t').collect();
        for (place, (cell, column)) in cells.iter().zip(&self.plan.columns).enumerate() {
            if place > 0 {
                piece.push('\t');
            }
            if *cell == NULL || column.replacement.rule == Rule::Keep {
                piece.push_str(cell);
                continue;
            }
            let text = unescaped(cell);
            self.collect(place, &text, column);
            let other = |place: usize| cells.get(place).copied();
            let made = column.replacement.of(&text, other).map_err(|_| DatabaseError::Value {
                table: self.plan.table.shown(),
                column: self.plan.table.columns[column.place].name.clone(),
                row: self.rows,
                class: column.word,
            })?;
            self.replaced += 1;
            match made {
                Some(made) => escape_into(&made, piece),
                None => piece.push_str(NULL),
            }
        }
        piece.push('\n');
        Ok(())
    }

    fn collect(&mut self, place: usize, text: &str, column: &ColumnPlan) {
        let Some(number) = self.personal[place] else { return };
        match &column.replacement.rule {
            Rule::Json { kept } => {
                for text in replaced_texts(text, kept) {
                    self.values.add(number, &text);
                }
            }
            _ => self.values.add(number, text),
        }
    }
}

/// A sequence must go on behind the largest of its column's replaced keys.
async fn advance_sequences(writer: &Client, agreement: &Agreement) -> Result<(), DatabaseError> {
    for plan in &agreement.tables {
        let replaced = plan
            .columns
            .iter()
            .filter(|column| matches!(column.replacement.rule, Rule::WholeNumber { .. }));
        for column in replaced {
            let name = &plan.table.columns[column.place].name;
            let (table, column) = (plan.table.sql(), quoted(name));
            let statement = format!(
                "SELECT pg_catalog.setval(s.name, greatest(s.largest, 1)) FROM (SELECT \
                 pg_catalog.pg_get_serial_sequence({}, {}) AS name, \
                 (SELECT max({column})::int8 FROM {table}) AS largest) s \
                 WHERE s.name IS NOT NULL AND s.largest IS NOT NULL",
                literal(&table),
                literal(name)
            );
            let doing = refused(format!("advancing the sequence of {}", plan.table.shown()));
            writer.batch_execute(&statement).await.map_err(doing)?;
        }
    }
    Ok(())
}
