//! Jobs that are told to stop and do not, jobs of which nothing is heard, jobs that come back.

use expect_test::expect;
use qnt9_model::command::Decision;
use qnt9_model::fact::Outcome::{Cancelled, Success};
use qnt9_model::limits::{CANCEL_GRACE_MS, KILL_GRACE_MS, LEASE_MS, TIMEOUT_GRACE_MS};
use qnt9_model::{AttemptId, Command, Order, RunId};

use crate::world::{HOUR, MINUTE, PRODUCTION, RULES, World};

const CI: &str = "# ci.yml
on: push
jobs:
  work: { runs-on: x, timeout-minutes: 30, steps: [{ run: x }, { run: y }] }
  sum: { needs: work, if: always(), runs-on: x, steps: [{ run: x }] }
";

fn working() -> (World, AttemptId) {
    let mut world = World::new(RULES);
    let run = world.push("dev", "main", "c1", "dev", &[CI])[0];
    let attempt = world.start(run, "work");
    (world, attempt)
}

/// Production's job is running.
fn deploying() -> (World, AttemptId) {
    let mut world = World::new(RULES);
    world.staged("c1", "r1");
    let attempt = world.released();
    (world, attempt)
}

fn has(world: &World, order: &Order) -> bool {
    world.orders().contains(order)
}

fn renew(world: &mut World, attempt: &AttemptId) -> usize {
    world.tell(Command::RenewLease { attempt: attempt.clone() }).len()
}

#[test]
fn a_job_that_does_not_stop_is_killed_and_then_declared_ended() {
    let (mut world, attempt) = working();
    let run = attempt.run;
    world.by("dev", Command::CancelRun { run }).unwrap();
    let from = world.log.len();
    world.pass(CANCEL_GRACE_MS - 1);
    assert!(has(&world, &Order::CancelJob(attempt.clone())));
    world.pass(1);
    assert!(has(&world, &Order::KillJob(attempt.clone())));
    assert!(!has(&world, &Order::CancelJob(attempt.clone())));
    world.pass(KILL_GRACE_MS);
    world.work(run, "sum", Success);
    expect![[r#"
        qnt9 job-kill-requested 7.work.1: dev cancelled it, and it did not stop within 5 min
        qnt9 job-finished 7.work.1 cancelled, dev cancelled it, and it did not stop within 5 min; its processes were to be ended, and within 1 min nobody said that they are
        qnt9 job-planned sum
        qnt9 job-started 7.sum.1
        qnt9 job-finished 7.sum.1 success
        qnt9 run-finished 7: cancelled
    "#]]
    .assert_eq(&world.since(from));
    let late = world.ask(
        qnt9_model::Actor::Platform,
        Command::FinishJob {
            attempt,
            result: Success,
            outputs: vec![],
            reason: None,
            summary: None,
        },
    );
    expect!["attempt 7.work.1 no longer counts: the job ended with cancelled"]
        .assert_eq(&late.unwrap_err().to_string());
}

#[test]
fn a_person_ends_a_run_at_once() {
    let (mut world, attempt) = working();
    let run = attempt.run;
    let from = world.log.len();
    assert!(world.by("vera", Command::ForceCancelRun { run }).is_err());
    world.by("dev", Command::ForceCancelRun { run }).unwrap();
    assert!(world.by("dev", Command::ForceCancelRun { run }).unwrap().is_empty());
    assert!(has(&world, &Order::KillJob(attempt.clone())));
    world.end(&attempt, Cancelled);
    expect![[r#"
        dev run-kill-requested 7: dev ended it at once
        qnt9 job-kill-requested 7.work.1: dev ended it at once
        qnt9 job-finished 7.work.1 cancelled
        qnt9 job-skipped sum: dev ended it at once
        qnt9 run-finished 7: cancelled
    "#]]
    .assert_eq(&world.since(from));
    let over = world.by("dev", Command::ForceCancelRun { run }).unwrap_err();
    expect!["run 7 is over: cancelled"].assert_eq(&over.to_string());
}

#[test]
fn behind_the_runners_timeout_there_is_one_of_the_machine() {
    let (mut world, attempt) = working();
    let from = world.log.len();
    world.pass(30 * MINUTE + TIMEOUT_GRACE_MS);
    assert!(has(&world, &Order::KillJob(attempt)));
    world.pass(KILL_GRACE_MS);
    expect![[r#"
        qnt9 job-kill-requested 7.work.1: it ran longer than its 30 min and did not stop
        qnt9 job-finished 7.work.1 failure, it ran longer than its 30 min and did not stop; its processes were to be ended, and within 1 min nobody said that they are
        qnt9 job-planned sum
    "#]]
    .assert_eq(&world.since(from));
}

#[test]
fn what_a_killed_job_did_to_an_environment_is_for_a_person_to_say() {
    let (mut world, attempt) = deploying();
    let from = world.log.len();
    for _ in 0..6 {
        world.pass(HOUR - MINUTE);
        renew(&mut world, &attempt);
    }
    world.pass(HOUR - MINUTE);
    expect![[r#"
        qnt9 lease-renewed 36.deploy.1
        qnt9 lease-renewed 36.deploy.1
        qnt9 lease-renewed 36.deploy.1
        qnt9 lease-renewed 36.deploy.1
        qnt9 lease-renewed 36.deploy.1
        qnt9 lease-renewed 36.deploy.1
        qnt9 job-kill-requested 36.deploy.1: it ran longer than its 6 h and did not stop
        qnt9 job-lost 36.deploy.1 retry false
    "#]]
    .assert_eq(&world.since(from));
}

#[test]
fn the_time_while_the_machine_was_away_does_not_count() {
    let (mut world, attempt) = working();
    world.by("dev", Command::CancelRun { run: attempt.run }).unwrap();
    // The machine is off: no tick.
    world.now = world.now.plus(3 * HOUR);
    let from = world.log.len();
    world.tell(Command::Wake);
    expect![[r#"
        qnt9 machine-woke
    "#]]
    .assert_eq(&world.since(from));
    world.end(&attempt, Cancelled);
}

#[test]
fn a_lease_is_renewed_rarely_and_by_all_that_is_heard() {
    let (mut world, attempt) = working();
    assert_eq!(renew(&mut world, &attempt), 0, "it was just heard of");
    world.pass(LEASE_MS / 2);
    assert_eq!(renew(&mut world, &attempt), 1);
    assert_eq!(renew(&mut world, &attempt), 0);
}

#[test]
fn nothing_heard_means_that_the_world_is_asked_and_nothing_else() {
    let (mut world, attempt) = deploying();
    let from = world.log.len();
    world.pass(5 * LEASE_MS);
    assert!(has(&world, &Order::AskJob(attempt.clone())));
    assert!(has(&world, &Order::FollowJob(attempt.clone())));
    assert_eq!(renew(&mut world, &attempt), 1, "an answer is news");
    assert!(!has(&world, &Order::AskJob(attempt.clone())));
    world.pass(LEASE_MS);
    world.lose(&attempt);
    expect![[r#"
        qnt9 job-unheard 36.deploy.1
        qnt9 lease-renewed 36.deploy.1
        qnt9 job-unheard 36.deploy.1
        qnt9 job-lost 36.deploy.1 retry false
    "#]]
    .assert_eq(&world.since(from));
}

fn resolve(world: &mut World, run: RunId, decision: Decision) -> Result<usize, String> {
    let command = Command::ResolveLost { run, job: "deploy".into(), decision };
    world.by("dev", command).map(|facts| facts.len()).map_err(|refusal| refusal.to_string())
}

#[test]
fn a_lost_runner_that_is_found_counts_again() {
    let (mut world, attempt) = deploying();
    let run = attempt.run;
    world.lose(&attempt);
    let from = world.log.len();
    assert_eq!(resolve(&mut world, run, Decision::Resume), Ok(1));
    assert_eq!(resolve(&mut world, run, Decision::Resume), Ok(0), "it is being looked for");
    assert!(has(&world, &Order::AskJob(attempt.clone())));
    world.lose(&attempt);
    assert!(!has(&world, &Order::AskJob(attempt.clone())));
    assert_eq!(resolve(&mut world, run, Decision::Resume), Ok(1));
    let proof = "its journal is there".to_owned();
    let resume = Command::ResumeJob { attempt: attempt.clone(), proof };
    world.tell(resume.clone());
    assert!(world.tell(resume).is_empty());
    world.deploy(&attempt, "production", "r1").expect("its gates are open still");
    world.carry();
    world.end(&attempt, Success);
    world.work_through(run);
    expect![[r#"
        dev job-resume-requested 36.deploy.1
        qnt9 job-lost 36.deploy.1 retry false
        dev job-resume-requested 36.deploy.1
        qnt9 job-resumed 36.deploy.1
        job 36.deploy.1 deployment-requested r1 to production/stock Forward
        qnt9 address-assigned Main
        qnt9 replica-ready 52/0
        qnt9 replica-ready 52/1
        qnt9 weight-changed 100 %
        qnt9 traffic-applied production/stock generation 4
        qnt9 deployment-finished Succeeded
        qnt9 traffic-applied production/stock generation 5
        qnt9 job-finished 36.deploy.1 success
        qnt9 job-planned verify
        qnt9 job-started 36.verify.1
        qnt9 job-finished 36.verify.1 success
        qnt9 run-finished 36: success
    "#]]
    .assert_eq(&world.since(from));
}

#[test]
fn who_comes_back_after_the_next_attempt_began_changes_nothing() {
    let (mut world, attempt) = working();
    world.lose(&attempt);
    let resume = |attempt: &AttemptId| Command::ResumeJob {
        attempt: attempt.clone(),
        proof: "its journal is there".to_owned(),
    };
    // Before it began, nothing has to be done twice.
    assert_eq!(world.tell(resume(&attempt)).len(), 1);
    world.lose(&attempt);
    let second = world.start(attempt.run, "work");
    assert_eq!(second.attempt, 2);
    let refusal = world.ask(qnt9_model::Actor::Platform, resume(&attempt)).unwrap_err();
    expect!["attempt 7.work.1 no longer counts: attempt 2 is running"]
        .assert_eq(&refusal.to_string());
    assert!(world.by("dev", resume(&second)).is_err(), "only the machine's arms say so");
}

#[test]
fn a_lost_job_of_a_cancelled_run_ends_with_it() {
    let (mut world, attempt) = deploying();
    world.lose(&attempt);
    world.by("dev", Command::ForceCancelRun { run: attempt.run }).unwrap();
    expect![[r#"
        plan: plan is success
        deploy: deploy is cancelled, dev ended it at once
        verify: skipped, dev ended it at once
        run: cancelled, dev ended it at once
    "#]]
    .assert_eq(&world.board(attempt.run));
    let run = world.dispatch("dev", "main", PRODUCTION, &[]).unwrap();
    assert_eq!(world.to_start(run), ["plan"]);
}

/// A leg is to be stopped when its run was cancelled, unless its job says `always()`.
#[test]
fn who_is_to_be_stopped() {
    let text = "# w.yml
on: push
jobs:
  a: { runs-on: x, steps: [{ run: x }] }
  b: { runs-on: x, if: always(), steps: [{ run: x }] }
";
    let mut world = World::new(RULES);
    let run = world.push("dev", "main", "c1", "dev", &[text])[0];
    world.start(run, "a");
    world.start(run, "b");
    let stops = |world: &World| {
        let state = &world.project().runs[&run];
        let legs = state.legs.values();
        legs.map(|leg| qnt9_engine::orders::should_stop(world.project(), state, leg))
            .collect::<Vec<_>>()
    };
    assert_eq!(stops(&world), [false, false]);
    world.by("dev", Command::CancelRun { run }).unwrap();
    assert_eq!(stops(&world), [true, false]);
}
