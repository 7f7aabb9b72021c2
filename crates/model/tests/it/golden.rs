//! One stored line of every kind of fact. A line here was written by some version of qnt9 and is never
//! changed: if a test below fails, old logs have become unreadable or unverifiable.

use std::collections::BTreeSet;

use qnt9_model::entry::{NO_PREVIOUS, digest};
use qnt9_model::{Entry, Fact};

const LINES: &str = include_str!("../golden/facts.jsonl");

/// The kinds that the type knows, as its own error message lists them.
fn kinds() -> BTreeSet<String> {
    let nonsense = serde_json::json!({"kind": "no such kind", "payload": {}});
    let error =
        serde_json::from_value::<Fact>(nonsense).expect_err("there is no such kind").to_string();
    let listed = error.split_once("expected one of").expect("the error lists what it knows").1;
    listed.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn kind(line: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
    value["kind"].as_str().expect("a line has a kind").to_owned()
}

#[test]
fn every_kind_of_fact_has_a_line_and_every_line_a_kind() {
    let with_line: BTreeSet<String> = LINES.lines().map(kind).collect();
    let all = kinds();
    assert!(all.len() > 50, "the kinds were not found in the error: {all:?}");
    let missing: Vec<_> = all.difference(&with_line).collect();
    assert!(missing.is_empty(), "append a line to tests/golden/facts.jsonl for {missing:?}");
    let gone: Vec<_> = with_line.difference(&all).collect();
    assert!(gone.is_empty(), "old logs have these kinds, which must stay: {gone:?}");
}

#[test]
fn every_line_is_read_and_sealed_again_to_the_same_bytes() {
    let mut previous = NO_PREVIOUS.to_owned();
    for (index, line) in LINES.lines().enumerate() {
        let entry = Entry::open(line, &|_| None)
            .unwrap_or_else(|error| panic!("{}: {error:?}", kind(line)));
        assert_eq!(entry.sequence, index as u64 + 1);
        let sealed = entry.seal(&previous, &mut || panic!("no text of it is clear"));
        assert_eq!(sealed.line, line, "{}", kind(line));
        assert!(sealed.texts.is_empty());
        assert_eq!(sealed.digest, digest(line));
        previous = sealed.digest;
    }
}
