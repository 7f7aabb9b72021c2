//! Re-runs: all of a run, what failed, one job, and from a step on.

use expect_test::expect;
use qnt9_model::command::Again;
use qnt9_model::fact::Outcome::{Failure, Success};
use qnt9_model::{Actor, AttemptId, Command, Fact, RunId};

use crate::world::{RULES, World, runs_of, span};

const CI: &str = "# ci.yml
on: push
jobs:
  build: { runs-on: x, outputs: { v: x }, steps: [{ run: x }] }
  test: { needs: build, strategy: { fail-fast: false, matrix: { n: [1, 2, 3] } }, runs-on: x, steps: [{ run: a }, { run: b }, { run: c }] }
  lint: { runs-on: x, steps: [{ run: x }] }
  sum: { needs: [test, lint], runs-on: x, steps: [{ run: x }] }
";

/// A run in which the second of three tests failed in its second step.
fn failed() -> (World, RunId, AttemptId) {
    let mut world = World::new(RULES);
    let run = world.push("dev", "main", "c1", "dev", &[CI])[0];
    let build = world.start(run, "build");
    world.end_with(&build, Success, &[("v", "7")]);
    world.work(run, "lint", Success);
    world.work(run, "test.1", Success);
    let broken = world.start(run, "test.2");
    world.tell(Command::FinishStep {
        attempt: broken.clone(),
        step: 0,
        name: "a".to_owned(),
        outcome: Success,
        conclusion: Success,
        span: span(world.now, 1),
        user: true,
        own: Vec::new(),
    });
    world.end(&broken, Failure);
    world.work(run, "test.3", Success);
    (world, run, broken)
}

fn again(world: &mut World, run: RunId, what: Again) -> RunId {
    runs_of(&world.by("alice", Command::Rerun { run, what }).expect("may run again"))[0]
}

#[test]
fn a_run_that_repeats_another_one_starts_nothing_before_its_turn() {
    const ALONE: &str = "# alone.yml
on: push
concurrency: alone
jobs:
  test: { strategy: { fail-fast: false, matrix: { n: [1, 2] } }, runs-on: x, steps: [{ run: x }] }
";
    let mut world = World::new(RULES);
    let run = world.push("dev", "main", "c1", "dev", &[ALONE])[0];
    world.work(run, "test.1", Success);
    world.work(run, "test.2", Failure);
    let holder = world.push("dev", "main", "c2", "dev", &[ALONE])[0];
    world.start(holder, "test.1");
    let second = again(&mut world, run, Again::Failed);
    assert!(world.to_start(second).is_empty(), "another run holds the group");
    let attempt = AttemptId { run: second, job: "test.2".into(), attempt: 2 };
    let early = Command::StartJob { attempt, runner: "hasty".to_owned() };
    assert!(world.ask(Actor::Platform, early).is_err(), "nor does a hasty runner");
    world.end(&AttemptId { run: holder, job: "test.1".into(), attempt: 1 }, Success);
    world.work(holder, "test.2", Success);
    assert_eq!(world.to_start(second), ["test.2"]);
    world.work_through(second);
}

#[test]
fn what_failed_is_run_again_and_the_rest_taken_over() {
    let (mut world, run, _) = failed();
    let second = again(&mut world, run, Again::Failed);
    assert_eq!(world.to_start(second), ["test.2"]);
    let state = &world.project().runs[&second];
    assert_eq!((state.number, state.attempt, state.first), (1, 2, run));
    let needs = qnt9_engine::contexts::needs(state, &["build".to_owned()]);
    expect![[r#"{"build":{"result":"success","outputs":{"v":"7"}}}"#]]
        .assert_eq(&serde_json::Value::from(needs).to_string());
    world.work_through(second);
    expect![[r#"
        build: build is success
        test.1: test (1) is success
        test.2: test (2) is success
        test.3: test (3) is success
        lint: lint is success
        sum: sum is success
        run: success
    "#]]
    .assert_eq(&world.board(second));
    // The third attempt is one at the first run, whichever it repeats.
    let third = again(&mut world, run, Again::All);
    assert_eq!(world.project().runs[&third].attempt, 3);
    assert_eq!(world.to_start(third), ["build", "lint"]);
}

#[test]
fn one_job_is_run_again_with_what_needs_it() {
    let (mut world, run, _) = failed();
    let one = again(&mut world, run, Again::Job("test.3".into()));
    assert_eq!(world.to_start(one), ["test.3"]);
    let all = again(&mut world, run, Again::Job("test".into()));
    assert_eq!(world.to_start(all), ["test.1", "test.2", "test.3"]);
    let build = again(&mut world, run, Again::Job("build".into()));
    assert_eq!(world.to_start(build), ["build"]);
    world.work(build, "build", Success);
    assert_eq!(world.to_start(build), ["test.1", "test.2", "test.3"]);
    let unknown = Command::Rerun { run, what: Again::Job("tset".into()) };
    expect!["there is no job `tset` (there is: build, test, lint, sum)"]
        .assert_eq(&world.by("dev", unknown).unwrap_err().to_string());
    world.work_through(all);
    let fine = Command::Rerun { run: all, what: Again::Failed };
    expect!["run 27: none of its jobs failed; run all of it again, or name a job"]
        .assert_eq(&world.by("dev", fine).unwrap_err().to_string());
}

#[test]
fn a_job_goes_on_from_a_step_of_its_failed_attempt() {
    let (mut world, run, broken) = failed();
    let job = broken.job.clone();
    let retry = |step| Command::RetryFrom { run, job: job.clone(), step };
    let late = world.by("dev", retry(2)).unwrap_err();
    let entries = world.by("dev", retry(1)).unwrap();
    let second = runs_of(&entries)[0];
    let attempt = world.start(second, "test.2");
    let resumes = world.log.iter().rev().find_map(|entry| match &entry.fact {
        Fact::JobStarted { resumes, .. } => resumes.clone(),
        _ => None,
    });
    let resumes = resumes.expect("it goes on from an earlier attempt");
    assert_eq!((resumes.attempt, resumes.step), (broken, 1));
    let state = &world.project().runs[&second].legs[&attempt.job];
    assert_eq!(state.attempts[0].steps.len(), 1, "the first step is done");
    world.end(&attempt, Success);
    world.work_through(second);
    let said = [
        late.to_string(),
        world
            .by("dev", Command::RetryFrom { run, job: "lint".into(), step: 0 })
            .unwrap_err()
            .to_string(),
        world
            .by("dev", Command::RetryFrom { run, job: "sum".into(), step: 0 })
            .unwrap_err()
            .to_string(),
    ];
    expect![[r#"
        job test.2 of run 7 cannot be retried from step 3: only its first step ended; go on from step 2 or before
        job lint of run 7 cannot be retried from step 1: it succeeded; there is nothing to retry
        there is no job `sum` (there is: build, lint, test.1, test.2, test.3)"#]].assert_eq(&said.join("\n"));
    assert!(world.board(second).ends_with("run: success\n"));
}
