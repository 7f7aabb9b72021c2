//! Rolling deployments, exchange by exchange.

use qnt9_model::fact::Outcome::Success;
use qnt9_model::limits::REPLICAS_START_MS;
use qnt9_model::{Command, DeploymentId, Fact, Order};

use crate::world::{HOUR, RULES, World};

/// Staging serves r1, and r2 is to take its place, so many replicas at a time.
fn rolling(replicas: u32, surge: u32, unavailable: u32) -> (World, DeploymentId) {
    let rollout = format!(
        "[environment.staging]\nreplicas = {replicas}\nrollout = {{ strategy = \"rolling\", \
         max_surge = {surge}, max_unavailable = {unavailable} }}\n"
    );
    let mut world = World::new(&RULES.replace("[environment.staging]\n", &rollout));
    world.staged("c1", "r1");
    let run = world.push("dev", "main", "c2", "dev", &[crate::world::STAGING])[0];
    for suite in ["test.1", "test.2"] {
        world.work(run, suite, Success);
    }
    let attempt = world.start(run, "release");
    world.build(&attempt, "r2");
    world.end(&attempt, Success);
    let attempt = world.start(run, "deploy");
    let id = world.deploy(&attempt, "staging", "r2").expect("staging is open");
    (world, id)
}

/// Carries out everything, also that replicas which are to go have gone.
fn carry(world: &mut World, id: DeploymentId) {
    while world.deployment(id).outcome.is_none() {
        let before = world.log.len();
        for order in world.orders() {
            world.carry_out(&order);
            if let Order::DrainReplica(_, deployment, replica) = order {
                world.tell(Command::ReplicaDrained { deployment, replica });
            }
        }
        if world.log.len() == before {
            return;
        }
    }
}

/// Each exchange: how many of the new release, how many of the old one; and each share of the traffic.
fn course(world: &World, from: usize) -> String {
    let lines = world.log[from..].iter().filter_map(|entry| match &entry.fact {
        Fact::ReplicasShifted { own, former, .. } => Some(format!("{own}+{former}")),
        Fact::WeightChanged { percent, .. } => Some(format!("{percent}%")),
        _ => None,
    });
    lines.collect::<Vec<_>>().join(" ")
}

/// The share of the traffic is that of the replicas, and neither too many nor too few are there.
#[test]
fn the_traffic_follows_the_replicas() {
    for (replicas, surge, unavailable, expected) in [
        (4, 1, 0, "20% 1+3 25% 2+3 40% 2+2 50% 3+2 60% 3+1 75% 4+1 100%"),
        (5, 2, 1, "28% 2+2 50% 5+2 100%"),
        (3, 1, 3, "25% 1+1 50% 3+1 100%"),
        (2, 3, 0, "100%"),
        (1, 1, 0, "100%"),
    ] {
        let (mut world, id) = rolling(replicas, surge, unavailable);
        let from = world.log.len();
        carry(&mut world, id);
        let rule = format!("{replicas} replicas, {surge} more, {unavailable} less");
        assert_eq!(course(&world, from), expected, "{rule}");
        assert!(world.deployment(id).outcome.is_some(), "{rule}");
    }
}

/// A replica that never comes up is waited for as long as its service may take to start.
#[test]
fn a_replica_that_does_not_come_is_given_up() {
    let (mut world, id) = rolling(2, 1, 0);
    for order in world.orders() {
        world.carry_out(&order);
    }
    for order in world.orders() {
        if matches!(order, Order::CarryTraffic(_)) {
            world.carry_out(&order);
        }
    }
    let patience = world.deployment(id).health_timeout_ms + REPLICAS_START_MS;
    assert!(world.deployment(id).shift.is_some());
    world.pass(patience - 1);
    assert!(world.deployment(id).outcome.is_none());
    world.pass(HOUR);
    assert!(world.deployment(id).outcome.is_some());
}
