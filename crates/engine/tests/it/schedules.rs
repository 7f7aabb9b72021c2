//! Schedules: due by the clocks of their zones, late when the machine was off.

use expect_test::expect;
use qnt9_model::Command;
use qnt9_model::fact::Cause;

use crate::world::{HOUR, MINUTE, RULES, World};

// The world begins on Sunday, 9 September 2001, at 01:46:40 UTC; in Berlin it is two hours later.
const NIGHTLY: &str = "# nightly.yml
name: Nightly
on:
  push: { branches: [other] }
  schedule:
    - { cron: '0 4 * * *', timezone: Europe/Berlin }
    - cron: '30 4 * * *'
jobs:
  a: { runs-on: x, steps: [{ run: x }] }
";

fn scheduled() -> World {
    let mut world = World::new(RULES);
    assert!(world.push("alice", "main", "c1", "dev", &[NIGHTLY]).is_empty());
    world
}

#[test]
fn a_schedule_starts_its_workflow_on_the_default_branch() {
    let mut world = scheduled();
    let from = world.log.len();
    world.pass(24 * HOUR);
    let runs: Vec<_> = world.project().runs.values().map(|run| run.id).collect();
    for run in &runs {
        world.work_through(*run);
    }
    expect![[r#"
        qnt9 run-created nightly.yml #1
        qnt9 run-started
        qnt9 job-planned a
        qnt9 run-created nightly.yml #2
        qnt9 run-started
        qnt9 job-planned a
        qnt9 job-started 8.a.1
        qnt9 job-finished 8.a.1 success
        qnt9 run-finished 8: success
        qnt9 job-started 11.a.1
        qnt9 job-finished 11.a.1 success
        qnt9 run-finished 11: success
    "#]]
    .assert_eq(&world.since(from));
    let run = &world.project().runs[&runs[0]];
    assert_eq!(run.created.since(crate::world::START), 13 * MINUTE + 20_000, "04:00 in Berlin");
    assert_eq!(qnt9_engine::contexts::event_name(world.project(), run), "schedule");
    assert_eq!((run.reference.as_str(), run.cause.by()), ("refs/heads/main", "alice"));
    assert_eq!(run.commit, crate::world::long("c1"));
}

#[test]
fn of_the_moments_while_the_machine_was_off_one_is_started_late() {
    let mut world = scheduled();
    // Off for four days, until 03:46:40 in Berlin.
    world.now = world.now.plus(4 * 24 * HOUR);
    world.tell(Command::Wake);
    let causes: Vec<String> = world
        .project()
        .runs
        .values()
        .map(|run| match &run.cause {
            Cause::Schedule { schedule, due, missed, .. } => {
                format!(
                    "{} {} h late, {missed} dropped",
                    schedule.cron,
                    run.created.since(*due) / HOUR
                )
            }
            other => panic!("{other:?}"),
        })
        .collect();
    expect![[r#"
        0 4 * * * 23 h late, 3 dropped
        30 4 * * * 21 h late, 3 dropped"#]]
    .assert_eq(&causes.join("\n"));
    let from = world.log.len();
    world.tell(Command::Tick);
    assert_eq!(world.since(from), "");
}

#[test]
fn what_is_more_than_a_day_late_is_dropped() {
    let mut world = World::new(RULES);
    let yearly = NIGHTLY.replace("0 4 * * *", "0 0 10 9 *");
    let yearly = yearly.replace("    - cron: '30 4 * * *'\n", "");
    world.push("alice", "main", "c1", "dev", &[&yearly]);
    world.now = world.now.plus(10 * 24 * HOUR);
    let from = world.log.len();
    world.tell(Command::Tick);
    expect![[r#"
        qnt9 schedule-skipped nightly.yml: qnt9 did not run then, and more than a day passed since
        qnt9 schedule-skipped nightly.yml: qnt9 did not run then, and more than a day passed since
    "#]]
    .assert_eq(&world.since(from));
}

#[test]
fn schedules_are_those_of_the_default_branch_and_change_with_it() {
    let mut world = scheduled();
    let from = world.log.len();
    // The same file in another commit, and a file on another branch, change nothing.
    world.push("alice", "main", "c2", "dev", &[NIGHTLY]);
    world.push("alice", "topic", "d1", "dev", &[&NIGHTLY.replace("0 4", "1 4")]);
    world.push("alice", "main", "c3", "dev", &[]);
    expect![[r#"
        alice push-offered
        qnt9 commits-seen
        qnt9 push-settled
        alice push-offered
        qnt9 commits-seen
        qnt9 push-settled
        alice push-offered
        qnt9 commits-seen
        qnt9 push-settled
        qnt9 schedules-adopted
    "#]]
    .assert_eq(&world.since(from));
    world.pass(3 * 24 * HOUR);
    assert!(world.project().runs.is_empty());
}

/// The file is pushed again, changed elsewhere, before anybody noticed that its moment had come.
#[test]
fn a_schedule_that_stays_in_force_forgets_no_moment() {
    let mut world = scheduled();
    // 04:00 in Berlin is 13 minutes and 20 seconds away; 04:30 UTC is hours away.
    world.now = world.now.plus(HOUR);
    let changed = NIGHTLY.replace("  a:", "  b:");
    let moved = world.moved("main", "c2", &[&changed]);
    world.tell(Command::ImportCommits { moved: vec![moved], commits: Vec::new() });
    let due = |world: &World| {
        let runs = world.project().runs.values();
        runs.map(|run| match &run.cause {
            Cause::Schedule { schedule, .. } => schedule.cron.clone(),
            other => panic!("{other:?}"),
        })
        .collect::<Vec<_>>()
    };
    assert_eq!(due(&world), ["0 4 * * *"]);
    world.pass(2 * HOUR);
    assert_eq!(due(&world), ["0 4 * * *", "30 4 * * *"]);
    // A schedule that is new begins with its adoption: what lies before it is none of its moments.
    world.now = world.now.plus(20 * HOUR);
    let other = NIGHTLY.replace("30 4", "0 1");
    world.push("alice", "main", "c3", "dev", &[&other]);
    assert_eq!(due(&world).len(), 2);
}
