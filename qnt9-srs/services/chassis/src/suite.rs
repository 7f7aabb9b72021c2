//! Integration tests against a running service: run one after the other, told line by line.

use serde_json::Value;

/// What one of them found.
pub type Outcome = Result<(), String>;

/// Prints one line for each, and fails when one of them failed.
pub fn report(url: &str, outcomes: &[(&str, Outcome)]) -> Result<(), String> {
    for (name, outcome) in outcomes {
        match outcome {
            Ok(()) => println!("ok      {name}"),
            Err(reason) => println!("FAILED  {name}: {reason}"),
        }
    }
    let failed = outcomes.iter().filter(|(_, outcome)| outcome.is_err()).count();
    println!("{} of {} integration tests passed", outcomes.len() - failed, outcomes.len());
    if failed == 0 { Ok(()) } else { Err(format!("{failed} integration tests failed at {url}")) }
}

/// Whether a part of an answer is as expected.
pub fn expect(what: &str, got: &Value, expected: &Value) -> Outcome {
    if got == expected { Ok(()) } else { Err(format!("{what}: expected {expected}, got {got}")) }
}

/// The methods and paths that an OpenAPI document describes.
pub fn described(openapi: &Value) -> Vec<(String, String)> {
    let Some(paths) = openapi["paths"].as_object() else { return Vec::new() };
    let methods = |(path, methods): (&String, &Value)| {
        let names: Vec<String> = methods
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.to_uppercase())
            .collect();
        names.into_iter().map(|name| (name, path.clone())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(methods).collect()
}
