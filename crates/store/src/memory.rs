//! A log that forgets: for simulation, and for tests of whatever writes facts.

use crate::digest::Digest;
use crate::entry::{NewEntry, StoredEntry, StoredText, Text};
use crate::error::{Conflict, StoreError};
use crate::group::{self, Batch};
use crate::key::MasterKey;
use crate::lease::{Fence, Lease, LeaseHolder, Leases, Renewal, TakenLease};
use crate::log::{Erasure, Head, Log, LogRead, NewSnapshot, SEGMENT_ENTRIES, SealedHead, Snapshot};
use crate::sealing::Seals;
use qnt9_model::planted::{self, Fault};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A log in memory. Clones share their content, as two openings of one file do.
///
/// It seals entries like every log, so that its exports verify, but encrypts nothing: there is no
/// rest at which to encrypt. Its clock, by which leases end, moves only by [`Memory::advance`].
#[derive(Debug, Clone)]
pub struct Memory {
    seals: Seals,
    content: Arc<Mutex<Content>>,
}

#[derive(Debug, Default)]
struct Content {
    streams: BTreeMap<String, Stream>,
    leases: BTreeMap<String, Lease>,
    now: Duration,
}

#[derive(Debug, Clone, Default)]
struct Stream {
    entries: Vec<StoredEntry>,
    head: Option<SealedHead>,
    texts: BTreeMap<(u64, Digest), Option<Text>>,
    snapshot: Option<Snapshot>,
    /// The last entry that counts as archived.
    archived: u64,
}

impl Memory {
    /// An empty log whose entries are sealed with this key.
    pub fn new(key: &MasterKey) -> Self {
        Self { seals: Seals::new(key), content: Arc::default() }
    }

    /// Lets time pass for the leases.
    pub fn advance(&mut self, time: Duration) {
        let mut content = self.lock();
        content.now = content.now.saturating_add(time);
    }

    /// A panic of another holder leaves whole entries behind, for each is checked before it is
    /// stored; so a poisoned lock is as good as a clean one.
    fn lock(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogRead for Memory {
    fn sealed_head(&self, stream: &str) -> Result<Option<SealedHead>, StoreError> {
        Ok(self.lock().streams.get(stream).and_then(|stream| stream.head))
    }

    fn streams(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.lock().streams.keys().cloned().collect())
    }

    fn read(&self, stream: &str, from: u64, limit: usize) -> Result<Vec<StoredEntry>, StoreError> {
        let content = self.lock();
        let entries = content.streams.get(stream).map_or(&[][..], |stream| &stream.entries);
        let skipped = u64::from(planted::is(Fault::PageSkipsFirst) && from > 1);
        let start = entries.partition_point(|entry| entry.sequence < from + skipped);
        Ok(entries[start..].iter().take(limit).cloned().collect())
    }

    fn texts(
        &self,
        stream: &str,
        sequences: RangeInclusive<u64>,
    ) -> Result<Vec<StoredText>, StoreError> {
        let content = self.lock();
        let Some(stream) = content.streams.get(stream).filter(|_| !sequences.is_empty()) else {
            return Ok(Vec::new());
        };
        let first = (*sequences.start(), Digest::ZERO);
        let last = sequences.end() - u64::from(planted::is(Fault::TextsOfPageCut));
        let found = stream.texts.range(first..).take_while(|((at, _), _)| *at <= last);
        let stored = found.map(|(&(sequence, digest), text)| StoredText {
            sequence,
            digest,
            text: text.clone(),
        });
        Ok(stored.collect())
    }

    fn snapshot(&self, stream: &str) -> Result<Option<Snapshot>, StoreError> {
        Ok(self.lock().streams.get(stream).and_then(|stream| stream.snapshot.clone()))
    }

    fn heads(&self) -> Result<BTreeMap<String, Head>, StoreError> {
        let content = self.lock();
        let head = |(name, stream): (&String, &Stream)| Some((name.clone(), stream.head?.head));
        Ok(content.streams.iter().filter_map(head).collect())
    }
}

impl Log for Memory {
    fn append_group(
        &mut self,
        batches: &[Batch<'_>],
    ) -> Result<Vec<Result<(), Conflict>>, StoreError> {
        let mut content = self.lock();
        let content = &mut *content;
        let heads = group::streams(batches).into_iter().filter_map(|name| {
            let head = content.streams.get(name)?.head?.head;
            Some((name, head))
        });
        let leases = group::fenced(batches)
            .into_iter()
            .filter_map(|name| Some((name, content.leases.get(name)?.clone())));
        let verdict = group::judge(batches, &heads.collect(), &leases.collect());
        for entry in verdict.entries {
            let stream = content.streams.entry(entry.stream().to_owned()).or_default();
            stream.push(entry, &self.seals);
        }
        Ok(verdict.results)
    }

    fn erase(&mut self, stream: &str, digest: &Digest) -> Result<Erasure, StoreError> {
        let mut content = self.lock();
        let Some(stream) = content.streams.get_mut(stream) else { return Ok(Erasure::Unknown) };
        let mut erasure = Erasure::Unknown;
        for ((_, name), text) in &mut stream.texts {
            if name == digest {
                let was_there = if planted::is(Fault::ErasedStays) {
                    text.is_some()
                } else {
                    text.take().is_some()
                };
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

    fn put_snapshot_part(&mut self, snapshot: &mut NewSnapshot) -> Result<bool, StoreError> {
        let mut content = self.lock();
        let NewSnapshot { stream: name, snapshot, .. } = snapshot;
        let sequence = snapshot.at.sequence;
        let stream = content.streams.get_mut(name);
        let head = stream.as_ref().and_then(|stream| stream.head).map_or(0, |s| s.head.sequence);
        let Some(stream) = stream.filter(|_| (1..=head).contains(&sequence)) else {
            return Err(StoreError::SnapshotAhead { stream: name.clone(), sequence, head });
        };
        if !stream.has(snapshot.at) && !planted::is(Fault::SnapshotOfOtherHistory) {
            return Err(StoreError::SnapshotOfOtherHistory { stream: name.clone(), sequence });
        }
        if stream.snapshot.as_ref().is_none_or(|stored| stored.at.sequence <= sequence) {
            stream.snapshot = Some(snapshot.clone());
        }
        Ok(true)
    }

    /// There is nothing to gain by moving entries in memory; they only count as archived.
    fn compact(
        &mut self,
        stream: &str,
        upto: u64,
    ) -> Result<Option<RangeInclusive<u64>>, StoreError> {
        let mut content = self.lock();
        let Some(stream) = content.streams.get_mut(stream) else { return Ok(None) };
        let first = stream.archived + 1;
        let last = upto.min(stream.archived + SEGMENT_ENTRIES).min(stream.entries.len() as u64);
        if last < first {
            return Ok(None);
        }
        stream.archived = last;
        Ok(Some(first..=last))
    }

    fn reader(&self) -> Result<Box<dyn LogRead>, StoreError> {
        Ok(Box::new(self.clone()))
    }

    fn leases(&self) -> Result<Box<dyn Leases + Send>, StoreError> {
        Ok(Box::new(self.clone()))
    }
}

impl Leases for Memory {
    fn take(
        &mut self,
        stream: &str,
        holder: &LeaseHolder,
        ttl: Duration,
    ) -> Result<TakenLease, StoreError> {
        let mut content = self.lock();
        let time = (content.now(), ttl);
        match Lease::taken(content.leases.get(stream), stream, holder, time) {
            Ok(lease) => {
                let fence = lease.fence;
                content.leases.insert(stream.to_owned(), lease);
                Ok(TakenLease::Taken { fence })
            }
            Err(held) => Ok(held),
        }
    }

    fn renew(&mut self, fences: &[Fence], ttl: Duration) -> Result<Vec<Renewal>, StoreError> {
        let mut content = self.lock();
        let time = (content.now(), ttl);
        let renew = |fence| content.change(fence, |lease| lease.renewed(fence, time));
        let renewal = |renewed| if renewed { Renewal::Renewed } else { Renewal::Lost };
        Ok(fences.iter().map(renew).map(renewal).collect())
    }

    fn release(&mut self, fences: &[Fence]) -> Result<(), StoreError> {
        let mut content = self.lock();
        for fence in fences {
            content.change(fence, |lease| lease.released(fence));
        }
        Ok(())
    }

    fn holders(&self) -> Result<Vec<Lease>, StoreError> {
        let content = self.lock();
        let held = content.leases.values().filter(|lease| lease.is_held(content.now()));
        Ok(held.cloned().collect())
    }
}

impl Content {
    fn now(&self) -> u64 {
        u64::try_from(self.now.as_millis()).unwrap_or(u64::MAX)
    }

    fn change(&mut self, fence: &Fence, change: impl FnOnce(&Lease) -> Option<Lease>) -> bool {
        let Some(lease) = self.leases.get_mut(&fence.stream) else { return false };
        change(lease).map(|changed| *lease = changed).is_some()
    }
}

impl Stream {
    fn has(&self, at: Head) -> bool {
        let place = self.entries.binary_search_by_key(&at.sequence, |entry| entry.sequence);
        place.is_ok_and(|place| self.entries[place].digest() == at.digest)
    }

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
