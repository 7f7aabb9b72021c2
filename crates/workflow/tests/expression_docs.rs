//! What `docs/expressions.md` says of single expressions, evaluated.

use std::fs;
use std::path::Path;

use qnt9_workflow::{Object, Scope, evaluate};

const HEADING: &str = "## Where GitHub's npm package differs from GitHub's runner";

#[test]
fn the_table_of_differences_is_true() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/expressions.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, section) = page.split_once(HEADING).unwrap();
    let rows: Vec<Vec<&str>> = section
        .lines()
        .filter(|line| line.starts_with("| `"))
        .take_while(|line| line.split(" | ").count() == 4)
        .map(|line| line.trim_start_matches("| ").split(" | ").collect())
        .collect();
    assert!(rows.len() > 10, "only {} rows were found", rows.len());
    let contexts = Object::new();
    for row in rows {
        let expression = row[0].trim_matches('`');
        let outcome = match evaluate(expression, &Scope::new(&contexts)) {
            Ok(value) => format!("`{}`", serde_json::Value::from(value)),
            Err(error) => {
                let message = error.to_string();
                let prefix = format!("the expression `{expression}` cannot be read: ");
                format!("error: `{}`", message.trim_start_matches(&prefix))
            }
        };
        assert_eq!(outcome, row[1], "{expression}");
    }
}
