//! What people read when they ask why.

use expect_test::{Expect, expect};
use qnt9_engine::explain::{Explain, Explanation};
use qnt9_model::fact::Outcome;
use qnt9_model::{Command, DeploymentId, RunId};

use crate::world::{MINUTE, World, digest};

fn check(world: &World, of: impl Fn(&Explain<'_>) -> Explanation, expected: &Expect) {
    let (platform, project) = (&world.state.platform, world.project());
    let explain = Explain { platform, project, now: world.now };
    let explanation = of(&explain);
    let earliest = explanation.earliest(world.now).map(|at| at.since(world.now));
    let mut lines = vec![explanation.subject.clone()];
    lines.extend(explanation.why.lines());
    lines.push(format!("held: {}", explanation.held));
    lines.push(format!("who: {}", explanation.who().join(", ")));
    lines.push(format!("earliest in ms: {earliest:?}"));
    lines.extend(explanation.acts.iter().map(|act| format!("{act:?}")));
    expected.assert_eq(&format!("{}\n", lines.join("\n")));
}

fn run(world: &World, id: RunId) -> impl Fn(&Explain<'_>) -> Explanation {
    let run = world.project().runs[&id].clone();
    move |explain| explain.run(&run)
}

fn job(world: &World, id: RunId, job: &str) -> impl Fn(&Explain<'_>) -> Explanation {
    let run = world.project().runs[&id].clone();
    let leg = run.legs[&job.into()].clone();
    move |explain| explain.job(&run, &leg)
}

fn production(explain: &Explain<'_>) -> Explanation {
    explain.environment(&"production".into()).expect("it is known")
}

fn deployment(world: &World, id: DeploymentId) -> impl Fn(&Explain<'_>) -> Explanation {
    let deployment = world.deployment(id).clone();
    move |explain| explain.deployment(&deployment)
}

fn newest(world: &World) -> DeploymentId {
    *world.project().deployments.keys().next_back().expect("there is one")
}

#[test]
fn a_waiting_run_names_who_can_unblock_it_and_when() {
    let mut world = World::in_production("r1");
    world.staged("c2", "r2");
    let waiting = world.dispatched("plan-2");
    world.approve("alice", waiting).unwrap();
    world.pass(MINUTE);
    check(
        &world,
        run(&world, waiting),
        &expect![[r#"
            run 92
            ‖ run 92 of production.yml
              ✓ plan   success after 0.0 s
              ‖ c200000 to production
                ✓ branch main may deploy here
                ✓ a person dispatched it   dev
                ✓ tests passed for c200000   p95 41 ms
                ✓ load-test passed in staging for r200…00   p95 41 ms
                ‖ 2 of alice, bob, carol approve   1 of 2
                  ✓ alice   1 min ago
                  ‖ bob   can approve
                  ‖ carol   can approve
                ‖ 10 min since it was asked for   1 min passed
                ✓ the rollback plan is stated   sha256 7be1f3891afd
                  ✓ back to r100…00 of c100000: qnt9 rollback production
                  ✓ 2 replicas start, and all traffic moves at once when they are healthy
                ✓ no other job holds production
              ‖ verify   waits for deploy
            held: true
            who: bob, carol
            earliest in ms: Some(540000)
            Approve { environment: EnvironmentName("production"), commit: Sha("c200000000000000000000000000000000000000"), person: "bob" }
            Approve { environment: EnvironmentName("production"), commit: Sha("c200000000000000000000000000000000000000"), person: "carol" }
        "#]],
    );
    check(
        &world,
        production,
        &expect![[r#"
            job deploy of run 92
            ‖ c200000 to production
              ✓ branch main may deploy here
              ✓ a person dispatched it   dev
              ✓ tests passed for c200000   p95 41 ms
              ✓ load-test passed in staging for r200…00   p95 41 ms
              ‖ 2 of alice, bob, carol approve   1 of 2
                ✓ alice   1 min ago
                ‖ bob   can approve
                ‖ carol   can approve
              ‖ 10 min since it was asked for   1 min passed
              ✓ the rollback plan is stated   sha256 7be1f3891afd
                ✓ back to r100…00 of c100000: qnt9 rollback production
                ✓ 2 replicas start, and all traffic moves at once when they are healthy
              ✓ no other job holds production
            held: true
            who: bob, carol
            earliest in ms: Some(540000)
            Approve { environment: EnvironmentName("production"), commit: Sha("c200000000000000000000000000000000000000"), person: "bob" }
            Approve { environment: EnvironmentName("production"), commit: Sha("c200000000000000000000000000000000000000"), person: "carol" }
        "#]],
    );
}

#[test]
fn a_lost_job_says_what_is_known() {
    let mut world = World::in_production("r1");
    world.staged("c2", "r2");
    let attempt = world.released();
    world.lose(&attempt);
    check(
        &world,
        job(&world, attempt.run, "deploy"),
        &expect![[r#"
        job deploy of run 92
        ‖ deploy   the runner's process is gone; a person must decide
          ‖ step `Step 1` was under way   it may have done all, some or nothing of its work
        held: false
        who: 
        earliest in ms: None
        DecideLost { run: RunId(92), job: JobKey("deploy") }
    "#]],
    );
}

#[test]
fn a_rolled_back_deployment_says_which_step_it_did_not_reach() {
    let mut world = World::in_production("r1");
    world.staged("c2", "r2");
    let attempt = world.released();
    world.deploy(&attempt, "production", "r2").unwrap();
    world.carry();
    world.count(newest(&world), (60, 30), (600, 0));
    world.carry();
    check(
        &world,
        deployment(&world, newest(&world)),
        &expect![[r#"
            deployment 103
            ✗ deployment 103 of r200…00 to production/stock   rolled back at 5 %: 30 of 60 failed (50.0 %) against 0 of 600 failed (0.0 %) of the old release: worse than tolerated
              ✓ job deploy of run 92 may deploy here   its gates opened 0.0 s ago; as they stood then
                ✓ branch main may deploy here
                ✓ a person dispatched it   dev
                ✓ tests passed for c200000   p95 41 ms
                ✓ load-test passed in staging for r200…00   p95 41 ms
                ✓ 2 of alice, bob, carol approve   2 of 2
                  ✓ alice   10 min ago
                  ✓ bob   10 min ago
                  ‖ carol   can approve
                ✓ 10 min since it was asked for
                ✓ the rollback plan is stated   sha256 7be1f3891afd
                  ✓ back to r100…00 of c100000: qnt9 rollback production
                  ✓ 2 replicas start, and all traffic moves at once when they are healthy
                ✓ no other job holds production
              ✓ 2 replicas were healthy
              ✗ 5 % of the traffic   30 of 60 failed (50.0 %) against 0 of 600 failed (0.0 %) of the old release: worse than tolerated
              ✗ 25 % of the traffic   not reached
              ✗ 50 % of the traffic   not reached
              ✗ 100 % of the traffic   not reached
            held: false
            who: 
            earliest in ms: None
        "#]],
    );
}

#[test]
fn after_a_rollback_the_environment_tells_of_it_and_not_of_the_job_before() {
    let mut world = World::in_production("r1");
    world.staged("c2", "r2");
    let attempt = world.released();
    world.deploy(&attempt, "production", "r2").unwrap();
    world.carry();
    let forward = newest(&world);
    check(
        &world,
        production,
        &expect![[r#"
            deployment 103
            ‖ deployment 103 of r200…00 to production/stock
              ✓ job deploy of run 92 may deploy here   its gates opened 0.0 s ago; as they stood then
                ✓ branch main may deploy here
                ✓ a person dispatched it   dev
                ✓ tests passed for c200000   p95 41 ms
                ✓ load-test passed in staging for r200…00   p95 41 ms
                ✓ 2 of alice, bob, carol approve   2 of 2
                  ✓ alice   10 min ago
                  ✓ bob   10 min ago
                  ‖ carol   can approve
                ✓ 10 min since it was asked for
                ✓ the rollback plan is stated   sha256 7be1f3891afd
                  ✓ back to r100…00 of c100000: qnt9 rollback production
                  ✓ 2 replicas start, and all traffic moves at once when they are healthy
                ✓ no other job holds production
              ✓ 2 replicas were healthy
              ‖ 5 % of the traffic
              ‖ 25 % of the traffic
              ‖ 50 % of the traffic
              ‖ 100 % of the traffic
            held: false
            who: 
            earliest in ms: None
        "#]],
    );
    for _ in 0..3 {
        world.count(forward, (60, 0), (600, 0));
        world.pass(MINUTE);
        world.carry();
    }
    world.end(&attempt, Outcome::Success);
    let back = Command::Rollback { environment: "production".into(), to: digest("r1") };
    world.by("alice", back).unwrap();
    world.carry();
    check(
        &world,
        production,
        &expect![[r#"
        deployment 122
        ✓ deployment 122 of r100…00 to production/stock   it serves all traffic
          ✓ a person rolled back   alice
          ✓ 2 replicas were healthy
          ✓ 100 % of the traffic
        held: false
        who: 
        earliest in ms: None
    "#]],
    );
    check(
        &world,
        deployment(&world, forward),
        &expect![[r#"
            deployment 103
            ✓ deployment 103 of r200…00 to production/stock   it served; deployment 122 took its place 0.0 s ago, a rollback by alice
              ✓ job deploy of run 92 may deploy here   its gates opened 3 min ago; as they stood then
                ✓ branch main may deploy here
                ✓ a person dispatched it   dev
                ✓ tests passed for c200000   p95 41 ms
                ✓ load-test passed in staging for r200…00   p95 41 ms
                ✓ 2 of alice, bob, carol approve   2 of 2
                  ✓ alice   10 min ago
                  ✓ bob   10 min ago
                  ‖ carol   can approve
                ✓ 10 min since it was asked for
                ✓ the rollback plan is stated   sha256 7be1f3891afd
                  ✓ back to r100…00 of c100000: qnt9 rollback production
                  ✓ 2 replicas start, and all traffic moves at once when they are healthy
                ✓ no other job holds production
              ✓ 2 replicas were healthy
              ✓ 5 % of the traffic
              ✓ 25 % of the traffic
              ✓ 50 % of the traffic
              ✓ 100 % of the traffic
            held: false
            who: 
            earliest in ms: None
        "#]],
    );
}

#[test]
fn an_environment_that_nobody_knows_is_not_explained() {
    let world = World::in_production("r1");
    let (platform, project) = (&world.state.platform, world.project());
    let explain = Explain { platform, project, now: world.now };
    assert_eq!(explain.environment(&"moon".into()), None);
}
