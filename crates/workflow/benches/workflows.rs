//! Reading, planning and checking workflows as repositories have them.

use qnt9_workflow::lint::{Surroundings, check};
use qnt9_workflow::plan::{Calls, Options, read};

/// How many files a large repository has.
const FILES: usize = 50;
/// How many lines a long workflow has, about.
const LINES: usize = 700;

fn main() {
    divan::main();
}

#[divan::bench]
fn read_and_plan_a_long_workflow(bencher: divan::Bencher<'_, '_>) {
    let text = workflow(LINES);
    let options = Options { calls: Calls::Follow, ..Options::default() };
    let called = |_: &str| Err("nothing is called".to_owned());
    assert!(read("ci.yml", &text, &called, &options).plan.is_some());
    bencher.bench(|| read("ci.yml", divan::black_box(&text), &called, &options));
}

#[divan::bench]
fn parse_a_long_workflow_to_be_run(bencher: divan::Bencher<'_, '_>) {
    let text = workflow(LINES);
    bencher.bench(|| qnt9_workflow::parse("ci.yml", divan::black_box(&text)));
}

#[divan::bench]
fn check_a_repository_of_fifty(bencher: divan::Bencher<'_, '_>) {
    let texts: Vec<String> = (0..FILES).map(|at| workflow(40 + at * 2)).collect();
    bencher.bench(|| {
        for text in &texts {
            divan::black_box(check("ci.yml", divan::black_box(text), &Surroundings::NOTHING));
        }
    });
}

/// A workflow of about as many lines.
fn workflow(lines: usize) -> String {
    let mut text = "name: CI
on:
  push: { branches: [main, 'release/**'], paths-ignore: ['docs/**'] }
  pull_request:
env: { REGION: westeurope }
permissions: { contents: read }
jobs:
"
    .to_owned();
    let mut job = 0;
    while text.lines().count() < lines {
        let needs = if job == 0 { String::new() } else { format!("    needs: job{}\n", job - 1) };
        text.push_str(&format!(
            "  job{job}:
    name: Job {job} on ${{{{ matrix.os }}}}
{needs}    if: github.event_name == 'push' && !cancelled()
    runs-on: ${{{{ matrix.os }}}}
    timeout-minutes: 20
    strategy:
      matrix:
        os: [ubuntu-latest, macos-latest]
        node: [20, 22]
    outputs:
      version: ${{{{ steps.version.outputs.version }}}}
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-node@v4
        with:
          node-version: ${{{{ matrix.node }}}}
      - id: version
        run: echo \"version=${{{{ github.sha }}}}\" >> \"$GITHUB_OUTPUT\"
      - name: Test
        run: |
          npm ci
          npm test -- --shard ${{{{ strategy.job-index }}}}/${{{{ strategy.job-total }}}}
        env:
          TOKEN: ${{{{ secrets.GITHUB_TOKEN }}}}
"
        ));
        job += 1;
    }
    text
}
