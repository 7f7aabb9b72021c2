//! Worlds as a whole, and whether the auditor and the search for small failures earn their trust.

use qnt9_model::fact::Outcome;
use qnt9_model::{Actor, Entry, Fact};

use super::*;
use crate::audit::Auditor;
use crate::reader::{Place, Reader};

/// A world with this seed that was lived to its end.
fn lived(seed: u64, options: &Options) -> World<'_> {
    let mut world = World::new(seed, options, Arc::new(Workflows::read()));
    world.live().expect("nothing is broken");
    world
}

/// A seed in whose world the clock never jumps, so that its facts are in the order of time.
fn seed_without_clock_accidents() -> u64 {
    let options = Options::default();
    let is_calm = |seed: &u64| {
        World::new(*seed, &options, Arc::new(Workflows::read())).swarm.accidents.clock == 0
    };
    (0..100).find(is_calm).expect("half of all worlds are like that")
}

#[test]
fn everything_occurs_within_a_hundred_seeds_and_nothing_breaks() {
    let mut coverage = Coverage::default();
    for seed in 0..100 {
        match simulate(seed, &Options::default()) {
            Ok(report) => {
                assert!(report.facts >= FACTS_LEAST, "seed {seed} has {} facts", report.facts);
                coverage.add(&report.coverage);
            }
            Err(failure) => panic!("{failure}\n{}", failure.trace.join("\n")),
        }
        if seed >= 5 && coverage.missing().is_empty() {
            return;
        }
    }
    panic!("these never occurred: {}", coverage.missing().join(", "));
}

/// Worlds in which an invariant did not hold: a share given up though the clock was set back, replicas
/// waited for without a deadline, a repeated run whose jobs did not wait for its turn.
#[test]
fn these_seeds_once_broke() {
    for seed in [711, 3057, 3472, 5236, 8496] {
        if let Err(failure) = simulate(seed, &Options { shrinks: 0, ..Options::default() }) {
            panic!("{failure}");
        }
    }
}

#[test]
fn the_same_seed_is_the_same_world() {
    let options = Options { facts: 600, ..Options::default() };
    let [one, two] = [simulate(7, &options), simulate(7, &options)];
    assert_eq!(one, two);
    let traced = simulate(7, &Options { trace: true, ..options }).expect("nothing is broken");
    assert_eq!(traced.heads, one.expect("nothing is broken").heads, "telling changes nothing");
}

#[test]
fn what_breaks_is_made_small_and_breaks_again() {
    let forbids = |fact: &Fact| matches!(fact, Fact::GatesOpened { .. });
    let options = Options { forbids: Some(forbids), shrinks: 40, ..Options::default() };
    let failure = simulate(1, &options).expect_err("some gate opens");
    assert_eq!(failure.invariant, "forbidden");
    assert!(failure.trace.iter().any(|line| line.contains("GatesOpened")), "it is told");
    assert!(failure.needed < failure.happenings, "{} are needed", failure.needed);
    let again = Options { shrinks: 0, until: Some(failure.fact), ..options };
    let again = simulate(1, &again).expect_err("the same seed breaks at the same fact");
    assert_eq!((again.fact, again.invariant), (failure.fact, failure.invariant));
}

#[test]
fn an_exported_log_is_read_forwards_and_backwards() {
    let options = Options { facts: 600, ..Options::default() };
    let world = lived(seed_without_clock_accidents(), &options);
    let mut reader = Reader::open(&world.export()).expect("an export can be read");
    assert_eq!(reader.facts() as u64, world.auditor.facts);
    let end = reader.view();
    assert!(end.audited && end.broken.is_empty(), "{:?}", end.broken);
    reader.go(300);
    let middle = serde_json::to_string(&reader.view()).expect("plain data");
    reader.go(17);
    assert_eq!(reader.view().fact, 17);
    reader.go(300);
    assert_eq!(serde_json::to_string(&reader.view()).expect("plain data"), middle);
    reader.go(usize::MAX);
    assert_eq!(reader.view().last, end.last);
    let shop = Place::Sequence(Some("shop".into()), 1);
    let first = reader.find(&shop).expect("the project has facts");
    reader.go(first);
    assert!(reader.view().last.is_some_and(|last| last.starts_with("shop 1 ")));
    assert_eq!(reader.find(&Place::Sequence(None, 1_000_000)), None);
}

#[test]
fn what_is_no_export_is_refused_with_its_line() {
    let options = Options { facts: 200, ..Options::default() };
    let export = lived(seed_without_clock_accidents(), &options).export();
    let bent = export.replacen("\"version\":1", "\"version\":99", 3);
    let error = Reader::open(&bent).expect_err("a later version is not read");
    assert_eq!(error.line, 1);
    assert!(Reader::open("hello\n").is_err());
}

/// The first invariant that these facts break.
fn broken(entries: &[Entry]) -> Option<&'static str> {
    let mut auditor = Auditor::default();
    entries.iter().find_map(|entry| auditor.see(entry).err()).map(|broken| broken.invariant)
}

/// The facts of a few worlds, each lived through once and only when it is looked at.
fn worlds() -> impl Iterator<Item = &'static [Entry]> {
    static WORLDS: [OnceLock<Vec<Entry>>; 4] = [const { OnceLock::new() }; 4];
    let live = |seed| lived(seed, &Options::default()).entries();
    (0..).zip(&WORLDS).map(move |(seed, world)| world.get_or_init(|| live(seed)).as_slice())
}

/// What breaks in the first of them that has what is to be tampered with.
fn tampered(tamper: impl Fn(&mut Vec<Entry>) -> bool) -> Option<&'static str> {
    for entries in worlds() {
        let mut entries = entries.to_vec();
        if tamper(&mut entries) {
            renumber(&mut entries);
            return broken(&entries);
        }
    }
    panic!("no world has what is to be tampered with")
}

/// Sequence numbers without gaps again, as whoever tampers would write them.
fn renumber(entries: &mut [Entry]) {
    let mut last = std::collections::BTreeMap::new();
    for entry in entries {
        let last = last.entry(entry.stream.clone()).or_insert(0);
        *last += 1;
        entry.sequence = *last;
    }
}

fn first(entries: &[Entry], is_it: impl Fn(&Entry) -> bool) -> Option<usize> {
    entries.iter().position(is_it)
}

#[test]
fn the_auditor_finds_what_is_twice_or_out_of_turn() {
    let twice = |is_it: fn(&Entry) -> bool| {
        tampered(|entries| match first(entries, is_it) {
            Some(at) => {
                // At the end, so that nothing is renumbered that others name.
                let stream = entries[at].stream.clone();
                let end = entries.iter().rposition(|entry| entry.stream == stream);
                let copy = entries[at].clone();
                let end = end.map_or(at, |end| end);
                entries.insert(end + 1, copy);
                true
            }
            None => false,
        })
    };
    assert_eq!(twice(|entry| matches!(&entry.fact, Fact::StepFinished { .. })), Some("fencing"));
    assert_eq!(
        twice(|entry| matches!(&entry.fact, Fact::JobStarted { .. })),
        Some("attempts-count-up")
    );
    assert_eq!(
        twice(|entry| matches!(&entry.fact, Fact::JobFinished { .. })),
        Some("job-ends-once")
    );
    assert_eq!(
        twice(|entry| matches!(&entry.fact, Fact::RunFinished { .. })),
        Some("run-ends-once")
    );
    assert_eq!(twice(|entry| matches!(&entry.fact, Fact::GatesOpened { .. })), Some("gates"));
    assert_eq!(
        twice(|entry| matches!(&entry.fact, Fact::ReleaseBuilt { .. })),
        Some("release-is-immutable")
    );
    assert_eq!(
        twice(|entry| matches!(&entry.fact, Fact::PushSettled { push, .. } if push.0 > 0)),
        Some("push-settles-once")
    );
    assert_eq!(twice(|entry| matches!(&entry.fact, Fact::CommitsSeen { .. })), Some("commit"));
    // What a job says after its end is refused for another reason.
    let unlocked = |entry: &Entry| {
        matches!((&entry.fact, &entry.actor), (Fact::StateUnlocked { .. }, Actor::Person { .. }))
    };
    assert_eq!(twice(unlocked), Some("lock"));
    assert_eq!(
        twice(|entry| matches!(&entry.fact, Fact::DeploymentFinished { .. })),
        Some("deployment-ends-once")
    );
}

#[test]
fn the_auditor_finds_what_is_not_allowed() {
    let bent = |bend: fn(&mut Fact) -> bool| {
        tampered(|entries| entries.iter_mut().any(|entry| bend(&mut entry.fact)))
    };
    let gap = bent(|fact| match fact {
        Fact::LogSealed { first_line, .. } => {
            *first_line += 1;
            true
        }
        _ => false,
    });
    assert_eq!(gap, Some("log-without-gap"));
    let approval = bent(|fact| match fact {
        Fact::ApprovalGiven { person, .. } => {
            *person = "walter".to_owned();
            true
        }
        _ => false,
    });
    assert_eq!(approval, Some("approvals"));
    let subjects = bent(|fact| match fact {
        Fact::GatesOpened { subjects, .. } => {
            subjects.plan = Some("another plan".to_owned());
            true
        }
        _ => false,
    });
    assert_eq!(subjects, Some("gates"));
    let share = bent(|fact| match fact {
        Fact::WeightChanged { percent, .. } => {
            *percent = 101;
            true
        }
        _ => false,
    });
    assert_eq!(share, Some("rollout"));
    let fence = bent(|fact| match fact {
        Fact::StepFinished { attempt, .. } => {
            attempt.attempt += 1;
            true
        }
        _ => false,
    });
    assert_eq!(fence, Some("fencing"));
    let result = bent(|fact| match fact {
        Fact::RunFinished { result: result @ Outcome::Success, .. } => {
            *result = Outcome::Failure;
            true
        }
        _ => false,
    });
    assert_eq!(result, Some("run-result"));
}
