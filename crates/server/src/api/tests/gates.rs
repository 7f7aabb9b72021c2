//! Approvals, why, and the way back.

use http::StatusCode;
use qnt9_model::fact::Entrance;
use qnt9_model::{CallKey, Command, DeploymentId, Fact, ReleaseDigest};
use serde_json::json;

use super::site::{Site, project};

#[tokio::test]
async fn an_approval_opens_the_gate_and_why_says_how_it_stands() {
    let site = Site::new().await;
    let (run, _) = site.gated().await;
    let (alice, carol, vic) = (site.token("alice"), site.token("carol"), site.token("vic"));
    let why = site.get(&project("/why/production"), &vic).await.ok();
    assert_eq!(why["why"]["holds"], "not-yet");
    assert_eq!(why["next"][0], "qnt9 approve production 1111111 --as alice");
    let approve = project(&format!("/runs/{run}/approve"));
    let by_carol = site.post(&approve, &carol, &json!({})).await;
    assert_eq!(by_carol.status, StatusCode::FORBIDDEN, "{}", by_carol.body);
    // The environment may be left out: there is only one that the run waits for.
    let approved = site.post(&approve, &alice, &json!({"comment": "fine"})).await.ok();
    assert_eq!(approved["waits_for"], json!([]));
    let again = site.post(&approve, &alice, &json!({"environment": "production"})).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    let detail = site.get(&project(&format!("/runs/{run}")), &vic).await.ok();
    let leg = &detail["jobs"][1]["legs"][0];
    assert_eq!(leg["phase"], "queued");
    assert_eq!(leg["approvals"][0]["person"], "alice");
    assert_eq!(leg["approvals"][0]["comment"], "fine");
    for subject in [format!("{run}"), format!("{run}.deploy"), "production".to_owned()] {
        let why = site.get(&project(&format!("/why/{subject}")), &vic).await;
        assert_eq!(why.status, StatusCode::OK, "{subject}: {}", why.body);
    }
    for subject in ["9999", "1.none", "nowhere", "deployment%209"] {
        let why = site.get(&project(&format!("/why/{subject}")), &vic).await;
        assert_eq!(why.status, StatusCode::NOT_FOUND, "{subject}: {}", why.body);
    }
}

/// Deploys the release of a new run for good.
async fn serve(site: &Site) -> ReleaseDigest {
    let (run, release) = site.gated().await;
    let approve = project(&format!("/runs/{run}/approve"));
    site.post(&approve, &site.token("alice"), &json!({})).await.ok();
    let attempt = site.started(run, "deploy").await;
    let deploy = json!({
        "call": {"step": 0, "call": 1}, "environment": "production", "release": release,
        "settings": {"DATABASE_URL": "postgres://secret"},
    });
    let token = site.job_token(&attempt);
    let first = site.post("/api/v1/step/deploy", &token, &deploy).await.ok();
    let again = site.post("/api/v1/step/deploy", &token, &deploy).await.ok();
    assert_eq!(first, again, "the same call asked twice is one deployment");
    let deployment = DeploymentId(first["deployment"].as_u64().unwrap());
    let place = site
        .core
        .read(|state| state.projects[&"shop".into()].deployments[&deployment].place.clone());
    let ready = Command::ReplicaReady { deployment, replica: 0, address: "127.0.0.1:1".into() };
    let (entrance, address) = (Entrance::Main, "127.0.0.1:2".into());
    site.tell(Command::AssignAddress { place: place.clone(), entrance, address }).await;
    site.tell(ready).await;
    // A forward release beside an old one moves at once here: the rules name no canary.
    let generation =
        site.core.read(|state| state.projects[&"shop".into()].places[&place].generation);
    site.tell(Command::TrafficApplied { place, generation }).await;
    site.finish(&attempt).await;
    release
}

#[tokio::test]
async fn a_dry_run_says_what_a_rollback_does_and_does_nothing() {
    let site = Site::new().await;
    let (old, new) = (serve(&site).await, serve(&site).await);
    let (alice, carol) = (site.token("alice"), site.token("carol"));
    let path = project("/environments/production/rollback");
    let before = site.core.read(|state| state.sequence(&"shop".into()));
    let digits = &old.as_str()["sha256:".len()..][..8];
    let dry = json!({"to": digits, "dry_run": true});
    let shown = site.post(&path, &alice, &dry).await.ok();
    assert_eq!((&shown["from"], &shown["to"]), (&json!(new), &json!(old)));
    assert_eq!((&shown["deployment"], &shown["replicas"]), (&json!(null), &json!(1)));
    let refused = site.post(&path, &carol, &dry).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "the same rules: {}", refused.body);
    for wanted in [json!({"to": "zzzz"}), json!({"to": "1"}), json!({"to": new})] {
        let refused = site.post(&path, &alice, &wanted).await;
        assert!(refused.status.is_client_error(), "{wanted}: {}", refused.body);
    }
    assert_eq!(site.core.read(|state| state.sequence(&"shop".into())), before);
    let done = site.post(&path, &alice, &json!({"to": digits})).await.ok();
    let id = done["deployment"].as_u64().unwrap();
    let rollout = site.get(&project(&format!("/deployments/{id}")), &alice).await;
    assert_eq!(rollout.ok()["rollback"], true);
    assert!(!rollout.body.contains("postgres://"), "settings never leave");
    let abort = project("/environments/production/abort");
    assert_eq!(site.post(&abort, &alice, &json!({})).await.ok()["state"], "rolled-back");
    assert_eq!(site.post(&abort, &alice, &json!({})).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn rules_are_tried_before_they_bite() {
    let site = Site::new().await;
    let (_, release) = site.gated().await;
    let vic = site.token("vic");
    let path = project("/policy/test");
    let could = |person: &str, environment: &str| json!({"person": person, "environment": environment, "release": release});
    let before = site.core.read(|state| state.sequence(&"shop".into()));
    let yes = site.post(&path, &vic, &could("carol", "production")).await.ok();
    assert_eq!(yes["could"], true, "two people can approve: {yes:#}");
    assert_eq!(yes["why"]["holds"], "not-yet");
    let no = site.post(&path, &vic, &could("vic", "production")).await.ok();
    assert_eq!((&no["could"], &no["why"]["of"][0]["holds"]), (&json!(false), &json!("no")));
    let nobody = site.post(&path, &vic, &could("mallory", "production")).await.ok();
    assert_eq!(nobody["could"], false);
    for (asked, word) in [
        (could("carol", "moon"), "there is no environment"),
        (json!({"person": "carol", "environment": "production", "commit": "ffffffff"}), "commit"),
        (json!({"person": "carol"}), "did not match"),
        (json!({"name": "qnt9.toml", "file": "[enviroment.x]"}), "qnt9.toml"),
    ] {
        let refused = site.post(&path, &vic, &asked).await;
        assert!(refused.status.is_client_error(), "{asked}: {}", refused.body);
        assert!(refused.body.contains(word), "{asked}: {}", refused.body);
    }
    let after = site.core.read(|state| state.sequence(&"shop".into()));
    assert_eq!(before, after, "nothing happened");
}

#[tokio::test]
async fn a_changed_file_is_tried_on_what_was_deployed() {
    let site = Site::new().await;
    serve(&site).await;
    serve(&site).await;
    let path = project("/policy/test");
    let tried = |file: String| json!({"name": "qnt9.toml", "file": file, "last": 5});
    let same = site.post(&path, &site.token("vic"), &tried(super::site::POLICY.to_owned())).await;
    let same = same.ok();
    assert_eq!(same.as_array().unwrap().len(), 2);
    assert!(same.as_array().unwrap().iter().all(|one| one["blocked"] == false), "{same:#}");
    let stricter = super::site::POLICY.replace("needed = 1", "needed = 2");
    let blocked = site.post(&path, &site.token("vic"), &tried(stricter)).await.ok();
    assert!(blocked.as_array().unwrap().iter().all(|one| one["blocked"] == true), "{blocked:#}");
    assert!(blocked.to_string().contains("2 of alice, dana approve"), "{blocked:#}");
}

#[tokio::test]
async fn two_releases_are_compared_by_environment_digest_or_commit() {
    let site = Site::new().await;
    let (old, new) = (serve(&site).await, serve(&site).await);
    let vic = site.token("vic");
    let of = |from: &str, to: &str| project(&format!("/diff?from={from}&to={to}"));
    let shown = site.get(&of(old.as_str(), "production"), &vic).await.ok();
    assert_eq!(shown["from"]["release"]["digest"], json!(old));
    assert_eq!(shown["to"]["release"]["digest"], json!(new));
    assert_eq!(shown["to"]["environment"], "production");
    assert_eq!(shown["to"]["deployments"][0]["approvals"][0]["person"], "alice");
    assert_eq!((&shown["added"], &shown["missing"]), (&json!([]), &json!([])), "the same commit");
    let same = site.get(&of("production", "production"), &vic).await.ok();
    assert_eq!(same["from"]["release"]["digest"], same["to"]["release"]["digest"]);
    for (from, to) in [("production", "zzzz"), ("production", "1"), ("moon", "production")] {
        let refused = site.get(&of(from, to), &vic).await;
        assert!(refused.status.is_client_error(), "{from} {to}: {}", refused.body);
    }
}

#[tokio::test]
async fn a_job_deploys_only_what_its_gates_opened_for() {
    let site = Site::new().await;
    let (run, release) = site.gated().await;
    let other = site.dispatched().await;
    let build = site.started(other, "build").await;
    let deploy = json!({
        "call": {"step": 0, "call": 1}, "environment": "production", "release": release,
    });
    let refused = site.post("/api/v1/step/deploy", &site.job_token(&build), &deploy).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.body);
    let call = CallKey { attempt: build, step: 0, call: 1 };
    let started = site.core.read(|state| {
        let deployments = &state.projects[&"shop".into()].deployments;
        deployments.values().any(|deployment| deployment.call.as_ref() == Some(&call))
    });
    assert!(!started, "run {run} was approved by nobody");
    let facts = site.tell(Command::Tick).await;
    assert!(!facts.iter().any(|entry| matches!(entry.fact, Fact::GatesOpened { .. })));
}
