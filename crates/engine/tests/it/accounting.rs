//! Whose time it was, of runs that really happened.

use qnt9_engine::accounting::{Ledger, Shares, wall_of_job, wall_of_run};
use qnt9_model::fact::{Outcome, Span};
use qnt9_model::{AttemptId, Command, RunId};

use crate::world::{MINUTE, RULES, SECOND, World, span};

fn shares(world: &World, runs: &[RunId], wall: Span) -> Shares {
    let runs = runs.iter().map(|run| &world.project().runs[run]);
    Ledger::of(world.project(), runs, world.now).share(wall)
}

fn all_of(world: &World, run: RunId) -> Shares {
    shares(world, &[run], wall_of_run(&world.project().runs[&run], world.now))
}

fn step(world: &mut World, attempt: &AttemptId, took: Span, user: bool, own: Vec<Span>) {
    world.tell(Command::FinishStep {
        attempt: attempt.clone(),
        step: 0,
        name: "x".to_owned(),
        outcome: Outcome::Success,
        conclusion: Outcome::Success,
        span: took,
        user,
        own,
    });
}

/// A delivery to production, minute by minute: what its gates, its declared wait and the steps of its
/// canary took is waiting, its commands and its load test are the user's, and the rest is qnt9's.
#[test]
fn each_part_of_a_delivery_counts_as_what_it_was() {
    let mut world = World::in_production("r1");
    let other = world.staged("c2", "r2");
    let attempt = world.released();
    let run = attempt.run;
    let gates = Shares { own_ms: 0, waiting_ms: 10 * MINUTE, user_ms: 0 };
    assert_eq!(all_of(&world, run), gates);

    // Five seconds of a command, of which two were terraform's.
    let own = vec![span(world.now.plus(SECOND), 2 * SECOND)];
    let body = span(world.now, 5 * SECOND);
    step(&mut world, &attempt, body, true, own);
    world.pass(5 * SECOND);
    let body = Shares { own_ms: 2 * SECOND, user_ms: 3 * SECOND, ..gates };
    assert_eq!(all_of(&world, run), body);

    world.call_wait(&attempt).expect("a job may wait");
    world.pass(MINUTE / 2);
    let half = Shares { waiting_ms: gates.waiting_ms + MINUTE / 2, ..body };
    assert_eq!(all_of(&world, run), half, "of a wait, what has passed");
    world.pass(MINUTE / 2);

    let call = world.call(&attempt);
    let load = span(world.now, 20 * SECOND);
    world.in_step(&attempt, Command::DriveLoad { call, span: load }).expect("a job may");
    world.pass(20 * SECOND);
    let load = Shares { waiting_ms: 11 * MINUTE, user_ms: 23 * SECOND, ..body };
    assert_eq!(all_of(&world, run), load);

    let id = world.deploy(&attempt, "production", "r2").expect("its gates are open");
    world.carry();
    for _ in 0..3 {
        world.count(id, (60, 0), (600, 0));
        world.pass(MINUTE);
        world.carry();
    }
    let canary = Shares { waiting_ms: 14 * MINUTE, ..load };
    assert_eq!(all_of(&world, run), canary);

    world.pass(7 * SECOND);
    world.end(&attempt, Outcome::Success);
    world.work_through(run);
    let end = Shares { own_ms: 9 * SECOND, ..canary };
    assert_eq!(all_of(&world, run), end);
    world.pass(MINUTE);
    assert_eq!(all_of(&world, run), end, "what is over takes no more time");
    assert_eq!(all_of(&world, other), Shares::default(), "nothing of it was another run's");
}

/// At all traffic a canary has no more least time: what the gateway takes then is qnt9's.
#[test]
fn the_last_step_of_a_canary_is_no_wait() {
    let mut world = World::in_production("r1");
    world.staged("c2", "r2");
    let attempt = world.released();
    let id = world.deploy(&attempt, "production", "r2").expect("its gates are open");
    world.carry();
    for _ in 0..3 {
        world.count(id, (60, 0), (600, 0));
        world.pass(MINUTE);
        if world.deployment(id).percent < 100 {
            world.carry();
        }
    }
    world.pass(4 * SECOND);
    world.carry();
    let expected = Shares { own_ms: 4 * SECOND, waiting_ms: 13 * MINUTE, user_ms: 0 };
    assert_eq!(all_of(&world, attempt.run), expected);
}

/// Steps that were not the user's own are qnt9's: its checkout, its upload.
#[test]
fn what_qnt9_does_in_a_step_is_its_own() {
    let mut world = World::in_production("r1");
    let attempt = world.released();
    let (from, took) = (world.now, span(world.now, 30 * SECOND));
    step(&mut world, &attempt, took, false, Vec::new());
    world.pass(30 * SECOND);
    let own = Shares { own_ms: 30 * SECOND, waiting_ms: 0, user_ms: 0 };
    assert_eq!(shares(&world, &[attempt.run], span(from, 30 * SECOND)), own);
}

#[test]
fn a_job_takes_from_when_it_could_go_on_to_the_end_of_its_last_leg() {
    let text = "# w.yml
on: push
jobs:
  a: { runs-on: x, strategy: { matrix: { n: [1, 2] } }, steps: [{ run: x }] }
  b: { needs: a, runs-on: x, steps: [{ run: x }] }
";
    let mut world = World::new(RULES);
    let run = world.push("dev", "main", "c1", "dev", &[text])[0];
    let start = world.now;
    let wall = |world: &World, job| wall_of_job(&world.project().runs[&run], job, world.now);
    world.pass(SECOND);
    world.work(run, "a.1", Outcome::Success);
    world.pass(SECOND);
    assert_eq!(wall(&world, "a"), Some(span(start, 2 * SECOND)), "one leg goes on");
    assert_eq!(wall(&world, "b"), None, "it could not go on yet");
    world.pass(SECOND);
    world.work(run, "a.2", Outcome::Success);
    let between = world.now;
    world.pass(SECOND);
    assert_eq!(wall(&world, "a"), Some(span(start, 3 * SECOND)));
    assert_eq!(wall(&world, "b"), Some(span(between, SECOND)));
    assert_eq!(wall(&world, "c"), None, "there is no such job");
}
