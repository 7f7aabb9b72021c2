//! Where load goes.

use std::net::SocketAddr;
use std::str::FromStr;

use http::Uri;
use http::uri::Scheme;

/// The one service that a generator may send requests to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    host: String,
    port: u16,
}

/// Why a text is no target.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// It is not an address like `http://127.0.0.1:9012`.
    #[error("{text:?} is not an address like http://127.0.0.1:9012")]
    Syntax {
        /// The text.
        text: String,
    },
    /// It wants an encrypted connection.
    #[error("{text:?} wants https; the load generator speaks plain http only")]
    Https {
        /// The text.
        text: String,
    },
    /// Its host is not known.
    #[error("{host} cannot be resolved")]
    Resolve {
        /// The host.
        host: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Its host has no address.
    #[error("{host} has no address")]
    NoAddress {
        /// The host.
        host: String,
    },
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let syntax = || TargetError::Syntax { text: text.to_owned() };
        let uri: Uri = text.parse().map_err(|_| syntax())?;
        match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => {}
            Some(scheme) if *scheme == Scheme::HTTPS => {
                return Err(TargetError::Https { text: text.to_owned() });
            }
            _ => return Err(syntax()),
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(syntax());
        }
        let host = uri.host().ok_or_else(syntax)?.to_owned();
        Ok(Self { host, port: uri.port_u16().unwrap_or(80) })
    }
}

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Self {
        let host = match address {
            SocketAddr::V4(address) => address.ip().to_string(),
            SocketAddr::V6(address) => format!("[{}]", address.ip()),
        };
        Self { host, port: address.port() }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}", self.authority())
    }
}

impl Target {
    /// Host and port, as the `Host` header names them.
    #[must_use]
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The address behind the name, asked for once per run.
    ///
    /// # Errors
    /// The name is not known.
    pub(crate) async fn resolve(&self) -> Result<SocketAddr, TargetError> {
        let host = self.host.clone();
        let mut addresses = tokio::net::lookup_host(self.authority())
            .await
            .map_err(|source| TargetError::Resolve { host: host.clone(), source })?;
        addresses.next().ok_or(TargetError::NoAddress { host })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_an_http_address_without_a_path() {
        let parsed = |text: &str| text.parse::<Target>().map(|target| target.to_string());
        assert_eq!(parsed("http://127.0.0.1:9012").unwrap(), "http://127.0.0.1:9012");
        assert_eq!(parsed("http://localhost/").unwrap(), "http://localhost:80");
        assert_eq!(parsed("http://[::1]:9012").unwrap(), "http://[::1]:9012");
        assert!(matches!(parsed("https://x"), Err(TargetError::Https { .. })));
        for text in ["127.0.0.1:9012", "/", "http://", "http://x/path", "http://x?q", "", "ftp://x"]
        {
            assert!(matches!(parsed(text), Err(TargetError::Syntax { .. })), "{text}");
        }
    }
}
