//! Rollouts: canary steps, the judge, going back, replicas that fail.

use expect_test::expect;
use qnt9_model::command::Decision;
use qnt9_model::fact::Outcome::{Cancelled, Success};
use qnt9_model::{AttemptId, CallKey, Command, DeploymentId};

use crate::world::{HOUR, MINUTE, SECOND, World, digest};

/// Production serves r1, and r2 is at the first step of its canary.
fn canary() -> (World, DeploymentId) {
    let mut world = World::in_production("r1");
    world.staged("c2", "r2");
    let attempt = world.released();
    let id = world.deploy(&attempt, "production", "r2").expect("its gates are open");
    world.carry();
    (world, id)
}

fn shares(new: u32, old: u32) -> Vec<(String, u32)> {
    vec![("r2".to_owned(), new), ("r1".to_owned(), old)]
}

#[test]
fn a_good_release_is_promoted_step_by_step() {
    let (mut world, id) = canary();
    let from = world.log.len();
    for percent in [5, 25, 50] {
        assert_eq!(world.serves("production"), shares(percent, 100 - percent));
        world.count(id, (30, 0), (570, 1));
        world.pass(30 * SECOND);
        world.count(id, (30, 0), (570, 1));
        world.pass(30 * SECOND);
        world.carry();
    }
    assert_eq!(world.serves("production"), [("r2".to_owned(), 100)]);
    expect![[r#"
        qnt9 window-judged Undecided at 5 %: 0 of 30 failed (0.0 %) against 1 of 570 failed (0.1 %) of the old release; 20 more needed
        qnt9 window-judged Good at 5 %: 0 of 60 failed (0.0 %) against 2 of 1140 failed (0.1 %) of the old release: not worse
        qnt9 weight-changed 25 %
        qnt9 traffic-applied production/stock generation 9
        qnt9 window-judged Undecided at 25 %: 0 of 30 failed (0.0 %) against 1 of 570 failed (0.1 %) of the old release; 20 more needed
        qnt9 window-judged Good at 25 %: 0 of 60 failed (0.0 %) against 2 of 1140 failed (0.1 %) of the old release: not worse
        qnt9 weight-changed 50 %
        qnt9 traffic-applied production/stock generation 10
        qnt9 window-judged Undecided at 50 %: 0 of 30 failed (0.0 %) against 1 of 570 failed (0.1 %) of the old release; 20 more needed
        qnt9 window-judged Good at 50 %: 0 of 60 failed (0.0 %) against 2 of 1140 failed (0.1 %) of the old release: not worse
        qnt9 weight-changed 100 %
        qnt9 traffic-applied production/stock generation 11
        qnt9 deployment-finished Succeeded
        qnt9 traffic-applied production/stock generation 12
        qnt9 arm-drained
    "#]].assert_eq(&world.since(from));
}

#[test]
fn a_release_that_fails_every_fifth_request_goes_back_at_the_first_step() {
    let (mut world, id) = canary();
    let from = world.log.len();
    for _ in 0..3 {
        world.count(id, (10, 2), (190, 0));
        world.pass(SECOND);
    }
    world.carry();
    expect![[r#"
        qnt9 window-judged Undecided at 5 %: 2 of 10 failed (20.0 %) against 0 of 190 failed (0.0 %) of the old release; 40 more needed
        qnt9 window-judged Undecided at 5 %: 4 of 20 failed (20.0 %) against 0 of 380 failed (0.0 %) of the old release; 30 more needed
        qnt9 window-judged Bad at 5 %: 6 of 30 failed (20.0 %) against 0 of 570 failed (0.0 %) of the old release: worse than tolerated
        qnt9 deployment-finished RolledBack { reason: "6 of 30 failed (20.0 %) against 0 of 570 failed (0.0 %) of the old release: worse than tolerated", at_percent: 5 }
        qnt9 traffic-applied production/stock generation 9
        qnt9 arm-drained
    "#]].assert_eq(&world.since(from));
    assert_eq!(world.serves("production"), [("r1".to_owned(), 100)]);
    // Late windows of the ended rollout change nothing.
    assert!(world.count(id, (1000, 0), (1000, 0)).is_empty());
}

#[test]
fn without_traffic_nothing_is_promoted_and_at_last_it_goes_back() {
    let (mut world, id) = canary();
    let from = world.log.len();
    world.pass(9 * MINUTE);
    assert_eq!(world.serves("production"), shares(5, 95));
    assert!(world.count(id, (0, 0), (0, 0)).is_empty());
    world.pass(2 * MINUTE);
    expect![[r#"
        qnt9 deployment-finished RolledBack { reason: "it could not be judged at 5 % for 10 min: no request was counted", at_percent: 5 }
    "#]].assert_eq(&world.since(from));
    assert_eq!(world.serves("production"), [("r1".to_owned(), 100)]);
}

#[test]
fn too_little_traffic_goes_back_too_and_says_what_was_missing() {
    let (mut world, id) = canary();
    world.count(id, (49, 0), (900, 0));
    world.pass(HOUR);
    let (outcome, _) = world.deployment(id).outcome.clone().unwrap();
    expect![[r#"
        RolledBack { reason: "it could not be judged at 5 % for 10 min: 0 of 49 failed (0.0 %) against 0 of 900 failed (0.0 %) of the old release; 1 more needed", at_percent: 5 }
    "#]].assert_eq(&format!("{outcome:?}\n"));
}

#[test]
fn windows_count_once_and_only_those_of_the_present_step() {
    let (mut world, id) = canary();
    let place = world.deployment(id).place.clone();
    let generation = world.project().places[&place].generation;
    let window = |generation, window| Command::CountWindow {
        deployment: id,
        generation,
        window,
        new: qnt9_model::fact::Counts { requests: 40, bad: 0 },
        old: qnt9_model::fact::Counts { requests: 40, bad: 0 },
    };
    assert!(world.tell(window(generation - 1, 1000)).is_empty(), "before this step's weights");
    assert_eq!(world.tell(window(generation, 1001)).len(), 1);
    assert!(world.tell(window(generation, 1001)).is_empty());
    assert!(world.tell(window(generation, 1000)).is_empty());
    assert_eq!(world.deployment(id).new.requests, 40);
}

#[test]
fn the_first_release_of_a_place_goes_at_once() {
    let mut world = World::new(crate::world::RULES);
    world.staged("c1", "r1");
    let attempt = world.released();
    let from = world.log.len();
    world.deploy(&attempt, "production", "r1").unwrap();
    world.carry();
    expect![[r#"
        job 36.deploy.1 deployment-requested r1 to production/stock Forward
        qnt9 address-assigned Main
        qnt9 replica-ready 47/0
        qnt9 replica-ready 47/1
        qnt9 weight-changed 100 %
        qnt9 traffic-applied production/stock generation 4
        qnt9 deployment-finished Succeeded
        qnt9 traffic-applied production/stock generation 5
    "#]]
    .assert_eq(&world.since(from));
}

#[test]
fn a_person_takes_an_environment_back_to_a_release_that_ran_there() {
    let (mut world, id) = canary();
    let back = |to: &str| Command::Rollback { environment: "production".into(), to: digest(to) };
    let mut said = vec![world.by("alice", back("r1")).unwrap_err().to_string()];
    for _ in 0..3 {
        world.count(id, (60, 0), (600, 0));
        world.pass(MINUTE);
        world.carry();
    }
    assert_eq!(world.serves("production"), [("r2".to_owned(), 100)]);
    said.push(world.by("dev", back("r1")).unwrap_err().to_string());
    said.push(world.by("alice", back("r2")).unwrap_err().to_string());
    said.push(world.by("alice", back("r3")).unwrap_err().to_string());
    let nowhere = Command::Rollback { environment: "moon".into(), to: digest("r1") };
    said.push(world.by("alice", nowhere).unwrap_err().to_string());
    expect![[r#"
        a rollout to production/stock is going on (r200…00 at 5 %); wait for it, or stop it with `qnt9 rollback production --abort`
        dev cannot roll back: it needs the role approver, and dev is developer
        r200…00 cannot go to production: it is what serves there now
        r300…00 cannot go to production: it never served there; a rollback goes to one of r100…00, r200…00
        r100…00 cannot go to moon: nothing has served there yet"#]].assert_eq(&said.join("\n"));
    let from = world.log.len();
    world.by("alice", back("r1")).unwrap();
    world.carry();
    expect![[r#"
        alice deployment-requested r1 to production/stock Rollback
        qnt9 replica-ready 120/0
        qnt9 replica-ready 120/1
        qnt9 weight-changed 100 %
        qnt9 traffic-applied production/stock generation 15
        qnt9 deployment-finished Succeeded
        qnt9 traffic-applied production/stock generation 16
        qnt9 arm-drained
    "#]]
    .assert_eq(&world.since(from));
    assert_eq!(world.serves("production"), [("r1".to_owned(), 100)]);
    let serving = world.project().serving(&crate::world::stock_in("production")).unwrap();
    assert_eq!(serving.settings, [("MODE".to_owned(), "production".into())], "as it ran then");
}

#[test]
fn a_person_stops_a_rollout() {
    let (mut world, id) = canary();
    let abort = Command::AbortRollout { environment: "production".into() };
    assert!(world.by("dev", abort.clone()).is_err());
    let from = world.log.len();
    world.by("carol", abort.clone()).unwrap();
    world.carry();
    expect![[r#"
        carol deployment-finished RolledBack { reason: "carol stopped it", at_percent: 5 }
        qnt9 traffic-applied production/stock generation 9
        qnt9 arm-drained
    "#]]
    .assert_eq(&world.since(from));
    assert_eq!(world.serves("production"), [("r1".to_owned(), 100)]);
    expect!["there is no rollout to `production`"]
        .assert_eq(&world.by("carol", abort).unwrap_err().to_string());
    assert!(world.deployment(id).drained);
}

#[test]
fn a_replica_that_does_not_become_healthy_fails_the_deployment_and_the_old_one_serves_on() {
    let mut world = World::in_production("r1");
    world.staged("c2", "r2");
    let attempt = world.released();
    let from = world.log.len();
    let id = world.deploy(&attempt, "production", "r2").unwrap();
    let report = "GET /healthz: expected 200, got 404".to_owned();
    world.tell(Command::ReplicaReady { deployment: id, replica: 0, address: "127.0.0.1:1".into() });
    world.tell(Command::ReplicaFailed { deployment: id, replica: 1, report });
    assert_eq!(world.serves("production"), [("r1".to_owned(), 100)]);
    world.end(&attempt, Success);
    world.carry();
    expect![[r#"
        job 92.deploy.1 deployment-requested r2 to production/stock Forward
        qnt9 replica-ready 103/0
        qnt9 replica-failed 103/1
        qnt9 deployment-finished Failed { reason: Clear("GET /healthz: expected 200, got 404") }
        qnt9 job-finished 92.deploy.1 success
        qnt9 job-planned verify
        qnt9 replica-ready 103/0
        qnt9 replica-ready 103/1
        qnt9 traffic-applied production/stock generation 8
        qnt9 traffic-applied production/stock generation 10
        qnt9 arm-drained
    "#]]
    .assert_eq(&world.since(from));
}

#[test]
fn replicas_that_never_answer_fail_the_deployment_at_its_deadline() {
    let mut world = World::in_production("r1");
    world.staged("c2", "r2");
    let attempt = world.released();
    let id = world.deploy(&attempt, "production", "r2").unwrap();
    world.tell(Command::ReplicaReady { deployment: id, replica: 0, address: "127.0.0.1:1".into() });
    world.pass(HOUR);
    let (outcome, _) = world.deployment(id).outcome.clone().unwrap();
    expect![[r#"
        Failed { reason: Clear("1 of 2 replicas became healthy in 90 s") }
    "#]]
    .assert_eq(&format!("{outcome:?}\n"));
}

#[test]
fn a_replica_lost_in_a_canary_comes_back_under_a_new_generation() {
    let (mut world, id) = canary();
    let place = world.deployment(id).place.clone();
    let before = world.project().places[&place].generation;
    world.tell(Command::ReplicaLost { deployment: id, replica: 0, reason: "killed".to_owned() });
    assert_eq!(world.deployment(id).ready.len(), 1);
    world.carry();
    assert_eq!(world.deployment(id).ready.len(), 2);
    assert!(world.project().places[&place].generation > before);
    // The step goes on: its weights did not change.
    assert!(world.deployment(id).step_since.is_some());
}

#[test]
fn a_canary_begins_small_also_while_the_old_release_is_down() {
    let mut world = World::in_production("r1");
    let old = world.project().serving_environment(&"production".into()).unwrap().id;
    world.staged("c2", "r2");
    let attempt = world.released();
    let id = world.deploy(&attempt, "production", "r2").unwrap();
    for replica in 0..2 {
        let reason = "the machine was started again".to_owned();
        world.tell(Command::ReplicaLost { deployment: old, replica, reason });
    }
    for replica in 0..2 {
        let address = format!("127.0.0.1:{}", 1000 + replica);
        world.tell(Command::ReplicaReady { deployment: id, replica, address });
    }
    assert_eq!(world.deployment(id).percent, 5);
}

#[test]
fn a_canary_whose_job_is_cancelled_goes_back() {
    let (mut world, id) = canary();
    let attempt = attempt_of(&world, id);
    world.by("dev", Command::CancelRun { run: attempt.run }).unwrap();
    assert_eq!(world.deployment(id).outcome, None, "its step may still say how it ends");
    world.end(&attempt, Cancelled);
    let (outcome, _) = world.deployment(id).outcome.clone().unwrap();
    expect![[r#"
        RolledBack { reason: "job deploy of run 92 ended with cancelled before it did", at_percent: 5 }
    "#]]
    .assert_eq(&format!("{outcome:?}\n"));
    world.carry();
    assert_eq!(world.serves("production"), [("r1".to_owned(), 100)]);
}

#[test]
fn a_canary_whose_runner_is_lost_goes_on() {
    let (mut world, id) = canary();
    let attempt = attempt_of(&world, id);
    world.tell(Command::LoseJob { attempt, reason: "killed".to_owned() });
    assert_eq!(world.deployment(id).outcome, None);
    assert_eq!(world.serves("production"), shares(5, 95));
}

#[test]
fn while_a_rollout_goes_on_the_next_job_of_the_environment_waits() {
    let (mut world, id) = canary();
    let run = id_of_run(&world, id);
    world.end(&attempt_of(&world, id), Success);
    let next = world.dispatched("plan-2");
    world.approve("alice", next).unwrap();
    world.approve("bob", next).unwrap();
    world.pass(0);
    assert_ne!(run, next);
    for _ in 0..10 {
        world.pass(MINUTE - 1);
        world.count(id, (1, 0), (1, 0));
    }
    expect![[r#"
        ‖ c200000 to production
          ✓ branch main may deploy here
          ✓ a person dispatched it   dev
          ✓ tests passed for c200000   p95 41 ms
          ✓ load-test passed in staging for r200…00   p95 41 ms
          ✓ 2 of alice, bob, carol approve   2 of 2
            ✓ alice   9 min 59 s ago
            ✓ bob   9 min 59 s ago
            ‖ carol   can approve
          ‖ 10 min since it was asked for   9 min 59 s passed
          ✓ the rollback plan is stated   sha256 7be1f3891afd
            ✓ back to r100…00 of c100000: qnt9 rollback production
            ✓ 2 replicas start, and all traffic moves at once when they are healthy
          ‖ no other job holds production   deployment 103 is rolling out
    "#]]
    .assert_eq(&world.why(next, "deploy"));
}

fn attempt_of(world: &World, id: DeploymentId) -> qnt9_model::AttemptId {
    world.deployment(id).call.clone().expect("a step asked for it").attempt
}

fn id_of_run(world: &World, id: DeploymentId) -> qnt9_model::RunId {
    attempt_of(world, id).run
}

#[test]
fn old_releases_stop_only_when_nothing_is_in_flight() {
    let (mut world, id) = canary();
    for _ in 0..3 {
        world.count(id, (60, 0), (600, 0));
        world.pass(MINUTE);
        let orders = world.orders();
        orders
            .iter()
            .filter(|order| !matches!(order, qnt9_model::Order::DrainArm(..)))
            .for_each(|order| world.carry_out(order));
    }
    let replicas = |world: &World| {
        let kept = world.orders().into_iter().find_map(|order| match order {
            qnt9_model::Order::KeepReplicas(kept) => Some(kept),
            _ => None,
        });
        let kept = kept.unwrap().into_iter();
        kept.filter(|replica| replica.place.environment.as_str() == "production").count()
    };
    assert_eq!(replicas(&world), 4, "the old ones may still answer");
    world.carry();
    assert_eq!(replicas(&world), 2);
}

#[test]
fn a_job_that_is_tried_again_takes_up_the_rollout_of_its_lost_attempt() {
    let mut world = World::in_production("r1");
    world.staged("c2", "r2");
    let lost = world.released();
    let settings = vec![("MODE".to_owned(), "production".to_owned())];
    let deploy = |attempt: &AttemptId, settings: &[(String, String)]| Command::Deploy {
        call: CallKey { attempt: attempt.clone(), step: 1, call: 1 },
        environment: "production".into(),
        release: digest("r2"),
        settings: settings.to_vec(),
    };
    let asked = world.in_step(&lost, deploy(&lost, &settings)).unwrap();
    let id = DeploymentId(asked[0].sequence);
    world.carry();
    world.lose(&lost);
    let decision = Decision::Rerun;
    let rerun = Command::ResolveLost { run: lost.run, job: lost.job.clone(), decision };
    world.by("dev", rerun).unwrap();
    let again = world.start(lost.run, "deploy");
    assert_eq!(world.in_step(&again, deploy(&again, &settings)), Ok(Vec::new()));
    let call = CallKey { attempt: again.clone(), step: 1, call: 1 };
    assert_eq!(world.project().deployment_of(&call).map(|one| one.id), Some(id));
    // With other settings it is something else, and must wait for the first one's end.
    let others = world.in_step(&again, deploy(&again, &[]));
    assert!(others.unwrap_err().to_string().contains("r2"), "it names what rolls out");

    // What was taken back meanwhile is asked for anew.
    world.by("alice", Command::AbortRollout { environment: "production".into() }).unwrap();
    world.carry();
    let anew = world.in_step(&again, deploy(&again, &settings)).unwrap();
    assert_ne!(DeploymentId(anew[0].sequence), id);
}
