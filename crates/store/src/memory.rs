//! A log that forgets: for simulation, and for tests of whatever writes facts.

use crate::digest::Digest;
use crate::error::{Conflict, StoreError};
use crate::key::MasterKey;
use crate::log::{
    Erasure, Head, Log, LogRead, NewEntry, SealedHead, Seals, Snapshot, StoredEntry, StoredText,
    Text,
};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A log in memory. Clones share their content, as two openings of one file do.
///
/// It seals entries like every log, so that its exports verify, but encrypts nothing: there is no
/// rest at which to encrypt.
#[derive(Debug, Clone)]
pub struct Memory {
    seals: Seals,
    streams: Arc<Mutex<BTreeMap<String, Stream>>>,
}

#[derive(Debug, Clone, Default)]
struct Stream {
    entries: Vec<StoredEntry>,
    head: Option<SealedHead>,
    texts: BTreeMap<(u64, Digest), Option<Text>>,
    snapshot: Option<Snapshot>,
}

impl Memory {
    /// An empty log whose entries are sealed with this key.
    pub fn new(key: &MasterKey) -> Self {
        Self { seals: Seals::new(key), streams: Arc::default() }
    }

    /// A panic of another holder leaves whole entries behind, for each is checked before it is
    /// stored; so a poisoned lock is as good as a clean one.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Stream>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogRead for Memory {
    fn sealed_head(&self, stream: &str) -> Result<Option<SealedHead>, StoreError> {
        Ok(self.lock().get(stream).and_then(|stream| stream.head))
    }

    fn streams(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.lock().keys().cloned().collect())
    }

    fn read(&self, stream: &str, from: u64, limit: usize) -> Result<Vec<StoredEntry>, StoreError> {
        let streams = self.lock();
        let entries = streams.get(stream).map_or(&[][..], |stream| &stream.entries);
        let start = entries.partition_point(|entry| entry.sequence < from);
        Ok(entries[start..].iter().take(limit).cloned().collect())
    }

    fn texts(
        &self,
        stream: &str,
        sequences: RangeInclusive<u64>,
    ) -> Result<Vec<StoredText>, StoreError> {
        let streams = self.lock();
        let Some(stream) = streams.get(stream).filter(|_| !sequences.is_empty()) else {
            return Ok(Vec::new());
        };
        let first = (*sequences.start(), Digest::ZERO);
        let found = stream.texts.range(first..).take_while(|((at, _), _)| at <= sequences.end());
        let stored = found.map(|(&(sequence, digest), text)| StoredText {
            sequence,
            digest,
            text: text.clone(),
        });
        Ok(stored.collect())
    }

    fn snapshot(&self, stream: &str) -> Result<Option<Snapshot>, StoreError> {
        Ok(self.lock().get(stream).and_then(|stream| stream.snapshot.clone()))
    }
}

impl Log for Memory {
    fn append_group(
        &mut self,
        batches: &[&[NewEntry]],
    ) -> Result<Vec<Result<(), Conflict>>, StoreError> {
        let mut streams = self.lock();
        let append = |batch: &&[NewEntry]| {
            let mut heads = BTreeMap::new();
            for entry in *batch {
                let stored = || streams.get(entry.stream()).and_then(|stream| stream.head);
                let head = heads
                    .entry(entry.stream())
                    .or_insert_with(|| stored().map_or(Head::EMPTY, |sealed| sealed.head));
                entry.check_follows(*head)?;
                *head = entry.as_head();
            }
            for entry in *batch {
                let stream = streams.entry(entry.stream().to_owned()).or_default();
                stream.push(entry, &self.seals);
            }
            Ok(())
        };
        Ok(batches.iter().map(append).collect())
    }

    fn erase(&mut self, stream: &str, digest: &Digest) -> Result<Erasure, StoreError> {
        let mut streams = self.lock();
        let Some(stream) = streams.get_mut(stream) else { return Ok(Erasure::Unknown) };
        let mut erasure = Erasure::Unknown;
        for ((_, name), text) in &mut stream.texts {
            if name == digest {
                let was_there = text.take().is_some();
                let erased_before = erasure == Erasure::Erased;
                erasure = if was_there || erased_before {
                    Erasure::Erased
                } else {
                    Erasure::AlreadyErased
                };
            }
        }
        if erasure == Erasure::Erased {
            stream.snapshot = None;
        }
        Ok(erasure)
    }

    fn put_snapshot(
        &mut self,
        stream: &str,
        sequence: u64,
        state: &[u8],
    ) -> Result<(), StoreError> {
        let mut streams = self.lock();
        let known = streams.get_mut(stream);
        let head = known.as_ref().and_then(|stream| stream.head).map_or(0, |s| s.head.sequence);
        let Some(known) = known.filter(|_| sequence <= head) else {
            return Err(StoreError::SnapshotAhead { stream: stream.to_owned(), sequence, head });
        };
        if known.snapshot.as_ref().is_none_or(|stored| stored.sequence <= sequence) {
            known.snapshot = Some(Snapshot { sequence, state: state.to_vec() });
        }
        Ok(())
    }

    fn reader(&self) -> Result<Box<dyn LogRead>, StoreError> {
        Ok(Box::new(self.clone()))
    }
}

impl Stream {
    fn push(&mut self, entry: &NewEntry, seals: &Seals) {
        self.entries.push(StoredEntry {
            sequence: entry.sequence(),
            line: entry.line().to_vec(),
            seal: Some(seals.entry(&entry.digest())),
        });
        self.head = Some(seals.head(entry.stream(), &entry.as_head()));
        for text in entry.texts() {
            self.texts.insert((entry.sequence(), text.digest), Some(text.clone()));
        }
    }
}
