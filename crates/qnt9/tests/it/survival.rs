//! What is left when everything is gone but the data folder, and what those may still do who come back.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::deployments::{DEPLOY, RULES, TILL, deliver, greeting};
use crate::platform::{Home, Platform, job, processes_with, signal, wait_until};
use crate::project::{Clone, NO_GATES, create, create_with_workflow, newest_run, start_run};

/// The first time it begins a second step that never ends.
const SECOND_STEP_ENDLESS: &str = r#"
on: push
jobs:
  job:
    runs-on: ubuntu-latest
    /ENVIRONMENT/
    steps:
      - name: Prepare
        run: echo "$QNT9_TOKEN" > /FOLDER//token
      - name: Act
        run: |
          echo x >> /FOLDER//acted
          echo acting
          test "$(wc -l < /FOLDER//acted)" -gt 1 || sleep 600
"#;

fn endless(home: &Home, environment: &str) -> String {
    let folder = home.path("");
    SECOND_STEP_ENDLESS
        .replace("/ENVIRONMENT/", environment)
        .replace("/FOLDER/", folder.to_str().unwrap().trim_end_matches('/'))
}

/// The detached processes of this kind in the data folder.
fn detached(home: &Home, kind: &str) -> Vec<i32> {
    let data = home.data().canonicalize().unwrap();
    let found = processes_with(&format!("{kind} {}", data.display()));
    found.into_iter().map(|(pid, _)| pid).collect()
}

/// Kills everything that has to do with a home, as a power cut does.
fn cut_power(home: &Home) {
    let works_there = |pid: i32| {
        let cwd = std::fs::read_link(format!("/proc/{pid}/cwd"));
        cwd.is_ok_and(|cwd| cwd.starts_with(home.path("")))
    };
    for _ in 0..2 {
        for (pid, _) in home.processes() {
            signal(pid, Signal::KILL);
        }
        for (pid, _) in processes_with("") {
            if works_there(pid) {
                signal(pid, Signal::KILL);
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

fn leg<'a>(run: &'a Value, key: &str) -> &'a Value {
    &job(run, key)["legs"][0]
}

#[tokio::test]
async fn after_a_power_cut_the_data_folder_is_enough_wherever_it_lies() {
    let home = Home::new();
    let (deploy, endless) = (DEPLOY, endless(&home, "timeout-minutes: 5"));
    let endless = endless.replace("on: push", "on: workflow_dispatch");
    let files = [
        ("qnt9.toml", RULES),
        (".github/workflows/deploy.yml", deploy),
        (".github/workflows/endless.yml", endless.as_str()),
    ];
    create(&home, &files).await;
    let platform = home.up();
    let clone = Clone::of(&platform);
    let run = deliver(&platform, &clone, &[("till.pl", TILL)]).await;
    assert_eq!(run["run"]["result"], "success", "{run:#}");
    let (status, answer) = platform
        .post("dora", "/dispatch", json!({ "workflow": "endless.yml", "ref": "main" }))
        .await;
    assert!(status < 300, "{status} {answer}");
    let id = newest_run(&platform).await;
    platform.log_holds(id, "job", "acting").await;
    cut_power(&home);
    drop(platform);
    assert_eq!(home.processes(), [], "nothing is left");

    // Another machine's folder, another port; only the addresses of environments are as they were.
    let elsewhere = Home::new();
    for part in ["data", "key", "config"] {
        copy(&home.path(part), &elsewhere.path(part));
    }
    let platform = elsewhere.up();
    let run = platform.ended(id).await;
    assert_eq!(run["run"]["result"], "success", "{run:#}");
    let attempts = leg(&run, "job")["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2, "{run:#}");
    let reason = attempts[0]["reason"].as_str().unwrap();
    assert!(reason.contains("completed: step 1 (Prepare)"), "{reason}");
    assert!(reason.contains("at work was step 2 (Act) since 20"), "{reason}");
    assert!(reason.contains("which may have acted"), "{reason}");
    assert_eq!(greeting(&platform).await, "hello 1\n", "the service is up again");
}

#[tokio::test]
async fn a_lost_attempt_changes_nothing_any_more_and_its_token_is_refused() {
    let home = Home::new();
    let rules = format!("{NO_GATES}\n[environment.staging]\n");
    create_with_workflow(&home, &rules, &endless(&home, "environment: staging")).await;
    let platform = home.up();
    let id = start_run(&platform, &Clone::of(&platform)).await;
    platform.log_holds(id, "job", "acting").await;
    let token = std::fs::read_to_string(home.path("token")).unwrap().trim().to_owned();
    assert_eq!(with_token(&platform, &token).await, 200, "it counts while its attempt runs");
    let sleeping = || {
        processes_with("sleep 600").into_iter().filter(|(pid, _)| {
            let cwd = std::fs::read_link(format!("/proc/{pid}/cwd"));
            cwd.is_ok_and(|cwd| cwd.starts_with(home.path("")))
        })
    };
    assert_eq!(sleeping().count(), 1);
    for pid in detached(&home, "shim") {
        signal(pid, Signal::KILL);
    }
    let lost = |run: &Value| leg(run, "job")["phase"] == "lost";
    let run = platform.run_when(id, "lost", lost).await;
    let reason = leg(&run, "job")["attempts"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("at work was step 2 (Act)"), "{reason}");
    assert_eq!(with_token(&platform, &token).await, 401, "a zombie's token is worth nothing");
    assert_eq!(sleeping().count(), 0, "what it had started is ended");

    let path = format!("/runs/{id}/jobs/job/resolve");
    let (status, answer) = platform.post("dora", &path, json!({ "decision": "rerun" })).await;
    assert_eq!(status, 200, "{answer}");
    let run = platform.ended(id).await;
    assert_eq!(run["run"]["result"], "success", "{run:#}");
    assert_eq!(with_token(&platform, &token).await, 401);
}

/// What the platform answers to a question with this token.
async fn with_token(platform: &Platform<'_>, token: &str) -> u16 {
    let url = format!("{}/api/v1/projects/shop/runs", platform.home.url());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.get(url).bearer_auth(token).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_runner_that_hangs_is_killed_when_its_run_is_ended_by_force() {
    let home = Home::new();
    create_with_workflow(&home, NO_GATES, &endless(&home, "timeout-minutes: 5")).await;
    let platform = home.up();
    let clone = Clone::of(&platform);
    let id = start_run(&platform, &clone).await;
    platform.log_holds(id, "job", "acting").await;
    let shims = detached(&home, "shim");
    assert_eq!(shims.len(), 1);
    // It hangs: it hears neither a cancel nor a kill.
    signal(shims[0], Signal::STOP);
    let (status, answer) =
        platform.post("dora", &format!("/runs/{id}/cancel"), json!({ "force": true })).await;
    assert!(status < 300, "{status} {answer}");
    let run = platform.ended(id).await;
    assert_eq!(run["run"]["result"], "cancelled", "{run:#}");
    wait_until("the hung runner is gone", || detached(&home, "shim").is_empty());
}

/// Its second step fails until there is a file, outside of all workspaces.
const FLAKY: &str = r#"
on: push
jobs:
  first:
    runs-on: ubuntu-latest
    outputs: {word: '${{ steps.say.outputs.word }}'}
    steps: [{id: say, run: 'echo first >> /FOLDER//ran; echo word=hello >> $GITHUB_OUTPUT'}]
  build:
    needs: first
    runs-on: ubuntu-latest
    steps:
      - run: |
          echo prepare >> /FOLDER//ran
          echo "${{ needs.first.outputs.word }}" > made
          echo "VALUE=$PWD" >> "$GITHUB_ENV"
      - run: test -e /FOLDER//mended && cat made && test "$VALUE" = "$PWD" && echo same
      - run: echo last >> /FOLDER//ran
"#;

#[tokio::test]
async fn a_failed_job_goes_on_from_a_step_on_the_workspace_that_was_kept() {
    let home = Home::new();
    let folder = home.path("").display().to_string();
    let flaky = FLAKY.replace("/FOLDER/", folder.trim_end_matches('/'));
    create_with_workflow(&home, NO_GATES, &flaky).await;
    let platform = home.up();
    let failed = start_run(&platform, &Clone::of(&platform)).await;
    let run = platform.ended(failed).await;
    assert_eq!(run["run"]["result"], "failure", "{run:#}");
    let kept = home.data().join(format!("kept/shop/{failed}.build.1"));
    wait_until("the workspace is kept", || kept.join("workspace/made").exists());
    assert!(!home.data().join(format!("kept/shop/{failed}.first.1")).exists(), "it succeeded");

    std::fs::write(home.path("mended"), "").unwrap();
    let retry = format!("/runs/{failed}/jobs/build/retry");
    let (status, answer) = platform.post("dora", &retry, json!({ "step": 1 })).await;
    assert!(status < 300, "{status} {answer}");
    let again = newest_run(&platform).await;
    let run = platform.ended(again).await;
    assert_eq!(run["run"]["result"], "success", "{run:#}");
    let ran = std::fs::read_to_string(home.path("ran")).unwrap();
    assert_eq!(ran, "first\nprepare\nlast\n", "nothing ran twice");
    let log: Vec<String> =
        platform.log(again, "build").await.into_iter().map(|(_, text)| text).collect();
    let taken = format!("Taken over from attempt {failed}.build.1: success.");
    assert_eq!(log[0], taken, "{log:#?}");
    assert!(log.contains(&"hello".to_owned()) && log.contains(&"same".to_owned()), "{log:#?}");

    std::fs::remove_dir_all(kept).unwrap();
    let (status, answer) = platform.post("dora", &retry, json!({ "step": 1 })).await;
    assert!(status < 300, "{status} {answer}");
    let run = platform.ended(newest_run(&platform).await).await;
    assert_eq!(run["run"]["result"], "failure", "{run:#}");
    let why = format!("the workspace of attempt {failed}.build.1 is not kept");
    assert!(run.to_string().contains(&why), "{run:#}");
}
