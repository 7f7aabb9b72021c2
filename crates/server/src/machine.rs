//! The one thread that decides and appends.
//!
//! It takes the commands that are queued, without waiting for more, decides them one after the other
//! on a state of its own, appends all their facts in one transaction, and only then lets anybody see
//! them: the asker by an answer, readers through the shared state. When the append fails, nobody has
//! seen anything; the askers are told, and the state of its own is taken from the shared one again.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use qnt9_engine::{State, apply::apply, deadline, step};
use qnt9_model::entry::NO_PREVIOUS;
use qnt9_model::{Actor, Ask, Command, Entry, Millis, Refusal, StreamId};
use qnt9_store::{LogHandle, LogRead as _, NewEntry, StoreError, Text};
use std::collections::BTreeMap;
use tokio::sync::{oneshot, watch};

/// The longest sleep of the thread when no moment is due.
const SLEEP_MAX: Duration = Duration::from_secs(3600);
/// How often a failed append is tried again when nobody asks.
const RETRY: Duration = Duration::from_secs(1);
/// Entries read at once while the log is folded.
const READ_ENTRIES: usize = 1000;
/// Commands decided in one transaction.
const BATCH_COMMANDS_MAX: usize = 512;

type Reply = oneshot::Sender<Result<Vec<Entry>, Refusal>>;

enum Request {
    Ask(Box<Ask>, Reply),
    Stop,
}

/// A handle to the thread. Clones are cheap.
#[derive(Clone)]
pub struct Machine {
    queue: Sender<Request>,
    state: Arc<RwLock<State>>,
    changed: watch::Receiver<u64>,
    trouble: Arc<RwLock<Option<String>>>,
}

/// The log cannot be folded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It cannot be read.
    #[error("the log cannot be read")]
    Store(#[source] StoreError),
    /// A line is not an entry.
    #[error("entry {sequence} of stream {stream} cannot be read; `qnt9 audit verify` says more")]
    Entry {
        /// The stream.
        stream: String,
        /// The entry.
        sequence: u64,
        /// Why.
        #[source]
        source: qnt9_model::entry::EntryError,
    },
}

/// Now, by the machine's clock.
#[must_use]
pub fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

impl Machine {
    /// Folds the log and starts the thread.
    pub fn start(log: LogHandle) -> Result<(Self, JoinHandle<()>), LoadError> {
        let (state, heads) = load(&log)?;
        let (queue, requests) = channel();
        let (notify, changed) = watch::channel(0);
        let shared = Arc::new(RwLock::new(state.clone()));
        let trouble = Arc::new(RwLock::new(None));
        let worker = Worker {
            log,
            own: state,
            heads,
            shared: shared.clone(),
            notify,
            trouble: trouble.clone(),
        };
        let thread = std::thread::Builder::new()
            .name("machine".to_owned())
            .spawn(move || worker.run(&requests))
            .map_err(|error| LoadError::Store(StoreError::NoThread(Arc::new(error))))?;
        Ok((Self { queue, state: shared, changed, trouble }, thread))
    }

    /// Asks a command; answered when its facts are durable.
    pub async fn ask(&self, ask: Ask) -> Result<Vec<Entry>, Refusal> {
        let (reply, answer) = oneshot::channel();
        let stopped = || Refusal::Unavailable {
            reason: self.trouble().unwrap_or_else(|| "it is stopping".to_owned()),
        };
        let request = Request::Ask(Box::new(ask), reply);
        self.queue.send(request).map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// Reads the durable state.
    pub fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes whenever the state does.
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

fn load(log: &LogHandle) -> Result<(State, BTreeMap<StreamId, String>), LoadError> {
    let mut state = State::default();
    let mut heads = BTreeMap::new();
    let mut streams = log.streams().map_err(LoadError::Store)?;
    // People first: projects are decided on with them.
    streams.sort_by_key(|stream| stream != StreamId::PLATFORM);
    for stream in streams {
        let mut from = 1;
        loop {
            let page = log.read(&stream, from, READ_ENTRIES).map_err(LoadError::Store)?;
            let Some(last) = page.last().map(|entry| entry.sequence) else { break };
            let texts = log.texts(&stream, from..=last).map_err(LoadError::Store)?;
            let texts: BTreeMap<String, String> = texts
                .into_iter()
                .filter_map(|text| {
                    let plain = String::from_utf8(text.text?.plaintext).ok()?;
                    Some((text.digest.to_string(), plain))
                })
                .collect();
            for stored in &page {
                let line = String::from_utf8_lossy(&stored.line);
                let entry = Entry::open(&line, &|digest| texts.get(digest).cloned());
                let entry = entry.map_err(|source| LoadError::Entry {
                    stream: stream.clone(),
                    sequence: stored.sequence,
                    source,
                })?;
                apply(&mut state, &entry);
                heads.insert(entry.stream, stored.digest().to_string());
            }
            from = last + 1;
        }
    }
    Ok((state, heads))
}

struct Worker {
    log: LogHandle,
    own: State,
    heads: BTreeMap<StreamId, String>,
    shared: Arc<RwLock<State>>,
    notify: watch::Sender<u64>,
    trouble: Arc<RwLock<Option<String>>>,
}

/// Nobody else can decide or append: when this thread dies, everybody is to know.
impl Drop for Worker {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut trouble = self.trouble.write().unwrap_or_else(PoisonError::into_inner);
            *trouble = Some("a fault stopped the machine; restart qnt9 and report it".to_owned());
        }
    }
}

impl Worker {
    fn run(mut self, requests: &Receiver<Request>) {
        loop {
            let mut batch = Vec::new();
            match requests.recv_timeout(self.patience()) {
                Ok(Request::Ask(ask, reply)) => batch.push((ask, reply)),
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Request::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
            let mut stop = false;
            while batch.len() < BATCH_COMMANDS_MAX {
                match requests.try_recv() {
                    Ok(Request::Ask(ask, reply)) => batch.push((ask, reply)),
                    Ok(Request::Stop) => {
                        stop = true;
                        break;
                    }
                    Err(_) => break,
                }
            }
            self.carry_out(batch);
            if stop {
                return;
            }
        }
    }

    /// How long to sleep: until the next moment at which something happens by time alone.
    fn patience(&self) -> Duration {
        if self.trouble.read().is_ok_and(|trouble| trouble.is_some()) {
            return RETRY;
        }
        let now = now();
        let due = deadline(&self.own, now).map_or(SLEEP_MAX, |due| {
            Duration::from_millis(u64::try_from(due.since(now)).unwrap_or(0))
        });
        due.min(SLEEP_MAX)
    }

    fn carry_out(&mut self, batch: Vec<(Box<Ask>, Reply)>) {
        let now = now();
        let mut answers = Vec::with_capacity(batch.len());
        let mut entries = Vec::new();
        for (ask, reply) in batch {
            let answer = step(&mut self.own, &ask, now);
            entries.extend(answer.iter().flatten().cloned());
            answers.push((answer, reply));
        }
        entries.extend(self.tick(now));
        let failure = self.append(&entries).err();
        // Only something recorded shows that things can be recorded again.
        if !entries.is_empty() {
            self.report(failure.as_ref());
        }
        for (answer, reply) in answers {
            let answer = match &failure {
                Some(reason) => Err(Refusal::Unavailable { reason: reason.clone() }),
                None => answer,
            };
            // Whoever asked may have gone; the facts stand all the same.
            let _ = reply.send(answer);
        }
    }

    /// Lets follow what has become due, in every project.
    fn tick(&mut self, now: Millis) -> Vec<Entry> {
        let streams: Vec<StreamId> = self.own.projects.keys().cloned().collect();
        let mut entries = Vec::new();
        for stream in streams {
            let ask = Ask { stream, by: Actor::Platform, command: Command::Tick };
            match step(&mut self.own, &ask, now) {
                Ok(more) => entries.extend(more),
                Err(refusal) => tracing::error!(%refusal, "a tick was refused"),
            }
        }
        entries
    }

    /// Makes the entries durable and visible, or neither.
    fn append(&mut self, entries: &[Entry]) -> Result<(), String> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut heads = self.heads.clone();
        let result = seal(entries, &mut heads)
            .and_then(|batch| self.log.append(batch).wait().map_err(|error| store_trouble(&error)));
        let mut shared = self.shared.write().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(()) => {
                self.heads = heads;
                entries.iter().for_each(|entry| apply(&mut shared, entry));
                drop(shared);
                self.notify.send_modify(|count| *count += 1);
                Ok(())
            }
            Err(reason) => {
                self.own = shared.clone();
                Err(reason)
            }
        }
    }

    fn report(&self, failure: Option<&String>) {
        let mut trouble = self.trouble.write().unwrap_or_else(PoisonError::into_inner);
        match (failure, trouble.as_ref()) {
            (Some(reason), None) => tracing::error!("nothing can be recorded: {reason}"),
            (None, Some(_)) => tracing::info!("facts can be recorded again"),
            _ => {}
        }
        *trouble = failure.cloned();
    }
}

fn seal(
    entries: &[Entry],
    heads: &mut BTreeMap<StreamId, String>,
) -> Result<Vec<NewEntry>, String> {
    let mut batch = Vec::with_capacity(entries.len());
    for entry in entries {
        let previous = heads.get(&entry.stream).map_or(NO_PREVIOUS, String::as_str);
        let mut salt_failure = None;
        let sealed = entry.seal(previous, &mut || {
            let mut salt = [0; 16];
            if let Err(error) = getrandom::fill(&mut salt) {
                salt_failure = Some(error);
            }
            salt
        });
        if let Some(error) = salt_failure {
            return Err(format!("the system gives no random bytes: {error}"));
        }
        let texts = sealed.texts.iter().map(|text| {
            let digest = text.digest.parse().expect("a digest was just computed");
            let plaintext = text.text.clone().into_bytes();
            Text { digest, salt: text.salt.to_vec(), plaintext }
        });
        let new = NewEntry::new(sealed.line.into_bytes(), texts.collect());
        batch.push(new.map_err(|error| error.to_string())?);
        heads.insert(entry.stream.clone(), sealed.digest);
    }
    Ok(batch)
}

/// The error with its causes, in one line.
fn store_trouble(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
