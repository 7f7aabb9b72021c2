//! The API over HTTP: who may ask what, what they are told, and what never leaves.

mod checks;
mod gates;
mod logs;
mod lost;
mod past;
mod reading;
mod site;
mod steps;

use http::StatusCode;
use serde_json::json;

use site::{Site, project};

#[tokio::test]
async fn without_a_token_nothing_but_the_health_is_told() {
    let site = Site::new().await;
    assert_eq!(site.get("/healthz", "").await.status, StatusCode::OK);
    let paths = [
        "/api/v1/projects",
        "/api/v1/audit/shop",
        "/api/v1/projects/shop",
        "/api/v1/projects/none",
        "/api/v1/projects/shop/runs",
        "/api/v1/projects/shop/changes",
        "/api/v1/projects/shop/secrets",
        "/api/v1/step/context",
    ];
    for path in paths {
        for token in ["", "q9p_0000", "q9j_shop~1.build.1~00"] {
            let answer = site.get(path, token).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path} with `{token}`");
            assert_eq!(answer.json()["error"]["class"], "unauthorized", "{path}");
        }
    }
}

#[tokio::test]
async fn a_refusal_becomes_a_status_by_its_class() {
    let site = Site::new().await;
    let run = site.dispatched().await;
    let (alice, dana, vic) = (site.token("alice"), site.token("dana"), site.token("vic"));
    let approve = format!("/runs/{run}/approve");
    let rerun = format!("/runs/{run}/rerun");
    let empty = json!({});
    let asked = [
        (&vic, "/runs/999/cancel".to_owned(), empty.clone(), 404, "unknown"),
        (&vic, format!("/runs/{run}/cancel"), empty.clone(), 403, "forbidden"),
        (&dana, rerun, empty.clone(), 422, "invalid"),
        (&alice, approve.clone(), json!({"environment": "production"}), 409, "conflict"),
        (&alice, approve, empty.clone(), 422, "invalid"),
        (&dana, "/dispatch".to_owned(), json!({"workflow": "ship", "ref": "nix"}), 404, "unknown"),
        (&dana, "/dispatch".to_owned(), json!({"workflows": "ship"}), 422, "invalid"),
    ];
    for (token, path, body, status, class) in asked {
        let answer = site.post(&project(&path), token, &body).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.body);
        assert_eq!(answer.json()["error"]["class"], class, "{path}");
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_an_error_like_any_other() {
    let site = Site::new().await;
    let dana = site.token("dana");
    let path = project("/dispatch");
    let broken = site.send("POST", &path, &dana, b"{\"workflow\": ".to_vec()).await;
    assert_eq!(broken.status, StatusCode::BAD_REQUEST);
    assert_eq!(broken.json()["error"]["class"], "invalid");
    let long = vec![b' '; super::BODY_BYTES_MAX + 1];
    let long = site.send("POST", &path, &dana, long).await;
    assert_eq!(long.status, StatusCode::PAYLOAD_TOO_LARGE);
    let query = site.get(&project("/runs?limit=many"), &dana).await;
    assert_eq!(query.status, StatusCode::BAD_REQUEST);
    assert_eq!(query.json()["error"]["class"], "invalid");
}
