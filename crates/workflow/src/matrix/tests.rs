use super::*;
use crate::parse;
use expect_test::expect;
use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

fn strategy(matrix: &str) -> Strategy {
    let text = format!(
        "on: push\njobs:\n  a:\n    runs-on: x\n    strategy:\n      matrix:\n{matrix}\n    steps: [{{ run: echo }}]"
    );
    parse("w.yml", &text).unwrap().jobs.remove(0).strategy.unwrap()
}

fn legs_of(strategy: &Strategy) -> Result<Vec<Leg>, EvaluationError> {
    let contexts = Value::from(serde_json::json!({
        "needs": { "plan": { "outputs": { "matrix": "{\"suite\": [\"unit\", \"http\"]}", "bad": "[1]" } } },
        "github": {},
    }));
    let Value::Object(contexts) = contexts else { panic!("an object was written") };
    strategy.legs(&Scope::new(&contexts))
}

fn legs(matrix: &str) -> String {
    let legs = legs_of(&strategy(matrix)).unwrap();
    let lines = legs.into_iter().map(|leg| {
        let values = serde_json::to_string(&leg.values).unwrap();
        format!("{} {values} ({})", leg.index, leg.label)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn refusal(matrix: &str) -> String {
    legs_of(&strategy(matrix)).unwrap_err().to_string()
}

#[test]
fn the_last_vector_varies_fastest() {
    expect![[r#"
        0 {"rust":"stable","features":"default"} (stable, default)
        1 {"rust":"stable","features":"all"} (stable, all)
        2 {"rust":3.1,"features":"default"} (3.1, default)
        3 {"rust":3.1,"features":"all"} (3.1, all)"#]]
    .assert_eq(&legs("        rust: [stable, 3.10]\n        features: [default, all]"));
}

/// The example of GitHub's documentation.
#[test]
fn include_extends_what_it_does_not_contradict() {
    expect![[r#"
        0 {"fruit":"apple","animal":"cat","color":"pink","shape":"circle"} (apple, cat)
        1 {"fruit":"apple","animal":"dog","color":"green","shape":"circle"} (apple, dog)
        2 {"fruit":"pear","animal":"cat","color":"pink"} (pear, cat)
        3 {"fruit":"pear","animal":"dog","color":"green"} (pear, dog)
        4 {"fruit":"banana"} (banana)
        5 {"fruit":"banana","animal":"cat"} (banana, cat)"#]]
    .assert_eq(&legs(
        "        fruit: [apple, pear]
        animal: [cat, dog]
        include:
          - { color: green }
          - { color: pink, animal: cat }
          - { fruit: apple, shape: circle }
          - { fruit: banana }
          - { fruit: banana, animal: cat }",
    ));
}

#[test]
fn exclude_needs_only_a_part() {
    expect![[r#"
        0 {"os":"linux","node":1} (linux, 1)
        1 {"os":"mac","node":2} (mac, 2)"#]]
    .assert_eq(&legs(
        "        os: [linux, mac, win]
        node: [1, 2]
        exclude: [{ os: win }, { os: linux, node: 2 }, { os: mac, node: 1 }]",
    ));
}

#[test]
fn a_matrix_of_includes_alone_has_those_legs() {
    expect![[r#"
        0 {"site":"production","datacenter":"a"} (production, a)
        1 {"site":"staging","datacenter":"b"} (staging, b)"#]]
    .assert_eq(&legs(
        "        include: [{ site: production, datacenter: a }, { site: staging, datacenter: b }]",
    ));
}

#[test]
fn a_matrix_can_be_computed() {
    expect![[r#"
        0 {"suite":"unit"} (unit)
        1 {"suite":"http"} (http)"#]]
    .assert_eq(&legs("        ${{ fromJSON(needs.plan.outputs.matrix) }}"));
    assert_eq!(
        refusal("        ${{ fromJSON(needs.plan.outputs.bad) }}"),
        "the matrix is a list, but must be a mapping of lists"
    );
    assert_eq!(
        refusal("        x: ${{ fromJSON('[]') }}"),
        "Matrix vector 'x' does not contain any values"
    );
    assert_eq!(
        refusal("        x: ${{ fromJSON('\"a\"') }}"),
        "the matrix vector `x` is a text, but must be a list"
    );
    assert_eq!(
        refusal("        x: [1]\n        exclude: ${{ fromJSON('[{\"y\":1}]') }}"),
        "Matrix exclude key 'y' does not match any key within the matrix"
    );
}

#[test]
fn legs_are_told_apart_by_name() {
    let name_of_first_leg = |name: &str| {
        let text = format!(
            "on: push\njobs: {{ a: {{ {name} runs-on: x, strategy: {{ matrix: {{ v: [1, 2] }} }}, steps: [] }} }}"
        );
        let job = parse("w.yml", &text).unwrap().jobs.remove(0);
        let leg = legs_of(job.strategy.as_ref().unwrap()).unwrap().remove(0);
        let contexts = Object::from_iter([("matrix", leg.values.clone())]);
        job.display_name(Some(&leg), &Scope::new(&contexts)).unwrap()
    };
    assert_eq!(name_of_first_leg(""), "a (1)");
    assert_eq!(name_of_first_leg("name: Test,"), "Test (1)");
    assert_eq!(name_of_first_leg("name: 'Test ${{ matrix.v }}',"), "Test 1");
}

#[test]
fn too_many_or_no_legs_are_refused() {
    let list = |count: usize| (0..count).map(|at| at.to_string()).collect::<Vec<_>>().join(", ");
    let square = |side: usize| format!("        a: [{0}]\n        b: [{0}]", list(side));
    assert_eq!(legs_of(&strategy(&square(16))).unwrap().len(), MATRIX_LEGS_MAX);
    assert_eq!(refusal(&square(17)), "the matrix has more than 256 combinations");
    assert_eq!(refusal(&square(300)), "the matrix has more than 256 combinations");
    assert_eq!(
        refusal("        a: [1]\n        exclude: [{ a: 1 }]"),
        "`exclude` leaves no combination of the matrix"
    );
}

#[test]
fn the_strategy_context_says_where_a_leg_stands() {
    let contexts = Object::new();
    let context = strategy("        a: [1, 2]").context(1, 2, &Scope::new(&contexts)).unwrap();
    assert_eq!(
        serde_json::to_string(&context).unwrap(),
        r#"{"fail-fast":true,"job-index":1,"job-total":2,"max-parallel":2}"#
    );
}

proptest! {
    #[test]
    fn legs_are_the_product_in_order(sides in prop::collection::vec(1..6_usize, 1..4)) {
        let vectors = sides.iter().enumerate().map(|(name, side)| {
            let items = (0..*side).map(|at| Tree::Number(at.to_string())).collect();
            (format!("v{name}"), Tree::Sequence(items))
        });
        let matrix = Matrix::Written { vectors: vectors.collect(), include: None, exclude: None };
        let strategy = Strategy { matrix: Some(matrix), fail_fast: None, max_parallel: None };
        let legs = legs_of(&strategy).unwrap();
        prop_assert_eq!(legs.len(), sides.iter().product::<usize>());
        let labels: Vec<&String> = legs.iter().map(|leg| &leg.label).collect();
        prop_assert!(labels.is_sorted(), "one digit each, so they sort as they count");
        prop_assert!(labels.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn what_is_left_of_a_matrix_is_not_excluded(
        excluded in prop::collection::vec((0..4_u8, 0..4_u8), 0..10),
    ) {
        let entry = |key: &str, at: u8| (key.to_owned(), Tree::Number(at.to_string()));
        let side = || Tree::Sequence((0..4_u8).map(|at| Tree::Number(at.to_string())).collect());
        let exclude = excluded
            .iter()
            .map(|(a, b)| Tree::Mapping(vec![entry("a", *a), entry("b", *b)]))
            .collect();
        let matrix = Matrix::Written {
            vectors: vec![("a".to_owned(), side()), ("b".to_owned(), side())],
            include: None,
            exclude: Some(Tree::Sequence(exclude)),
        };
        let strategy = Strategy { matrix: Some(matrix), fail_fast: None, max_parallel: None };
        let distinct: std::collections::BTreeSet<_> = excluded.iter().collect();
        prop_assert_eq!(legs_of(&strategy).unwrap().len(), 16 - distinct.len());
    }
}
