//! What events would start, drawn as lists.

use expect_test::{Expect, expect};

use super::*;

const DELIVERY: &str = "on:
  push: { branches: [main, 'release/**'], paths-ignore: ['docs/**'] }
  workflow_dispatch:
    inputs:
      target: { type: choice, options: [staging, production], default: staging }
      force: { type: boolean }
jobs:
  build:
    runs-on: ubuntu-latest
    strategy: { matrix: { os: [a, b], node: [1, 2], exclude: [{ os: b, node: 1 }] } }
    steps: [{ run: make }]
  changes:
    runs-on: ubuntu-latest
    outputs: { api: x }
    steps: [{ run: x }]
  api:
    needs: [build, changes]
    if: needs.changes.outputs.api == 'true'
    runs-on: ubuntu-latest
    steps: [{ run: x }]
  deploy:
    needs: build
    if: github.ref == 'refs/heads/main' || inputs.force
    environment: ${{ inputs.target || 'development' }}
    runs-on: ubuntu-latest
    steps: [{ run: x }]
  smoke:
    needs: deploy
    runs-on: ubuntu-latest
    steps: [{ run: x }]
  report:
    needs: [smoke, api]
    if: always()
    uses: ./.github/workflows/report.yml
    with: { loud: true }
";

const CALLED: &str = "on: { workflow_call: { inputs: { loud: { type: boolean } } } }
jobs:
  shout: { if: inputs.loud, runs-on: ubuntu-latest, steps: [{ run: x }] }
  whisper: { if: '!inputs.loud', runs-on: ubuntu-latest, steps: [{ run: x }] }
";

fn check(happening: &Happening, expected: &Expect) {
    let called = |_: &str| Ok(CALLED.to_owned());
    let forecast = forecast("ci.yml", DELIVERY, happening, &called);
    let mut lines = vec![format!("{:?}", forecast.start)];
    draw(&forecast.jobs, 0, &mut lines);
    expected.assert_eq(&lines.join("\n"));
}

fn draw(jobs: &[JobForecast], depth: usize, lines: &mut Vec<String>) {
    for job in jobs {
        let fate = match &job.fate {
            Fate::Skipped { reason, .. } => format!("skipped: {reason}"),
            other => format!("{other:?}"),
        };
        lines.push(format!("{}{}: {fate}", "  ".repeat(depth), job.id));
        draw(&job.called, depth + 1, lines);
    }
}

fn push(reference: &str) -> Happening {
    Happening { event: "push".to_owned(), reference: reference.to_owned(), ..Happening::default() }
}

#[test]
fn a_push_to_main_runs_what_it_can() {
    check(
        &push("refs/heads/main"),
        &expect![[r#"
            Started
            build: Runs { legs: ["a, 1", "a, 2", "b, 2"], environment: None }
            changes: Runs { legs: [], environment: None }
            api: Open { depends_on: ["needs.changes.outputs.api"] }
            deploy: Runs { legs: [], environment: Some("development") }
            smoke: Runs { legs: [], environment: None }
            report: Runs { legs: [], environment: None }
              shout: Runs { legs: [], environment: None }
              whisper: skipped: its `if:` is false"#]],
    );
}

#[test]
fn what_needs_a_skipped_job_is_skipped_unless_it_says_always() {
    check(
        &push("refs/heads/release/1"),
        &expect![[r#"
        Started
        build: Runs { legs: ["a, 1", "a, 2", "b, 2"], environment: None }
        changes: Runs { legs: [], environment: None }
        api: Open { depends_on: ["needs.changes.outputs.api"] }
        deploy: skipped: its `if:` is false
        smoke: skipped: deploy is skipped
        report: Runs { legs: [], environment: None }
          shout: Runs { legs: [], environment: None }
          whisper: skipped: its `if:` is false"#]],
    );
}

#[test]
fn filters_say_why_nothing_starts() {
    check(
        &push("refs/heads/dev"),
        &expect![[r#"NotStarted { reason: "the branch dev matches none of: main, release/**" }"#]],
    );
    check(
        &push("refs/tags/v1"),
        &expect![[r#"NotStarted { reason: "`push` is limited to branches, and v1 is a tag" }"#]],
    );
    let paths = Some(vec!["docs/a.md".to_owned()]);
    let changed = Happening { changed_paths: paths, ..push("refs/heads/main") };
    check(
        &changed,
        &expect![[r#"NotStarted { reason: "every changed path is ignored by: docs/**" }"#]],
    );
    check(
        &Happening { event: "release".to_owned(), ..Happening::default() },
        &expect![[
            r#"NotStarted { reason: "it is started by push, workflow_dispatch, not by release" }"#
        ]],
    );
}

#[test]
fn inputs_are_typed_and_checked() {
    let given = |pairs: &[(&str, &str)]| Happening {
        event: "workflow_dispatch".to_owned(),
        inputs: pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..push("refs/heads/dev")
    };
    check(
        &given(&[("target", "production"), ("force", "true")]),
        &expect![[r#"
            Started
            build: Runs { legs: ["a, 1", "a, 2", "b, 2"], environment: None }
            changes: Runs { legs: [], environment: None }
            api: Open { depends_on: ["needs.changes.outputs.api"] }
            deploy: Runs { legs: [], environment: Some("production") }
            smoke: Runs { legs: [], environment: None }
            report: Runs { legs: [], environment: None }
              shout: Runs { legs: [], environment: None }
              whisper: skipped: its `if:` is false"#]],
    );
    check(
        &given(&[("target", "moon")]),
        &expect![[
            r#"NotStarted { reason: "the input `target` is `moon`, but must be one of: staging, production" }"#
        ]],
    );
}
