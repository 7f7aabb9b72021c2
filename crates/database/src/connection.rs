//! Connections to databases, all with the same ideas of how values are written.

use std::time::Duration;

use tokio_postgres::{Client, Config, NoTls};

use crate::error::{DatabaseError, refused};

const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// The database of every server from which others are made and renamed.
const MAINTENANCE: &str = "postgres";
/// Texts of values and definitions must be the same wherever they are asked for.
const SESSION: &str = "
    SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres';
    SET extra_float_digits = 1; SET bytea_output = 'hex'; SET statement_timeout = 0;
    SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET search_path = '';
    SET check_function_bodies = off";

/// Where a database is: an address and the name in it.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    config: Config,
    name: String,
}

impl Place {
    /// `whose` is how errors call it.
    pub(crate) fn of(whose: &'static str, url: &str) -> Result<Self, DatabaseError> {
        let wrong = |why: String| DatabaseError::Url { whose, why };
        let mut config: Config =
            url.parse().map_err(|error: tokio_postgres::Error| wrong(error.to_string()))?;
        let name = config.get_dbname().ok_or_else(|| wrong("it names no database".into()))?;
        let name = name.to_owned();
        config.connect_timeout(CONNECT_WAIT).application_name("qnt9");
        Ok(Self { config, name })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Another database of the same server.
    pub(crate) fn sibling(&self, name: &str) -> Self {
        let mut config = self.config.clone();
        config.dbname(name);
        Self { config, name: name.to_owned() }
    }

    pub(crate) fn maintenance(&self) -> Self {
        self.sibling(MAINTENANCE)
    }

    /// The address of this database, written as that of its sibling is.
    pub(crate) fn url_like(&self, sibling: &str) -> String {
        let (base, query) = sibling.split_once('?').unwrap_or((sibling, ""));
        let question = if query.is_empty() { "" } else { "?" };
        let authority = base.find("://").map_or(0, |scheme| scheme + 3);
        let end = base[authority..].find('/').map_or(base.len(), |slash| authority + slash);
        // Our own names need no escapes.
        format!("{}/{}{question}{query}", &base[..end], self.name)
    }

    /// Host, port and database, for people.
    pub(crate) fn shown(&self) -> String {
        use tokio_postgres::config::Host;
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            Some(Host::Unix(path)) => path.display().to_string(),
            None => "localhost".to_owned(),
        };
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        format!("{host}:{port}/{}", self.name)
    }

    pub(crate) async fn connect(&self) -> Result<Client, DatabaseError> {
        let failed = |source| DatabaseError::Connect { place: self.shown(), source };
        let (client, connection) = self.config.connect(NoTls).await.map_err(failed)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to PostgreSQL ended");
            }
        });
        client.batch_execute(SESSION).await.map_err(refused("preparing the session"))?;
        Ok(client)
    }
}

/// A name as SQL takes it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as SQL takes it.
pub(crate) fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        let place = Place::of("source", "postgres://u:secret@h:5/a%2Fb?sslmode=disable").unwrap();
        assert_eq!(place.shown(), "h:5/a/b");
        let other = place.sibling("other");
        assert_eq!(other.shown(), "h:5/other");
        assert_eq!(other.url_like("postgres://u:p@h:5/a?x=1"), "postgres://u:p@h:5/other?x=1");
        assert_eq!(other.url_like("postgres://u@h/a"), "postgres://u@h/other");
        for url in ["postgres://u:secret@h", "http://u:secret@h/x", ""] {
            let error = Place::of("source", url).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn names_and_texts_cannot_break_out() {
        assert_eq!(quoted("a\"; DROP"), "\"a\"\"; DROP\"");
        assert_eq!(literal(r"it's \n"), r"E'it''s \\n'");
    }
}
