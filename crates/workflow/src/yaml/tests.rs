use super::*;
use proptest::prelude::*;

/// The tree on one line, with kinds and places.
fn show(node: &Node) -> String {
    match &node.kind {
        NodeKind::Scalar(scalar) => match scalar.kind {
            ScalarKind::Text => format!("{:?}", scalar.raw),
            ScalarKind::Number(_) | ScalarKind::Bool(_) => scalar.text(),
            ScalarKind::Null => "null".to_owned(),
        },
        NodeKind::Sequence(items) => {
            format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", "))
        }
        NodeKind::Mapping(entries) => {
            let entries =
                entries.iter().map(|(key, value)| format!("{}: {}", show(key), show(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

fn tree(text: &str) -> String {
    match read(&Source::new("f.yml", text)) {
        Ok(node) => show(&node),
        Err(diagnostic) => diagnostic.to_string(),
    }
}

#[test]
fn plain_scalars_have_the_kinds_of_the_core_schema() {
    let cases = [
        ("on", "\"on\""),
        ("yes", "\"yes\""),
        ("True", "true"),
        ("~", "null"),
        ("'true'", "\"true\""),
        ("3.10", "3.1"),
        ("0x10", "16"),
        ("0o17", "15"),
        ("017", "17"),
        ("1_000", "\"1_000\""),
        ("1e3", "1000"),
        ("-.inf", "-Infinity"),
        (".", "\".\""),
        ("1.2.3", "\"1.2.3\""),
        ("!!str 3.10", "\"3.10\""),
        ("!<tag:yaml.org,2002:bool> true", "true"),
        ("2024-01-01", "\"2024-01-01\""),
    ];
    for (text, expected) in cases {
        assert_eq!(tree(text), expected, "{text}");
    }
}

#[test]
fn anchors_stand_for_what_they_name() {
    assert_eq!(tree("a: &x { k: [1] }\nb: *x\n"), r#"{"a": {"k": [1]}, "b": {"k": [1]}}"#);
}

#[test]
fn what_github_refuses_is_refused_with_its_place() {
    let cases = [
        ("a: 1\nB: 2\nb: 3\n", "f.yml:3:1: 'b' is already defined (first defined in line 2)"),
        (
            "a: &x {}\nb:\n  <<: *x\n",
            "f.yml:3:3: Unexpected value '<<' (merge keys are not part of the workflow language; write the entries out)",
        ),
        (
            "a: 1\n---\nb: 2\n",
            "f.yml:2:1: a workflow file holds one document, and here starts another",
        ),
        ("a: !mine 1\n", "f.yml:1:4: the tag `!mine` has no meaning in a workflow"),
        ("a: !!int x\n", "f.yml:1:4: `x` is not what its tag `!!int` says"),
        ("? [a]\n: 1\n", "f.yml:1:3: a key must be a plain text"),
        ("a: &x [*x]\n", "f.yml:1:8: this alias stands within what it stands for"),
        ("", "f.yml:1:1: the file is empty"),
    ];
    for (text, expected) in cases {
        assert_eq!(tree(text), expected, "{text:?}");
    }
    assert!(tree("a: [1\nb: 2\n").contains("this is not YAML"));
    assert!(tree("a:\n\t- 1\n").starts_with("f.yml:2:"));
}

#[test]
fn size_depth_and_expansion_are_limited() {
    let long = format!("a: {}", "x".repeat(WORKFLOW_BYTES_MAX));
    assert!(tree(&long).contains("a workflow may have 1048576"));
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert_eq!(tree(&deep(YAML_DEPTH_MAX)), deep(YAML_DEPTH_MAX));
    assert!(tree(&deep(YAML_DEPTH_MAX + 1)).contains("nested deeper than 50 levels"));
    let mut bomb = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for level in 1..30 {
        let alias = format!("*a{}", level - 1);
        let aliases = vec![alias; 9].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert!(tree(&bomb).contains("with its aliases the workflow exceeds 10485760 bytes"));
}

#[test]
fn places_count_characters_and_spans_count_bytes() {
    let text = "é: ünï\n";
    let source = Source::new("f.yml", text);
    let NodeKind::Mapping(entries) = read(&source).unwrap().kind else { panic!("a mapping") };
    let value = &entries[0].1;
    assert_eq!(value.position, Position { line: 1, column: 4 });
    assert_eq!(&text[value.span.clone()], "ünï");
}

proptest! {
    #[test]
    fn no_text_panics(text in "[a-c&*:{}\\[\\] \n#!|>'\"é-]{0,60}") {
        let source = Source::new("f.yml", &text);
        match read(&source) {
            Ok(node) => prop_assert!(text.get(node.span).is_some()),
            Err(diagnostic) => prop_assert!(text.get(diagnostic.span).is_some()),
        }
    }
}
