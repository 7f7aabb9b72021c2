//! The state as it was at an earlier moment: the log folded up to it.
//!
//! A fold runs on a thread of its own with a reader of its own, one at a time, so nobody who asks for
//! today waits for somebody who asks for last year. What was folded is kept for the next question: a
//! later moment goes on from the nearest one before it, and so does a fold that ran out of time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use qnt9_engine::State;
use qnt9_engine::apply::apply;
use qnt9_model::{Entry, Millis, Refusal, StreamId};
use qnt9_store::{LogHandle, LogRead, StoreError};
use tokio::sync::{Semaphore, oneshot};

/// Moments that are kept.
const MOMENTS_KEPT: usize = 4;
/// Entries read at once.
const PAGE_ENTRIES: usize = 1_000;
/// So many entries before a goal that is far away, a moment is kept: going back a little then does
/// not begin at the first entry.
const FOOTHOLD_ENTRIES: u64 = 2_000;
/// The longest that one question folds.
const FOLD_MAX: Duration = Duration::from_secs(30);

/// Which moment is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// After the last entry that was recorded by then.
    At(Millis),
    /// After this entry of the project.
    Entry(u64),
}

/// A project, and the people who were known, as they stood at a moment.
pub(crate) struct Moment {
    /// Of this project, and of no other.
    pub(crate) state: State,
    /// Which project.
    pub(crate) stream: StreamId,
    /// The last entry of the project by then; there is one.
    pub(crate) last: Entry,
}

impl Moment {
    fn sequence(&self) -> u64 {
        self.last.sequence
    }
}

/// What was folded, for whoever asks next.
pub(crate) struct Past {
    kept: Mutex<VecDeque<Arc<Moment>>>,
    turn: Semaphore,
}

impl Default for Past {
    fn default() -> Self {
        Self { kept: Mutex::default(), turn: Semaphore::new(1) }
    }
}

/// Why an earlier moment cannot be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PastError {
    /// There was no such project yet.
    #[error("project {stream} had no facts by then; its first one is from {}", written(*.first))]
    Before {
        /// The project.
        stream: StreamId,
        /// Its first entry's moment.
        first: Millis,
    },
    /// It has not happened yet.
    #[error("{what} is still to come: the past ends at fact {last}, now")]
    Future {
        /// What was asked for.
        what: String,
        /// The newest entry.
        last: u64,
    },
    /// The log is long.
    #[error(
        "{done} of {goal} facts were folded in {} s, and are kept: ask again and it goes on from there",
        FOLD_MAX.as_secs()
    )]
    Long {
        /// Folded so far.
        done: u64,
        /// Wanted.
        goal: u64,
    },
    /// Somebody else's question takes its time.
    #[error("another question about the past is being answered; ask again in a moment")]
    Busy,
    /// The log cannot be read.
    #[error("the log cannot be read")]
    Store(#[from] StoreError),
    /// A line is not an entry.
    #[error("entry {sequence} of stream {stream} cannot be read; `qnt9 audit verify` says more")]
    Entry {
        /// The stream.
        stream: StreamId,
        /// The entry.
        sequence: u64,
        /// Why.
        #[source]
        source: qnt9_model::entry::EntryError,
    },
    /// No thread could be started, or it died.
    #[error("the thread that folds the log could not do its work")]
    Thread,
}

impl From<PastError> for Refusal {
    fn from(error: PastError) -> Self {
        let reason = error.to_string();
        match error {
            PastError::Before { .. } | PastError::Future { .. } => {
                Self::Invalid { what: "that moment".to_owned(), reason }
            }
            _ => Self::Unavailable { reason },
        }
    }
}

fn written(at: Millis) -> String {
    qnt9_console::time::machine(at)
}

impl Past {
    /// The project as it stood then.
    pub(crate) async fn moment(
        &self,
        log: &LogHandle,
        stream: &StreamId,
        when: When,
    ) -> Result<Arc<Moment>, PastError> {
        let turn = tokio::time::timeout(FOLD_MAX, self.turn.acquire()).await;
        // It is never closed, so only the clock says no.
        let Ok(Ok(_turn)) = turn else { return Err(PastError::Busy) };
        let log = log.reader().await?;
        let (reply, answer) = oneshot::channel();
        let (stream, kept) = (stream.clone(), self.kept());
        let fold = move || {
            let fold =
                Fold { log: log.as_ref(), stream: &stream, until: Instant::now() + FOLD_MAX };
            let folded = fold.moment(when, &kept, || reply.is_closed());
            // Whoever asked may have gone.
            let _ = reply.send(folded);
        };
        let thread = std::thread::Builder::new().name("past".to_owned());
        thread.spawn(fold).map_err(|_| PastError::Thread)?;
        let Folded { outcome, new } = answer.await.map_err(|_| PastError::Thread)?;
        self.keep(new);
        outcome
    }

    fn kept(&self) -> Vec<Arc<Moment>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn keep(&self, new: Vec<Arc<Moment>>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for moment in new {
            kept.retain(|old| old.stream != moment.stream || old.sequence() != moment.sequence());
            kept.push_back(moment);
        }
        while kept.len() > MOMENTS_KEPT {
            kept.pop_front();
        }
    }
}

/// What one fold brought.
struct Folded {
    outcome: Result<Arc<Moment>, PastError>,
    /// To be kept, however it came out.
    new: Vec<Arc<Moment>>,
}

/// One question about the past.
struct Fold<'a> {
    log: &'a dyn LogRead,
    stream: &'a StreamId,
    until: Instant,
}

impl Fold<'_> {
    fn moment(&self, when: When, kept: &[Arc<Moment>], is_unwanted: impl Fn() -> bool) -> Folded {
        let mut new = Vec::new();
        let outcome = self.goal(when).and_then(|goal| {
            let before =
                |moment: &&Arc<Moment>| moment.stream == *self.stream && moment.sequence() <= goal;
            let nearest = kept.iter().filter(before).max_by_key(|moment| moment.sequence());
            if let Some(there) = nearest.filter(|moment| moment.sequence() == goal) {
                // Kept anew, as the one asked for last.
                new.push(there.clone());
                return Ok(there.clone());
            }
            self.fold(nearest, goal, &mut new, is_unwanted)
        });
        Folded { outcome, new }
    }

    /// The sequence number of the entry that is meant.
    fn goal(&self, when: When) -> Result<u64, PastError> {
        let last = self.log.head(self.stream.as_str())?.sequence;
        match when {
            When::Entry(sequence) if sequence > last || sequence == 0 => {
                Err(PastError::Future { what: format!("fact {sequence}"), last })
            }
            When::Entry(sequence) => Ok(sequence),
            When::At(at) => {
                // Entries stand in the order of time, so the last one by then is found by halving.
                let (mut before, mut after) = (0, last + 1);
                while after - before > 1 {
                    let middle = before + (after - before) / 2;
                    if self.entry(middle)?.time <= at { before = middle } else { after = middle }
                }
                match before {
                    0 => Err(PastError::Before {
                        stream: self.stream.clone(),
                        first: self.entry(1)?.time,
                    }),
                    found => Ok(found),
                }
            }
        }
    }

    fn entry(&self, sequence: u64) -> Result<Entry, PastError> {
        let page = self.page(self.stream, sequence, 1)?;
        page.into_iter().next().ok_or(PastError::Store(StoreError::Closed))
    }

    /// Folds from the nearest moment, or from the first entry, up to the goal.
    fn fold(
        &self,
        nearest: Option<&Arc<Moment>>,
        goal: u64,
        new: &mut Vec<Arc<Moment>>,
        is_unwanted: impl Fn() -> bool,
    ) -> Result<Arc<Moment>, PastError> {
        let mut state = nearest.map(|moment| moment.state.clone()).unwrap_or_default();
        let mut last = nearest.map(|moment| moment.last.clone());
        let mut done = nearest.map_or(0, |moment| moment.sequence());
        let foothold = goal.saturating_sub(FOOTHOLD_ENTRIES);
        while done < goal {
            let stop = if done < foothold { foothold } else { goal };
            let wanted = usize::try_from(stop - done).unwrap_or(PAGE_ENTRIES).min(PAGE_ENTRIES);
            let page = self.page(self.stream, done + 1, wanted)?;
            let Some(newest) = page.last() else { return Err(StoreError::Closed.into()) };
            self.people_by(&mut state, newest.time)?;
            page.iter().for_each(|entry| apply(&mut state, entry));
            done = newest.sequence;
            last = page.into_iter().next_back();
            let is_late = Instant::now() >= self.until;
            if (done == foothold || is_late) && done < goal {
                new.push(self.moment_of(state.clone(), last.clone()));
            }
            if is_late && done < goal {
                return Err(PastError::Long { done, goal });
            }
            if is_unwanted() {
                return Err(PastError::Busy);
            }
        }
        let moment = self.moment_of(state, last);
        new.push(moment.clone());
        Ok(moment)
    }

    fn moment_of(&self, state: State, last: Option<Entry>) -> Arc<Moment> {
        let last = last.expect("a page was applied or a moment was gone on from");
        Arc::new(Moment { state, stream: self.stream.clone(), last })
    }

    /// Adds what became known of people by then.
    fn people_by(&self, state: &mut State, at: Millis) -> Result<(), PastError> {
        let platform = StreamId::platform();
        loop {
            let page = self.page(&platform, state.platform.sequence + 1, PAGE_ENTRIES)?;
            let by_then: Vec<&Entry> = page.iter().take_while(|entry| entry.time <= at).collect();
            // Other projects are not of this moment: their creation is passed over with them.
            by_then.iter().for_each(|entry| apply(state, entry));
            state.projects.retain(|stream, _| stream == self.stream);
            if by_then.len() < PAGE_ENTRIES {
                return Ok(());
            }
        }
    }

    fn page(&self, stream: &StreamId, from: u64, wanted: usize) -> Result<Vec<Entry>, PastError> {
        let stored = self.log.read(stream.as_str(), from, wanted)?;
        let Some(last) = stored.last().map(|entry| entry.sequence) else { return Ok(Vec::new()) };
        let texts = self.log.texts(stream.as_str(), from..=last)?;
        let texts: BTreeMap<String, String> = texts
            .into_iter()
            .filter_map(|text| {
                let plain = String::from_utf8(text.text?.plaintext).ok()?;
                Some((text.digest.to_string(), plain))
            })
            .collect();
        let open = |entry: &qnt9_store::StoredEntry| {
            let line = String::from_utf8_lossy(&entry.line);
            let opened = Entry::open(&line, &|digest| texts.get(digest).cloned());
            opened.map_err(|source| PastError::Entry {
                stream: stream.clone(),
                sequence: entry.sequence,
                source,
            })
        };
        stored.iter().map(open).collect()
    }
}
