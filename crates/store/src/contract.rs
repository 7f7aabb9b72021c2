//! What every log must do, whatever it is made of: random sequences of appends, refusals, erasures,
//! snapshots, reopenings and crashes, compared after each step with a plain list of what was
//! acknowledged. A new kind of log joins by implementing [`Place`] and adding one test below.

use crate::digest::Digest;
use crate::log::{Erasure, Head, Log, LogRead, NewEntry, Snapshot, StoredText, Text};
use crate::sample::{self, KEY, OTHER_KEY};
use crate::{Conflict, Memory, StoreError, verify_stream};
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::BTreeMap;

/// Where a log lies. It outlives the process that works on the log.
pub(crate) trait Place {
    fn open(&self) -> Box<dyn Log>;

    /// The process ends without closing the log.
    fn crash(&mut self, log: Box<dyn Log>);

    /// The process ends when all of the group is written and nothing is committed.
    fn crash_before_commit(&mut self, log: Box<dyn Log>, group: &[&[NewEntry]]);
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
}

type BatchPlan = Vec<EntryPlan>;

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
    prop::collection::vec(prop::collection::vec(entry_plan(), 0..5), 0..4)
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
    ]
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
    fn take(&mut self, plan: &[BatchPlan]) -> (Vec<Vec<NewEntry>>, Vec<bool>) {
        let mut group = Vec::new();
        let mut stored = Vec::new();
        for batch_plan in plan {
            let mut after = self.clone();
            let batch: Vec<_> = batch_plan.iter().map(|plan| after.take_entry(plan)).collect();
            let good = batch_plan.iter().all(|plan| plan.fault.is_none());
            self.texts_made = after.texts_made;
            if good {
                *self = after;
            }
            group.push(batch);
            stored.push(good);
        }
        (group, stored)
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
        for name in STREAMS.into_iter().chain(["never used"]) {
            let expected = self.streams.get(name).cloned().unwrap_or_default();
            expected.check(name, log);
        }
    }

    fn run(&mut self, step: &Step, place: &mut dyn Place, mut log: Box<dyn Log>) -> Box<dyn Log> {
        match step {
            Step::Append(plan) => {
                let (group, stored) = self.take(plan);
                let group: Vec<&[NewEntry]> = group.iter().map(Vec::as_slice).collect();
                let results = log.append_group(&group).unwrap();
                assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), stored);
            }
            Step::CrashBeforeCommit(plan) => {
                let (group, _) = self.clone().take(plan);
                let group: Vec<&[NewEntry]> = group.iter().map(Vec::as_slice).collect();
                place.crash_before_commit(log, &group);
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
                let refused = log.put_snapshot(name, ahead, b"early");
                assert!(matches!(refused, Err(StoreError::SnapshotAhead { sequence, head, .. })
                    if sequence == ahead && head == ahead - 1));
            }
        }
        log
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
        log.put_snapshot(name, sequence, &state).unwrap();
        if expected.snapshot.as_ref().is_none_or(|stored| stored.sequence <= sequence) {
            expected.snapshot = Some(Snapshot { sequence, state });
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
pub(crate) fn holds<P: Place>(make_place: impl Fn() -> P, cases: u32) {
    let config = ProptestConfig { cases, ..ProptestConfig::default() };
    proptest!(config, |(steps in prop::collection::vec(step(), 1..25))| {
        let mut place = make_place();
        let mut log = place.open();
        let mut expected = Expected::default();
        for step in &steps {
            log = expected.run(step, &mut place, log);
            expected.check(&*log);
            expected.check(&*log.reader().unwrap());
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

impl Place for InMemory {
    fn open(&self) -> Box<dyn Log> {
        Box::new(self.0.clone())
    }

    fn crash(&mut self, _: Box<dyn Log>) {}

    /// In memory a group is written when it is committed.
    fn crash_before_commit(&mut self, _: Box<dyn Log>, _: &[&[NewEntry]]) {}
}

#[test]
fn a_log_in_memory_keeps_the_contract() {
    holds(|| InMemory(Memory::new(&KEY)), 256);
    conflicts_say_what_does_not_fit(Memory::new(&KEY));
}
