//! Windows, freezes, expiry, and the rules under which what serves was deployed.

use expect_test::expect;
use qnt9_model::fact::Outcome::Success;
use qnt9_model::{Command, RunId};

use crate::world::{HOUR, MINUTE, RULES, World, digest};

// The world begins on Sunday, 9 September 2001, at 01:46:40 UTC.
const DAY: i64 = 24 * HOUR;

/// The rules of staging, with this.
fn staging(more: &str) -> String {
    RULES.replace("[environment.staging]\n", &format!("[environment.staging]\n{more}\n"))
}

const DEPLOY: &str = "# deploy.yml
on: push
jobs:
  deploy: { runs-on: x, environment: staging, steps: [{ run: x }] }
";

fn pushed(world: &mut World, sha: &str) -> RunId {
    world.push("dev", "main", sha, "dev", &[DEPLOY])[0]
}

#[test]
fn a_job_waits_for_its_window_and_starts_when_it_opens() {
    let mut world = World::new(&staging("windows = [\"Mon-Thu 09:00-16:00 Europe/Berlin\"]"));
    let run = pushed(&mut world, "c1");
    expect![[r#"
        ‖ c100000 to staging
          ✓ branch main may deploy here
          ‖ Mon-Thu 09:00-16:00 Europe/Berlin is open   opens Mon 10 Sep 2001 09:00 Europe/Berlin
          ✓ no other job holds staging
    "#]]
    .assert_eq(&world.why(run, "deploy"));
    world.pass(DAY);
    assert!(world.to_start(run).is_empty(), "it is 01:46 on Monday");
    world.pass(6 * HOUR);
    assert_eq!(world.to_start(run), ["deploy"]);
}

#[test]
fn a_freeze_holds_what_is_new_and_lets_a_rollback_pass() {
    let mut world = World::new(RULES);
    for n in 1..=2 {
        world.staged(&format!("c{n}"), &format!("r{n}"));
    }
    let freeze = "[[freeze]]\nfrom = 2001-09-09\nuntil = 2001-09-10\nreason = \"the fair\"\nenvironments = [\"staging\"]\n";
    world.adopt(&format!("{RULES}\n{freeze}"));
    let run = pushed(&mut world, "c3");
    expect![[r#"
        ‖ c300000 to staging
          ✓ branch main may deploy here
          ‖ no freeze of staging   the fair, until Tue 11 Sep 2001 00:00 UTC
          ✓ no other job holds staging
    "#]]
    .assert_eq(&world.why(run, "deploy"));
    let back = Command::Rollback { environment: "staging".into(), to: digest("r1") };
    world.by("alice", back).expect("a rollback passes a freeze");
    world.carry();
    world.pass(2 * DAY);
    assert_eq!(world.to_start(run), ["deploy"]);
}

#[test]
fn whoever_waits_for_anything_waits_no_longer_than_the_rules_say() {
    let mut world = World::new(&staging("evidence = [\"audit\"]\nexpire_after = \"2d\""));
    let run = pushed(&mut world, "c1");
    world.pass(2 * DAY - 1);
    assert!(world.project().runs[&run].finished.is_none());
    world.pass(1);
    expect![[r#"
        deploy: deploy is failure, a job waits for staging for at most 2 d: that time is over
        run: failure
    "#]]
    .assert_eq(&world.board(run));
    // Without a word in the rules it is as long as on GitHub.
    world.adopt(&staging("evidence = [\"audit\"]"));
    let run = pushed(&mut world, "c2");
    world.pass(29 * DAY);
    assert!(world.project().runs[&run].finished.is_none());
    world.pass(DAY);
    assert!(world.project().runs[&run].finished.is_some());
}

#[test]
fn nobody_loosens_the_gates_of_the_very_deployment_they_make() {
    let mut world = World::in_production("r1");
    let loose = RULES.replace("needed = 2", "needed = 1").replace("wait      = \"10m\"\n", "");
    world.adopt(&loose);
    world.staged("c2", "r2");
    let run = world.dispatched("plan-2");
    world.approve("alice", run).unwrap();
    world.pass(MINUTE);
    expect![[r#"
        ‖ c200000 to production
          ✓ branch main may deploy here
          ✓ a person dispatched it   dev
          ✓ tests passed for c200000   p95 41 ms
          ✓ load-test passed in staging for r200…00   p95 41 ms
          ✓ 1 of alice, bob, carol approve   1 of 1
            ✓ alice   1 min ago
            ‖ bob   can approve
            ‖ carol   can approve
          ‖ 2 of alice, bob, carol approve (a rule under which deployment 47 was made)   1 of 2
            ✓ alice   1 min ago
            ‖ bob   can approve
            ‖ carol   can approve
          ‖ 10 min since it was asked for (a rule under which deployment 47 was made)   1 min passed
          ✓ the rollback plan is stated   sha256 7be1f3891afd
            ✓ back to r100…00 of c100000: qnt9 rollback production
            ✓ 2 replicas start, and all traffic moves at once when they are healthy
          ✓ no other job holds production
    "#]]
    .assert_eq(&world.why(run, "deploy"));
    world.approve("bob", run).unwrap();
    world.pass(10 * MINUTE);
    let attempt = world.start(run, "deploy");
    world.deploy(&attempt, "production", "r2").unwrap();
    world.carry();
    // The next one is made under the looser rules.
    let id = world.project().places[&crate::world::stock_in("production")].active.unwrap();
    assert_eq!(world.deployment(id).rules.as_ref().unwrap().approvals.as_ref().unwrap().needed, 1);
}

#[test]
fn rules_that_were_removed_hold_for_one_more_deployment() {
    let mut world = World::new(&staging("evidence = [\"audit\"]"));
    let run = pushed(&mut world, "c1");
    assert!(world.to_start(run).is_empty());
    world.by("dev", Command::CancelRun { run }).unwrap();
    world.adopt(RULES);
    world.staged("c2", "r2");
    world.adopt(&staging("evidence = [\"audit\"]"));
    let run = pushed(&mut world, "c3");
    assert!(world.to_start(run).is_empty());
    // What serves staging was deployed without that rule: to remove it again is enough.
    world.adopt(RULES);
    world.work(run, "deploy", Success);
}

#[test]
fn who_may_not_reject_because_there_is_nothing_to_approve() {
    let mut world = World::new(&staging("evidence = [\"audit\"]"));
    let run = pushed(&mut world, "c1");
    let reject = Command::Reject { run, environment: "staging".into(), comment: None };
    expect!["no job of run 7 waits for an approval for staging: staging needs no approval"]
        .assert_eq(&world.by("alice", reject).unwrap_err().to_string());
}
