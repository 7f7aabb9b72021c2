//! A state as bytes and back, and what is refused instead of misread.

use qnt9_engine::snapshot::{STATE_VERSION, SnapshotError, read, write};
use qnt9_engine::{State, apply::apply};
use qnt9_model::fact::Outcome;
use qnt9_model::{Command, Millis, StreamId};

use crate::world::{MINUTE, RULES, World, span};

/// The state as it is after a start from snapshots.
pub(crate) fn started_again(state: &State) -> State {
    let mut again = State::default();
    let projects = state.projects.keys().cloned();
    for stream in std::iter::once(StreamId::platform()).chain(projects) {
        read(&mut again, &stream, &write(state, &stream)).expect("it was just written");
    }
    again
}

fn busy() -> World {
    let mut world = World::in_production("r1");
    world.staged("c2", "r2");
    let attempt = world.released();
    let deployment = world.deploy(&attempt, "production", "r2").expect("its gates are open");
    world.carry();
    world.count(deployment, (60, 0), (900, 1));
    world.dispatched("plan-2");
    let text = "# late.yml\non: push\njobs:\n  one: { runs-on: x, steps: [{ run: x }] }\n";
    let run = world.push("dev", "side", "s1", "dev", &[text])[0];
    let attempt = world.start(run, "one");
    world.tell(Command::FinishStep {
        attempt,
        step: 0,
        name: "x".to_owned(),
        outcome: Outcome::Success,
        conclusion: Outcome::Success,
        span: span(world.now, 1),
        user: true,
        own: vec![span(world.now, 1)],
    });
    world
}

#[test]
fn a_busy_state_comes_back_whole_and_goes_on() {
    let mut world = busy();
    let mut again = started_again(&world.state);
    assert!(again == world.state);
    let before = world.log.len();
    world.pass(10 * MINUTE);
    let attempt = world.orders().iter().find_map(qnt9_engine::orders::attempt_of).cloned();
    world.end(&attempt.expect("a job runs"), Outcome::Success);
    assert!(world.log.len() > before);
    world.log[before..].iter().for_each(|entry| apply(&mut again, entry));
    assert!(again == world.state, "the tail leads to the same state");
}

/// Facts that follow by themselves follow after a start from a snapshot, too.
#[test]
fn what_was_cut_off_before_it_followed_follows_afterwards() {
    let mut world = World::new(RULES);
    let from = world.log.len();
    let text = "# one.yml\non: push\njobs:\n  one: { runs-on: x, steps: [{ run: x }] }\n";
    world.push("dev", "side", "s1", "dev", &[text]);
    for cut in from..=world.log.len() {
        let mut state = State::default();
        world.log[..cut].iter().for_each(|entry| apply(&mut state, entry));
        let mut world = World::new(RULES);
        world.state = started_again(&state);
        world.tell(Command::Tick);
        let waits = |run: &qnt9_engine::state::Run| run.started.is_none() || run.legs.is_empty();
        assert!(!world.project().live_runs().any(waits), "cut at {cut}");
    }
}

#[test]
fn the_platform_brings_how_its_projects_were_created() {
    let world = busy();
    let mut again = State::default();
    let platform = StreamId::platform();
    read(&mut again, &platform, &write(&world.state, &platform)).expect("it was just written");
    assert_eq!(again.platform, world.state.platform);
    let (new, old) = (&again.projects[&world.stream], world.project());
    assert_eq!((new.time_scale, &new.default_branch), (1, &old.default_branch));
    for entry in world.log.iter().filter(|entry| entry.stream == world.stream) {
        apply(&mut again, entry);
    }
    assert!(again == world.state, "a project without a snapshot is folded from its log");
}

#[test]
fn another_version_or_torn_bytes_are_refused_and_change_nothing() {
    let world = busy();
    let good = write(&world.state, &world.stream);
    let mut state = world.state.clone();
    let mut newer = good.clone();
    newer[..4].copy_from_slice(&(STATE_VERSION + 1).to_le_bytes());
    let error = read(&mut state, &world.stream, &newer).expect_err("it is newer");
    assert!(
        matches!(error, SnapshotError::Version { found: Some(found) } if found > STATE_VERSION)
    );
    for cut in (0..good.len()).step_by(97) {
        let error = read(&mut state, &world.stream, &good[..cut]).expect_err("it is torn");
        match error {
            SnapshotError::Version { found } => assert!(cut < 4 && found.is_none()),
            SnapshotError::Damaged(_) => assert!(cut >= 4),
        }
    }
    assert!(state == world.state);
}

#[test]
fn an_ended_run_is_packed_and_reads_as_before() {
    let mut world = World::new(RULES);
    let run = world.staged("c1", "r1");
    let run = &world.project().runs[&run];
    assert!(run.packed_bytes().is_some());
    assert_eq!(run.legs.len(), 5);
    assert_eq!(run.job_result("deploy"), Some(Outcome::Success));
    let open = world.push("dev", "main", "c2", "dev", &[crate::world::STAGING])[0];
    assert_eq!(world.project().runs[&open].packed_bytes(), None);
    assert!(world.project().runs[&open].created >= Millis(0));
}
