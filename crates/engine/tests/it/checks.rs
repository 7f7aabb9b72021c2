//! Checks: services that are asked whether a job may go on.

use expect_test::expect;
use qnt9_engine::orders::not_before;
use qnt9_model::{CheckId, Command, Fact, Order, RunId};

use crate::world::{MINUTE, RULES, SECOND, World};

const RULE: &str = "[environment.staging]\nchecks = [{ name = \"change-ticket\", url = \"http://tickets/ask\", timeout = \"10m\" }]\n";

const CI: &str = "# ci.yml
on: push
jobs:
  build: { runs-on: x, steps: [{ run: x }] }
  deploy: { runs-on: x, environment: staging, steps: [{ run: x }] }
";

fn asked() -> (World, RunId) {
    let mut world = World::new(&RULES.replace("[environment.staging]\n", RULE));
    let run = world.push("dev", "main", "c1", "dev", &[CI])[0];
    (world, run)
}

fn checks(world: &World) -> Vec<CheckId> {
    let asked = |order: Order| match order {
        Order::AskCheck(id) => Some(id),
        _ => None,
    };
    world.orders().into_iter().filter_map(asked).collect()
}

fn answer(check: CheckId, passed: bool) -> Command {
    Command::AnswerCheck { check, passed, reason: "CHG-7".to_owned() }
}

fn refused(world: &mut World, command: Command) -> String {
    world.ask(qnt9_model::Actor::Platform, command).expect_err("it takes no answer").to_string()
}

#[test]
fn a_check_that_passes_lets_the_job_start() {
    let (mut world, run) = asked();
    let [check] = checks(&world)[..] else { panic!("one check is asked") };
    world.tell(Command::CheckTried { check, failure: None });
    assert!(checks(&world).is_empty(), "it was reached");
    expect![[r#"
        ‖ c100000 to staging
          ✓ branch main may deploy here
          ‖ check change-ticket passes   asked 0.0 s ago, no answer yet
          ✓ no other job holds staging
    "#]]
    .assert_eq(&world.why(run, "deploy"));
    assert!(world.by("ada", answer(check, true)).is_err(), "people do not answer for it");
    world.tell(answer(check, true));
    assert_eq!(world.to_start(run), ["build", "deploy"]);
    expect![[r#"
        check 11 takes no answer: the job waits for a runner
        check 99 takes no answer: no job waits for it; its run is over, or there is no such check"#]]
    .assert_eq(&format!(
        "{}\n{}",
        refused(&mut world, answer(check, false)),
        refused(&mut world, answer(CheckId(99), true))
    ));
}

#[test]
fn a_check_that_fails_or_is_silent_fails_the_job() {
    let (mut world, run) = asked();
    let check = checks(&world)[0];
    world.tell(answer(check, false));
    let second = world.push("dev", "main", "c2", "dev", &[CI])[0];
    world.pass(10 * MINUTE - 1);
    assert!(world.board(second).contains("deploy is gated"));
    world.pass(1);
    expect![[r#"
        build: build is open
        deploy: deploy is failure, check change-ticket failed: CHG-7
        run: going on
        build: build is open
        deploy: deploy is failure, check change-ticket failed: it did not answer within 10 min
        run: going on
    "#]]
    .assert_eq(&(world.board(run) + &world.board(second)));
}

#[test]
fn a_check_that_cannot_be_reached_is_tried_again_with_growing_pauses() {
    let (mut world, run) = asked();
    let check = checks(&world)[0];
    let mut pauses = Vec::new();
    for _ in 0..4 {
        let failure = Some("the receiver answered 503".to_owned());
        world.tell(Command::CheckTried { check, failure });
        let next = not_before(world.project(), &Order::AskCheck(check)).unwrap();
        pauses.push(next.since(world.now) / SECOND);
        world.pass(next.since(world.now));
    }
    assert_eq!(pauses, [5, 20, 60, 60]);
    world.pass(10 * MINUTE);
    expect![[r#"
        build: build is open
        deploy: deploy is failure, check change-ticket failed: it did not answer within 10 min: the receiver answered 503
        run: going on
    "#]]
    .assert_eq(&world.board(run));
}

#[test]
fn what_would_be_deployed_changes_and_it_is_asked_anew() {
    let (mut world, run) = asked();
    let first = checks(&world)[0];
    let attempt = world.start(run, "build");
    world.build(&attempt, "r1");
    let second: Vec<CheckId> = checks(&world).into_iter().filter(|id| *id != first).collect();
    assert_eq!(second.len(), 1);
    expect![[r#"check 11 takes no answer: release or plan changed since, and it was asked anew"#]]
        .assert_eq(&refused(&mut world, answer(first, true)));
    world.tell(answer(second[0], true));
    assert_eq!(world.to_start(run), ["deploy"]);
    let subjects = world.log.iter().rev().find_map(|entry| match &entry.fact {
        Fact::GatesOpened { subjects, .. } => subjects.release.as_ref().map(crate::world::name_of),
        _ => None,
    });
    assert_eq!(subjects.as_deref(), Some("r1"));
}

/// A check that has answered stands by it for as long as the job waits for something else.
#[test]
fn a_check_does_not_change_its_mind() {
    let rules = RULES.replace("[environment.staging]\n", &format!("{RULE}wait = \"10m\"\n"));
    let mut world = World::new(&rules);
    let run = world.push("dev", "main", "c1", "dev", &[CI])[0];
    let check = checks(&world)[0];
    assert_eq!(world.tell(answer(check, true)).len(), 1);
    assert!(world.tell(answer(check, true)).is_empty(), "said twice, answered once");
    expect!["check 11 takes no answer: it has answered already: passed, CHG-7"]
        .assert_eq(&refused(&mut world, answer(check, false)));
    world.pass(10 * MINUTE);
    assert_eq!(world.to_start(run), ["build", "deploy"]);
}

/// Each check of an environment is asked, once, and how far each is can be read.
#[test]
fn several_checks_are_asked_each_by_itself() {
    let rule = RULE.replace("}]", "}, { name = \"weather\", url = \"http://weather/ask\" }]");
    let mut world = World::new(&RULES.replace("[environment.staging]\n", &rule));
    let run = world.push("dev", "main", "c1", "dev", &[CI])[0];
    let [ticket, weather] = checks(&world)[..] else { panic!("two checks are asked") };
    let failure = Some("no route to host".to_owned());
    world.tell(Command::CheckTried { check: ticket, failure });
    world.tell(Command::CheckTried { check: weather, failure: None });
    world.pass(3 * SECOND);
    expect![[r#"
        ‖ c100000 to staging
          ✓ branch main may deploy here
          ‖ check change-ticket passes   asked 3 s ago and not reached yet: no route to host
          ‖ check weather passes   asked 3 s ago, no answer yet
          ✓ no other job holds staging
    "#]]
    .assert_eq(&world.why(run, "deploy"));
    world.tell(answer(ticket, true));
    assert_eq!(world.to_start(run), ["build"], "the other has not answered");
    world.tell(answer(weather, true));
    assert_eq!(world.to_start(run), ["build", "deploy"]);
}
