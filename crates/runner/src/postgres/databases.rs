use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls};

use super::PostgresError;
use crate::http::path_segment;

const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// PostgreSQL cuts longer names off without a word.
const NAME_BYTES_MAX: usize = 63;

pub(super) fn check_name(name: &str) -> Result<(), PostgresError> {
    let why = match name {
        "" => "it is empty",
        _ if name.len() > NAME_BYTES_MAX => "it has more than 63 bytes",
        _ if name.contains('\0') => "it holds a zero byte",
        _ => return Ok(()),
    };
    Err(PostgresError::Name { name: name.into(), why })
}

pub(super) fn check_url(url: &str) -> Result<(), PostgresError> {
    let config: Config = url
        .parse()
        .map_err(|error: tokio_postgres::Error| PostgresError::Url { why: error.to_string() })?;
    let is_url = url.starts_with("postgres://") || url.starts_with("postgresql://");
    let why = match () {
        () if !is_url => "it must begin with postgres://",
        () if config.get_hosts().is_empty() => "it names no host",
        () => return Ok(()),
    };
    Err(PostgresError::Url { why: why.into() })
}

/// The same server, another database.
pub(super) fn with_database(url: &str, database: &str) -> String {
    let (base, query) = match url.split_once('?') {
        Some((base, query)) => (base, format!("?{query}")),
        None => (url, String::new()),
    };
    let authority = base.find("://").map_or(0, |scheme| scheme + 3);
    let end = base[authority..].find('/').map_or(base.len(), |slash| authority + slash);
    format!("{}/{}{query}", &base[..end], path_segment(database))
}

pub(super) async fn check_answers(url: &str) -> Result<(), PostgresError> {
    connect(url).await.map(drop)
}

pub(super) async fn ensure(url: &str, name: &str) -> Result<(), PostgresError> {
    let client = connect(url).await?;
    let command = format!("CREATE DATABASE {}", quoted(name));
    let known = client
        .query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&name])
        .await
        .map_err(|source| PostgresError::Refused { command: command.clone(), source })?;
    if known.is_some() {
        return Ok(());
    }
    match client.batch_execute(&command).await {
        // Somebody else made it at the same moment.
        Err(error)
            if matches!(
                error.code(),
                Some(&SqlState::DUPLICATE_DATABASE | &SqlState::UNIQUE_VIOLATION)
            ) =>
        {
            Ok(())
        }
        done => done.map_err(|source| PostgresError::Refused { command, source }),
    }
}

pub(super) async fn remove(url: &str, name: &str) -> Result<(), PostgresError> {
    let command = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(name));
    let client = connect(url).await?;
    client
        .batch_execute(&command)
        .await
        .map_err(|source| PostgresError::Refused { command, source })
}

pub(super) async fn has_extension(url: &str, name: &str) -> Result<bool, PostgresError> {
    const QUERY: &str = "SELECT 1 FROM pg_available_extensions WHERE name = $1";
    let client = connect(url).await?;
    let found = client
        .query_opt(QUERY, &[&name])
        .await
        .map_err(|source| PostgresError::Refused { command: QUERY.into(), source })?;
    Ok(found.is_some())
}

pub(super) async fn version(url: &str) -> Result<String, PostgresError> {
    show(url, "server_version").await
}

/// The folder of the server that answers, by which ours is told from another on its port.
pub(super) async fn data_directory(url: &str) -> Result<String, PostgresError> {
    show(url, "data_directory").await
}

async fn show(url: &str, setting: &str) -> Result<String, PostgresError> {
    let command = format!("SHOW {setting}");
    let client = connect(url).await?;
    let row = client
        .query_one(&command, &[])
        .await
        .map_err(|source| PostgresError::Refused { command, source })?;
    Ok(row.get(0))
}

async fn connect(url: &str) -> Result<Client, PostgresError> {
    let mut config: Config = url
        .parse()
        .map_err(|error: tokio_postgres::Error| PostgresError::Url { why: error.to_string() })?;
    config.connect_timeout(CONNECT_WAIT).application_name("qnt9");
    let (client, connection) = config
        .connect(NoTls)
        .await
        .map_err(|source| PostgresError::Connect { place: without_password(url), source })?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to PostgreSQL ended");
        }
    });
    Ok(client)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Host and database of a URL, for messages.
fn without_password(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
    rest.rsplit_once('@').map_or(rest, |(_, place)| place).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_database_of_a_url_changes() {
        for (url, expected) in [
            (
                "postgres://u:p%40@h:5/a?sslmode=disable",
                "postgres://u:p%40@h:5/b%2Fc?sslmode=disable",
            ),
            ("postgres://h", "postgres://h/b%2Fc"),
            ("postgres://h/", "postgres://h/b%2Fc"),
        ] {
            assert_eq!(with_database(url, "b/c"), expected);
        }
        assert_eq!(without_password("postgres://u:secret@h:5/a?x=1"), "h:5/a");
    }

    #[test]
    fn what_is_no_url_is_refused_without_showing_it() {
        for url in ["", "host=h password=secret", "postgres://", "http://u:secret@h/"] {
            let error = check_url(url).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
        assert!(check_url("postgres://u:p@h/db").is_ok());
    }
}
