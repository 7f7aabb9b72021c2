//! Why something with a database could not be done.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::Problems;

/// Why a copy, a backup or a verification did not come about.
#[derive(Debug, Error)]
pub enum DatabaseError {
    /// An address that is none.
    #[error("the address of the {whose} database is not understood: {why}")]
    Url {
        /// `source`, `target`.
        whose: &'static str,
        /// What is wrong with it; never the address, which holds a password.
        why: String,
    },
    /// It does not answer, or not to us.
    #[error("cannot connect to {place}: {}", reason(.source))]
    Connect {
        /// Host, port and database.
        place: String,
        /// Why.
        #[source]
        source: tokio_postgres::Error,
    },
    /// It answers with an error.
    #[error("{doing}: {}", reason(.source))]
    Refused {
        /// What was being done.
        doing: String,
        /// Its answer.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The file does not classify everything, or classifies it as what it cannot be.
    #[error("{0}")]
    Unclassified(Problems),
    /// There is something in the source that a copy would not have.
    #[error("{place} has what a copy cannot carry yet: {}", .what.join(", "))]
    NotCarried {
        /// Host, port and database.
        place: String,
        /// What and where.
        what: Vec<String>,
    },
    /// A value that its class cannot replace.
    #[error("{table}.{column}, row {row}: the value does not fit the class `{class}`")]
    Value {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// Which row of the table as it was read, from 1.
        row: u64,
        /// The class's word.
        class: &'static str,
    },
    /// The copy differs from its source in what both must have.
    #[error("the {what} differs from its source: {}", .differences.join("; "))]
    Differs {
        /// `copy`, `restored backup`.
        what: &'static str,
        /// In what.
        differences: Vec<String>,
    },
    /// Somebody else loads the same target.
    #[error("{place} is being loaded by somebody else")]
    Busy {
        /// Host, port and database.
        place: String,
    },
    /// It was asked to stop.
    #[error("it was stopped before it was done")]
    Stopped,
    /// One of PostgreSQL's own tools failed.
    #[error("{tool} failed: {why}")]
    Tool {
        /// Which.
        tool: String,
        /// What it said.
        why: String,
    },
    /// A backup whose snapshot was taken too long ago.
    #[error("the backup in {path} is {} old, and at most {} is allowed", hours(*.age_ms), hours(*.age_max_ms))]
    TooOld {
        /// Its folder.
        path: PathBuf,
        /// Its age, in milliseconds.
        age_ms: i64,
        /// The greatest age, in milliseconds.
        age_max_ms: i64,
    },
    /// A file or folder of a backup cannot be used.
    #[error("cannot use {path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A backup that is none.
    #[error("{path} is not a backup: {why}")]
    NoBackup {
        /// Its folder.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

/// What PostgreSQL itself says, with its detail; the crate's own text is only "db error".
fn reason(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), std::error::Error::source(error)) {
        // The detail may show a row's values, so only what names things is told.
        (Some(said), _) => {
            let place = said.constraint().map(|name| format!(" (constraint {name})"));
            format!("{}{}", said.message(), place.unwrap_or_default())
        }
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}

/// Milliseconds as hours and minutes, or as seconds where they are few.
fn hours(ms: i64) -> String {
    const MINUTE_MS: i64 = 60_000;
    let minutes = ms / MINUTE_MS;
    match minutes {
        0 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        _ => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

/// Puts what was being done beside PostgreSQL's answer.
pub(crate) fn refused(
    doing: impl Into<String>,
) -> impl FnOnce(tokio_postgres::Error) -> DatabaseError {
    let doing = doing.into();
    |source| DatabaseError::Refused { doing, source }
}
