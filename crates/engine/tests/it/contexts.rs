//! What expressions are told.

use qnt9_engine::contexts::{event_name, of_leg, of_run};
use qnt9_engine::state::Project;
use qnt9_model::command::Again;
use qnt9_model::fact::Outcome::Success;
use qnt9_model::{Command, RunId};

use crate::world::{RULES, World, runs_of};

fn workflow(head: &str, name: &str) -> String {
    format!(
        "# w.yml\n{head}\njobs:\n  a: {{ runs-on: x, name: '{name}', steps: [{{ run: x }}] }}\n"
    )
}

/// The name of the one job of a run, which is an expression.
fn name(world: &World, run: RunId) -> &str {
    &world.project().runs[&run].legs[&"a".into()].leg.name
}

fn github(world: &World, run: RunId, key: &str) -> serde_json::Value {
    let run = &world.project().runs[&run];
    let contexts = of_run(&run.stream, world.project(), run);
    let contexts = serde_json::Value::from(qnt9_workflow::Value::Object(contexts));
    contexts["github"][key].clone()
}

#[test]
fn only_the_default_branch_is_protected() {
    let mut world = World::new(RULES);
    let text = workflow("on: push", "x");
    for (branch, kind, protected) in [("main", "branch", true), ("side", "branch", false)] {
        let run = world.push("dev", branch, &format!("{branch}1"), "dev", &[&text])[0];
        assert_eq!(github(&world, run, "ref_protected"), protected, "{branch}");
        assert_eq!(github(&world, run, "ref_type"), kind);
        assert_eq!(github(&world, run, "ref_name"), branch);
    }
}

#[test]
fn the_event_knows_its_repository() {
    let mut world = World::new(RULES);
    let event = "github.event.repository";
    let text = workflow(
        "on: push",
        &format!(
            "${{{{ {event}.name }}}} ${{{{ {event}.full_name }}}} ${{{{ {event}.default_branch }}}}"
        ),
    );
    let run = world.push("dev", "main", "c1", "dev", &[&text])[0];
    assert_eq!(name(&world, run), "shop shop/shop main");
}

/// The title is the pushed commit's, unless `run-name` gives one that says something.
#[test]
fn runs_are_titled_by_their_commit_or_by_their_run_name() {
    let mut world = World::new(RULES);
    let title = |world: &World, run: RunId| world.project().runs[&run].title.show().to_owned();
    let plain = world.push("dev", "main", "c1", "dev", &[&workflow("on: push", "x")])[0];
    assert_eq!(title(&world, plain), "Change c1");
    let named = workflow("on: push\nrun-name: 'for ${{ github.actor }}'", "x");
    let named = world.push("dev", "main", "c2", "dev", &[&named])[0];
    assert_eq!(title(&world, named), "for dev");
    let empty = workflow("on: push\nrun-name: ' ${{ inputs.nothing }} '", "x");
    let empty = world.push("dev", "main", "c3", "dev", &[&empty])[0];
    assert_eq!(title(&world, empty), "Change c3");
}

/// A re-run is of the event of what it repeats, even of one that nobody remembers.
#[test]
fn a_rerun_has_the_event_of_the_first() {
    let mut world = World::new(RULES);
    let head = "on: { push: {}, workflow_dispatch: { inputs: { to: { type: string } } } }";
    let text = workflow(head, "x");
    let pushed = world.push("dev", "main", "c1", "dev", &[&text])[0];
    let dispatched = world.dispatch("dev", "main", &text, &[("to", "moon")]).expect("may");
    for (run, event) in [(pushed, "push"), (dispatched, "workflow_dispatch")] {
        world.work(run, "a", Success);
        let again = Command::Rerun { run, what: Again::All };
        let again = runs_of(&world.by("alice", again).expect("may run again"))[0];
        let repeated = &world.project().runs[&again];
        assert_eq!(event_name(world.project(), repeated), event);
        assert_eq!(event_name(&Project::default(), repeated), event, "by its inputs alone");
        assert_eq!(github(&world, again, "actor"), "dev");
        assert_eq!(github(&world, again, "triggering_actor"), "alice");
        assert_eq!(github(&world, again, "run_attempt"), "2");
    }
}

#[test]
fn a_runner_gets_all_contexts_of_its_leg() {
    let text = "# w.yml
on: push
jobs:
  a: { runs-on: x, outputs: { n: x }, steps: [{ run: x }] }
  b:
    needs: a
    runs-on: x
    strategy: { max-parallel: 1, matrix: { n: [x, y] } }
    steps: [{ run: x }]
";
    let mut world = World::new(RULES);
    let run = world.push("dev", "main", "c1", "dev", &[text])[0];
    let attempt = world.start(run, "a");
    world.end_with(&attempt, Success, &[("n", "seven")]);
    let state = &world.project().runs[&run];
    let of = |job: &str| {
        let contexts = of_leg(&state.stream, world.project(), state, &job.into());
        let all = serde_json::Value::from(qnt9_workflow::Value::Object(contexts));
        ["needs", "matrix", "strategy"].map(|key| all[key].to_string())
    };
    assert_eq!(
        of("b.2"),
        [
            r#"{"a":{"result":"success","outputs":{"n":"seven"}}}"#,
            r#"{"n":"y"}"#,
            r#"{"fail-fast":true,"job-index":1,"job-total":2,"max-parallel":1}"#,
        ]
    );
    let alone = r#"{"fail-fast":true,"job-index":0,"job-total":1,"max-parallel":1}"#;
    assert_eq!(of("a"), ["{}", "{}", alone]);
    assert_eq!(of("moon"), ["null"; 3], "there is no such leg");
}
