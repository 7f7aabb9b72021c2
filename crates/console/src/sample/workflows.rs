//! What the made-up project says in its files.

use qnt9_model::Policy;
use qnt9_model::policy::{
    ApprovalRule, EnvironmentPolicy, EvidenceRule, Exclude, RolloutRule, Service, Trigger,
};
use serde_json::{Value, json};

use super::{DAY, MINUTE, SECOND};

fn job(key: &str, needs: &[&str], steps: &[&str]) -> Value {
    let position = json!({ "line": 1, "column": 1 });
    let template = |text: &str| json!({ "source": text, "position": position });
    let steps: Vec<Value> = steps
        .iter()
        .map(|step| {
            json!({
                "id": null, "position": position, "name": template(step), "condition": null,
                "action": { "Run": { "script": template(step), "shell": null, "working_directory": null } },
                "env": [], "continue_on_error": null, "timeout_minutes": null,
            })
        })
        .collect();
    json!({
        "key": key, "position": position, "name": null, "needs": needs, "condition": null,
        "strategy": null, "environment": null, "concurrency": null, "env": [],
        "defaults": { "shell": null, "working_directory": null }, "outputs": [],
        "timeout_minutes": null, "continue_on_error": null,
        "runs_on": { "group": null, "labels": [] }, "permissions": null, "steps": steps,
    })
}

/// A workflow as the log keeps it.
pub(crate) fn workflow(path: &str, jobs: &[(&str, &[&str], &[&str])]) -> Value {
    let jobs: Vec<Value> = jobs.iter().map(|(key, needs, steps)| job(key, needs, steps)).collect();
    json!({
        "path": path, "name": null, "run_name": null, "on": [], "env": [],
        "defaults": { "shell": null, "working_directory": null }, "concurrency": null,
        "permissions": null, "jobs": jobs,
    })
}

pub(super) const CHECKS: [&str; 4] = ["format", "lint", "test", "terraform"];

pub(super) fn staging_jobs() -> Vec<(&'static str, &'static [&'static str], &'static [&'static str])>
{
    vec![
        ("format", &[], &["Check out", "cargo fmt --check"]),
        ("lint", &[], &["Check out", "cargo clippy"]),
        ("test", &[], &["Check out", "cargo test"]),
        ("terraform", &[], &["Check out", "terraform fmt -check", "terraform validate"]),
        ("infrastructure", &["format", "lint", "test", "terraform"], &["Plan", "Apply"]),
        ("release", &["format", "lint", "test", "terraform"], &["Build", "Release"]),
        ("deploy", &["infrastructure", "release"], &["Deploy"]),
        (
            "load-test",
            &["deploy"],
            &["Health before", "qnt9 load run --environment staging", "Cool down", "Health after"],
        ),
        (
            "summary",
            &[
                "format",
                "lint",
                "test",
                "terraform",
                "infrastructure",
                "release",
                "deploy",
                "load-test",
            ],
            &["Write the summary"],
        ),
    ]
}

pub(super) fn production_jobs()
-> Vec<(&'static str, &'static [&'static str], &'static [&'static str])> {
    vec![
        ("plan", &[], &["Find the release built from this commit", "Plan", "Record the plan"]),
        (
            "deploy",
            &["plan"],
            &["Verify that this is the approved plan", "Apply", "Deploy step by step"],
        ),
        ("verify", &["deploy"], &["Health", "Smoke tests"]),
        ("notify", &["plan", "deploy", "verify"], &["Notify"]),
        ("summary", &["plan", "deploy", "verify", "notify"], &["Write the summary"]),
    ]
}

pub(super) fn policy() -> Policy {
    let environment = |name: &str, branch: &str| EnvironmentPolicy {
        name: name.into(),
        branches: vec![branch.to_owned()],
        trigger: Trigger::Any,
        approvals: None,
        wait_ms: 0,
        evidence: Vec::new(),
        rollout: RolloutRule::at_once(),
        replicas: None,
        windows: Vec::new(),
        checks: Vec::new(),
        expire_after_ms: None,
        watch: None,
        notify: None,
    };
    let mut production = environment("production", "main");
    production.trigger = Trigger::Manual;
    production.approvals = Some(ApprovalRule {
        needed: 2,
        from: ["alice", "bob", "carol"].map(str::to_owned).to_vec(),
        exclude: Exclude::Authors,
        expire_after_ms: 7 * DAY,
    });
    production.wait_ms = 10 * MINUTE;
    production.evidence = vec![
        EvidenceRule { kind: "tests".to_owned(), environment: None, max_age_ms: None },
        EvidenceRule {
            kind: "load-test".to_owned(),
            environment: Some("staging".into()),
            max_age_ms: None,
        },
    ];
    production.rollout = RolloutRule {
        steps: vec![5, 25, 50, 100],
        step_for_ms: MINUTE,
        min_requests: 50,
        ..RolloutRule::at_once()
    };
    Policy {
        project: "qnt9-srs".to_owned(),
        services: vec![Service {
            name: "stock".to_owned(),
            command: vec!["bin/stock".to_owned(), "serve".to_owned()],
            health: "/health".to_owned(),
            health_timeout_ms: 30 * SECOND,
            replicas: 2,
            health_line: 9,
            smoke: Vec::new(),
        }],
        environments: vec![
            environment("development", "develop"),
            environment("staging", "main"),
            production,
        ],
        on_call: Vec::new(),
        freezes: Vec::new(),
    }
}
