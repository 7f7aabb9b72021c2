//! Copies and backups on a PostgreSQL server of the tests' own.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod backup;
mod copy;
#[path = "../../../store/tests/scratch/mod.rs"]
mod scratch;

use qnt9_database::{Classes, CopyReport, CopyRequest, DatabaseError, MaskingKey};
use tokio_postgres::{Client, NoTls};

use crate::scratch::{Scratch, Syncs};

const CLASSES: &str = include_str!("classes.toml");
const KEY: MaskingKey = MaskingKey::new([9; 32]);

/// A server with the shop in the database `production`.
struct Shop {
    server: Scratch,
}

impl Shop {
    async fn empty() -> Self {
        let shop = Self { server: Scratch::start(Syncs::Never) };
        shop.sql("postgres", "CREATE DATABASE production").await;
        shop
    }

    async fn with_rows(rows: u32) -> Self {
        let shop = Self::empty().await;
        shop.sql("production", &include_str!("shop.sql").replace("ROWS", &rows.to_string())).await;
        shop
    }

    fn url(&self, database: &str) -> String {
        let url = self.server.url();
        format!("{}/{database}", url.rsplit_once('/').unwrap().0)
    }

    async fn connect(&self, database: &str) -> Client {
        let (client, connection) =
            tokio_postgres::connect(&self.url(database), NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    async fn sql(&self, database: &str, sql: &str) {
        self.connect(database).await.batch_execute(sql).await.unwrap();
    }

    /// The first column of every row, as text.
    async fn texts(&self, database: &str, query: &str) -> Vec<Option<String>> {
        let rows = self.connect(database).await.query(query, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    async fn text(&self, database: &str, query: &str) -> String {
        self.texts(database, query).await.remove(0).unwrap_or_default()
    }

    async fn databases(&self) -> Vec<String> {
        let query = "SELECT datname::text FROM pg_database WHERE NOT datistemplate ORDER BY 1";
        self.texts("postgres", query).await.into_iter().flatten().collect()
    }

    async fn copy(&self, classes: &str) -> Result<CopyReport, DatabaseError> {
        let classes = Classes::read("classes.toml", classes).unwrap();
        let (source, target) = (self.url("production"), self.url("staging"));
        let request =
            CopyRequest { source: &source, target: &target, classes: &classes, key: &KEY };
        qnt9_database::copy(&request, std::future::pending(), |_| ()).await
    }
}
