//! Secrets, the audit export, changes as they come, and the stand-in for a chat.

use http::StatusCode;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::json;

use super::site::{Site, project};

#[tokio::test]
async fn a_secrets_value_goes_in_and_never_comes_out() {
    let site = Site::new().await;
    let (alice, carol) = (site.token("alice"), site.token("carol"));
    let path = project("/secrets/API_KEY?environment=production");
    let value = json!({"value": "hunter2-hunter2"}).to_string().into_bytes();
    let refused = site.send("PUT", &path, &carol, value.clone()).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let set = site.send("PUT", &path, &alice, value).await;
    assert_eq!((set.status, set.body.as_str()), (StatusCode::NO_CONTENT, ""));
    let listed = site.get(&project("/secrets"), &carol).await;
    assert_eq!(listed.ok(), json!([{"name": "API_KEY", "environment": "production"}]));
    let audit = site.get("/api/v1/audit/shop", &alice).await;
    assert!(audit.body.contains("secret-set"));
    for answer in [&listed, &audit] {
        assert!(!answer.body.contains("hunter2"), "{}", answer.body);
    }
    let gone = site.send("DELETE", &path, &alice, Vec::new()).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    let again = site.send("DELETE", &path, &alice, Vec::new()).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_audit_export_verifies_by_itself() {
    let site = Site::new().await;
    site.gated().await;
    let vic = site.token("vic");
    let whole = site.get("/api/v1/audit/shop", &vic).await.body;
    let mut expected = Vec::new();
    qnt9_store::export(site.core.log(), "shop", &mut expected).unwrap();
    assert_eq!(whole.as_bytes(), expected);
    let verified = qnt9_store::verify_export(whole.as_bytes(), Some(site.core.key())).unwrap();
    assert_eq!(verified[0].entries as usize, whole.lines().count() - 1);
    let part = site.get("/api/v1/audit/shop?from=3", &vic).await.body;
    assert!(whole.ends_with(&part));
    assert_eq!(part.lines().count(), whole.lines().count() - 2);
    let unknown = site.get("/api/v1/audit/none", &vic).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_change_is_told_to_whoever_listens() {
    let site = Site::new().await;
    let before = site.core.read(|state| state.sequence(&"shop".into()));
    let vic = site.token("vic");
    let request = site.request("GET", &project(&format!("/changes?after={before}")), &vic);
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<bytes::Bytes>>();
    let answer = client.request(request.body(Full::default()).unwrap()).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    site.dispatched().await;
    let mut body = answer.into_body();
    let event = body.frame().await.unwrap().unwrap().into_data().unwrap();
    let now = site.core.read(|state| state.sequence(&"shop".into()));
    assert_eq!(event, format!("data: {{\"sequence\":{now}}}\n\n"));
}

#[tokio::test]
async fn the_stand_in_keeps_the_newest_messages() {
    let site = Site::new().await;
    for number in 0..105 {
        site.post("/standin/webhook", "", &json!({"text": number})).await.ok();
    }
    let kept = site.get("/standin/webhook", "").await.ok();
    let kept = kept.as_array().unwrap();
    assert_eq!(kept.len(), 100);
    assert_eq!(kept[0]["message"]["text"], 104);
    assert_eq!(kept[99]["message"]["text"], 5);
}

#[tokio::test]
async fn runs_are_found_by_workflow_and_branch_newest_first() {
    let site = Site::new().await;
    let (first, second) = (site.dispatched().await, site.dispatched().await);
    let vic = site.token("vic");
    let found = async |query: &str| -> Vec<u64> {
        let runs = site.get(&project(&format!("/runs{query}")), &vic).await.ok();
        runs.as_array().unwrap().iter().map(|run| run["id"].as_u64().unwrap()).collect()
    };
    let both = vec![second.0, first.0];
    for query in ["", "?workflow=Ship", "?workflow=ship.yml", "?branch=main&workflow=ship"] {
        assert_eq!(found(query).await, both, "{query}");
    }
    assert_eq!(found("?limit=1").await, [second.0]);
    assert!(found("?branch=develop").await.is_empty());
}
