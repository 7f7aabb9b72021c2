use super::*;
use crate::{Object, Value};
use expect_test::expect;

fn contexts() -> Object {
    let mut github = Object::new();
    github.insert("ref", "refs/heads/develop");
    github.insert("event_name", "push");
    Object::from_iter([("github", Value::Object(github))])
}

fn verdict(source: &str, status: Status) -> Verdict {
    let contexts = contexts();
    Condition::new(source, Position::default())
        .evaluate(&Scope::new(&contexts).with_status(status))
        .unwrap()
}

#[test]
fn success_is_implied_unless_a_status_function_is_called() {
    let cases = [
        ("true", Status::Success, true),
        ("true", Status::Failure, false),
        ("true", Status::Skipped, false),
        ("always()", Status::Failure, true),
        ("${{ failure() }}", Status::Failure, true),
        ("!cancelled()", Status::Failure, true),
        ("false && always()", Status::Failure, false),
        ("github.event_name == 'always()'", Status::Failure, false),
        ("success() || failure()", Status::Skipped, false),
        ("", Status::Success, true),
        ("  ", Status::Failure, false),
    ];
    for (source, status, holds) in cases {
        assert_eq!(verdict(source, status).holds, holds, "{source} after {status:?}");
    }
}

#[test]
fn text_around_an_expression_is_always_true() {
    for source in ["${{ false }} ", "${{ false }} && ${{ false }}", "!${{ true }}"] {
        assert!(verdict(source, Status::Success).holds, "{source}");
        assert!(Condition::new(source, Position::default()).is_always_true(), "{source}");
        assert!(!verdict(source, Status::Failure).holds, "{source}");
    }
    assert!(verdict("x ${{ always() && false }}", Status::Failure).holds);
    assert!(!Condition::new("${{ false }}", Position::default()).is_always_true());
}

#[test]
fn the_trace_says_why() {
    expect![[r#"
        success() && (github.ref == 'refs/heads/main' && github.event_name == 'push') is false
          success() is true
          github.ref == 'refs/heads/main' && github.event_name == 'push' is false
            github.ref == 'refs/heads/main' is false
              github.ref is 'refs/heads/develop'
            github.event_name == 'push' was not looked at"#]]
    .assert_eq(
        &verdict("github.ref == 'refs/heads/main' && github.event_name == 'push'", Status::Success)
            .trace
            .to_string(),
    );
    expect![[r#"
        success() && (startsWith(github.ref, 'refs/tags/')) is false
          success() is false
          startsWith(github.ref, 'refs/tags/') was not looked at"#]]
    .assert_eq(&verdict("startsWith(github.ref, 'refs/tags/')", Status::Failure).trace.to_string());
    expect![[r#"
        always() && !startsWith(github.ref, 'refs/tags/') is true
          always() is true
          !startsWith(github.ref, 'refs/tags/') is true
            startsWith(github.ref, 'refs/tags/') is false
              github.ref is 'refs/heads/develop'"#]]
    .assert_eq(
        &verdict("always() && !startsWith(github.ref, 'refs/tags/')", Status::Failure)
            .trace
            .to_string(),
    );
}

#[test]
fn a_trace_survives_storage() {
    let trace = verdict("github.ref != 'x'", Status::Success).trace;
    let stored = serde_json::to_string(&trace).unwrap();
    assert_eq!(serde_json::from_str::<Trace>(&stored).unwrap(), trace);
}

#[test]
fn an_unreadable_condition_is_an_error_and_not_false() {
    let contexts = contexts();
    for source in ["nonsense.ref", "${{ }}", "${{ true", "fromJSON('{')"] {
        let condition = Condition::new(source, Position::default());
        assert!(condition.evaluate(&Scope::new(&contexts)).is_err(), "{source}");
    }
}
