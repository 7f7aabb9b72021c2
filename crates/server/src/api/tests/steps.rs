//! What steps ask, and with whose token.

use http::StatusCode;
use qnt9_model::AttemptId;
use serde_json::json;

use super::site::{COMMIT, Site, project};

#[tokio::test]
async fn only_the_attempt_that_counts_may_ask_and_only_of_its_own_project() {
    let site = Site::new().await;
    let attempt = site.started(site.dispatched().await, "build").await;
    let token = site.job_token(&attempt);
    let context = site.get("/api/v1/step/context", &token).await.ok();
    assert_eq!(context["commit"], COMMIT);
    assert_eq!((&context["attempt"], &context["time_scale"]), (&json!(1), &json!(20)));
    let person = site.get("/api/v1/step/context", &site.token("alice")).await;
    assert_eq!(person.status, StatusCode::FORBIDDEN);
    let next = AttemptId { attempt: 2, ..attempt.clone() };
    let other = site.core.job_token(&"other".into(), &attempt);
    for token in [site.job_token(&next), other, format!("{token}0")] {
        let answer = site.get("/api/v1/step/context", &token).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{token}");
    }
    assert_eq!(site.get(&project("/runs"), &token).await.status, StatusCode::OK);
    let elsewhere = site.get("/api/v1/projects/other/runs", &token).await;
    assert_eq!(elsewhere.status, StatusCode::FORBIDDEN);
    assert_eq!(site.get("/api/v1/projects", &token).await.ok().as_array().unwrap().len(), 1);
    assert_eq!(site.get("/api/v1/audit/shop", &token).await.status, StatusCode::FORBIDDEN);
    site.finish(&attempt).await;
    let late = site.get("/api/v1/step/context", &token).await;
    assert_eq!(late.status, StatusCode::UNAUTHORIZED, "its attempt is over");
}

#[tokio::test]
async fn a_call_asked_twice_is_one_call() {
    let site = Site::new().await;
    let attempt = site.started(site.dispatched().await, "build").await;
    let token = site.job_token(&attempt);
    let call = json!({"step": 0, "call": 1});
    let wait = json!({"call": call, "for_ms": 20_000, "reason": "settle"});
    let first = site.post("/api/v1/step/wait", &token, &wait).await.ok();
    assert_eq!(site.post("/api/v1/step/wait", &token, &wait).await.ok(), first);
    let evidence = json!({"call": call, "kind": "tests", "passed": true, "summary": "12 of 12"});
    let notify = json!({"call": call, "title": "Done", "text": ""});
    for _ in 0..2 {
        site.post("/api/v1/step/evidence", &token, &evidence).await.ok();
        site.post("/api/v1/step/notify", &token, &notify).await.ok();
    }
    let vic = site.token("vic");
    let recorded = site.get(&project("/evidence"), &vic).await.ok();
    assert_eq!(recorded.as_array().unwrap().len(), 1);
    assert_eq!(recorded[0]["time_scale"], 20, "made under a time scale, and marked");
    let posted = site.get(&project("/notifications"), &vic).await.ok();
    assert_eq!(posted.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_a_reason() {
    let site = Site::new().await;
    let attempt = site.started(site.dispatched().await, "build").await;
    let token = site.job_token(&attempt);
    let call = json!({"step": 0, "call": 1});
    let asked = [
        ("wait", json!({"call": call, "for_ms": -1, "reason": ""}), 422),
        ("load", json!({"call": call, "started": 2, "finished": 1}), 422),
        ("plan", json!({"call": call, "environment": "production", "plan": {"a": 1}}), 422),
        ("release?step=0&call=1", json!("not a packed layout"), 422),
        ("database", json!({"name": "shop", "action": "create"}), 503),
        ("database", json!({"name": "shop", "action": "burn"}), 422),
    ];
    for (path, body, status) in asked {
        let answer = site.post(&format!("/api/v1/step/{path}"), &token, &body).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.body);
        assert!(answer.json()["error"]["message"].as_str().is_some_and(|text| !text.is_empty()));
    }
    for path in ["release", "plan?environment=production", "url?environment=production"] {
        let answer = site.get(&format!("/api/v1/step/{path}"), &token).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}: {}", answer.body);
    }
}
