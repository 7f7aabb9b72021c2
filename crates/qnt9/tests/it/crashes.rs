//! Any process may be killed at any instant: nothing is lost, nothing is done twice.

use rustix::process::Signal;
use serde_json::json;

use crate::platform::{Home, job, processes_with, signal};
use crate::project::{Clone, NO_GATES, create_with_workflow, start_run};

/// Counts slowly to thirty, in two steps.
const COUNTING: &str = r#"
on: push
jobs:
  count:
    runs-on: ubuntu-latest
    steps:
      - run: for n in $(seq 1 10); do echo "line $n"; sleep 0.1; done; echo x >> "$COUNTER"
      - run: for n in $(seq 11 30); do echo "line $n"; sleep 0.1; done; echo x >> "$COUNTER"
    env:
      COUNTER: /COUNTER/
"#;

#[tokio::test]
async fn a_job_goes_on_while_its_server_is_killed_and_no_line_is_lost_or_doubled() {
    let home = Home::new();
    let counter = home.path("counter");
    let workflow = COUNTING.replace("/COUNTER/", counter.to_str().unwrap());
    create_with_workflow(&home, NO_GATES, &workflow).await;
    let platform = home.up();
    let id = start_run(&platform, &Clone::of(&platform)).await;
    // Twice: in the first step, whose lines are not sealed yet, and in the second.
    platform.log_holds(id, "count", "line 5").await;
    platform.kill();
    let platform = home.up();
    platform.log_holds(id, "count", "line 15").await;
    platform.kill();
    let platform = home.up();
    let run = platform.ended(id).await;
    assert_eq!(run["run"]["result"], "success", "{run:#}");
    let attempts = job(&run, "count")["legs"][0]["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 1, "{run:#}");
    assert_eq!(attempts[0]["steps"].as_array().unwrap().len(), 2, "{run:#}");
    assert_eq!(std::fs::read_to_string(counter).unwrap(), "x\nx\n", "each step ran once");
    let log = platform.log(id, "count").await;
    let numbers: Vec<u64> = log.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=log.len() as u64).collect::<Vec<_>>());
    let counted: Vec<&str> =
        log.iter().filter_map(|(_, text)| text.strip_prefix("line ")).collect();
    assert_eq!(counted, (1..=30).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_platform_that_was_stopped_goes_on_where_it_stood() {
    let home = Home::new();
    let counter = home.path("counter");
    let workflow = COUNTING.replace("/COUNTER/", counter.to_str().unwrap());
    create_with_workflow(&home, NO_GATES, &workflow).await;
    let platform = home.up();
    let id = start_run(&platform, &Clone::of(&platform)).await;
    platform.log_holds(id, "count", "line 3").await;
    assert_eq!(platform.interrupt().code(), Some(0));
    let platform = home.up();
    let run = platform.ended(id).await;
    assert_eq!(run["run"]["result"], "success", "{run:#}");
    assert_eq!(std::fs::read_to_string(counter).unwrap(), "x\nx\n", "each step ran once");
}

/// Waits for ever the first time, and is done at once the second time.
const FIRST_TIME_ENDLESS: &str = r#"
on: push
jobs:
  job:
    runs-on: ubuntu-latest
    /ENVIRONMENT/
    steps:
      - run: |
          echo x >> /COUNTER/
          echo begun
          test "$(wc -l < /COUNTER/)" -gt 1 || sleep 600
"#;

fn endless(home: &Home, environment: &str) -> String {
    let counter = home.path("counter");
    FIRST_TIME_ENDLESS
        .replace("/ENVIRONMENT/", environment)
        .replace("/COUNTER/", counter.to_str().unwrap())
}

/// `kill -9` for the shim of the only job.
fn kill_shim(home: &Home) {
    let jobs = home.data().canonicalize().unwrap().join("jobs");
    let shims = processes_with(&format!("shim {}", jobs.display()));
    assert_eq!(shims.len(), 1, "{shims:?}");
    signal(shims[0].0, Signal::KILL);
}

#[tokio::test]
async fn a_lost_job_without_environment_is_tried_again_by_itself() {
    let home = Home::new();
    create_with_workflow(&home, NO_GATES, &endless(&home, "timeout-minutes: 5")).await;
    let platform = home.up();
    let id = start_run(&platform, &Clone::of(&platform)).await;
    platform.log_holds(id, "job", "begun").await;
    kill_shim(&home);
    let run = platform.ended(id).await;
    assert_eq!(run["run"]["result"], "success", "{run:#}");
    let attempts = job(&run, "job")["legs"][0]["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2, "{run:#}");
    assert!(attempts[0]["reason"].as_str().unwrap().contains("died"), "{run:#}");
    assert!(processes_with("sleep 600").iter().all(|(pid, _)| !is_ours(*pid, &home)));
}

#[tokio::test]
async fn a_lost_job_with_an_environment_waits_for_a_person() {
    let home = Home::new();
    let rules = format!("{NO_GATES}\n[environment.staging]\n");
    create_with_workflow(&home, &rules, &endless(&home, "environment: staging")).await;
    let platform = home.up();
    let id = start_run(&platform, &Clone::of(&platform)).await;
    platform.log_holds(id, "job", "begun").await;
    kill_shim(&home);
    let lost = |run: &serde_json::Value| job(run, "job")["legs"][0]["phase"] == "lost";
    let run = platform.run_when(id, "lost", lost).await;
    assert_eq!(run["run"]["result"], serde_json::Value::Null, "{run:#}");
    // It stays so: no attempt begins by itself.
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    let run = platform.run(id).await;
    assert!(lost(&run), "{run:#}");
    let path = format!("/runs/{id}/jobs/job/resolve");
    let (status, answer) = platform.post("dora", &path, json!({ "decision": "rerun" })).await;
    assert_eq!(status, 200, "{answer}");
    let run = platform.ended(id).await;
    assert_eq!(run["run"]["result"], "success", "{run:#}");
}

/// Whether the process works below this platform's folder.
fn is_ours(pid: i32, home: &Home) -> bool {
    let works_in = std::fs::read_link(format!("/proc/{pid}/cwd"));
    works_in.is_ok_and(|folder| folder.starts_with(home.path("")))
}
