//! What attempts keep, what counts of them, and what another attempt finds.

use qnt9_model::command::{Again, Decision};
use qnt9_model::fact::Outcome::{Failure, Success};
use qnt9_model::limits::JOB_OUTPUT_BYTES_MAX;
use qnt9_model::{AttemptId, Command, Fact, RunId};

use crate::world::{HOUR, RULES, World, runs_of};

fn keep(world: &mut World, attempt: &AttemptId, name: &str, blob: &str, days: u32) -> usize {
    let command = Command::KeepArtifact {
        attempt: attempt.clone(),
        name: name.to_owned(),
        blob: blob.to_owned(),
        bytes: 3,
        retention_days: days,
    };
    world.in_step(attempt, command).expect("a job may keep an artifact").len()
}

fn rerun(world: &mut World, run: RunId, job: &str) -> RunId {
    let what = Again::Job(job.into());
    runs_of(&world.by("dev", Command::Rerun { run, what }).expect("may run again"))[0]
}

#[test]
fn an_artifact_is_kept_for_its_days_and_replaced_by_another() {
    let text = "# w.yml\non: push\njobs:\n  a: { runs-on: x, steps: [{ run: x }] }\n";
    let mut world = World::new(RULES);
    let run = world.push("dev", "main", "c1", "dev", &[text])[0];
    let attempt = world.start(run, "a");
    assert_eq!(keep(&mut world, &attempt, "report", "b1", 3), 1);
    let kept = |world: &World| world.project().artifacts[&(run, "report".to_owned())].clone();
    assert_eq!(kept(&world).expires, world.now.plus(72 * HOUR));
    assert_eq!(keep(&mut world, &attempt, "report", "b1", 3), 0, "said twice, kept once");
    assert_eq!(keep(&mut world, &attempt, "report", "b2", 3), 1, "the same name, other bytes");
    assert_eq!(kept(&world).blob, "b2");
    world.lose(&attempt);
    let second = world.start(run, "a");
    assert_eq!(keep(&mut world, &second, "report", "b2", 3), 1, "it is the later attempt's now");
    assert_eq!(kept(&world).attempt, second);
}

/// What was kept by jobs that are not made again is there for those that are.
#[test]
fn a_rerun_finds_artifacts_and_plans_of_the_jobs_it_takes_over() {
    let text = "# w.yml
on: push
jobs:
  plan: { runs-on: x, steps: [{ run: x }] }
  test: { runs-on: x, steps: [{ run: x }] }
  sum: { needs: [plan, test], runs-on: x, steps: [{ run: x }] }
";
    let mut world = World::new(RULES);
    let work = |world: &mut World, run: RunId, mark: &str| {
        let plan = world.start(run, "plan");
        world.plan(&plan, "production", mark);
        keep(world, &plan, "plan", mark, 1);
        world.end(&plan, Success);
        let test = world.start(run, "test");
        world.plan(&test, "staging", mark);
        keep(world, &test, "report", mark, 1);
        world.end(&test, Failure);
    };
    let other = world.push("dev", "main", "c0", "dev", &[text])[0];
    work(&mut world, other, "other");
    let first = world.push("dev", "main", "c1", "dev", &[text])[0];
    work(&mut world, first, "first");
    let second = rerun(&mut world, first, "test");
    let found = |world: &World| {
        let artifacts = world.project().artifacts.iter().filter(|((run, _), _)| *run == second);
        let plans = world.project().plans.iter().filter(|((run, _), _)| *run == second);
        let artifacts = artifacts.map(|((_, name), kept)| format!("{name} {}", kept.blob));
        let plans = plans.map(|((_, place), plan)| format!("{place} {}", plan.hash));
        artifacts.chain(plans).collect::<Vec<_>>()
    };
    assert_eq!(found(&world), ["plan first", "production first"]);
    assert_eq!(world.to_start(second), ["test"]);
}

#[test]
fn outputs_up_to_the_limit_are_passed_on() {
    let text = "# w.yml\non: push\njobs:\n  a: { runs-on: x, steps: [{ run: x }] }\n";
    for (bytes, expected) in [(JOB_OUTPUT_BYTES_MAX, Success), (JOB_OUTPUT_BYTES_MAX + 1, Failure)]
    {
        let mut world = World::new(RULES);
        let run = world.push("dev", "main", "c1", "dev", &[text])[0];
        let attempt = world.start(run, "a");
        let value = "x".repeat(bytes - "name".len());
        world.end_with(&attempt, Success, &[("name", &value)]);
        let ended = world.project().runs[&run].finished.map(|(outcome, _)| outcome);
        assert_eq!(ended, Some(expected), "{bytes} bytes");
    }
}

/// A lost leg may be brought back, so it keeps its place among those that may run at once.
#[test]
fn a_lost_leg_counts_for_max_parallel() {
    let text = "# w.yml
on: push
jobs:
  a:
    runs-on: x
    environment: '${{ matrix.place }}'
    strategy: { max-parallel: 1, matrix: { place: [staging, development] } }
    steps: [{ run: x }]
";
    let rules = "[project]\nname = \"shop\"\n[environment.staging]\n[environment.development]\n";
    let mut world = World::new(rules);
    let run = world.push("dev", "main", "c1", "dev", &[text])[0];
    assert_eq!(world.to_start(run), ["a.1"]);
    let attempt = world.start(run, "a.1");
    world.lose(&attempt);
    assert_eq!(world.to_start(run), [""; 0]);
    let decision = Decision::Abandon;
    let abandon = Command::ResolveLost { run, job: attempt.job.clone(), decision };
    world.by("dev", abandon).expect("may give it up");
    assert_eq!(world.to_start(run), [""; 0], "the first one's failure stops the rest");
}

/// After a lost attempt the same wish is the same deployment; another wish is another one.
#[test]
fn another_attempt_that_wants_something_else_gets_it() {
    let text = "# w.yml
on: push
jobs:
  build: { runs-on: x, steps: [{ run: x }] }
  deploy: { needs: build, runs-on: x, environment: staging, steps: [{ run: x }] }
";
    let started = || {
        let mut world = World::new(RULES);
        let run = world.push("dev", "main", "c1", "dev", &[text])[0];
        let build = world.start(run, "build");
        world.build(&build, "r1");
        world.build(&build, "r2");
        world.end(&build, Success);
        let attempt = world.start(run, "deploy");
        let call = world.call(&attempt);
        let wish = |attempt: &AttemptId, release: &str, mode: &str| Command::Deploy {
            call: qnt9_model::CallKey { attempt: attempt.clone(), ..call.clone() },
            environment: "staging".into(),
            release: crate::world::digest(release),
            settings: vec![("MODE".to_owned(), mode.to_owned())],
        };
        world.in_step(&attempt, wish(&attempt, "r1", "a")).expect("staging is open");
        world.carry();
        world.lose(&attempt);
        let job = attempt.job.clone();
        let again = Command::ResolveLost { run, job, decision: Decision::Rerun };
        world.by("dev", again).expect("may decide");
        let second = world.start(run, "deploy");
        let wishes = [("r1", "a"), ("r2", "a"), ("r1", "b")]
            .map(|(release, mode)| wish(&second, release, mode));
        (world, second, wishes)
    };
    for (wanted, new) in [0, 1, 1].into_iter().enumerate() {
        let (mut world, second, wishes) = started();
        let entries = world.in_step(&second, wishes[wanted].clone()).expect("it may deploy");
        let requested = |fact: &Fact| matches!(fact, Fact::DeploymentRequested { .. });
        let count = entries.iter().filter(|entry| requested(&entry.fact)).count();
        assert_eq!(count, new, "{:?}", wishes[wanted]);
    }
}

/// Waking is worth a fact only when somebody's time is counted from it.
#[test]
fn the_machine_notes_that_it_woke_when_something_goes_on() {
    let wakes = |world: &mut World| {
        let facts = world.tell(Command::Wake);
        facts.iter().filter(|entry| matches!(entry.fact, Fact::MachineWoke {})).count()
    };
    let mut world = World::in_production("r1");
    assert_eq!(wakes(&mut world), 0, "everything is at rest");
    world.staged("c2", "r2");
    let attempt = world.released();
    assert_eq!(wakes(&mut world), 1, "a job runs");
    assert_eq!(world.project().woke, world.now);
    let id = world.deploy(&attempt, "production", "r2").expect("its gates are open");
    world.carry();
    while world.deployment(id).outcome.is_none() {
        world.count(id, (60, 0), (600, 0));
        world.pass(HOUR / 60);
        world.carry();
    }
    world.end(&attempt, Success);
    world.work_through(attempt.run);
    assert_eq!(wakes(&mut world), 0);
    let to = crate::world::digest("r1");
    let back = Command::Rollback { environment: "production".into(), to };
    world.by("alice", back).expect("r1 served there");
    assert_eq!(wakes(&mut world), 1, "no run, but a rollout goes on");
}
