//! What tables a database has, and of each column what a copy must know.

use std::collections::BTreeMap;

use tokio_postgres::Client;

use crate::connection::quoted;
use crate::error::{DatabaseError, refused};

/// Schemas of PostgreSQL's own, and tables that an extension brings along, are not looked at.
pub(crate) const OURS: &str = "n.nspname NOT IN ('pg_catalog', 'information_schema') \
    AND n.nspname NOT LIKE 'pg\\_toast%' AND n.nspname NOT LIKE 'pg\\_temp%'";

const COLUMNS: &str = "
    SELECT c.oid, n.nspname::text, c.relname::text, a.attnum, a.attname::text, a.attnotnull,
           a.attgenerated <> '',
           CASE WHEN t.typtype = 'd' THEN pg_catalog.format_type(t.typbasetype, t.typtypmod)
                ELSE pg_catalog.format_type(a.atttypid, a.atttypmod) END,
           t.typnotnull
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND {OURS}
      AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
    ORDER BY n.nspname, c.relname, a.attnum";

const UNIQUE: &str = "
    SELECT i.indrelid, (i.indkey::int2[])[0:i.indnkeyatts - 1], i.indisprimary FROM pg_catalog.pg_index i
    WHERE i.indisunique ORDER BY i.indisprimary DESC, i.indexrelid";

const REFERENCES: &str = "
    SELECT conrelid, conkey, confrelid, confkey, conname::text FROM pg_catalog.pg_constraint
    WHERE contype = 'f' AND conparentid = 0 ORDER BY oid";

/// The tables of one database.
#[derive(Clone, Debug)]
pub(crate) struct Catalog {
    pub(crate) tables: Vec<Table>,
}

#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) columns: Vec<Column>,
    /// Columns by place in `columns`: those of the primary key first, then of other unique indexes.
    pub(crate) unique: Vec<Vec<usize>>,
    pub(crate) primary: Vec<usize>,
    pub(crate) references: Vec<Reference>,
}

#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) not_null: bool,
    /// Computed from others, so never copied.
    pub(crate) generated: bool,
    /// As SQL writes it.
    pub(crate) sql_type: String,
    pub(crate) kind: Kind,
}

/// A foreign key: which columns here reference which columns there, by place.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    pub(crate) name: String,
    pub(crate) columns: Vec<usize>,
    pub(crate) table: usize,
    pub(crate) referenced: Vec<usize>,
}

/// What a type is to a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// With the characters that it takes.
    Text {
        chars_max: usize,
    },
    /// With the bits of its positive numbers.
    Whole {
        bits: u32,
    },
    Number,
    Date,
    Uuid,
    Inet,
    Json,
    Bytes,
    /// Text in some form: lists of texts, XML, composite values.
    TextLike,
    /// No text is in it: booleans, enumerations, lists of numbers.
    Other,
}

impl Table {
    pub(crate) fn full_name(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// As people and the file of classes write it.
    pub(crate) fn shown(&self) -> String {
        if self.schema == "public" { self.name.clone() } else { self.full_name() }
    }

    pub(crate) fn sql(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.name))
    }

    pub(crate) fn place_of(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|known| known.name == column)
    }

    /// The columns that a copy writes, by place.
    pub(crate) fn written(&self) -> impl Iterator<Item = (usize, &Column)> {
        self.columns.iter().enumerate().filter(|(_, column)| !column.generated)
    }
}

impl Kind {
    /// Whether a text of another column could be found in it.
    pub(crate) const fn holds_text(self) -> bool {
        matches!(
            self,
            Self::Text { .. } | Self::Json | Self::TextLike | Self::Bytes | Self::Uuid | Self::Inet
        )
    }

    fn of(sql_type: &str) -> Self {
        if let Some(element) = sql_type.strip_suffix("[]") {
            // A list of what holds text is text; a list of anything else is not.
            let holds =
                !matches!(Self::of(element), Self::Whole { .. } | Self::Number | Self::Date);
            return if holds && Self::of(element) != Self::Other {
                Self::TextLike
            } else {
                Self::Other
            };
        }
        let (base, argument) = match sql_type.split_once('(') {
            Some((base, rest)) => (base, rest.trim_end_matches(')').parse().ok()),
            None => (sql_type, None),
        };
        // A type of an extension comes with its schema before it.
        let base = base.rsplit('.').next().unwrap_or(base);
        match base {
            "text" | "citext" | "character varying" | "character" | "\"char\"" | "name" => {
                let unsaid = if base == "character" { 1 } else { usize::MAX };
                Self::Text { chars_max: argument.unwrap_or(unsaid) }
            }
            "smallint" => Self::Whole { bits: 15 },
            "integer" => Self::Whole { bits: 31 },
            "bigint" => Self::Whole { bits: 63 },
            "numeric" | "real" | "double precision" => Self::Number,
            "date" => Self::Date,
            _ if sql_type.starts_with("timestamp") => Self::Date,
            "uuid" => Self::Uuid,
            "inet" => Self::Inet,
            "json" | "jsonb" => Self::Json,
            "bytea" => Self::Bytes,
            "boolean" | "money" | "interval" | "time" | "oid" | "bit" | "point" => Self::Other,
            _ if sql_type.starts_with("time ") || sql_type.starts_with("bit ") => Self::Other,
            // What is not known is taken for text, so that it is scanned.
            _ => Self::TextLike,
        }
    }
}

/// Reads the tables; within the transaction that the client is in.
pub(crate) async fn read(client: &Client) -> Result<Catalog, DatabaseError> {
    let doing = || refused("reading the tables");
    let columns = COLUMNS.replace("{OURS}", OURS);
    let mut tables: Vec<(u32, Vec<i16>, Table)> = Vec::new();
    for row in client.query(&columns, &[]).await.map_err(doing())? {
        let (oid, sql_type) = (row.get(0), row.get::<_, String>(7));
        if tables.last().is_none_or(|(known, ..)| *known != oid) {
            let table = Table {
                schema: row.get(1),
                name: row.get(2),
                columns: Vec::new(),
                unique: Vec::new(),
                primary: Vec::new(),
                references: Vec::new(),
            };
            tables.push((oid, Vec::new(), table));
        }
        let (_, numbers, table) = tables.last_mut().expect("one was just pushed");
        numbers.push(row.get(3));
        table.columns.push(Column {
            name: row.get(4),
            not_null: row.get::<_, bool>(5) || row.get::<_, bool>(8),
            generated: row.get(6),
            kind: Kind::of(&sql_type),
            sql_type,
        });
    }
    let places: BTreeMap<u32, usize> =
        tables.iter().enumerate().map(|(place, (oid, ..))| (*oid, place)).collect();
    let all_numbers: Vec<Vec<i16>> = tables.iter().map(|(_, numbers, _)| numbers.clone()).collect();
    let columns_of = |table: usize, numbers: &[i16]| -> Option<Vec<usize>> {
        let place = |number| all_numbers[table].iter().position(|known| known == number);
        numbers.iter().map(place).collect()
    };
    for row in client.query(UNIQUE, &[]).await.map_err(doing())? {
        let Some(&table) = places.get(&row.get(0)) else { continue };
        // An index over an expression has column 0: the copy's own index will tell.
        let Some(columns) = columns_of(table, &row.get::<_, Vec<i16>>(1)) else { continue };
        if row.get(2) {
            tables[table].2.primary.clone_from(&columns);
        }
        tables[table].2.unique.push(columns);
    }
    for row in client.query(REFERENCES, &[]).await.map_err(doing())? {
        let (here, there) = (places.get(&row.get(0)), places.get(&row.get(2)));
        let (Some(&here), Some(&there)) = (here, there) else { continue };
        let columns = columns_of(here, &row.get::<_, Vec<i16>>(1));
        let referenced = columns_of(there, &row.get::<_, Vec<i16>>(3));
        if let (Some(columns), Some(referenced)) = (columns, referenced) {
            let name = row.get(4);
            tables[here].2.references.push(Reference { name, columns, table: there, referenced });
        }
    }
    Ok(Catalog { tables: tables.into_iter().map(|(_, _, table)| table).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_known_by_what_they_hold() {
        for (sql, kind) in [
            ("character varying(40)", Kind::Text { chars_max: 40 }),
            ("character(3)", Kind::Text { chars_max: 3 }),
            ("text", Kind::Text { chars_max: usize::MAX }),
            ("public.citext", Kind::Text { chars_max: usize::MAX }),
            ("bigint", Kind::Whole { bits: 63 }),
            ("numeric(10,2)", Kind::Number),
            ("timestamp(3) with time zone", Kind::Date),
            ("timestamp without time zone", Kind::Date),
            ("text[]", Kind::TextLike),
            ("character varying(10)[]", Kind::TextLike),
            ("app.address", Kind::TextLike),
            ("integer[]", Kind::Other),
        ] {
            assert_eq!(Kind::of(sql), kind, "{sql}");
        }
    }
}
