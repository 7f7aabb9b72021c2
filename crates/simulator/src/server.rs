//! The server of the simulated company: the real engine over the real log in memory, as the machine's
//! thread runs them. What it knows besides the log dies with it.

use std::collections::{BTreeMap, BTreeSet};

use qnt9_engine::snapshot::{self, STATE_VERSION};
use qnt9_engine::state::Project;
use qnt9_engine::{State, apply::apply, orders, step};
use qnt9_model::entry::NO_PREVIOUS;
use qnt9_model::{Actor, Ask, AttemptId, Command, Entry, Millis, Order, Refusal, StreamId};
use qnt9_store::{
    Batch, Fence, LeaseHolder, Leases as _, Log as _, LogRead as _, Memory, NewEntry, NewSnapshot,
    StoreError, TakenLease, Text,
};
use std::time::Duration;

use crate::random::Random;

/// Entries read at once while the log is folded.
const PAGE_ENTRIES: usize = 1000;

/// How long a server has its streams after it was last heard of.
const LEASE: Duration = Duration::from_secs(3);

/// One server's memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Server {
    pub(crate) state: State,
    heads: BTreeMap<StreamId, String>,
    /// Under what it appends: whoever took over since has others.
    fences: Vec<Fence>,
    /// What is being carried out for each project.
    pub(crate) carrying: BTreeMap<StreamId, Carrying>,
    /// How far the journal of each followed attempt was read.
    pub(crate) following: BTreeMap<(StreamId, AttemptId), usize>,
}

/// The orders of a project that are being carried out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Carrying {
    orders: BTreeSet<Order>,
    /// The last entry of the project when these were all that was outstanding.
    as_of: Option<u64>,
}

/// What the server decided and has not made durable yet.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) entries: Vec<Entry>,
    batch: Vec<NewEntry>,
}

/// The log did not read back as it was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FoldError {
    #[error("the log cannot be read: {0}")]
    Store(StoreError),
    #[error("entry {sequence} of {stream} cannot be read: {reason}")]
    Entry { stream: String, sequence: u64, reason: String },
}

impl Carrying {
    pub(crate) fn has(&self, order: &Order) -> bool {
        self.orders.contains(order)
    }

    /// This one was answered: if it is outstanding all the same it is begun again.
    pub(crate) fn forget(&mut self, order: &Order) {
        self.orders.remove(order);
        self.as_of = None;
    }

    /// Carries out what is outstanding and nothing else; what is begun with that.
    pub(crate) fn renew(&mut self, project: &Project) -> Vec<Order> {
        if self.as_of.replace(project.sequence) == Some(project.sequence) {
            return Vec::new();
        }
        let outstanding: BTreeSet<Order> = orders(project).into_iter().collect();
        let new = outstanding.difference(&self.orders).cloned().collect();
        self.orders = outstanding;
        new
    }
}

impl Server {
    /// Whether this order is being carried out.
    pub(crate) fn carries(&self, stream: &StreamId, order: &Order) -> bool {
        self.carrying.get(stream).is_some_and(|carrying| carrying.has(order))
    }

    /// This order was answered.
    pub(crate) fn answered(&mut self, stream: &StreamId, order: &Order) {
        if let Some(carrying) = self.carrying.get_mut(stream) {
            carrying.forget(order);
        }
    }

    /// Folds the log, from `known` on where something is known already.
    pub(crate) fn fold(disk: &Memory, known: Option<&Self>) -> Result<Self, FoldError> {
        let mut server = Self::default();
        if let Some(known) = known {
            server = known.bare();
        }
        let mut streams = disk.streams().map_err(FoldError::Store)?;
        streams.sort_by_key(|stream| stream != StreamId::PLATFORM);
        for stream in streams {
            server.fold_stream(disk, &stream)?;
        }
        Ok(server)
    }

    fn fold_stream(&mut self, disk: &Memory, stream: &str) -> Result<(), FoldError> {
        let id = StreamId::from(stream);
        loop {
            // A project exists in the state before its own stream has an entry.
            let from = self.state.sequence(&id) + 1;
            let page = disk.read(stream, from, PAGE_ENTRIES).map_err(FoldError::Store)?;
            let Some(last) = page.last().map(|entry| entry.sequence) else { return Ok(()) };
            let texts = disk.texts(stream, from..=last).map_err(FoldError::Store)?;
            let texts: BTreeMap<String, Vec<u8>> = texts
                .into_iter()
                .filter_map(|text| Some((text.digest.to_string(), text.text?.plaintext)))
                .collect();
            let find = |digest: &str| String::from_utf8(texts.get(digest)?.clone()).ok();
            for stored in &page {
                let line = String::from_utf8_lossy(&stored.line);
                let entry = Entry::open(&line, &find).map_err(|error| FoldError::Entry {
                    stream: stream.to_owned(),
                    sequence: stored.sequence,
                    reason: error.to_string(),
                })?;
                apply(&mut self.state, &entry);
            }
            if let Some(stored) = page.last() {
                self.heads.insert(id.clone(), stored.digest().to_string());
            }
        }
    }

    /// Takes over all streams, once whoever had them has not been heard of for long enough.
    pub(crate) fn take_over(
        &mut self,
        disk: &mut Memory,
        streams: &[&str],
        number: u64,
    ) -> Result<(), String> {
        let (id, address) = (format!("server-{number}"), "127.0.0.1:9009".to_owned());
        let holder = LeaseHolder { id, address };
        // Whoever had them took them, or was heard of, less than a lease ago.
        let early = disk.take(StreamId::PLATFORM, &holder, LEASE).map_err(|e| e.to_string())?;
        if number > 1 && matches!(early, TakenLease::Taken { .. }) {
            return Err("a lease was taken that somebody else still held".to_owned());
        }
        disk.advance(LEASE * 2);
        self.fences.clear();
        for stream in streams {
            match disk.take(stream, &holder, LEASE).map_err(|error| error.to_string())? {
                TakenLease::Taken { fence } => {
                    self.fences.push(Fence { stream: (*stream).to_owned(), number: fence });
                }
                held => return Err(format!("{stream} has run out and cannot be had: {held:?}")),
            }
        }
        Ok(())
    }

    /// What a server that is folded from this one's state begins with.
    pub(crate) fn bare(&self) -> Self {
        Self { state: self.state.clone(), heads: self.heads.clone(), ..Self::default() }
    }

    /// Throws its own state away for one that was taken from the log.
    pub(crate) fn take_state_of(&mut self, folded: Self) {
        (self.state, self.heads) = (folded.state, folded.heads);
    }

    /// Gives the log a snapshot of every stream.
    pub(crate) fn keep_snapshots(&self, disk: &mut Memory) -> Result<(), String> {
        for stream in self.heads.keys() {
            let head = disk.head(stream.as_str()).map_err(|error| error.to_string())?;
            let bytes = snapshot::write(&self.state, stream);
            let new = NewSnapshot::new(stream.as_str(), head, STATE_VERSION, bytes);
            disk.put_snapshot(new).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// As a start does: the log's snapshots, and what came behind them.
    pub(crate) fn from_snapshots(disk: &Memory) -> Result<Self, String> {
        let mut known = Self::default();
        let mut streams = disk.streams().map_err(|error| error.to_string())?;
        streams.sort_by_key(|stream| stream != StreamId::PLATFORM);
        for stream in streams {
            let Some(kept) = disk.snapshot(&stream).map_err(|error| error.to_string())? else {
                continue;
            };
            let id = StreamId::from(stream);
            snapshot::read(&mut known.state, &id, &kept.state).map_err(|e| e.to_string())?;
            known.heads.insert(id, kept.at.digest.to_string());
        }
        Self::fold(disk, Some(&known)).map_err(|error| error.to_string())
    }

    /// Decides one command.
    pub(crate) fn decide(&mut self, ask: &Ask, now: Millis, draft: &mut Draft) -> Decided {
        let entries = step(&mut self.state, ask, now)?;
        let first = entries.first().map(|entry| entry.sequence);
        draft.entries.extend(entries);
        Ok(first)
    }

    /// Lets follow what has become due, in every project.
    pub(crate) fn tick(&mut self, now: Millis, draft: &mut Draft) -> Result<(), Refusal> {
        let streams: Vec<StreamId> = self.state.projects.keys().cloned().collect();
        for stream in streams {
            let ask = Ask { stream, by: Actor::Platform, command: Command::Tick };
            self.decide(&ask, now, draft)?;
        }
        Ok(())
    }

    /// Makes the lines of what was decided.
    pub(crate) fn seal(&mut self, draft: &mut Draft, random: &mut Random) -> Result<(), String> {
        for entry in &draft.entries {
            let previous = self.heads.get(&entry.stream).map_or(NO_PREVIOUS, String::as_str);
            let sealed = entry.seal(previous, &mut || random.salt());
            let text = |text: &qnt9_model::text::SealedText| {
                let digest = text.digest.parse().map_err(|_| "no digest".to_owned())?;
                let plaintext = text.text.clone().into_bytes();
                Ok(Text { digest, salt: text.salt.to_vec(), plaintext })
            };
            let texts: Result<Vec<Text>, String> = sealed.texts.iter().map(text).collect();
            let new = NewEntry::new(sealed.line.into_bytes(), texts?);
            draft.batch.push(new.map_err(|error| error.to_string())?);
            self.heads.insert(entry.stream.clone(), sealed.digest);
        }
        Ok(())
    }
}

/// The sequence number of the first fact that a command caused, or why it was refused.
pub(crate) type Decided = Result<Option<u64>, Refusal>;

impl Draft {
    /// Appends it whole or not at all.
    pub(crate) fn append(&self, server: &Server, disk: &mut Memory) -> Result<(), StoreError> {
        let batch = Batch { entries: &self.batch, fences: &server.fences };
        let results = disk.append_group(&[batch])?;
        results.into_iter().try_for_each(|result| result.map_err(StoreError::from))
    }
}
