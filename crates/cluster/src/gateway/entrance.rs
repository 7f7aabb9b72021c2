//! A listening address: its connections, and the route its requests take.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use qnt9_model::Place;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::proxy;
use super::route::{Flight, Route};

/// How long a connection may stay without a request, and a request's head may take to arrive.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// Pause after a failed accept: it means that file descriptors or memory ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where clients enter, shared by all connections of one listener.
#[derive(Debug)]
pub(super) struct Entrance {
    pub(super) address: SocketAddr,
    route: ArcSwap<Route>,
    /// Counts switches, see [`Self::enter`].
    switches: AtomicU64,
    connections: AtomicUsize,
}

impl Entrance {
    /// The route that new requests take.
    pub(super) fn route(&self) -> Arc<Route> {
        self.route.load_full()
    }

    pub(super) fn place(&self) -> Place {
        self.route.load().place.clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Chooses an arm for a request and counts it there; `None` when no arm takes traffic.
    ///
    /// Between reading the route and being counted, the route may have been replaced and the old
    /// arm found empty. So the count comes first and the switches are looked at again: whoever
    /// switched before this second look either is seen by it or sees the count.
    pub(super) fn enter(&self) -> Option<Flight> {
        loop {
            let switches = self.switches.load(Ordering::SeqCst);
            let route = self.route();
            let arm = route.choose()?;
            let flight = Flight::begin(route, arm);
            if self.switches.load(Ordering::SeqCst) == switches {
                return Some(flight);
            }
            flight.never_was();
        }
    }

    /// Puts another route in place and gives back the old. Requests that entered before finish on it.
    pub(super) fn switch(&self, route: Arc<Route>) -> Arc<Route> {
        let old = self.route.swap(route);
        self.switches.fetch_add(1, Ordering::SeqCst);
        old
    }
}

/// A bound address that does not accept yet.
pub(super) async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// An entrance and the task that accepts its connections.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) entrance: Arc<Entrance>,
    /// Dropped to stop accepting.
    keep_accepting: oneshot::Sender<()>,
    accepting: JoinHandle<GracefulShutdown>,
}

impl Open {
    pub(super) fn new(listener: TcpListener, address: SocketAddr, route: Arc<Route>) -> Self {
        let entrance = Arc::new(Entrance {
            address,
            route: ArcSwap::new(route),
            switches: AtomicU64::new(0),
            connections: AtomicUsize::new(0),
        });
        let (keep_accepting, stopped) = oneshot::channel();
        let accepting = tokio::spawn(accept(listener, entrance.clone(), stopped));
        Self { entrance, keep_accepting, accepting }
    }

    /// Stops listening; when the future of the second step ends, connections have answered what
    /// they had begun, or `wait` is over.
    pub(super) async fn close(self, wait: Duration) -> impl Future<Output = ()> {
        drop(self.keep_accepting);
        let connections = self.accepting.await;
        let address = self.entrance.address;
        async move {
            let connections = match connections {
                Ok(connections) => connections,
                Err(error) => {
                    tracing::error!(%address, %error, "the accepting task failed");
                    return;
                }
            };
            if timeout(wait, connections.shutdown()).await.is_err() {
                tracing::warn!(%address, "cut off connections that did not end in time");
            }
        }
    }
}

/// Accepts until `stopped`; answers the connections that are still open.
async fn accept(
    listener: TcpListener,
    entrance: Arc<Entrance>,
    mut stopped: oneshot::Receiver<()>,
) -> GracefulShutdown {
    let connections = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = &mut stopped => return connections,
        };
        match accepted {
            Ok((stream, client)) => {
                let watcher = connections.watcher();
                tokio::spawn(serve(stream, client.ip(), entrance.clone(), watcher));
            }
            Err(error) => {
                tracing::error!(address = %entrance.address, %error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, client: IpAddr, entrance: Arc<Entrance>, watcher: Watcher) {
    entrance.connections.fetch_add(1, Ordering::Relaxed);
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection was gone as soon as it came");
    }
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(IDLE_TIMEOUT);
    builder.http2().timer(TokioTimer::new());
    let service = service_fn(|request| proxy::handle(entrance.clone(), client, request));
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%client, %error, "connection to a client ended");
    }
    entrance.connections.fetch_sub(1, Ordering::Relaxed);
}
