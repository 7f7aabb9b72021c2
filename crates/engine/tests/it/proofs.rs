//! Evidence: how old it may be, and what is asked after it failed.

use qnt9_model::fact::Outcome::Success;
use qnt9_model::limits::CAUSE_CHARS_MAX;
use qnt9_model::{Command, Refusal, RunId};

use crate::world::{HOUR, MINUTE, RULES, World};

const BACKUP: &str = "# backup.yml
on: workflow_dispatch
jobs:
  backup: { runs-on: x, steps: [{ run: x }] }
";

const DEPLOY: &str = "# deploy.yml
on: workflow_dispatch
jobs:
  deploy: { runs-on: x, environment: staging, steps: [{ run: x }] }
";

fn dispatch(world: &mut World, text: &str) -> RunId {
    world.dispatch("dev", "main", text, &[]).expect("may dispatch")
}

fn record(world: &mut World, kind: &str, environment: Option<&str>, passed: bool) {
    let run = dispatch(world, BACKUP);
    let attempt = world.start(run, "backup");
    world.evidence(&attempt, kind, environment, passed);
    world.end(&attempt, Success);
}

/// A backup of whatever commit counts for a day, and not a moment longer.
#[test]
fn evidence_with_an_age_counts_until_it_is_that_old() {
    let rules = "[project]\nname = \"shop\"\n[environment.staging]\n\
                 evidence = [{ name = \"backup\", max_age = \"24h\" }]\nwindows = [\"Mon-Sun 12:00-13:00 UTC\"]\n";
    for (age, expected) in [(24 * HOUR, true), (24 * HOUR + 1, false)] {
        let mut world = World::new(rules);
        world.push("dev", "main", "c1", "dev", &[]);
        // The window opens at noon; it is 01:46:40.
        let noon = 10 * HOUR + 13 * MINUTE + 20_000;
        world.pass(24 * HOUR + noon - age);
        record(&mut world, "backup", None, true);
        record(&mut world, "lint", None, true);
        world.push("dev", "main", "c2", "dev", &[]);
        world.pass(age - HOUR);
        let run = dispatch(&mut world, DEPLOY);
        world.pass(HOUR);
        assert_eq!(!world.to_start(run).is_empty(), expected, "{age} ms old at noon");
        if !expected {
            let why = world.why(run, "deploy");
            assert!(
                why.contains("backup passed within the last 1 d   the newest is 1 d old"),
                "{why}"
            );
        }
    }
}

/// The moment at which evidence becomes too old is one to look again.
#[test]
fn the_machine_wakes_when_evidence_becomes_too_old() {
    let rules = "[project]\nname = \"shop\"\n[environment.staging]\n\
                 evidence = [{ name = \"backup\", max_age = \"1h\" }, \"tests\"]\n";
    let mut world = World::new(rules);
    world.push("dev", "main", "c1", "dev", &[]);
    record(&mut world, "other", None, true);
    world.pass(HOUR / 2);
    record(&mut world, "backup", None, true);
    let recorded = world.now;
    dispatch(&mut world, DEPLOY);
    let due = qnt9_engine::deadline(&world.state, world.now);
    assert_eq!(due, Some(recorded.plus(HOUR + 1)));
    world.pass(HOUR + 1);
    let next = qnt9_engine::deadline(&world.state, world.now).expect("patience ends some day");
    assert!(next.since(world.now) > 24 * HOUR, "the other kind is nobody's business");
}

fn note(world: &mut World, person: &str, kind: &str, cause: &str) -> Result<usize, Refusal> {
    let (kind, cause) = (kind.to_owned(), cause.to_owned());
    let note = Command::NoteCause { environment: "staging".into(), kind, cause };
    world.by(person, note).map(|entries| entries.len())
}

/// After a load test that failed, the next try waits until somebody wrote down why.
#[test]
fn a_failed_load_test_wants_its_cause() {
    let mut world = World::new(RULES);
    world.staged("c1", "r1");
    let refused = |world: &mut World, kind: &str, cause: &str| {
        note(world, "dev", kind, cause).unwrap_err().to_string()
    };
    assert!(refused(&mut world, "load-test", "x").contains("the newest passed"));
    assert!(refused(&mut world, "moon", "x").contains("nothing of that kind"));
    record(&mut world, "load-test", Some("staging"), false);
    let run = dispatch(&mut world, DEPLOY);
    assert_eq!(world.to_start(run), [""; 0]);
    let why = world.why(run, "deploy");
    assert!(why.contains("‖ the cause of the failed load-test is noted"), "{why}");

    for empty in ["", " \n "] {
        assert!(refused(&mut world, "load-test", empty).contains("characters"));
    }
    let long = "\u{e4}".repeat(CAUSE_CHARS_MAX);
    assert!(refused(&mut world, "load-test", &format!("{long}x")).contains("characters"));
    assert!(matches!(note(&mut world, "vera", "load-test", "x"), Err(Refusal::Role { .. })));
    assert_eq!(world.to_start(run), [""; 0]);
    // What failed meanwhile of another kind has a cause of its own.
    record(&mut world, "audit", Some("staging"), false);
    let newest = |world: &World, kind: &str| {
        world
            .project()
            .evidence
            .iter()
            .rfind(|known| known.kind == kind)
            .cloned()
            .expect("recorded")
    };
    assert!(newest(&world, "load-test").is_unexplained());
    assert!(note(&mut world, "dev", "load-test", &long).is_ok_and(|facts| facts > 0));
    assert!(!newest(&world, "load-test").is_unexplained());
    assert!(newest(&world, "audit").is_unexplained());
    assert!(!newest(&world, "tests").is_unexplained(), "it passed");
    assert_eq!(world.to_start(run), ["deploy"]);
    assert!(refused(&mut world, "load-test", "other").contains("dev has noted it"));

    // What fails again wants a cause again, and what passes wants none.
    world.work(run, "deploy", Success);
    record(&mut world, "load-test", Some("staging"), false);
    let run = dispatch(&mut world, DEPLOY);
    assert_eq!(world.to_start(run), [""; 0]);
    record(&mut world, "load-test", Some("staging"), true);
    assert_eq!(world.to_start(run), ["deploy"]);
}
