//! Where runs, jobs, environments and deployments stand, in the words that people read.

use qnt9_engine::explain::{Act, Explain, Explanation, Known};
use qnt9_engine::gates::Gate;
use qnt9_model::fact::Outcome::{self, Failure, Success};
use qnt9_model::why::{Holds, Why};
use qnt9_model::{AttemptId, Command, DeploymentId, Millis, RunId};

use crate::world::{HOUR, MINUTE, RULES, SECOND, STAGING, World, digest, span};

fn explain(world: &World) -> Explain<'_> {
    Explain { platform: &world.state.platform, project: world.project(), now: world.now }
}

fn run(world: &World, id: RunId) -> Explanation {
    explain(world).run(&world.project().runs[&id])
}

/// Whether a run holds and what is said of it as a whole.
fn word(world: &World, id: RunId) -> (Holds, String) {
    let why = run(world, id).why;
    (why.holds, why.evidence.unwrap_or_default())
}

fn said(holds: Holds, evidence: &str) -> (Holds, String) {
    (holds, evidence.to_owned())
}

fn environment(world: &World, name: &str) -> Option<String> {
    explain(world).environment(&name.into()).map(|explanation| explanation.subject)
}

fn step(world: &mut World, attempt: &AttemptId, step: u32, name: &str, conclusion: Outcome) {
    world.tell(Command::FinishStep {
        attempt: attempt.clone(),
        step,
        name: name.to_owned(),
        outcome: conclusion,
        conclusion,
        span: span(world.now, 1),
        user: true,
        own: Vec::new(),
    });
}

#[test]
fn a_run_says_what_it_waits_for_and_how_it_ended() {
    let mut world = World::new(RULES);
    let mut push = |sha| world.push("dev", "main", sha, "dev", &[STAGING])[0];
    let (first, second, third) = (push("c1"), push("c2"), push("c3"));
    assert_eq!(word(&world, first), said(Holds::NotYet, ""), "it simply goes on");
    let overtaken = format!("superseded by run {third} in concurrency group `staging`");
    assert_eq!(word(&world, second), said(Holds::No, &overtaken));
    let turn = said(Holds::NotYet, "waits for its turn in the group `staging`");
    assert_eq!(word(&world, third), turn);

    let attempt = world.start(first, "test.1");
    world.by("dev", Command::CancelRun { run: first }).expect("may cancel");
    assert_eq!(word(&world, first), said(Holds::No, "being cancelled: dev cancelled it"));
    world.pass(5 * SECOND);
    world.end(&attempt, Outcome::Cancelled);
    assert_eq!(word(&world, first), said(Holds::No, "cancelled after 5 s"));
    let failed = world.start(third, "test.1");
    world.end(&failed, Failure);
    world.pass(MINUTE);
    assert_eq!(word(&world, third), said(Holds::No, "failure after 5 s"), "it ended then");
}

#[test]
fn a_run_that_ended_well_holds() {
    let mut world = World::new(RULES);
    let run = world.staged("c1", "r1");
    assert_eq!(word(&world, run), said(Holds::Yes, "success after 0.0 s"));
}

/// Gates hold a run when nothing else of it goes on.
#[test]
fn a_run_is_held_when_only_gates_are_waited_for() {
    let text = "# w.yml
on: workflow_dispatch
jobs:
  a: { runs-on: x, steps: [{ run: x }] }
  b: { runs-on: x, environment: production, steps: [{ run: x }] }
";
    let mut world = World::new(RULES);
    world.push("dev", "main", "c1", "dev", &[]);
    let id = world.dispatch("dev", "main", text, &[]).expect("may dispatch");
    assert!(!run(&world, id).held, "a waits for a runner");
    let attempt = world.start(id, "a");
    assert!(!run(&world, id).held, "a goes on");
    world.end(&attempt, Success);
    assert!(run(&world, id).held);
    world.by("dev", Command::CancelRun { run: id }).expect("may cancel");
    assert!(!run(&world, id).held, "it is over");
}

/// A moment to go on at belongs to what waits, and lies ahead.
#[test]
fn the_earliest_moment_is_one_to_come_of_something_that_waits() {
    let now = Millis(1_000);
    let at = |holds, at, earliest: Option<i64>| {
        let why = Why { at, earliest: earliest.map(Millis), ..Why::leaf("rule", holds) };
        let subject = "it".to_owned();
        Explanation { subject, why, held: false, acts: Vec::new() }.earliest(now)
    };
    assert_eq!(at(Holds::NotYet, Some(Millis(1_001)), None), Some(Millis(1_001)));
    assert_eq!(at(Holds::NotYet, Some(Millis(1_000)), None), None, "that is now");
    assert_eq!(at(Holds::NotYet, Some(Millis(1_001)), Some(2_000)), Some(Millis(2_000)));
    assert_eq!(at(Holds::NotYet, None, None), None);
    for over in [Holds::Yes, Holds::No, Holds::Barred] {
        assert_eq!(at(over, Some(Millis(1_001)), None), None, "{over:?}");
    }
}

#[test]
fn an_environment_tells_of_what_happened_to_it_last() {
    let mut world = World::new(RULES);
    assert_eq!(environment(&world, "moon"), None);
    assert_eq!(environment(&world, "production").as_deref(), Some("environment production"));

    let first = world.staged("c1", "r1");
    let attempt = world.released();
    world.deploy(&attempt, "production", "r1").expect("its gates are open");
    world.carry();
    world.end(&attempt, Success);
    world.work_through(attempt.run);
    let staging = format!("job deploy of run {first}");
    let production = format!("job deploy of run {}", attempt.run);
    assert_eq!(
        environment(&world, "staging"),
        Some(staging),
        "not its deployment, which is part of it"
    );
    assert_eq!(environment(&world, "production"), Some(production.clone()));

    // Newer runs that never were to go there say nothing of it.
    world.pass(HOUR);
    world.staged("c2", "r2");
    assert_eq!(environment(&world, "production"), Some(production));

    let waiting = world.dispatched("plan-2");
    let waits = format!("job deploy of run {waiting}");
    assert_eq!(environment(&world, "production"), Some(waits));
}

#[test]
fn a_lost_job_tells_its_steps_apart() {
    let text = "# w.yml
on: workflow_dispatch
jobs:
  a:
    runs-on: x
    environment: staging
    steps: [{ name: one, run: x }, { name: two, run: x }, { name: three, run: x }, { run: x }]
";
    let mut world = World::new(RULES);
    world.push("dev", "main", "c1", "dev", &[]);
    let id = world.dispatch("dev", "main", text, &[]).expect("may dispatch");
    let attempt = world.start(id, "a");
    step(&mut world, &attempt, 0, "one", Success);
    step(&mut world, &attempt, 1, "two", Failure);
    world.lose(&attempt);
    let state = &world.project().runs[&id];
    let known = Known::of(state, &state.legs[&"a".into()]);
    let expected = Known {
        reason: "the runner's process is gone".to_owned(),
        ended: vec![(0, "one".to_owned(), Success), (1, "two".to_owned(), Failure)],
        in_flight: Some((2, "three".to_owned())),
        not_begun: vec![(3, "Step 4".to_owned())],
    };
    assert_eq!(known, expected);
    let decide = Act::DecideLost { run: id, job: "a".into() };
    assert_eq!(run(&world, id).acts, [decide]);
    assert!(!run(&world, id).held, "it is no gate that it waits for");
}

/// A step that failed and may fail is not why its job failed.
#[test]
fn a_failed_job_names_the_step_it_failed_in() {
    let text = "# w.yml
on: push
jobs:
  a: { runs-on: x, steps: [{ run: x }] }
";
    let mut world = World::new(RULES);
    let id = world.push("dev", "main", "c1", "dev", &[text])[0];
    let attempt = world.start(id, "a");
    step(&mut world, &attempt, 0, "checkout", Success);
    step(&mut world, &attempt, 1, "test", Failure);
    step(&mut world, &attempt, 2, "clean up", Success);
    world.pass(2 * SECOND);
    world.end(&attempt, Failure);
    let state = &world.project().runs[&id];
    let why = explain(&world).job(state, &state.legs[&"a".into()]).why;
    assert_eq!(why.evidence.as_deref(), Some("failure after 2 s in step `test`"));
}

/// Production serves r1, and r2's replicas are being started.
fn starting() -> (World, DeploymentId) {
    let mut world = World::in_production("r1");
    world.staged("c2", "r2");
    let attempt = world.released();
    let id = world.deploy(&attempt, "production", "r2").expect("its gates are open");
    (world, id)
}

/// The parts of a deployment's tree behind the permission: replicas, and each share of the traffic.
fn parts(world: &World, id: DeploymentId) -> Vec<(Holds, String)> {
    let why = explain(world).deployment(world.deployment(id)).why;
    let part = |part: &Why| (part.holds, part.evidence.clone().unwrap_or_default());
    why.of[1..].iter().map(part).collect()
}

fn holds(world: &World, id: DeploymentId) -> Vec<Holds> {
    parts(world, id).into_iter().map(|(holds, _)| holds).collect()
}

#[test]
fn a_rollout_shows_how_far_it_is() {
    use Holds::{NotYet, Yes};
    let (mut world, id) = starting();
    let none = parts(&world, id);
    assert_eq!(none[0], said(NotYet, "0 of 2"));
    let ready = |replica| Command::ReplicaReady {
        deployment: id,
        replica,
        address: format!("127.0.0.1:{}", 9_100 + replica),
    };
    world.tell(ready(0));
    assert_eq!(parts(&world, id)[0], said(NotYet, "1 of 2"));
    world.tell(ready(1));
    assert_eq!(holds(&world, id), [Yes, NotYet, NotYet, NotYet, NotYet], "5 % is where it is");
    world.carry();
    let mut steps = [Yes, NotYet, NotYet, NotYet, NotYet];
    for step in 1..=3 {
        world.count(id, (60, 0), (600, 0));
        world.pass(MINUTE);
        steps[step] = Yes;
        if step < 3 {
            assert_eq!(holds(&world, id), steps, "after step {step}");
            world.carry();
        }
    }
    // All traffic is nothing to stay at: it is there.
    assert_eq!(holds(&world, id), [Yes; 5]);
    world.carry();
    assert_eq!(holds(&world, id), [Yes; 5]);
}

#[test]
fn a_release_whose_replicas_do_not_start_says_so() {
    use Holds::No;
    let (mut world, id) = starting();
    let report = "bin/stock: no such file".to_owned();
    world.tell(Command::ReplicaFailed { deployment: id, replica: 0, report: report.clone() });
    let parts = parts(&world, id);
    assert_eq!(parts[0], (No, report));
    for part in &parts[1..] {
        assert_eq!(*part, said(No, "not reached"));
    }
}

#[test]
fn replicas_that_are_late_are_counted() {
    let (mut world, id) = starting();
    let address = "127.0.0.1:9100".to_owned();
    world.tell(Command::ReplicaReady { deployment: id, replica: 0, address });
    world.pass(HOUR);
    assert_eq!(parts(&world, id)[0], said(Holds::No, "1 of 2"));
}

/// What served tells what took its place: the next that succeeded, not one that was rolled back.
#[test]
fn a_release_that_served_names_its_successor() {
    let (mut world, second) = starting();
    let first = world.project().deployments[&second].previous.expect("r1 serves");
    let evidence = |world: &World, id| {
        let why = explain(world).deployment(world.deployment(id)).why;
        why.evidence.unwrap_or_default()
    };
    assert_eq!(evidence(&world, first), "it serves all traffic");
    world.carry();
    world.count(second, (60, 30), (600, 0));
    world.carry();
    assert!(evidence(&world, second).starts_with("rolled back at 5 %: 30 of 60 failed"));
    assert_eq!(evidence(&world, first), "it serves all traffic");

    let other = world.dispatched("plan-3");
    for person in ["alice", "bob"] {
        world.approve(person, other).expect("may approve");
    }
    let job = world.project().runs.values().find_map(|run| {
        run.legs
            .get(&"deploy".into())
            .filter(|leg| leg.attempts.iter().any(|a| a.finished.is_none()))?;
        Some(run.id)
    });
    let attempt = AttemptId { run: job.expect("it still runs"), job: "deploy".into(), attempt: 1 };
    world.end(&attempt, Failure);
    world.pass(10 * MINUTE);
    let attempt = world.start(other, "deploy");
    let third = world.deploy(&attempt, "production", "r2").expect("its gates are open");
    world.carry();
    for _ in 0..3 {
        world.count(third, (60, 0), (600, 0));
        world.pass(MINUTE);
        world.carry();
    }
    assert_eq!(
        evidence(&world, first),
        format!("it served; deployment {third} took its place 0.0 s ago")
    );
    world.end(&attempt, Success);
    let back = Command::Rollback { environment: "production".into(), to: digest("r1") };
    world.by("alice", back).expect("r1 served there");
    world.carry();
    assert!(
        evidence(&world, third).ends_with("a rollback by alice"),
        "{}",
        evidence(&world, third)
    );
}

/// Only a person's dispatch opens production; whatever else started a run is named.
#[test]
fn what_started_a_run_by_itself_does_not_open_production() {
    let nightly = "# nightly.yml
on: { schedule: [{ cron: '0 4 * * *' }], push: { branches: [main] } }
jobs:
  a: { runs-on: x, environment: production, steps: [{ run: x }] }
";
    let mut world = World::new(RULES);
    let pushed = world.push("dev", "main", "c1", "dev", &[nightly])[0];
    world.pass(3 * HOUR);
    let scheduled = *world.project().runs.keys().next_back().expect("it is past four");
    assert_ne!(scheduled, pushed);
    for (run, cause) in [(pushed, "a push"), (scheduled, "a schedule")] {
        let state = &world.project().runs[&run];
        let reason = state.legs[&"a".into()].reason.clone().unwrap_or_default();
        assert!(reason.contains(&format!("started by {cause}")), "{reason}");
    }
}

#[test]
fn a_gate_names_the_first_of_its_approval_rules() {
    let mut world = World::in_production("r1");
    let id = world.dispatched("plan-1");
    let state = &world.project().runs[&id];
    let gate = |job: &str| {
        let leg = &state.legs[&job.into()];
        Gate::of(&world.state.platform, world.project(), state, leg)
    };
    let gate = gate("deploy").expect("it has an environment");
    assert_eq!(gate.approval_rule().map(|rule| rule.needed), Some(2));
}
