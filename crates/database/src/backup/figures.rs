//! How many rows a table has and a checksum of what is in them, whatever their order.

use serde::{Deserialize, Serialize};
use tokio_postgres::Client;

use crate::catalog;
use crate::error::{DatabaseError, refused};

/// One table at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableFigures {
    /// The table.
    pub table: String,
    /// Its rows.
    pub rows: u64,
    /// The sums of both halves of every row's MD5. Equal tables have equal ones; it guards against damage, not
    /// against people.
    pub checksum: String,
}

/// Every table; within the transaction that the client is in.
pub(super) async fn read(client: &Client) -> Result<Vec<TableFigures>, DatabaseError> {
    let mut figures = Vec::new();
    for table in catalog::read(client).await?.tables {
        let query = format!(
            "SELECT pg_catalog.count(*), pg_catalog.concat(
               coalesce(pg_catalog.sum(('x' || pg_catalog.substr(d, 1, 16))::bit(64)::int8::numeric), 0), ' ',
               coalesce(pg_catalog.sum(('x' || pg_catalog.substr(d, 17))::bit(64)::int8::numeric), 0))
             FROM (SELECT pg_catalog.md5(t::text) AS d FROM ONLY {} t) rows",
            table.sql()
        );
        let doing = refused(format!("reading {}", table.shown()));
        let row = client.query_one(&query, &[]).await.map_err(doing)?;
        let rows = u64::try_from(row.get::<_, i64>(0)).unwrap_or(0);
        figures.push(TableFigures { table: table.full_name(), rows, checksum: row.get(1) });
    }
    Ok(figures)
}

pub(super) fn compare(dumped: &[TableFigures], restored: &[TableFigures]) -> Vec<String> {
    let mut differences = Vec::new();
    for before in dumped {
        let after = restored.iter().find(|after| after.table == before.table);
        match after {
            None => differences.push(format!("{} is missing", before.table)),
            Some(after) if after.rows != before.rows => differences.push(format!(
                "{} has {} rows instead of {}",
                before.table, after.rows, before.rows
            )),
            Some(after) if after.checksum != before.checksum => {
                differences.push(format!("{} has other values", before.table));
            }
            Some(_) => {}
        }
    }
    let added = restored.iter().filter(|after| dumped.iter().all(|one| one.table != after.table));
    differences.extend(added.map(|after| format!("{} was not there", after.table)));
    differences
}
