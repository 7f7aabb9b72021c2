use crate::{
    Access, Filter, InputKind, Matrix, Permissions, Position, StepAction, Trigger, Workflow, parse,
};
use expect_test::{Expect, expect};
use proptest::prelude::*;

const DELIVERY: &str = r#"name: Delivery
run-name: Deliver ${{ github.sha }} by @${{ github.actor }}
on:
  push:
    branches: [main, "release/**"]
    paths-ignore: ["docs/**"]
  workflow_dispatch:
    inputs:
      environment:
        description: Where to
        type: choice
        options: [staging, production]
        required: true
  schedule:
    - cron: "0 3 * * MON-FRI"
env:
  REGION: westeurope
  VERSION: 3.10
defaults:
  run:
    shell: bash
permissions:
  contents: read
  id-token: write
concurrency:
  group: deliver-${{ github.ref }}
  cancel-in-progress: ${{ github.ref != 'refs/heads/main' }}
jobs:
  test:
    name: Test on ${{ matrix.rust }}
    runs-on: [self-hosted, linux]
    strategy:
      fail-fast: false
      max-parallel: 2
      matrix:
        rust: [stable, 1.90]
        include:
          - { rust: stable, coverage: true }
    steps:
      - uses: actions/checkout@v4
        with: { fetch-depth: 0, submodules: true }
      - id: test
        name: Test
        if: matrix.coverage || always()
        run: |
          cargo test
          echo "done" >> "$GITHUB_OUTPUT"
        env: { KEY: "${{ secrets.KEY }}-${{ hashFiles('**/Cargo.lock') }}" }
        continue-on-error: ${{ matrix.rust != 'stable' }}
        timeout-minutes: 5
    outputs:
      digest: ${{ steps.test.outputs.digest }}
  deploy:
    needs: TEST
    if: ${{ !cancelled() && needs.test.result == 'success' }}
    runs-on: ubuntu-latest
    environment: { name: "${{ inputs.environment }}", url: "${{ steps.deploy.outputs.url }}" }
    timeout-minutes: 30
    steps:
      - { id: deploy, uses: ./actions/deploy, with: { image: "${{ needs.test.outputs.digest }}" } }
      - { run: ./smoke.sh, shell: "env -i bash {0}", working-directory: tests }
"#;

fn read(text: &str) -> Workflow {
    parse("w.yml", text).unwrap_or_else(|diagnostics| {
        panic!("{}", diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })
}

/// Checks what is said about a workflow that consists of one job with these lines.
fn check_job(lines: &str, expected: &Expect) {
    check(&format!("on: push\njobs:\n  a:\n{lines}\n"), expected);
}

fn check(text: &str, expected: &Expect) {
    let diagnostics = parse("w.yml", text).map(|_| ()).unwrap_err();
    let shown: Vec<String> = diagnostics
        .iter()
        .map(|diagnostic| format!("{diagnostic} `{}`", &text[diagnostic.span.clone()]))
        .collect();
    expected.assert_eq(&shown.join("\n"));
}

#[test]
fn a_whole_delivery_is_understood() {
    let workflow = read(DELIVERY);
    assert_eq!(workflow.display_name(), "Delivery");
    assert_eq!(workflow.env[1].1.source, "3.1", "a number loses its zero, as on GitHub");
    assert_eq!(workflow.permissions.as_ref().unwrap().access("id-token"), Access::Write);
    assert_eq!(workflow.permissions.as_ref().unwrap().access("issues"), Access::None);
    let [
        Trigger::Push { branches, paths, tags },
        Trigger::WorkflowDispatch { inputs },
        Trigger::Schedule(entries),
    ] = workflow.on.as_slice()
    else {
        panic!("{:?}", workflow.on)
    };
    assert_eq!(*branches, Some(Filter::Only(vec!["main".into(), "release/**".into()])));
    assert_eq!((paths, tags), (&Some(Filter::Ignore(vec!["docs/**".into()])), &None));
    assert_eq!(inputs[0].kind, InputKind::Choice(vec!["staging".into(), "production".into()]));
    assert_eq!(entries[0].cron, "0 3 * * MON-FRI");

    let [test, deploy] = workflow.jobs.as_slice() else { panic!("{:?}", workflow.jobs) };
    assert_eq!(test.position, Position { line: 29, column: 3 });
    assert_eq!(test.runs_on.labels.len(), 2);
    assert!(matches!(test.strategy.as_ref().unwrap().matrix, Some(Matrix::Written { .. })));
    assert_eq!(test.steps[1].position.line, 42);
    let StepAction::Run { script, shell: None, .. } = &test.steps[1].action else { panic!() };
    assert_eq!(script.source, "cargo test\necho \"done\" >> \"$GITHUB_OUTPUT\"\n");
    assert_eq!(deploy.needs, ["test"], "spelled as it is defined");
    assert_eq!(workflow.ancestors("deploy"), [test]);
    let StepAction::Uses { reference, with } = &deploy.steps[0].action else { panic!() };
    assert_eq!((reference.as_str(), with[0].0.as_str()), ("./actions/deploy", "image"));
}

#[test]
fn a_workflow_survives_storage() {
    let workflow = read(DELIVERY);
    let stored = serde_json::to_string(&workflow).unwrap();
    assert_eq!(serde_json::from_str::<Workflow>(&stored).unwrap(), workflow);
}

#[test]
fn unknown_keys_are_errors_with_the_nearest_known_one() {
    check(
        "on: push\nnmae: x\njobs:\n  a:\n    runs_on: x\n    steps:\n      - runn: echo\n      - run: x\n        with: {}\n",
        &expect![[r#"
            w.yml:2:1: Unexpected value 'nmae' (did you mean `name`?) `nmae`
            w.yml:4:3: Required property is missing: runs-on `a`
            w.yml:5:5: Unexpected value 'runs_on' (did you mean `runs-on`?) `runs_on`
            w.yml:7:9: Unexpected value 'runn' (did you mean `run`?) `runn`
            w.yml:7:9: There's not enough info to determine what you meant. Add one of these properties: cancel, parallel, run, shell, uses, wait, wait-all, with, working-directory `r`
            w.yml:9:9: Unexpected value 'with' (possible here: background, continue-on-error, env, id, if, name, run, shell, timeout-minutes, working-directory) `with`"#]],
    );
}

#[test]
fn what_is_not_carried_out_yet_is_said() {
    check(
        "on: [push, release]\njobs:\n  a:\n    runs-on: x\n    container: y\n    services: {}\n    steps:\n      - { uses: 'docker://x' }\n      - { id: x, run: x, background: true }\n      - { wait: [x] }\n  b: { uses: ./x.yml }\n",
        &expect![[r#"
            w.yml:1:12: `release` is not supported yet `release`
            w.yml:5:5: `container` is not supported yet `container`
            w.yml:6:5: `services` is not supported yet `services`
            w.yml:8:17: `uses: docker://` is not supported yet `'docker://x'`
            w.yml:9:26: `background` is not supported yet `background`
            w.yml:10:11: `wait` is not supported yet `wait`
            w.yml:11:8: `uses` is not supported yet `uses`"#]],
    );
    check_job(
        "    runs-on: x\n    env: ${{ fromJSON('{}') }}\n    steps: [{ run: x, env: { '${{ github.ref }}': 1 } }, { run: x, shell: python }]",
        &expect![[r#"
            w.yml:5:10: `${{ }}` in place of a mapping is not supported yet `${{ fromJSON('{}') }}`
            w.yml:6:30: `${{ }}` in a key is not supported yet `'${{ github.ref }}'`
            w.yml:6:75: the shell `python` is not supported yet by its name (write `python {0}` instead) `python`"#]],
    );
}

#[test]
fn expressions_are_checked_at_their_own_place() {
    check_job(
        r#"    runs-on: x
    if: needs.b.result == 'x' && env.X
    name: a ${{ matrix.os }} ${{ steps.x }}
    timeout-minutes: ${{ 1 + 2 }}
    steps:
      - run: |
          echo ok ${{ github.ref }}
          echo ${{ gthub.ref }} ${{ foo() }}
        if: ${{ secrets.X }}
      - { run: "a \"${{ b }}\"", env: { X: "${{" }, shell: "${{ 'sh' }}" }"#,
        &expect![[r#"
            w.yml:5:34: Unrecognized named-value: 'env'. Located at position 26 within expression: needs.b.result == 'x' && env.X `env`
            w.yml:6:34: Unrecognized named-value: 'steps'. Located at position 1 within expression: steps.x `steps`
            w.yml:7:22: Unexpected value '${{ 1 + 2 }}' (a number is needed here) `${{ 1 + 2 }}`
            w.yml:7:28: Unexpected symbol: '+'. Located at position 3 within expression: 1 + 2 `+`
            w.yml:11:20: Unrecognized named-value: 'gthub'. Located at position 1 within expression: gthub.ref (did you mean `github`?) `gthub`
            w.yml:12:17: Unrecognized named-value: 'secrets'. Located at position 1 within expression: secrets.X `secrets`
            w.yml:13:25: Unrecognized named-value: 'b'. Located at position 1 within expression: b `b`
            w.yml:13:45: The expression is not closed. An unescaped ${{ sequence was found, but the closing }} sequence was not found. `${{`"#]],
    );
}

#[test]
fn values_must_be_of_their_kind() {
    check_job(
        "    runs-on: ''\n    timeout-minutes: soon\n    continue-on-error: 1\n    permissions: { contents: all, issue: read, id-token: read }\n    environment: { url: x }\n    concurrency: { cancel-in-progress: 'true' }\n    env: [a]\n    steps: { run: x }",
        &expect![[r#"
            w.yml:4:14: Unexpected value '' (a text or a list or a mapping is needed here) `''`
            w.yml:5:22: Unexpected value 'soon' (a number is needed here) `soon`
            w.yml:6:24: Unexpected value '1' (true or false is needed here) `1`
            w.yml:7:30: Unexpected value 'all' (possible here: read, write, none) `all`
            w.yml:7:35: Unexpected value 'issue' (did you mean `issues`?) `issue`
            w.yml:7:58: Unexpected value 'read' (possible here: write, none) `read`
            w.yml:8:5: Required property is missing: name `environment`
            w.yml:9:5: Required property is missing: group `concurrency`
            w.yml:9:40: Unexpected value 'true' (true or false is needed here) `'true'`
            w.yml:10:10: A sequence was not expected `[`
            w.yml:11:12: A mapping was not expected `{`"#]],
    );
}

#[test]
fn jobs_and_steps_have_ids_and_an_order() {
    let job = |key: &str, needs: &str| {
        format!("  {key}: {{ needs: {needs}, runs-on: x, steps: [{{ run: x }}] }}\n")
    };
    let jobs = |jobs: &[String]| format!("on: push\njobs:\n{}", jobs.concat());
    check(
        &jobs(&[
            job("build", "[tset, lint]"),
            job("test", "[]"),
            job("0x", "[]"),
            job("__a", "[]"),
        ]),
        &expect![[r#"
            w.yml:5:3: The identifier '0x' is invalid. IDs may only contain alphanumeric characters, '_', and '-'. IDs must start with a letter or '_' and and must be less than 100 characters. `0x`
            w.yml:6:3: The identifier '__a' is invalid. IDs starting with '__' are reserved. `__a`"#]],
    );
    check(
        &jobs(&[job("start", "[]"), job("a", "[start, c]"), job("b", "a"), job("c", "b")]),
        &expect![[r#"
            w.yml:4:23: Job 'a' depends on job 'c' which creates a cycle in the dependency graph. (`needs` runs in a circle: a -> c -> b -> a) `c`
            w.yml:5:15: Job 'b' depends on job 'a' which creates a cycle in the dependency graph. (`needs` runs in a circle: a -> c -> b -> a) `a`
            w.yml:6:15: Job 'c' depends on job 'b' which creates a cycle in the dependency graph. (`needs` runs in a circle: a -> c -> b -> a) `b`"#]],
    );
    check(
        &jobs(&[job("a", "a")]),
        &expect![
            "w.yml:3:3: The workflow must contain at least one job with no dependencies. (`needs` runs in a circle: a -> a) `a: { needs: a, runs-on: x, steps: [{ run: x }] }`"
        ],
    );
    check(
        "on: push\njobs: {}\n",
        &expect![
            "w.yml:2:7: The workflow must contain at least one job with no dependencies. `{}`"
        ],
    );
    check_job(
        "    runs-on: x\n    steps: [{ id: s, run: x }, { id: S, run: x }, { id: a.b, run: x }, { uses: checkout, run: x }, { uses: checkout@v4 }, { with: {} }]",
        &expect![[r#"
            w.yml:5:38: The identifier 'S' may not be used more than once within the same scope. `S`
            w.yml:5:57: The identifier 'a.b' is invalid. IDs may only contain alphanumeric characters, '_', and '-'. IDs must start with a letter or '_' and and must be less than 100 characters. `a.b`
            w.yml:5:80: Expected format {org}/{repo}[/path]@ref. Actual 'checkout' (an action of the same repository begins with `./`) `checkout`
            w.yml:5:90: Unexpected value 'run' (possible here: background, continue-on-error, env, id, if, name, timeout-minutes, uses, with) `run`
            w.yml:5:108: Expected format {org}/{repo}[/path]@ref. Actual 'checkout@v4' (an action of the same repository begins with `./`) `checkout@v4`
            w.yml:5:123: Required property is missing: uses `{`"#]],
    );
}

#[test]
fn triggers_are_checked() {
    check(
        r#"on:
  push: { branches: a, branches-ignore: b, paths: ["[x"], tag: v1 }
  pull_request: { types: [opend] }
  schedule: [{ cron: "0 25 * * *" }]
  workflow_dispatch:
    inputs:
      a: { type: text }
      b: { type: choice }
      c: { type: boolean, default: maybe, options: [x] }
jobs: { a: { runs-on: x, steps: [{ run: x }] } }
"#,
        &expect![[r#"
            w.yml:2:24: `branches` and `branches-ignore` cannot be used together (use `branches` alone, with `!` before what to leave out) `branches-ignore`
            w.yml:2:52: `[x` is no pattern: `[` is not closed by `]` `"[x"`
            w.yml:2:59: Unexpected value 'tag' (did you mean `tags`?) `tag`
            w.yml:3:27: Unexpected value 'opend' (did you mean `opened`?) `opend`
            w.yml:4:22: `0 25 * * *` is no schedule: `25` is no hour (0 to 23) `"0 25 * * *"`
            w.yml:7:18: Unexpected value 'text' (possible here: string, boolean, number, environment, choice) `text`
            w.yml:8:7: `b` is a choice without `options` `b`
            w.yml:9:7: `c` has options and is no choice (say `type: choice`) `c`
            w.yml:9:36: the default `maybe` must be true or false `maybe`"#]],
    );
    check(
        "on: [psuh, schedule]\njobs: { a: { runs-on: x, steps: [{ run: x }] } }\n",
        &expect![[r#"
            w.yml:1:6: Unexpected value 'psuh' (did you mean `push`?) `psuh`
            w.yml:1:12: `schedule` needs its times (write `schedule:` with a list of `cron:` entries) `schedule`"#]],
    );
}

#[test]
fn a_matrix_is_checked_as_far_as_it_is_written() {
    check_job(
        "    runs-on: x\n    strategy:\n      fail-fast: maybe\n      matrix:\n        os: []\n        node: 12\n        exclude: [{ nod: 12 }, 1]\n    steps: [{ run: x }]",
        &expect![[r#"
            w.yml:6:18: Unexpected value 'maybe' (true or false is needed here) `maybe`
            w.yml:8:13: Matrix vector 'os' does not contain any values `[]`
            w.yml:9:15: Unexpected value '12' (a list is needed here) `12`
            w.yml:10:21: Matrix exclude key 'nod' does not match any key within the matrix (did you mean `node`?) `nod`
            w.yml:10:32: Unexpected value '1' (a mapping is needed here) `1`"#]],
    );
}

#[test]
fn permissions_can_be_given_at_once() {
    let workflow = read(
        "on: push\npermissions: read-all\njobs: { a: { permissions: {}, runs-on: x, steps: [{ run: x }] } }",
    );
    assert_eq!(workflow.permissions, Some(Permissions::ReadAll));
    assert_eq!(workflow.jobs[0].permissions, Some(Permissions::Scopes(Vec::new())));
}

#[test]
fn an_error_in_an_anchor_is_reported_once() {
    check_job(
        "    runs-on: x\n    env: &e { A: \"${{ nope }}\" }\n    steps: [{ run: x, env: *e }, { run: y, env: *e }]",
        &expect![[r#"
            w.yml:5:23: Unrecognized named-value: 'nope'. Located at position 1 within expression: nope `nope`"#]],
    );
}

proptest! {
    /// Whatever is cut out of a workflow, it is read or refused with places inside the file.
    #[test]
    fn a_damaged_workflow_never_panics(at in 0..DELIVERY.len(), length in 1..40_usize, piece in "[ :{}$'\"a\n-]{0,3}") {
        let end = (at + length).min(DELIVERY.len());
        let text = format!("{}{piece}{}", &DELIVERY[..at], &DELIVERY[end..]);
        if let Err(diagnostics) = parse("w.yml", &text) {
            prop_assert!(!diagnostics.is_empty());
            for diagnostic in diagnostics {
                prop_assert!(text.get(diagnostic.span.clone()).is_some(), "{}", diagnostic);
                prop_assert!(diagnostic.line as usize <= text.lines().count() + 1);
            }
        }
    }
}
