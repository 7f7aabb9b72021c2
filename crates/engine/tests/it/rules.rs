//! Rules of an environment at their borders: whose word counts for what, and which rule says so.

use qnt9_model::fact::Outcome::Success;
use qnt9_model::{Actor, Ask, Command, Person, Role, RunId, StreamId};

use crate::world::{HOUR, MINUTE, RULES, World};

const TWO: &str = "[project]
name = \"shop\"
[environment.east]
approvals = { needed = 1, from = [\"alice\", \"bob\"] }
[environment.west]
approvals = { needed = 1, from = [\"alice\", \"bob\"] }
wait = \"10m\"
";

const BOTH: &str = "# both.yml
on: workflow_dispatch
jobs:
  east: { runs-on: x, environment: east, steps: [{ run: x }] }
  west: { runs-on: x, environment: west, steps: [{ run: x }] }
";

fn approve(environment: &str, run: RunId) -> Command {
    Command::Approve { run, environment: environment.into(), seen: None, comment: None }
}

fn both() -> (World, RunId) {
    let mut world = World::new(TWO);
    world.push("dev", "main", "c1", "dev", &[]);
    let run = world.dispatch("dev", "main", BOTH, &[]).expect("may dispatch");
    (world, run)
}

/// An approval is for one environment of a run, and says nothing about another.
#[test]
fn an_approval_counts_where_it_was_given() {
    let (mut world, run) = both();
    world.by("alice", approve("west", run)).expect("may approve");
    let given =
        |world: &World, job: &str| world.project().runs[&run].legs[&job.into()].approvals.len();
    assert_eq!((given(&world, "east"), given(&world, "west")), (0, 1));
    world.pass(10 * MINUTE);
    assert_eq!(world.to_start(run), ["west"]);
    world.by("alice", approve("east", run)).expect("may approve");
    assert_eq!((given(&world, "east"), given(&world, "west")), (1, 1), "west waits no more");
}

/// Whoever approves twice is told what is still missing, and that it is nothing of theirs.
#[test]
fn an_approval_given_twice_says_what_is_missing() {
    let (mut world, run) = both();
    world.by("alice", approve("west", run)).expect("may approve");
    let twice = world.by("alice", approve("west", run)).unwrap_err().to_string();
    assert!(twice.contains("nothing more from people"), "{twice}");
    let mut world = World::in_production("r1");
    let run = world.dispatched("plan-2");
    world.approve("alice", run).expect("may approve");
    let twice = world.approve("alice", run).unwrap_err().to_string();
    assert!(twice.contains("1 more of bob, carol"), "{twice}");
}

/// Under two sets of rules, one excludes a person and the other does not: the other counts.
#[test]
fn who_is_excluded_by_one_rule_may_approve_for_another() {
    let mut world = World::in_production("r1");
    world.adopt(&RULES.replace("exclude = \"authors\", ", ""));
    world.staged_by("alice", "c2", "r2");
    let run = world.dispatched("plan-2");
    world.approve("alice", run).expect("the rules in force let her");
    let why = world.why(run, "deploy");
    let of_alice = why.lines().filter(|line| line.contains("alice   ")).count();
    assert!(of_alice >= 1, "{why}");
    let rules = RULES.replace("needed = 2, ", "needed = 1, ");
    let mut world = World::new(&rules);
    world.staged_by("alice", "c1", "r1");
    let run = world.dispatched("plan-1");
    let refusal = world.approve("alice", run).unwrap_err().to_string();
    assert!(refusal.contains("alice"), "there is no other rule: {refusal}");
}

/// What was proved of one kind proves nothing of another.
#[test]
fn evidence_counts_for_its_kind_alone() {
    let rules = "[project]\nname = \"shop\"\n[environment.staging]\nevidence = [\"tests\"]\n";
    let text = "# w.yml
on: push
jobs:
  build: { runs-on: x, steps: [{ run: x }] }
  deploy: { runs-on: x, environment: staging, steps: [{ run: x }] }
";
    let mut world = World::new(rules);
    let run = world.push("dev", "main", "c1", "dev", &[text])[0];
    let attempt = world.start(run, "build");
    world.evidence(&attempt, "lint", None, true);
    assert_eq!(world.to_start(run), [""; 0]);
    world.evidence(&attempt, "tests", None, true);
    assert_eq!(world.to_start(run), ["deploy"]);
}

/// Times are told by the clocks of the people whose windows they are.
#[test]
fn a_freeze_ends_by_the_clocks_of_the_environment() {
    let freeze = "[[freeze]]\nfrom = 2001-09-09\nuntil = 2001-09-10\nreason = \"the fair\"\n";
    let text = "# w.yml
on: push
jobs:
  deploy: { runs-on: x, environment: staging, steps: [{ run: x }] }
";
    for (windows, until) in [
        ("", "Tue 11 Sep 2001 00:00 UTC"),
        (
            "windows = [\"Mon-Sun 00:00-24:00 Europe/Berlin\"]\n",
            "Tue 11 Sep 2001 02:00 Europe/Berlin",
        ),
    ] {
        let rules = format!("[project]\nname = \"shop\"\n[environment.staging]\n{windows}{freeze}");
        let mut world = World::new(&rules);
        let run = world.push("dev", "main", "c1", "dev", &[text])[0];
        let why = world.why(run, "deploy");
        assert!(why.contains(&format!("the fair, until {until}")), "{why}");
    }
}

/// What people of the demonstration did is marked as theirs, for ever.
#[test]
fn what_people_of_the_demonstration_did_is_marked() {
    let mut world = World::new(TWO);
    let stream = StreamId::platform();
    let person = Person {
        name: "alice".to_owned(),
        email: "alice@example.com".to_owned(),
        role: Role::Approver,
        demo: true,
    };
    world.state.platform.people.insert("alice".to_owned(), person);
    let demo = StreamId::from("demo");
    let create = Command::CreateProject {
        project: demo.clone(),
        embedded: true,
        time_scale: 1,
        default_branch: "main".to_owned(),
    };
    let ask = Ask { stream, by: Actor::Platform, command: create };
    qnt9_engine::step(&mut world.state, &ask, world.now).expect("the platform may");
    world.stream = demo;
    world.adopt(TWO);
    world.push("dev", "main", "c1", "dev", &[]);
    let by_dev = world.dispatch("dev", "main", BOTH, &[]).expect("may dispatch");
    world.work_through(by_dev);
    let by_alice = world.dispatch("alice", "main", BOTH, &[]).expect("may dispatch");
    let demo = |world: &World, run: RunId| world.project().runs[&run].demo;
    assert_eq!((demo(&world, by_dev), demo(&world, by_alice)), (false, true));
    world.by("bob", approve("west", by_alice)).expect("may approve");
    let run = world.dispatch("dev", "main", BOTH, &[]).expect("may dispatch");
    world.by("alice", approve("west", run)).expect("may approve");
    world.pass(HOUR);
    assert!(world.project().runs[&run].legs[&"west".into()].approvals[0].demo);
    let of_bob = &world.project().runs[&by_alice].legs[&"west".into()].approvals;
    assert!(of_bob.iter().all(|approval| !approval.demo));
}

/// Rules that cannot be read leave those before in force, and are named until better ones come.
#[test]
fn rules_that_cannot_be_read_are_kept_in_mind() {
    let mut world = World::new(RULES);
    let mut moved = world.moved("main", "c1", &[]);
    moved.policy = Some(Err("qnt9.toml:3:1: unknown key `enviroment`".to_owned()));
    world.tell(Command::ImportCommits { moved: vec![moved], commits: Vec::new() });
    let (commit, message) = world.project().policy_problem.clone().expect("it is known");
    assert_eq!(commit, crate::world::long("c1"));
    assert_eq!(message.show(), "qnt9.toml:3:1: unknown key `enviroment`");
    assert!(world.project().policy.is_some());
    world.adopt(RULES);
    assert_eq!(world.project().policy_problem, None);
}

/// A job that may not start before it has waited too long has no earliest moment. That both fall on
/// the same one is no promise, either: whoever looks a moment later finds that its time is over.
#[test]
fn a_wait_that_outlasts_patience_never_ends_well() {
    let text = "# w.yml
on: push
jobs:
  deploy: { runs-on: x, environment: staging, steps: [{ run: x }] }
";
    for (expires, ends) in [("2h", true), ("61m", true), ("60m", false), ("30m", false)] {
        let rules = format!(
            "[project]\nname = \"shop\"\n[environment.staging]\nwait = \"60m\"\nexpire_after = \"{expires}\"\n"
        );
        let mut world = World::new(&rules);
        let run = world.push("dev", "main", "c1", "dev", &[text])[0];
        let state = &world.project().runs[&run];
        let leg = &state.legs[&"deploy".into()];
        let gate = qnt9_engine::gates::Gate::of(&world.state.platform, world.project(), state, leg);
        let earliest = gate.expect("it has one").why(world.now).earliest;
        let expected = ends.then(|| world.now.plus(HOUR));
        assert_eq!(earliest, expected, "{expires}");
        if ends {
            world.pass(HOUR);
            assert_eq!(world.to_start(run), ["deploy"], "{expires}");
        }
    }
}

/// A window that opens is worth a look only when nothing else is missing.
#[test]
fn a_window_wakes_nobody_who_waits_for_something_else() {
    let text = "# w.yml
on: workflow_dispatch
jobs:
  deploy: { runs-on: x, environment: staging, steps: [{ run: x }] }
";
    let windows = "windows = [\"Mon-Sun 09:00-16:00 UTC\"]";
    // It is 01:46:40.
    let opens = 7 * HOUR + 13 * MINUTE + 20_000;
    let due = |world: &mut World| {
        world.dispatch("dev", "main", text, &[]).expect("may dispatch");
        let due = qnt9_engine::deadline(&world.state, world.now).expect("patience ends some day");
        due.since(world.now)
    };
    let rules = |more: &str| {
        let staging = format!("[environment.staging]\n{windows}\n{more}\n");
        RULES.replace("[environment.staging]\n", &staging)
    };
    let new = |more: &str| {
        let mut world = World::new(&rules(more));
        world.push("dev", "main", "c1", "dev", &[]);
        world
    };
    assert_eq!(due(&mut new("")), opens);
    assert!(due(&mut new("evidence = [\"audit\"]")) > opens, "evidence is missing");

    let mut world = World::new(RULES);
    world.staged("c1", "r1");
    let check = world.dispatch("dev", "main", text, &[]).expect("may dispatch");
    let holder = world.start(check, "deploy");
    world.adopt(&rules(""));
    let waits = due(&mut world);
    // The holder itself is looked after much sooner than the window opens.
    assert_ne!(waits, opens, "another job holds the environment");
    world.tell(Command::FinishJob {
        attempt: holder,
        result: Success,
        outputs: Vec::new(),
        reason: None,
        summary: None,
    });
    let free = qnt9_engine::deadline(&world.state, world.now).map(|at| at.since(world.now));
    assert_eq!(free, Some(opens));

    let mut world = World::new(RULES);
    world.staged("c1", "r1");
    let check = world.dispatch("dev", "main", text, &[]).expect("may dispatch");
    let attempt = world.start(check, "deploy");
    world.evidence(&attempt, "load-test", Some("staging"), false);
    world.end(&attempt, Success);
    world.adopt(&rules(""));
    assert!(due(&mut world) > opens, "the cause of the failed load test is missing");
    let note = Command::NoteCause {
        environment: "staging".into(),
        kind: "load-test".to_owned(),
        cause: "a slow disk".to_owned(),
    };
    world.by("dev", note).expect("may note it");
    let noted = qnt9_engine::deadline(&world.state, world.now).map(|at| at.since(world.now));
    assert_eq!(noted, Some(opens));
}
