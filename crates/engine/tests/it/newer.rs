//! Of several that want the same: who takes whose place, and how a run ends that was stopped.

use qnt9_model::fact::Outcome::{self, Cancelled, Failure, Success};
use qnt9_model::{Command, RunId};

use crate::world::{MINUTE, RULES, World};

fn workflow(path: &str, deploy: &str) -> String {
    format!(
        "# {path}
on: workflow_dispatch
jobs:
  plan: {{ runs-on: x, steps: [{{ run: x }}] }}
  deploy: {{ needs: plan, runs-on: x, environment: staging{deploy}, steps: [{{ run: x }}] }}
  verify: {{ needs: deploy, runs-on: x, steps: [{{ run: x }}] }}
"
    )
}

fn dispatch(world: &mut World, text: &str) -> RunId {
    world.dispatch("dev", "main", text, &[]).expect("may dispatch")
}

/// Staging lets nobody in for ten minutes.
fn slow() -> World {
    let rules = RULES.replace("[environment.staging]\n", "[environment.staging]\nwait = \"10m\"\n");
    let mut world = World::new(&rules);
    world.push("dev", "main", "c1", "dev", &[]);
    world
}

fn result(world: &World, run: RunId) -> Option<Outcome> {
    world.project().runs[&run].finished.map(|(outcome, _)| outcome)
}

#[test]
fn a_newer_run_takes_the_place_of_one_of_the_same_workflow_and_branch_alone() {
    let mut world = slow();
    let (one, other) = (workflow("one.yml", ""), workflow("other.yml", ""));
    let older = dispatch(&mut world, &one);
    world.work(older, "plan", Success);
    let elsewhere = dispatch(&mut world, &other);
    world.work(elsewhere, "plan", Success);
    assert_eq!(result(&world, older), None, "another workflow is another matter");
    world.push("dev", "develop", "d1", "dev", &[]);
    let branch = world.dispatch("dev", "develop", &one, &[]).expect("may dispatch");
    world.work(branch, "plan", Success);
    assert_eq!(result(&world, older), None, "and so is another branch");
    let newer = dispatch(&mut world, &one);
    assert_eq!(result(&world, older), None, "it does not wait for staging yet");
    world.work(newer, "plan", Success);
    assert_eq!(result(&world, older), Some(Cancelled));
    assert_eq!(result(&world, newer), None);
}

/// Who came late and finds a newer one at work waits for its turn: only what waits takes places.
#[test]
fn who_is_at_work_or_done_takes_nobodys_place() {
    for group in ["", ", concurrency: staging"] {
        let mut world = slow();
        let text = workflow("one.yml", group);
        let older = dispatch(&mut world, &text);
        let newer = dispatch(&mut world, &text);
        world.work(newer, "plan", Success);
        world.pass(10 * MINUTE);
        let deploy = world.start(newer, "deploy");
        let plan = world.start(older, "plan");
        if group.is_empty() {
            world.end(&plan, Success);
            assert_eq!(result(&world, older), None, "the newer one is at work");
            world.end(&deploy, Success);
        } else {
            // The group is free again, and the newer run still has something else to do.
            world.end(&deploy, Success);
            world.end(&plan, Success);
        }
        assert_eq!(result(&world, newer), None);
        assert_eq!(result(&world, older), None, "the newer one is done");
        world.pass(10 * MINUTE);
        world.work(older, "deploy", Success);
    }
}

/// A run that was cancelled ends cancelled, whatever its jobs made of it, unless one of them failed.
#[test]
fn a_cancelled_run_says_so_unless_it_failed() {
    let text = "# w.yml\non: push\njobs:\n  a: { runs-on: x, steps: [{ run: x }] }\n";
    for (end, expected) in [(Success, Cancelled), (Cancelled, Cancelled), (Failure, Failure)] {
        let mut world = World::new(RULES);
        let run = world.push("dev", "main", "c1", "dev", &[text])[0];
        let attempt = world.start(run, "a");
        world.by("dev", Command::CancelRun { run }).expect("may cancel");
        world.end(&attempt, end);
        assert_eq!(result(&world, run), Some(expected), "its job ended with {}", end.word());
    }
}
