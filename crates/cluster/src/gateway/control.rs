//! Talking to a running gateway: JSON lines over a unix socket, one answer for each question.
//!
//! The gateway speaks first: `{"protocol":1,"pid":4711}`. A question is an object with `ask`, an
//! answer one with `answer`.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use qnt9_model::Place;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

/// The version of this protocol. Fields that an answer lacks are taken for empty, so that a gateway may
/// be older than who asks it; a newer one is not guessed at.
pub const PROTOCOL: u32 = 1;
/// The socket's name in the gateway's directory.
pub(super) const SOCKET_FILE: &str = "gateway.sock";
/// A gateway that does not answer a question for so long is not one.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The gateway's first line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Greeting {
    pub(super) protocol: u32,
    pub(super) pid: u32,
}

/// A question.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Ask {
    /// Read the configuration and carry traffic by it.
    Apply,
    /// Say how things stand.
    Status,
    /// Say when nothing of a weightless arm is in flight any more, or how much still is after `wait_ms`.
    Drain { place: Place, arm: String, wait_ms: u64 },
    /// Say when no request can be on its way to a backend that no arm names any more, or how many still
    /// are after `wait_ms`.
    DrainBackend { place: Place, backend: std::net::SocketAddr, wait_ms: u64 },
    /// Take no more connections, answer what has begun, and end.
    Stop,
}

/// An answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub(super) enum Answer {
    Applied(Applied),
    Status(Status),
    Drained { in_flight: u64 },
    Stopping,
    Refused { reason: String },
}

/// How things stand in a gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its process.
    pub pid: u32,
    /// The generation of the configuration that it carries; 0 before the first.
    pub generation: u64,
    /// Why the configuration it was last told to apply is not the one it carries.
    pub refused: Option<String>,
    /// Where it should listen and cannot.
    #[serde(default)]
    pub unbound: Vec<Unbound>,
    /// Why the last window could not be journaled.
    pub journal_error: Option<String>,
    /// What it carries.
    pub listeners: Vec<ListenerStatus>,
    /// Arms that carry no traffic by now but have requests in flight.
    pub draining: Vec<ArmStatus>,
}

/// What became of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// Its generation.
    pub generation: u64,
    /// Where the gateway should listen and cannot, so that those places are not carried. It tries again
    /// every second.
    #[serde(default)]
    pub unbound: Vec<Unbound>,
}

/// An address that cannot be listened on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unbound {
    /// Whose traffic.
    pub place: Place,
    /// Where clients would connect.
    pub address: std::net::SocketAddr,
    /// Why not.
    pub reason: String,
}

/// How things stand at a listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerStatus {
    /// Whose traffic.
    pub place: Place,
    /// Where clients connect.
    pub address: std::net::SocketAddr,
    /// The place's generation.
    pub generation: u64,
    /// Clients' open connections.
    pub connections: usize,
    /// Who shares the traffic.
    pub arms: Vec<ArmStatus>,
}

/// How things stand in an arm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArmStatus {
    /// Its place.
    pub place: Place,
    /// Its name.
    pub arm: String,
    /// Its weight now.
    pub weight: u32,
    /// Requests on their way.
    pub in_flight: u64,
    /// Requests that ended since the arm was first configured in this process.
    pub requests: u64,
    /// Those answered 5xx, broken off or not answered at all.
    pub bad: u64,
    /// Its replicas.
    pub backends: Vec<BackendStatus>,
}

/// How things stand with a backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendStatus {
    /// Where it listens.
    pub address: std::net::SocketAddr,
    /// Requests it is working on.
    pub in_flight: u64,
    /// Connections kept for the next request.
    pub idle_connections: usize,
    /// Whether it refused a connection within the last second.
    pub failing: bool,
}

/// Why a gateway could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// There is no gateway, or it cannot be reached.
    #[error("no gateway answers at {socket}")]
    NotThere {
        /// Its socket.
        socket: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The gateway speaks another version of the protocol.
    #[error(
        "the gateway at {socket} speaks protocol {theirs}, this program speaks {PROTOCOL}; \
         stop the gateway, it is started again in this program's version"
    )]
    OtherProtocol {
        /// Its socket.
        socket: PathBuf,
        /// Its version.
        theirs: u32,
    },
    /// The connection was lost in the middle, or the gateway went away.
    #[error("the gateway at {socket} broke off")]
    BrokeOff {
        /// Its socket.
        socket: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It said no; what it had before it still has.
    #[error("the gateway refused: {reason}")]
    Refused {
        /// Its words.
        reason: String,
    },
    /// It answered something else than was asked.
    #[error("the gateway at {socket} answered {answer:?} to another question")]
    Confused {
        /// Its socket.
        socket: PathBuf,
        /// What it answered.
        answer: String,
    },
}

/// A connection to a running gateway.
#[derive(Debug)]
pub struct Control {
    socket: PathBuf,
    pid: u32,
    lines: Lines<BufReader<OwnedReadHalf>>,
    writer: OwnedWriteHalf,
}

impl Control {
    /// Connects to the gateway of a directory.
    ///
    /// # Errors
    /// No gateway is there, or one of another version.
    pub async fn connect(dir: &Path) -> Result<Self, ControlError> {
        let socket = dir.join(SOCKET_FILE);
        let not_there = |source| ControlError::NotThere { socket: socket.clone(), source };
        let address = SocketAddress::new(dir).map_err(not_there)?;
        let stream = UnixStream::connect(&address.path).await.map_err(not_there)?;
        let (reader, writer) = stream.into_split();
        let lines = BufReader::new(reader).lines();
        let mut control = Self { socket, pid: 0, lines, writer };
        let greeting = control.read_line(ANSWER_TIMEOUT).await?;
        let Greeting { protocol, pid } = control.parse(&greeting)?;
        // A gateway outlives the server that started it, so an older one is to be expected.
        if protocol > PROTOCOL {
            let socket = control.socket;
            return Err(ControlError::OtherProtocol { socket, theirs: protocol });
        }
        control.pid = pid;
        Ok(control)
    }

    /// The gateway's process.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// Has it carry the traffic by the configuration in its directory; answers the generation that
    /// it carries now, and which places it cannot.
    ///
    /// # Errors
    /// [`ControlError::Refused`] when the configuration cannot be used; the old one goes on.
    pub async fn apply(&mut self) -> Result<Applied, ControlError> {
        match self.ask(&Ask::Apply, ANSWER_TIMEOUT).await? {
            Answer::Applied(applied) => Ok(applied),
            other => Err(self.confused(&other)),
        }
    }

    /// How things stand.
    ///
    /// # Errors
    /// The gateway went away.
    pub async fn status(&mut self) -> Result<Status, ControlError> {
        match self.ask(&Ask::Status, ANSWER_TIMEOUT).await? {
            Answer::Status(status) => Ok(status),
            other => Err(self.confused(&other)),
        }
    }

    /// Waits until nothing of an arm without weight is in flight, at most `wait`, and answers how
    /// many requests still are. At 0 its replicas can be stopped without failing anybody, and it
    /// stays 0 as long as the arm gets no weight. An arm that is not known has nothing in flight.
    ///
    /// # Errors
    /// [`ControlError::Refused`] when the arm still carries traffic.
    pub async fn drain(
        &mut self,
        place: &Place,
        arm: &str,
        wait: Duration,
    ) -> Result<u64, ControlError> {
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let ask = Ask::Drain { place: place.clone(), arm: arm.to_owned(), wait_ms };
        match self.ask(&ask, wait + ANSWER_TIMEOUT).await? {
            Answer::Drained { in_flight } => Ok(in_flight),
            other => Err(self.confused(&other)),
        }
    }

    /// Waits until no request is on its way to a backend that no arm of the place names any more, at most
    /// `wait`, and answers how many requests still are.
    ///
    /// # Errors
    /// [`ControlError::Refused`] when an arm still names the backend.
    pub async fn drain_backend(
        &mut self,
        place: &Place,
        backend: std::net::SocketAddr,
        wait: Duration,
    ) -> Result<u64, ControlError> {
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let ask = Ask::DrainBackend { place: place.clone(), backend, wait_ms };
        match self.ask(&ask, wait + ANSWER_TIMEOUT).await? {
            Answer::Drained { in_flight } => Ok(in_flight),
            other => Err(self.confused(&other)),
        }
    }

    /// Has it end; returns when it has answered what it had begun and is gone.
    ///
    /// # Errors
    /// The gateway did not understand.
    pub async fn stop(mut self) -> Result<(), ControlError> {
        match self.ask(&Ask::Stop, ANSWER_TIMEOUT).await? {
            Answer::Stopping => {}
            other => return Err(self.confused(&other)),
        }
        match timeout(ANSWER_TIMEOUT, self.lines.next_line()).await {
            Ok(Ok(Some(line))) => Err(ControlError::Confused { socket: self.socket, answer: line }),
            Ok(_) => Ok(()),
            Err(_) => Err(self.broke_off(io::ErrorKind::TimedOut.into())),
        }
    }

    async fn ask(&mut self, ask: &Ask, wait: Duration) -> Result<Answer, ControlError> {
        let line = serde_json::to_string(ask).map_err(|error| self.broke_off(error.into()))? + "\n";
        let sent = self.writer.write_all(line.as_bytes()).await;
        sent.map_err(|error| self.broke_off(error))?;
        let line = self.read_line(wait).await?;
        match self.parse(&line)? {
            Answer::Refused { reason } => Err(ControlError::Refused { reason }),
            answer => Ok(answer),
        }
    }

    async fn read_line(&mut self, wait: Duration) -> Result<String, ControlError> {
        match timeout(wait, self.lines.next_line()).await {
            Ok(Ok(Some(line))) => Ok(line),
            Ok(Ok(None)) => Err(self.broke_off(io::ErrorKind::UnexpectedEof.into())),
            Ok(Err(error)) => Err(self.broke_off(error)),
            Err(_) => Err(self.broke_off(io::ErrorKind::TimedOut.into())),
        }
    }

    fn parse<T: for<'a> Deserialize<'a>>(&self, line: &str) -> Result<T, ControlError> {
        serde_json::from_str(line).map_err(|error| self.broke_off(error.into()))
    }

    fn broke_off(&self, source: io::Error) -> ControlError {
        ControlError::BrokeOff { socket: self.socket.clone(), source }
    }

    fn confused(&self, answer: &Answer) -> ControlError {
        ControlError::Confused { socket: self.socket.clone(), answer: format!("{answer:?}") }
    }
}

/// A path to a gateway's socket that fits into a socket address. Those hold 107 bytes, and data
/// directories lie deeper than that; Linux lets one go through an open directory instead.
#[derive(Debug)]
pub(super) struct SocketAddress {
    pub(super) path: PathBuf,
    /// Keeps the short path valid.
    _dir: File,
}

impl SocketAddress {
    pub(super) fn new(dir: &Path) -> io::Result<Self> {
        let dir = File::open(dir)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/{SOCKET_FILE}", dir.as_raw_fd()));
        Ok(Self { path, _dir: dir })
    }
}
