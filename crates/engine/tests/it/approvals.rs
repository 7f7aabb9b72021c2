//! Approvals: who may, who may not, and when they lapse.

use expect_test::expect;
use qnt9_model::command::Again;
use qnt9_model::fact::Outcome::Success;
use qnt9_model::fact::Subjects;
use qnt9_model::{Command, Role, RunId};

use crate::world::{HOUR, PRODUCTION, RULES, World, digest};

const DAY: i64 = 24 * HOUR;

/// A run that waits for production, of a commit that `author` wrote and pushed.
fn waiting_of(author: &str) -> (World, RunId) {
    let mut world = World::new(RULES);
    world.staged_by(author, "c1", "r1");
    let run = world.dispatched("plan-1");
    (world, run)
}

fn reject(run: RunId) -> Command {
    Command::Reject { run, environment: "production".into(), comment: Some("not today".into()) }
}

#[test]
fn whoever_may_not_approve_is_told_why() {
    let (mut world, run) = waiting_of("alice");
    let mut said = vec![world.approve("alice", run).unwrap_err().to_string()];
    for person in ["dev", "vera", "nobody", "ada"] {
        said.push(world.approve(person, run).unwrap_err().to_string());
    }
    world.approve("bob", run).unwrap();
    said.push(world.approve("bob", run).unwrap_err().to_string());
    said.push(
        world
            .ask(
                qnt9_model::Actor::Platform,
                Command::Approve {
                    run,
                    environment: "production".into(),
                    seen: None,
                    comment: None,
                },
            )
            .unwrap_err()
            .to_string(),
    );
    let elsewhere =
        Command::Approve { run, environment: "staging".into(), seen: None, comment: None };
    said.push(world.by("carol", elsewhere).unwrap_err().to_string());
    said.push(world.approve("carol", RunId(9999)).unwrap_err().to_string());
    expect![[r#"
        alice cannot approve c100000 for production: pushed it and wrote 1 of its commits
        dev cannot approve a deployment: it needs the role approver, and dev is developer
        vera cannot approve a deployment: it needs the role approver, and vera is viewer
        there is no person `nobody`
        ada cannot approve for production: its approvers are alice, bob, carol
        bob has already approved c100000 for production; it still needs 1 more of carol
        this is not for qnt9: approve a deployment
        no job of run 36 waits for an approval for staging
        there is no run `9999` (there is: up to 36)"#]]
    .assert_eq(&said.join("\n"));
    expect![[r#"
        ‖ c100000 to production
          ✓ branch main may deploy here
          ✓ a person dispatched it   dev
          ✓ tests passed for c100000   p95 41 ms
          ✓ load-test passed in staging for r100…00   p95 41 ms
          ‖ 2 of alice, bob, carol approve   1 of 2
            – alice cannot   pushed it and wrote 1 of its commits
            ✓ bob   0.0 s ago
            ‖ carol   can approve
          ‖ 10 min since it was asked for   0.0 s passed
          ✓ the rollback plan is stated   sha256 a12286488aed
            ✓ nothing serves there yet: there is nothing to go back to
          ✓ no other job holds production
    "#]]
    .assert_eq(&world.why(run, "deploy"));
}

#[test]
fn the_dispatcher_and_whoever_pushed_cannot_approve() {
    let mut world = World::new(RULES);
    world.change_role("dev", Role::Approver);
    let rules = RULES.replace("\"carol\"", "\"dev\", \"carol\"");
    world.adopt(&rules);
    // Bob pushes what dev wrote; carol runs dev's dispatch once more.
    assert!(
        world.push("bob", "main", "c1", "dev", &[]).is_empty(),
        "it starts nothing, and counts"
    );
    let run = world.dispatch("dev", "main", PRODUCTION, &[]).unwrap();
    world.by("dev", Command::CancelRun { run }).unwrap();
    let entries = world.by("carol", Command::Rerun { run, what: Again::All }).unwrap();
    let run = crate::world::runs_of(&entries)[0];
    world.work(run, "plan", Success);
    expect![[r#"
        plan: plan is success
        deploy: deploy is failure, 2 of alice, bob, dev, carol approve: nobody can satisfy this: only alice could still approve
        verify: skipped, it needs what did not succeed: deploy is failure
        run: failure
    "#]].assert_eq(&world.board(run));
}

#[test]
fn authors_count_since_the_environments_last_release() {
    let mut world = World::new(RULES);
    world.staged_by("alice", "c1", "r1");
    let run = world.dispatched("plan-1");
    assert!(world.approve("alice", run).is_err());
    world.approve("bob", run).unwrap();
    world.approve("carol", run).unwrap();
    world.pass(HOUR);
    let attempt = world.start(run, "deploy");
    world.deploy(&attempt, "production", "r1").unwrap();
    world.carry();
    world.end(&attempt, Success);
    world.work_through(run);
    // What alice wrote is in production; the next release is of bob's commits only.
    world.push("bob", "main", "c2", "bob", &[]);
    world.staged_by("bob", "c3", "r3");
    let run = world.dispatched("plan-2");
    expect!["bob cannot approve c300000 for production: pushed it and wrote 2 of its commits"]
        .assert_eq(&world.approve("bob", run).unwrap_err().to_string());
    world.approve("alice", run).unwrap();
}

#[test]
fn a_changed_plan_lapses_the_approvals_given_before() {
    // A second job of the run makes a plan, too.
    let text =
        PRODUCTION.replace("  verify:", "  replan: { runs-on: x, steps: [{ run: x }] }\n  verify:");
    let mut world = World::new(RULES);
    world.staged("c1", "r1");
    let run = world.dispatch("dev", "main", &text, &[]).unwrap();
    let attempt = world.start(run, "plan");
    world.plan(&attempt, "production", "plan-1");
    world.end(&attempt, Success);
    world.approve("alice", run).unwrap();
    let mut subjects = Subjects { release: Some(digest("r1")), plan: Some("plan-1".to_owned()) };
    let attempt = world.start(run, "replan");
    world.plan(&attempt, "production", "plan-2");
    world.end(&attempt, Success);
    expect![[r#"
        ‖ c100000 to production
          ✓ branch main may deploy here
          ✓ a person dispatched it   dev
          ✓ tests passed for c100000   p95 41 ms
          ✓ load-test passed in staging for r100…00   p95 41 ms
          ‖ 2 of alice, bob, carol approve   0 of 2
            ‖ alice   approved something else: release or plan changed since
            ‖ bob   can approve
            ‖ carol   can approve
          ‖ 10 min since it was asked for   0.0 s passed
          ✓ the rollback plan is stated   sha256 a12286488aed
            ✓ nothing serves there yet: there is nothing to go back to
          ✓ no other job holds production
    "#]]
    .assert_eq(&world.why(run, "deploy"));
    let stale = Command::Approve {
        run,
        environment: "production".into(),
        seen: Some(subjects.clone()),
        comment: None,
    };
    expect!["what you would approve has changed: the plan was plan-1 and is plan-2; look again and approve what it is now"].assert_eq(&world.by("bob", stale).unwrap_err().to_string());
    subjects.plan = Some("plan-2".to_owned());
    let fresh = Command::Approve {
        run,
        environment: "production".into(),
        seen: Some(subjects),
        comment: None,
    };
    world.by("bob", fresh).unwrap();
    world.pass(HOUR);
    assert!(world.to_start(run).is_empty(), "alice approved another plan");
    world.approve("alice", run).unwrap();
    assert_eq!(world.to_start(run), ["deploy"]);
}

#[test]
fn a_rejection_ends_the_job() {
    let (mut world, run) = waiting_of("dev");
    let said = [world.by("dev", reject(run)), world.by("ada", reject(run))]
        .map(|answer| answer.unwrap_err().to_string());
    expect![[r#"
        dev cannot reject a deployment: it needs the role approver, and dev is developer
        ada cannot approve for production: its approvers are alice, bob, carol"#]]
    .assert_eq(&said.join("\n"));
    world.approve("alice", run).unwrap();
    world.by("carol", reject(run)).unwrap();
    expect![[r#"
        plan: plan is success
        deploy: deploy is failure, carol rejected it
        verify: skipped, it needs what did not succeed: deploy is failure
        run: failure
    "#]]
    .assert_eq(&world.board(run));
    let late = world.approve("bob", run).unwrap_err();
    expect!["run 36 is over: carol rejected it"].assert_eq(&late.to_string());
}

#[test]
fn approvals_that_do_not_come_expire() {
    let (mut world, run) = waiting_of("dev");
    world.approve("alice", run).unwrap();
    world.pass(7 * DAY - 1);
    assert!(world.project().live.contains(&run));
    world.pass(1);
    expect![[r#"
        plan: plan is success
        deploy: deploy is failure, 2 of alice, bob, carol approve: the approvals expired after 7 d
        verify: skipped, it needs what did not succeed: deploy is failure
        run: failure
    "#]]
    .assert_eq(&world.board(run));
}

#[test]
fn a_superseded_run_takes_no_approvals() {
    let (mut world, run) = waiting_of("dev");
    world.approve("alice", run).unwrap();
    let next = world.dispatched("plan-2");
    expect![[r#"
        plan: plan is success
        deploy: deploy is cancelled, superseded by run 44
        verify: skipped, it needs what did not succeed: deploy is cancelled
        run: cancelled
    "#]]
    .assert_eq(&world.board(run));
    expect!["run 36 is over: superseded by run 44"]
        .assert_eq(&world.approve("bob", run).unwrap_err().to_string());
    world.approve("bob", next).unwrap();
}

#[test]
fn a_rule_that_nobody_can_satisfy_is_said_at_once() {
    // Alice wrote it, bob lost his role, nobody is called zoe here.
    let rules = RULES.replace("\"carol\"", "\"carol\", \"zoe\"");
    let mut world = World::new(&rules);
    world.change_role("bob", Role::Developer);
    world.staged_by("alice", "c1", "r1");
    let run = world.dispatched("plan-1");
    expect![[r#"
        plan: plan is success
        deploy: deploy is failure, 2 of alice, bob, carol, zoe approve: nobody can satisfy this: only carol could still approve
        verify: skipped, it needs what did not succeed: deploy is failure
        run: failure
    "#]].assert_eq(&world.board(run));
    let proof = world.why(run, "deploy");
    expect![[r#"
        ✗ c100000 to production
          ✓ branch main may deploy here
          ✓ a person dispatched it   dev
          ✓ tests passed for c100000   p95 41 ms
          ✓ load-test passed in staging for r100…00   p95 41 ms
          ✗ 2 of alice, bob, carol, zoe approve   nobody can satisfy this: only carol could still approve
            – alice cannot   pushed it and wrote 1 of its commits
            – bob cannot   has the role developer, not approver
            ‖ carol   can approve
            – zoe cannot   nobody of that name is known here
          ‖ 10 min since it was asked for   0.0 s passed
          ✓ the rollback plan is stated   sha256 a12286488aed
            ✓ nothing serves there yet: there is nothing to go back to
          ✓ no other job holds production
    "#]].assert_eq(&proof);
}

#[test]
fn an_approval_counts_only_while_its_giver_may_give_it() {
    let (mut world, run) = waiting_of("dev");
    world.approve("alice", run).unwrap();
    world.approve("bob", run).unwrap();
    world.change_role("bob", Role::Viewer);
    world.pass(HOUR);
    assert!(world.to_start(run).is_empty());
    expect![[r#"
        ‖ c100000 to production
          ✓ branch main may deploy here
          ✓ a person dispatched it   dev
          ✓ tests passed for c100000   p95 41 ms
          ✓ load-test passed in staging for r100…00   p95 41 ms
          ‖ 2 of alice, bob, carol approve   1 of 2
            ✓ alice   1 h ago
            – bob cannot   has the role viewer, not approver
            ‖ carol   can approve
          ✓ 10 min since it was asked for
          ✓ the rollback plan is stated   sha256 a12286488aed
            ✓ nothing serves there yet: there is nothing to go back to
          ✓ no other job holds production
    "#]]
    .assert_eq(&world.why(run, "deploy"));
    world.adopt(&RULES.replace("\"alice\", ", "\"ada\", "));
    assert!(world.to_start(run).is_empty(), "alice left the list");
    world.approve("carol", run).unwrap();
    world.approve("ada", run).unwrap();
    assert_eq!(world.to_start(run), ["deploy"]);
}

#[test]
fn one_person_counts_once_however_many_jobs_of_the_run_wait() {
    let text = "# two.yml
on: workflow_dispatch
jobs:
  first: { runs-on: x, steps: [{ run: x }] }
  a: { needs: first, runs-on: x, environment: production, steps: [{ run: x }] }
  b: { runs-on: x, environment: production, steps: [{ run: x }] }
";
    let mut world = World::new(RULES);
    world.staged("c1", "r1");
    let run = world.dispatch("dev", "main", text, &[]).unwrap();
    world.approve("alice", run).unwrap();
    // `a` comes to wait later: alice has not approved it, and says so without counting twice for `b`.
    world.work(run, "first", Success);
    world.approve("alice", run).unwrap();
    assert!(world.approve("alice", run).is_err());
    world.pass(HOUR);
    assert!(world.to_start(run).is_empty());
    expect![[r#"
        ‖ c100000 to production
          ✓ branch main may deploy here
          ✓ a person dispatched it   dev
          ✓ tests passed for c100000   p95 41 ms
          ✓ load-test passed in staging for r100…00   p95 41 ms
          ‖ 2 of alice, bob, carol approve   1 of 2
            ✓ alice   1 h ago
            ‖ bob   can approve
            ‖ carol   can approve
          ✓ 10 min since it was asked for
          ✓ the rollback plan is stated   sha256 a12286488aed
            ✓ nothing serves there yet: there is nothing to go back to
          ✓ no other job holds production
    "#]]
    .assert_eq(&world.why(run, "b"));
    world.approve("bob", run).unwrap();
    assert_eq!(world.to_start(run), ["a"], "one job of the environment at a time");
    world.work(run, "a", Success);
    assert_eq!(world.to_start(run), ["b"]);
}

#[test]
fn people_of_the_demonstration_act_in_its_project_only() {
    let (mut world, run) = waiting_of("dev");
    let stream = qnt9_model::StreamId::platform();
    let person = qnt9_model::Person {
        name: "robot".to_owned(),
        email: "robot@example.com".to_owned(),
        role: Role::Approver,
        demo: true,
    };
    let command = Command::AddPerson { person };
    let ask = qnt9_model::Ask { stream, by: qnt9_model::Actor::Platform, command };
    qnt9_engine::step(&mut world.state, &ask, world.now).unwrap();
    expect![
        "a person of the demonstration exists only for the embedded reference project, not for shop"
    ]
    .assert_eq(&world.approve("robot", run).unwrap_err().to_string());
}
