//! A small HTTP client for the services' own tests: plain HTTP/1.1, one connection per request.

use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Request, Uri, body::Bytes, header::HOST};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    /// The body as JSON; null when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The answer itself if it has this status, a sentence otherwise.
    pub fn expect_status(self, status: u16) -> Result<Self, String> {
        if self.status == status {
            return Ok(self);
        }
        Err(format!("expected {status}, got {}: {}", self.status, self.body))
    }
}

/// Where to send requests, from `http://HOST:PORT`, and what to send with each.
#[derive(Clone, Debug)]
pub struct Client {
    authority: String,
    headers: Vec<(&'static str, String)>,
}

impl Client {
    pub fn new(url: &str) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|error| format!("{url:?} is no URL: {error}"))?;
        match (uri.scheme_str(), uri.authority(), uri.port()) {
            (Some("http"), Some(authority), Some(_)) => {
                Ok(Self { authority: authority.to_string(), headers: Vec::new() })
            }
            _ => Err(format!("{url:?} must look like http://127.0.0.1:8000")),
        }
    }

    /// The same place, with one more header in every request.
    #[must_use]
    pub fn with(&self, header: &'static str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.push((header, value.to_owned()));
        client
    }

    pub async fn get(&self, path: &str) -> Result<Answer, String> {
        self.send("GET", path, None).await
    }

    pub async fn post_json(&self, path: &str, body: &str) -> Result<Answer, String> {
        self.send("POST", path, Some(body)).await
    }

    /// Sends a request, with a body of JSON if there is one.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        json: Option<&str>,
    ) -> Result<Answer, String> {
        let failed = |error: String| format!("{method} {path} at {}: {error}", self.authority);
        let mut request = Request::builder().method(method).uri(path).header(HOST, &self.authority);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
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
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|e| failed(e.to_string()))?;
        let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
    }
}
