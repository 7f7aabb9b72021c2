//! Who may approve, as the API answers it.

use serde_json::{Value, json};

use crate::platform::{Home, Platform, job};
use crate::project::{Clone, NO_GATES, create_with_workflow, start_run};

const RULES: &str = r#"
[environment.production]
approvals = { needed = 2, from = ["anna", "ben", "cleo"], exclude = "authors" }
"#;

const DEPLOY: &str = r#"
on: push
jobs:
  deploy:
    runs-on: ubuntu-latest
    environment: production
    steps:
      - run: echo deployed
"#;

async fn approve(platform: &Platform<'_>, person: &str, run: u64) -> (u16, String) {
    let body = json!({ "environment": "production" });
    let (status, answer) = platform.post(person, &format!("/runs/{run}/approve"), body).await;
    let message = answer["error"]["message"].as_str().unwrap_or_default();
    (status, message.to_owned())
}

#[tokio::test]
async fn two_people_approve_and_neither_the_author_nor_one_person_twice() {
    let home = Home::new();
    create_with_workflow(&home, &format!("{NO_GATES}{RULES}"), DEPLOY).await;
    let platform = home.up();
    let clone = Clone::of(&platform);
    // cleo wrote one of the commits, dora pushed them.
    clone.commit("cleo", "Write a chapter", &[("chapter", "one\n")]);
    let run = start_run(&platform, &clone).await;
    let gated = |run: &Value| job(run, "deploy")["legs"][0]["phase"] == "gated";
    platform.run_when(run, "gated", gated).await;

    let (status, message) = approve(&platform, "dora", run).await;
    assert_eq!(status, 403, "{message}");
    assert!(message.contains("approver"), "{message}");
    let (status, message) = approve(&platform, "cleo", run).await;
    assert_eq!(status, 403, "{message}");
    assert!(message.contains("cleo cannot approve") && message.contains("wrote"), "{message}");
    assert_eq!(approve(&platform, "anna", run).await.0, 200);
    let (status, message) = approve(&platform, "anna", run).await;
    assert_eq!(status, 409, "{message}");
    assert!(message.contains("already approved") && message.contains("ben"), "{message}");
    assert!(gated(&platform.run(run).await));
    assert_eq!(approve(&platform, "ben", run).await.0, 200);
    let ended = platform.ended(run).await;
    assert_eq!(ended["run"]["result"], "success", "{ended:#}");
    let (status, message) = approve(&platform, "ben", run).await;
    assert_eq!(status, 409, "{message}");
    assert!(message.contains(&format!("run {run} is over")), "{message}");
}

#[tokio::test]
async fn a_newer_push_takes_the_waiting_place_and_the_older_cannot_be_approved() {
    let home = Home::new();
    create_with_workflow(&home, &format!("{NO_GATES}{RULES}"), DEPLOY).await;
    let platform = home.up();
    let clone = Clone::of(&platform);
    let old = start_run(&platform, &clone).await;
    let gated = |run: &Value| job(run, "deploy")["legs"][0]["phase"] == "gated";
    platform.run_when(old, "gated", gated).await;
    clone.commit("dora", "Say more", &[("README.md", "More.\n")]);
    clone.push("dora");
    let new = crate::project::newest_run(&platform).await;
    assert_ne!(old, new);
    platform.run_when(new, "gated", gated).await;
    let ended = platform.ended(old).await;
    assert_eq!(ended["run"]["result"], "cancelled", "{ended:#}");
    let (status, message) = approve(&platform, "anna", old).await;
    assert_eq!(status, 409, "{message}");
    assert!(message.contains(&new.to_string()), "it names the newer run: {message}");
    assert_eq!(approve(&platform, "anna", new).await.0, 200);
    assert_eq!(approve(&platform, "ben", new).await.0, 200);
    assert_eq!(platform.ended(new).await["run"]["result"], "success");
}

#[tokio::test]
async fn strangers_are_told_nothing() {
    let home = Home::new();
    create_with_workflow(&home, NO_GATES, DEPLOY).await;
    let platform = home.up();
    let answer = reqwest::get(format!("{}/api/v1/projects/shop", home.url())).await.unwrap();
    assert_eq!(answer.status(), 401);
    let text = answer.text().await.unwrap();
    assert!(text.contains("Authorization: Bearer") && !text.contains("main"), "{text}");
    assert_eq!(platform.get_text("dora", "/api/v1/projects/other").await.0, 404);
}
