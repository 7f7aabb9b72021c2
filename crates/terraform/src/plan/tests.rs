use expect_test::{Expect, expect};
use serde_json::json;

use super::*;

/// What terraform 1.11 writes for a replacement with a sensitive input, an update of what depends on
/// it, a new and a destroyed resource, one that stays, and an output.
fn plan() -> Value {
    json!({
        "format_version": "1.2",
        "terraform_version": "1.11.4",
        "timestamp": "2026-11-23T11:45:00Z",
        "variables": { "password": { "value": "hunter2" }, "size": { "value": "b" } },
        "resource_changes": [
            {
                "address": "terraform_data.new", "mode": "managed",
                "change": {
                    "actions": ["create"], "before": null,
                    "after": { "input": 7, "triggers_replace": null },
                    "after_unknown": { "id": true, "output": true },
                    "before_sensitive": false, "after_sensitive": {}
                }
            },
            {
                "address": "terraform_data.db", "mode": "managed",
                "change": {
                    "actions": ["delete", "create"],
                    "before": {
                        "id": "df69", "input": { "pw": "hunter2", "size": "a" },
                        "output": { "pw": "hunter2", "size": "a" }, "triggers_replace": ["a"]
                    },
                    "after": { "input": { "pw": "hunter2", "size": "b" }, "triggers_replace": ["b"] },
                    "after_unknown": { "id": true, "input": {}, "output": true, "triggers_replace": [false] },
                    "before_sensitive": { "input": { "pw": true }, "output": {}, "triggers_replace": [false] },
                    "after_sensitive": { "input": { "pw": true }, "output": {}, "triggers_replace": [false] },
                    "replace_paths": [["triggers_replace"]]
                },
                "action_reason": "replace_because_cannot_update"
            },
            {
                "address": "terraform_data.third", "mode": "managed",
                "change": {
                    "actions": ["update"],
                    "before": { "id": "1641", "input": "a|`b`", "output": "a|`b`", "triggers_replace": null },
                    "after": { "id": "1641", "input": "b", "triggers_replace": null },
                    "after_unknown": { "output": true },
                    "before_sensitive": {}, "after_sensitive": {}
                }
            },
            {
                "address": "terraform_data.kept", "mode": "managed",
                "change": { "actions": ["no-op"], "before": { "id": "1" }, "after": { "id": "1" } }
            },
            {
                "address": "terraform_data.old[\"x\"]", "mode": "managed",
                "change": { "actions": ["delete"], "before": { "id": "1" }, "after": null }
            },
            {
                "address": "terraform_data.renamed", "previous_address": "terraform_data.named",
                "change": { "actions": ["no-op"], "before": { "id": "1" }, "after": { "id": "1" } }
            }
        ],
        "output_changes": {
            "o": { "actions": ["update"], "before": "a", "after_unknown": true,
                   "before_sensitive": false, "after_sensitive": false },
            "same": { "actions": ["no-op"], "before": "a", "after": "a", "after_unknown": false }
        },
        "configuration": { "root_module": { "variables": { "password": { "sensitive": true }, "size": {} } } }
    })
}

fn read(plan: &Value) -> Plan {
    Plan::read(plan.to_string().as_bytes()).unwrap()
}

fn check(text: &str, expected: &Expect) {
    assert!(!text.contains("hunter2"), "a secret is shown: {text}");
    expected.assert_eq(text);
}

#[test]
fn the_terminal_shows_deletes_and_replacements_first() {
    check(
        &read(&plan()).terminal(),
        &expect![[r#"
        Plan: 2 to add, 1 to change, 2 to destroy, 1 output changes

          - terraform_data.old["x"] is destroyed
              id  "1" -> nothing

        -/+ terraform_data.db is destroyed and created anew
              triggers_replace  ["a"] -> ["b"]  # forces replacement
              id                "df69" -> (known after apply)
              input             (sensitive)
              output            (sensitive) -> (known after apply)

          ~ terraform_data.renamed is moved from terraform_data.named

          ~ terraform_data.third is changed
              input   "a|`b`" -> "b"
              output  "a|`b`" -> (known after apply)

          + terraform_data.new is created
              id      (known after apply)
              input   7
              output  (known after apply)

            Outputs
              o  "a" -> (known after apply)
    "#]],
    );
}

#[test]
fn the_summary_page_names_attributes_only() {
    check(
        &read(&plan()).markdown(),
        &expect![[r#"
        **Plan: 2 to add, 1 to change, 2 to destroy, 1 output changes**

        | | resource | what changes |
        |---|---|---|
        | destroyed | `terraform_data.old["x"]` |  |
        | destroyed and created anew | `terraform_data.db` | `triggers_replace (forces replacement)`, `id`, `input`, `output` |
        | changed | `terraform_data.renamed` | `moved from terraform_data.named` |
        | changed | `terraform_data.third` | `input`, `output` |
        | created | `terraform_data.new` |  |

        Outputs: `o`
    "#]],
    );
}

#[test]
fn the_summary_counts_as_terraform_does() {
    let plan = read(&plan());
    let summary = &plan.summary;
    assert_eq!((summary.add, summary.change, summary.destroy), (2, 1, 2));
    assert_eq!(plan.changes(), 6);
    let line = summary.lines.iter().find(|line| line.address == "terraform_data.db").unwrap();
    assert_eq!(line.action, PlanAction::Replace);
    assert_eq!(line.attributes, ["triggers_replace (forces replacement)", "id", "input", "output"]);
}

#[test]
fn a_plan_without_changes_says_so() {
    let empty = read(&json!({ "format_version": "1.2" }));
    assert_eq!((empty.changes(), empty.terminal().as_str()), (0, "Plan: no changes\n"));
    assert_eq!(empty.markdown(), "**Plan: no changes**\n");
}

#[test]
fn the_hash_knows_neither_time_nor_order_nor_what_stays() {
    let first = plan();
    let mut again = plan();
    again["timestamp"] = json!("2027-01-01T00:00:00Z");
    again["terraform_version"] = json!("1.12.0");
    again["resource_changes"].as_array_mut().unwrap().reverse();
    again["resource_changes"][2]["change"]["before"]["id"] = json!("another");
    assert_eq!(read(&first).hash, read(&again).hash);
    let kept = &again["resource_changes"][2];
    assert_eq!(kept["address"], "terraform_data.kept");
}

#[test]
fn one_changed_value_gives_another_hash() {
    let first = read(&plan()).hash;
    let changes: [fn(&mut Value); 6] = [
        |plan| plan["resource_changes"][0]["change"]["after"]["input"] = json!(8),
        |plan| plan["resource_changes"][1]["change"]["after"]["input"]["pw"] = json!("other"),
        |plan| plan["resource_changes"][1]["change"]["actions"] = json!(["create", "delete"]),
        |plan| plan["output_changes"]["o"]["before"] = json!("b"),
        |plan| plan["variables"]["size"]["value"] = json!("c"),
        |plan| plan["resource_changes"][5]["previous_address"] = json!("terraform_data.x"),
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut other = plan();
        change(&mut other);
        assert_ne!(read(&other).hash, first, "change {number}");
    }
}

#[test]
fn what_cannot_be_applied_is_refused() {
    let say = |json: &str| Plan::read(json.as_bytes()).unwrap_err().to_string();
    let mut errored = plan();
    errored["errored"] = json!(true);
    let mut later = plan();
    later["format_version"] = json!("2.0");
    let mut odd = plan();
    odd["resource_changes"][0]["change"]["actions"] = json!(["dance"]);
    let said = [
        say("not json"),
        say("{\"version\": 4}"),
        say(&errored.to_string()),
        say(&later.to_string()),
        say(&odd.to_string()),
    ];
    expect![[r#"
        this is not the output of `terraform show -json PLANFILE`
        this is not the output of `terraform show -json PLANFILE`
        terraform could not finish this plan, so it cannot be applied; look at the output of `terraform plan`
        the plan has format version 2.0; this program knows version 1
        the plan does `dance` to terraform_data.new, which this program does not know"#]].assert_eq(&said.join("\n"));
}
