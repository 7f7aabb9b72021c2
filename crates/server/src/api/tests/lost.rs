//! Jobs whose runner was lost, runs that are made again, and runs that are stopped.

use http::StatusCode;
use qnt9_model::fact::{Outcome, Span};
use qnt9_model::{AttemptId, Command, Millis};
use serde_json::{Value, json};

use super::site::{Site, project};

async fn lose(site: &Site, attempt: &AttemptId) {
    let reason = "its shim died".to_owned();
    site.tell(Command::LoseJob { attempt: attempt.clone(), reason }).await;
}

/// A deploy whose runner was lost.
async fn lost(site: &Site) -> AttemptId {
    let (run, _) = site.gated().await;
    let approve = project(&format!("/runs/{run}/approve"));
    site.post(&approve, &site.token("alice"), &json!({})).await.ok();
    let attempt = site.started(run, "deploy").await;
    lose(site, &attempt).await;
    attempt
}

async fn leg(site: &Site, attempt: &AttemptId) -> Value {
    let path = project(&format!("/runs/{}", attempt.run));
    site.get(&path, &site.token("vic")).await.ok()["jobs"][1]["legs"][0].clone()
}

async fn resolve(site: &Site, attempt: &AttemptId, decision: &str) -> super::site::Answer {
    let path = project(&format!("/runs/{}/jobs/deploy/resolve", attempt.run));
    site.post(&path, &site.token("carol"), &json!({ "decision": decision })).await
}

#[tokio::test]
async fn a_lost_job_says_what_is_known_and_takes_each_decision() {
    let site = Site::new().await;
    let attempt = lost(&site).await;
    let shown = leg(&site, &attempt).await;
    assert_eq!(shown["phase"], "lost");
    assert_eq!(shown["known"]["reason"], "its shim died");
    assert_eq!(shown["known"]["in_flight"], json!({"step": 0, "name": "Step 1", "outcome": null}));
    let why = site.get(&project(&format!("/why/{}.deploy", attempt.run)), &site.token("vic")).await;
    let next = why.ok()["next"].clone();
    let commands =
        ["resume", "rerun", "abandon"].map(|act| format!("qnt9 {act} {}.deploy", attempt.run));
    assert_eq!(next, json!(commands));
    // Looked for once more, and not found: the question comes back.
    resolve(&site, &attempt, "resume").await.ok();
    assert_eq!(leg(&site, &attempt).await["known"]["asked"], true);
    lose(&site, &attempt).await;
    assert_eq!(leg(&site, &attempt).await["known"]["asked"], false);
    resolve(&site, &attempt, "rerun").await.ok();
    assert_eq!(leg(&site, &attempt).await["phase"], "queued");
    let again = resolve(&site, &attempt, "abandon").await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", again.body);
    let second = AttemptId { attempt: 2, ..attempt.clone() };
    let (id, runner) = (second.clone(), "local".to_owned());
    site.tell(Command::StartJob { attempt: id, runner }).await;
    lose(&site, &second).await;
    resolve(&site, &second, "abandon").await.ok();
    assert_eq!(leg(&site, &second).await["result"], "failure");
    assert_eq!(resolve(&site, &second, "guess").await.status, StatusCode::UNPROCESSABLE_ENTITY);
}

/// A run whose build failed in its only step.
async fn failed(site: &Site) -> AttemptId {
    let run = site.dispatched().await;
    let attempt = site.started(run, "build").await;
    let span = Span { started: Millis(1), finished: Millis(2) };
    let (outcome, conclusion, name) = (Outcome::Failure, Outcome::Failure, "make".to_owned());
    let (attempt_id, step, user, own) = (attempt.clone(), 0, true, Vec::new());
    let step = Command::FinishStep {
        attempt: attempt_id,
        step,
        name,
        outcome,
        conclusion,
        span,
        user,
        own,
    };
    site.tell(step).await;
    let (result, outputs, reason, summary) = (Outcome::Failure, Vec::new(), None, None);
    let attempt_id = attempt.clone();
    site.tell(Command::FinishJob { attempt: attempt_id, result, outputs, reason, summary }).await;
    attempt
}

#[tokio::test]
async fn an_ended_run_is_made_again_in_whole_in_part_or_from_a_step() {
    let site = Site::new().await;
    let run = failed(&site).await.run;
    let carol = site.token("carol");
    let rerun = project(&format!("/runs/{run}/rerun"));
    let retry = project(&format!("/runs/{run}/jobs/build/retry"));
    for (path, body) in [
        (&rerun, json!(null)),
        (&rerun, json!({})),
        (&rerun, json!({"failed": true})),
        (&rerun, json!({"job": "build"})),
        (&retry, json!({"step": 0})),
    ] {
        let answer = site.post(path, &carol, &body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{path} {body}: {}", answer.body);
        let new = answer.json()["run"].clone();
        let shown = site.get(&project(&format!("/runs/{new}")), &carol).await.ok();
        assert_eq!(shown["run"]["rerun_of"], json!(run), "{path} {body}");
        let cancel = project(&format!("/runs/{new}/cancel"));
        site.post(&cancel, &carol, &json!(null)).await.ok();
    }
    for (path, body, word) in [
        (&rerun, json!({"failed": true, "job": "build"}), "not both"),
        (&rerun, json!({"job": "none"}), "there is no job"),
        (&retry, json!({"step": 7}), "from step 8"),
        (&retry, json!({}), "missing field"),
    ] {
        let answer = site.post(path, &carol, &body).await;
        assert!(answer.status.is_client_error(), "{path} {body}: {}", answer.body);
        assert!(answer.body.contains(word), "{path} {body}: {}", answer.body);
    }
    let by_viewer = site.post(&rerun, &site.token("vic"), &json!({})).await;
    assert_eq!(by_viewer.status, StatusCode::FORBIDDEN, "{}", by_viewer.body);
}

#[tokio::test]
async fn a_run_is_cancelled_and_then_by_force() {
    let site = Site::new().await;
    let run = site.dispatched().await;
    let attempt = site.started(run, "build").await;
    let cancel = project(&format!("/runs/{run}/cancel"));
    let carol = site.token("carol");
    let asked = site.post(&cancel, &carol, &json!({})).await.ok();
    assert_eq!(asked["cancel"], "carol cancelled it");
    let forced = site.post(&cancel, &carol, &json!({"force": true})).await;
    assert_eq!(forced.status, StatusCode::OK, "{}", forced.body);
    let killed = site.core.read(|state| state.projects[&"shop".into()].runs[&run].killed);
    assert!(killed, "attempt {attempt} is to be ended at once");
}
