//! Backups that are proved: dumped in one snapshot with what every table held at that moment, restored
//! into a scratch database, and compared.
//!
//! The dump is made by PostgreSQL's own tools where the caller has them, and is our own copy otherwise:
//! the structure as statements and each table's rows as `COPY` writes them. The manifest says which.

mod figures;
mod own;

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Instant;

use qnt9_model::Millis;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio_postgres::Client;

pub use figures::TableFigures;

use crate::connection::Place;
use crate::copy::SNAPSHOT;
use crate::error::{DatabaseError, refused};
use crate::scratch::Scratch;
use crate::structure;

const MANIFEST: &str = "manifest.json";
const DUMP: &str = "database.dump";
const FORMAT: u32 = 1;

/// PostgreSQL's own tools, where there are some. Errors are sentences.
pub trait DumpTools {
    /// As the manifest calls them: `pg_dump 15.18`.
    fn name(&self) -> String;
    /// The major version, which must not be older than the server's.
    fn major(&self) -> u32;
    /// Dumps what the exported snapshot sees into a file.
    fn dump(
        &self,
        url: &str,
        snapshot: &str,
        file: &Path,
    ) -> impl Future<Output = Result<(), String>> + Send;
    /// Restores such a file into an empty database.
    fn restore(&self, url: &str, file: &Path) -> impl Future<Output = Result<(), String>> + Send;
}

/// What a backup is of and what was in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    format: u32,
    /// Host, port and database.
    pub database: String,
    /// When its snapshot was taken, by the database's clock.
    pub made: Millis,
    /// What made the dump.
    pub by: String,
    /// Whether it is a file of PostgreSQL's own tools.
    pub by_tools: bool,
    /// Every table's rows and checksum in that snapshot.
    pub tables: Vec<TableFigures>,
    /// The constraints, as PostgreSQL tells them.
    pub constraints: Vec<String>,
    /// Bytes of the dump.
    pub bytes: u64,
    /// The dump's SHA-256.
    pub digest: String,
}

impl Manifest {
    /// Rows of all tables.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }

    /// The manifest of the backup in a folder.
    ///
    /// # Errors
    /// When there is none, or it is of another format.
    pub fn read(folder: &Path) -> Result<Self, DatabaseError> {
        let path = folder.join(MANIFEST);
        let not = |why: String| DatabaseError::NoBackup { path: folder.to_owned(), why };
        let text = fs::read(&path).map_err(|error| not(format!("{MANIFEST}: {error}")))?;
        let read: Self =
            serde_json::from_slice(&text).map_err(|error| not(format!("{MANIFEST}: {error}")))?;
        match read.format {
            FORMAT => Ok(read),
            other => Err(not(format!("its format is {other}, and this program knows {FORMAT}"))),
        }
    }
}

/// What a verification found to be so.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verified {
    /// What was restored.
    pub manifest: Manifest,
    /// How old its snapshot is, in milliseconds.
    pub age_ms: i64,
    /// Seconds that restoring and comparing took.
    pub seconds: f64,
}

/// Dumps a database into a folder, which is made. With `tools` that are new enough for the server they
/// make the dump. Other sessions may go on writing: all figures are of the dump's own snapshot.
///
/// # Errors
/// See [`DatabaseError`].
pub async fn back_up(
    url: &str,
    folder: &Path,
    tools: Option<&impl DumpTools>,
) -> Result<Manifest, DatabaseError> {
    let place = Place::of("source", url)?;
    let client = place.connect().await?;
    client.batch_execute(SNAPSHOT).await.map_err(refused("beginning a snapshot"))?;
    let (made, major, snapshot) = about(&client).await?;
    let tables = figures::read(&client).await?;
    let constraints = structure::constraints(&client).await?;
    fs::create_dir_all(folder).map_err(at(folder))?;
    let fitting = tools.filter(|tools| tools.major() >= major);
    let by = match fitting {
        Some(tools) => {
            let file = folder.join(DUMP);
            let dumped = tools.dump(url, &snapshot, &file).await;
            dumped.map_err(|why| DatabaseError::Tool { tool: tools.name(), why })?;
            tools.name()
        }
        None => {
            own::dump(&client, &place, folder).await?;
            "qnt9's own copy".to_owned()
        }
    };
    let (bytes, digest) = digest(folder)?;
    let manifest = Manifest {
        format: FORMAT,
        database: place.shown(),
        made,
        by,
        by_tools: fitting.is_some(),
        tables,
        constraints,
        bytes,
        digest,
    };
    let text = serde_json::to_vec_pretty(&manifest).expect("a manifest is plain data");
    let path = folder.join(MANIFEST);
    fs::write(&path, text).map_err(at(&path))?;
    Ok(manifest)
}

/// Restores the backup in a folder into a scratch database beside `url` and compares every table with
/// what the manifest says of the dump's snapshot. The scratch database is removed, whatever comes of it.
///
/// # Errors
/// See [`DatabaseError`]: the backup is too old, damaged, cannot be restored, or differs.
pub async fn verify(
    url: &str,
    folder: &Path,
    tools: Option<&impl DumpTools>,
    now: Millis,
    age_max_ms: i64,
    stopped: impl Future<Output = ()>,
) -> Result<Verified, DatabaseError> {
    let since = Instant::now();
    let manifest = Manifest::read(folder)?;
    let age_ms = now.since(manifest.made);
    if age_ms > age_max_ms {
        return Err(DatabaseError::TooOld { path: folder.to_owned(), age_ms, age_max_ms });
    }
    if digest(folder)? != (manifest.bytes, manifest.digest.clone()) {
        let why = "its files are not those that were dumped".to_owned();
        return Err(DatabaseError::NoBackup { path: folder.to_owned(), why });
    }
    let place = Place::of("source", url)?;
    let scratch = Scratch::make(&place, "restore").await?;
    let restored = tokio::select! {
        restored = restore(&scratch, url, folder, &manifest, tools) => restored,
        () = stopped => Err(DatabaseError::Stopped),
    };
    if let Err(error) = scratch.remove().await {
        tracing::warn!("the scratch database was not removed: {error}");
    }
    restored?;
    Ok(Verified { manifest, age_ms, seconds: since.elapsed().as_secs_f64() })
}

async fn restore(
    scratch: &Scratch,
    url: &str,
    folder: &Path,
    manifest: &Manifest,
    tools: Option<&impl DumpTools>,
) -> Result<(), DatabaseError> {
    let place = scratch.place();
    if manifest.by_tools {
        let tools = tools.ok_or_else(|| DatabaseError::NoBackup {
            path: folder.to_owned(),
            why: format!("it was made by {}, and there is no pg_restore here", manifest.by),
        })?;
        let url = place.url_like(url);
        let restored = tools.restore(&url, &folder.join(DUMP)).await;
        restored.map_err(|why| DatabaseError::Tool { tool: "pg_restore".to_owned(), why })?;
    } else {
        own::restore(&place.connect().await?, folder).await?;
    }
    let client = place.connect().await?;
    let mut differences = figures::compare(&manifest.tables, &figures::read(&client).await?);
    let constraints = structure::constraints(&client).await?;
    differences.extend(structure::compare(&manifest.constraints, &constraints));
    match differences.is_empty() {
        true => Ok(()),
        false => Err(DatabaseError::Differs { what: "restored backup", differences }),
    }
}

/// The database's time, its major version, and the snapshot's name for other sessions.
async fn about(client: &Client) -> Result<(Millis, u32, String), DatabaseError> {
    let query = "SELECT (extract(epoch FROM pg_catalog.now()) * 1000)::int8,
                        pg_catalog.current_setting('server_version_num')::int4 / 10000,
                        pg_catalog.pg_export_snapshot()";
    let row = client.query_one(query, &[]).await.map_err(refused("exporting the snapshot"))?;
    let major = u32::try_from(row.get::<_, i32>(1)).unwrap_or(u32::MAX);
    Ok((Millis(row.get(0)), major, row.get(2)))
}

/// Bytes and SHA-256 of all files but the manifest, by name.
fn digest(folder: &Path) -> Result<(u64, String), DatabaseError> {
    let entries = fs::read_dir(folder).map_err(at(folder))?;
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(at(folder))?.path());
    }
    paths.retain(|path| path.file_name().is_some_and(|name| name != MANIFEST));
    paths.sort();
    let (mut bytes, mut all) = (0, Sha256::new());
    for path in paths {
        let mut file = fs::File::open(&path).map_err(at(&path))?;
        let mut one = Sha256::new();
        let mut piece = vec![0; 1 << 16];
        loop {
            let read = std::io::Read::read(&mut file, &mut piece).map_err(at(&path))?;
            if read == 0 {
                break;
            }
            one.update(&piece[..read]);
            bytes += read as u64;
        }
        all.update(path.file_name().unwrap_or_default().as_encoded_bytes());
        all.update(one.finalize());
    }
    Ok((bytes, hex::encode(all.finalize())))
}

pub(crate) fn at(path: &Path) -> impl FnOnce(std::io::Error) -> DatabaseError {
    let path = path.to_owned();
    |source| DatabaseError::File { path, source }
}
