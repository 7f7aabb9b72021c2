//! One connection, and the thread that talks through it.

use crate::error::StoreError;
use crate::sql::Value;
use futures_util::future::try_join_all;
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Config, NoTls, Row, Statement};

/// How long one answer may take; a server that is silent for longer counts as away.
const ANSWER_SECONDS: u64 = 30;

/// Appends are synced also where the database's own configuration says otherwise. A process that is
/// stopped in the middle of a transaction loses its locks before others give up waiting for them.
const SET_UP: &str = "
    SET search_path = qnt9;
    SET idle_in_transaction_session_timeout = '5s';
    SET lock_timeout = '10s';
    SET client_min_messages = error;
    SELECT set_config('synchronous_commit', 'on', false)
        WHERE current_setting('synchronous_commit') IN ('off', 'local')";

/// The thread on which connections live. Dropping it closes them.
#[derive(Debug)]
pub(super) struct Background(Option<Runtime>);

impl Background {
    pub(super) fn start() -> Result<Self, StoreError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("postgres")
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| StoreError::NoThread(Arc::new(error)))?;
        Ok(Self(Some(runtime)))
    }

    /// Blocks the calling thread until it is done.
    pub(super) fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let (send, done) = mpsc::sync_channel(1);
        let runtime = self.0.as_ref().expect("the thread ends only with its owner");
        runtime.spawn(async move {
            // Whoever asked is waiting below.
            let _ = send.send(work.await);
        });
        done.recv().expect("the thread ends only with its owner, and the work does not panic")
    }

    /// The same, but `None` when it takes too long.
    pub(super) fn wait_awhile<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let limit = Duration::from_secs(ANSWER_SECONDS);
        self.wait(async move { tokio::time::timeout(limit, work).await.ok() })
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // Unlike dropping the runtime, this may be done on a thread that runs asynchronous tasks.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// A connection and the statements prepared on it.
pub(super) struct Link {
    client: Client,
    statements: Mutex<BTreeMap<&'static str, Statement>>,
}

impl Link {
    pub(super) async fn connect(
        config: Config,
        read_only: bool,
    ) -> Result<Self, tokio_postgres::Error> {
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection with the database ended");
            }
        });
        client.batch_execute(SET_UP).await?;
        if read_only {
            client.batch_execute("SET default_transaction_read_only = on").await?;
        }
        Ok(Self { client, statements: Mutex::default() })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Runs statements that have no parameters.
    pub(super) async fn batch(&self, sql: &str) -> Result<(), tokio_postgres::Error> {
        self.client.batch_execute(sql).await
    }

    /// Runs statements for each of their sets, without waiting for one answer before the next is
    /// asked.
    pub(super) async fn execute_all(
        &self,
        statements: &[(&'static str, Arc<[Vec<Parameter>]>)],
    ) -> Result<(), tokio_postgres::Error> {
        let mut prepared = Vec::with_capacity(statements.len());
        for (sql, sets) in statements {
            prepared.push((self.prepare(sql).await?, sets));
        }
        let each = prepared.iter().flat_map(|(statement, sets)| {
            sets.iter().map(move |set| self.client.execute_raw(statement, set.clone()))
        });
        try_join_all(each).await?;
        Ok(())
    }

    /// Runs a query for each set, without waiting for one answer before the next is asked.
    pub(super) async fn rows_each(
        &self,
        sql: &'static str,
        sets: &[Vec<Parameter>],
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        let statement = self.prepare(sql).await?;
        let statement = &statement;
        let query = |set: &'_ [Parameter]| {
            let set = set.to_vec();
            async move {
                let set: Vec<_> = set.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
                self.client.query(statement, &set).await
            }
        };
        let answers = try_join_all(sets.iter().map(|set| query(set))).await?;
        Ok(answers.into_iter().flatten().collect())
    }

    async fn prepare(&self, sql: &'static str) -> Result<Statement, tokio_postgres::Error> {
        let known = || self.statements.lock().unwrap_or_else(PoisonError::into_inner);
        let prepared = known().get(sql).cloned();
        if let Some(statement) = prepared {
            return Ok(statement);
        }
        let statement = self.client.prepare(sql).await?;
        known().insert(sql, statement.clone());
        Ok(statement)
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Link")
    }
}

/// A parameter that may go to another thread.
#[derive(Debug, Clone)]
pub(super) enum Parameter {
    Integer(i64),
    Text(Arc<str>),
    Bytes(Arc<[u8]>),
}

impl From<&Value<'_>> for Parameter {
    fn from(value: &Value<'_>) -> Self {
        match value {
            Value::Integer(integer) => Self::Integer(*integer),
            Value::Text(text) => Self::Text((*text).into()),
            Value::Bytes(bytes) => Self::Bytes((*bytes).into()),
        }
    }
}

impl ToSql for Parameter {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Integer(integer) => integer.to_sql(ty, out),
            Self::Text(text) => text.as_ref().to_sql(ty, out),
            Self::Bytes(bytes) => bytes.as_ref().to_sql(ty, out),
        }
    }

    /// The schema says which columns take what.
    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}
