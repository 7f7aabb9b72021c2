//! The companies in the database: those that come with the release, and invented ones for development.

use chassis::{
    config::{Config, PRODUCTION},
    prepare::{PrepareError, Prepared, prepare},
};
use listing::{
    company::{self, Company},
    fake,
};
use tokio_postgres::Client;

use crate::catalog::STATEMENTS;

/// Inserts companies and mends those that differ.
pub(crate) const INSERT: &str = "
    INSERT INTO stocks AS old (symbol, name, country, indices, isin, wkn, sector)
    SELECT symbol, name, country, string_to_array(indices, ','), isin, wkn, sector
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
         AS new (symbol, name, country, indices, isin, wkn, sector)
    ON CONFLICT (symbol) DO UPDATE
    SET name = EXCLUDED.name, country = EXCLUDED.country, indices = EXCLUDED.indices,
        isin = EXCLUDED.isin, wkn = EXCLUDED.wkn, sector = EXCLUDED.sector
    WHERE (old.name, old.country, old.indices, old.isin, old.wkn, old.sector) IS DISTINCT FROM
        (EXCLUDED.name, EXCLUDED.country, EXCLUDED.indices, EXCLUDED.isin, EXCLUDED.wkn, EXCLUDED.sector)";

/// Which companies the database shall have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    Listed,
    ListedAndFake,
}

/// How many companies the database has now.
#[derive(Debug, PartialEq, Eq)]
pub struct Counts {
    pub listed: i64,
    pub fake: i64,
}

/// Brings the database to this release and loads the companies.
pub async fn load(config: &Config, data: Data) -> Result<Counts, PrepareError> {
    if data == Data::ListedAndFake && config.environment == PRODUCTION {
        return Err(PrepareError::Data("fake companies are not for production".to_owned()));
    }
    let mut prepared = prepare(config, "stock", STATEMENTS).await?;
    fill(&mut prepared, data).await
}

/// Loads the companies into a prepared database: all of them, or none.
pub async fn fill(prepared: &mut Prepared, data: Data) -> Result<Counts, PrepareError> {
    let client = &prepared.client;
    insert(client, &company::listed().map_err(PrepareError::Data)?).await?;
    if data == Data::ListedAndFake {
        insert(client, &fake::companies()).await?;
    }
    let count = "
        SELECT count(*) FILTER (WHERE symbol NOT LIKE 'FAKE%'),
               count(*) FILTER (WHERE symbol LIKE 'FAKE%') FROM stocks";
    let counts = client.query_one(count, &[]).await?;
    Ok(Counts { listed: counts.get(0), fake: counts.get(1) })
}

async fn insert(client: &Client, companies: &[Company]) -> Result<(), tokio_postgres::Error> {
    type Column<'a> = Vec<Option<&'a str>>;
    let column =
        |of: fn(&Company) -> Option<&str>| companies.iter().map(of).collect::<Column<'_>>();
    let indices: Vec<String> = companies.iter().map(|c| c.indices.join(",")).collect();
    let (symbols, names) = (column(|c| Some(&c.symbol)), column(|c| Some(&c.name)));
    let (countries, isins) = (column(|c| c.country.as_deref()), column(|c| c.isin.as_deref()));
    let (wkns, sectors) = (column(|c| c.wkn.as_deref()), column(|c| c.sector.as_deref()));
    client
        .execute(INSERT, &[&symbols, &names, &countries, &indices, &isins, &wkns, &sectors])
        .await?;
    Ok(())
}
