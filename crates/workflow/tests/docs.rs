//! The table for people who come from GitHub says what is so.

use qnt9_workflow::lint::{Severity, Surroundings, check};
use qnt9_workflow::parse;

/// Each row of the table with a workflow that uses what it names.
const ROWS: &[(&str, &str)] = &[
    (
        "`push`, `pull_request`, `workflow_dispatch`, `schedule`",
        "on: { push: { branches: [a], paths: [b] }, pull_request: { types: [opened] }, workflow_dispatch: { inputs: { a: { type: choice, options: [x] } } }, schedule: [{ cron: '*/5 * * * *', timezone: Europe/Berlin }] }\njobs: { a: { runs-on: ubuntu-latest, steps: [{ run: x }] } }",
    ),
    (
        "all other events",
        "on: { release: { types: [published] } }\njobs: { a: { runs-on: ubuntu-latest, steps: [{ run: x }] } }",
    ),
    (
        "anchors and aliases",
        "on: push\njobs: { a: { runs-on: ubuntu-latest, env: &e { A: b }, steps: [{ run: x, env: *e }] } }",
    ),
    (
        "`strategy.matrix` with `include`, `exclude`, `fromJSON`",
        "on: push\njobs: { a: { runs-on: ubuntu-latest, strategy: { fail-fast: false, max-parallel: 2, matrix: { a: [1, 2], b: \"${{ fromJSON('[1]') }}\", include: [{ a: 1, c: 2 }], exclude: [{ a: 2 }] } }, steps: [{ run: x }] } }",
    ),
    (
        "`concurrency` with `queue`",
        "on: push\nconcurrency: { group: a, queue: max }\njobs: { a: { runs-on: ubuntu-latest, concurrency: b, steps: [{ run: x }] } }",
    ),
    (
        "`environment`",
        "on: push\njobs: { a: { runs-on: ubuntu-latest, timeout-minutes: 5, environment: { name: production, url: x }, steps: [{ run: x }] } }",
    ),
    (
        "`environment.deployment`",
        "on: push\njobs: { a: { runs-on: ubuntu-latest, timeout-minutes: 5, environment: { name: production, deployment: false }, steps: [{ run: x }] } }",
    ),
    (
        "`container`, `services`",
        "on: push\njobs: { a: { runs-on: ubuntu-latest, container: node:22, services: { redis: redis }, steps: [{ run: x }] } }",
    ),
    (
        "`snapshot`, `cancel-timeout-minutes`",
        "on: push\njobs: { a: { runs-on: ubuntu-latest, snapshot: x, cancel-timeout-minutes: 1, steps: [{ run: x }] } }",
    ),
    (
        "jobs that call workflows",
        "on: push\njobs: { a: { uses: o/r/.github/workflows/x.yml@v1, secrets: inherit } }",
    ),
    (
        "`background`, `wait`, `wait-all`, `cancel`, `parallel`",
        "on: push\njobs: { a: { runs-on: ubuntu-latest, steps: [{ id: s, run: x, background: true }, { wait: s }, { cancel: s }, { wait-all: }, { parallel: [{ run: x }] }] } }",
    ),
    (
        "images as actions",
        "on: push\njobs: { a: { runs-on: ubuntu-latest, steps: [{ uses: 'docker://alpine:3' }] } }",
    ),
    (
        "the shells `bash`, `sh` and commands with `{0}`",
        "on: push\njobs: { a: { runs-on: ubuntu-latest, steps: [{ run: x, shell: bash }, { run: x, shell: 'perl {0}' }] } }",
    ),
    (
        "the shells `python`, `pwsh`, `cmd`, `powershell` by name",
        "on: push\njobs: { a: { runs-on: ubuntu-latest, steps: [{ run: x, shell: python }] } }",
    ),
    (
        "`${{ }}` in place of a mapping or a key",
        "on: push\njobs: { a: { runs-on: ubuntu-latest, env: \"${{ fromJSON('{}') }}\", steps: [{ run: x }] } }",
    ),
];

#[test]
fn the_table_of_docs_workflows_is_true() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/workflows.md");
    let page = std::fs::read_to_string(page).unwrap();
    for (name, text) in ROWS {
        let errors: Vec<String> = check("w.yml", text, &Surroundings::NOTHING)
            .into_iter()
            .filter(|finding| finding.code.severity == Severity::Error)
            .map(|finding| finding.diagnostic.to_string())
            .collect();
        assert_eq!(errors, [""; 0], "{name} is not read");
        let word = match parse("w.yml", text) {
            Ok(_) => "runs",
            Err(_) => "is read, not run yet",
        };
        let row = format!("| {name} | {word} |");
        assert!(page.contains(&row), "docs/workflows.md has no row `{row}`");
    }
    let rows = page
        .lines()
        .filter(|line| line.ends_with("| runs |") || line.ends_with("| is read, not run yet |"));
    assert_eq!(rows.count(), ROWS.len(), "docs/workflows.md has rows that nothing checks");
}
