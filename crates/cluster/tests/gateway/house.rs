//! A gateway in this process, with one place to carry, and plain requests to it.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use qnt9_cluster::gateway::journal::{Position, Reader, Record};
use qnt9_cluster::gateway::{
    self, Applied, Arm, Config, Control, ControlError, GatewayError, Listener,
};
use qnt9_model::{DeploymentId, Place};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::backend::{Backend, NAME_HEADER};

pub(crate) struct House {
    pub(crate) dir: TempDir,
    pub(crate) control: Control,
    pub(crate) running: JoinHandle<Result<(), GatewayError>>,
    pub(crate) config: Config,
    pub(crate) address: SocketAddr,
}

impl House {
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let running = start(dir.path());
        let control = connect(dir.path()).await;
        let address = free_address();
        let listener =
            Listener { place: place(), generation: 0, address, rollout: None, arms: vec![] };
        let config = Config { generation: 0, listeners: vec![listener] };
        Self { dir, control, running, config, address }
    }

    /// Has the gateway share the traffic between these arms.
    pub(crate) async fn carry(&mut self, arms: Vec<Arm>) {
        self.config.listeners[0].arms = arms;
        self.apply().await.unwrap();
    }

    pub(crate) async fn roll_out(&mut self, rollout: u64, arms: Vec<Arm>) {
        self.config.listeners[0].rollout = Some(DeploymentId(rollout));
        self.carry(arms).await;
    }

    /// Counts the generations up and has the gateway apply the configuration.
    pub(crate) async fn apply(&mut self) -> Result<Applied, ControlError> {
        self.config.generation += 1;
        for listener in &mut self.config.listeners {
            listener.generation = self.config.generation * 10;
        }
        gateway::write_config(self.dir.path(), &self.config).unwrap();
        self.control.apply().await
    }

    pub(crate) async fn drain(&mut self, arm: &str, wait: Duration) -> u64 {
        self.control.drain(&place(), arm, wait).await.unwrap()
    }

    /// Stops the gateway and reads what it journaled.
    pub(crate) async fn stop(self) -> Vec<Record> {
        self.control.stop().await.unwrap();
        self.running.await.unwrap().unwrap();
        journal(self.dir.path())
    }
}

pub(crate) fn start(dir: &Path) -> JoinHandle<Result<(), GatewayError>> {
    let dir = dir.to_owned();
    tokio::spawn(async move { gateway::run(&dir).await })
}

pub(crate) async fn connect(dir: &Path) -> Control {
    for _ in 0..500 {
        if let Ok(control) = Control::connect(dir).await {
            return control;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the gateway did not start");
}

pub(crate) fn journal(dir: &Path) -> Vec<Record> {
    let batch = Reader::new(dir, Position::default()).read().unwrap();
    assert_eq!((batch.damaged, batch.skipped), (0, false));
    batch.records
}

pub(crate) fn place() -> Place {
    Place { environment: "production".into(), service: "stock".to_owned() }
}

pub(crate) fn arm(name: &str, weight: u32, backends: &[&Backend]) -> Arm {
    let backends = backends.iter().map(|backend| backend.address).collect();
    Arm { arm: name.to_owned(), weight, backends }
}

pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// The backend that answered, or nothing when the gateway did so itself.
    pub(crate) backend: String,
    pub(crate) body: Bytes,
}

/// Sends one request on a connection of its own.
pub(crate) async fn ask(address: SocketAddr, request: Request<Full<Bytes>>) -> Answer {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let response = sender.send_request(request).await.unwrap();
    let status = response.status();
    let backend = response.headers().get(NAME_HEADER).map(|name| name.to_str().unwrap().to_owned());
    let body = response.into_body().collect().await.unwrap().to_bytes();
    drop(sender);
    connection.await.unwrap().unwrap();
    Answer { status, backend: backend.unwrap_or_default(), body }
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> Answer {
    let request = Request::get(path).header("host", address.to_string());
    ask(address, request.body(Full::default()).unwrap()).await
}
