use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::control::Wish;
use super::log::JobLog;
use crate::journal::PROTOCOL_VERSION;
use crate::limits::READERS_DRAIN;
use crate::shim_dir::ShimDir;
use crate::socket::{self, Request, Welcome};

const READ_BYTES: usize = 64 * 1024;

/// The shim's side of its socket: gives the journal to whoever follows, takes the wish to cancel.
pub(super) struct Door {
    pub(super) dir: ShimDir,
    pub(super) log: Arc<JobLog>,
    /// Set by a client's `Cancel` or `Kill`; the job answers through `wish_noted`.
    pub(super) wish: watch::Sender<Wish>,
    /// Becomes true when the wish is in the journal, or the job is over anyway.
    pub(super) wish_noted: watch::Receiver<bool>,
    /// Becomes true when the journal has its last record.
    pub(super) finished: watch::Receiver<bool>,
}

impl Door {
    /// Serves until the job has finished and the followers have its last record.
    pub(super) async fn serve(self, listener: UnixListener) {
        let door = Arc::new(self);
        let mut finished = door.finished.clone();
        let mut clients = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let door = Arc::clone(&door);
                        clients.spawn(async move {
                            if let Err(error) = door.answer(stream).await {
                                tracing::debug!(%error, "a reader of the journal went away");
                            }
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a reader of the journal");
                        tokio::time::sleep(READERS_DRAIN / 10).await;
                    }
                },
                Some(_) = clients.join_next() => {}
                () = until_true(&mut finished) => break,
            }
        }
        // A reader that is too slow finds the rest in the file.
        let _ =
            timeout(READERS_DRAIN, async { while clients.join_next().await.is_some() {} }).await;
    }

    async fn answer(&self, mut stream: UnixStream) -> io::Result<()> {
        let request = socket::receive(&mut stream).await?;
        let welcome = Welcome { protocol: PROTOCOL_VERSION, pid: std::process::id() };
        socket::send(&mut stream, &welcome).await?;
        match request {
            Request::Hello => Ok(()),
            Request::Follow { from } => self.stream_journal(stream, from).await,
            Request::Cancel => {
                Wish::raise(&self.wish, Wish::Cancel);
                until_true(&mut self.wish_noted.clone()).await;
                stream.shutdown().await
            }
            Request::Kill => {
                Wish::raise(&self.wish, Wish::Kill);
                until_true(&mut self.finished.clone()).await;
                stream.shutdown().await
            }
            Request::Status | Request::Stop { .. } => {
                Err(io::Error::new(io::ErrorKind::InvalidInput, "a job's shim serves no replica"))
            }
        }
    }

    async fn stream_journal(&self, mut stream: UnixStream, from: u64) -> io::Result<()> {
        let mut end = self.log.watch_end();
        let mut finished = self.finished.clone();
        let mut file = tokio::fs::File::open(self.dir.journal()).await?;
        file.seek(io::SeekFrom::Start(from)).await?;
        let mut sent = from;
        let mut chunk = vec![0; READ_BYTES];
        loop {
            // Asked before the end, so that a record between the two is not missed.
            let is_last = *finished.borrow_and_update();
            let until = *end.borrow_and_update();
            while sent < until {
                let wanted =
                    usize::try_from(until - sent).map_or(READ_BYTES, |n| n.min(READ_BYTES));
                let count = file.read(&mut chunk[..wanted]).await?;
                stream.write_all(&chunk[..count]).await?;
                sent += count as u64;
            }
            if is_last {
                return stream.shutdown().await;
            }
            tokio::select! {
                changed = end.changed() => changed.map_err(io::Error::other)?,
                changed = finished.changed() => changed.map_err(io::Error::other)?,
            }
        }
    }
}

/// A sender that is gone has nothing more to say, which counts as yes.
async fn until_true(value: &mut watch::Receiver<bool>) {
    let _ = value.wait_for(|value| *value).await;
}
