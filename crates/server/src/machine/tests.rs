//! Machines on logs in memory: who may append, what is known after a failure, where a start begins.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use qnt9_engine::snapshot::STATE_VERSION;
use qnt9_model::{Actor, Command, Person, Role};
use qnt9_store::{
    Batch, Conflict, Digest, Erasure, Fence, Lease, LeaseHolder, Leases, Log, LogRead, MasterKey,
    Memory, NewSnapshot, Place, Renewal, SealedHead, Snapshot, StoreError, StoredEntry, StoredText,
    TakenLease, Writer, verify_stream,
};

use super::*;

const KEY: MasterKey = MasterKey::from_bytes([7; 32]);
const TTL: Duration = Duration::from_secs(3);

fn platform() -> StreamId {
    StreamId::platform()
}

async fn add(machine: &Machine, name: &str) -> Result<Vec<Entry>, Refusal> {
    let person = Person {
        name: name.to_owned(),
        email: format!("{name}@example.org"),
        role: Role::Developer,
        demo: false,
    };
    let ask =
        Ask { stream: platform(), by: Actor::Platform, command: Command::AddPerson { person } };
    machine.ask(ask).await
}

fn people(machine: &Machine) -> Vec<String> {
    machine.read(|state| state.platform.people.keys().cloned().collect())
}

fn is_unavailable(answer: &Result<Vec<Entry>, Refusal>) -> bool {
    matches!(answer, Err(Refusal::Unavailable { .. }))
}

fn take(log: &mut Memory, id: &str) -> u64 {
    let holder = LeaseHolder { id: id.to_owned(), address: format!("http://{id}") };
    match log.take(StreamId::PLATFORM, &holder, TTL).unwrap() {
        TakenLease::Taken { fence } => fence,
        TakenLease::Held { by, .. } => panic!("held by {by}"),
    }
}

/// Tells a machine what the log has that it does not know.
fn catch_up(machine: &Machine, log: &Memory) {
    machine.follow(&platform(), tail(log, &platform(), machine.head(&platform())).unwrap());
}

async fn knows(machine: &Machine, name: &str) {
    let mut changed = machine.changed();
    while !people(machine).iter().any(|known| known == name) {
        tokio::time::timeout(Duration::from_secs(10), changed.changed()).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn whoever_lost_the_lease_appends_nothing_and_becomes_a_follower() {
    let mut log = Memory::new(&KEY);
    let writers = [Writer::start(log.clone()).unwrap(), Writer::start(log.clone()).unwrap()];
    let start = |writer: &Writer| Machine::start_shared(writer.handle()).unwrap().0;
    let (first, second) = (start(&writers[0]), start(&writers[1]));
    assert!(is_unavailable(&add(&first, "early").await), "nobody decides yet");

    let fence = take(&mut log, "first");
    first.own(&platform(), fence).await.unwrap();
    add(&first, "ada").await.unwrap();
    catch_up(&second, &log);
    knows(&second, "ada").await;
    assert!(is_unavailable(&add(&second, "ben").await), "it only follows");

    // The first one sleeps past its lease and does not know it.
    log.advance(TTL);
    let fence = take(&mut log, "second");
    second.own(&platform(), fence).await.unwrap();
    add(&second, "cleo").await.unwrap();
    assert!(first.owns(&platform()));
    assert!(is_unavailable(&add(&first, "dora").await), "its fence is refused");
    assert!(!first.owns(&platform()));
    assert!(first.trouble().is_none(), "nothing is wrong with the log");
    catch_up(&first, &log);
    knows(&first, "cleo").await;
    add(&second, "eve").await.unwrap();
    catch_up(&first, &log);
    knows(&first, "eve").await;

    let all = ["ada", "cleo", "eve"];
    assert_eq!(
        (people(&first), people(&second)),
        (all.map(String::from).to_vec(), all.map(String::from).to_vec())
    );
    assert_eq!(first.head(&platform()), log.head(StreamId::PLATFORM).unwrap());
    verify_stream(&log, StreamId::PLATFORM, Some(&KEY)).unwrap();
}

#[tokio::test]
async fn a_new_owner_knows_all_that_is_in_the_log_before_it_decides() {
    let mut log = Memory::new(&KEY);
    let writers = [Writer::start(log.clone()).unwrap(), Writer::start(log.clone()).unwrap()];
    let first = Machine::start_shared(writers[0].handle()).unwrap().0;
    let second = Machine::start_shared(writers[1].handle()).unwrap().0;
    first.own(&platform(), take(&mut log, "first")).await.unwrap();
    add(&first, "ada").await.unwrap();
    first.disown(&platform()).await;
    log.release(&[Fence { stream: platform().to_string(), number: 1 }]).unwrap();
    // It was told nothing of it.
    second.own(&platform(), take(&mut log, "second")).await.unwrap();
    assert_eq!(people(&second), ["ada"]);
    assert_eq!(second.owned_since(&platform()), 1);
    add(&second, "ben").await.unwrap();
    assert!(is_unavailable(&add(&first, "cleo").await));
}

/// A log in memory whose answers can get lost behind what was stored, or which takes nothing.
#[derive(Clone)]
struct Faulty {
    log: Memory,
    loses_answers: Arc<AtomicBool>,
    is_full: Arc<AtomicBool>,
}

impl Faulty {
    fn place() -> Place {
        Place::Database { name: "facts".to_owned(), host: "db.example:5432".to_owned() }
    }
}

impl LogRead for Faulty {
    fn sealed_head(&self, stream: &str) -> Result<Option<SealedHead>, StoreError> {
        self.log.sealed_head(stream)
    }
    fn streams(&self) -> Result<Vec<String>, StoreError> {
        self.log.streams()
    }
    fn read(&self, stream: &str, from: u64, limit: usize) -> Result<Vec<StoredEntry>, StoreError> {
        self.log.read(stream, from, limit)
    }
    fn texts(&self, of: &str, at: RangeInclusive<u64>) -> Result<Vec<StoredText>, StoreError> {
        self.log.texts(of, at)
    }
    fn snapshot(&self, stream: &str) -> Result<Option<Snapshot>, StoreError> {
        self.log.snapshot(stream)
    }
    fn heads(&self) -> Result<BTreeMap<String, Head>, StoreError> {
        self.log.heads()
    }
}

impl Leases for Faulty {
    fn take(
        &mut self,
        of: &str,
        by: &LeaseHolder,
        ttl: Duration,
    ) -> Result<TakenLease, StoreError> {
        self.log.take(of, by, ttl)
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

impl Log for Faulty {
    fn append_group(
        &mut self,
        batches: &[Batch<'_>],
    ) -> Result<Vec<Result<(), Conflict>>, StoreError> {
        let source: Arc<dyn std::error::Error + Send + Sync> =
            Arc::new(std::io::Error::other("the connection was reset"));
        if self.is_full.load(Ordering::Relaxed) {
            return Err(StoreError::Full { place: Self::place(), source });
        }
        let stored = self.log.append_group(batches);
        if self.loses_answers.swap(false, Ordering::Relaxed) {
            return Err(StoreError::OutcomeUnknown { place: Self::place(), source });
        }
        stored
    }
    fn erase(&mut self, stream: &str, digest: &Digest) -> Result<Erasure, StoreError> {
        self.log.erase(stream, digest)
    }
    fn put_snapshot_part(&mut self, snapshot: &mut NewSnapshot) -> Result<bool, StoreError> {
        self.log.put_snapshot_part(snapshot)
    }
    fn compact(&mut self, of: &str, upto: u64) -> Result<Option<RangeInclusive<u64>>, StoreError> {
        self.log.compact(of, upto)
    }
    fn reader(&self) -> Result<Box<dyn LogRead>, StoreError> {
        self.log.reader()
    }
    fn leases(&self) -> Result<Box<dyn Leases + Send>, StoreError> {
        self.log.leases()
    }
}

#[tokio::test]
async fn what_was_stored_although_its_answer_was_lost_is_found_and_nothing_is_stored_twice() {
    let (loses_answers, is_full) = (Arc::new(AtomicBool::new(false)), Arc::default());
    let log = Faulty { log: Memory::new(&KEY), loses_answers: loses_answers.clone(), is_full };
    let writer = Writer::start(log.clone()).unwrap();
    let (machine, _) = Machine::start(writer.handle()).unwrap();
    add(&machine, "ada").await.unwrap();
    loses_answers.store(true, Ordering::Relaxed);
    let answer = add(&machine, "ben").await.unwrap_err().to_string();
    assert!(answer.contains("db.example:5432") && answer.contains("went away"), "{answer}");
    assert!(machine.trouble().is_some());
    // Asked again it changes nothing, for it is there.
    assert_eq!(add(&machine, "ben").await.unwrap(), []);
    add(&machine, "cleo").await.unwrap();
    assert_eq!(people(&machine), ["ada", "ben", "cleo"]);
    assert_eq!(machine.trouble(), None);
    assert_eq!(log.log.head(StreamId::PLATFORM).unwrap().sequence, 3);
    verify_stream(&log.log, StreamId::PLATFORM, Some(&KEY)).unwrap();
}

#[tokio::test]
async fn a_log_that_takes_nothing_refuses_commands_and_work_goes_on_when_it_does() {
    let (loses_answers, is_full) = (Arc::default(), Arc::new(AtomicBool::new(false)));
    let log = Faulty { log: Memory::new(&KEY), loses_answers, is_full: is_full.clone() };
    let writer = Writer::start(log.clone()).unwrap();
    let (machine, _) = Machine::start(writer.handle()).unwrap();
    add(&machine, "ada").await.unwrap();
    is_full.store(true, Ordering::Relaxed);
    for _ in 0..3 {
        let answer = add(&machine, "ben").await.unwrap_err().to_string();
        assert!(answer.contains("no room left"), "{answer}");
    }
    assert_eq!(people(&machine), ["ada"]);
    is_full.store(false, Ordering::Relaxed);
    add(&machine, "cleo").await.unwrap();
    assert_eq!((people(&machine), machine.trouble()), (vec!["ada".into(), "cleo".into()], None));
}

/// The machine of a fresh start on this log.
fn started(log: &Memory) -> (Machine, Writer) {
    let writer = Writer::start(log.clone()).unwrap();
    (Machine::start(writer.handle()).unwrap().0, writer)
}

#[tokio::test]
async fn a_start_begins_with_the_snapshot_and_folds_what_came_after() {
    let log = Memory::new(&KEY);
    let writer = Writer::start(log.clone()).unwrap();
    let (machine, _) = Machine::start(writer.handle()).unwrap();
    for number in 0..1_500 {
        add(&machine, &format!("p{number:04}")).await.unwrap();
    }
    let (stop, stopping) = channel();
    let snapshots = Snapshots::new(&machine, &writer.handle(), None);
    drop(stop);
    tokio::task::spawn_blocking(move || snapshots.run(&stopping)).await.unwrap();
    let kept = log.snapshot(StreamId::PLATFORM).unwrap().unwrap();
    assert_eq!(kept.at, machine.head(&platform()));
    add(&machine, "after").await.unwrap();

    let (again, _writer) = started(&log);
    assert_eq!(
        again.read_durable(|durable| durable.restored.clone()).get(&platform()),
        Some(&1_500)
    );
    machine.read(|before| again.read(|after| assert_eq!(before, after)));
    assert_eq!(again.head(&platform()), machine.head(&platform()));
    add(&again, "last").await.unwrap();
    verify_stream(&log, StreamId::PLATFORM, Some(&KEY)).unwrap();
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_read_is_passed_over() {
    let mut log = Memory::new(&KEY);
    let writer = Writer::start(log.clone()).unwrap();
    let (machine, _) = Machine::start(writer.handle()).unwrap();
    add(&machine, "ada").await.unwrap();
    let at = log.head(StreamId::PLATFORM).unwrap();
    let newer = (STATE_VERSION + 1).to_le_bytes().to_vec();
    for bytes in [Vec::new(), b"nonsense".to_vec(), newer, STATE_VERSION.to_le_bytes().to_vec()] {
        log.put_snapshot(NewSnapshot::new(StreamId::PLATFORM, at, STATE_VERSION, bytes)).unwrap();
        let (again, _writer) = started(&log);
        assert_eq!(people(&again), ["ada"]);
        assert_eq!(again.head(&platform()), at);
    }
}

/// Shows other lines than the log has.
struct Changed(Memory, Change);

type Change = fn(&mut Vec<StoredEntry>);

impl LogRead for Changed {
    fn sealed_head(&self, stream: &str) -> Result<Option<SealedHead>, StoreError> {
        self.0.sealed_head(stream)
    }
    fn streams(&self) -> Result<Vec<String>, StoreError> {
        self.0.streams()
    }
    fn read(&self, stream: &str, from: u64, limit: usize) -> Result<Vec<StoredEntry>, StoreError> {
        let mut entries = self.0.read(stream, 1, usize::MAX)?;
        (self.1)(&mut entries);
        entries.retain(|entry| entry.sequence >= from);
        entries.truncate(limit);
        Ok(entries)
    }
    fn texts(&self, of: &str, at: RangeInclusive<u64>) -> Result<Vec<StoredText>, StoreError> {
        self.0.texts(of, at)
    }
    fn snapshot(&self, stream: &str) -> Result<Option<Snapshot>, StoreError> {
        self.0.snapshot(stream)
    }
    fn heads(&self) -> Result<BTreeMap<String, Head>, StoreError> {
        self.0.heads()
    }
}

#[tokio::test]
async fn entries_that_do_not_follow_each_other_are_not_folded() {
    let log = Memory::new(&KEY);
    let writer = Writer::start(log.clone()).unwrap();
    let (machine, _) = Machine::start(writer.handle()).unwrap();
    for name in ["ada", "ben", "cleo", "dora"] {
        add(&machine, name).await.unwrap();
    }
    let changes: [(Change, u64); 4] = [
        (|entries| drop(entries.remove(1)), 3),
        (|entries| entries.swap(1, 2), 3),
        (|entries| entries[1].line = entries[0].line.clone(), 2),
        (
            |entries| {
                let line = String::from_utf8(entries[1].line.clone()).unwrap();
                entries[1].line = line.replace("ben", "bob").into_bytes();
            },
            3,
        ),
    ];
    for (change, expected) in changes {
        match tail(&Changed(log.clone(), change), &platform(), Head::EMPTY) {
            Err(LoadError::Chain { sequence, .. }) => assert_eq!(sequence, expected),
            other => panic!("{other:?}"),
        }
    }
    let whole = tail(&Changed(log.clone(), |_| {}), &platform(), Head::EMPTY).unwrap();
    assert_eq!(whole.head, machine.head(&platform()));
}
