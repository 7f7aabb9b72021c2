//! The `http` backend as its clients see it: request by request, and with the real terraform.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod door;

use std::process::Output;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use door::{ADMIN, DEVELOPER, JOB_OF_OTHER_PROJECT, MemoryDoor, VIEWER};
use expect_test::{Expect, expect};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use md5::{Digest as _, Md5};
use qnt9_store::{Blobs, MasterKey};
use qnt9_terraform::StateServer;
use tower::ServiceExt as _;

const STATE: &str = "/api/terraform/shop/state/staging";
const LOCK: &str = "/api/terraform/shop/state/staging/lock";

struct Backend {
    door: MemoryDoor,
    blobs: Blobs,
    router: Router,
    _folder: tempfile::TempDir,
}

impl Backend {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(&folder.path().join("blobs")).unwrap();
        let key = MasterKey::from_bytes([7; 32]).seal_key("terraform state");
        let door = MemoryDoor::default();
        let server = StateServer::new(Arc::new(door.clone()), blobs.clone(), key);
        Self { door, blobs, router: server.router(), _folder: folder }
    }

    async fn send(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: &str,
    ) -> (StatusCode, String) {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("authorization", format!("Bearer {token}"));
        self.answer(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    async fn answer(&self, request: Request<Body>) -> (StatusCode, String) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn check(&self, token: &str, method: &str, path: &str, body: &str, expected: Expect) {
        let (status, body) = self.send(token, method, path, body).await;
        expected.assert_eq(&format!("{} {body}", status.as_u16()));
    }
}

fn state(serial: u64, secret: &str) -> String {
    format!(r#"{{"version":4,"serial":{serial},"lineage":"l1","outputs":{{"pw":"{secret}"}}}}"#)
}

fn lock(id: &str) -> String {
    format!(r#"{{"ID":"{id}","Operation":"OperationTypeApply","Who":"dora@desk"}}"#)
}

#[tokio::test]
async fn a_state_is_written_read_and_kept_in_history() {
    let backend = Backend::new();
    backend.check(DEVELOPER, "GET", STATE, "", expect!["204 "]).await;
    backend.check(DEVELOPER, "POST", STATE, &state(1, "hunter2"), expect!["200 "]).await;
    backend.check(DEVELOPER, "POST", STATE, &state(2, "hunter3"), expect!["200 "]).await;
    backend
        .check(
            DEVELOPER,
            "GET",
            STATE,
            "",
            expect![[r#"200 {"version":4,"serial":2,"lineage":"l1","outputs":{"pw":"hunter3"}}"#]],
        )
        .await;
    let versions = format!("{STATE}/versions");
    backend
        .check(
            DEVELOPER,
            "GET",
            &versions,
            "",
            expect![[r#"200 {"workspace":"staging","lock":null,"versions":[{"serial":2,"lineage":"l1","md5":"407754bd0c889b84bc9ba0e2a3671927","bytes":66,"written":2000,"by":"dora","current":true},{"serial":1,"lineage":"l1","md5":"5bf573fcdaefa6f9a09ac0270ab1a74a","bytes":66,"written":2000,"by":"dora","current":false}]}"#]],
        )
        .await;
    let (status, first) = backend.send(DEVELOPER, "GET", &format!("{versions}/1"), "").await;
    assert_eq!((status, first), (StatusCode::OK, state(1, "hunter2")));
    backend
        .check(
            DEVELOPER,
            "GET",
            &format!("{versions}/9"),
            "",
            expect!["404 state staging has no version with the serial 9"],
        )
        .await;
    backend.check(DEVELOPER, "DELETE", STATE, "", expect!["200 "]).await;
    backend.check(DEVELOPER, "GET", STATE, "", expect!["204 "]).await;
}

#[tokio::test]
async fn no_file_of_the_store_holds_a_state_in_clear() {
    let backend = Backend::new();
    backend.send(DEVELOPER, "POST", STATE, &state(1, "hunter2")).await;
    let blobs = backend.blobs.list().unwrap();
    assert_eq!(blobs.len(), 1);
    let bytes = std::fs::read(backend.blobs.path(&blobs[0])).unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains("hunter2"));
}

#[tokio::test]
async fn a_held_lock_is_answered_with_its_holder() {
    let backend = Backend::new();
    backend.check(DEVELOPER, "LOCK", LOCK, &lock("one"), expect!["200 "]).await;
    // A client that got no answer asks again.
    backend.check(DEVELOPER, "LOCK", LOCK, &lock("one"), expect!["200 "]).await;
    let held = expect![[r#"423 {"ID":"one","Operation":"OperationTypeApply","Who":"dora@desk"}"#]];
    backend.check(ADMIN, "LOCK", STATE, &lock("two"), held).await;
    let refused = expect!["423 state staging is locked by dora"];
    backend.check(DEVELOPER, "POST", STATE, &state(1, "x"), refused).await;
    let under = format!("{STATE}?ID=one");
    backend.check(DEVELOPER, "POST", &under, &state(1, "x"), expect!["200 "]).await;
    let other = expect![[r#"423 {"ID":"one","Operation":"OperationTypeApply","Who":"dora@desk"}"#]];
    backend.check(DEVELOPER, "UNLOCK", LOCK, &lock("two"), other).await;
    let forbidden = expect![
        "403 dora cannot force-unlock a state: it needs the role admin, and dora is developer"
    ];
    backend.check(DEVELOPER, "UNLOCK", LOCK, "", forbidden).await;
    backend.check(ADMIN, "UNLOCK", LOCK, "", expect!["200 "]).await;
    backend.check(DEVELOPER, "LOCK", LOCK, &lock("two"), expect!["200 "]).await;
    backend.check(DEVELOPER, "UNLOCK", LOCK, &lock("two"), expect!["200 "]).await;
}

#[tokio::test]
async fn an_update_that_would_be_lost_is_refused_and_leaves_no_blob() {
    let backend = Backend::new();
    backend.send(DEVELOPER, "POST", STATE, &state(5, "five")).await;
    let older =
        expect!["409 state staging was not written: its serial is 4, and 5 is there already"];
    backend.check(DEVELOPER, "POST", STATE, &state(4, "four"), older).await;
    let other =
        expect!["409 state staging was not written: its serial is 5, and 5 is there already"];
    backend.check(DEVELOPER, "POST", STATE, &state(5, "another five"), other).await;
    let foreign = r#"{"version":4,"serial":6,"lineage":"l2"}"#;
    let lineage = expect![
        "409 state staging was not written: it has another lineage than the state that is there"
    ];
    backend.check(DEVELOPER, "POST", STATE, foreign, lineage).await;
    // The same state once more is the same write asked twice.
    backend.check(DEVELOPER, "POST", STATE, &state(5, "five"), expect!["200 "]).await;
    assert_eq!(backend.blobs.list().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_no_state_and_no_lock_is_refused() {
    let backend = Backend::new();
    backend
        .check(
            DEVELOPER,
            "POST",
            STATE,
            "{\"serial\": -1}",
            expect!["400 this is not a state file with `serial` and `lineage`: invalid value: integer `-1`, expected u64 at line 1 column 13"],
        )
        .await;
    let empty = expect!["400 the lock info has an empty `ID`"];
    backend.check(DEVELOPER, "LOCK", LOCK, "{\"ID\":\"\"}", empty).await;
    let long = format!("{{\"ID\":\"{}\"}}", "x".repeat(20_000));
    let bytes = expect!["400 the lock info has 20009 bytes, more than 16384"];
    backend.check(DEVELOPER, "LOCK", LOCK, &long, bytes).await;
    let method =
        expect!["405 PATCH has no meaning here: use one of GET, POST, DELETE, LOCK, UNLOCK"];
    backend.check(DEVELOPER, "PATCH", STATE, "", method).await;
    let name = expect![
        "400 `..secret` cannot be the name of a workspace: use letters, digits, `-`, `_` and `.`, beginning with a letter or digit, at most 90"
    ];
    backend.check(DEVELOPER, "GET", "/api/terraform/shop/state/..secret", "", name).await;

    let request = |md5: &str| {
        let request = Request::post(STATE).header("content-md5", md5);
        let request = request.header("authorization", format!("Bearer {DEVELOPER}"));
        request.body(Body::from(state(1, "x"))).unwrap()
    };
    let right = BASE64.encode(Md5::digest(state(1, "x")));
    let wrong = BASE64.encode(Md5::digest("other"));
    let said = "the state does not have the Content-MD5 it came with: send it again";
    assert_eq!(backend.answer(request(&wrong)).await, (StatusCode::BAD_REQUEST, said.to_owned()));
    assert_eq!(backend.answer(request(&right)).await.0, StatusCode::OK);
}

#[tokio::test]
async fn only_known_people_of_the_project_get_in() {
    let backend = Backend::new();
    let response = backend.router.clone().oneshot(Request::get(STATE).body(Body::empty()).unwrap());
    let response = response.await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(response.headers().contains_key("www-authenticate"));
    let unknown = expect![
        "401 this token is not known: send a token of qnt9 as the password (TF_HTTP_PASSWORD) or as a bearer token"
    ];
    backend.check("guess", "GET", STATE, "", unknown).await;
    let viewer = expect![
        "403 vera cannot use Terraform states, which hold secrets: it needs the role developer, and vera is viewer"
    ];
    backend.check(VIEWER, "GET", STATE, "", viewer).await;
    let job = expect!["403 job 7.plan.1 has no access to a project `shop`"];
    backend.check(JOB_OF_OTHER_PROJECT, "GET", STATE, "", job).await;
    // Not 404, which terraform takes for an empty state.
    let project = expect!["403 dora has no access to a project `other`"];
    backend.check(DEVELOPER, "GET", "/api/terraform/other/state/staging", "", project).await;
}

#[tokio::test]
async fn trouble_of_ours_is_never_taken_for_an_empty_state() {
    let backend = Backend::new();
    backend.send(DEVELOPER, "POST", STATE, &state(1, "x")).await;
    *backend.door.closed.lock().unwrap() = Some("the disk is full".to_owned());
    let closed = expect!["503 qnt9 takes no commands now: the disk is full"];
    backend.check(DEVELOPER, "POST", STATE, &state(2, "x"), closed).await;
    // Whether the fact was written is not known, so that the blob stays.
    let blobs = backend.blobs.list().unwrap();
    assert_eq!(blobs.len(), 2);
    for blob in blobs {
        std::fs::write(backend.blobs.path(&blob), "damaged").unwrap();
    }
    let (status, said) = backend.send(DEVELOPER, "GET", STATE, "").await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(said.starts_with("the state cannot be served because of its blob: the blob"), "{said}");
}

/// A folder with a configuration and what terraform needs to find the backend.
struct Terraform {
    folder: tempfile::TempDir,
    address: String,
}

impl Terraform {
    async fn new(backend: &Backend) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}{STATE}", listener.local_addr().unwrap());
        let router = backend.router.clone();
        tokio::spawn(async move { axum::serve(listener, router).await });
        std::fs::write(folder.path().join("terraform.rc"), "").unwrap();
        std::fs::write(
            folder.path().join("main.tf"),
            r#"
                terraform {
                  backend "http" {}
                }
                variable "size" { type = string }
                resource "terraform_data" "one" { input = var.size }
                output "size" { value = terraform_data.one.output }
            "#,
        )
        .unwrap();
        Self { folder, address }
    }

    async fn run(&self, token: &str, arguments: &[&str]) -> Output {
        tokio::process::Command::new("terraform")
            .args(arguments)
            .current_dir(self.folder.path())
            .env("TF_CLI_CONFIG_FILE", self.folder.path().join("terraform.rc"))
            .env("TF_IN_AUTOMATION", "1")
            .env("TF_HTTP_ADDRESS", &self.address)
            .env("TF_HTTP_LOCK_ADDRESS", format!("{}/lock", self.address))
            .env("TF_HTTP_UNLOCK_ADDRESS", format!("{}/lock", self.address))
            .env("TF_HTTP_LOCK_METHOD", "LOCK")
            .env("TF_HTTP_UNLOCK_METHOD", "UNLOCK")
            .env("TF_HTTP_USERNAME", "qnt9")
            .env("TF_HTTP_PASSWORD", token)
            .output()
            .await
            .expect("terraform is on PATH; this test needs the real one")
    }

    async fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(DEVELOPER, arguments).await;
        assert!(output.status.success(), "terraform {arguments:?}: {}", text(&output));
        text(&output)
    }

    async fn fail(&self, token: &str, arguments: &[&str]) -> String {
        let output = self.run(token, arguments).await;
        assert!(!output.status.success(), "terraform {arguments:?} succeeded: {}", text(&output));
        text(&output)
    }
}

fn text(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&both).into_owned()
}

const APPLY: [&str; 4] = ["apply", "-auto-approve", "-no-color", "-input=false"];

#[tokio::test(flavor = "multi_thread")]
async fn the_real_terraform_applies_locks_and_destroys() {
    let backend = Backend::new();
    let terraform = Terraform::new(&backend).await;
    terraform.succeed(&["init", "-no-color", "-input=false"]).await;
    for size in ["size=small", "size=large"] {
        terraform.succeed(&[&APPLY[..], &["-var", size]].concat()).await;
    }
    let output = terraform.succeed(&["output", "-no-color", "-raw", "size"]).await;
    assert_eq!(output, "large");
    let workspace = backend.door.states.lock().unwrap()["staging"].clone();
    let serials: Vec<u64> = workspace.history.iter().map(|version| version.serial).collect();
    assert!(serials.windows(2).all(|pair| pair[0] < pair[1]) && serials.len() >= 2, "{serials:?}");
    assert!(workspace.lock.is_none(), "terraform unlocked");

    let info = r#"{"ID":"0-1-2","Operation":"OperationTypeApply","Who":"bob@desk","Version":"1.11.4","Created":"2026-11-23T10:00:00Z","Path":""}"#;
    backend.send(ADMIN, "LOCK", LOCK, info).await;
    let apply = [&APPLY[..], &["-var", "size=huge"]].concat();
    let refused = terraform.fail(DEVELOPER, &apply).await;
    assert!(refused.contains("Error acquiring the state lock"), "{refused}");
    // terraform 1.11 shows the id of the held lock, and its own lock info instead of the holder's.
    assert!(refused.contains("already locked: ID=0-1-2"), "{refused}");
    let force = ["force-unlock", "-force", "-no-color", "0-1-2"];
    let forbidden = terraform.fail(DEVELOPER, &force).await;
    assert!(forbidden.contains("403"), "{forbidden}");
    let forced = terraform.run(ADMIN, &force).await;
    assert!(forced.status.success(), "{}", text(&forced));
    terraform.succeed(&apply).await;

    let destroy = [&["destroy"], &APPLY[1..], &["-var", "size=huge"]].concat();
    let destroyed = terraform.succeed(&destroy).await;
    assert!(destroyed.contains("1 destroyed"), "{destroyed}");
    let (_, state) = backend.send(DEVELOPER, "GET", STATE, "").await;
    assert!(state.contains("\"resources\": []"), "{state}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_terraform_is_told_what_is_wrong_with_its_token() {
    let backend = Backend::new();
    let terraform = Terraform::new(&backend).await;
    let init = ["init", "-no-color", "-input=false"];
    let unknown = terraform.fail("guess", &init).await;
    assert!(unknown.contains("requires auth"), "{unknown}");
    let viewer = terraform.fail(VIEWER, &init).await;
    assert!(viewer.contains("invalid auth"), "{viewer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plan_of_the_real_terraform_is_read_and_hashed() {
    let backend = Backend::new();
    let terraform = Terraform::new(&backend).await;
    terraform.succeed(&["init", "-no-color", "-input=false"]).await;
    terraform.succeed(&[&APPLY[..], &["-var", "size=small"]].concat()).await;
    let plan = async |size: &str| {
        let path = "made.tfplan";
        terraform.succeed(&["plan", "-input=false", "-out", path, "-var", size]).await;
        let json = terraform.succeed(&["show", "-json", path]).await;
        qnt9_terraform::Plan::read(json.as_bytes()).unwrap()
    };
    let (first, again, other) =
        (plan("size=large").await, plan("size=large").await, plan("size=huge").await);
    assert_eq!(first.hash, again.hash);
    assert_ne!(first.hash, other.hash);
    expect![[r#"
        Plan: 0 to add, 1 to change, 0 to destroy, 1 output changes

          ~ terraform_data.one is changed
              input   "small" -> "large"
              output  "small" -> (known after apply)

            Outputs
              size  "small" -> (known after apply)
    "#]]
    .assert_eq(&first.terminal());
    assert_eq!(plan("size=small").await.changes(), 0);
}
