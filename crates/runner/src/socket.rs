//! What is said over a shim's socket: every message is a `u32` length, little-endian, and JSON.
//!
//! The client asks once per connection. The shim answers with its [`Welcome`], which carries the
//! protocol version, and then with what was asked for.

use std::io;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A message is small; a greater length is not our protocol.
const MESSAGE_BYTES_MAX: u32 = 1024 * 1024;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub(crate) enum Request {
    /// Are you there? The welcome is the whole answer.
    Hello,
    /// The journal's frames from this offset on, then live ones until the shim ends.
    Follow { from: u64 },
    /// Cancel the job. The shim closes the connection once that is in the journal.
    Cancel,
    /// End the job's processes at once. The shim closes the connection once the job is over. Not known
    /// to protocol 1.
    Kill,
    /// A replica only: what became of the process. Answered by a `ReplicaStatus`.
    Status,
    /// A replica only: SIGTERM, this long a wait, SIGKILL. Answered by a `ReplicaStatus` at the end.
    Stop { grace_ms: u64 },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Welcome {
    pub(crate) protocol: u32,
    pub(crate) pid: u32,
}

pub(crate) async fn send<T: Serialize>(
    stream: &mut (impl AsyncWrite + Unpin),
    message: &T,
) -> io::Result<()> {
    let payload = serde_json::to_vec(message)?;
    let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
    let mut bytes = length.to_le_bytes().to_vec();
    bytes.extend(payload);
    stream.write_all(&bytes).await
}

pub(crate) async fn receive<T: DeserializeOwned>(
    stream: &mut (impl AsyncRead + Unpin),
) -> io::Result<T> {
    let length = stream.read_u32_le().await?;
    if length > MESSAGE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a message of impossible length"));
    }
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload).await?;
    Ok(serde_json::from_slice(&payload)?)
}
