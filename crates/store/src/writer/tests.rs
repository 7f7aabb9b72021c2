use super::*;
use crate::error::{Conflict, Place};
use crate::lease::{Lease, LeaseHolder, Renewal, TakenLease};
use crate::sample::{self, KEY};
use crate::{Memory, Sqlite, verify_stream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// A log that says when an append begins and waits for permission to go on, and whose disk can be
/// full.
struct Gated {
    log: Memory,
    begun: Sender<usize>,
    permission: Receiver<()>,
    full: Arc<AtomicBool>,
    parts: usize,
}

/// A snapshot takes so many parts there.
const PARTS: usize = 3;
/// Says instead of a number of batches that a part of a snapshot begins.
const A_PART: usize = 0;

/// The other side: how many batches each group had, permissions to give, the disk.
struct Gate {
    begun: Receiver<usize>,
    permit: Sender<()>,
    full: Arc<AtomicBool>,
}

fn gated() -> (Gated, Gate) {
    let (permit, permission) = mpsc::channel();
    let (begin, begun) = mpsc::channel();
    let full = Arc::<AtomicBool>::default();
    let log = Memory::new(&KEY);
    (
        Gated { log, begun: begin, permission, full: full.clone(), parts: 0 },
        Gate { begun, permit, full },
    )
}

impl LogRead for Gated {
    fn sealed_head(&self, stream: &str) -> Result<Option<SealedHead>, StoreError> {
        self.log.sealed_head(stream)
    }
    fn streams(&self) -> Result<Vec<String>, StoreError> {
        self.log.streams()
    }
    fn read(&self, stream: &str, from: u64, limit: usize) -> Result<Vec<StoredEntry>, StoreError> {
        self.log.read(stream, from, limit)
    }
    fn texts(
        &self,
        stream: &str,
        sequences: RangeInclusive<u64>,
    ) -> Result<Vec<StoredText>, StoreError> {
        self.log.texts(stream, sequences)
    }
    fn snapshot(&self, stream: &str) -> Result<Option<Snapshot>, StoreError> {
        self.log.snapshot(stream)
    }
    fn heads(&self) -> Result<BTreeMap<String, Head>, StoreError> {
        self.log.heads()
    }
}

impl Log for Gated {
    fn append_group(
        &mut self,
        batches: &[Batch<'_>],
    ) -> Result<Vec<Result<(), Conflict>>, StoreError> {
        self.begun.send(batches.len()).unwrap();
        self.permission.recv().unwrap();
        if self.full.load(Ordering::SeqCst) {
            let source = Arc::new(std::io::Error::other("disk full"));
            return Err(StoreError::Full { place: Place::File("log".into()), source });
        }
        self.log.append_group(batches)
    }
    fn erase(&mut self, stream: &str, digest: &Digest) -> Result<Erasure, StoreError> {
        self.log.erase(stream, digest)
    }
    fn put_snapshot_part(&mut self, snapshot: &mut NewSnapshot) -> Result<bool, StoreError> {
        self.begun.send(A_PART).unwrap();
        self.permission.recv().unwrap();
        self.parts += 1;
        if self.parts < PARTS { Ok(false) } else { self.log.put_snapshot_part(snapshot) }
    }
    fn compact(&mut self, s: &str, upto: u64) -> Result<Option<RangeInclusive<u64>>, StoreError> {
        self.log.compact(s, upto)
    }
    fn reader(&self) -> Result<Box<dyn LogRead>, StoreError> {
        self.log.reader()
    }
    fn leases(&self) -> Result<Box<dyn Leases + Send>, StoreError> {
        self.log.leases()
    }
}

impl Leases for Gated {
    fn take(
        &mut self,
        stream: &str,
        holder: &LeaseHolder,
        ttl: Duration,
    ) -> Result<TakenLease, StoreError> {
        self.log.take(stream, holder, ttl)
    }
    fn renew(&mut self, fences: &[Fence], ttl: Duration) -> Result<Vec<Renewal>, StoreError> {
        self.log.renew(fences, ttl)
    }
    fn release(&mut self, fences: &[Fence]) -> Result<(), StoreError> {
        self.log.release(fences)
    }
    fn holders(&self) -> Result<Vec<Lease>, StoreError> {
        self.log.holders()
    }
}

#[test]
fn what_gathers_during_one_transaction_goes_into_the_next() {
    let (log, gate) = gated();
    let writer = Writer::start(log).unwrap();
    let handle = writer.handle();
    let entries = sample::entries("s", Head::EMPTY, 6);
    let first = handle.append(entries[..1].to_vec());
    assert_eq!(gate.begun.recv(), Ok(1));
    let stale = handle.append(entries[..1].to_vec());
    let rest: Vec<_> =
        entries[1..].iter().map(|entry| handle.append(vec![entry.clone()])).collect();
    gate.permit.send(()).unwrap();
    first.wait().unwrap();
    assert_eq!(gate.begun.recv(), Ok(6));
    gate.permit.send(()).unwrap();
    assert!(matches!(stale.wait(), Err(StoreError::Conflict(Conflict::Sequence { .. }))));
    for answer in rest {
        answer.wait().unwrap();
    }
    assert_eq!(handle.head("s").unwrap(), entries[5].as_head());
}

#[test]
fn one_transaction_does_not_grow_without_bound() {
    let (log, gate) = gated();
    let writer = Writer::start(log).unwrap();
    let handle = writer.handle();
    let half = GROUP_ENTRIES_MAX / 2;
    let entries = sample::entries("s", Head::EMPTY, half as u64 * 5);
    let answers: Vec<_> = entries.chunks(half).map(|batch| handle.append(batch.to_vec())).collect();
    (0..5).for_each(|_| gate.permit.send(()).unwrap());
    answers.into_iter().for_each(|answer| answer.wait().unwrap());
    let groups: Vec<usize> = gate.begun.try_iter().collect();
    assert!(groups.iter().all(|batches| *batches <= 2), "{groups:?}");
    assert_eq!(groups.iter().sum::<usize>(), 5);
}

#[test]
fn a_full_disk_answers_everybody_and_the_handle_works_again_afterwards() {
    let (log, gate) = gated();
    let writer = Writer::start(log).unwrap();
    let handle = writer.handle();
    (0..100).for_each(|_| gate.permit.send(()).unwrap());
    let entries = sample::entries("s", Head::EMPTY, 3);
    gate.full.store(true, Ordering::SeqCst);
    let answers: Vec<_> = entries.iter().map(|entry| handle.append(vec![entry.clone()])).collect();
    for answer in answers {
        assert!(matches!(answer.wait(), Err(StoreError::Full { .. })));
    }
    assert_eq!(handle.head("s").unwrap(), Head::EMPTY);
    gate.full.store(false, Ordering::SeqCst);
    handle.append(entries).wait().unwrap();
    assert_eq!(handle.head("s").unwrap().sequence, 3);
}

#[test]
fn stopping_finishes_what_is_queued_and_then_answers_closed() {
    let writer = Writer::start(Memory::new(&KEY)).unwrap();
    let handle = writer.handle();
    let entries = sample::entries("s", Head::EMPTY, 200);
    let answers: Vec<_> = entries.iter().map(|entry| handle.append(vec![entry.clone()])).collect();
    writer.stop();
    for answer in answers {
        answer.wait().unwrap();
    }
    assert_eq!(handle.head("s").unwrap().sequence, 200);
    let late = handle.append(sample::entries("s", entries[199].as_head(), 1));
    assert!(matches!(late.wait(), Err(StoreError::Closed)));
}

#[test]
fn requests_of_one_caller_take_effect_in_order() {
    let writer = Writer::start(Memory::new(&KEY)).unwrap();
    let handle = writer.handle();
    let secret = sample::text("a secret");
    let entry = sample::entry_with("s", Head::EMPTY, "one", vec![secret.clone()]);
    let at = entry.as_head();
    let appended = handle.append(vec![entry]);
    let kept = handle.put_snapshot(NewSnapshot::new("s", at, 1, b"state".to_vec()));
    let erased = handle.erase("s", secret.digest);
    appended.wait().unwrap();
    kept.wait().unwrap();
    assert_eq!(erased.wait().unwrap(), Erasure::Erased);
    assert_eq!(handle.snapshot("s").unwrap(), None);
    assert_eq!(handle.texts("s", 1..=1).unwrap()[0].text, None);
}

/// Many tasks race for one stream on a real file: each place in the stream is won exactly once.
#[test]
fn racing_appenders_lose_nothing_and_win_nothing_twice() {
    let folder = TempDir::new().unwrap();
    let log = Sqlite::open(&folder.path().join("log.sqlite"), &KEY).unwrap();
    let writer = Writer::start(log).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let won = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let (handle, won) = (writer.handle(), won.clone());
            runtime.spawn(async move {
                let mut mine = 0;
                while mine < 10 {
                    let head = handle.head("s").unwrap();
                    let entry = sample::entry("s", head, &format!("task {task}"));
                    match handle.append(vec![entry]).await {
                        Ok(()) => mine += 1,
                        Err(StoreError::Conflict(_)) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
                won.fetch_add(mine, Ordering::SeqCst);
            })
        })
        .collect();
    for task in tasks {
        runtime.block_on(task).unwrap();
    }
    assert_eq!(won.load(Ordering::SeqCst), 80);
    let reader = writer.handle().reader().wait().unwrap();
    assert_eq!(verify_stream(&*reader, "s", Some(&KEY)).unwrap().entries, 80);
}

/// A large snapshot is written in parts, and appends that come meanwhile do not wait for its end.
#[test]
fn appends_go_on_between_the_parts_of_a_snapshot() {
    let (log, gate) = gated();
    let writer = Writer::start(log).unwrap();
    let handle = writer.handle();
    let entries = sample::entries("s", Head::EMPTY, 2);
    let first = handle.append(entries[..1].to_vec());
    assert_eq!(gate.begun.recv(), Ok(1));
    let kept = handle.put_snapshot(NewSnapshot::new("s", entries[0].as_head(), 1, vec![7; 10]));
    gate.permit.send(()).unwrap();
    first.wait().unwrap();
    assert_eq!(gate.begun.recv(), Ok(A_PART));
    let second = handle.append(entries[1..].to_vec());
    gate.permit.send(()).unwrap();
    assert_eq!(gate.begun.recv(), Ok(1), "the append comes between");
    (0..PARTS).for_each(|_| gate.permit.send(()).unwrap());
    second.wait().unwrap();
    kept.wait().unwrap();
    assert_eq!(gate.begun.try_iter().collect::<Vec<_>>(), [A_PART; PARTS - 1]);
    assert_eq!(handle.snapshot("s").unwrap().unwrap().state, [7; 10]);
}
