use super::*;
use proptest::prelude::*;

#[test]
fn numbers_are_written_with_fifteen_significant_digits() {
    let cases = [
        (0.1 + 0.2, "0.3"),
        (-0.0, "0"),
        (3.10, "3.1"),
        (1e14, "100000000000000"),
        (1e15, "1E+15"),
        (123_456_789_012_345_678.0, "1.23456789012346E+17"),
        (0.00001, "1E-05"),
        (0.0001, "0.0001"),
        (-2.5e-7, "-2.5E-07"),
        (f64::NEG_INFINITY, "-Infinity"),
        (f64::NAN, "NaN"),
    ];
    for (number, text) in cases {
        assert_eq!(format_number(number), text, "{number:e}");
    }
}

#[test]
fn only_the_spellings_of_the_language_are_numbers() {
    for (text, number) in
        [("", 0.0), (" 12 ", 12.0), ("0x1F", 31.0), ("0o17", 15.0), ("+.5e1", 5.0), ("5.", 5.0)]
    {
        assert_eq!(parse_number(text), number, "{text:?}");
    }
    for text in ["inf", "nan", "0b1", "0x", "1_000", "1e", "-0x1", "abc", "infinity"] {
        assert!(parse_number(text).is_nan(), "{text:?}");
    }
}

#[test]
fn an_object_keeps_order_and_ignores_case() {
    let mut object = Object::new();
    object.insert("Zebra", 1.0);
    object.insert("apple", 2.0);
    object.insert("ZEBRA", 3.0);
    assert_eq!(object.iter().map(|(key, _)| key).collect::<Vec<_>>(), ["Zebra", "apple"]);
    assert_eq!(object.get("zebra"), Some(&Value::Number(3.0)));
    assert_eq!(object.get("pear"), None);
}

#[test]
fn json_text_is_indented_by_two() {
    let value = Value::from(serde_json::json!({"a": [1, "x\"y"], "b": {}, "c": [], "d": null}));
    expect_test::expect![[r#"
        {
          "a": [
            1,
            "x\"y"
          ],
          "b": {},
          "c": [],
          "d": null
        }"#]]
    .assert_eq(&value.to_json_text());
}

#[test]
fn what_is_not_json_says_where_it_stops_being() {
    let cases = [
        ("", "a value is missing at line 1, column 1"),
        ("{\"a\": [1,\n  tru]}", "this word is no value at line 2, column 3"),
        ("[1 2]", "a `,` or `]` is missing at line 1, column 4"),
        ("{\"é\" 1}", "a `:` is missing at line 1, column 6"),
        ("{'a': 1}", "a key in double quotes is missing at line 1, column 2"),
        ("1 2", "there is more after the value at line 1, column 3"),
        ("\"a", "a string is not closed at line 1, column 3"),
        ("\"a\nb\"", "a control character must be escaped at line 1, column 3"),
        ("\"\\x\"", "this escape is unknown at line 1, column 2"),
        ("\"\\ud800\"", "half of a surrogate pair is no character at line 1, column 2"),
        ("\"\\u12\"", "`\\u` wants four hexadecimal digits at line 1, column 2"),
        ("-", "a digit is missing at line 1, column 2"),
        ("1.", "a digit is missing at line 1, column 3"),
        ("01", "there is more after the value at line 1, column 2"),
    ];
    for (text, problem) in cases {
        assert_eq!(Value::from_json_text(text).unwrap_err().to_string(), problem, "{text}");
    }
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    assert!(Value::from_json_text(&nested(JSON_DEPTH_MAX)).is_ok());
    let error = Value::from_json_text(&nested(JSON_DEPTH_MAX + 1)).unwrap_err();
    assert_eq!(error.to_string(), "it nests too deep at line 1, column 101");
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-1_000_000_000_i64..1_000_000_000).prop_map(|whole| Value::Number(whole as f64)),
        ".{0,8}".prop_map(Value::String),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec(("[a-z]{1,4}", inner), 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn json_and_back_is_the_same_value(value in any_value()) {
        let text = value.to_json_text();
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&Value::from(read), &value);
        prop_assert_eq!(&Value::from_json_text(&text).unwrap(), &value);
        let json = serde_json::Value::from(value.clone());
        prop_assert_eq!(Value::from(json), value);
    }

    #[test]
    fn what_is_json_is_decided_as_by_serde(text in "[\\[\\]{}\",:0-9.eE+ntrue \\\\-]{0,12}") {
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        prop_assert_eq!(Value::from_json_text(&text).is_ok(), theirs.is_ok(), "{}", text);
    }

    #[test]
    fn comparing_without_case_agrees_with_folding(left in ".{0,6}", right in ".{0,6}") {
        prop_assert_eq!(equals_ignoring_case(&left, &right), fold_case(&left) == fold_case(&right));
        prop_assert!(equals_ignoring_case(&left, &fold_case(&left)));
    }
}
