use super::*;
use proptest::prelude::*;
use serde_json::json;

fn contexts() -> Object {
    let json = json!({
        "github": { "ref": "refs/heads/main", "event": { "labels": [{ "name": "a" }, { "name": "b" }] } },
        "env": { "PATH": "x" },
    });
    match Value::from(json) {
        Value::Object(object) => object,
        other => panic!("{other:?}"),
    }
}

fn value(expression: &str) -> Value {
    let contexts = contexts();
    evaluate(expression, &Scope::new(&contexts)).unwrap_or_else(|error| panic!("{error}"))
}

fn error(expression: &str) -> String {
    let contexts = contexts();
    match evaluate(expression, &Scope::new(&contexts)).unwrap_err() {
        EvaluationError::Syntax { error, .. } => error.to_string(),
        other => other.to_string(),
    }
}

#[test]
fn expressions_have_the_values_of_the_language() {
    let cases = [
        ("github.ref == 'REFS/heads/MAIN'", json!(true)),
        ("github['REF']", json!("refs/heads/main")),
        ("github.missing.deeper", json!(null)),
        ("github.event.labels.*.name", json!(["a", "b"])),
        ("github.event.labels[1].name", json!("b")),
        ("github.event.labels[-1]", json!(null)),
        ("contains(github.event.labels.*.name, 'B')", json!(true)),
        ("github.event == github.event", json!(true)),
        ("github.event.labels[0] == github.event.labels[1]", json!(false)),
        ("fromJSON('[1]') == fromJSON('[1]')", json!(false)),
        ("false || 'default'", json!("default")),
        ("true && 0 || 'x'", json!("x")),
        ("!github.ref", json!(false)),
        ("1 < 2 == true", json!(true)),
        ("'b' > 'A'", json!(true)),
        ("null >= 0", json!(true)),
        ("'' == 0", json!(true)),
        ("NaN == NaN", json!(false)),
        ("format('{1}{{0}}{0}', 'a', 1.50)", json!("1.5{0}a")),
        ("join(github.event.labels.*.name, ' and ')", json!("a and b")),
        ("fromJSON('{\"a\": [true]}').a[0]", json!(true)),
        ("case(1 > 2, 'a', 2 > 1, 'b', 'c')", json!("b")),
        ("case(true, 1, fromJSON('not json'))", json!(1)),
        ("startsWith(github.ref, 'REFS/') && endsWith(github.ref, 'main')", json!(true)),
        ("toJSON(env)", json!("{\n  \"PATH\": \"x\"\n}")),
        ("", json!(null)),
    ];
    for (expression, expected) in cases {
        assert_eq!(value(expression), Value::from(expected), "{expression}");
    }
}

#[test]
fn errors_name_the_place() {
    let cases = [
        (
            "gihub.ref",
            "Unrecognized named-value: 'gihub'. Located at position 1 within expression: gihub.ref",
        ),
        ("a b", "Unrecognized named-value: 'a'. Located at position 1 within expression: a b"),
        (
            "true false",
            "Unexpected symbol: 'false'. Located at position 6 within expression: true false",
        ),
        (
            "github.ref == \"x\"",
            "Unexpected symbol: '\"x\"'. Located at position 15 within expression: github.ref == \"x\"",
        ),
        (
            "(true",
            "Unexpected end of expression: 'true'. Located at position 2 within expression: (true",
        ),
        ("github[0)", "Unexpected symbol: ')'. Located at position 9 within expression: github[0)"),
        (
            "github[*.ref]",
            "Unexpected symbol: '.'. Located at position 9 within expression: github[*.ref]",
        ),
        (
            "contains('a')",
            "Too few parameters supplied: 'contains'. Located at position 1 within expression: contains('a')",
        ),
        (
            "case(true, 1, false, 2)",
            "Even number of parameters supplied, requires an odd number of parameters: 'case'. Located at position 1 within expression: case(true, 1, false, 2)",
        ),
        (
            "success('build')",
            "Too many parameters supplied: 'success'. Located at position 1 within expression: success('build')",
        ),
        (
            "fromJSON('{')",
            "Error parsing fromJson: a key in double quotes is missing at line 1, column 2, in the text {",
        ),
        (
            "format('{0}')",
            "The following format string references more arguments than were supplied: {0}",
        ),
        ("format('{x}', 1)", "The following format string is invalid: {x}"),
        ("hashFiles('**')", "`hashFiles` cannot be used here: there is no workspace yet"),
    ];
    for (expression, expected) in cases {
        assert_eq!(error(expression), expected, "{expression}");
    }
}

#[test]
fn a_mistyped_name_gets_the_nearest_one() {
    let contexts = contexts();
    for (expression, nearest) in [("gihub.ref", "github"), ("fromJSNO('1')", "fromJSON")] {
        match evaluate(expression, &Scope::new(&contexts)) {
            Err(EvaluationError::Syntax { error, .. }) => {
                assert_eq!(error.hint.as_deref(), Some(nearest));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn length_and_depth_are_limited() {
    let spaces = " ".repeat(EXPRESSION_LENGTH_MAX - 1);
    assert_eq!(value(&format!("{spaces}1")), Value::Number(1.0));
    assert_eq!(error(&format!("{spaces}12")), "Exceeded max expression length 21000");
    let nots = |count: usize| format!("{}true", "!".repeat(count));
    assert_eq!(value(&nots(49)), Value::Bool(false));
    assert_eq!(error(&nots(50)), "Exceeded max expression depth 50");
    let deep = format!("{}1{}", "(".repeat(9_000), ")".repeat(9_000));
    assert_eq!(value(&deep), Value::Number(1.0));
}

#[test]
fn memory_is_limited() {
    let long = "x".repeat(1_000_000);
    let contexts = Object::from_iter([("a", Value::from(long))]);
    let error =
        |expression: &str| evaluate(expression, &Scope::new(&contexts)).unwrap_err().to_string();
    let exceeded = |expression: &str| {
        format!(
            "The maximum allowed memory size was exceeded while evaluating the following expression: \
             {expression}"
        )
    };
    let repeated = format!("format('{}', a)", "{0}".repeat(6_000));
    assert_eq!(error(&repeated), exceeded(&crate::excerpt(&repeated)));
    let joined = "join(fromJSON('[1,2,3,4,5,6,7,8]'), a)";
    assert_eq!(error(joined), exceeded(joined));
    let held = "format('{0}{1}{2}{3}{4}', a, a, a, a, a) == format('{0}', a)";
    assert_eq!(error(held), exceeded(held));
    assert!(evaluate("format('{0}{0}{0}', a) == a", &Scope::new(&contexts)).is_ok());
}

#[test]
fn status_functions_answer_from_the_scope() {
    let contexts = Object::new();
    let answers = |status: Status| {
        ["success()", "failure()", "cancelled()", "always()"].map(|expression| {
            evaluate(expression, &Scope::new(&contexts).with_status(status)).unwrap().is_truthy()
        })
    };
    assert_eq!(answers(Status::Success), [true, false, false, true]);
    assert_eq!(answers(Status::Failure), [false, true, false, true]);
    assert_eq!(answers(Status::Cancelled), [false, false, true, true]);
    assert_eq!(answers(Status::Skipped), [false, false, false, true]);
}

#[test]
fn a_job_may_ask_how_certain_jobs_went() {
    let json = r#"{"needs": {"build": {"result": "success"}, "lint": {"result": "failure"}}}"#;
    let Ok(Value::Object(mut contexts)) = Value::from_json_text(json) else { unreachable!() };
    let cases = [
        ("success('build')", true),
        ("success('BUILD', 'lint')", false),
        ("success('nosuch')", false),
        ("failure('build')", false),
        ("failure('build', 'lint')", true),
        ("failure('nosuch')", false),
        ("failure()", false),
    ];
    for (expression, holds) in cases {
        let value = evaluate(expression, &Scope::new(&contexts));
        assert_eq!(value, Ok(Value::Bool(holds)), "{expression}");
    }
    assert!(evaluate("always('build')", &Scope::new(&contexts)).is_err());
    contexts.insert("steps", Object::new());
    let error = evaluate("success('build')", &Scope::new(&contexts)).unwrap_err().to_string();
    assert!(error.contains("Too many parameters supplied: 'success'"), "{error}");
}

#[test]
fn hash_files_is_asked_of_the_scope() {
    let contexts = Object::new();
    let hash = |patterns: &[String]| match patterns {
        [pattern] if pattern == "missing" => Err("the disk is gone".to_owned()),
        patterns => Ok(patterns.join("+")),
    };
    let scope = Scope { hash_files: Some(&hash), ..Scope::new(&contexts) };
    assert_eq!(evaluate("hashFiles('a', 'b')", &scope), Ok(Value::from("a+b")));
    let failure = evaluate("hashFiles('missing')", &scope).unwrap_err();
    assert_eq!(failure, EvaluationError::HashFiles("the disk is gone".to_owned()));
}

/// Expressions made of the pieces of the language, most of which are none.
fn any_pieces() -> impl Strategy<Value = String> {
    const PIECES: [&str; 27] = [
        "github", ".", "ref", "[", "]", "(", ")", "'a'", "1", "*", ",", "==", "!", "&&", "||",
        "contains", "format", "success", " ", "<", "'", "é", "=", "&", "-", "+1e3", "fromJSON",
    ];
    prop::collection::vec(prop::sample::select(&PIECES[..]), 0..24).prop_map(|all| all.concat())
}

proptest! {
    #[test]
    fn no_expression_panics_and_errors_lie_within(expression in any_pieces()) {
        let contexts = contexts();
        if let Err(EvaluationError::Syntax { error, .. }) =
            evaluate(&expression, &Scope::new(&contexts))
        {
            prop_assert!(expression.get(error.offset..error.offset + error.length).is_some());
        }
    }

    #[test]
    fn every_text_survives_as_a_literal(text in ".{0,20}") {
        prop_assert_eq!(value(&Value::from(text.as_str()).to_literal()), Value::from(text));
    }

    #[test]
    fn every_number_survives_as_a_literal(number in -1.0e9..1.0e9) {
        let number: f64 = number;
        let written = crate::value::format_number(number);
        let read = value(&written);
        prop_assert!((read.to_number() - number).abs() <= number.abs() * 1e-14, "{} {:?}", written, read);
    }

    #[test]
    fn order_and_equality_agree(
        left in prop::sample::select(vec!["null", "true", "0", "1.5", "''", "'a'", "'B'", "' 1 '", "NaN", "github"]),
        right in prop::sample::select(vec!["null", "false", "0", "2", "'b'", "'A'", "'1'", "github", "env"]),
    ) {
        let holds = |operator: &str| value(&format!("{left} {operator} {right}")).is_truthy();
        prop_assert_eq!(holds("=="), !holds("!="));
        prop_assert_eq!(holds("<="), holds("<") || holds("=="));
        prop_assert_eq!(holds(">="), holds(">") || holds("=="));
        prop_assert!(!(holds("<") && holds(">")));
        let mirrored = value(&format!("{right} > {left}")).is_truthy();
        prop_assert_eq!(holds("<"), mirrored);
    }
}
