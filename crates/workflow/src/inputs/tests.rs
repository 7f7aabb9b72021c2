use super::*;
use crate::parse;

fn workflow() -> Workflow {
    parse(
        "deploy.yml",
        r"
on:
  workflow_dispatch:
    inputs:
      environment: { type: choice, options: [staging, production], required: true }
      users: { type: number, default: 100 }
      dry: { type: boolean }
      note: { description: what for }
      target: { type: environment, required: true, default: staging }
jobs: { a: { runs-on: x, steps: [{ run: echo }] } }
",
    )
    .unwrap()
}

fn start(given: &[(&str, &str)]) -> Result<Vec<(String, Value)>, String> {
    let given: Vec<_> =
        given.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    workflow().dispatch_inputs(&given).map_err(|error| error.to_string())
}

#[test]
fn inputs_are_typed_and_completed_in_the_order_of_the_file() {
    let inputs = start(&[("ENVIRONMENT", "production"), ("dry", "true")]).unwrap();
    let expected = [
        ("environment", Value::from("production")),
        ("users", Value::Number(100.0)),
        ("dry", Value::Bool(true)),
        ("note", Value::from("")),
        ("target", Value::from("staging")),
    ];
    assert_eq!(inputs, expected.map(|(name, value)| (name.to_owned(), value)));
    assert_eq!(start(&[("environment", "staging")]).unwrap()[2].1, Value::Bool(false));
}

#[test]
fn what_does_not_fit_is_refused() {
    let cases: [(&[(&str, &str)], &str); 7] = [
        (&[], "the input `environment` is required and not given"),
        (&[("environment", "")], "the input `environment` is required and not given"),
        (
            &[("environment", "prod")],
            "the input `environment` is `prod`, but must be one of: staging, production",
        ),
        (
            &[("enviroment", "staging")],
            "the workflow has no input `enviroment`; did you mean `environment`?",
        ),
        (
            &[("environment", "staging"), ("users", "many")],
            "the input `users` is `many`, but must be a number",
        ),
        (
            &[("environment", "staging"), ("dry", "yes")],
            "the input `dry` is `yes`, but must be true or false",
        ),
        (&[("dry", "true"), ("DRY", "false")], "the input `DRY` is given twice"),
    ];
    for (given, message) in cases {
        assert_eq!(start(given).unwrap_err(), message);
    }
}

#[test]
fn a_workflow_without_the_trigger_cannot_be_started() {
    let text = "on: push\njobs: { a: { runs-on: x, steps: [{ run: echo }] } }";
    let error = parse("ci.yml", text).unwrap().dispatch_inputs(&[]).unwrap_err();
    assert_eq!(error, InputError::NotDispatchable("ci.yml".to_owned()));
}
