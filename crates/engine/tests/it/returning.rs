//! Going back: what people are told of it before they approve, and what is at hand for it.

use qnt9_engine::rollback::RollbackPlan;
use qnt9_model::{AttemptId, Command, DeploymentId};

use crate::world::{MINUTE, World, digest, stock_in};

const DEPLOY: &str = "# deploy.yml
on: workflow_dispatch
jobs:
  deploy: { runs-on: x, environment: production, steps: [{ run: x }] }
";

fn world(rollout: &str) -> World {
    let mut world = World::new(&format!(
        "[project]\nname = \"shop\"\n[service.stock]\ncommand = [\"bin/stock\"]\n\
         [environment.production]\nrollout = {rollout}\n"
    ));
    world.push("dev", "main", "c0", "dev", &[]);
    world
}

fn attempt(world: &mut World) -> AttemptId {
    let run = world.dispatch("dev", "main", DEPLOY, &[]).expect("may dispatch");
    world.start(run, "deploy")
}

fn build(world: &mut World, attempt: &AttemptId, release: &str, parts: &[(&str, &str)]) {
    let owned = |(name, digest): &(&str, &str)| ((*name).to_owned(), (*digest).to_owned());
    let command = Command::BuildRelease {
        call: world.call(attempt),
        release: digest(release),
        service: "stock".to_owned(),
        configuration: parts.iter().map(owned).collect(),
        bytes: 1,
        further: Vec::new(),
    };
    world.in_step(attempt, command).expect("a job may build");
}

/// Builds a release of these parts and brings it to production.
fn bring(world: &mut World, release: &str, parts: &[(&str, &str)]) -> DeploymentId {
    let attempt = attempt(world);
    build(world, &attempt, release, parts);
    let id = world.deploy(&attempt, "production", release).expect("it is open");
    world.carry();
    world.end(&attempt, qnt9_model::fact::Outcome::Success);
    id
}

fn plan(world: &World, id: DeploymentId) -> Vec<String> {
    RollbackPlan::of_deployment(world.project(), world.deployment(id)).lines()
}

/// A database does not go back with the program: folders of migrations that differ are named.
#[test]
fn migrations_that_differ_are_not_undone() {
    let mut world = world("{ strategy = \"all-at-once\" }");
    let old = [("db/migrations/", "m1"), ("auth/migrations", "a1"), ("settings", "s1")];
    let first = bring(&mut world, "r1", &old);
    assert_eq!(plan(&world, first), ["nothing serves there yet: there is nothing to go back to"]);
    let new = [("db/migrations/", "m2"), ("auth/migrations", "a1"), ("settings", "s2")];
    let second = bring(&mut world, "r2", &new);
    let expected = [
        "back to r100…00 of c000000: qnt9 rollback production",
        "1 replica starts, and all traffic moves at once when they are healthy",
        "not undone: the database migrations in db/migrations/, which differ",
    ];
    assert_eq!(plan(&world, second), expected);
    // The digest of one folder under the name of another is no sign that nothing changed.
    let moved = [("db/migrations/", "a1"), ("auth/migrations", "m2"), ("x/migrations", "x1")];
    let third = bring(&mut world, "r3", &moved);
    let not_undone = plan(&world, third).iter().filter(|line| line.starts_with("not")).count();
    assert_eq!(not_undone, 3);
}

/// Replicas that are kept make the way back one of an instant, for as long as they are.
#[test]
fn kept_replicas_are_named_when_there_are_some() {
    for (rollout, kept) in [
        ("{ strategy = \"blue-green\", keep = \"10m\" }", true),
        ("{ strategy = \"blue-green\", keep = \"0s\" }", false),
        ("{ strategy = \"canary\" }", false),
    ] {
        let mut world = world(rollout);
        let first = bring(&mut world, "r1", &[]);
        let attempt = attempt(&mut world);
        build(&mut world, &attempt, "r2", &[]);
        let id = world.deploy(&attempt, "production", "r2").expect("it is open");
        assert_eq!(world.deployment(id).previous, Some(first));
        let line = "within 10 min of the promotion at once: its replicas are kept";
        let said = plan(&world, id);
        let within: Vec<&String> = said.iter().filter(|said| said.starts_with("within")).collect();
        assert_eq!(within, if kept { vec![line] } else { Vec::new() }, "{rollout}");
    }
}

/// Kept replicas are those of one release: going back to another one starts its own.
#[test]
fn only_the_release_that_is_kept_is_taken_over() {
    let went_back = |to: &str| {
        let mut world = world("{ strategy = \"blue-green\", keep = \"10m\" }");
        let ids = ["r1", "r2", "r3"].map(|release| bring(&mut world, release, &[]));
        let warm = world.project().places[&stock_in("production")].warm;
        assert_eq!(warm, Some((ids[1], world.now.plus(10 * MINUTE))), "r2 is kept");
        let due = qnt9_engine::deadline(&world.state, world.now);
        assert_eq!(due, warm.map(|(_, until)| until), "the machine wakes for its end");
        let back = Command::Rollback { environment: "production".into(), to: digest(to) };
        world.by("alice", back).expect("it served there");
        let id = *world.project().deployments.keys().next_back().expect("the rollback");
        (world.deployment(id).terms.takes_over, ids[1])
    };
    let (taken, kept) = went_back("r2");
    assert_eq!(taken, Some(kept));
    assert_eq!(went_back("r1").0, None);
}
