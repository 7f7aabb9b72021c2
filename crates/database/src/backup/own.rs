//! Our own dump: `structure.json`, and one file of rows for each table.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::pin::pin;

use bytes::Bytes;
use futures_util::{SinkExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};
use tokio_postgres::Client;

use super::at;
use crate::catalog;
use crate::connection::{Place, quoted};
use crate::error::{DatabaseError, refused};
use crate::structure::{self, Structure};

const CONTENTS: &str = "structure.json";
const PIECE_BYTES: usize = 64 * 1024;

#[derive(Serialize, Deserialize)]
struct Contents {
    structure: Structure,
    rows: Vec<Rows>,
}

#[derive(Serialize, Deserialize)]
struct Rows {
    /// Table and columns, as `COPY` takes them.
    into: String,
    file: String,
}

pub(super) async fn dump(
    client: &Client,
    place: &Place,
    folder: &Path,
) -> Result<(), DatabaseError> {
    let structure = structure::read(client, &place.shown()).await?;
    let mut rows = Vec::new();
    for (number, table) in catalog::read(client).await?.tables.iter().enumerate() {
        let columns: Vec<String> =
            table.written().map(|(_, column)| quoted(&column.name)).collect();
        let (columns, sql) = (columns.join(", "), table.sql());
        let file = format!("{number:05}.copy");
        let path = folder.join(&file);
        let doing = || refused(format!("dumping {}", table.shown()));
        let read = format!("COPY (SELECT {columns} FROM ONLY {sql}) TO STDOUT");
        let mut stream = pin!(client.copy_out(&read).await.map_err(doing())?);
        let mut written = std::io::BufWriter::new(File::create(&path).map_err(at(&path))?);
        while let Some(chunk) = stream.try_next().await.map_err(doing())? {
            written.write_all(&chunk).map_err(at(&path))?;
        }
        written.flush().map_err(at(&path))?;
        rows.push(Rows { into: format!("{sql} ({columns})"), file });
    }
    let path = folder.join(CONTENTS);
    let text = serde_json::to_vec_pretty(&Contents { structure, rows }).expect("it is plain data");
    fs::write(&path, text).map_err(at(&path))
}

pub(super) async fn restore(client: &Client, folder: &Path) -> Result<(), DatabaseError> {
    let path = folder.join(CONTENTS);
    let text = fs::read(&path).map_err(at(&path))?;
    let contents: Contents = serde_json::from_slice(&text).map_err(|error| {
        DatabaseError::NoBackup { path: folder.to_owned(), why: format!("{CONTENTS}: {error}") }
    })?;
    structure::make(client, &contents.structure.before).await?;
    for rows in &contents.rows {
        let path = folder.join(&rows.file);
        let mut file = File::open(&path).map_err(at(&path))?;
        let doing = || refused(format!("restoring {}", rows.into));
        let write = format!("COPY {} FROM STDIN", rows.into);
        let mut sink = pin!(client.copy_in::<_, Bytes>(&write).await.map_err(doing())?);
        loop {
            let mut piece = vec![0; PIECE_BYTES];
            let read = file.read(&mut piece).map_err(at(&path))?;
            if read == 0 {
                break;
            }
            piece.truncate(read);
            sink.send(Bytes::from(piece)).await.map_err(doing())?;
        }
        sink.finish().await.map_err(doing())?;
    }
    structure::make(client, &contents.structure.after).await
}
