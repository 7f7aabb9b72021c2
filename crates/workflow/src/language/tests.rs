//! What GitHub would say of small files, and where it is drawn.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use crate::plan::{Options, Outcome, read};

fn outcome(text: &str) -> Outcome {
    read("w.yml", text, &|_| Err("there is none".to_owned()), &Options::default())
}

fn check(text: &str, expected: &Expect) {
    let outcome = outcome(text);
    let lines: Vec<String> = outcome
        .problems
        .iter()
        .map(|problem| format!("{}\n  {}", problem.on_github, problem.diagnostic))
        .collect();
    expected.assert_eq(&lines.join("\n"));
}

fn check_step(step: &str, expected: &Expect) {
    check(&format!("on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n{step}"), expected);
}

#[test]
fn the_place_of_a_block_is_that_of_its_sign() {
    check_step(
        "      - run: |\n          echo\n          echo ${{ nope }}\n",
        &expect![[r#"
            w.yml (Line: 6, Col: 14): Unrecognized named-value: 'nope'. Located at position 1 within expression: nope
              w.yml:8:20: Unrecognized named-value: 'nope'. Located at position 1 within expression: nope"#]],
    );
    check_step(
        "      - run: >-\n          ${{ 1 + }}\n",
        &expect![[r#"
            w.yml (Line: 6, Col: 14): Unexpected symbol: '+'. Located at position 3 within expression: 1 +
              w.yml:7:17: Unexpected symbol: '+'. Located at position 3 within expression: 1 +"#]],
    );
}

#[test]
fn aliases_are_read_at_their_anchors() {
    check_step(
        "      - &a { run: x, env: &e { A: '${{ nope }}' } }\n      - *a\n      - { run: y, env: *e }\n",
        &expect![[r#"
            w.yml (Line: 6, Col: 35): Unrecognized named-value: 'nope'. Located at position 1 within expression: nope
              w.yml:6:40: Unrecognized named-value: 'nope'. Located at position 1 within expression: nope"#]],
    );
    check_step(
        "      - &a { run: x, env: *a }\n",
        &expect![[r#"
        w.yml (Line: 6, Col: 27): Maximum object depth exceeded
          w.yml:6:27: Maximum object depth exceeded (this alias stands within what it stands for)"#]],
    );
    check_step(
        "      - { run: x, env: *nobody }\n",
        &expect![[r#"
        w.yml (Line: 6, Col: 24): this is not YAML: while parsing node, found unknown anchor
          w.yml:6:24: this is not YAML: while parsing node, found unknown anchor"#]],
    );
}

#[test]
fn what_is_no_workflow_is_said_with_a_place() {
    check(
        "",
        &expect![[r#"
        w.yml (Line: 1, Col: 1): the file is empty
          w.yml:1:1: the file is empty (a workflow needs `on` and `jobs`)"#]],
    );
    check(
        "[on, jobs]",
        &expect![[r#"
        w.yml (Line: 1, Col: 1): A sequence was not expected
          w.yml:1:1: A sequence was not expected"#]],
    );
    check(
        "on: push\njobs: {}\n---\non: push\n",
        &expect![[r#"
        w.yml (Line: 3, Col: 1): Expected stream end parse event
          w.yml:3:1: Expected stream end parse event (a workflow file holds one document)"#]],
    );
    check(
        "on: push\njobs: { a: \n  ? [b] : c }",
        &expect![[r#"
        w.yml (Line: 3, Col: 3): this is not YAML: while parsing a node, did not find expected node content
          w.yml:3:3: this is not YAML: while parsing a node, did not find expected node content"#]],
    );
    check(
        "on: push\njobs: [",
        &expect![[r#"
        w.yml (Line: 2, Col: 7): A sequence was not expected
          w.yml:2:7: A sequence was not expected
        w.yml (Line: 2, Col: 8): this is not YAML: while parsing a node, did not find expected node content
          w.yml:2:8: this is not YAML: while parsing a node, did not find expected node content"#]],
    );
    check(
        "on: !!int x\njobs: {}",
        &expect![[r#"
        w.yml: The value 'x' on line 1 and column 5 is invalid for the type 'tag:yaml.org,2002:int'
          w.yml:1:5: The value 'x' on line 1 and column 5 is invalid for the type 'tag:yaml.org,2002:int'"#]],
    );
    check(
        "on: !what x\njobs: {}",
        &expect![[r#"
        w.yml: Unexpected tag '!what'
          w.yml:1:5: Unexpected tag '!what'"#]],
    );
}

#[test]
fn anchors_that_stand_for_too_much_are_refused() {
    let mut text = "a: &a0 [x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let previous = format!("*a{}, ", level - 1).repeat(8);
        text.push_str(&format!("b{level}: &a{level} [{previous}]\n"));
    }
    let outcome = outcome(&text);
    let last = outcome.problems.last().unwrap();
    assert_eq!(last.diagnostic.message, "Maximum YAML nodes exceeded");
}

#[test]
fn a_deep_file_is_refused_and_not_followed() {
    let outcome = outcome(&"[".repeat(100_000));
    assert!(!outcome.problems.is_empty());
}

const WORKFLOW: &str = "on: { push: { branches: [main] }, workflow_dispatch: { inputs: { a: { type: choice, options: [x] } } } }
env: &e { A: \"${{ github.ref }}\" }
jobs:
  build:
    runs-on: [self-hosted, '${{ matrix.os }}']
    strategy: { matrix: { os: [a, b], include: [{ os: a, x: 1 }] } }
    env: *e
    steps:
      - uses: actions/checkout@v4
      - id: run
        run: |
          echo ${{ steps.run }} ${{ matrix.os && 'é' }}
";

proptest! {
    /// Whatever is cut out of a workflow, it is read or refused with places inside the file.
    #[test]
    fn a_damaged_workflow_is_refused_in_place(
        at in 0..WORKFLOW.len(),
        length in 0..40_usize,
        piece in "[ :{}$&*'\"a\n\\-|>!]{0,4}",
    ) {
        let clip = |at: usize| (0..=at.min(WORKFLOW.len())).rev().find(|at| WORKFLOW.is_char_boundary(*at)).unwrap();
        let text = format!("{}{piece}{}", &WORKFLOW[..clip(at)], &WORKFLOW[clip(at + length)..]);
        let outcome = outcome(&text);
        prop_assert_eq!(outcome.plan.is_none(), !outcome.problems.is_empty());
        let findings = crate::lint::check("w.yml", &text, &crate::lint::Surroundings::NOTHING);
        let drawn = findings.iter().map(|finding| &finding.diagnostic);
        for diagnostic in outcome.problems.iter().map(|problem| &problem.diagnostic).chain(drawn) {
            prop_assert!(text.get(diagnostic.span.clone()).is_some(), "{}", diagnostic);
            prop_assert!(diagnostic.line as usize <= text.lines().count() + 1);
        }
    }

    /// Any text at all ends in a plan or in problems.
    #[test]
    fn any_text_is_read_or_refused(text in "[ \\-\\[\\]:{}$&*'\"a-c#|>!?%@\n\t]{0,120}") {
        let outcome = outcome(&text);
        prop_assert_eq!(outcome.plan.is_none(), !outcome.problems.is_empty());
    }
}
