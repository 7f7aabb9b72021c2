//! The built-in actions against a server that speaks what they expect.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path as UrlPath, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post, put};
use base64::Engine as _;
use qnt9_runner::git::{Git, NewFile, Service, Signature};
use tokio::io::AsyncWriteExt as _;

use super::*;

#[derive(Clone)]
struct Platform {
    repository: PathBuf,
    artifacts: Arc<Mutex<BTreeMap<String, Bytes>>>,
    /// Requests that are still to be answered with "not now".
    busy: Arc<Mutex<u32>>,
    /// Answers to a fetch that still break off in the middle, as those of a killed server do.
    cut: Arc<Mutex<u32>>,
}

fn bearer(headers: &HeaderMap) -> bool {
    headers.get("authorization").is_some_and(|value| value == "Bearer attempt-token-1234")
}

fn basic(headers: &HeaderMap) -> bool {
    let expected =
        base64::engine::general_purpose::STANDARD.encode("x-access-token:attempt-token-1234");
    headers.get("authorization").is_some_and(|value| value == &format!("basic {expected}"))
}

impl Platform {
    async fn git(&self, advertise: bool, headers: &HeaderMap, input: &[u8]) -> Vec<u8> {
        let path = vec![("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())];
        let protocol = headers.get("git-protocol").and_then(|value| value.to_str().ok());
        let git = Git::new(&self.repository, &path);
        let mut child = git.serve(Service::UploadPack, advertise, protocol).unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input).await.unwrap();
        drop(stdin);
        child.wait_with_output().await.unwrap().stdout
    }

    async fn start(self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/git/a.git/info/refs", get(info_refs))
            .route("/git/a.git/git-upload-pack", post(upload_pack))
            .route("/api/v1/runs/7/artifacts", get(list))
            .route("/api/v1/runs/7/artifacts/{name}", put(store).get(fetch))
            .with_state(self);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        format!("http://{address}")
    }
}

async fn info_refs(State(platform): State<Platform>, headers: HeaderMap) -> impl IntoResponse {
    if !basic(&headers) {
        return (StatusCode::UNAUTHORIZED, [("content-type", "text/plain")], Vec::new());
    }
    let mut body = b"001e# service=git-upload-pack\n0000".to_vec();
    body.extend(platform.git(true, &headers, b"").await);
    let kind = "application/x-git-upload-pack-advertisement";
    (StatusCode::OK, [("content-type", kind)], body)
}

async fn upload_pack(
    State(platform): State<Platform>,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    let mut answer = platform.git(false, &headers, &body).await;
    let mut cut = platform.cut.lock().unwrap();
    if *cut > 0 && answer.windows(4).any(|bytes| bytes == b"PACK") {
        *cut -= 1;
        answer.truncate(answer.len() / 2);
    }
    ([("content-type", "application/x-git-upload-pack-result")], answer)
}

async fn store(
    State(platform): State<Platform>,
    UrlPath(name): UrlPath<String>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    if !bearer(&headers) {
        return (StatusCode::UNAUTHORIZED, "no".into());
    }
    if std::mem::take(&mut *platform.busy.lock().unwrap()) > 0 {
        return (StatusCode::SERVICE_UNAVAILABLE, "starting".into());
    }
    let mut artifacts = platform.artifacts.lock().unwrap();
    if artifacts.contains_key(&name) && query["overwrite"] != "true" {
        return (StatusCode::CONFLICT, "it exists".into());
    }
    assert_eq!(query["retention_days"], "30");
    artifacts.insert(name, body);
    (StatusCode::CREATED, format!("{{\"id\": {}, \"more\": 1}}", 40 + artifacts.len()))
}

async fn fetch(
    State(platform): State<Platform>,
    UrlPath(name): UrlPath<String>,
    headers: HeaderMap,
) -> Result<Bytes, StatusCode> {
    if !bearer(&headers) {
        return Err(StatusCode::UNAUTHORIZED);
    }
    platform.artifacts.lock().unwrap().get(&name).cloned().ok_or(StatusCode::NOT_FOUND)
}

async fn list(State(platform): State<Platform>) -> String {
    let artifacts = platform.artifacts.lock().unwrap();
    let names: Vec<_> =
        artifacts.keys().map(|name| serde_json::json!({"name": name, "bytes": 1})).collect();
    serde_json::Value::from(names).to_string()
}

/// A job against a platform with a repository of two commits and a tag; returns the case and the
/// ids of the commits.
async fn case(body: &str) -> (Case, Platform, [String; 2]) {
    let mut case = Case::new(body);
    let repository = case.dir.path().join("a.git");
    let path = vec![("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())];
    let git = Git::new(&repository, &path);
    git.init("main").await.unwrap();
    let by = Signature { name: "Alice".into(), email: "a@example.com".into(), at: 1_700_000_000 };
    let file = |content: &str| NewFile {
        path: "src/hello.txt".into(),
        content: content.into(),
        executable: false,
    };
    let one = git.commit(&[file("one")], &[], "One", &by).await.unwrap();
    let two = git.commit(&[file("two")], std::slice::from_ref(&one), "Two", &by).await.unwrap();
    git.update_ref("refs/heads/main", &two, None).await.unwrap();
    git.update_ref("refs/tags/v1", &one, None).await.unwrap();
    let platform = Platform {
        repository,
        artifacts: Arc::default(),
        busy: Arc::new(Mutex::new(1)),
        cut: Arc::default(),
    };
    let url = platform.clone().start().await;
    case.spec.checkout = CheckoutSource {
        clone_url: format!("{url}/git/a.git"),
        sha: two.clone(),
        reference: "refs/heads/main".into(),
    };
    case.spec.server_url = url;
    (case, platform, [one, two])
}

#[tokio::test]
async fn checkout_fetches_the_commit_of_the_job() {
    let (case, _platform, [one, two]) = case(
        r#"
steps:
  - run: mkdir -p old && echo junk > old/junk
  - {id: plain, uses: actions/checkout@v4}
  - run: |
      cat src/hello.txt; echo " on $(git branch --show-current) of $(git rev-list --count HEAD)"
      ls -a | tr '\n' ' '; git status --short; git fetch -q origin main && echo may fetch
      echo changed > src/hello.txt; touch untracked
  - {id: again, uses: actions/checkout@v4, with: {fetch-depth: 0, surprise: 1}}
  - run: cat src/hello.txt; ls | tr '\n' ' '; git rev-list --count HEAD
  - {id: tag, uses: actions/checkout@v4, with: {ref: v1, path: at-tag, persist-credentials: false}}
  - run: cat at-tag/src/hello.txt; git -C at-tag fetch -q origin || echo may not fetch
  - {uses: actions/checkout@v4, with: {ref: nonesuch}, continue-on-error: true}
  - {uses: actions/checkout@v4, with: {path: ../outside}, continue-on-error: true}
  - {uses: actions/checkout@v4, with: {submodules: "true"}, continue-on-error: true}
"#,
    )
    .await;
    let journal = case.run().await;
    assert_eq!(journal.result(), Some(JobResult::Success), "{journal:#?}");
    let outputs = journal.step_outputs(1);
    assert_eq!(
        (outputs["commit"].as_str(), outputs["ref"].as_str()),
        (two.as_str(), "refs/heads/main")
    );
    assert_eq!(journal.log(2), "two on main of 1\n. .. .git src may fetch");
    assert_eq!(journal.log(4), "twosrc 2");
    assert!(journal.log(3).contains("Unexpected input(s) 'surprise'"), "{}", journal.log(3));
    assert_eq!(journal.step_outputs(5)["commit"], one);
    assert!(journal.log(6).starts_with("one") && journal.log(6).ends_with("may not fetch"));
    assert!(journal.log(7).contains("no branch or tag named `nonesuch`"), "{}", journal.log(7));
    assert!(journal.log(8).contains("lies outside of"), "{}", journal.log(8));
    assert!(journal.log(9).contains("`submodules`"), "{}", journal.log(9));
    let bytes = std::fs::read(case.job_dir().join("journal")).unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains("attempt-token"));
    let left = Command::new("grep")
        .args(["-r", "-l", "AUTHORIZATION"])
        .arg(case.dir.path())
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&left.stdout), "", "credentials outlive the job");
}

#[tokio::test]
async fn checkout_survives_a_server_that_dies_in_the_middle_of_it() {
    let body = "steps: [{uses: actions/checkout@v4}, {run: cat src/hello.txt}]";
    for (cuts, result) in [(2, JobResult::Success), (3, JobResult::Failure)] {
        let (case, platform, _) = case(body).await;
        *platform.cut.lock().unwrap() = cuts;
        let journal = case.run().await;
        assert_eq!(journal.result(), Some(result), "{journal:#?}");
        assert_eq!(*platform.cut.lock().unwrap(), 0, "it tried as often as it should");
        assert_eq!(journal.log(0).matches("Trying again.").count(), 2, "{}", journal.log(0));
    }
}

#[tokio::test]
async fn artifacts_go_up_and_come_down() {
    let (case, platform, _) = case(
        r#"
steps:
  - run: mkdir -p dist/deep && echo 1 > dist/a.txt && echo 2 > dist/deep/tool && chmod +x dist/deep/tool && echo h > dist/.hidden
  - {id: up, uses: actions/upload-artifact@v4, with: {name: results (1), path: dist}}
  - {uses: actions/upload-artifact@v4, with: {name: results (1), path: dist}, continue-on-error: true}
  - {uses: actions/upload-artifact@v4, with: {name: texts, path: "dist/**/*.txt\n!dist/deep", overwrite: true}}
  - {uses: actions/upload-artifact@v4, with: {name: none, path: nothing-here}}
  - {uses: actions/upload-artifact@v4, with: {name: none, path: nothing-here, if-no-files-found: error}, continue-on-error: true}
  - {uses: actions/upload-artifact@v4, with: {name: a/b, path: dist}, continue-on-error: true}
  - {id: down, uses: actions/download-artifact@v4, with: {name: results (1), path: got}}
  - run: cd got && find . -type f | sort | tr '\n' ' '; ./deep/tool || test -x deep/tool && echo executable
  - {uses: actions/download-artifact@v4, with: {path: all}}
  - {uses: actions/download-artifact@v4, with: {path: merged, pattern: "t*", merge-multiple: true}}
  - run: find all merged -type f | sort | tr '\n' ' '
  - {uses: actions/download-artifact@v4, with: {name: nonesuch}, continue-on-error: true}
"#,
    )
    .await;
    let journal = case.run().await;
    assert_eq!(journal.result(), Some(JobResult::Success), "{journal:#?}");
    let outputs = journal.step_outputs(1);
    assert_eq!(outputs["artifact-id"], "41");
    assert_eq!(outputs["artifact-digest"].len(), 64);
    assert!(outputs["artifact-url"].ends_with("/api/v1/runs/7/artifacts/results%20%281%29"));
    assert!(journal.log(2).contains("exists already"), "{}", journal.log(2));
    assert!(journal.log(4).contains("No files were found"), "{}", journal.log(4));
    assert!(journal.log(5).contains("##[error]No files were found"), "{}", journal.log(5));
    assert!(journal.log(6).contains("holds '/'"), "{}", journal.log(6));
    assert!(journal.step_outputs(7)["download-path"].ends_with("/workspace/got"));
    assert!(journal.log(8).starts_with("./a.txt ./deep/tool "), "{}", journal.log(8));
    assert!(journal.log(8).ends_with("executable"), "{}", journal.log(8));
    assert_eq!(
        journal.log(11),
        "all/results (1)/a.txt all/results (1)/deep/tool all/texts/a.txt merged/a.txt "
    );
    assert!(journal.log(12).contains("Artifact not found: `nonesuch`"), "{}", journal.log(12));
    assert_eq!(platform.artifacts.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn terraform_is_wrapped_and_its_time_counts_as_ours() {
    let (mut case, _platform, _) = case(
        r#"
steps:
  - {uses: hashicorp/setup-terraform@v3}
  - {id: version, run: terraform version -json}
  - run: echo '${{ fromJSON(steps.version.outputs.stdout).terraform_version }} ${{ steps.version.outputs.exitcode }}'
  - {uses: hashicorp/setup-terraform@v3, with: {terraform_wrapper: false, terraform_version: 0.1.0}}
  - {run: terraform nonsense, continue-on-error: true}
"#,
    )
    .await;
    // The machine may have none; what matters here is the wrapper.
    std::fs::create_dir_all(&case.spec.folders.bin).unwrap();
    let real = case.spec.folders.bin.join("terraform");
    let script = "#!/bin/sh\nsleep 0.05; echo '{\"terraform_version\": \"1.2.3\"}'; \
                  test \"$1\" = version || exit 7\n";
    std::fs::write(&real, script).unwrap();
    std::fs::set_permissions(&real, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    case.spec.patience.job_ms = 30_000;
    let journal = case.run().await;
    assert_eq!(journal.result(), Some(JobResult::Success), "{journal:#?}");
    assert_eq!(journal.log(2), "1.2.3 0");
    assert!(journal.log(3).contains("terraform 0.1.0 is wanted"), "{}", journal.log(3));
    assert!(journal.log(4).ends_with("exit code 7."), "{}", journal.log(4));
    for (step, least) in [(0, 50), (1, 50), (4, 50)] {
        let ours = journal.ours(step);
        assert!(ours >= least, "step {step}: {ours} ms");
    }
    assert_eq!(journal.ours(2), 0);
}
