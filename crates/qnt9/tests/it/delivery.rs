//! The product's main promise, in two lives of one platform: the reference system goes from push to
//! production without a person; then a bad release is taken back at its first step. A few minutes,
//! most of them spent compiling the reference system.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::platform::{Home, QNT9};

/// Requests of the bad release that may fail: one in five of its twentieth part, for some seconds.
const FAILED_MAX: u64 = 60;

/// `qnt9 up --exit --json` with further arguments; its summary. It uses this user's cargo and terraform.
fn deliver(home: &Home, args: &[&str]) -> Value {
    let mut up = Command::new(QNT9);
    up.args(["up", "--exit", "--json", "--port", &home.port.to_string()]).args(args);
    up.arg("--data").arg(home.data()).env("XDG_CONFIG_HOME", home.path("config"));
    up.env("QNT9_KEY_FILE", home.path("key")).env("TF_CLI_CONFIG_FILE", "/dev/null");
    let output = up.env_remove("DATABASE_URL").stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let talk = String::from_utf8_lossy(&output.stderr);
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(output.status.success(), "it ended with {}\n{text}\n{talk}", output.status);
    let mut summaries = events.into_iter().filter(|event| !event["summary"].is_null());
    let summary = summaries.next().unwrap_or_else(|| panic!("no summary in {text}"));
    assert!(summaries.next().is_none(), "two summaries in {text}");
    summary["summary"].clone()
}

fn stages(summary: &Value) -> Vec<(String, &str)> {
    let stages = summary["stages"].as_array().unwrap().iter();
    let stage = |stage: &'_ Value| stage["name"].as_str().unwrap().to_owned();
    stages.map(|one| (stage(one), one["result"].as_str().unwrap())).collect()
}

#[test]
fn a_commit_goes_from_push_to_production_and_a_bad_one_comes_back() {
    let home = Home::new();
    let good = deliver(&home, &[]);
    check_shape(&good);
    assert_eq!(good["result"], "success");
    assert_eq!(good["rollback"], Value::Null);
    assert_eq!(good["production"]["failed"], 0, "{good:#}");
    assert!(good["production"]["requests"].as_u64().unwrap() > 1000, "{good:#}");
    let results: BTreeSet<&str> = stages(&good).into_iter().map(|(_, result)| result).collect();
    assert_eq!(results, BTreeSet::from(["success"]), "{good:#}");
    let names: Vec<String> = stages(&good).into_iter().map(|(name, _)| name).collect();
    for part in [
        "development/integration-tests",
        "staging/load-test",
        "production/backup",
        "production/verify",
        "staging (2)/data",
        "staging (2)/end-to-end",
    ] {
        assert!(names.iter().any(|name| name == part), "{part} is not in {names:?}");
    }
    assert_eq!(home.processes(), [], "nothing is left running");

    let bad = deliver(&home, &["--bad-release"]);
    check_shape(&bad);
    assert_eq!(bad["result"], "success", "a release that is taken back is what was asked for");
    assert_eq!(bad["rollback"]["at_percent"], 5, "{bad:#}");
    assert!(bad["rollback"]["reason"].as_str().unwrap().contains("worse than tolerated"));
    assert_ne!(bad["rollback"]["release"], good["production"]["release"]);
    assert_eq!(bad["production"]["release"], good["production"]["release"], "it serves on");
    let failed = bad["production"]["failed"].as_u64().unwrap();
    assert!((1..FAILED_MAX).contains(&failed), "{bad:#}");
    let results = stages(&bad);
    assert!(results.contains(&("production (3)/deploy".to_owned(), "failure")), "{results:?}");
    assert!(results.contains(&("production (3)/verify".to_owned(), "skipped")), "{results:?}");
    let verified = home.run(&["audit", "verify"]);
    assert_eq!(verified.status.code(), Some(0), "{}", crate::platform::said(&verified));
    println!("{}\n{}", json!({ "good": good["totals"] }), json!({ "bad": bad["totals"] }));
}

/// What every summary has.
fn check_shape(summary: &Value) {
    for stage in summary["stages"].as_array().unwrap() {
        assert!(stage["name"].as_str().unwrap().contains('/'), "{stage}");
        let result = stage["result"].as_str().unwrap();
        assert!(["success", "failure", "cancelled", "skipped"].contains(&result), "{stage}");
        assert_eq!(stage["started"].is_null(), result == "skipped", "{stage}");
        for time in ["own_s", "waiting_s", "user_s"] {
            assert!(stage[time].as_f64().unwrap() >= 0.0, "{stage}");
        }
    }
    for time in ["own_s", "waiting_s", "user_s"] {
        assert!(summary["totals"][time].as_f64().unwrap() > 0.0, "{summary:#}");
    }
    assert_eq!(summary["production"]["release"].as_str().unwrap().len(), "sha256:".len() + 64);
    assert_eq!(summary["audit_head"].as_str().unwrap().len(), 64);
}
