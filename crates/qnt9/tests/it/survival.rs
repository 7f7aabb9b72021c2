//! What is left when everything is gone but the data folder, and what those may still do who come back.

use std::path::Path;
use std::time::Duration;

use qnt9_runner::journal::{JobResult, Reader, Record, StepConclusion, encode};
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

/// Prints so fast that its lines are sealed while it runs.
const TALKING: &str = r#"
on: push
jobs:
  talk:
    runs-on: ubuntu-latest
    steps:
      - run: for n in $(seq 0 59); do seq -f 'line %.0f' $((n * 250 + 1)) $((n * 250 + 250)); sleep 0.1; done
"#;
const TALKING_LINES: usize = 60 * 250;
/// How long each server lives, in milliseconds.
const LIVES_MS: [u64; 6] = [350, 90, 610, 10, 240, 430];

#[tokio::test]
async fn lines_that_are_sealed_while_servers_are_killed_are_there_once() {
    let home = Home::new();
    create_with_workflow(&home, NO_GATES, TALKING).await;
    let platform = home.up();
    let id = start_run(&platform, &Clone::of(&platform)).await;
    platform.log_holds(id, "talk", "line 1").await;
    platform.kill();
    for life in LIVES_MS {
        let platform = home.up();
        tokio::time::sleep(Duration::from_millis(life)).await;
        platform.kill();
    }
    let platform = home.up();
    let run = platform.ended(id).await;
    assert_eq!(run["run"]["result"], "success", "{run:#}");
    let log = platform.log(id, "talk").await;
    let numbers = log.iter().map(|(number, _)| *number);
    assert!(numbers.eq(1..=log.len() as u64), "a number is missing or there twice");
    let lines = log.iter().filter_map(|(_, text)| text.strip_prefix("line "));
    let expected = (1..=TALKING_LINES).map(|number| number.to_string());
    assert!(lines.eq(expected), "a line is missing or there twice");
}

/// Appends records to the journal of a job whose runner is gone, as if it had lived on unseen.
fn append(journal: &Path, records: &[Record]) {
    let mut reader = Reader::open(journal, 0).unwrap();
    while reader.next_record().unwrap().is_some() {}
    let mut bytes = std::fs::read(journal).unwrap();
    bytes.truncate(usize::try_from(reader.offset()).unwrap());
    for record in records {
        bytes.extend(encode(record, bytes.len() as u64).unwrap());
    }
    std::fs::write(journal, bytes).unwrap();
}

#[tokio::test]
async fn a_lost_job_counts_again_only_when_its_runner_is_found_or_its_journal_is_complete() {
    let home = Home::new();
    let rules = format!("{NO_GATES}\n[environment.staging]\n");
    create_with_workflow(&home, &rules, &endless(&home, "environment: staging")).await;
    let platform = home.up();
    let id = start_run(&platform, &Clone::of(&platform)).await;
    platform.log_holds(id, "job", "acting").await;
    detached(&home, "shim").into_iter().for_each(|pid| signal(pid, Signal::KILL));
    let lost = |run: &Value| leg(run, "job")["phase"] == "lost";
    platform.run_when(id, "lost", lost).await;

    // Looked for once more and not found, it is lost as before.
    let resolve = format!("/runs/{id}/jobs/job/resolve");
    let resume = json!({ "decision": "resume" });
    let (status, answer) = platform.post("dora", &resolve, resume.clone()).await;
    assert_eq!(status, 200, "{answer}");
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let run = platform.run_when(id, "lost", lost).await;
    assert_eq!(leg(&run, "job")["attempts"].as_array().unwrap().len(), 1, "{run:#}");

    let finished = Record::StepFinished {
        index: 1,
        name: "Act".to_owned(),
        outcome: StepConclusion::Success,
        conclusion: StepConclusion::Success,
        outputs: [].into(),
        started: 1_700_000_000_000,
        finished: 1_700_000_001_000,
        ours: Vec::new(),
    };
    let result = JobResult::Success;
    let end = Record::JobFinished { result, outputs: [].into(), at: 1_700_000_001_000 };
    append(&home.data().join(format!("jobs/shop/{id}.job.1/journal")), &[finished, end]);
    let resumed = async {
        loop {
            // The question may still be under way.
            let (status, _) = platform.post("dora", &resolve, resume.clone()).await;
            if status == 200 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), resumed).await.unwrap();
    let run = platform.ended(id).await;
    assert_eq!(run["run"]["result"], "success", "{run:#}");
    let attempts = leg(&run, "job")["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 1, "{run:#}");
    assert_eq!(attempts[0]["steps"].as_array().unwrap().len(), 2, "{run:#}");
    let acted = std::fs::read_to_string(home.path("acted")).unwrap();
    assert_eq!(acted, "x\n", "it ran once");
}

#[tokio::test]
async fn an_attempt_whose_folder_is_gone_is_lost_and_not_begun_again() {
    let home = Home::new();
    let rules = format!("{NO_GATES}\n[environment.staging]\n");
    create_with_workflow(&home, &rules, &endless(&home, "environment: staging")).await;
    let platform = home.up();
    let id = start_run(&platform, &Clone::of(&platform)).await;
    platform.log_holds(id, "job", "acting").await;
    cut_power(&home);
    drop(platform);
    std::fs::remove_dir_all(home.data().join("jobs/shop")).unwrap();
    let platform = home.up();
    let lost = |run: &Value| leg(run, "job")["phase"] == "lost";
    let run = platform.run_when(id, "lost", lost).await;
    let reason = leg(&run, "job")["attempts"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("its journal are gone"), "{reason}");
    assert_eq!(std::fs::read_to_string(home.path("acted")).unwrap(), "x\n");
}
