//! Concurrency groups of runs and of single jobs.

use expect_test::expect;
use qnt9_model::fact::Outcome::{Cancelled, Success};
use qnt9_model::limits::CONCURRENCY_QUEUE_MAX;
use qnt9_model::{Command, RunId};

use crate::world::{RULES, World};

/// A workflow on pushes: `build`, then `deploy` with this `concurrency:`.
fn deploying(concurrency: &str) -> String {
    format!(
        "# ci.yml\non: push\njobs:\n  build: {{ runs-on: x, steps: [{{ run: x }}] }}\n  deploy:\n    \
         needs: build\n    runs-on: x\n    steps: [{{ run: x }}]\n    concurrency: {concurrency}\n"
    )
}

/// Pushes that often; each run has built and wants to deploy.
fn built(world: &mut World, text: &str, count: usize) -> Vec<RunId> {
    let push = |n: usize| {
        let run = world.push("dev", "main", &format!("c{n}x"), "dev", &[text])[0];
        world.work(run, "build", Success);
        run
    };
    (1..=count).map(push).collect()
}

#[test]
fn of_jobs_in_a_group_one_runs_one_waits_and_the_newest_stays() {
    let mut world = World::new(RULES);
    let runs = built(&mut world, &deploying("Deploy-${{ github.ref_name }}"), 3);
    let boards: String = runs.iter().map(|run| world.board(*run)).collect();
    expect![[r#"
        build: build is success
        deploy: deploy is open
        run: going on
        build: build is success
        deploy: deploy is cancelled, superseded by run 26 in concurrency group `deploy-main`
        run: cancelled
        build: build is success
        deploy: deploy is queued
        run: going on
    "#]]
    .assert_eq(&boards);
    let attempt = world.start(runs[0], "deploy");
    assert!(world.to_start(runs[2]).is_empty());
    world.end(&attempt, Success);
    assert_eq!(world.to_start(runs[2]), ["deploy"]);
}

#[test]
fn with_queue_max_they_run_in_the_order_of_their_runs() {
    let mut world = World::new(RULES);
    let runs = built(&mut world, &deploying("{ group: deploy, queue: max }"), 4);
    for run in &runs {
        let open: Vec<RunId> =
            runs.iter().copied().filter(|other| !world.to_start(*other).is_empty()).collect();
        assert_eq!(open, [*run]);
        world.work(*run, "deploy", Success);
    }
}

#[test]
fn a_queue_that_is_full_takes_nobody_more() {
    let mut world = World::new(RULES);
    let text = "# ci.yml\non: push\nconcurrency: { group: g, queue: max }\njobs:\n  a: { runs-on: x, steps: [{ run: x }] }\n";
    let push = |n: usize| world.push("dev", "main", &format!("c{n}x"), "dev", &[text])[0];
    let runs: Vec<RunId> = (0..CONCURRENCY_QUEUE_MAX + 2).map(push).collect();
    let waiting = &runs[1..=CONCURRENCY_QUEUE_MAX];
    assert!(waiting.iter().all(|run| world.project().runs[run].cancel.is_none()));
    expect![[r#"
        a: waits for its needs
        run: cancelled, 100 wait for concurrency group `g` already
    "#]]
    .assert_eq(&world.board(runs[CONCURRENCY_QUEUE_MAX + 1]));
}

#[test]
fn a_newcomer_may_cancel_whoever_runs() {
    let mut world = World::new(RULES);
    let text =
        deploying("{ group: deploy, cancel-in-progress: \"${{ github.ref_name == 'main' }}\" }");
    let first = built(&mut world, &text, 1)[0];
    let attempt = world.start(first, "deploy");
    let second = world.push("dev", "main", "d1", "dev", &[&text])[0];
    world.work(second, "build", Success);
    assert_eq!(world.to_cancel(first), ["deploy"]);
    assert!(world.to_start(second).is_empty(), "the first has not stopped yet");
    world.end(&attempt, Cancelled);
    assert_eq!(world.to_start(second), ["deploy"]);
    expect![[r#"
        build: build is success
        deploy: deploy is cancelled
        run: cancelled
    "#]]
    .assert_eq(&world.board(first));
}

#[test]
fn runs_and_jobs_share_their_groups() {
    let mut world = World::new(RULES);
    let whole = "# whole.yml\non: push\nconcurrency: deploy\njobs:\n  a: { runs-on: x, steps: [{ run: x }] }\n";
    let job = deploying("deploy");
    let first = built(&mut world, &job, 1)[0];
    let second = world.push("dev", "main", "d1", "dev", &[whole])[0];
    assert!(world.to_start(second).is_empty(), "a job of the first run holds the group");
    world.work(first, "deploy", Success);
    assert_eq!(world.to_start(second), ["a"]);
    let third = world.push("dev", "main", "d2", "dev", &[&job])[0];
    world.work(third, "build", Success);
    assert!(world.to_start(third).is_empty(), "the second run holds the group");
    world.work(second, "a", Success);
    assert_eq!(world.to_start(third), ["deploy"]);
}

#[test]
fn legs_of_a_matrix_may_wait_for_each_other() {
    let mut world = World::new(RULES);
    let text = "# ci.yml\non: push\njobs:\n  a:\n    strategy: { matrix: { n: [1, 2, 3] } }\n    runs-on: x\n    steps: [{ run: x }]\n    concurrency: { group: \"g${{ matrix.n != 3 }}\", queue: max }\n";
    let run = world.push("dev", "main", "c1", "dev", &[text])[0];
    assert_eq!(world.to_start(run), ["a.1", "a.3"]);
    world.work(run, "a.1", Success);
    assert_eq!(world.to_start(run), ["a.2", "a.3"]);
}

#[test]
fn a_job_that_would_wait_for_its_own_run_fails() {
    let mut world = World::new(RULES);
    let text = "# ci.yml\non: push\nconcurrency: g\njobs:\n  a: { runs-on: x, steps: [{ run: x }], concurrency: G }\n";
    let run = world.push("dev", "main", "c1", "dev", &[text])[0];
    expect![[r#"
        a: impossible, concurrency: its run holds the group `g` itself, and it would wait for ever; give the job or the workflow another group
        run: failure
    "#]]
    .assert_eq(&world.board(run));
}

#[test]
fn a_job_that_waits_for_approval_holds_its_group_and_a_newer_one_takes_its_place() {
    let mut world = World::new(RULES);
    let text = "# ci.yml\non: push\njobs:\n  deploy: { runs-on: x, environment: production, concurrency: deploy, steps: [{ run: x }] }\n";
    let rules = RULES.replace("trigger   = \"manual\"\n", "");
    world.adopt(&rules);
    let first = world.push("dev", "main", "c1", "dev", &[text])[0];
    let second = world.push("dev", "main", "c2", "dev", &[text])[0];
    expect![[r#"
        deploy: deploy is cancelled, superseded by run 17
        run: cancelled
    "#]]
    .assert_eq(&world.board(first));
    expect![[r#"
        deploy: deploy is gated
        run: going on
    "#]]
    .assert_eq(&world.board(second));
}

#[test]
fn who_waits_for_a_group_can_be_cancelled() {
    let mut world = World::new(RULES);
    let runs = built(&mut world, &deploying("g"), 2);
    world.by("dev", Command::CancelRun { run: runs[1] }).unwrap();
    expect![[r#"
        build: build is success
        deploy: deploy is cancelled, dev cancelled it
        run: cancelled, dev cancelled it
    "#]]
    .assert_eq(&world.board(runs[1]));
    world.work(runs[0], "deploy", Success);
}

/// Legs of a matrix take their turns by their places in it, not by the letters of their names.
#[test]
fn many_legs_take_their_turns_in_order() {
    let text = "# w.yml
on: push
jobs:
  a:
    runs-on: x
    strategy: { matrix: { n: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] } }
    concurrency: { group: g, queue: max }
    steps: [{ run: x }]
";
    let mut world = World::new(crate::world::RULES);
    let run = world.push("dev", "main", "c1", "dev", &[text])[0];
    for place in 1..=11 {
        let job = format!("a.{place}");
        assert_eq!(world.to_start(run), [job.as_str()]);
        world.work(run, &job, Success);
    }
}
