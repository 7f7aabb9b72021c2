//! The thread of the machine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use qnt9_engine::orders::deadline_of;
use qnt9_engine::{State, apply::apply, step};
use qnt9_model::{Actor, Ask, Command, Entry, Millis, Refusal, StreamId};
use qnt9_store::{Conflict, Fence, Head, LogHandle, LogRead as _, StoreError};
use tokio::sync::{oneshot, watch};

use super::fold::{Heads, LoadError, Stretch, tail};
use super::sealing::seal;
use super::{Durable, Own, Tenure, now, with_causes};

/// The longest sleep of the thread when no moment is due.
const SLEEP_MAX: Duration = Duration::from_secs(3600);
/// How often a failed append is tried again when nobody asks.
const RETRY: Duration = Duration::from_secs(1);
/// Commands decided in one transaction.
const BATCH_COMMANDS_MAX: usize = 512;

type Reply = oneshot::Sender<Result<Vec<Entry>, Refusal>>;

/// What the thread is asked.
pub(super) enum Request {
    /// Decide a command.
    Ask(Box<Ask>, Reply),
    /// A lease of this stream is held under that fence.
    Own {
        stream: StreamId,
        fence: u64,
        reply: oneshot::Sender<Result<(), Refusal>>,
    },
    /// The stream is given up.
    Disown {
        stream: StreamId,
        reply: oneshot::Sender<()>,
    },
    /// Its owner appended this.
    Follow {
        stream: StreamId,
        stretch: Stretch,
    },
    /// The log was just written to.
    LogAnswers,
    Stop,
}

pub(super) struct Worker {
    log: LogHandle,
    /// The state with what is decided and not yet durable.
    ahead: State,
    durable: Arc<RwLock<Durable>>,
    notify: watch::Sender<u64>,
    trouble: Arc<RwLock<Option<String>>>,
    /// Whether the log may hold more of the own streams than the state: the answer to an append was
    /// lost.
    behind: bool,
    /// The own streams that were told that somebody decides for them again.
    awake: BTreeSet<StreamId>,
}

/// Why entries of a stream were not appended.
#[derive(Clone, Debug)]
enum Failure {
    /// The log cannot be written.
    Trouble(String),
    /// Another server owns the stream now.
    Fenced,
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
    pub(super) fn new(
        log: LogHandle,
        ahead: State,
        durable: Arc<RwLock<Durable>>,
        notify: watch::Sender<u64>,
        trouble: Arc<RwLock<Option<String>>>,
    ) -> Self {
        Self { log, ahead, durable, notify, trouble, behind: false, awake: BTreeSet::new() }
    }

    pub(super) fn run(mut self, requests: &Receiver<Request>) {
        // Before anybody's command: own streams wake.
        self.carry_out(Vec::new());
        let mut next = None;
        loop {
            let first = match next.take() {
                Some(request) => Ok(request),
                None => requests.recv_timeout(self.patience()),
            };
            let mut batch = Vec::new();
            match first {
                Ok(Request::Ask(ask, reply)) => batch.push((ask, reply)),
                Ok(Request::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(request) => {
                    self.other(request);
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            while batch.len() < BATCH_COMMANDS_MAX && next.is_none() {
                match requests.try_recv() {
                    Ok(Request::Ask(ask, reply)) => batch.push((ask, reply)),
                    Ok(other) => next = Some(other),
                    Err(_) => break,
                }
            }
            self.carry_out(batch);
        }
    }

    /// How long to sleep: until the next moment at which something happens by time alone.
    fn patience(&self) -> Duration {
        if self.behind || self.trouble.read().is_ok_and(|trouble| trouble.is_some()) {
            return RETRY;
        }
        let now = now();
        let due = self.look(|durable| {
            let own = self.ahead.projects.iter().filter(|(stream, _)| durable.own.has(stream));
            let due = |project| deadline_of(&self.ahead.platform, project, now);
            own.filter_map(|(_, project)| due(project)).min()
        });
        let until = |due: Millis| Duration::from_millis(u64::try_from(due.since(now)).unwrap_or(0));
        due.map_or(SLEEP_MAX, until).min(SLEEP_MAX)
    }

    fn other(&mut self, request: Request) {
        // Whoever asked may have gone; what was asked is done all the same.
        match request {
            Request::Own { stream, fence, reply } => {
                let _ = reply.send(self.own(&stream, fence));
            }
            Request::Disown { stream, reply } => {
                self.disown(&stream);
                let _ = reply.send(());
            }
            Request::Follow { stream, stretch } => {
                if !self.owns(&stream) {
                    self.learn(&stream, &stretch);
                }
            }
            Request::LogAnswers if !self.behind => self.report(None),
            Request::LogAnswers | Request::Ask(..) | Request::Stop => {}
        }
    }

    fn owns(&self, stream: &StreamId) -> bool {
        self.look(|durable| durable.own.has(stream))
    }

    fn look<T>(&self, look: impl FnOnce(&Durable) -> T) -> T {
        look(&self.durable.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, change: impl FnOnce(&mut Durable)) {
        change(&mut self.durable.write().unwrap_or_else(PoisonError::into_inner));
        self.notify.send_modify(|count| *count += 1);
    }

    fn own(&mut self, stream: &StreamId, fence: u64) -> Result<(), Refusal> {
        // Nobody else can append now, so what is read here is all there is.
        self.catch_up(stream).map_err(|reason| Refusal::Unavailable { reason })?;
        self.change(|durable| {
            let since = durable.state.sequence(stream);
            if let Own::Leased(tenures) = &mut durable.own {
                tenures.insert(stream.clone(), Tenure { fence, since });
            }
        });
        tracing::info!(%stream, fence, "this server decides for the stream now");
        // What became due while nobody decided follows now.
        self.carry_out(Vec::new());
        Ok(())
    }

    fn disown(&mut self, stream: &StreamId) {
        self.awake.remove(stream);
        self.change(|durable| {
            if let Own::Leased(tenures) = &mut durable.own
                && tenures.remove(stream).is_some()
            {
                tracing::info!(%stream, "this server does not decide for the stream any more");
            }
        });
    }

    /// Reads what the log has of a stream beyond the state.
    fn catch_up(&mut self, stream: &StreamId) -> Result<(), String> {
        let head = self.look(|durable| durable.heads.get(stream).copied()).unwrap_or(Head::EMPTY);
        let stretch = tail(&self.log, stream, head).map_err(|error| match error {
            LoadError::Store(error) => with_causes(&error),
            other => with_causes(&other),
        })?;
        self.learn(stream, &stretch);
        Ok(())
    }

    /// Takes over what is in the log already.
    fn learn(&mut self, stream: &StreamId, stretch: &Stretch) {
        let known = self.look(|durable| durable.state.sequence(stream));
        let new: Vec<&Entry> =
            stretch.entries.iter().filter(|entry| entry.sequence > known).collect();
        // A gap means that this stretch was read before another one was learnt or lost.
        if new.first().is_none_or(|first| first.sequence != known + 1) {
            return;
        }
        new.iter().for_each(|entry| apply(&mut self.ahead, entry));
        self.change(|durable| {
            new.iter().for_each(|entry| apply(&mut durable.state, entry));
            durable.heads.insert(stream.clone(), stretch.head);
        });
    }

    /// Reads what the log has of all own streams, when an append's answer was lost.
    fn recover(&mut self) -> Result<(), String> {
        if !self.behind {
            return Ok(());
        }
        let streams = self.log.streams().map_err(|error| with_causes(&error))?;
        for stream in streams.into_iter().map(StreamId::from) {
            if self.owns(&stream) {
                self.catch_up(&stream)?;
            }
        }
        self.behind = false;
        Ok(())
    }

    fn carry_out(&mut self, batch: Vec<(Box<Ask>, Reply)>) {
        if let Err(reason) = self.recover() {
            self.report(Some(&reason));
            for (_, reply) in batch {
                let _ = reply.send(Err(Refusal::Unavailable { reason: reason.clone() }));
            }
            return;
        }
        let now = now();
        let mut answers = Vec::with_capacity(batch.len());
        let mut entries = Vec::new();
        for (ask, reply) in batch {
            let answer = if self.owns(&ask.stream) {
                step(&mut self.ahead, &ask, now)
            } else {
                Err(not_own(&ask.stream))
            };
            entries.extend(answer.iter().flatten().cloned());
            answers.push((ask.stream, answer, reply));
        }
        entries.extend(self.tick(now));
        let failures = self.append(&entries);
        let trouble = failures.values().find_map(|failure| match failure {
            Failure::Trouble(reason) => Some(reason),
            Failure::Fenced => None,
        });
        // Only something recorded shows that things can be recorded again.
        if !entries.is_empty() {
            self.report(trouble);
        }
        for (stream, answer, reply) in answers {
            let answer = match failures.get(&stream) {
                Some(Failure::Trouble(reason)) => {
                    Err(Refusal::Unavailable { reason: reason.clone() })
                }
                Some(Failure::Fenced) => Err(not_own(&stream)),
                None => answer,
            };
            // Whoever asked may have gone; the facts stand all the same.
            let _ = reply.send(answer);
        }
    }

    /// Lets follow what has become due, in every own project.
    fn tick(&mut self, now: Millis) -> Vec<Entry> {
        let streams = self.ahead.projects.keys().filter(|stream| self.owns(stream));
        let streams: Vec<StreamId> = streams.cloned().collect();
        let mut entries = Vec::new();
        for stream in streams {
            // While nobody decided, nobody could answer either: waits for answers begin anew.
            let command = match self.awake.insert(stream.clone()) {
                true => Command::Wake,
                false => Command::Tick,
            };
            let ask = Ask { stream, by: Actor::Platform, command };
            match step(&mut self.ahead, &ask, now) {
                Ok(more) => entries.extend(more),
                Err(refusal) => tracing::error!(%refusal, "a tick was refused"),
            }
        }
        entries
    }

    /// Makes the entries of each stream durable and visible, or neither; why not, by stream.
    fn append(&mut self, entries: &[Entry]) -> BTreeMap<StreamId, Failure> {
        let streams: BTreeSet<&StreamId> = entries.iter().map(|entry| &entry.stream).collect();
        let mut heads: Heads = self.look(|durable| {
            let known = |stream: &&StreamId| durable.heads.get(*stream).copied();
            streams.iter().filter_map(|stream| Some(((*stream).clone(), known(stream)?))).collect()
        });
        let failures = match seal(entries, &mut heads) {
            Ok(batches) => self.store(batches),
            Err(reason) => {
                let all = streams.iter().map(|stream| (*stream).clone());
                all.map(|stream| (stream, Failure::Trouble(reason.clone()))).collect()
            }
        };
        if streams.iter().any(|stream| !failures.contains_key(*stream)) {
            self.change(|durable| {
                let stored = |entry: &&Entry| !failures.contains_key(&entry.stream);
                entries.iter().filter(stored).for_each(|entry| apply(&mut durable.state, entry));
                let stored = heads.into_iter().filter(|(at, _)| !failures.contains_key(at));
                durable.heads.extend(stored);
            });
        }
        for (stream, failure) in &failures {
            self.awake.remove(stream);
            if matches!(failure, Failure::Fenced) {
                tracing::warn!(%stream, "another server has taken the stream over");
                self.disown(stream);
            }
        }
        if !failures.is_empty() {
            self.ahead = self.look(|durable| durable.state.clone());
            self.behind = true;
        }
        failures
    }

    /// Appends each stream's entries under its fence. They are queued together, so that they become
    /// durable together.
    fn store(
        &self,
        batches: BTreeMap<StreamId, Vec<qnt9_store::NewEntry>>,
    ) -> BTreeMap<StreamId, Failure> {
        let own = self.look(|durable| durable.own.clone());
        let queued: Vec<_> = batches
            .into_iter()
            .map(|(stream, batch)| {
                let fence = own.fence(&stream);
                let fence = fence.map(|number| Fence { stream: stream.to_string(), number });
                let answer = self.log.append_fenced(batch, fence.into_iter().collect());
                (stream, answer)
            })
            .collect();
        let failed = queued.into_iter().filter_map(|(stream, answer)| {
            let failure = match answer.wait() {
                Ok(()) => return None,
                Err(StoreError::Conflict(Conflict::Fenced { .. })) => Failure::Fenced,
                Err(error) => Failure::Trouble(with_causes(&error)),
            };
            Some((stream, failure))
        });
        failed.collect()
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

fn not_own(stream: &StreamId) -> Refusal {
    Refusal::Unavailable {
        reason: format!("this server does not decide for {stream} now; ask again in a second"),
    }
}
