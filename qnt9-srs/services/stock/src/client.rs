//! A small HTTP client for the service's own tests: plain HTTP/1.1, one connection per request.

use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Uri, body::Bytes, header::HOST};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// The `x-qnt9-release` header.
    pub release: Option<String>,
    pub body: String,
}

impl Answer {
    /// The body as JSON; null when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// Where to send requests, from `http://HOST:PORT`.
#[derive(Clone, Debug)]
pub struct Client {
    authority: String,
}

impl Client {
    pub fn new(url: &str) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|error| format!("{url:?} is no URL: {error}"))?;
        match (uri.scheme_str(), uri.authority(), uri.port()) {
            (Some("http"), Some(authority), Some(_)) => {
                Ok(Self { authority: authority.to_string() })
            }
            _ => Err(format!("{url:?} must look like http://127.0.0.1:8000")),
        }
    }

    pub async fn get(&self, path: &str) -> Result<Answer, String> {
        self.send("GET", path, None).await
    }

    pub async fn post_json(&self, path: &str, body: &str) -> Result<Answer, String> {
        self.send("POST", path, Some(body)).await
    }

    async fn send(&self, method: &str, path: &str, json: Option<&str>) -> Result<Answer, String> {
        let failed = |error: String| format!("{method} {path} at {}: {error}", self.authority);
        let mut request = Request::builder().method(method).uri(path).header(HOST, &self.authority);
        if json.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = Full::new(Bytes::from(json.unwrap_or_default().to_owned()));
        let request = request.body(body).map_err(|e| failed(e.to_string()))?;

        let stream =
            TcpStream::connect(&self.authority).await.map_err(|e| failed(e.to_string()))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| failed(e.to_string()))?;
        tokio::spawn(connection);
        let response = sender.send_request(request).await.map_err(|e| failed(e.to_string()))?;
        let status = response.status().as_u16();
        let release = response.headers().get("x-qnt9-release");
        let release = release.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = response.into_body().collect().await.map_err(|e| failed(e.to_string()))?;
        let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        Ok(Answer { status, release, body })
    }
}
