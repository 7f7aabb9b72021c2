//! Runs and jobs: needs, conditions, matrices, concurrency, lost runners, cancelling.

use expect_test::{Expect, expect};
use qnt9_model::command::{Again, Decision};
use qnt9_model::fact::Outcome::{Cancelled, Failure, Success};
use qnt9_model::{Command, RunId};

use crate::world::{MINUTE, World};

const NO_RULES: &str = "[project]\nname = \"shop\"\n";

/// A world in which this workflow was pushed to `main`.
fn pushed(text: &str) -> (World, RunId) {
    let mut world = World::new(NO_RULES);
    let run = world.push("dev", "main", "c1", "dev", &[text])[0];
    (world, run)
}

#[expect(clippy::needless_pass_by_value, reason = "so that the expectation stands at the call")]
fn check(world: &World, run: RunId, board: Expect) {
    board.assert_eq(&world.board(run));
}

/// A workflow on pushes with these jobs; `run:` steps and runners are the same everywhere.
fn workflow(head: &str, jobs: &str) -> String {
    let steps = "runs-on: ubuntu-latest\n    steps: [{ run: x }]";
    format!("# ci.yml\non: push\n{head}\njobs:\n{}\n", jobs.replace("STEPS", steps))
}

#[test]
fn needs_are_waited_for_and_a_failure_skips_what_depends_on_it() {
    let text = workflow(
        "",
        "  build:\n    STEPS\n  test:\n    needs: build\n    STEPS\n  deploy:\n    needs: test\n    STEPS\n  tell:\n    needs: deploy\n    if: failure()\n    STEPS\n  sum:\n    needs: deploy\n    if: always()\n    STEPS",
    );
    let (mut world, run) = pushed(&text);
    assert_eq!(world.to_start(run), ["build"]);
    world.work(run, "build", Success);
    assert_eq!(world.to_start(run), ["test"]);
    world.work(run, "test", Failure);
    // `failure()` looks at all ancestors, although its own need was only skipped.
    check(
        &world,
        run,
        expect![[r#"
        build: build is success
        test: test is failure
        deploy: skipped, it needs what did not succeed: test is failure
        tell: tell is open
        sum: sum is open
        run: going on
    "#]],
    );
    world.work_through(run);
    check(
        &world,
        run,
        expect![[r#"
        build: build is success
        test: test is failure
        deploy: skipped, it needs what did not succeed: test is failure
        tell: tell is success
        sum: sum is success
        run: failure
    "#]],
    );
    assert!(world.project().live.is_empty());
}

#[test]
fn a_skipped_ancestor_skips_its_descendants_unless_they_say_always() {
    let text = workflow(
        "",
        "  a:\n    if: false\n    STEPS\n  b:\n    needs: a\n    STEPS\n  c:\n    needs: b\n    if: success() || failure() || cancelled()\n    STEPS\n  d:\n    needs: b\n    if: always()\n    STEPS",
    );
    let (mut world, run) = pushed(&text);
    world.work_through(run);
    check(
        &world,
        run,
        expect![[r#"
        a: skipped, its `if` is false: | success() && (false) is false |   success() is true |   false is false
        b: skipped, it needs what did not succeed: a is skipped
        c: skipped, its `if` is false (b is skipped): | success() || failure() || cancelled() is false |   success() is false |   failure() is false |   cancelled() is false
        d: d is success
        run: success
    "#]],
    );
}

#[test]
fn a_run_whose_jobs_are_all_skipped_ends() {
    let (world, run) =
        pushed(&workflow("", "  a:\n    if: false\n    STEPS\n  b:\n    needs: a\n    STEPS"));
    check(
        &world,
        run,
        expect![[r#"
        a: skipped, its `if` is false: | success() && (false) is false |   success() is true |   false is false
        b: skipped, it needs what did not succeed: a is skipped
        run: skipped
    "#]],
    );
    assert!(world.project().live.is_empty());
    assert_eq!(qnt9_engine::deadline(&world.state, world.now), None);
}

#[test]
fn outputs_reach_needs_and_make_a_matrix() {
    let text = workflow(
        "",
        "  list:\n    outputs: { suites: x }\n    STEPS\n  test:\n    needs: list\n    strategy:\n      matrix:\n        suite: ${{ fromJSON(needs.list.outputs.suites) }}\n    STEPS\n  after:\n    needs: [list, test]\n    if: needs.test.outputs.last == 'b' && needs.list.result == 'success'\n    STEPS",
    );
    let (mut world, run) = pushed(&text);
    let list = world.start(run, "list");
    world.end_with(&list, Success, &[("suites", r#"["lib", "http", "slow"]"#)]);
    assert_eq!(world.to_start(run), ["test.1", "test.2", "test.3"]);
    // Of the legs of a matrix, the last one to end counts, and an empty value does not.
    let legs = ["test.1", "test.2", "test.3"].map(|leg| world.start(run, leg));
    world.end_with(&legs[2], Success, &[("last", "a")]);
    world.pass(1);
    world.end_with(&legs[0], Success, &[("last", "b")]);
    world.pass(1);
    world.end_with(&legs[1], Success, &[("last", "")]);
    check(
        &world,
        run,
        expect![[r#"
            list: list is success
            test.1: test (lib) is success
            test.2: test (http) is success
            test.3: test (slow) is success
            after: after is open
            run: going on
        "#]],
    );
}

#[test]
fn a_matrix_that_cannot_be_made_is_a_failure_with_its_reason() {
    let text = workflow(
        "",
        "  list:\n    outputs: { suites: x }\n    STEPS\n  test:\n    needs: list\n    strategy:\n      matrix:\n        suite: ${{ fromJSON(needs.list.outputs.suites) }}\n    STEPS\n  after:\n    needs: test\n    STEPS",
    );
    for (outputs, board) in [
        (
            vec![("suites", "[]")],
            expect![[r#"
            list: list is success
            test: impossible, matrix: Matrix vector 'suite' does not contain any values
            after: skipped, it needs what did not succeed: test is failure
            run: failure
        "#]],
        ),
        (
            vec![("suites", "[1,")],
            expect![[r#"
                list: list is success
                test: impossible, matrix: Error parsing fromJson: a value is missing at line 1, column 4, in the text [1,
                after: skipped, it needs what did not succeed: test is failure
                run: failure
            "#]],
        ),
        (
            vec![],
            expect![[r#"
                list: list is success
                test: impossible, matrix: Error parsing fromJson: a value is missing at line 1, column 1, in the text 
                after: skipped, it needs what did not succeed: test is failure
                run: failure
            "#]],
        ),
    ] {
        let (mut world, run) = pushed(&text);
        let list = world.start(run, "list");
        world.end_with(&list, Success, &outputs);
        check(&world, run, board);
    }
}

#[test]
fn one_failed_leg_stops_the_others_unless_it_may_fail() {
    let text = |strategy: &str| {
        workflow(
            "",
            &format!(
                "  t:\n    strategy:\n      {strategy}\n      matrix: {{ n: [1, 2, 3] }}\n    STEPS\n  after:\n    needs: t\n    STEPS"
            ),
        )
    };
    let (mut world, run) = pushed(&text("max-parallel: 2"));
    let (one, two) = (world.start(run, "t.1"), world.start(run, "t.2"));
    world.end(&one, Failure);
    assert_eq!(world.to_cancel(run), ["t.2"]);
    world.end(&two, Cancelled);
    check(
        &world,
        run,
        expect![[r#"
        t.1: t (1) is failure
        t.2: t (2) is cancelled
        t.3: t (3) is cancelled, another leg of the matrix failed
        after: skipped, it needs what did not succeed: t is failure
        run: failure
    "#]],
    );

    let (mut world, run) = pushed(&text("fail-fast: false"));
    world.work(run, "t.1", Failure);
    assert_eq!(world.to_start(run), ["t.2", "t.3"]);
    world.work_through(run);
    check(
        &world,
        run,
        expect![[r#"
        t.1: t (1) is failure
        t.2: t (2) is success
        t.3: t (3) is success
        after: skipped, it needs what did not succeed: t is failure
        run: failure
    "#]],
    );
}

#[test]
fn no_more_legs_start_than_max_parallel_allows() {
    let (mut world, run) = pushed(&workflow(
        "",
        "  t:\n    strategy:\n      max-parallel: 2\n      matrix: { n: [1, 2, 3, 4] }\n    STEPS",
    ));
    assert_eq!(world.to_start(run), ["t.1", "t.2"]);
    let one = world.start(run, "t.1");
    assert_eq!(world.to_start(run), ["t.2"]);
    world.start(run, "t.2");
    assert!(world.to_start(run).is_empty());
    let early = qnt9_model::AttemptId { run, job: "t.3".into(), attempt: 1 };
    let refusal = world.ask(
        qnt9_model::Actor::Platform,
        Command::StartJob { attempt: early, runner: "hasty".to_owned() },
    );
    expect!["attempt 7.t.3.1: `max-parallel` lets no more legs of its job run now"]
        .assert_eq(&refusal.unwrap_err().to_string());
    world.end(&one, Success);
    assert_eq!(world.to_start(run), ["t.3"]);
}

#[test]
fn a_job_that_may_fail_leaves_the_run_green() {
    let (mut world, run) = pushed(&workflow(
        "",
        "  t:\n    continue-on-error: ${{ matrix.n == 2 }}\n    strategy:\n      matrix: { n: [1, 2, 3] }\n    STEPS\n  after:\n    needs: t\n    if: needs.t.result == 'success'\n    STEPS",
    ));
    world.work(run, "t.2", Failure);
    assert_eq!(world.to_start(run), ["t.1", "t.3"], "a leg that may fail stops nobody");
    world.work_through(run);
    check(
        &world,
        run,
        expect![[r#"
        t.1: t (1) is success
        t.2: t (2) is failure
        t.3: t (3) is success
        after: after is success
        run: success
    "#]],
    );
}

#[test]
fn an_expression_that_fails_fails_its_job_with_the_reason() {
    let (world, run) = pushed(&workflow(
        "",
        "  a:\n    if: fromJSON('{')\n    STEPS\n  b:\n    environment: ${{ fromJSON('') }}\n    STEPS",
    ));
    check(
        &world,
        run,
        expect![[r#"
            a: impossible, if: Error parsing fromJson: a key in double quotes is missing at line 1, column 2, in the text {
            b: impossible, environment: Error parsing fromJson: a value is missing at line 1, column 1, in the text 
            run: failure
        "#]],
    );
}

#[test]
fn an_environment_may_be_an_expression_and_may_be_empty() {
    let (mut world, run) = pushed(&workflow(
        "",
        "  a:\n    environment: ${{ github.ref_name == 'main' && 'live' || '' }}\n    STEPS\n  b:\n    environment: ${{ github.ref_name == 'other' && 'live' || '' }}\n    STEPS",
    ));
    assert_eq!(world.project().holders.len(), 1);
    assert_eq!(world.project().holders[&"live".into()].1.as_str(), "a");
    assert_eq!(world.to_start(run), ["a", "b"]);
    world.work_through(run);
    assert!(world.project().holders.is_empty());
}

#[test]
fn a_concurrency_group_has_one_running_and_one_pending_run() {
    let text = workflow("concurrency: { group: \"G-${{ github.ref_name }}\" }", "  a:\n    STEPS");
    let (mut world, one) = pushed(&text);
    let two = world.push("dev", "main", "c2", "dev", &[&text])[0];
    assert!(world.to_start(two).is_empty());
    check(
        &world,
        two,
        expect![[r#"
        a: waits for its needs
        run: pending
    "#]],
    );
    let three = world.push("dev", "main", "c3", "dev", &[&text])[0];
    check(
        &world,
        two,
        expect![[r#"
        a: waits for its needs
        run: cancelled, run 17 took its place in concurrency group `g-main`
    "#]],
    );
    let elsewhere = world.push("dev", "other", "c4", "dev", &[&text])[0];
    assert_eq!(world.to_start(elsewhere), ["a"]);
    world.work(one, "a", Success);
    assert_eq!(world.to_start(three), ["a"]);
}

#[test]
fn a_newcomer_may_cancel_the_running_one() {
    let text = workflow("concurrency: { group: g, cancel-in-progress: true }", "  a:\n    STEPS");
    let (mut world, one) = pushed(&text);
    let attempt = world.start(one, "a");
    let two = world.push("dev", "main", "c2", "dev", &[&text])[0];
    assert_eq!(world.to_cancel(one), ["a"]);
    assert!(world.to_start(two).is_empty(), "one at a time: the old one has not ended yet");
    world.end(&attempt, Cancelled);
    check(
        &world,
        one,
        expect![[r#"
        a: a is cancelled
        run: cancelled, run 14 of the same concurrency group came
    "#]],
    );
    assert_eq!(world.to_start(two), ["a"]);
}

#[test]
fn two_runs_of_one_push_share_a_group_without_loss() {
    let one = "# one.yml\non: push\nconcurrency: g\njobs:\n  a:\n    runs-on: x\n    steps: [{ run: x }]\n";
    let two = one.replace("one.yml", "two.yml");
    let mut world = World::new(NO_RULES);
    let runs = world.push("dev", "main", "c1", "dev", &[one, &two]);
    assert_eq!(world.to_start(runs[0]), ["a"], "nothing ran, so the first one starts");
    world.work_through(runs[0]);
    assert_eq!(world.to_start(runs[1]), ["a"]);
}

#[test]
fn cancelling_stops_jobs_but_not_those_that_say_always() {
    let text = workflow(
        "",
        "  work:\n    STEPS\n  watch:\n    if: always()\n    STEPS\n  next:\n    needs: work\n    STEPS\n  sum:\n    needs: [work, next]\n    if: always()\n    STEPS\n  undo:\n    needs: work\n    if: cancelled()\n    STEPS",
    );
    let (mut world, run) = pushed(&text);
    let work = world.start(run, "work");
    let watch = world.start(run, "watch");
    world.by("dev", Command::CancelRun { run }).unwrap();
    assert_eq!(world.to_cancel(run), ["work"], "`always()` holds for a cancelled run too");
    world.end(&work, Cancelled);
    world.end(&watch, Success);
    assert_eq!(world.to_start(run), ["sum", "undo"]);
    world.work_through(run);
    check(
        &world,
        run,
        expect![[r#"
        work: work is cancelled
        watch: watch is success
        next: skipped, it needs what did not succeed: work is cancelled
        sum: sum is success
        undo: undo is success
        run: cancelled, dev cancelled it
    "#]],
    );
    assert!(world.by("dev", Command::CancelRun { run }).is_err());
}

#[test]
fn cancelling_a_pending_run_ends_it_at_once() {
    let text = workflow("concurrency: g", "  a:\n    STEPS\n  sum:\n    if: always()\n    STEPS");
    let (mut world, _) = pushed(&text);
    let two = world.push("dev", "main", "c2", "dev", &[&text])[0];
    world.by("dev", Command::CancelRun { run: two }).unwrap();
    check(
        &world,
        two,
        expect![[r#"
        a: waits for its needs
        sum: waits for its needs
        run: cancelled, dev cancelled it
    "#]],
    );
}

#[test]
fn a_lost_runner_is_replaced_until_the_attempts_are_used_up() {
    let (mut world, run) = pushed(&workflow("", "  a:\n    STEPS"));
    let from = world.log.len();
    for _ in 0..3 {
        let attempt = world.start(run, "a");
        world.lose(&attempt);
    }
    expect![[r#"
        qnt9 job-started 7.a.1
        qnt9 job-lost 7.a.1 retry true
        qnt9 job-started 7.a.2
        qnt9 job-lost 7.a.2 retry true
        qnt9 job-started 7.a.3
        qnt9 job-lost 7.a.3 retry false
    "#]]
    .assert_eq(&world.since(from));
    assert!(world.to_start(run).is_empty(), "now a person decides");
    let again = Command::ResolveLost { run, job: "a".into(), decision: Decision::Rerun };
    world.by("dev", again).unwrap();
    let attempt = world.start(run, "a");
    assert_eq!(attempt.attempt, 4);
    world.end(&attempt, Success);
    check(
        &world,
        run,
        expect![[r#"
        a: a is success
        run: success
    "#]],
    );
}

#[test]
fn a_lost_runner_of_an_environment_waits_for_a_person_and_keeps_the_environment() {
    let text = workflow("", "  a:\n    environment: live\n    STEPS");
    for (decision, board) in [
        (
            Decision::Rerun,
            expect![[r#"
            a: a is success
            run: success
        "#]],
        ),
        (
            Decision::Abandon,
            expect![[r#"
            a: a is failure, its runner was lost, and it was given up
            run: failure
        "#]],
        ),
    ] {
        let (mut world, run) = pushed(&text);
        let attempt = world.start(run, "a");
        world.lose(&attempt);
        let next = world.push("dev", "main", "c2", "dev", &[&text])[0];
        expect![[r#"
            ‖ c200000 to live
              ‖ no other job holds live   a of run 7 does
        "#]]
        .assert_eq(&world.why(next, "a"));
        let refused = world.by("vera", Command::ResolveLost { run, job: "a".into(), decision });
        expect![
            "vera cannot decide about a lost job: it needs the role developer, and vera is viewer"
        ]
        .assert_eq(&refused.unwrap_err().to_string());
        world.by("dev", Command::ResolveLost { run, job: "a".into(), decision }).unwrap();
        world.work_through(run);
        check(&world, run, board);
        let refused = world.by("dev", Command::ResolveLost { run, job: "a".into(), decision });
        assert!(refused.is_err());
        assert_eq!(world.to_start(next), ["a"]);
    }
}

#[test]
fn late_answers_of_an_old_attempt_change_nothing() {
    let (mut world, run) = pushed(&workflow("", "  a:\n    STEPS"));
    let old = world.start(run, "a");
    world.lose(&old);
    let before = world.state.clone();
    let late = |world: &mut World, command: Command| {
        world.ask(qnt9_model::Actor::Platform, command).unwrap_err().to_string()
    };
    let finish = Command::FinishJob {
        attempt: old.clone(),
        result: Success,
        outputs: Vec::new(),
        reason: None,
        summary: None,
    };
    let start =
        |runner: &str| Command::StartJob { attempt: old.clone(), runner: runner.to_owned() };
    let mut said = vec![late(&mut world, finish), late(&mut world, start("local"))];
    assert_eq!(world.state, before);
    let new = world.start(run, "a");
    said.push(late(&mut world, Command::LoseJob { attempt: old.clone(), reason: "again".into() }));
    // Told twice is told once; another runner must not believe the attempt is its own.
    let twice = Command::StartJob { attempt: new.clone(), runner: "local".to_owned() };
    assert!(world.tell(twice).is_empty());
    said.push(late(&mut world, Command::StartJob { attempt: new.clone(), runner: "other".into() }));
    world.end(&new, Success);
    said.push(late(
        &mut world,
        Command::SealLog { attempt: new, first_line: 1, lines: 1, blob: "b".into() },
    ));
    said.push(world.call_wait(&old).unwrap_err().to_string());
    expect![[r#"
        attempt 7.a.1 no longer counts: the job waits for a runner
        attempt 7.a.1 no longer counts: the job waits for a runner
        attempt 7.a.1 no longer counts: attempt 2 is running
        attempt 7.a.2 no longer counts: runner local has it
        attempt 7.a.2 no longer counts: the job ended with success
        attempt 7.a.1 no longer counts: the job ended with success"#]]
    .assert_eq(&said.join("\n"));
}

#[test]
fn steps_and_logs_are_taken_once_and_without_gaps() {
    let (mut world, run) = pushed(&workflow("", "  a:\n    STEPS"));
    let attempt = world.start(run, "a");
    let step = |outcome| Command::FinishStep {
        attempt: attempt.clone(),
        step: 0,
        name: "x".to_owned(),
        outcome,
        conclusion: outcome,
        span: crate::world::span(crate::world::START, 5),
        user: true,
        own: Vec::new(),
    };
    assert_eq!(world.tell(step(Success)).len(), 1);
    assert!(world.tell(step(Failure)).is_empty());
    let seal = |first_line, lines| Command::SealLog {
        attempt: attempt.clone(),
        first_line,
        lines,
        blob: format!("blob-{first_line}"),
    };
    assert_eq!(world.tell(seal(1, 10)).len(), 1);
    assert!(world.tell(seal(1, 10)).is_empty());
    let gap = world.ask(qnt9_model::Actor::Platform, seal(12, 3));
    expect!["log of attempt 7.a.1: line 11 is the next to seal, not line 12"]
        .assert_eq(&gap.unwrap_err().to_string());
    assert_eq!(world.tell(seal(11, 1)).len(), 1);
}

#[test]
fn outputs_beyond_the_limit_fail_the_job() {
    let (mut world, run) = pushed(&workflow("", "  a:\n    STEPS"));
    let attempt = world.start(run, "a");
    let large = "x".repeat(qnt9_model::limits::JOB_OUTPUT_BYTES_MAX);
    world.end_with(&attempt, Success, &[("o", &large)]);
    check(
        &world,
        run,
        expect![[r#"
        a: a is failure, its outputs take 1048577 bytes, and at most 1048576 are allowed; pass large data as an artifact
        run: failure
    "#]],
    );
}

#[test]
fn an_ended_run_can_be_run_again_and_a_live_one_cannot() {
    let text = workflow("", "  a:\n    STEPS");
    let (mut world, run) = pushed(&text);
    let early = world.by("dev", Command::Rerun { run, what: Again::All }).unwrap_err();
    expect!["run 7: it is not over; cancel it first or wait for it"].assert_eq(&early.to_string());
    world.work(run, "a", Failure);
    let entries = world.by("alice", Command::Rerun { run, what: Again::All }).unwrap();
    let again = crate::world::runs_of(&entries)[0];
    let run_state = &world.project().runs[&again];
    assert_eq!((run_state.number, run_state.cause.by()), (1, "alice"));
    assert_eq!(qnt9_engine::contexts::event_name(world.project(), run_state), "push");
    world.work_through(again);
    check(
        &world,
        again,
        expect![[r#"
        a: a is success
        run: success
    "#]],
    );
}

#[test]
fn a_timeout_that_the_shim_reports_is_shown_as_the_reason() {
    let text = workflow("", "  a:\n    timeout-minutes: 1.5\n    STEPS");
    let (mut world, run) = pushed(&text);
    assert_eq!(world.project().runs[&run].legs[&"a".into()].leg.timeout_ms, 90_000);
    let attempt = world.start(run, "a");
    world.pass(2 * MINUTE);
    world.tell(Command::FinishJob {
        attempt,
        result: Failure,
        outputs: Vec::new(),
        reason: Some("it took longer than 1.5 min".to_owned()),
        summary: None,
    });
    check(
        &world,
        run,
        expect![[r#"
        a: a is failure, it took longer than 1.5 min
        run: failure
    "#]],
    );
}
