//! What is said of a deployment beside its shares of the traffic, from its first replica to its watch.

use qnt9_engine::explain::Explain;
use qnt9_model::fact::Counts;
use qnt9_model::fact::Outcome::Success;
use qnt9_model::limits::{REPLICAS_START_MS, SMOKE_MS};
use qnt9_model::why::{Holds, Why};
use qnt9_model::{Command, DeploymentId};

use crate::world::{HOUR, MINUTE, World, digest};

const DEPLOY: &str = "# deploy.yml
on: workflow_dispatch
jobs:
  deploy: { runs-on: x, environment: production, steps: [{ run: x }] }
";

/// Production with this environment and this service, beside another one that may start in half an hour.
fn world(environment: &str, service: &str) -> World {
    let mut world = World::new(&format!(
        "[project]\nname = \"shop\"\n\
         [service.stock]\ncommand = [\"bin/stock\"]\nreplicas = 2\n{service}\n\
         [service.auth]\ncommand = [\"bin/auth\"]\nhealth_timeout = \"30m\"\n\
         [environment.production]\n{environment}\n"
    ));
    world.push("dev", "main", "c0", "dev", &[]);
    world
}

/// Asks for a release, and for one of these other services of it, too.
fn ask(world: &mut World, release: &str, further: &[&str]) -> DeploymentId {
    let run = world.dispatch("dev", "main", DEPLOY, &[]).expect("may dispatch");
    let attempt = world.start(run, "deploy");
    let command = Command::BuildRelease {
        call: world.call(&attempt),
        release: digest(release),
        service: "stock".to_owned(),
        configuration: Vec::new(),
        bytes: 1,
        further: further.iter().map(|name| (*name).to_owned()).collect(),
    };
    world.in_step(&attempt, command).expect("a job may build");
    world.deploy(&attempt, "production", release).expect("it is open")
}

fn bring(world: &mut World, release: &str) -> DeploymentId {
    let id = ask(world, release, &[]);
    world.carry();
    let call = world.deployment(id).call.clone().expect("a step asked");
    world.end(&call.attempt, Success);
    id
}

fn ready(world: &mut World, deployment: DeploymentId, replica: u32) {
    let address = format!("127.0.0.1:{}", 9_100 + replica);
    world.tell(Command::ReplicaReady { deployment, replica, address });
}

/// The part of its tree whose rule has this word: whether it holds, and what is said of it.
fn part(world: &World, id: DeploymentId, word: &str) -> Option<(Holds, String)> {
    let (platform, project) = (&world.state.platform, world.project());
    let why = Explain { platform, project, now: world.now }.deployment(world.deployment(id)).why;
    let found = why.of.iter().find(|part| part.rule.contains(word));
    found.map(|part: &Why| (part.holds, part.evidence.clone().unwrap_or_default()))
}

fn said(holds: Holds, evidence: &str) -> Option<(Holds, String)> {
    Some((holds, evidence.to_owned()))
}

#[test]
fn smoke_tests_show_how_they_stand() {
    let tests = "smoke = [\"/ready\", \"/health\"]";
    let new = || {
        let mut world = world("", tests);
        let id = ask(&mut world, "r1", &[]);
        (world, id)
    };
    let word = "its 2 smoke tests pass";
    let (mut world, id) = new();
    assert_eq!(part(&world, id, word), said(Holds::NotYet, "not run yet"));
    ready(&mut world, id, 0);
    ready(&mut world, id, 1);
    let tested = |passed, report: &str| Command::SmokeTested {
        deployment: id,
        passed,
        report: report.to_owned(),
    };
    world.tell(tested(true, "2 of 2"));
    assert_eq!(part(&world, id, word), said(Holds::Yes, ""));
    let (mut world, id) = new();
    ready(&mut world, id, 0);
    ready(&mut world, id, 1);
    world.tell(tested(false, "GET /ready: 503"));
    assert_eq!(part(&world, id, word), said(Holds::No, "GET /ready: 503"));
    let (mut world, id) = new();
    world.pass(HOUR);
    assert_eq!(part(&world, id, word), said(Holds::No, "not reached"));
    let mut plain = self::world("", "");
    let id = ask(&mut plain, "r1", &[]);
    assert_eq!(part(&plain, id, "smoke"), None, "there is nothing to try");
}

#[test]
fn a_promotion_by_hand_says_who_and_how() {
    let by_hand = "rollout = { strategy = \"blue-green\", promote = \"manual\", keep = \"10m\" }";
    let word = "a person promotes it";
    let mut world = world(by_hand, "");
    let first = bring(&mut world, "r1");
    assert_eq!(part(&world, first, word), None, "there was nothing to compare it with");
    let second = ask(&mut world, "r2", &[]);
    let how = "qnt9 promote production";
    assert_eq!(part(&world, second, word), said(Holds::NotYet, how));
    world.carry();
    let (holds, evidence) = part(&world, second, word).expect("it waits");
    assert_eq!(holds, Holds::NotYet);
    assert!(evidence.starts_with("it waits at http://") && evidence.ends_with(how), "{evidence}");
    world.by("alice", Command::Promote { environment: "production".into() }).expect("it is ready");
    world.carry();
    assert_eq!(part(&world, second, word), said(Holds::Yes, "alice"));

    // What it replaced is kept, and it is said for how long.
    world.pass(4 * MINUTE);
    let kept = "r100\u{2026}00 is kept to go back to at once";
    assert_eq!(part(&world, second, kept), said(Holds::Yes, "for 6 min yet"));
    assert_eq!(part(&world, first, "is kept"), None, "it serves no more");
    world.pass(6 * MINUTE);
    assert_eq!(part(&world, second, "is kept"), None);

    let call = world.deployment(second).call.clone().expect("a step asked");
    world.end(&call.attempt, Success);
    let third = ask(&mut world, "r3", &[]);
    world.carry();
    world.pass(25 * HOUR);
    assert_eq!(part(&world, third, word), said(Holds::No, "nobody did"));
}

#[test]
fn an_exchange_of_replicas_shows_how_far_it_is() {
    let rolling = "rollout = { strategy = \"rolling\" }";
    let word = "2 replicas take the place of the old ones";
    let mut world = world(rolling, "");
    bring(&mut world, "r1");
    let id = ask(&mut world, "r2", &[]);
    let begun = "0 of 1 are healthy, 2 old ones stay";
    assert_eq!(part(&world, id, word), said(Holds::NotYet, begun));
    world.pass(HOUR);
    assert_eq!(part(&world, id, word), said(Holds::No, begun));
    let call = world.deployment(id).call.clone().expect("a step asked");
    world.end(&call.attempt, Success);
    let id = bring(&mut world, "r3");
    let (holds, _) = part(&world, id, word).expect("it was exchanged");
    assert_eq!(holds, Holds::Yes);
}

#[test]
fn a_watch_says_what_it_allows_and_what_it_saw() {
    let watched =
        "watch = { for = \"15m\", max_error_rate = \"2.5%\", p99 = \"500ms\", min_requests = 10 }";
    let word = "watched for 15 min: at most 2.5 % fail, P99 up to 500 ms";
    let seen = |requests, bad| {
        let mut world = world(watched, "");
        let id = bring(&mut world, "r1");
        let none = "no request was counted yet; 15 min to go";
        assert_eq!(part(&world, id, word), said(Holds::NotYet, none));
        let until = world.now.plus(15 * MINUTE);
        let due = qnt9_engine::deadline(&world.state, world.now);
        assert_eq!(due, Some(until), "the machine wakes for its end");
        world.pass(MINUTE);
        let counts = Counts { requests, bad };
        world.tell(Command::WatchWindow { deployment: id, window: 1, counts, slow: 0 });
        let during = part(&world, id, word).expect("it is watched");
        world.pass(14 * MINUTE);
        (during, part(&world, id, word).expect("it was watched").0)
    };
    let figures = "0 of 100 failed (0.0 %), 0 took longer than 500 ms; 14 min to go".to_owned();
    assert_eq!(seen(100, 0), ((Holds::NotYet, figures), Holds::Yes));
    assert_eq!(seen(5, 0).1, Holds::Barred, "too few to say");
    let ((during, _), after) = seen(100, 50);
    assert_eq!((during, after), (Holds::No, Holds::No), "it is over at once");
}

/// The services of one release fail together, whether they have traffic or not.
#[test]
fn when_one_service_does_not_come_up_none_of_its_release_does() {
    let mut world = world("", "");
    let stock = ask(&mut world, "r1", &["auth"]);
    let auth = DeploymentId(stock.0 + 1);
    world.tell(Command::ReplicaFailed {
        deployment: auth,
        replica: 0,
        report: "no such file".to_owned(),
    });
    let outcome = format!("{:?}", world.deployment(stock).outcome.as_ref().expect("given up").0);
    assert!(outcome.starts_with("Failed"), "it never had traffic: {outcome}");
    assert!(outcome.contains("auth of the same release did not go on"), "{outcome}");
}

/// Who was ready in time says that it was the others who were not.
#[test]
fn who_waits_for_the_other_services_in_vain_says_so() {
    let mut world = world("", "");
    let stock = ask(&mut world, "r1", &["auth"]);
    ready(&mut world, stock, 0);
    ready(&mut world, stock, 1);
    let patience = world.deployment(stock).health_timeout_ms + SMOKE_MS;
    world.pass(patience.max(REPLICAS_START_MS));
    let outcome = format!("{:?}", world.deployment(stock).outcome.as_ref().expect("given up").0);
    let expected = "the other services of its release were not there after 5 min";
    assert!(outcome.contains(expected), "{outcome}");
}
