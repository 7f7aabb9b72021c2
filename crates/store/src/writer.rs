//! Group commit: a thread of its own owns the log, and everything that is queued when it comes
//! round goes into one transaction. It never waits for more to come: while one transaction is being
//! synced the next ones gather by themselves.

use crate::digest::Digest;
use crate::entry::{NewEntry, StoredEntry, StoredText};
use crate::error::StoreError;
use crate::group::Batch;
use crate::lease::{Fence, Leases};
use crate::log::{Erasure, Head, Log, LogRead, NewSnapshot, SealedHead, Snapshot};
use std::collections::{BTreeMap, VecDeque};
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
    Append(Append),
    PutSnapshot(NewSnapshot, Reply<()>),
    Erase {
        stream: String,
        digest: Digest,
        reply: Reply<Erasure>,
    },
    /// Anything else that is done at once.
    Work(Work),
    Stop,
}

type Work = Box<dyn FnOnce(&mut dyn Log) + Send>;

struct Append {
    entries: Vec<NewEntry>,
    fences: Vec<Fence>,
    reply: Reply<()>,
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
    pub fn append(&self, entries: Vec<NewEntry>) -> Answer<()> {
        self.append_fenced(entries, Vec::new())
    }

    /// Appends the batch if all of these leases are still in force; see [`Log::append_group`].
    pub fn append_fenced(&self, entries: Vec<NewEntry>, fences: Vec<Fence>) -> Answer<()> {
        self.ask(|reply| Request::Append(Append { entries, fences, reply }))
    }

    /// Erases the content of a text for good; see [`Log::erase`].
    pub fn erase(&self, stream: &str, digest: Digest) -> Answer<Erasure> {
        let stream = stream.to_owned();
        self.ask(|reply| Request::Erase { stream, digest, reply })
    }

    /// Keeps a snapshot; see [`Log::put_snapshot_part`]. Appends go on between its parts.
    pub fn put_snapshot(&self, snapshot: NewSnapshot) -> Answer<()> {
        self.ask(|reply| Request::PutSnapshot(snapshot, reply))
    }

    /// Archives some entries; see [`Log::compact`].
    pub fn compact(&self, stream: &str, upto: u64) -> Answer<Option<RangeInclusive<u64>>> {
        let stream = stream.to_owned();
        self.work(move |log| log.compact(&stream, upto))
    }

    /// An independent reader of the same log.
    pub fn reader(&self) -> Answer<Box<dyn LogRead>> {
        self.work(|log| log.reader())
    }

    /// The leases of the same log, through a connection of their own.
    pub fn leases(&self) -> Answer<Box<dyn Leases + Send>> {
        self.work(|log| log.leases())
    }

    fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Log) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<T> {
        self.ask(|reply| {
            Request::Work(Box::new(move |log| {
                let _ = reply.send(work(log));
            }))
        })
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

    fn heads(&self) -> Result<BTreeMap<String, Head>, StoreError> {
        self.read_lock().heads()
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

/// The thread: carries out requests in the order they were queued, but for snapshots, whose parts
/// are written one by one between the others. A reply that nobody waits for any more is no failure,
/// for the request was carried out.
fn serve(mut log: impl Log, requests: &Receiver<Request>) {
    let mut next = None;
    let mut snapshots = Snapshots::default();
    loop {
        let request = match next.take() {
            Some(request) => Some(request),
            None if snapshots.0.is_empty() => match requests.recv() {
                Ok(request) => Some(request),
                Err(_) => return,
            },
            None => requests.try_recv().ok(),
        };
        match request {
            Some(Request::Append(first)) => {
                let group;
                (group, next) = gather(first, requests);
                append_group(&mut log, group);
            }
            Some(Request::PutSnapshot(snapshot, reply)) => {
                snapshots.0.push_back((snapshot, reply));
            }
            Some(Request::Erase { stream, digest, reply }) => {
                // What was to be kept before the erasure is to be gone after it.
                while snapshots.are_for(&stream) {
                    snapshots.write_part(&mut log);
                }
                let _ = reply.send(log.erase(&stream, &digest));
            }
            Some(Request::Work(work)) => work(&mut log),
            Some(Request::Stop) => {
                while !snapshots.0.is_empty() {
                    snapshots.write_part(&mut log);
                }
                return;
            }
            None => {}
        }
        snapshots.write_part(&mut log);
    }
}

/// Snapshots that are being written, in order.
#[derive(Default)]
struct Snapshots(VecDeque<(NewSnapshot, Reply<()>)>);

impl Snapshots {
    fn write_part(&mut self, log: &mut impl Log) {
        let Some((snapshot, _)) = self.0.front_mut() else { return };
        let ended = match log.put_snapshot_part(snapshot) {
            Ok(false) => return,
            Ok(true) => Ok(()),
            Err(error) => Err(error),
        };
        if let Some((_, reply)) = self.0.pop_front() {
            let _ = reply.send(ended);
        }
    }

    fn are_for(&self, stream: &str) -> bool {
        self.0.iter().any(|(snapshot, _)| snapshot.stream() == stream)
    }
}

/// The appends that are queued right now, and the request behind them if that is something else.
fn gather(first: Append, requests: &Receiver<Request>) -> (Vec<Append>, Option<Request>) {
    let mut entries = first.entries.len();
    let mut group = vec![first];
    while entries < GROUP_ENTRIES_MAX {
        match requests.try_recv() {
            Ok(Request::Append(append)) => {
                entries += append.entries.len();
                group.push(append);
            }
            Ok(other) => return (group, Some(other)),
            Err(_) => break,
        }
    }
    (group, None)
}

fn append_group(log: &mut impl Log, group: Vec<Append>) {
    let batches: Vec<Batch<'_>> = group
        .iter()
        .map(|append| Batch { entries: &append.entries, fences: &append.fences })
        .collect();
    match log.append_group(&batches) {
        Ok(results) => {
            for (append, result) in group.into_iter().zip(results) {
                let _ = append.reply.send(result.map_err(StoreError::from));
            }
        }
        Err(error) => {
            tracing::error!(%error, batches = group.len(), "a group was not appended");
            for append in group {
                let _ = append.reply.send(Err(error.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests;
