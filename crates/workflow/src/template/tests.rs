use super::*;
use crate::Object;
use proptest::prelude::*;

fn template(source: &str) -> Template {
    Template::new(source, Position { line: 1, column: 1 })
}

fn contexts() -> Object {
    let json = serde_json::json!({ "a": { "list": [1], "text": "x", "yes": true, "two": 2 } });
    match Value::from(json) {
        Value::Object(object) => object,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_lone_expression_keeps_its_type() {
    let contexts = contexts();
    let scope = Scope::new(&contexts);
    assert_eq!(template("${{ a.two }}").value(&scope), Ok(Value::Number(2.0)));
    assert_eq!(template("${{ a.two }} ").value(&scope), Ok(Value::from("2 ")));
    assert_eq!(template("${{ a.list }}-${{ a }}").value(&scope), Ok(Value::from("Array-Object")));
    assert_eq!(template("").value(&scope), Ok(Value::from("")));
}

#[test]
fn expressions_are_replaced() {
    let contexts = contexts();
    let scope = Scope::new(&contexts);
    let cases = [
        ("echo ${{ a.text }} and ${{a.two}}", "echo x and 2"),
        ("${{ '}}' }}", "}}"),
        ("${{ 'it''s }}' }}!", "it's }}!"),
        ("$ {{ a }} ${ x }", "$ {{ a }} ${ x }"),
        ("${{ a.missing }}", ""),
        ("{{ ${{ a.two }} }}", "{{ 2 }}"),
    ];
    for (source, expected) in cases {
        assert_eq!(template(source).interpolate(&scope).as_deref(), Ok(expected), "{source}");
    }
}

#[test]
fn a_value_of_the_wrong_kind_is_an_error() {
    let contexts = contexts();
    let scope = Scope::new(&contexts);
    let message = |result: Result<(), EvaluationError>| result.unwrap_err().to_string();
    assert_eq!(
        message(template("${{ a.list }}").interpolate(&scope).map(drop)),
        "`${{ a.list }}` has the value an array, but text is needed here"
    );
    assert_eq!(
        message(template("${{ a.text }}").boolean(&scope).map(drop)),
        "`${{ a.text }}` has the value 'x', but true or false is needed here"
    );
    assert_eq!(
        message(template("${{ a.text }}").number(&scope).map(drop)),
        "`${{ a.text }}` has the value 'x', but a number is needed here"
    );
    assert_eq!(template("true").boolean(&scope), Ok(true));
    assert_eq!(template("${{ a.yes }}").boolean(&scope), Ok(true));
    assert_eq!(template("2.5").number(&scope), Ok(2.5));
    assert_eq!(template("${{ a.two }}").number(&scope), Ok(2.0));
}

proptest! {
    #[test]
    fn text_without_expressions_stays_as_it_is(source in ".{0,40}") {
        prop_assume!(!source.contains(OPEN));
        let contexts = Object::new();
        prop_assert_eq!(template(&source).interpolate(&Scope::new(&contexts)), Ok(source));
    }

    #[test]
    fn segments_cover_everything_but_the_braces(source in "[a${}' ]{0,30}") {
        if let Ok(segments) = segments(&source) {
            let texts = segments.iter().filter_map(|segment| match segment {
                Segment::Text(span) => Some(&source[span.clone()]),
                Segment::Expression(_) => None,
            });
            prop_assert!(texts.into_iter().all(|text| !text.contains(OPEN)));
        }
    }
}
