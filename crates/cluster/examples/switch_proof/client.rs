//! A client that forgives nothing: a refused or reset connection, a timeout, a status other than 200
//! and a wrong body are failures, and nothing is ever tried again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::backend::NAME_HEADER;

/// An answer that takes longer is a failure.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Every fourth request is a POST with a body of this size, which has to come back.
const BODY_BYTES: usize = 2000;

/// How the client connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// HTTP/1.1, one connection per worker for all its requests.
    KeepAlive,
    /// HTTP/1.1, a new connection for every request.
    Close,
    /// HTTP/2, one connection per worker.
    Http2,
}

/// What the client saw.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) answered: BTreeMap<String, u64>,
    pub(crate) failures: Vec<String>,
    pub(crate) took: Vec<Duration>,
    pub(crate) connections: u64,
}

impl Tally {
    pub(crate) fn requests(&self) -> u64 {
        self.answered.values().sum::<u64>() + self.failures.len() as u64
    }

    fn merge(&mut self, other: Self) {
        for (name, count) in other.answered {
            *self.answered.entry(name).or_default() += count;
        }
        self.failures.extend(other.failures);
        self.took.extend(other.took);
        self.connections += other.connections;
    }
}

/// Sends `requests` at `rate` a second, spread over `workers`, each request at its own time whatever
/// became of the ones before.
pub(crate) async fn run(
    address: SocketAddr,
    mode: Mode,
    requests: u64,
    rate: u64,
    workers: u64,
) -> Tally {
    let next = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let mut running = JoinSet::new();
    for _ in 0..workers {
        let next = next.clone();
        running.spawn(async move {
            let mut worker = Worker { address, mode, connection: None, tally: Tally::default() };
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= requests {
                    return worker.tally;
                }
                sleep_until(start + Duration::from_micros(number * 1_000_000 / rate)).await;
                worker.request(number).await;
            }
        });
    }
    let mut tally = Tally::default();
    while let Some(part) = running.join_next().await {
        tally.merge(part.expect("a worker does not panic"));
    }
    tally
}

struct Worker {
    address: SocketAddr,
    mode: Mode,
    connection: Option<Connection>,
    tally: Tally,
}

enum Connection {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

impl Worker {
    async fn request(&mut self, number: u64) {
        let begun = Instant::now();
        match timeout(ANSWER_TIMEOUT, self.exchange(number)).await {
            Ok(Ok(name)) => {
                *self.tally.answered.entry(name).or_default() += 1;
                self.tally.took.push(begun.elapsed());
            }
            Ok(Err(error)) => self.failed(number, &error.to_string()),
            Err(_) => self.failed(number, "timeout"),
        }
    }

    fn failed(&mut self, number: u64, why: &str) {
        self.tally.failures.push(format!("request {number}: {why}"));
        self.connection = None;
    }

    async fn exchange(&mut self, number: u64) -> Result<String, Failed> {
        if self.mode == Mode::Close {
            self.connection = None;
        }
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let body = if number % 4 == 3 {
            Bytes::from(vec![b'a' + (number % 26) as u8; BODY_BYTES])
        } else {
            Bytes::new()
        };
        let response = connection.send(request(self.address, self.mode, &body)?).await?;
        let status = response.status();
        let name = response.headers().get(NAME_HEADER).and_then(|name| name.to_str().ok());
        let name = name.unwrap_or("nobody").to_owned();
        let received = response.into_body().collect().await?.to_bytes();
        if status != StatusCode::OK {
            return Err(format!("{status} from {name}: {received:?}").into());
        }
        if !body.is_empty() && received != body {
            return Err("another body came back".into());
        }
        self.connection = Some(connection);
        Ok(name)
    }

    async fn connect(&mut self) -> Result<Connection, Failed> {
        self.tally.connections += 1;
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let stream = TokioIo::new(stream);
        if self.mode == Mode::Http2 {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
            tokio::spawn(connection);
            return Ok(Connection::Http2(sender));
        }
        let (sender, connection) = http1::handshake(stream).await?;
        tokio::spawn(connection);
        Ok(Connection::Http1(sender))
    }
}

fn request(
    address: SocketAddr,
    mode: Mode,
    body: &Bytes,
) -> Result<Request<Full<Bytes>>, http::Error> {
    let path = if body.is_empty() { "/" } else { "/echo" };
    let method = if body.is_empty() { "GET" } else { "POST" };
    let request = Request::builder().method(method);
    let request = match mode {
        Mode::Http2 => request.uri(format!("http://{address}{path}")),
        Mode::KeepAlive => request.uri(path).header("host", address.to_string()),
        Mode::Close => {
            request.uri(path).header("host", address.to_string()).header("connection", "close")
        }
    };
    request.body(Full::from(body.clone()))
}

impl Connection {
    async fn send(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>> {
        match self {
            Self::Http1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Self::Http2(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }
}
