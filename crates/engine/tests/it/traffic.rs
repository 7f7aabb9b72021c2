//! Rollouts by the clock, and what replicas and gateway are asked for at each moment.

use qnt9_model::fact::{DeploymentOutcome, Outcome};
use qnt9_model::limits::TRAFFIC_STALL_MS;
use qnt9_model::{AttemptId, Command, DeploymentId, Order};

use crate::world::{HOUR, MINUTE, RULES, SECOND, World, stock_in};

/// Production serves r1; r2 was asked for under these rules, and nothing has been done about it yet.
fn requested(rules: &str) -> (World, AttemptId, DeploymentId) {
    let mut world = World::in_production("r1");
    world.staged("c2", "r2");
    // Rules that staging has no use for: what goes to production is still what it proved.
    world.adopt(rules);
    let moved = vec![world.moved("main", "c2", &[])];
    world.tell(Command::ImportCommits { moved, commits: Vec::new() });
    let attempt = world.released();
    let id = world.deploy(&attempt, "production", "r2").expect("its gates are open");
    (world, attempt, id)
}

/// As [`requested`], carried to its first step.
fn canary(rules: &str) -> (World, AttemptId, DeploymentId) {
    let (mut world, attempt, id) = requested(rules);
    world.carry();
    assert_eq!(world.deployment(id).percent, 5);
    (world, attempt, id)
}

/// Why it failed or went back.
fn ended(world: &World, id: DeploymentId) -> String {
    match &world.deployment(id).outcome {
        None => "it goes on".to_owned(),
        Some((DeploymentOutcome::Succeeded, _)) => "succeeded".to_owned(),
        Some((DeploymentOutcome::Failed { reason }, _)) => format!("failed: {}", reason.show()),
        Some((DeploymentOutcome::RolledBack { reason, at_percent }, _)) => {
            format!("rolled back at {at_percent} %: {reason}")
        }
    }
}

fn replicas_wanted(world: &World) -> Vec<(DeploymentId, u32)> {
    let wanted = |order: Order| match order {
        Order::KeepReplicas(wanted) => Some(wanted),
        _ => None,
    };
    let wanted = world.orders().into_iter().find_map(wanted).expect("always said");
    wanted.into_iter().map(|replica| (replica.deployment, replica.replica)).collect()
}

fn carries(world: &World) -> bool {
    world.orders().iter().any(|order| matches!(order, Order::CarryTraffic(_)))
}

fn drains(world: &World) -> Vec<DeploymentId> {
    let drained = |order: Order| match order {
        Order::DrainArm(_, id) => Some(id),
        _ => None,
    };
    world.orders().into_iter().filter_map(drained).collect()
}

#[test]
fn a_step_lasts_its_least_time_however_good_it_looks() {
    let (mut world, _, id) = canary(RULES);
    world.count(id, (60, 0), (600, 0));
    world.pass(MINUTE - 1);
    assert_eq!(world.deployment(id).percent, 5);
    world.pass(1);
    assert_eq!(world.deployment(id).percent, 25);
}

/// A share is not judged before it is carried: its time begins when the gateway says so.
#[test]
fn the_time_of_a_step_begins_when_the_gateway_carries_it() {
    let (mut world, _, id) = canary(RULES);
    world.count(id, (60, 0), (600, 0));
    world.pass(MINUTE);
    assert_eq!(world.deployment(id).step_since, None, "25 % are wanted and not carried yet");
    world.pass(MINUTE);
    world.carry();
    assert_eq!(world.deployment(id).step_since, Some(world.now));
    world.count(id, (60, 0), (600, 0));
    world.pass(MINUTE - 1);
    assert_eq!(world.deployment(id).percent, 25);
    world.pass(1);
    assert_eq!(world.deployment(id).percent, 50);
}

#[test]
fn a_gateway_that_does_not_carry_its_share_is_not_waited_for_for_ever() {
    let (mut world, _, id) = canary(RULES);
    world.count(id, (60, 0), (600, 0));
    world.pass(MINUTE);
    assert_eq!(world.deployment(id).percent, 25);
    world.pass(TRAFFIC_STALL_MS - 1);
    assert_eq!(ended(&world, id), "it goes on");
    world.pass(1);
    let expected = "rolled back at 25 %: the gateway did not carry its share of 25 % for 10 min";
    assert_eq!(ended(&world, id), expected);
}

/// A step that is to last an hour is given up after two without a judgement, not after ten minutes.
#[test]
fn a_long_step_is_waited_for_twice_its_time() {
    let rules = RULES.replace("step_for = \"1m\"", "step_for = \"1h\"");
    let (mut world, _, id) = canary(&rules);
    world.pass(2 * HOUR - 1);
    assert_eq!(ended(&world, id), "it goes on");
    world.pass(1);
    assert!(ended(&world, id).contains("could not be judged at 5 % for 2 h"));
}

/// What became of the job that asked for it decides until all traffic is moved, and no longer.
#[test]
fn a_rollout_whose_job_failed_goes_back_unless_it_is_done() {
    let (mut world, attempt, id) = requested(RULES);
    world.end(&attempt, Outcome::Failure);
    let expected = "failed: job deploy of run 92 ended with failure before it did";
    assert!(ended(&world, id).starts_with("failed: job deploy of run "), "{expected}");
    assert!(ended(&world, id).ends_with("ended with failure before it did"));

    let (mut world, attempt, id) = canary(RULES);
    world.end(&attempt, Outcome::Failure);
    assert!(ended(&world, id).starts_with("rolled back at 5 %: job deploy of run "));
    let deployment = world.deployment(id);
    assert_eq!(deployment.percent, 0);
    assert_eq!(deployment.history.last(), Some(&(world.now, 0)), "it carries nothing any more");
    assert_eq!(world.serves("production"), [("r1".to_owned(), 100)]);

    let (mut world, attempt, id) = canary(RULES);
    for _ in 0..3 {
        world.carry();
        world.count(id, (60, 0), (600, 0));
        world.pass(MINUTE);
    }
    assert_eq!(world.deployment(id).percent, 100);
    world.end(&attempt, Outcome::Failure);
    world.carry();
    assert_eq!(ended(&world, id), "succeeded");
    assert_eq!(world.deployment(id).percent, 100);
}

/// Orders say what is missing: an address, then replicas, then traffic, and nothing once it is there.
#[test]
fn the_gateway_is_asked_only_for_what_it_does_not_carry() {
    let mut world = World::new(RULES);
    world.staged("c1", "r1");
    assert!(!carries(&world), "staging is as it should be");
    let attempt = world.released();
    world.deploy(&attempt, "production", "r1").expect("its gates are open");
    let asked = |world: &World| {
        world.orders().iter().any(|order| matches!(order, Order::AssignAddress(..)))
    };
    assert!(asked(&world));
    assert!(!carries(&world), "without an address there is nothing to carry it at");
    world.carry();
    assert!(!asked(&world) && !carries(&world));
}

/// Replicas of what serves and of what comes are kept; what has been left is drained first.
#[test]
fn replicas_are_kept_until_nothing_of_theirs_is_in_flight() {
    let (mut world, _, new) = canary(RULES);
    let old = world.deployment(new).previous.expect("r1 serves");
    let both = |world: &World| {
        let of = |id| replicas_wanted(world).iter().filter(|(kept, _)| *kept == id).count();
        (of(old), of(new))
    };
    assert_eq!(both(&world), (2, 2));
    assert!(drains(&world).is_empty());
    world.count(new, (60, 30), (600, 0));
    assert!(ended(&world, new).starts_with("rolled back"));
    assert!(drains(&world).is_empty(), "the gateway still sends requests there");
    let generation = world.project().places[&stock_in("production")].generation;
    world.tell(Command::TrafficApplied { place: stock_in("production"), generation });
    assert_eq!(drains(&world), [new]);
    assert_eq!(both(&world), (2, 2), "what is in flight there is waited for");
    assert_eq!(world.tell(Command::ArmDrained { deployment: new }).len(), 1);
    assert!(drains(&world).is_empty());
    assert_eq!(both(&world), (2, 0));
    assert!(world.tell(Command::ArmDrained { deployment: new }).is_empty(), "once is enough");
    assert!(world.tell(Command::ArmDrained { deployment: old }).is_empty(), "it serves");
}

/// A window in which only the old release was asked counts for it; an empty one for nobody.
#[test]
fn windows_of_either_release_count() {
    let (mut world, _, id) = canary(RULES);
    assert_eq!(world.count(id, (0, 0), (10, 1)).len(), 1);
    assert_eq!((world.deployment(id).new.requests, world.deployment(id).old.requests), (0, 10));
    assert_eq!(world.count(id, (7, 0), (0, 0)).len(), 1);
    assert!(world.count(id, (0, 0), (0, 0)).is_empty());
    assert_eq!((world.deployment(id).new.requests, world.deployment(id).old.requests), (7, 10));
}

/// With all traffic there is nothing left to compare with, before it has any there is nothing to judge.
#[test]
fn only_a_part_of_the_traffic_is_judged() {
    let (mut world, _, id) = requested(RULES);
    assert!(world.count(id, (60, 60), (600, 0)).is_empty());
    world.carry();
    for _ in 0..3 {
        world.count(id, (60, 0), (600, 0));
        world.pass(MINUTE);
        if world.deployment(id).percent < 100 {
            world.carry();
        }
    }
    assert!(world.count(id, (60, 60), (600, 0)).is_empty());
    world.pass(SECOND);
    world.carry();
    assert_eq!(ended(&world, id), "succeeded");
}

/// Only services of one release, asked for together and for one environment, go and fail together.
#[test]
fn deployments_side_by_side_are_no_companions() {
    let text = "# w.yml
on: push
jobs:
  build: { runs-on: x, steps: [{ run: x }] }
  east: { needs: build, runs-on: x, environment: staging, steps: [{ run: x }] }
  west: { needs: build, runs-on: x, environment: development, steps: [{ run: x }] }
";
    let mut world = World::new(&RULES.replace("branches = [\"develop\"]", ""));
    let run = world.push("dev", "main", "c1", "dev", &[text])[0];
    let build = world.start(run, "build");
    world.build(&build, "r1");
    world.end(&build, Outcome::Success);
    let (east, west) = (world.start(run, "east"), world.start(run, "west"));
    let one = world.deploy(&east, "staging", "r1").expect("it is open");
    let other = world.deploy(&west, "development", "r1").expect("it is open");
    assert_eq!(other.0, one.0 + 1, "one right after the other, at the same moment");
    world.tell(Command::ReplicaFailed { deployment: one, replica: 0, report: "gone".to_owned() });
    assert_eq!(ended(&world, one), "failed: gone");
    assert_eq!(ended(&world, other), "it goes on");
    let companions = |id| {
        let of = world.deployment(id);
        qnt9_engine::rollout::companions(world.project(), of).count()
    };
    assert_eq!((companions(one), companions(other)), (0, 0));
}

/// Production takes releases by blue-green, with what else its environment and its service have.
fn blue_green(rollout: &str, service: &str) -> (World, DeploymentId) {
    let canary =
        "{ strategy = \"canary\", steps = [5, 25, 50, 100], step_for = \"1m\", min_requests = 50 }";
    let rules = RULES.replace(canary, &format!("{{ strategy = \"blue-green\"{rollout} }}"));
    let rules = rules.replace("replicas = 2\n", &format!("replicas = 2\n{service}"));
    let (world, _, id) = requested(&rules);
    (world, id)
}

fn ready(world: &mut World, deployment: DeploymentId, replica: u32) {
    let address = format!("127.0.0.1:{}", 9_100 + replica);
    world.tell(Command::ReplicaReady { deployment, replica, address });
}

/// A person is asked to promote it from when nothing else is missing until they do.
#[test]
fn a_release_awaits_its_promotion_when_nothing_else_is_missing() {
    use qnt9_engine::rollout::{awaits_promotion, must_be_tried, tried_at};
    let (mut world, id) = blue_green(", promote = \"manual\"", "smoke = [\"/ready\"]\n");
    let stands = |world: &World| {
        let of = world.deployment(id);
        (must_be_tried(of), awaits_promotion(of))
    };
    assert_eq!(stands(&world), (false, false), "its replicas are not up");
    ready(&mut world, id, 0);
    assert_eq!(stands(&world), (false, false), "one of them is not up");
    ready(&mut world, id, 1);
    assert_eq!(stands(&world), (true, false), "it has not been tried");
    assert_eq!(tried_at(world.project(), world.deployment(id)), None, "its preview is not carried");
    world.carry();
    let place = &world.project().places[&stock_in("production")];
    let preview = place.preview.clone().expect("the gateway gave it one");
    let at = tried_at(world.project(), world.deployment(id)).map(str::to_owned);
    assert_eq!(at.as_ref(), Some(&preview));
    world.tell(Command::SmokeTested { deployment: id, passed: true, report: String::new() });
    assert_eq!(stands(&world), (false, true));
    let lost = Command::ReplicaLost { deployment: id, replica: 1, reason: "gone".to_owned() };
    world.tell(lost);
    assert_eq!(stands(&world), (false, false), "a replica is missing again");
    ready(&mut world, id, 1);
    let promote = Command::Promote { environment: "production".into() };
    world.by("alice", promote).expect("it is ready");
    assert_eq!(stands(&world), (false, false), "she did");
    world.carry();
    assert_eq!(ended(&world, id), "succeeded");
    assert_eq!(stands(&world), (false, false));

    // Without a preview it is tried at its first replica.
    let smoke = RULES.replace("replicas = 2\n", "replicas = 2\nsmoke = [\"/ready\"]\n");
    let (mut world, _, id) = requested(&smoke);
    ready(&mut world, id, 0);
    ready(&mut world, id, 1);
    assert_eq!(tried_at(world.project(), world.deployment(id)), Some("127.0.0.1:9100"));
    assert!(!awaits_promotion(world.deployment(id)), "nobody promotes a canary by hand");
}

/// Whoever is given up is told what was missing.
#[test]
fn a_release_that_is_given_up_says_what_was_missing() {
    use qnt9_model::limits::{PROMOTE_MS, REPLICAS_START_MS, SMOKE_MS};
    let smoke = "smoke = [\"/ready\"]\n";
    let by_hand = ", promote = \"manual\"";
    let both = |world: &mut World, id| (0..2).for_each(|replica| ready(world, id, replica));

    let (mut world, id) = blue_green("", smoke);
    ready(&mut world, id, 0);
    let patience = world.deployment(id).health_timeout_ms;
    world.pass(patience + REPLICAS_START_MS);
    assert_eq!(ended(&world, id), "failed: 1 of 2 replicas became healthy in 90 s");

    let (mut world, id) = blue_green(by_hand, smoke);
    both(&mut world, id);
    let reason = "gone".to_owned();
    world.tell(Command::ReplicaLost { deployment: id, replica: 1, reason });
    world.pass(patience + SMOKE_MS + PROMOTE_MS);
    let expected = "failed: 1 of 2 replicas are healthy, 1 d 5 min after it was asked for";
    assert_eq!(ended(&world, id), expected);

    let (mut world, id) = blue_green(by_hand, smoke);
    both(&mut world, id);
    world.pass(patience + SMOKE_MS + PROMOTE_MS);
    assert!(ended(&world, id).starts_with("failed: its smoke tests had not ended 1 d 5 min"));

    let (mut world, id) = blue_green(by_hand, smoke);
    both(&mut world, id);
    world.tell(Command::SmokeTested { deployment: id, passed: true, report: String::new() });
    world.pass(patience + SMOKE_MS + PROMOTE_MS);
    assert_eq!(ended(&world, id), "failed: nobody promoted it within 1 d 5 min");
}
