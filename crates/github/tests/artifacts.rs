//! Artifacts as jobs and people see them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod house;

use std::sync::Arc;

use axum::body::{Body, Bytes};
use expect_test::{Expect, expect};
use futures_util::stream;
use house::{DEVELOPER, House, JOB, JOB_ELSEWHERE, LATER_ATTEMPT, OTHER_JOB, VIEWER};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use qnt9_github::ArtifactServer;
use qnt9_store::Blobs;
use tower::ServiceExt as _;

const REPORT: &str = "/api/v1/runs/7/artifacts/report";
const LIST: &str = "/api/v1/runs/7/artifacts";

struct Artifacts {
    house: House,
    blobs: Blobs,
    router: axum::Router,
    _folder: tempfile::TempDir,
}

impl Artifacts {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path()).unwrap();
        let house = House::new("unused".into());
        let (door, index) = (Arc::new(house.clone()), Arc::new(house.clone()));
        let router = ArtifactServer::new(door, index, blobs.clone()).router();
        Self { house, blobs, router, _folder: folder }
    }

    async fn send(&self, token: &str, method: &str, path: &str, body: Body) -> (StatusCode, Bytes) {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("authorization", format!("Bearer {token}"));
        let response = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let status = response.status();
        (status, response.into_body().collect().await.unwrap().to_bytes())
    }

    async fn check(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: &'static str,
        expected: Expect,
    ) {
        let (status, body) = self.send(token, method, path, Body::from(body)).await;
        let body = String::from_utf8_lossy(&body).into_owned();
        expected.assert_eq(&format!("{} {}", status.as_u16(), body.trim_end()));
    }
}

#[tokio::test]
async fn what_a_job_keeps_others_load() {
    let artifacts = Artifacts::new();
    artifacts.check(JOB, "GET", LIST, "", expect!["200 []"]).await;
    artifacts.check(JOB, "PUT", REPORT, "packed", expect![[r#"201 {"id":4469412149505,"name":"report","digest":"sha256:88cb8a087b6e8cebfc9ae5602f5a2159a6bcf923e7f2c56809bcda6cad1727a7","bytes":6}"#]]).await;
    artifacts.check(OTHER_JOB, "GET", REPORT, "", expect!["200 packed"]).await;
    let by_person = format!("{REPORT}?project=shop");
    artifacts.check(VIEWER, "GET", &by_person, "", expect!["200 packed"]).await;
    artifacts.check(JOB, "GET", LIST, "", expect![[r#"200 [{"id":4469412149505,"name":"report","job":"test","digest":"sha256:88cb8a087b6e8cebfc9ae5602f5a2159a6bcf923e7f2c56809bcda6cad1727a7","bytes":6,"expires":30}]"#]]).await;
}

#[tokio::test]
async fn a_name_is_taken_once_unless_it_is_overwritten() {
    let artifacts = Artifacts::new();
    artifacts.check(JOB, "PUT", REPORT, "first", expect![[r#"201 {"id":4469412149505,"name":"report","digest":"sha256:a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e","bytes":5}"#]]).await;
    // The same upload sent again.
    artifacts.check(JOB, "PUT", REPORT, "first", expect![[r#"201 {"id":4469412149505,"name":"report","digest":"sha256:a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e","bytes":5}"#]]).await;
    artifacts.check(JOB, "PUT", REPORT, "second", expect!["409 run 7 has an artifact `report` already, of job test: give this one another name, or set `overwrite: true`"]).await;
    artifacts.check(OTHER_JOB, "PUT", REPORT, "first", expect!["409 run 7 has an artifact `report` already, of job test: give this one another name, or set `overwrite: true`"]).await;
    let overwrite = format!("{REPORT}?overwrite=true&retention_days=5");
    artifacts.check(OTHER_JOB, "PUT", &overwrite, "second", expect![[r#"201 {"id":4469412149505,"name":"report","digest":"sha256:16367aacb67a4a017c8da8ab95682ccb390863780f7114dda0a0e0c55644c7c4","bytes":6}"#]]).await;
    // A job tried again keeps its artifact again.
    artifacts.check(JOB, "PUT", "/api/v1/runs/7/artifacts/log", "one", expect![[r#"201 {"id":243751431796273,"name":"log","digest":"sha256:7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed","bytes":3}"#]]).await;
    artifacts.check(LATER_ATTEMPT, "PUT", "/api/v1/runs/7/artifacts/log", "two", expect![[r#"201 {"id":243751431796273,"name":"log","digest":"sha256:3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3","bytes":3}"#]]).await;
    let expiries: Vec<i64> =
        artifacts.house.artifacts.lock().unwrap().iter().map(|one| one.expires.0).collect();
    assert_eq!(expiries, [5, 30]);
}

#[tokio::test]
async fn a_large_artifact_is_streamed_and_a_torn_one_is_not_kept() {
    let artifacts = Artifacts::new();
    let chunk = Bytes::from(vec![7; 1024 * 1024]);
    let whole: Vec<std::io::Result<Bytes>> = (0..20).map(|_| Ok(chunk.clone())).collect();
    let body = Body::from_stream(stream::iter(whole));
    assert_eq!(artifacts.send(JOB, "PUT", REPORT, body).await.0, StatusCode::CREATED);
    let (_, loaded) = artifacts.send(JOB, "GET", REPORT, Body::empty()).await;
    assert_eq!((loaded.len(), loaded.iter().all(|byte| *byte == 7)), (20 * 1024 * 1024, true));

    let torn = [Ok(chunk), Err(std::io::Error::other("the line is dead"))];
    let body = Body::from_stream(stream::iter(torn));
    let (status, said) = artifacts.send(JOB, "PUT", "/api/v1/runs/7/artifacts/torn", body).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(String::from_utf8_lossy(&said).contains("the artifact was not kept"), "{said:?}");
    assert_eq!(artifacts.blobs.list().unwrap().len(), 1);
    assert_eq!(artifacts.house.artifacts.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn who_may_not_and_what_cannot_be_is_said() {
    let artifacts = Artifacts::new();
    artifacts
        .check(
            "guess",
            "GET",
            LIST,
            "",
            expect![
                "401 this token is not known: use one of yours as the password (any user name does)"
            ],
        )
        .await;
    artifacts
        .check(
            DEVELOPER,
            "GET",
            LIST,
            "",
            expect!["400 which project's run is meant? Say so with `?project=NAME`"],
        )
        .await;
    artifacts
        .check(
            DEVELOPER,
            "PUT",
            &format!("{REPORT}?project=shop"),
            "x",
            expect!["403 dora cannot keep an artifact of run 7: only its jobs do"],
        )
        .await;
    artifacts
        .check(
            JOB,
            "PUT",
            "/api/v1/runs/8/artifacts/report",
            "x",
            expect!["403 job 7.test.1 cannot keep an artifact of run 8: only its jobs do"],
        )
        .await;
    artifacts
        .check(JOB, "GET", "/api/v1/runs/8/artifacts", "", expect!["404 there is no run 8"])
        .await;
    artifacts
        .check(
            JOB,
            "GET",
            REPORT,
            "",
            expect!["404 run 7 has no artifact `report` (there is: none)"],
        )
        .await;
    artifacts
        .check(
            JOB_ELSEWHERE,
            "GET",
            &format!("{LIST}?project=shop"),
            "",
            expect!["404 there is no project `shop` that you have access to"],
        )
        .await;
    artifacts.check(JOB, "PUT", "/api/v1/runs/7/artifacts/a%2Fb", "x", expect![[r#"400 `a/b` cannot be the name of an artifact: 1 to 256 bytes, without " : < > | * ? \ / and line ends"#]]).await;
    artifacts.check(JOB, "PUT", "/api/v1/runs/7/artifacts/..", "x", expect![[r#"400 `..` cannot be the name of an artifact: 1 to 256 bytes, without " : < > | * ? \ / and line ends"#]]).await;
    artifacts
        .check(
            JOB,
            "PUT",
            &format!("{REPORT}?retention_days=91"),
            "x",
            expect!["400 an artifact is kept for 1 to 90 days, not 91"],
        )
        .await;
}

#[tokio::test]
async fn a_removed_and_a_damaged_artifact_are_told_apart() {
    let artifacts = Artifacts::new();
    artifacts.check(JOB, "PUT", REPORT, "packed", expect![[r#"201 {"id":4469412149505,"name":"report","digest":"sha256:88cb8a087b6e8cebfc9ae5602f5a2159a6bcf923e7f2c56809bcda6cad1727a7","bytes":6}"#]]).await;
    let blob = artifacts.blobs.list().unwrap()[0];
    std::fs::write(artifacts.blobs.path(&blob), "damaged").unwrap();
    let (status, said) = artifacts.send(JOB, "GET", REPORT, Body::empty()).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(String::from_utf8_lossy(&said).contains("is damaged"), "{said:?}");
    artifacts.blobs.delete(&blob).unwrap();
    artifacts
        .check(
            JOB,
            "GET",
            REPORT,
            "",
            expect!["410 the artifact `report` of run 7 was removed after its time"],
        )
        .await;
}
