//! Moving bytes between a client and git, both ways at once.

use std::io;

use axum::body::{Body, Bytes};
use futures_util::stream;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;

use super::Conversation;
use super::body::GitBody;

const CHUNK_BYTES: usize = 64 * 1024;
/// How far git may run ahead of a slow client.
const CHUNKS_AHEAD: usize = 8;

/// The answer of a clone or fetch. When the client goes away, git is ended.
pub(super) fn fetch(conversation: Conversation, body: GitBody) -> Body {
    let (answer, read_by_client) = answer();
    tokio::spawn(async move {
        let Conversation { input, mut output, end } = conversation;
        let talk = async {
            let mut buffer = vec![0; CHUNK_BYTES];
            while let Some(chunk) = read(&mut output, &mut buffer).await? {
                answer.send(Ok(chunk)).await.map_err(|_| io::ErrorKind::BrokenPipe)?;
            }
            Ok::<_, io::Error>(())
        };
        // With the client gone there is nobody to feed git for, so the first error ends both.
        let done = tokio::try_join!(feed(input, Vec::new(), body), talk).map(drop);
        let done = match done {
            Ok(()) => end.await.map_err(io::Error::other),
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            tracing::info!(%error, "a fetch did not come to its end");
            // The connection breaks off, so that the client does not take the part for the whole.
            let _gone = answer.send(Err(error)).await;
        }
    });
    read_by_client
}

/// Where to write an answer, and the body that carries it.
pub(super) fn answer() -> (mpsc::Sender<io::Result<Bytes>>, Body) {
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    let chunks = stream::unfold(receiver, async |mut receiver: mpsc::Receiver<_>| {
        receiver.recv().await.map(|chunk| (chunk, receiver))
    });
    (sender, Body::from_stream(Box::pin(chunks)))
}

/// Gives git what was read ahead and then the rest of the request. When git closes its input early,
/// the rest is read all the same: the client first sends everything, then listens.
pub(super) async fn feed(
    mut input: Box<dyn AsyncWrite + Send + Unpin>,
    ahead: Vec<u8>,
    mut body: GitBody,
) -> io::Result<()> {
    let mut next = Some(Bytes::from(ahead));
    while let Some(chunk) = next {
        match input.write_all(&chunk).await {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return body.discard().await,
            written => written?,
        }
        next = body.next().await?;
    }
    match input.shutdown().await {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// What git says next; `None` at the end.
pub(super) async fn read(
    output: &mut (dyn AsyncRead + Send + Unpin),
    buffer: &mut [u8],
) -> io::Result<Option<Bytes>> {
    let count = output.read(buffer).await?;
    Ok((count > 0).then(|| Bytes::copy_from_slice(&buffer[..count])))
}
