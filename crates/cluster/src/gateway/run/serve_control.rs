//! The gateway's end of its control socket.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use super::Gateway;
use crate::gateway::control::{Answer, Ask, Greeting, PROTOCOL, SocketAddress};

/// A longer question is not one of ours.
const QUESTION_BYTES_MAX: u64 = 16 * 1024;

/// Makes the socket. The caller holds the directory's lock, so a socket that lies there is left over.
pub(super) fn bind(dir: &Path) -> io::Result<UnixListener> {
    let address = SocketAddress::new(dir)?;
    match fs::remove_file(&address.path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&address.path)?;
    fs::set_permissions(&address.path, Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Answers whoever connects, each connection at its own pace. All of them end with this.
pub(super) async fn accept(listener: UnixListener, gateway: Arc<Gateway>) {
    let mut conversations = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let gateway = gateway.clone();
                conversations.spawn(async move {
                    if let Err(error) = converse(stream, &gateway).await {
                        tracing::debug!(%error, "a control connection broke off");
                    }
                });
            }
            Err(error) => {
                tracing::error!(%error, "cannot accept a control connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        while conversations.try_join_next().is_some() {}
    }
}

async fn converse(stream: UnixStream, gateway: &Gateway) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    say(&mut writer, &Greeting { protocol: PROTOCOL, pid: std::process::id() }).await?;
    loop {
        let mut line = String::new();
        let read = (&mut reader).take(QUESTION_BYTES_MAX).read_line(&mut line).await?;
        if read == 0 {
            return Ok(());
        }
        let answer = match serde_json::from_str::<Ask>(&line) {
            Ok(ask) => answer(gateway, ask).await,
            Err(error) => Answer::Refused { reason: format!("not a question: {error}") },
        };
        say(&mut writer, &answer).await?;
        if matches!(answer, Answer::Stopping) {
            gateway.stop.notify_one();
            // The connection stays open, so that the asker sees the gateway's end as its end.
            reader.read_line(&mut line).await?;
        }
    }
}

async fn answer(gateway: &Gateway, ask: Ask) -> Answer {
    match ask {
        Ask::Apply => match gateway.apply().await {
            Ok(applied) => Answer::Applied(applied),
            Err(refusal) => Answer::Refused { reason: refusal.to_string() },
        },
        Ask::Status => Answer::Status(gateway.status().await),
        Ask::Drain { place, arm, wait_ms } => {
            match gateway.drain(&place, &arm, Duration::from_millis(wait_ms)).await {
                Ok(in_flight) => Answer::Drained { in_flight },
                Err(weight) => Answer::Refused {
                    reason: format!(
                        "arm {arm:?} of {place} has the weight {weight}; \
                         only an arm that gets no new requests can be drained"
                    ),
                },
            }
        }
        Ask::DrainBackend { place, backend, wait_ms } => {
            let wait = Duration::from_millis(wait_ms);
            match gateway.drain_backend(&place, backend, wait).await {
                Some(in_flight) => Answer::Drained { in_flight },
                None => Answer::Refused {
                    reason: format!("an arm of {place} names {backend}: requests still go there"),
                },
            }
        }
        Ask::Stop => Answer::Stopping,
    }
}

async fn say(writer: &mut OwnedWriteHalf, what: &impl Serialize) -> io::Result<()> {
    let line = serde_json::to_string(what)? + "\n";
    writer.write_all(line.as_bytes()).await
}
