//! One commit on its way from push to production, as a conversation.

use expect_test::expect;
use qnt9_model::command::Again;
use qnt9_model::fact::Outcome::{Failure, Success};
use qnt9_model::{Command, Fact};

use crate::world::{MINUTE, PRODUCTION, RULES, STAGING, World};

#[test]
fn a_push_to_develop_goes_through_its_matrix_to_development() {
    let text = "# development.yml
on: { push: { branches: [develop] } }
jobs:
  test: { runs-on: x, strategy: { matrix: { suite: [lib, http] } }, steps: [{ run: x }] }
  release: { needs: test, runs-on: x, steps: [{ run: x }] }
  deploy: { needs: [test, release], runs-on: x, environment: development, steps: [{ run: x }] }
  sum: { needs: [test, deploy], if: always(), runs-on: x, steps: [{ run: x }] }
";
    let mut world = World::new(RULES);
    let from = world.log.len();
    let run = world.push("dev", "develop", "c1", "dev", &[text, STAGING])[0];
    world.work(run, "test.1", Success);
    world.work(run, "test.2", Success);
    let attempt = world.start(run, "release");
    world.build(&attempt, "r1");
    world.end(&attempt, Success);
    let attempt = world.start(run, "deploy");
    world.deploy(&attempt, "development", "r1").unwrap();
    world.carry();
    world.end(&attempt, Success);
    world.work_through(run);
    expect![[r#"
        dev push-offered
        qnt9 commits-seen
        qnt9 push-settled
        qnt9 run-created development.yml #1
        qnt9 run-started
        qnt9 job-planned test (lib), test (http)
        qnt9 job-started 7.test.1.1
        qnt9 job-finished 7.test.1.1 success
        qnt9 job-started 7.test.2.1
        qnt9 job-finished 7.test.2.1 success
        qnt9 job-planned release
        qnt9 job-started 7.release.1
        job 7.release.1 release-built r1
        qnt9 job-finished 7.release.1 success
        qnt9 job-planned deploy
        qnt9 gates-opened deploy to development
        qnt9 job-started 7.deploy.1
        job 7.deploy.1 deployment-requested r1 to development/stock Forward
        qnt9 address-assigned Main
        qnt9 replica-ready 21/0
        qnt9 weight-changed 100 %
        qnt9 traffic-applied development/stock generation 3
        qnt9 deployment-finished Succeeded
        qnt9 traffic-applied development/stock generation 4
        qnt9 job-finished 7.deploy.1 success
        qnt9 job-planned sum
        qnt9 job-started 7.sum.1
        qnt9 job-finished 7.sum.1 success
        qnt9 run-finished 7: success
    "#]]
    .assert_eq(&world.since(from));
    assert_eq!(world.serves("development"), [("r1".to_owned(), 100)]);
}

#[test]
fn production_by_hand_with_two_approvals_a_timer_and_evidence() {
    let mut world = World::new(RULES);
    world.staged("c1", "r1");
    let from = world.log.len();
    let run = world.dispatched("plan-1");
    expect![[r#"
        ‖ c100000 to production
          ✓ branch main may deploy here
          ✓ a person dispatched it   dev
          ✓ tests passed for c100000   p95 41 ms
          ✓ load-test passed in staging for r100…00   p95 41 ms
          ‖ 2 of alice, bob, carol approve   0 of 2
            ‖ alice   can approve
            ‖ bob   can approve
            ‖ carol   can approve
          ‖ 10 min since it was asked for   0.0 s passed
          ✓ the rollback plan is stated   sha256 a12286488aed
            ✓ nothing serves there yet: there is nothing to go back to
          ✓ no other job holds production
    "#]]
    .assert_eq(&world.why(run, "deploy"));
    world.approve("alice", run).unwrap();
    world.pass(4 * MINUTE);
    expect![[r#"
        ‖ c100000 to production
          ✓ branch main may deploy here
          ✓ a person dispatched it   dev
          ✓ tests passed for c100000   p95 41 ms
          ✓ load-test passed in staging for r100…00   p95 41 ms
          ‖ 2 of alice, bob, carol approve   1 of 2
            ✓ alice   4 min ago
            ‖ bob   can approve
            ‖ carol   can approve
          ‖ 10 min since it was asked for   4 min passed
          ✓ the rollback plan is stated   sha256 a12286488aed
            ✓ nothing serves there yet: there is nothing to go back to
          ✓ no other job holds production
    "#]]
    .assert_eq(&world.why(run, "deploy"));
    world.approve("bob", run).unwrap();
    world.pass(5 * MINUTE);
    assert!(world.to_start(run).is_empty(), "the timer still runs");
    world.pass(MINUTE);
    let attempt = world.start(run, "deploy");
    world.deploy(&attempt, "production", "r1").unwrap();
    world.carry();
    world.end(&attempt, Success);
    world.work_through(run);
    expect![[r#"
        dev run-created production.yml #1
        qnt9 run-started
        qnt9 job-planned plan
        qnt9 job-started 36.plan.1
        job 36.plan.1 plan-recorded production plan-1
        qnt9 job-finished 36.plan.1 success
        qnt9 job-planned deploy
        alice approval-given alice for r1 plan-1
        bob approval-given bob for r1 plan-1
        qnt9 gates-opened deploy to production
        qnt9 job-started 36.deploy.1
        job 36.deploy.1 deployment-requested r1 to production/stock Forward
        qnt9 address-assigned Main
        qnt9 replica-ready 47/0
        qnt9 replica-ready 47/1
        qnt9 weight-changed 100 %
        qnt9 traffic-applied production/stock generation 4
        qnt9 deployment-finished Succeeded
        qnt9 traffic-applied production/stock generation 5
        qnt9 job-finished 36.deploy.1 success
        qnt9 job-planned verify
        qnt9 job-started 36.verify.1
        qnt9 job-finished 36.verify.1 success
        qnt9 run-finished 36: success
    "#]]
    .assert_eq(&world.since(from));
    let proof = world.log.iter().rev().find_map(|entry| match &entry.fact {
        Fact::GatesOpened { proof, .. } => Some(proof.join("\n") + "\n"),
        _ => None,
    });
    expect![[r#"
        ✓ c100000 to production
          ✓ branch main may deploy here
          ✓ a person dispatched it   dev
          ✓ tests passed for c100000   p95 41 ms
          ✓ load-test passed in staging for r100…00   p95 41 ms
          ✓ 2 of alice, bob, carol approve   2 of 2
            ✓ alice   10 min ago
            ✓ bob   6 min ago
            ‖ carol   can approve
          ✓ 10 min since it was asked for
          ✓ the rollback plan is stated   sha256 a12286488aed
            ✓ nothing serves there yet: there is nothing to go back to
          ✓ no other job holds production
    "#]]
    .assert_eq(&proof.unwrap());
}

#[test]
fn a_push_never_reaches_production_and_neither_does_a_branch() {
    let pushed = "# both.yml
on: [push, workflow_dispatch]
jobs:
  deploy: { runs-on: x, environment: production, steps: [{ run: x }] }
";
    let mut world = World::new(RULES);
    let run = world.push("dev", "main", "c1", "dev", &[pushed])[0];
    expect![[r#"
        deploy: deploy is failure, a person must dispatch it: it was started by a push
        run: failure
    "#]]
    .assert_eq(&world.board(run));
    // To run it again makes no dispatch of it.
    let entries = world.by("dev", Command::Rerun { run, what: Again::All }).unwrap();
    expect![[r#"
        deploy: deploy is failure, a person must dispatch it: it was started by a push
        run: failure
    "#]]
    .assert_eq(&world.board(crate::world::runs_of(&entries)[0]));
    world.push("dev", "side", "c2", "dev", &[]);
    let run = world.dispatch("dev", "side", pushed, &[]).unwrap();
    expect![[r#"
        deploy: deploy is failure, branch side may not deploy here: production takes main
        run: failure
    "#]]
    .assert_eq(&world.board(run));
}

#[test]
fn a_tag_named_like_the_branch_is_not_the_branch() {
    let text = "# tag.yml
on: workflow_dispatch
jobs:
  deploy: { runs-on: x, environment: production, steps: [{ run: x }] }
";
    let mut world = World::new(RULES);
    world.push("dev", "side", "c2", "dev", &[text]);
    let mut moved = world.moved("main", "c2", &[text]);
    moved.update.reference = "refs/tags/main".to_owned();
    let updates = vec![moved.update.clone()];
    let offered = world.by("dev", Command::OfferPush { updates }).unwrap();
    let push = qnt9_model::PushId(offered[0].sequence);
    let workflow = moved.workflows[0].clone();
    let commit = moved.update.new.clone().unwrap();
    world.tell(Command::SettlePush { push, moved: vec![moved], commits: Vec::new() });
    let reference = "refs/tags/main".to_owned();
    let inputs = Vec::new();
    let dispatch = Command::Dispatch { reference, commit, workflow, inputs };
    let run = crate::world::runs_of(&world.by("dev", dispatch).unwrap())[0];
    expect![[r#"
        deploy: deploy is failure, tag main may not deploy here: production takes main
        run: failure
    "#]]
    .assert_eq(&world.board(run));
}

#[test]
fn a_branch_that_may_not_deploy_there_cannot_vouch_for_it() {
    let text = "# forge.yml
on: push
jobs:
  forge: { runs-on: x, steps: [{ run: x }] }
";
    let mut world = World::new(RULES);
    world.staged("c1", "r1");
    let run = world.push("dev", "side", "c2", "dev", &[text])[0];
    let attempt = world.start(run, "forge");
    let command = Command::RecordEvidence {
        call: world.call(&attempt),
        kind: "load-test".to_owned(),
        environment: Some("staging".into()),
        passed: true,
        summary: "fast, honestly".to_owned(),
    };
    let refusal = world.in_step(&attempt, command).unwrap_err();
    expect![
        "evidence `load-test` of staging: it counts from runs of main only, and this is one of side"
    ]
    .assert_eq(&refusal.to_string());
}

#[test]
fn a_failed_load_test_closes_production_and_a_later_good_one_opens_it_for_new_runs() {
    let mut world = World::new(RULES);
    let staged = world.staged("c1", "r1");
    let run = world.dispatched("plan-1");
    // The load test is run again, by a new run of the same commit.
    let entries = world.by("dev", Command::Rerun { run: staged, what: Again::All }).unwrap();
    let again = crate::world::runs_of(&entries)[0];
    for job in ["test.1", "test.2", "release", "deploy"] {
        world.work(again, job, Success);
    }
    let attempt = world.start(again, "load-test");
    world.evidence(&attempt, "load-test", Some("staging"), false);
    world.end(&attempt, Failure);
    expect![[r#"
        plan: plan is success
        deploy: deploy is failure, load-test failed in staging for r100…00: p95 41 ms
        verify: skipped, it needs what did not succeed: deploy is failure
        run: failure
    "#]]
    .assert_eq(&world.board(run));
    let next = world.dispatched("plan-1");
    expect![[r#"
        plan: plan is success
        deploy: deploy is failure, load-test failed in staging for r100…00: p95 41 ms
        verify: skipped, it needs what did not succeed: deploy is failure
        run: failure
    "#]]
    .assert_eq(&world.board(next));
}

#[test]
fn evidence_for_another_release_does_not_count() {
    let mut world = World::new(RULES);
    world.staged("c1", "r1");
    // The next commit passes its tests and is built, and staging still serves the one before it.
    let run = world.push("dev", "main", "c2", "dev", &[STAGING])[0];
    world.work(run, "test.1", Success);
    world.work(run, "test.2", Success);
    let attempt = world.start(run, "release");
    world.build(&attempt, "r2");
    world.evidence(&attempt, "tests", None, true);
    world.evidence(&attempt, "load-test", Some("staging"), true);
    world.end(&attempt, Success);
    let waiting = world.dispatched("plan-1");
    expect![[r#"
        ‖ c200000 to production
          ✓ branch main may deploy here
          ✓ a person dispatched it   dev
          ✓ tests passed for c200000   p95 41 ms
          ‖ load-test passed in staging for r200…00   none recorded yet
          ‖ 2 of alice, bob, carol approve   0 of 2
            ‖ alice   can approve
            ‖ bob   can approve
            ‖ carol   can approve
          ‖ 10 min since it was asked for   0.0 s passed
          ✓ the rollback plan is stated   sha256 a12286488aed
            ✓ nothing serves there yet: there is nothing to go back to
          ✓ no other job holds production
    "#]]
    .assert_eq(&world.why(waiting, "deploy"));
}

#[test]
fn evidence_of_a_place_that_serves_nothing_is_refused() {
    let mut world = World::new(RULES);
    let run = world.push("dev", "main", "c1", "dev", &[STAGING])[0];
    let attempt = world.start(run, "test.1");
    let command = Command::RecordEvidence {
        call: world.call(&attempt),
        kind: "load-test".to_owned(),
        environment: Some("staging".into()),
        passed: true,
        summary: "p95 41 ms".to_owned(),
    };
    let refusal = world.in_step(&attempt, command).unwrap_err();
    expect!["evidence `load-test` of staging: nothing is deployed there yet"]
        .assert_eq(&refusal.to_string());
}

#[test]
fn two_pushes_at_once_to_one_environment_take_turns_and_the_newer_takes_the_pending_ones_place() {
    let text = "# deploy.yml
on: push
jobs:
  deploy: { runs-on: x, environment: staging, steps: [{ run: x }] }
";
    let mut world = World::new(RULES);
    let one = world.push("dev", "main", "c1", "dev", &[text])[0];
    let attempt = world.start(one, "deploy");
    let from = world.log.len();
    let two = world.push("dev", "main", "c2", "dev", &[text])[0];
    let three = world.push("alice", "main", "c3", "alice", &[text])[0];
    expect![[r#"
        deploy: deploy is cancelled, superseded by run 21
        run: cancelled
    "#]]
    .assert_eq(&world.board(two));
    expect![[r#"
        ‖ c300000 to staging
          ✓ branch main may deploy here
          ‖ no other job holds staging   deploy of run 7 does
    "#]]
    .assert_eq(&world.why(three, "deploy"));
    world.end(&attempt, Success);
    world.work_through(three);
    expect![[r#"
        dev push-offered
        qnt9 commits-seen
        qnt9 push-settled
        qnt9 run-created deploy.yml #2
        qnt9 run-started
        qnt9 job-planned deploy
        alice push-offered
        qnt9 commits-seen
        qnt9 push-settled
        qnt9 run-created deploy.yml #3
        qnt9 run-started
        qnt9 job-planned deploy
        qnt9 job-superseded deploy of 15 by 21
        qnt9 run-finished 15: cancelled
        qnt9 job-finished 7.deploy.1 success
        qnt9 run-finished 7: success
        qnt9 gates-opened deploy to staging
        qnt9 job-started 21.deploy.1
        qnt9 job-finished 21.deploy.1 success
        qnt9 run-finished 21: success
    "#]]
    .assert_eq(&world.since(from));
}

#[test]
fn a_run_that_cannot_get_there_takes_nobodys_place() {
    let text = "# both.yml
on: [push, workflow_dispatch]
jobs:
  deploy: { runs-on: x, environment: production, steps: [{ run: x }] }
";
    let mut world = World::new(RULES);
    world.staged("c1", "r1");
    let waiting = world.dispatch("dev", "main", text, &[]).unwrap();
    world.push("dev", "main", "c2", "dev", &[text]);
    expect![[r#"
        deploy: deploy is gated
        run: going on
    "#]]
    .assert_eq(&world.board(waiting));
}

#[test]
fn steps_may_deploy_only_what_their_gates_opened_for() {
    let mut world = World::new(RULES);
    world.staged("c1", "r1");
    let mut said = Vec::new();
    let run = world.dispatched("plan-1");
    world.approve("alice", run).unwrap();
    world.approve("bob", run).unwrap();
    world.pass(10 * MINUTE);
    let attempt = world.start(run, "deploy");
    // A release that was built after the gates opened, and one that does not exist.
    let other = world.push("dev", "main", "c2", "dev", &[STAGING])[0];
    world.work(other, "test.1", Success);
    world.work(other, "test.2", Success);
    let build = world.start(other, "release");
    world.build(&build, "r2");
    for (environment, release) in [("production", "r2"), ("production", "none"), ("staging", "r1")]
    {
        said.push(world.deploy(&attempt, environment, release).unwrap_err().to_string());
    }
    said.push(world.deploy(&build, "production", "r1").unwrap_err().to_string());
    // Somebody else's call, and a person without a job.
    let command = Command::Deploy {
        call: world.call(&attempt),
        environment: "production".into(),
        release: crate::world::digest("r1"),
        settings: Vec::new(),
    };
    said.push(world.in_step(&build, command.clone()).unwrap_err().to_string());
    said.push(world.by("ada", command.clone()).unwrap_err().to_string());
    world.in_step(&attempt, command.clone()).unwrap();
    assert!(world.in_step(&attempt, command).unwrap().is_empty(), "asked twice is asked once");
    said.push(world.deploy(&attempt, "production", "r1").unwrap_err().to_string());
    expect![[r#"
        job 36.deploy.1 may not deploy to production: its gates opened for r100…00
        job 36.deploy.1 may not deploy to production: its gates opened for r100…00
        job 36.deploy.1 may not deploy to staging: it has no `environment: staging`
        job 50.release.1 may not deploy to production: it has no `environment: production`
        this is not for job 50.release.1: deploy
        this is not for ada: deploy
        a rollout to production/stock is going on (r100…00 at 0 %); wait for it, or stop it with `qnt9 rollback production --abort`"#]].assert_eq(&said.join("\n"));
}

#[test]
fn evidence_alone_binds_the_release_too() {
    let rules = RULES.replace("approvals =", "# approvals =").replace("wait ", "# wait ");
    let mut world = World::new(&rules);
    world.staged("c1", "r1");
    let run = world.dispatched("plan-1");
    let other = world.push("dev", "main", "c2", "dev", &[STAGING])[0];
    world.work(other, "test.1", Success);
    world.work(other, "test.2", Success);
    let build = world.start(other, "release");
    world.build(&build, "r2");
    let attempt = world.start(run, "deploy");
    let refusal = world.deploy(&attempt, "production", "r2").unwrap_err();
    expect!["job 36.deploy.1 may not deploy to production: its gates opened for r100…00"]
        .assert_eq(&refusal.to_string());
}

#[test]
fn a_dispatch_that_cannot_be_is_refused_with_its_reason() {
    let mut world = World::new(RULES);
    world.push("dev", "main", "c1", "dev", &[]);
    let only_push = STAGING;
    let broken = "# broken.yml\non: workflow_dispatch\njobs:\n  a: { runs_on: x }\n";
    let moved = Command::Dispatch {
        reference: "refs/heads/main".to_owned(),
        commit: crate::world::long("c0"),
        workflow: crate::world::file(PRODUCTION),
        inputs: Vec::new(),
    };
    let said = [
        world.dispatch("dev", "main", only_push, &[]).unwrap_err(),
        world.dispatch("dev", "main", broken, &[]).unwrap_err(),
        world.dispatch("dev", "main", PRODUCTION, &[("enviroment", "staging")]).unwrap_err(),
        world.dispatch("vera", "main", PRODUCTION, &[]).unwrap_err(),
        world.dispatch("nobody", "main", PRODUCTION, &[]).unwrap_err(),
        world.by("dev", moved).unwrap_err(),
    ];
    let said: Vec<String> = said.iter().map(ToString::to_string).collect();
    expect![[r#"
        staging.yml cannot be dispatched: the workflow is not started by `workflow_dispatch`
        broken.yml cannot be dispatched: broken.yml:4:6: There's not enough info to determine what you meant. Add one of these properties: cancel-timeout-minutes, container, continue-on-error, defaults, env, environment, outputs, runs-on, secrets, services, snapshot, steps, timeout-minutes, uses, with
        broken.yml:4:8: Unexpected value 'runs_on' (did you mean `runs-on`?)
        production.yml cannot be dispatched: the workflow has no input `enviroment`; did you mean `environment`?
        vera cannot dispatch a workflow: it needs the role developer, and vera is viewer
        there is no person `nobody`
        production.yml cannot be dispatched: refs/heads/main is not at c000000"#]].assert_eq(&said.join("\n"));
}
