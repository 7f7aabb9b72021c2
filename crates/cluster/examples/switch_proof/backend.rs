//! A replica for proofs and tests: it says its name, echoes bodies and can be slow or broken.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// The response header that carries the backend's name.
pub(crate) const NAME_HEADER: &str = "x-backend";

/// A running backend; dropping it is `kill -9`: sockets close at once, whatever they carry.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Backend {
    pub(crate) async fn start(name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        Self { address, task: tokio::spawn(serve(listener, name.into())) }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, name: Arc<str>) {
    // Dropped with this task, and with it all connections.
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.expect("file descriptors for the test");
        let _ = stream.set_nodelay(true);
        let name = name.clone();
        connections.spawn(async move {
            let service = service_fn(|request| answer(name.clone(), request));
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
        });
        while connections.try_join_next().is_some() {}
    }
}

type Answer = Response<BoxBody<Bytes, hyper::Error>>;

async fn answer(name: Arc<str>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let path = request.uri().path().to_owned();
    let mut response = match path.split('/').nth(1).unwrap_or_default() {
        "echo" => Response::new(request.into_body().boxed()),
        "slow" => {
            let ms = path.rsplit('/').next().and_then(|ms| ms.parse().ok()).unwrap_or(100);
            tokio::time::sleep(Duration::from_millis(ms)).await;
            text("slow")
        }
        "fail" => {
            let mut response = text("broken");
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
        "headers" => text(&format!("{:?}", request.headers())),
        _ => text("hello"),
    };
    let name = HeaderValue::from_str(&name).expect("a name of plain letters");
    response.headers_mut().insert(NAME_HEADER, name);
    Ok(response)
}

fn text(text: &str) -> Answer {
    Response::new(Full::from(text.to_owned()).map_err(|never| match never {}).boxed())
}
