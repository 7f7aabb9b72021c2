//! Which releases use the database, and what they ask of it.

use std::time::Duration;

use tokio_postgres::{Client, Error, GenericClient};

/// How often a serving release says that it is still there.
pub const SEEN_EVERY: Duration = Duration::from_secs(60);
/// A release that was seen within this many minutes may still be serving.
const IN_USE_MINUTES: i32 = 10;

/// One release of one service.
#[derive(Clone, Debug)]
pub struct Release<'a> {
    pub service: &'a str,
    /// The digest it was built under, or any other name that no other release has.
    pub name: &'a str,
    /// Everything it asks of the database while it serves.
    pub statements: &'a [&'a str],
}

/// What an earlier release asks of the database.
#[derive(Debug)]
pub(crate) struct InUse {
    /// `SERVICE RELEASE`.
    pub(crate) name: String,
    pub(crate) statements: Vec<String>,
}

/// Enters the release, or says that it is still in use.
pub async fn enter(client: &Client, release: &Release<'_>) -> Result<(), Error> {
    let enter = "
        INSERT INTO schema_releases (service, release, statements) VALUES ($1, $2, $3)
        ON CONFLICT (service, release)
        DO UPDATE SET statements = EXCLUDED.statements, last_seen = now()";
    client.execute(enter, &[&release.service, &release.name, &release.statements]).await?;
    Ok(())
}

/// The other releases that count: those seen lately, and of each service the latest one, since a rollback
/// would bring it back.
pub(crate) async fn in_use(
    client: &impl GenericClient,
    ours: &Release<'_>,
) -> Result<Vec<InUse>, Error> {
    let entered =
        client.query_one("SELECT to_regclass('schema_releases') IS NOT NULL", &[]).await?;
    if !entered.get::<_, bool>(0) {
        return Ok(Vec::new());
    }
    let in_use = "
        SELECT service || ' ' || release, statements FROM (
            SELECT *, row_number() OVER (PARTITION BY service ORDER BY last_seen DESC) AS latest
            FROM schema_releases WHERE (service, release) <> ($1, $2)
        ) AS others
        WHERE latest = 1 OR last_seen > now() - make_interval(mins => $3)
        ORDER BY service, last_seen DESC";
    let rows = client.query(in_use, &[&ours.service, &ours.name, &IN_USE_MINUTES]).await?;
    Ok(rows.iter().map(|row| InUse { name: row.get(0), statements: row.get(1) }).collect())
}
