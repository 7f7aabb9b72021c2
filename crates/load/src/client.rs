//! One connection to the target and the exchanges on it; nothing is ever tried again.

mod counted;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::measure::Exchange;
use crate::pick::Pick;
use crate::scenario::Scenario;
use crate::target::Target;
use counted::CountedStream;
pub(crate) use counted::Traffic;

/// How a request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Nobody listens there.
    Refused,
    /// No connection, for another reason.
    Connect(String),
    /// The connection was reset or closed before the answer was complete.
    Lost,
    /// There was no complete answer in time.
    Timeout,
    /// The answer had another status than expected.
    Status(u16),
    /// What came was no HTTP.
    Protocol(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::Connect(why) => write!(f, "no connection: {why}"),
            Self::Lost => f.write_str("connection lost"),
            Self::Timeout => f.write_str("timeout"),
            Self::Status(status) => write!(f, "status {status}"),
            Self::Protocol(why) => write!(f, "no HTTP: {why}"),
        }
    }
}

/// The scenario's requests, made ready to be sent.
#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    answer_timeout: Duration,
    requests: Vec<Prepared>,
    pub(crate) traffic: Arc<Traffic>,
}

#[derive(Debug)]
struct Prepared {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    /// At least one; the empty one for a request without bodies.
    bodies: Vec<Bytes>,
    expect: StatusCode,
}

/// A kept connection.
#[derive(Debug)]
pub(crate) struct Connection(SendRequest<Full<Bytes>>);

impl Client {
    pub(crate) fn new(
        target: &Target,
        address: SocketAddr,
        scenario: &Scenario,
        answer_timeout: Duration,
        keep_alive: bool,
    ) -> Self {
        let host = HeaderValue::from_str(&target.authority())
            .expect("a target's authority was part of a valid URI");
        let prepare = |request: &crate::scenario::RequestTemplate| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.clone());
            headers.insert(USER_AGENT, HeaderValue::from_static("qnt9-load"));
            if !keep_alive {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            let mut bodies: Vec<Bytes> =
                request.json.iter().map(|body| Bytes::from(body.clone())).collect();
            if bodies.is_empty() {
                bodies.push(Bytes::new());
            } else {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            }
            Prepared {
                method: request.method.clone(),
                uri: request.path.parse().expect("the scenario's paths were checked"),
                headers,
                bodies,
                expect: request.expect_status,
            }
        };
        let requests = scenario.requests.iter().map(prepare).collect();
        Self { address, answer_timeout, requests, traffic: Arc::default() }
    }

    /// Sends one request, on `connection` if there is one that is still open, else on a new one. The
    /// connection is left there when it can be used again.
    pub(crate) async fn exchange(
        &self,
        pick: Pick,
        connection: &mut Option<Connection>,
    ) -> Exchange {
        let mut exchange =
            Exchange { request: pick.request, outcome: Ok(()), took: None, connecting: None };
        let begun = Instant::now();
        match timeout(self.answer_timeout, self.send(pick, connection, &mut exchange)).await {
            Ok(outcome) => exchange.outcome = outcome,
            Err(_) => {
                exchange.outcome = Err(Failure::Timeout);
                exchange.took = Some(begun.elapsed());
            }
        }
        exchange
    }

    async fn send(
        &self,
        pick: Pick,
        slot: &mut Option<Connection>,
        exchange: &mut Exchange,
    ) -> Result<(), Failure> {
        // Out of its place until all has gone well.
        let mut connection = match slot.take().filter(|connection| !connection.0.is_closed()) {
            Some(connection) => connection,
            None => self.connect(exchange).await?,
        };
        let prepared = &self.requests[pick.request];
        let mut request = Request::new(Full::new(prepared.bodies[pick.body].clone()));
        *request.method_mut() = prepared.method.clone();
        *request.uri_mut() = prepared.uri.clone();
        *request.headers_mut() = prepared.headers.clone();
        connection.0.ready().await.map_err(|error| failure(&error))?;
        let sent = Instant::now();
        let answer = connection.0.send_request(request).await.map_err(|error| failure(&error))?;
        let (head, mut body) = answer.into_parts();
        while let Some(frame) = body.frame().await {
            frame.map_err(|error| failure(&error))?;
        }
        exchange.took = Some(sent.elapsed());
        *slot = Some(connection);
        if head.status == prepared.expect {
            Ok(())
        } else {
            Err(Failure::Status(head.status.as_u16()))
        }
    }

    async fn connect(&self, exchange: &mut Exchange) -> Result<Connection, Failure> {
        let begun = Instant::now();
        let stream = TcpStream::connect(self.address).await.map_err(|error| connecting(&error))?;
        stream.set_nodelay(true).map_err(|error| connecting(&error))?;
        exchange.connecting = Some(begun.elapsed());
        let stream = TokioIo::new(CountedStream::new(stream, self.traffic.clone()));
        let (sender, connection) =
            http1::handshake(stream).await.map_err(|error| failure(&error))?;
        // How it ends is seen by whoever waits for an answer on it.
        tokio::spawn(connection);
        Ok(Connection(sender))
    }
}

fn connecting(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Failure::Refused,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Failure::Lost,
        _ => Failure::Connect(error.to_string()),
    }
}

fn failure(error: &hyper::Error) -> Failure {
    if error.is_parse() { Failure::Protocol(error.to_string()) } else { Failure::Lost }
}
