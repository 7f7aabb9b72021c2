//! Is a service healthy, and if not, what did it answer?

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// How much of an unexpected answer is shown.
pub const EXCERPT_CHARS: usize = 200;
/// How much of an answer's body is read.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// What to ask, and what a healthy service answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Where the service listens.
    pub address: SocketAddr,
    /// The path to GET, beginning with `/`.
    pub path: String,
    /// The status a healthy service answers with.
    pub expect_status: StatusCode,
}

/// What one question found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It answered as expected.
    Healthy,
    /// It did not.
    Unhealthy(Unhealthy),
}

/// How a service that is not healthy answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unhealthy {
    /// What was asked and expected.
    pub probe: Probe,
    /// What came.
    pub got: Got,
}

/// What came instead of the expected answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Got {
    /// An answer with another status.
    Status {
        /// The status.
        status: StatusCode,
        /// The first [`EXCERPT_CHARS`] characters of the body.
        excerpt: String,
    },
    /// No answer, because of this.
    Nothing(String),
}

impl fmt::Display for Unhealthy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Probe { address, path, expect_status } = &self.probe;
        write!(f, "GET http://{address}{path}: expected {}, got ", expect_status.as_u16())?;
        match &self.got {
            Got::Status { status, excerpt } if excerpt.is_empty() => {
                write!(f, "{} with an empty body", status.as_u16())
            }
            Got::Status { status, excerpt } => write!(f, "{}: {excerpt}", status.as_u16()),
            Got::Nothing(why) => write!(f, "no answer: {why}"),
        }
    }
}

/// When a service that has just been started counts as healthy, or as lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Healthy answers in a row that are needed; at least 1.
    pub successes: u32,
    /// Pause between two questions.
    pub interval: Duration,
    /// How long one answer may take.
    pub answer_timeout: Duration,
    /// How long all of it may take.
    pub deadline: Duration,
}

/// A service did not become healthy in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not healthy after {} s and {asked} checks; last {last}", waited.as_secs())]
pub struct NotHealthy {
    /// How long it had.
    pub waited: Duration,
    /// How often it was asked.
    pub asked: u32,
    /// The last answer that was not as expected.
    pub last: Unhealthy,
}

/// Asks once, on a connection of its own.
pub async fn check(probe: &Probe, answer_timeout: Duration) -> Health {
    let got = match timeout(answer_timeout, ask(probe)).await {
        Ok(Ok((status, _))) if status == probe.expect_status => return Health::Healthy,
        Ok(Ok((status, excerpt))) => Got::Status { status, excerpt },
        Ok(Err(why)) => Got::Nothing(why.to_string()),
        Err(_) => Got::Nothing(format!("not within {} ms", answer_timeout.as_millis())),
    };
    Health::Unhealthy(Unhealthy { probe: probe.clone(), got })
}

/// Asks until the service has been healthy often enough in a row; answers how often it was asked.
///
/// # Errors
/// It was not within the deadline.
pub async fn wait_until_healthy(probe: &Probe, patience: Patience) -> Result<u32, NotHealthy> {
    let deadline = Instant::now() + patience.deadline;
    let mut asked = 0;
    let mut in_a_row = 0;
    let got = Got::Nothing("it was not asked often enough".to_owned());
    let mut last = Unhealthy { probe: probe.clone(), got };
    loop {
        match timeout_at(deadline, check(probe, patience.answer_timeout)).await {
            Ok(Health::Healthy) => in_a_row += 1,
            Ok(Health::Unhealthy(unhealthy)) => {
                in_a_row = 0;
                last = unhealthy;
            }
            Err(_) => return Err(NotHealthy { waited: patience.deadline, asked, last }),
        }
        asked += 1;
        if in_a_row >= patience.successes {
            return Ok(asked);
        }
        if Instant::now() + patience.interval >= deadline {
            return Err(NotHealthy { waited: patience.deadline, asked, last });
        }
        sleep(patience.interval).await;
    }
}

#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("{0}")]
    Connect(#[from] std::io::Error),
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("the path is not one: {0}")]
    Path(#[from] http::Error),
}

async fn ask(probe: &Probe) -> Result<(StatusCode, String), AskError> {
    let request = Request::get(&probe.path)
        .header(HOST, probe.address.to_string())
        .body(Empty::<Bytes>::new())?;
    let stream = TcpStream::connect(probe.address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        // A body that is too long, or breaks off, does not change what the status said.
        let body = Limited::new(response.into_body(), BODY_BYTES_MAX).collect().await;
        let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        Ok((status, String::from_utf8_lossy(&body).trim().chars().take(EXCERPT_CHARS).collect()))
    };
    tokio::pin!(connection, exchange);
    let mut connected = true;
    loop {
        tokio::select! {
            answer = &mut exchange => return answer,
            // When the connection ends first, the exchange still says what it made of that.
            _ = &mut connection, if connected => connected = false,
        }
    }
}

#[cfg(test)]
mod tests;
