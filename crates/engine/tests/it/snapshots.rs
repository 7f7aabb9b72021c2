//! A state as bytes and back, and what is refused instead of misread.

use std::collections::BTreeSet;

use expect_test::expect;
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

/// When this list changes, `STATE_VERSION` has to go up with it, so that no server misreads what
/// another one wrote.
#[test]
fn the_version_goes_up_with_the_shape() {
    let shown = format!("{:#?}", busy().state);
    let is_name = |name: &&str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let names = shown.lines().filter_map(|line| Some(line.trim().split_once(": ")?.0));
    let names: BTreeSet<&str> = names.filter(is_name).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let lines: Vec<String> = names.chunks(8).map(|chunk| chunk.join(" ")).collect();
    expect![[r#"
        version 2
        action active add address agenda all_ready applied approvals
        approved artifacts asked at at_work attempt attempts author
        bad body branches built by by_run by_time bytes
        call cancel cancel_in_progress cancelled cause change checks column
        command comment commit commits conclusion concurrency condition configuration
        continue_on_error created default default_branch defaults demo deployments depths
        description destroy digest direction drained due email embedded
        env environment environments event evidence exclude expire_after_ms fail_fast
        finished first freezes from further gated gates generation
        gone group groups hash health health_line health_timeout_ms heard
        history holders id include index inputs is_required job
        jobs key kill killed kind labels leg legs
        line lines live loads log matrix max_age_ms max_parallel
        min_requests missing name needed needs new notifications notify
        number numbers old on on_call opened outcome outputs
        own parents passed path paths people percent percent_reached
        permissions person phase place places plan plans platform
        policy policy_problem position preview previous project projects promoted
        pushers pushes queue queued ready reason reference refs
        release releases repeats replica_failure replicas requested requests result
        resumes role rollback_plan rollout rules run run_name runner
        runs runs_on schedules script secrets sequence service services
        serving settings settled sha shell shift smoke source
        span started step step_for_ms step_since steps strategy stream
        subjects summary superseded tags takes_over terms time_scale timeout_minutes
        timeout_ms title tokens touched trigger undelivered up url
        user vectors verdict verdict_reason wait_ms waits warm watch
        watched weighted_at window windows woke workflow workflow_problems workflows
        working_directory workspaces written
    "#]]
    .assert_eq(&format!("version {STATE_VERSION}\n{}\n", lines.join("\n")));
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
