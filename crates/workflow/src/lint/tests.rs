//! Every code is found in a workflow that has the mistake, and in none that has not.

use expect_test::{Expect, expect};

use super::*;

/// A workflow without a mistake, which the cases change at one place.
const GOOD: &str = "on:
  push: { branches: [main] }
  workflow_call:
    inputs: { level: { type: string }, dry: { type: boolean } }
    outputs: { image: { value: '${{ jobs.build.outputs.image }}' } }
  schedule: [{ cron: '0 3 * * 1' }]
permissions: { contents: read }
jobs:
  build:
    runs-on: ${{ matrix.os }}
    strategy: { matrix: { os: [ubuntu-latest, macos-latest], node: [20, 22] } }
    outputs: { image: '${{ steps.make.outputs.image }}' }
    steps:
      - uses: actions/checkout@v4
      - id: make
        run: echo ${{ matrix.node }} ${{ inputs.level }} ${{ github.sha }}
        shell: bash
  deploy:
    needs: build
    if: needs.build.result == 'success'
    environment: production
    timeout-minutes: 10
    runs-on: ubuntu-latest
    env: { KEY: '${{ secrets.KEY }}' }
    steps:
      - run: ./deploy ${{ needs.build.outputs.image }}
";

/// Code, a text of the good workflow, and what stands in its place.
const MISTAKES: &[(&str, &str, &str)] = &[
    ("QX1000", "runs-on: ubuntu-latest", "runs_on: ubuntu-latest"),
    ("QX1001", "needs.build.result", "needs.biuld.result"),
    ("QX1002", "steps.make.outputs", "steps.mkae.outputs"),
    ("QX1003", "inputs.level", "inputs.levle"),
    ("QX1005", "matrix.node }}", "matrix.nod }}"),
    ("QX1006", "github.sha }}", "github.branch }}"),
    ("QX1007", "needs.build.outputs.image", "needs.build.outputs.img"),
    ("QX1010", "github.sha }}", "github.sha.short }}"),
    ("QX1011", "github.sha }}", "env[0] }}"),
    ("QX1012", "github.sha }}", "startsWith(github.sha, matrix) }}"),
    ("QX1013", "needs.build.result ==", "github.event =="),
    ("QX1014", "needs.build.result == 'success'", "inputs.dry == 'true'"),
    ("QX1015", "github.sha }}", "format('{1}', 1) }}"),
    ("QX1016", "github.sha }}", "fromJSON('[') }}"),
    ("QX1017", "github.sha }}", "github.event }}"),
    ("QX1020", "if: needs.build.result == 'success'", "if: ${{ github.sha }} == 'x'"),
    ("QX1021", "if: needs.build.result == 'success'", "if: false"),
    ("QX1030", "branches: [main]", "branches: [main], branches-ignore: [dev]"),
    ("QX1031", "branches: [main]", "branches: ['v\\d']"),
    ("QX1032", "0 3 * * 1", "0 25 * * 1"),
    ("QX1033", "level: { type: string }", "level: { type: number, default: many }"),
    ("QX1034", "  workflow_call:", "  image_version: { names: [] }\n  workflow_call:"),
    ("QX1035", "0 3 * * 1", "* * * * *"),
    ("QX1040", "timeout-minutes: 10", "timeout-minutes: 0"),
    ("QX1041", "shell: bash", "uses: a/b@v1"),
    ("QX1042", "    steps:\n      - run: ./deploy ${{ needs.build.outputs.image }}\n", ""),
    ("QX1043", "shell: bash", "shell: zsh"),
    ("QX1044", "{ KEY:", "{ 'MY KEY':"),
    ("QX1045", "[20, 22]", "&nodes [20, 22]"),
    ("QX1046", "{ KEY:", "{ <<: x, KEY:"),
    ("QX1047", "[20, 22]", "[20, 22, 20]"),
    ("QX1048", "node: [20, 22]", "node: [20, 22], exclude: [{ node: 18 }]"),
    ("QX1050", "runs-on: ubuntu-latest", "runs-on: ubuntu-10.04"),
    ("QX1051", "runs-on: ubuntu-latest", "runs-on: [ubuntu-latest, windows-latest]"),
    ("QX1052", "actions/checkout@v4", "'docker://alpine:'"),
    ("QX1053", "actions/checkout@v4", "actions/checkout@v4\n        with: { reff: x }"),
    ("QX1054", "actions/checkout@v4", "actions/checkout@v2"),
    ("QX1060", "github.sha }}", "github.head_ref }}"),
    ("QX1062", "actions/checkout@v4", "someone/something@v4"),
    ("QX1063", "{ contents: read }", "write-all"),
    (
        "QX1061",
        "runs-on: ubuntu-latest",
        "runs-on: ubuntu-latest\n    container: { image: x, credentials: { username: u, password: p } }",
    ),
    (
        "QX1070",
        "timeout-minutes: 10",
        "timeout-minutes: 10\n    concurrency: { group: p, cancel-in-progress: true }",
    ),
    ("QX1071", "    timeout-minutes: 10\n", ""),
];

fn codes_of(text: &str, surroundings: &Surroundings<'_>) -> Vec<&'static str> {
    check("w.yml", text, surroundings).into_iter().map(|finding| finding.code.id).collect()
}

#[test]
fn a_workflow_without_mistakes_has_no_findings() {
    assert_eq!(check("w.yml", GOOD, &Surroundings::NOTHING), Vec::new());
}

#[test]
fn every_mistake_is_found_by_its_code() {
    for (code, from, to) in MISTAKES {
        assert!(GOOD.contains(from), "{code}: the workflow has no `{from}`");
        let text = GOOD.replacen(from, to, 1);
        let found = codes_of(&text, &Surroundings::NOTHING);
        assert!(found.contains(code), "{code} is not among {found:?}");
    }
}

#[test]
fn every_code_has_a_test() {
    // These need surroundings or another workflow, and have tests of their own below.
    const OTHERS: [&str; 6] = ["QX1004", "QX1055", "QX1056", "QX1072", "QX1080", "QX1081"];
    for code in CODES {
        let is_tested = MISTAKES.iter().any(|(known, ..)| *known == code.id);
        assert!(is_tested || OTHERS.contains(&code.id), "{} has no test", code.id);
    }
}

#[test]
fn a_called_workflow_has_the_secrets_that_it_declares() {
    let text = |declared: &str| {
        format!(
            "on: {{ workflow_call: {{ {declared} }} }}\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: [{{ run: 'x ${{{{ secrets.KEY }}}}' }}]\n"
        )
    };
    let nothing = Surroundings::NOTHING;
    assert_eq!(codes_of(&text("secrets: { OTHER: { required: true } }"), &nothing), ["QX1004"]);
    assert_eq!(codes_of(&text("secrets: { key: { required: true } }"), &nothing), [""; 0]);
    assert_eq!(codes_of(&text(""), &nothing), [""; 0]);
}

#[test]
fn calls_are_checked_as_far_as_files_are_there() {
    let text = |uses: &str| format!("on: push\njobs: {{ a: {{ uses: {uses} }} }}\n");
    let files = |path: &str| (path == ".github/workflows/b.yml").then(String::new);
    let there = Surroundings { files: &files, ..Surroundings::NOTHING };
    assert_eq!(codes_of(&text("./.github/workflows/b.yml"), &there), [""; 0]);
    assert_eq!(codes_of(&text("./.github/workflows/c.yml"), &there), ["QX1056"]);
    assert_eq!(codes_of(&text("./.github/workflows/b.yml@main"), &there), ["QX1055"]);
    assert_eq!(codes_of(&text("o/r/.github/workflows/b.yml@v1"), &there), [""; 0]);
    assert_eq!(codes_of(&text("o/b.yml@v1"), &there), ["QX1055"]);
}

#[test]
fn a_secret_of_another_environment_is_empty() {
    let known = |environment: Option<&str>| {
        vec![KnownSecret { name: "KEY".to_owned(), environment: environment.map(str::to_owned) }]
    };
    let found = |secrets: &[KnownSecret]| {
        codes_of(GOOD, &Surroundings { secrets: Some(secrets), ..Surroundings::NOTHING })
    };
    assert_eq!(found(&known(Some("staging"))), ["QX1072"]);
    assert_eq!(found(&known(Some("production"))), [""; 0]);
    assert_eq!(found(&known(None)), [""; 0]);
    // A secret that is not known at all may still be set: that is for `secrets check` to say.
    assert_eq!(found(&[]), [""; 0]);
}

#[test]
fn actions_of_the_repository_are_read() {
    let action = "name: x\ndescription: x\ninputs: { who: { required: true }, how: { default: y } }\noutputs: { done: { value: x } }\nruns: { using: composite, steps: [] }\n";
    let files = |path: &str| (path == "act/action.yml").then(|| action.to_owned());
    let text = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - { id: s, uses: ./act, with: { hwo: x } }\n      - run: echo ${{ steps.s.outputs.doen }}\n";
    let surroundings = Surroundings { files: &files, ..Surroundings::NOTHING };
    let found = check("w.yml", text, &surroundings);
    let lines: Vec<String> = found.iter().map(|finding| finding.diagnostic.to_string()).collect();
    let expected: Expect = expect![[r#"
        w.yml:6:24: `./act` needs the input `who`
        w.yml:6:39: `./act` has no input `hwo` (it has: who, how)
        w.yml:7:23: `steps.s.outputs` has no `doen`, so this is always empty (did you mean `done`?)"#]];
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn labels_of_one_s_own_runners_are_known() {
    let labels = ["gpu".to_owned()];
    let surroundings = Surroundings { runner_labels: &labels, ..Surroundings::NOTHING };
    let text = GOOD.replace("runs-on: ubuntu-latest", "runs-on: gpu");
    assert_eq!(codes_of(&text, &surroundings), [""; 0]);
    assert_eq!(codes_of(&text, &Surroundings::NOTHING), ["QX1050"]);
}
