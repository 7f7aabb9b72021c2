//! What every log must do, whatever it is made of: random sequences of appends, refusals, erasures,
//! snapshots, reopenings and crashes, compared after each step with a plain list of what was
//! acknowledged. A new kind of log joins by implementing [`LogPlace`] and adding one test below.

use crate::digest::Digest;
use crate::entry::{NewEntry, StoredText, Text};
use crate::group::Batch;
use crate::lease::{Fence, Lease, LeaseHolder, Leases, Renewal, TakenLease};
use crate::log::{Erasure, Head, Log, LogRead, NewSnapshot, SEGMENT_ENTRIES, Snapshot};
use crate::sample::{self, KEY, OTHER_KEY};
use crate::{Conflict, Memory, StoreError, verify_stream};
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::BTreeMap;
use std::time::Duration;

/// Where a log lies. It outlives the process that works on the log.
pub(crate) trait LogPlace {
    fn open(&self) -> Box<dyn Log>;

    /// The process ends without closing the log.
    fn crash(&mut self, log: Box<dyn Log>);

    /// The process ends when all of the group is written and nothing is committed.
    fn crash_before_commit(&mut self, log: Box<dyn Log>, group: &[Batch<'_>]);

    /// Lets time pass for the log's clock.
    fn wait(&mut self, time: Duration) {
        std::thread::sleep(time);
    }
}

const STREAMS: [&str; 3] = ["pool", "project/a", "project/ä b'\\\""];

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<BatchPlan>),
    CrashBeforeCommit(Vec<BatchPlan>),
    Crash,
    Reopen,
    Erase { stream: Index, text: Index },
    EraseUnknown { stream: Index },
    Snapshot { stream: Index, at: Index },
    SnapshotAhead { stream: Index },
    SnapshotOfOtherHistory { stream: Index, at: Index },
    Compact { stream: Index, upto: Index },
    Take { stream: Index, holder: Index, ttl: Ttl },
    Renew { stream: Index, fence: FencePlan, ttl: Ttl },
    Release { stream: Index, fence: FencePlan },
}

/// How long a lease is taken for: until long after the test, or over before the next step.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Ttl {
    Long,
    Short,
}

/// Which fence is named, of the stream that the step is about.
#[derive(Debug, Clone, Copy, PartialEq)]
enum FencePlan {
    None,
    Current,
    Old,
}

#[derive(Debug, Clone)]
struct BatchPlan {
    entries: Vec<EntryPlan>,
    fenced: Index,
    fence: FencePlan,
}

#[derive(Debug, Clone)]
struct EntryPlan {
    stream: Index,
    texts: Vec<Vec<u8>>,
    fault: Option<Fault>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    Gap,
    Repeated,
    OtherHistory,
}

fn entry_plan() -> impl Strategy<Value = EntryPlan> {
    let fault = prop_oneof![
        20 => Just(None),
        1 => Just(Some(Fault::Gap)),
        1 => Just(Some(Fault::Repeated)),
        1 => Just(Some(Fault::OtherHistory)),
    ];
    let texts = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..3);
    (any::<Index>(), texts, fault).prop_map(|(stream, texts, fault)| EntryPlan {
        stream,
        texts,
        fault,
    })
}

fn group_plan() -> impl Strategy<Value = Vec<BatchPlan>> {
    let batch = (prop::collection::vec(entry_plan(), 0..5), any::<Index>(), fence_plan());
    let batch = batch.prop_map(|(entries, fenced, fence)| BatchPlan { entries, fenced, fence });
    prop::collection::vec(batch, 0..4)
}

fn fence_plan() -> impl Strategy<Value = FencePlan> {
    prop_oneof![
        4 => Just(FencePlan::None),
        2 => Just(FencePlan::Current),
        1 => Just(FencePlan::Old),
    ]
}

fn ttl() -> impl Strategy<Value = Ttl> {
    prop_oneof![Just(Ttl::Long), Just(Ttl::Short)]
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<Index>;
    prop_oneof![
        6 => group_plan().prop_map(Step::Append),
        1 => group_plan().prop_map(Step::CrashBeforeCommit),
        1 => Just(Step::Crash),
        1 => Just(Step::Reopen),
        2 => (index(), index()).prop_map(|(stream, text)| Step::Erase { stream, text }),
        1 => index().prop_map(|stream| Step::EraseUnknown { stream }),
        2 => (index(), index()).prop_map(|(stream, at)| Step::Snapshot { stream, at }),
        1 => index().prop_map(|stream| Step::SnapshotAhead { stream }),
        1 => (index(), index())
            .prop_map(|(stream, at)| Step::SnapshotOfOtherHistory { stream, at }),
        2 => (index(), index()).prop_map(|(stream, upto)| Step::Compact { stream, upto }),
        3 => (index(), index(), ttl())
            .prop_map(|(stream, holder, ttl)| Step::Take { stream, holder, ttl }),
        1 => (index(), fence_plan(), ttl())
            .prop_map(|(stream, fence, ttl)| Step::Renew { stream, fence, ttl }),
        1 => (index(), fence_plan()).prop_map(|(stream, fence)| Step::Release { stream, fence }),
    ]
}

/// After so many steps the log is looked at through other connections, too.
const OTHERS_LOOK_EVERY: usize = 5;
/// Longer than a short lease.
const BREATH: Duration = Duration::from_millis(3);

impl Ttl {
    fn duration(self) -> Duration {
        match self {
            Self::Long => Duration::from_secs(86_400),
            Self::Short => Duration::from_millis(1),
        }
    }

    fn state(self) -> LeaseState {
        match self {
            Self::Long => LeaseState::Held,
            Self::Short => LeaseState::RanOut,
        }
    }
}

/// Batches with the fences they name.
type Group = Vec<(Vec<NewEntry>, Vec<Fence>)>;

fn batches(group: &Group) -> Vec<Batch<'_>> {
    group.iter().map(|(entries, fences)| Batch { entries, fences }).collect()
}

/// What was acknowledged.
#[derive(Debug, Clone, Default)]
struct Expected {
    streams: BTreeMap<&'static str, ExpectedStream>,
    texts_made: u64,
}

#[derive(Debug, Clone, Default)]
struct ExpectedStream {
    entries: Vec<NewEntry>,
    texts: BTreeMap<(u64, Digest), Option<Text>>,
    snapshot: Option<Snapshot>,
    archived: u64,
    lease: Option<ExpectedLease>,
}

#[derive(Debug, Clone)]
struct ExpectedLease {
    fence: u64,
    holder: LeaseHolder,
    state: LeaseState,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum LeaseState {
    Held,
    RanOut,
    Released,
}

impl ExpectedStream {
    fn head(&self) -> Head {
        self.entries.last().map_or(Head::EMPTY, NewEntry::as_head)
    }
}

impl Expected {
    fn stream(&mut self, index: Index) -> (&'static str, &mut ExpectedStream) {
        let name = STREAMS[index.index(STREAMS.len())];
        (name, self.streams.entry(name).or_default())
    }

    /// Makes the entries of a group, and takes over those of batches without a fault. Answers
    /// whether each batch must be stored.
    fn take(&mut self, plan: &[BatchPlan]) -> (Group, Vec<bool>) {
        let mut group = Vec::new();
        let mut stored = Vec::new();
        for batch_plan in plan {
            let mut after = self.clone();
            let plans = &batch_plan.entries;
            let batch: Vec<_> = plans.iter().map(|plan| after.take_entry(plan)).collect();
            let fence = self.fence(batch_plan.fenced, batch_plan.fence);
            let may = fence.as_ref().is_none_or(|fence| self.allows(batch_plan.fenced, fence));
            let good = may && plans.iter().all(|plan| plan.fault.is_none());
            self.texts_made = after.texts_made;
            if good {
                *self = after;
            }
            group.push((batch, fence.into_iter().collect()));
            stored.push(good);
        }
        (group, stored)
    }

    fn fence(&mut self, stream: Index, plan: FencePlan) -> Option<Fence> {
        let (name, expected) = self.stream(stream);
        let current = expected.lease.as_ref().map_or(0, |lease| lease.fence);
        let number = match plan {
            FencePlan::None => return None,
            FencePlan::Current => current,
            FencePlan::Old => current.saturating_sub(1),
        };
        Some(Fence { stream: name.to_owned(), number })
    }

    fn allows(&mut self, stream: Index, fence: &Fence) -> bool {
        let lease = self.stream(stream).1.lease.as_ref();
        lease.is_some_and(|l| l.fence == fence.number && l.state != LeaseState::Released)
    }

    fn take_entry(&mut self, plan: &EntryPlan) -> NewEntry {
        let texts: Vec<Text> = plan.texts.iter().map(|text| self.make_text(text)).collect();
        let (name, stream) = self.stream(plan.stream);
        let Head { sequence, digest } = stream.head();
        let (sequence, previous) = match plan.fault {
            None => (sequence + 1, digest),
            Some(Fault::Gap) => (sequence + 2, digest),
            Some(Fault::Repeated) if sequence > 0 => (sequence, digest),
            // An empty stream has nothing to repeat.
            Some(Fault::Repeated | Fault::OtherHistory) => (sequence + 1, Digest::of(b"other")),
        };
        let name_in_json = name.replace('\\', "\\\\").replace('"', "\\\"");
        let line = sample::line(&name_in_json, sequence, previous, "note");
        let entry = NewEntry::new(line, texts.clone()).unwrap();
        assert_eq!(entry.stream(), name);
        if plan.fault.is_none() {
            let with_place = texts.into_iter().map(|text| ((sequence, text.digest), Some(text)));
            stream.texts.extend(with_place);
            stream.entries.push(entry.clone());
        }
        entry
    }

    fn make_text(&mut self, plaintext: &[u8]) -> Text {
        self.texts_made += 1;
        let salt = self.texts_made.to_be_bytes().to_vec();
        let digest = Digest::of(&[&salt[..], plaintext].concat());
        Text { digest, salt, plaintext: plaintext.to_vec() }
    }

    fn check(&self, log: &dyn LogRead) {
        let streams: Vec<_> = self
            .streams
            .iter()
            .filter(|(_, stream)| !stream.entries.is_empty())
            .map(|(name, _)| *name)
            .collect();
        assert_eq!(log.streams().unwrap(), streams);
        let heads = streams.iter().map(|name| ((*name).to_owned(), self.streams[name].head()));
        assert_eq!(log.heads().unwrap(), heads.collect());
        self.check_streams(log);
    }

    fn check_leases(&self, leases: &(impl Leases + ?Sized)) {
        let held = |lease: Lease| (lease.stream, lease.fence, lease.holder);
        let found: Vec<_> = leases.holders().unwrap().into_iter().map(held).collect();
        let expected = self.streams.iter().filter_map(|(name, stream)| {
            let lease = stream.lease.as_ref().filter(|lease| lease.state == LeaseState::Held)?;
            Some(((*name).to_owned(), lease.fence, lease.holder.clone()))
        });
        assert_eq!(found, expected.collect::<Vec<_>>());
    }

    fn check_streams(&self, log: &dyn LogRead) {
        for name in STREAMS.into_iter().chain(["never used"]) {
            let expected = self.streams.get(name).cloned().unwrap_or_default();
            expected.check(name, log);
        }
    }

    fn run(
        &mut self,
        step: &Step,
        place: &mut dyn LogPlace,
        mut log: Box<dyn Log>,
    ) -> Box<dyn Log> {
        match step {
            Step::Append(plan) => {
                let (group, stored) = self.take(plan);
                let results = log.append_group(&batches(&group)).unwrap();
                assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), stored);
            }
            Step::CrashBeforeCommit(plan) => {
                let (group, _) = self.clone().take(plan);
                place.crash_before_commit(log, &batches(&group));
                return place.open();
            }
            Step::Crash => {
                place.crash(log);
                return place.open();
            }
            Step::Reopen => {
                drop(log);
                return place.open();
            }
            Step::Erase { stream, text } => self.erase(*stream, *text, &mut *log),
            Step::EraseUnknown { stream } => {
                let (name, _) = self.stream(*stream);
                assert_eq!(log.erase(name, &Digest::of(b"?")).unwrap(), Erasure::Unknown);
            }
            Step::Snapshot { stream, at } => self.put_snapshot(*stream, *at, &mut *log),
            Step::SnapshotAhead { stream } => {
                let (name, expected) = self.stream(*stream);
                let ahead = expected.head().sequence + 1;
                let at = Head { sequence: ahead, digest: Digest::ZERO };
                let refused = log.put_snapshot(NewSnapshot::new(name, at, 1, b"early".to_vec()));
                assert!(matches!(refused, Err(StoreError::SnapshotAhead { sequence, head, .. })
                    if sequence == ahead && head == ahead - 1));
            }
            Step::SnapshotOfOtherHistory { stream, at } => {
                let (name, expected) = self.stream(*stream);
                if !expected.entries.is_empty() {
                    let sequence = 1 + at.index(expected.entries.len()) as u64;
                    let at = Head { sequence, digest: Digest::of(b"other") };
                    let refused = log.put_snapshot(NewSnapshot::new(name, at, 1, Vec::new()));
                    assert!(matches!(refused, Err(StoreError::SnapshotOfOtherHistory { .. })));
                }
            }
            Step::Compact { stream, upto } => {
                let (name, expected) = self.stream(*stream);
                let end = expected.entries.len() as u64;
                let upto = upto.index(expected.entries.len() + 2) as u64;
                let first = expected.archived + 1;
                let last = upto.min(end).min(expected.archived + SEGMENT_ENTRIES);
                let moved = (last >= first).then_some(first..=last);
                assert_eq!(log.compact(name, upto).unwrap(), moved);
                expected.archived = expected.archived.max(last);
            }
            Step::Take { .. } | Step::Renew { .. } | Step::Release { .. } => {
                self.run_lease(step, &mut *log);
                place.wait(BREATH);
            }
        }
        log
    }

    fn run_lease(&mut self, step: &Step, log: &mut dyn Log) {
        match step {
            Step::Take { stream, holder, ttl } => {
                self.take_lease(*stream, *holder, *ttl, log);
            }
            Step::Renew { stream, fence, ttl } => {
                let Some(fence) = self.fence(*stream, *fence) else { return };
                let expected =
                    if self.allows(*stream, &fence) { Renewal::Renewed } else { Renewal::Lost };
                assert_eq!(log.renew(&[fence], ttl.duration()).unwrap(), [expected]);
                if expected == Renewal::Renewed {
                    self.lease(*stream).state = ttl.state();
                }
            }
            Step::Release { stream, fence } => {
                let Some(fence) = self.fence(*stream, *fence) else { return };
                log.release(std::slice::from_ref(&fence)).unwrap();
                if self.allows(*stream, &fence) {
                    self.lease(*stream).state = LeaseState::Released;
                }
            }
            other => panic!("{other:?} is about no lease"),
        }
    }

    fn lease(&mut self, stream: Index) -> &mut ExpectedLease {
        self.stream(stream).1.lease.as_mut().unwrap()
    }

    fn take_lease(&mut self, stream: Index, holder: Index, ttl: Ttl, log: &mut dyn Log) {
        let (name, expected) = self.stream(stream);
        let id = ["one", "two", "three"][holder.index(3)].to_owned();
        let holder = LeaseHolder { address: format!("http://{id}.internal"), id };
        let taken = log.take(name, &holder, ttl.duration()).unwrap();
        let before = expected.lease.clone();
        let fence = match before {
            None => 1,
            Some(lease) if lease.state == LeaseState::Released => lease.fence + 1,
            Some(lease) if lease.holder == holder => lease.fence,
            Some(lease) if lease.state == LeaseState::RanOut => lease.fence + 1,
            Some(lease) => {
                let TakenLease::Held { by, address, .. } = taken else { panic!("{taken:?}") };
                assert_eq!(LeaseHolder { id: by, address }, lease.holder);
                return;
            }
        };
        assert_eq!(taken, TakenLease::Taken { fence });
        expected.lease = Some(ExpectedLease { fence, holder, state: ttl.state() });
    }

    fn erase(&mut self, stream: Index, text: Index, log: &mut dyn Log) {
        let (name, expected) = self.stream(stream);
        if expected.texts.is_empty() {
            return;
        }
        let nth = text.index(expected.texts.len());
        let ((_, digest), content) = expected.texts.iter_mut().nth(nth).unwrap();
        let erasure = match content.take() {
            Some(_) => Erasure::Erased,
            None => Erasure::AlreadyErased,
        };
        assert_eq!(log.erase(name, digest).unwrap(), erasure);
        if erasure == Erasure::Erased {
            expected.snapshot = None;
        }
    }

    fn put_snapshot(&mut self, stream: Index, at: Index, log: &mut dyn Log) {
        let (name, expected) = self.stream(stream);
        if expected.entries.is_empty() {
            return;
        }
        let sequence = 1 + at.index(expected.entries.len()) as u64;
        let state = expected.entries[0].line().repeat(20);
        let at = expected.entries[sequence as usize - 1].as_head();
        log.put_snapshot(NewSnapshot::new(name, at, 7, state.clone())).unwrap();
        if expected.snapshot.as_ref().is_none_or(|stored| stored.at.sequence <= sequence) {
            expected.snapshot = Some(Snapshot { at, state_version: 7, state });
        }
    }
}

impl ExpectedStream {
    fn check(&self, name: &str, log: &dyn LogRead) {
        assert_eq!(log.head(name).unwrap(), self.head());
        let end = self.entries.len() as u64;
        let stored = log.read(name, 0, usize::MAX).unwrap();
        let lines = |entries: &[crate::StoredEntry]| -> Vec<(u64, Vec<u8>)> {
            entries.iter().map(|entry| (entry.sequence, entry.line.clone())).collect()
        };
        let expected: Vec<_> =
            self.entries.iter().map(|entry| (entry.sequence(), entry.line().to_vec())).collect();
        assert_eq!(lines(&stored), expected);
        let window = log.read(name, end / 2 + 1, 2).unwrap();
        assert_eq!(
            window,
            stored[(end / 2) as usize..].iter().take(2).cloned().collect::<Vec<_>>()
        );
        assert_eq!(log.read(name, u64::MAX, 1).unwrap(), []);

        let texts = |range: std::ops::RangeInclusive<u64>| -> Vec<StoredText> {
            let all = self.texts.iter();
            all.filter(|((sequence, _), _)| range.contains(sequence))
                .map(|(&(sequence, digest), text)| StoredText {
                    sequence,
                    digest,
                    text: text.clone(),
                })
                .collect()
        };
        for range in [0..=u64::MAX, 2..=end, end..=end] {
            assert_eq!(log.texts(name, range.clone()).unwrap(), texts(range));
        }
        assert_eq!(log.snapshot(name).unwrap(), self.snapshot);

        for key in [None, Some(&KEY)] {
            let verified = verify_stream(log, name, key).unwrap();
            assert_eq!((verified.entries, verified.head), (end, self.head()));
        }
        assert_eq!(verify_stream(log, name, Some(&OTHER_KEY)).is_err(), end > 0);
    }
}

/// The contract itself.
pub(crate) fn holds<P: LogPlace>(make_place: impl Fn() -> P, cases: u32) {
    let config = ProptestConfig { cases, ..ProptestConfig::default() };
    proptest!(config, |(steps in prop::collection::vec(step(), 1..25))| {
        let mut place = make_place();
        let mut log = place.open();
        let mut expected = Expected::default();
        for (number, step) in (1..).zip(&steps) {
            log = expected.run(step, &mut place, log);
            expected.check(&*log);
            expected.check_leases(&*log);
            if number % OTHERS_LOOK_EVERY == 0 || number == steps.len() {
                expected.check(&*log.reader().unwrap());
                expected.check_leases(&*log.leases().unwrap());
            }
        }
    });
}

/// The sentences are part of the contract: people read them.
pub(crate) fn conflicts_say_what_does_not_fit(mut log: impl Log) {
    let first = sample::entries("s", Head::EMPTY, 2);
    log.append(&first).unwrap();
    let head = first[1].as_head();
    let conflict = |log: &mut dyn Log, entry: NewEntry| match log.append(&[entry]) {
        Err(StoreError::Conflict(conflict)) => conflict,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        conflict(&mut log, first[1].clone()).to_string(),
        "entry 2 was refused: stream `s` ends at entry 2, so the next one is 3"
    );
    let other = sample::entry("s", Head { digest: Digest::ZERO, ..head }, "other");
    let expected = Conflict::Previous {
        stream: "s".to_owned(),
        sequence: 3,
        named: Digest::ZERO,
        head: head.digest,
    };
    assert_eq!(conflict(&mut log, other), expected);
    assert_eq!(log.head("s").unwrap(), head);
}

struct InMemory(Memory);

impl LogPlace for InMemory {
    fn open(&self) -> Box<dyn Log> {
        Box::new(self.0.clone())
    }

    fn crash(&mut self, _: Box<dyn Log>) {}

    /// In memory a group is written when it is committed.
    fn crash_before_commit(&mut self, _: Box<dyn Log>, _: &[Batch<'_>]) {}

    fn wait(&mut self, time: Duration) {
        self.0.advance(time);
    }
}

#[test]
fn a_log_in_memory_keeps_the_contract() {
    holds(|| InMemory(Memory::new(&KEY)), 256);
    conflicts_say_what_does_not_fit(Memory::new(&KEY));
}
