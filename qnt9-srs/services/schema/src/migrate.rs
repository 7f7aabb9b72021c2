//! Taking the steps that a database lacks.

use std::{error::Error as _, fmt, time::Duration};

use tokio::time::sleep;
use tokio_postgres::{Client, GenericClient, Transaction, error::SqlState};

use crate::{
    Phase, Release, Step,
    releases::{self, InUse},
};

/// Who holds this advisory lock takes steps. The same in every release.
pub const LOCK: i64 = 0x51_4e_54_39;
/// A step waits at most this long for a table that others use: requests queue behind it.
const TABLE_WAIT: &str = "500ms";
/// So often it tries again, after a pause in which the queue empties.
const TABLE_TRIES: u32 = 40;
const TABLE_PAUSE: Duration = Duration::from_millis(250);

/// What was done.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Migrated {
    /// The steps taken, by name.
    pub taken: Vec<&'static str>,
    /// The first contract step that has to wait. Those behind it wait as well.
    pub postponed: Option<Postponed>,
}

/// A contract step that waits, and for whom.
#[derive(Debug, PartialEq, Eq)]
pub struct Postponed {
    pub step: &'static str,
    pub because: String,
}

/// Takes those of `steps` that the database lacks, one transaction each. Only one release does this at a
/// time; the others wait.
///
/// A contract step that a release in use could not bear is postponed: this release works without it. An
/// expand step of that kind is an error, and nothing of it stays.
pub async fn migrate(
    client: &mut Client,
    steps: &[Step],
    release: &Release<'_>,
) -> Result<Migrated, MigrateError> {
    client.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await?;
    let migrated = migrate_alone(client, steps, release).await;
    let unlocked = client.execute("SELECT pg_advisory_unlock($1)", &[&LOCK]).await;
    let migrated = migrated?;
    unlocked?;
    Ok(migrated)
}

async fn migrate_alone(
    client: &mut Client,
    steps: &[Step],
    release: &Release<'_>,
) -> Result<Migrated, MigrateError> {
    client
        .batch_execute("CREATE TABLE IF NOT EXISTS schema_steps (version int PRIMARY KEY)")
        .await?;
    let row = client.query_one("SELECT coalesce(max(version), 0) FROM schema_steps", &[]).await?;
    // A newer release may have been here before a rollback: then there is nothing left to do.
    let version = usize::try_from(row.get::<_, i32>(0)).unwrap_or(0);
    let mut migrated = Migrated::default();
    for (number, step) in (1_i32..).zip(steps).skip(version) {
        match take_when_free(client, number, step, release).await {
            Ok(()) => migrated.taken.push(step.name),
            Err(MigrateError::Refused { because, .. }) if step.phase() == Phase::Contract => {
                migrated.postponed = Some(Postponed { step: step.name, because });
                break;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(migrated)
}

/// Takes a step as soon as nobody stands in its way for longer than [`TABLE_WAIT`].
async fn take_when_free(
    client: &mut Client,
    number: i32,
    step: &Step,
    release: &Release<'_>,
) -> Result<(), MigrateError> {
    for _ in 1..TABLE_TRIES {
        match take(client, number, step, release).await {
            Err(MigrateError::Step { source, .. })
                if source.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) =>
            {
                sleep(TABLE_PAUSE).await;
            }
            outcome => return outcome,
        }
    }
    take(client, number, step, release).await
}

async fn take(
    client: &mut Client,
    number: i32,
    step: &Step,
    release: &Release<'_>,
) -> Result<(), MigrateError> {
    let failed = |source| MigrateError::Step { step: step.name, source };
    let refused = |because| MigrateError::Refused { step: step.name, because };
    let mut transaction = client.transaction().await.map_err(failed)?;
    let wait = format!("SET LOCAL lock_timeout = '{TABLE_WAIT}'");
    transaction.batch_execute(&wait).await.map_err(failed)?;
    let in_use = releases::in_use(&transaction, release).await.map_err(failed)?;
    let before = columns(&transaction).await.map_err(failed)?;
    // What fails already is not the step's fault: it may need an extension that is not there.
    let broken_before = broken(&mut transaction, &in_use).await.map_err(failed)?;
    transaction.batch_execute(step.sql).await.map_err(failed)?;
    let broken_now = broken(&mut transaction, &in_use).await.map_err(failed)?;
    let already = |now: &&Broken| broken_before.iter().any(|b| b.statement == now.statement);
    if let Some(Broken { release, statement, message }) = broken_now.iter().find(|b| !already(b)) {
        let statement = statement.split_whitespace().collect::<Vec<_>>().join(" ");
        return Err(refused(format!("{release} is in use: {message}, in: {statement}")));
    }
    let after = columns(&transaction).await.map_err(failed)?;
    if let Some(column) = newly_mandatory(&before, &after) {
        return Err(refused(format!(
            "{}.{} must not be null and has no default: an earlier release does not fill it",
            column.table, column.name
        )));
    }
    let note = "INSERT INTO schema_steps VALUES ($1)";
    transaction.execute(note, &[&number]).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)
}

/// A statement that PostgreSQL would not take.
struct Broken {
    release: String,
    statement: String,
    message: String,
}

/// What the releases ask that PostgreSQL does not take with the tables as this transaction sees them.
async fn broken(
    transaction: &mut Transaction<'_>,
    releases: &[InUse],
) -> Result<Vec<Broken>, tokio_postgres::Error> {
    let mut broken = Vec::new();
    for release in releases {
        for statement in &release.statements {
            let attempt = transaction.transaction().await?;
            let prepared = attempt.prepare(statement).await;
            attempt.rollback().await?;
            if let Err(error) = prepared {
                let Some(answer) = error.as_db_error() else { return Err(error) };
                broken.push(Broken {
                    release: release.name.clone(),
                    statement: statement.clone(),
                    message: answer.message().to_owned(),
                });
            }
        }
    }
    Ok(broken)
}

struct Column {
    table: String,
    name: String,
    /// Whether an insert has to name it.
    mandatory: bool,
}

/// A column that inserts into a table of before have to name only now.
fn newly_mandatory<'a>(before: &[Column], after: &'a [Column]) -> Option<&'a Column> {
    after.iter().filter(|column| column.mandatory).find(|column| {
        let mut of_table = before.iter().filter(|b| b.table == column.table).peekable();
        of_table.peek().is_some() && !of_table.any(|b| b.name == column.name && b.mandatory)
    })
}

async fn columns(client: &impl GenericClient) -> Result<Vec<Column>, tokio_postgres::Error> {
    let columns = "
        SELECT table_name::text, column_name::text,
               is_nullable = 'NO' AND column_default IS NULL
                   AND is_identity = 'NO' AND is_generated = 'NEVER'
        FROM information_schema.columns WHERE table_schema = current_schema()";
    let rows = client.query(columns, &[]).await?;
    let column = |row: &tokio_postgres::Row| Column {
        table: row.get(0),
        name: row.get(1),
        mandatory: row.get(2),
    };
    Ok(rows.iter().map(column).collect())
}

/// Why a database could not be brought to this version.
#[derive(Debug)]
pub enum MigrateError {
    /// A release in use could not bear the step.
    Refused { step: &'static str, because: String },
    /// PostgreSQL did not take the step.
    Step { step: &'static str, source: tokio_postgres::Error },
    /// PostgreSQL gave no answer.
    Database(tokio_postgres::Error),
}

impl fmt::Display for MigrateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { step, because } => write!(
                f,
                "step {step} was not taken: {because}. Add beside it first; remove what nobody uses \
                 with a contract step of a later release"
            ),
            Self::Step { step, source } => write!(f, "step {step} failed: {}", reason(source)),
            Self::Database(source) => write!(f, "no step could be taken: {}", reason(source)),
        }
    }
}

impl std::error::Error for MigrateError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Refused { .. } => None,
            Self::Step { source, .. } | Self::Database(source) => Some(source),
        }
    }
}

impl From<tokio_postgres::Error> for MigrateError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error)
    }
}

/// The error and what caused it; the crate's own text is only "db error".
fn reason(error: &tokio_postgres::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
