//! The one thread that decides and appends.
//!
//! It takes the commands that are queued, without waiting for more, decides them one after the other
//! on a state of its own, appends all their facts, and only then lets anybody see them: the asker by
//! an answer, readers through the shared state. When an append fails, nobody has seen anything; the
//! askers are told, the state of its own is taken from the shared one again, and before the next
//! decision it is read again what the log holds: the answer to an append can be lost, not the facts.
//!
//! It decides for the streams that are this server's own. A server that shares its log owns those that
//! it holds a lease of, each with a fence under which the store takes its entries; of the others it
//! is told what their owners appended.
//!
//! | file        | idea                                             |
//! |-------------|--------------------------------------------------|
//! | `fold`      | from the log to the state                        |
//! | `sealing`   | from facts to lines of the log                   |
//! | `snapshots` | a start need not fold the whole log              |
//! | `worker`    | the thread                                       |

mod fold;
mod sealing;
mod snapshots;
#[cfg(test)]
mod tests;
mod worker;

use std::collections::BTreeMap;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use qnt9_engine::State;
use qnt9_model::{Ask, Entry, Millis, Refusal, StreamId};
use qnt9_store::{Head, LogHandle, StoreError};
use tokio::sync::{oneshot, watch};

pub use fold::LoadError;
use fold::{Heads, Loaded};
pub(crate) use fold::{Stretch, tail};
pub(crate) use snapshots::Snapshots;
use worker::{Request, Worker};

/// A handle to the thread. Clones are cheap.
#[derive(Clone)]
pub struct Machine {
    queue: Sender<Request>,
    durable: Arc<RwLock<Durable>>,
    changed: watch::Receiver<u64>,
    trouble: Arc<RwLock<Option<String>>>,
}

/// What is durable: all that readers see.
#[derive(Debug)]
struct Durable {
    state: State,
    heads: Heads,
    own: Own,
    /// After which entries the snapshots were made that the state began with.
    restored: BTreeMap<StreamId, u64>,
}

/// The streams that this server decides for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    /// All there are: nobody else works on this log. With the heads at the start.
    All(BTreeMap<StreamId, u64>),
    /// Those that a lease is held of.
    Leased(BTreeMap<StreamId, Tenure>),
}

/// A time of deciding for a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tenure {
    /// Under which the store takes entries.
    pub(crate) fence: u64,
    /// The last entry before it began.
    pub(crate) since: u64,
}

impl Own {
    /// Whether a stream is this server's own.
    pub(crate) fn has(&self, stream: &StreamId) -> bool {
        match self {
            Self::All(_) => true,
            Self::Leased(tenures) => tenures.contains_key(stream),
        }
    }

    /// The last entry of a stream before this server began to decide for it.
    fn since(&self, stream: &StreamId) -> u64 {
        match self {
            Self::All(heads) => heads.get(stream).copied().unwrap_or_default(),
            Self::Leased(tenures) => tenures.get(stream).map_or(0, |tenure| tenure.since),
        }
    }

    fn fence(&self, stream: &StreamId) -> Option<u64> {
        match self {
            Self::All(_) => None,
            Self::Leased(tenures) => tenures.get(stream).map(|tenure| tenure.fence),
        }
    }
}

/// Now, by the machine's clock.
#[must_use]
pub fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

impl Machine {
    /// Folds the log and starts the thread of a server that has the log for itself.
    pub fn start(log: LogHandle) -> Result<(Self, JoinHandle<()>), LoadError> {
        Self::start_with(log, |heads| {
            let last = |(stream, head): (&StreamId, &Head)| (stream.clone(), head.sequence);
            Own::All(heads.iter().map(last).collect())
        })
    }

    /// The same for a server that shares the log with others: it owns nothing before it is told to.
    pub(crate) fn start_shared(log: LogHandle) -> Result<(Self, JoinHandle<()>), LoadError> {
        Self::start_with(log, |_| Own::Leased(BTreeMap::new()))
    }

    fn start_with(
        log: LogHandle,
        own: impl FnOnce(&Heads) -> Own,
    ) -> Result<(Self, JoinHandle<()>), LoadError> {
        let Loaded { state, heads, restored } = fold::load(&log)?;
        let own = own(&heads);
        let (queue, requests) = channel();
        let (notify, changed) = watch::channel(0);
        let trouble = Arc::new(RwLock::new(None));
        let ahead = state.clone();
        let durable = Arc::new(RwLock::new(Durable { state, heads, own, restored }));
        let worker = Worker::new(log, ahead, durable.clone(), notify, trouble.clone());
        let thread = std::thread::Builder::new()
            .name("machine".to_owned())
            .spawn(move || worker.run(&requests))
            .map_err(|error| LoadError::Store(StoreError::NoThread(Arc::new(error))))?;
        Ok((Self { queue, durable, changed, trouble }, thread))
    }

    /// Asks a command; answered when its facts are durable.
    pub async fn ask(&self, ask: Ask) -> Result<Vec<Entry>, Refusal> {
        let asked = self.request(|reply| Request::Ask(Box::new(ask), reply)).await;
        asked.unwrap_or_else(|| Err(self.stopped()))
    }

    /// Makes a stream this server's own, under a fence: all that is in the log of it is known first.
    pub(crate) async fn own(&self, stream: &StreamId, fence: u64) -> Result<(), Refusal> {
        let stream = stream.clone();
        let owned = self.request(|reply| Request::Own { stream, fence, reply }).await;
        owned.unwrap_or_else(|| Err(self.stopped()))
    }

    /// Gives a stream up; nothing more is appended to it when this returns.
    pub(crate) async fn disown(&self, stream: &StreamId) {
        let stream = stream.clone();
        // A thread that has ended appends nothing either.
        let _ = self.request(|reply| Request::Disown { stream, reply }).await;
    }

    /// Tells what the owner of a stream appended.
    pub(crate) fn follow(&self, stream: &StreamId, stretch: Stretch) {
        // A thread that has ended shows nothing any more.
        let _ = self.queue.send(Request::Follow { stream: stream.clone(), stretch });
    }

    /// Tells that the log was just written to: what was in the way is over.
    pub(crate) fn log_answers(&self) {
        if self.trouble().is_some() {
            let _ = self.queue.send(Request::LogAnswers);
        }
    }

    async fn request<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.queue.send(request(reply)).ok()?;
        answer.await.ok()
    }

    fn stopped(&self) -> Refusal {
        let reason = self.trouble().unwrap_or_else(|| "it is stopping".to_owned());
        Refusal::Unavailable { reason }
    }

    /// Reads the durable state.
    pub fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        self.read_durable(|durable| look(&durable.state))
    }

    /// Whether a stream is this server's own.
    #[must_use]
    pub fn owns(&self, stream: &StreamId) -> bool {
        self.read_durable(|durable| durable.own.has(stream))
    }

    /// The streams that this server holds leases of; `None` where the log is its own.
    pub(crate) fn leased(&self) -> Option<Vec<StreamId>> {
        self.read_durable(|durable| match &durable.own {
            Own::All(_) => None,
            Own::Leased(tenures) => Some(tenures.keys().cloned().collect()),
        })
    }

    /// The last entry of a stream before this server began to decide for it.
    pub(crate) fn owned_since(&self, stream: &StreamId) -> u64 {
        self.read_durable(|durable| durable.own.since(stream))
    }

    /// The last entry of a stream that is in the state.
    pub(crate) fn head(&self, stream: &StreamId) -> Head {
        self.read_durable(|durable| durable.heads.get(stream).copied().unwrap_or(Head::EMPTY))
    }

    fn read_durable<T>(&self, look: impl FnOnce(&Durable) -> T) -> T {
        look(&self.durable.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes whenever the state does, or what this server owns.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changed.clone()
    }

    /// Why nothing can be appended at the moment.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.trouble.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends the thread after what is queued.
    pub fn stop(&self) {
        // The thread may have ended already, which is what is wanted.
        let _ = self.queue.send(Request::Stop);
    }
}

/// The error with its causes, in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
