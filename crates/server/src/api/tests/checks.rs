//! Custom checks: who may answer, and that nobody else can.

use http::StatusCode;
use qnt9_model::CheckId;
use serde_json::json;

use super::site::{Site, project};

#[tokio::test]
async fn only_the_checks_own_token_answers_and_only_for_its_check() {
    let site = Site::new().await;
    let (shop, id) = ("shop".into(), CheckId(9));
    let (own, other) = (site.core.check_token(&shop, id), site.core.check_token(&shop, CheckId(8)));
    let elsewhere = site.core.check_token(&"other".into(), id);
    let path = project("/checks/9");
    let answer = json!({"passed": true, "reason": "CHG-1 is approved"});
    for token in ["", "q9p_alice", &other, &elsewhere, &site.token("alice")] {
        let refused = site.post(&path, token, &answer).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{token}: {}", refused.body);
    }
    let none = site.post(&path, &own, &answer).await;
    assert_eq!(none.status, StatusCode::CONFLICT, "{}", none.body);
    assert!(none.body.contains("no job waits for it"), "{}", none.body);
    let unread = site.post(&path, &own, &json!({"reason": "?"})).await;
    assert_eq!(unread.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", unread.body);
}
