//! Group commit: a thread of its own owns the log, and everything that is queued when it comes
//! round goes into one transaction. It never waits for more to come: while one transaction is being
//! synced the next ones gather by themselves.

use crate::digest::Digest;
use crate::error::StoreError;
use crate::log::{Erasure, Log, LogRead, NewEntry, SealedHead, Snapshot, StoredEntry, StoredText};
use std::fmt;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use tokio::sync::oneshot;

/// One transaction takes no further batch once it has this many entries.
pub const GROUP_ENTRIES_MAX: usize = 4096;

/// Owns the thread; dropping it, or [`Writer::stop`], ends the thread after what is queued.
#[derive(Debug)]
pub struct Writer {
    handle: LogHandle,
    thread: Option<JoinHandle<()>>,
}

/// Asks the writer's thread from anywhere, and reads without it. Clones are cheap.
///
/// The writing methods queue the request at once, in the order of the calls and whether or not the
/// returned future is awaited. Reading is done on the calling thread through one connection that all
/// clones share, which is quick for a page of entries; whoever reads a whole stream does so on a
/// blocking thread with a reader of its own ([`LogHandle::reader`]).
#[derive(Clone)]
pub struct LogHandle {
    queue: Sender<Request>,
    reader: Arc<Mutex<Box<dyn LogRead>>>,
}

/// The answer to a queued request: await it, or call [`Answer::wait`] on a thread outside a runtime.
#[must_use = "a request is durable only once its answer says so"]
#[derive(Debug)]
pub struct Answer<T>(oneshot::Receiver<Result<T, StoreError>>);

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

enum Request {
    Append { batch: Vec<NewEntry>, reply: Reply<()> },
    Erase { stream: String, digest: Digest, reply: Reply<Erasure> },
    PutSnapshot { stream: String, sequence: u64, state: Vec<u8>, reply: Reply<()> },
    Reader { reply: Reply<Box<dyn LogRead>> },
    Stop,
}

impl Writer {
    /// Gives the log to a thread of its own.
    pub fn start(log: impl Log + 'static) -> Result<Self, StoreError> {
        let reader = Arc::new(Mutex::new(log.reader()?));
        let (queue, requests) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || serve(log, &requests))
            .map_err(|error| StoreError::NoThread(Arc::new(error)))?;
        Ok(Self { handle: LogHandle { queue, reader }, thread: Some(thread) })
    }

    /// A handle to ask the thread with.
    pub fn handle(&self) -> LogHandle {
        self.handle.clone()
    }

    /// Ends the thread after all that is queued; handles then answer [`StoreError::Closed`].
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Neither fails but when the thread has ended already, which is what is wanted.
        let _ = self.handle.queue.send(Request::Stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes the log had panicked");
        }
    }
}

impl LogHandle {
    /// Appends the batch, all or nothing; durable once the answer says so.
    pub fn append(&self, batch: Vec<NewEntry>) -> Answer<()> {
        self.ask(|reply| Request::Append { batch, reply })
    }

    /// Erases the content of a text for good; see [`Log::erase`].
    pub fn erase(&self, stream: &str, digest: Digest) -> Answer<Erasure> {
        let stream = stream.to_owned();
        self.ask(|reply| Request::Erase { stream, digest, reply })
    }

    /// Keeps a snapshot; see [`Log::put_snapshot`].
    pub fn put_snapshot(&self, stream: &str, sequence: u64, state: Vec<u8>) -> Answer<()> {
        let stream = stream.to_owned();
        self.ask(|reply| Request::PutSnapshot { stream, sequence, state, reply })
    }

    /// An independent reader of the same log.
    pub fn reader(&self) -> Answer<Box<dyn LogRead>> {
        self.ask(|reply| Request::Reader { reply })
    }

    fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Answer<T> {
        let (reply, answer) = oneshot::channel();
        // When the thread has ended, the request is dropped with its reply, and the answer says so.
        let _ = self.queue.send(request(reply));
        Answer(answer)
    }

    /// Reading leaves nothing half done, so a reader whose holder panicked is still good.
    fn read_lock(&self) -> MutexGuard<'_, Box<dyn LogRead>> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogRead for LogHandle {
    fn sealed_head(&self, stream: &str) -> Result<Option<SealedHead>, StoreError> {
        self.read_lock().sealed_head(stream)
    }

    fn streams(&self) -> Result<Vec<String>, StoreError> {
        self.read_lock().streams()
    }

    fn read(&self, stream: &str, from: u64, limit: usize) -> Result<Vec<StoredEntry>, StoreError> {
        self.read_lock().read(stream, from, limit)
    }

    fn texts(
        &self,
        stream: &str,
        sequences: RangeInclusive<u64>,
    ) -> Result<Vec<StoredText>, StoreError> {
        self.read_lock().texts(stream, sequences)
    }

    fn snapshot(&self, stream: &str) -> Result<Option<Snapshot>, StoreError> {
        self.read_lock().snapshot(stream)
    }
}

impl<T> Answer<T> {
    /// Waits on a thread that runs no asynchronous tasks; inside a runtime, await the answer.
    pub fn wait(self) -> Result<T, StoreError> {
        self.0.blocking_recv().unwrap_or(Err(StoreError::Closed))
    }
}

impl<T> Future for Answer<T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|answer| answer.unwrap_or(Err(StoreError::Closed)))
    }
}

impl fmt::Debug for LogHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogHandle")
    }
}

/// The thread: carries out requests in the order they were queued. A reply that nobody waits for
/// any more is no failure, for the request was carried out.
fn serve(mut log: impl Log, requests: &Receiver<Request>) {
    let mut next = None;
    while let Some(request) = next.take().or_else(|| requests.recv().ok()) {
        match request {
            Request::Append { batch, reply } => {
                let group;
                (group, next) = gather((batch, reply), requests);
                append_group(&mut log, group);
            }
            Request::Erase { stream, digest, reply } => {
                let _ = reply.send(log.erase(&stream, &digest));
            }
            Request::PutSnapshot { stream, sequence, state, reply } => {
                let _ = reply.send(log.put_snapshot(&stream, sequence, &state));
            }
            Request::Reader { reply } => {
                let _ = reply.send(log.reader());
            }
            Request::Stop => return,
        }
    }
}

type Append = (Vec<NewEntry>, Reply<()>);

/// The appends that are queued right now, and the request behind them if that is something else.
fn gather(first: Append, requests: &Receiver<Request>) -> (Vec<Append>, Option<Request>) {
    let mut entries = first.0.len();
    let mut group = vec![first];
    while entries < GROUP_ENTRIES_MAX {
        match requests.try_recv() {
            Ok(Request::Append { batch, reply }) => {
                entries += batch.len();
                group.push((batch, reply));
            }
            Ok(other) => return (group, Some(other)),
            Err(_) => break,
        }
    }
    (group, None)
}

fn append_group(log: &mut impl Log, group: Vec<Append>) {
    let batches: Vec<&[NewEntry]> = group.iter().map(|(batch, _)| batch.as_slice()).collect();
    match log.append_group(&batches) {
        Ok(results) => {
            for ((_, reply), result) in group.into_iter().zip(results) {
                let _ = reply.send(result.map_err(StoreError::from));
            }
        }
        Err(error) => {
            tracing::error!(%error, batches = group.len(), "nothing was appended");
            for (_, reply) in group {
                let _ = reply.send(Err(error.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests;
