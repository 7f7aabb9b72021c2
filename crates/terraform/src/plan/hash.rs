//! The hash that approvals name.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// sha256 over a canonical form of everything the plan would do, in hexadecimal: the resources and
/// outputs that change, with all their values, and the variables. What is left out says when and
/// where the plan was made (its timestamp, the prior state) or what it leaves alone.
pub(super) fn of(plan: &Value) -> String {
    let mut resources: Vec<String> = plan["resource_changes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|resource| does_something(resource, &resource["change"]))
        .map(canonical)
        .collect();
    resources.sort();
    let outputs: BTreeMap<&String, String> = plan["output_changes"]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, change)| does_something(&Value::Null, change))
        .map(|(name, change)| (name, canonical(change)))
        .collect();
    let mut hash = Sha256::new();
    hash.update(b"terraform plan 1\n");
    for resource in &resources {
        hash.update(format!("resource {resource}\n"));
    }
    for (name, change) in &outputs {
        hash.update(format!("output {} {change}\n", Value::from(name.as_str())));
    }
    hash.update(format!("variables {}\n", canonical(&plan["variables"])));
    hex::encode(hash.finalize())
}

fn does_something(resource: &Value, change: &Value) -> bool {
    let no_op = change["actions"].as_array().is_some_and(|actions| *actions == ["no-op"]);
    let noted = !resource["previous_address"].is_null() || !change["importing"].is_null();
    !no_op || noted
}

/// JSON without spaces, the fields of objects in the order of their names.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
            let fields = sorted.into_iter().map(|(name, value)| {
                format!("{}:{}", Value::from(name.as_str()), canonical(value))
            });
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(","))
        }
        leaf => leaf.to_string(),
    }
}
