//! What differs between two releases.

use qnt9_engine::compare::{ChangedDigest, Difference, compare};
use qnt9_model::fact::Outcome::Success;
use qnt9_model::plan::{PlanAction, PlanLine, PlanSummary};
use qnt9_model::{AttemptId, Command};

use crate::world::{MINUTE, PRODUCTION, World, digest};

fn line(address: &str) -> PlanLine {
    let attributes = Vec::new();
    PlanLine { address: address.to_owned(), action: PlanAction::Update, attributes }
}

fn plan(world: &mut World, attempt: &AttemptId, hash: &str, addresses: &[&str]) {
    let lines = addresses.iter().map(|address| line(address)).collect();
    let command = Command::RecordPlan {
        call: world.call(attempt),
        environment: "production".into(),
        hash: hash.to_owned(),
        summary: PlanSummary { lines, ..PlanSummary::default() },
    };
    world.in_step(attempt, command).expect("a job may record a plan");
}

/// Brings a staged release to production on a plan of these lines, approved by alice and bob.
fn produced(world: &mut World, release: &str, hash: &str, addresses: &[&str]) {
    let run = world.dispatch("dev", "main", PRODUCTION, &[]).expect("may dispatch");
    let attempt = world.start(run, "plan");
    plan(world, &attempt, hash, addresses);
    world.end(&attempt, Success);
    world.approve("alice", run).expect("may approve");
    world.approve("bob", run).expect("may approve");
    world.pass(10 * MINUTE);
    let attempt = world.start(run, "deploy");
    let id = world.deploy(&attempt, "production", release).expect("its gates are open");
    world.carry();
    while world.deployment(id).outcome.is_none() {
        world.count(id, (60, 0), (600, 0));
        world.pass(MINUTE);
        world.carry();
    }
    world.end(&attempt, Success);
    world.work_through(run);
}

/// r1 and r2 went to production one after the other; r3 is only in staging.
fn three() -> World {
    let mut world = World::new(crate::world::RULES);
    world.staged("c1", "r1");
    produced(&mut world, "r1", "plan-1", &["queue", "database"]);
    world.staged("c2", "r2");
    produced(&mut world, "r2", "plan-2", &["database", "cache"]);
    world.staged("c3", "r3");
    world
}

fn difference<'a>(world: &'a World, from: &str, to: &str) -> Difference<'a> {
    let project = world.project();
    compare(project, &project.releases[&digest(from)], &project.releases[&digest(to)])
}

#[test]
fn commits_that_one_has_and_the_other_has_not() {
    let world = three();
    let names = |commits: &[&qnt9_model::fact::Commit]| -> Vec<String> {
        let mut names: Vec<_> = commits.iter().map(|commit| commit.sha.0[..2].to_owned()).collect();
        names.sort();
        names
    };
    let forward = difference(&world, "r1", "r3");
    assert_eq!(names(&forward.added), ["c2", "c3"]);
    assert!(forward.missing.is_empty());
    let back = difference(&world, "r3", "r1");
    assert_eq!(names(&back.missing), ["c2", "c3"]);
    assert!(back.added.is_empty());
    assert!(difference(&world, "r2", "r2").added.is_empty());
}

/// Evidence about a release is its own or its commit's; deployments are its own, the newest of each
/// environment, with the approvals and the plan of the job that asked for them.
#[test]
fn each_side_shows_its_own_past() {
    let world = three();
    let both = difference(&world, "r1", "r2");
    for (side, sha, hash) in [(&both.from, "c1", "plan-1"), (&both.to, "c2", "plan-2")] {
        let kinds: Vec<&str> = side.evidence.iter().map(|known| known.kind.as_str()).collect();
        assert_eq!(kinds, ["tests", "load-test"], "{sha}");
        assert!(side.evidence.iter().all(|known| known.commit.0.starts_with(sha)));
        let of = |place: &str| {
            let mut there = side.deployments.iter();
            let deployed = there.find(|one| one.deployment.place.environment.as_str() == place);
            deployed.expect("it went there")
        };
        assert_eq!(side.deployments.len(), 2);
        assert!(side.deployments.iter().all(|one| one.deployment.release == side.release.digest));
        let people: Vec<&str> =
            of("production").approvals.iter().map(|given| given.person.as_str()).collect();
        assert_eq!(people, ["alice", "bob"]);
        assert_eq!(of("production").plan.map(|plan| plan.hash.as_str()), Some(hash));
        assert!(of("staging").approvals.is_empty() && of("staging").plan.is_none());
    }
    // Of a place that it served twice, the newer time counts.
    let mut world = three();
    let back = Command::Rollback { environment: "production".into(), to: digest("r1") };
    world.by("alice", back).expect("it served there");
    world.carry();
    let newest = *world.project().deployments.keys().next_back().expect("the rollback");
    let side = difference(&world, "r1", "r2").from;
    assert_eq!(side.deployments.len(), 2);
    assert_eq!(side.deployments[0].deployment.id, newest);
}

/// Only what differs is listed: by name, sorted, with what each side has.
#[test]
fn configuration_that_differs() {
    let world = three();
    let project = world.project();
    let with = |name: &str, configuration: &[(&str, &str)]| {
        let mut release = project.releases[&digest(name)].clone();
        let owned = |(name, digest): &(&str, &str)| ((*name).to_owned(), (*digest).to_owned());
        release.configuration = configuration.iter().map(owned).collect();
        release
    };
    let from = with("r1", &[("settings", "s1"), ("chart", "c1"), ("old", "o1")]);
    let to = with("r2", &[("chart", "c2"), ("settings", "s1"), ("new", "n1")]);
    let changed = |name: &str, from: Option<&str>, to: Option<&str>| ChangedDigest {
        name: name.to_owned(),
        from: from.map(str::to_owned),
        to: to.map(str::to_owned),
    };
    let expected = [
        changed("chart", Some("c1"), Some("c2")),
        changed("new", None, Some("n1")),
        changed("old", Some("o1"), None),
    ];
    assert_eq!(compare(project, &from, &to).configuration, expected);
    assert_eq!(compare(project, &from, &from).configuration, []);
}

#[test]
fn plans_differ_by_their_lines() {
    let world = three();
    let both = difference(&world, "r1", "r2");
    let [plan] = &both.plans[..] else { panic!("production alone has plans") };
    assert_eq!(plan.environment.as_str(), "production");
    let hash = |plan: Option<&qnt9_engine::state::Plan>| plan.map(|plan| plan.hash.clone());
    assert_eq!(hash(plan.from).as_deref(), Some("plan-1"));
    assert_eq!(hash(plan.to).as_deref(), Some("plan-2"));
    assert_eq!(plan.only_from, [&line("queue")]);
    assert_eq!(plan.only_to, [&line("cache")]);

    // r3 has no plan for production: all lines are r2's alone.
    let one = difference(&world, "r2", "r3");
    let [plan] = &one.plans[..] else { panic!("one of them has a plan") };
    assert_eq!((hash(plan.from).as_deref(), hash(plan.to)), (Some("plan-2"), None));
    assert_eq!(plan.only_from, [&line("database"), &line("cache")]);
    assert!(plan.only_to.is_empty());
}
