//! Logs as text and as JSON Lines, in parts, and while they grow.

use std::time::Duration;

use http::StatusCode;
use http_body_util::Full;
use qnt9_model::{AttemptId, Command};

use super::site::{Site, project};
use crate::orders::jobs::LogLine;

/// Seals lines as the follower of a job does.
async fn seal(site: &Site, attempt: &AttemptId, first_line: u64, texts: &[&str]) {
    let mut content = Vec::new();
    for (line, text) in (first_line..).zip(texts) {
        let line = LogLine { line, step: Some(0), at: 7, text: (*text).to_owned() };
        serde_json::to_writer(&mut content, &line).unwrap();
        content.push(b'\n');
    }
    let blob = site.core.blobs().put_sealed(site.core.log_key(), &content).unwrap().to_string();
    let (attempt, lines) = (attempt.clone(), texts.len() as u64);
    site.tell(Command::SealLog { attempt, first_line, lines, blob }).await;
}

#[tokio::test]
async fn lines_come_in_order_from_where_they_are_wanted() {
    let site = Site::new().await;
    let attempt = site.started(site.dispatched().await, "build").await;
    seal(&site, &attempt, 1, &["one", "two"]).await;
    seal(&site, &attempt, 3, &["three"]).await;
    let vic = site.token("vic");
    let path = project(&format!("/runs/{}/jobs/build/log", attempt.run));
    assert_eq!(site.get(&path, &vic).await.body, "one\ntwo\nthree\n");
    assert_eq!(site.get(&format!("{path}?from=2"), &vic).await.body, "two\nthree\n");
    assert_eq!(site.get(&format!("{path}?from=9"), &vic).await.body, "");
    let request = site.request("GET", &format!("{path}?from=3"), &vic);
    let request = request.header("accept", "application/jsonl").body(Full::default()).unwrap();
    let lines = site.answer(request).await.body;
    assert_eq!(lines, "{\"line\":3,\"step\":0,\"time\":7,\"text\":\"three\"}\n");
    for unknown in ["?attempt=2", "?attempt=0"] {
        let answer = site.get(&format!("{path}{unknown}"), &vic).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{unknown}");
    }
}

#[tokio::test]
async fn a_followed_log_ends_when_its_job_does_and_not_before() {
    let site = Site::new().await;
    let attempt = site.started(site.dispatched().await, "build").await;
    seal(&site, &attempt, 1, &["one"]).await;
    let path = project(&format!("/runs/{}/jobs/build/log?follow=1", attempt.run));
    let vic = site.token("vic");
    let following = site.get(&path, &vic);
    let working = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        seal(&site, &attempt, 2, &["two"]).await;
        site.finish(&attempt).await;
    };
    let (log, ()) = tokio::join!(following, working);
    assert_eq!(log.body, "one\ntwo\n");
}

#[tokio::test]
async fn following_goes_on_with_the_attempt_after_a_lost_one() {
    let site = Site::new().await;
    let first = site.started(site.dispatched().await, "build").await;
    seal(&site, &first, 1, &["lost"]).await;
    let path = project(&format!("/runs/{}/jobs/build/log?follow=1", first.run));
    let vic = site.token("vic");
    let following = site.get(&path, &vic);
    let working = async {
        let reason = "gone".to_owned();
        site.tell(Command::LoseJob { attempt: first.clone(), reason }).await;
        let second = AttemptId { attempt: 2, ..first.clone() };
        let start = Command::StartJob { attempt: second.clone(), runner: "local".to_owned() };
        tokio::time::sleep(Duration::from_millis(50)).await;
        site.tell(start).await;
        seal(&site, &second, 1, &["found"]).await;
        site.finish(&second).await;
    };
    let (log, ()) = tokio::join!(following, working);
    assert_eq!(log.body, "lost\nfound\n");
}
