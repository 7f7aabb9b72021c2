//! Asking a backend: connections that are kept, and what may be tried again.
//!
//! A request is sent a second time only if the first cannot have had an effect: no connection came
//! about, hyper gave the request back because none of it was written, or it has no body, its method
//! is idempotent and the connection died before a byte of the answer.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::route::Flight;

/// A backend on the same machine or network accepts at once or not at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A backend that has not begun its answer by now is not going to.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// A connection idle for longer is not used again: common servers (Node.js, uvicorn) close theirs
/// after 5 s, and a request written into a closing connection is lost.
const IDLE_MAX: Duration = Duration::from_secs(4);
/// How long a connection may take from the end of an answer until it takes the next request.
const READY_TIMEOUT: Duration = Duration::from_millis(500);
/// For so long after refusing a connection a backend is asked only when no other is left.
const FAILING_FOR: Duration = Duration::from_secs(1);

/// A replica and the connections to it.
#[derive(Debug)]
pub(super) struct Backend {
    pub(super) address: SocketAddr,
    in_flight: AtomicU64,
    /// When it last refused a connection, in milliseconds of [`uptime_ms`], or 0 for never.
    failed_at_ms: AtomicU64,
    /// `None` once the backend is retired: then no connection is kept.
    idle: Mutex<Option<Vec<Idle>>>,
}

#[derive(Debug)]
struct Idle {
    connection: SendRequest<ClientBody>,
    since: Instant,
}

impl Backend {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            in_flight: AtomicU64::new(0),
            failed_at_ms: AtomicU64::new(0),
            idle: Mutex::new(Some(Vec::new())),
        }
    }

    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(super) fn is_failing(&self) -> bool {
        let failed_at = self.failed_at_ms.load(Ordering::Relaxed);
        failed_at != 0 && uptime_ms().saturating_sub(failed_at) < FAILING_FOR.as_millis() as u64
    }

    pub(super) fn idle_connections(&self) -> usize {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map_or(0, Vec::len)
    }

    /// Closes idle connections; those in use close when their answer is complete.
    pub(super) fn retire(&self) {
        *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn is_retired(&self) -> bool {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Closes connections that have been idle for too long.
    pub(super) fn close_stale(&self) {
        if let Some(idle) = &mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner) {
            idle.retain(|idle| idle.since.elapsed() < IDLE_MAX && !idle.connection.is_closed());
        }
    }

    async fn take_idle(&self) -> Option<SendRequest<ClientBody>> {
        loop {
            let Idle { mut connection, since } =
                self.idle.lock().unwrap_or_else(PoisonError::into_inner).as_mut()?.pop()?;
            if since.elapsed() >= IDLE_MAX {
                continue;
            }
            if connection.is_ready()
                || matches!(timeout(READY_TIMEOUT, connection.ready()).await, Ok(Ok(())))
            {
                return Some(connection);
            }
        }
    }

    fn keep(&self, connection: SendRequest<ClientBody>) {
        if let Some(idle) = &mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner) {
            idle.push(Idle { connection, since: Instant::now() });
        }
    }

    async fn connect(&self) -> Result<SendRequest<ClientBody>, ConnectError> {
        let stream = timeout(CONNECT_TIMEOUT, TcpStream::connect(self.address))
            .await
            .map_err(|_| ConnectError::Timeout)??;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to a backend ended");
            }
        });
        Ok(sender)
    }
}

#[derive(Debug, thiserror::Error)]
enum ConnectError {
    #[error("no connection within {} s", CONNECT_TIMEOUT.as_secs())]
    Timeout,
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Handshake(#[from] hyper::Error),
}

/// Milliseconds since the first call, and never 0.
fn uptime_ms() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_millis() as u64 + 1
}

/// Why an arm gave no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// It has no backend.
    NoBackend,
    /// None of its backends took a connection; the last one's reason.
    NotReached(String),
    /// The connection was lost after the request had been sent.
    Lost(String),
    /// The answer did not begin in time.
    TooSlow,
    /// The client stopped sending its request.
    ClientLeft,
}

/// Sends a request to a backend of the flight's arm.
pub(super) async fn send(
    flight: &Flight,
    mut request: Request<ClientBody>,
) -> Result<(Response<Incoming>, Lease), Failure> {
    let progress = request.body().progress.clone();
    let mut tried: Vec<SocketAddr> = Vec::new();
    let mut failure = Failure::NoBackend;
    let mut fresh_only = false;
    let mut may_repeat = request.method().is_idempotent() && progress.is_none();
    while let Some(backend) = flight.arm().backend(&tried) {
        let mut lease = Lease::new(backend.clone(), progress.clone());
        let idle = if fresh_only { None } else { backend.take_idle().await };
        let reused = idle.is_some();
        let connection = match idle {
            Some(connection) => Ok(connection),
            None => backend.connect().await,
        };
        let connection = match connection {
            Ok(connection) => lease.connection.insert(connection),
            Err(error) => {
                backend.failed_at_ms.store(uptime_ms(), Ordering::Relaxed);
                tried.push(backend.address);
                failure = Failure::NotReached(format!("{}: {error}", backend.address));
                continue;
            }
        };
        let spare = may_repeat.then(|| bodyless_copy(&request));
        let sending = connection.try_send_request(request);
        let mut error = match in_time(sending, progress.as_ref()).await {
            Some(Ok(response)) => return Ok((response, lease)),
            Some(Err(error)) => error,
            None => return Err(Failure::TooSlow),
        };
        fresh_only = true;
        let lost = format!("{}: {}", backend.address, error.error());
        if let Some(unsent) = error.take_message() {
            request = unsent;
            if !reused {
                tried.push(backend.address);
                failure = Failure::NotReached(lost);
            }
        } else if let Some(spare) = spare {
            request = spare;
            may_repeat = false;
        } else if progress.is_some_and(|progress| progress.get() == Sending::Failed) {
            return Err(Failure::ClientLeft);
        } else {
            return Err(Failure::Lost(lost));
        }
    }
    Err(failure)
}

/// Waits for the beginning of an answer; the time of a body that is still being sent does not count.
async fn in_time<T>(answer: impl Future<Output = T>, body: Option<&Progress>) -> Option<T> {
    tokio::pin!(answer);
    loop {
        match timeout(ANSWER_TIMEOUT, &mut answer).await {
            Ok(answer) => return Some(answer),
            Err(_) if body.is_some_and(|body| body.get() == Sending::Underway) => {}
            Err(_) => return None,
        }
    }
}

fn bodyless_copy(request: &Request<ClientBody>) -> Request<ClientBody> {
    let mut copy = Request::new(ClientBody::empty());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}

/// A connection while a request uses it. It goes back to its backend only if both bodies are complete;
/// otherwise it is closed.
#[derive(Debug)]
pub(super) struct Lease {
    backend: Arc<Backend>,
    connection: Option<SendRequest<ClientBody>>,
    request_body: Option<Progress>,
}

impl Lease {
    fn new(backend: Arc<Backend>, request_body: Option<Progress>) -> Self {
        backend.in_flight.fetch_add(1, Ordering::Relaxed);
        Self { backend, connection: None, request_body }
    }

    fn answer_complete(&mut self) {
        let sent =
            self.request_body.as_ref().is_none_or(|progress| progress.get() == Sending::Complete);
        if let Some(connection) = self.connection.take()
            && sent
            && !connection.is_closed()
        {
            self.backend.keep(connection);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.backend.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A backend's answer on its way to the client; it holds the connection and the flight until the end.
#[derive(Debug)]
pub(super) struct AnswerBody {
    inner: Incoming,
    lease: Lease,
    flight: Flight,
}

impl AnswerBody {
    pub(super) const fn new(inner: Incoming, lease: Lease, flight: Flight) -> Self {
        Self { inner, lease, flight }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if let Some(Err(_)) = frame {
            self.flight.broke_off();
            self.lease.connection = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        // The client may also have left in the middle; then the connection is of no more use.
        if self.inner.is_end_stream() {
            self.lease.answer_complete();
        }
    }
}

/// How far a request's body has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Sending {
    Underway,
    Complete,
    Failed,
}

#[derive(Clone, Debug)]
struct Progress(Arc<AtomicU8>);

impl Progress {
    fn get(&self) -> Sending {
        match self.0.load(Ordering::Acquire) {
            0 => Sending::Underway,
            1 => Sending::Complete,
            _ => Sending::Failed,
        }
    }

    fn set(&self, sending: Sending) {
        self.0.store(sending as u8, Ordering::Release);
    }
}

/// A client's request body on its way to a backend; streamed, never gathered.
#[derive(Debug)]
pub(super) struct ClientBody {
    inner: Option<Incoming>,
    progress: Option<Progress>,
}

impl ClientBody {
    pub(super) fn new(inner: Incoming) -> Self {
        if inner.is_end_stream() {
            return Self::empty();
        }
        let progress = Progress(Arc::new(AtomicU8::new(Sending::Underway as u8)));
        Self { inner: Some(inner), progress: Some(progress) }
    }

    const fn empty() -> Self {
        Self { inner: None, progress: None }
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(inner) = &mut self.inner else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(&mut *inner).poll_frame(cx));
        let state = match &frame {
            Some(Err(_)) => Some(Sending::Failed),
            None => Some(Sending::Complete),
            Some(Ok(_)) if inner.is_end_stream() => Some(Sending::Complete),
            Some(Ok(_)) => None,
        };
        if let (Some(state), Some(progress)) = (state, &self.progress) {
            progress.set(state);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
