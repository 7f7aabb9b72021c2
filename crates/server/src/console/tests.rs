//! The console over HTTP: who may read, who may write, and what cannot be forged.

use std::net::SocketAddr;
use std::path::PathBuf;

use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use qnt9_console::log::LogLine;
use qnt9_engine::state::LogChunk;
use qnt9_model::{AttemptId, Command, Millis, Person, Role, RunId, StreamId};
use qnt9_store::{DataFolder, MasterKey, Sqlite, Writer};

use super::logs::AttemptLog;
use super::session;
use crate::machine::Machine;
use crate::{Config, Core, hash_token, new_token};

/// A console that listens on this machine until it is dropped.
struct Site {
    core: Core,
    client: Client<HttpConnector, Full<bytes::Bytes>>,
    // The folder outlives the server.
    _folder: tempfile::TempDir,
    _writer: Writer,
}

/// An answer, read.
struct Answer {
    status: StatusCode,
    headers: http::HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl Site {
    async fn new(listen: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The listener chooses the port; what it pretends to listen on may be another address.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let listen = SocketAddr::new(listen.parse().unwrap(), port);
        let data = DataFolder::open(&folder.path().join("data")).unwrap();
        let key = MasterKey::load_or_create(&folder.path().join("key")).unwrap();
        let log = Sqlite::open(&data.log(), &key).unwrap();
        let writer = Writer::start(log).unwrap();
        let blobs = data.blobs().unwrap();
        let (machine, _) = Machine::start(writer.handle()).unwrap();
        let config = Config {
            data: folder.path().join("data"),
            key_file: folder.path().join("key"),
            listen,
            first_environment_port: 0,
            program: PathBuf::from("qnt9"),
            slots: 1,
            job_environment: Vec::new(),
            postgres: None,
            public_read: true,
            log: crate::LogPlace::Folder,
            keep_live: None,
        };
        let core = Core::new(config, data, machine, writer.handle(), blobs, key);
        let router = super::router(core.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let client = Client::builder(TokioExecutor::new()).build_http();
        let site = Self { core, client, _folder: folder, _writer: writer };
        site.people().await;
        site
    }

    async fn people(&self) {
        let platform = StreamId::platform();
        for (name, role) in [("alice", Role::Admin), ("dana", Role::Developer)] {
            let email = format!("{name}@example.org");
            let person = Person { name: name.to_owned(), email, role, demo: true };
            self.core.tell(&platform, Command::AddPerson { person }).await.unwrap();
        }
        let project = StreamId::from("qnt9-srs");
        let default_branch = "main".to_owned();
        let create =
            Command::CreateProject { project, embedded: true, time_scale: 20, default_branch };
        self.core.tell(&platform, create).await.unwrap();
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.core.config().listen.port())
    }

    async fn send(&self, request: http::request::Builder, body: String) -> Answer {
        let request = request.body(Full::from(body)).unwrap();
        let answer = self.client.request(request).await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        Answer { status, headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(self.url(path)), String::new()).await
    }

    async fn post(&self, path: &str, cookie: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(self.form(path, cookie), body(fields)).await
    }

    fn form(&self, path: &str, cookie: &str) -> http::request::Builder {
        Request::post(self.url(path))
            .header("cookie", cookie)
            .header("content-type", "application/x-www-form-urlencoded")
    }

    /// A cookie of that person, and its value alone.
    fn cookie(&self, name: &str) -> (String, String) {
        let set = session::begin(&self.core, name, None);
        let pair = set.split(';').next().unwrap().to_owned();
        let value = pair.split_once('=').unwrap().1.to_owned();
        (pair, value)
    }

    fn proof(&self, session: &str, path: &str) -> String {
        session::proof(&self.core, session, path)
    }
}

fn body(fields: &[(&str, &str)]) -> String {
    let pair =
        |(name, value): &(&str, &str)| format!("{name}={}", qnt9_console::paths::segment(value));
    fields.iter().map(pair).collect::<Vec<_>>().join("&")
}

const ROLLBACK: &str = "/p/qnt9-srs/environments/production/rollback";

#[tokio::test]
async fn every_answer_carries_the_headers_that_protect_it() {
    let site = Site::new("127.0.0.1").await;
    for path in ["/", "/p/qnt9-srs", "/p/none", "/login", "/assets/none"] {
        let answer = site.get(path).await;
        assert!(
            answer.header("content-security-policy").starts_with("default-src 'self';"),
            "{path}"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
    }
    let style = site.get(&qnt9_console::assets::style().path).await;
    assert_eq!(style.status, StatusCode::OK);
    assert!(style.header("cache-control").contains("immutable"));
    assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
}

#[tokio::test]
async fn this_machine_reads_without_a_name_and_every_page_is_there() {
    let site = Site::new("127.0.0.1").await;
    assert_eq!(site.get("/").await.header("location"), "/p/qnt9-srs");
    for section in [
        "",
        "/runs",
        "/environments",
        "/approvals",
        "/releases",
        "/notifications",
        "/audit",
        "/find",
    ] {
        let answer = site.get(&format!("/p/qnt9-srs{section}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{section}");
        assert!(answer.body.contains("Sign in"), "{section}");
    }
    for missing in [
        "/p/none",
        "/p/qnt9-srs/runs/7",
        "/p/qnt9-srs/runs/x",
        "/p/qnt9-srs/deployments/1",
        "/p/qnt9-srs/runs/7/jobs/a/log",
        "/p/qnt9-srs/runs/7/artifacts/x",
    ] {
        assert_eq!(site.get(missing).await.status, StatusCode::NOT_FOUND, "{missing}");
    }
}

#[tokio::test]
async fn elsewhere_reading_needs_a_name() {
    let site = Site::new("0.0.0.0").await;
    let answer = site.get("/p/qnt9-srs/runs?status=failure").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.header("location"), "/login?next=%2Fp%2Fqnt9-srs%2Fruns%3Fstatus%3Dfailure");
    let page = site.get("/login").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(!page.body.contains("/login/demo"), "demo people exist on this machine alone");
    let demo = site.post("/login/demo", "", &[("person", "alice")]).await;
    assert_eq!((demo.status, demo.header("set-cookie")), (StatusCode::FORBIDDEN, ""));
}

#[tokio::test]
async fn a_name_that_only_looks_like_this_machine_is_turned_away() {
    let site = Site::new("127.0.0.1").await;
    let request = Request::get(site.url("/p/qnt9-srs")).header("host", "rebound.example:9009");
    assert_eq!(site.send(request, String::new()).await.status, StatusCode::MISDIRECTED_REQUEST);
}

#[tokio::test]
async fn a_personal_token_begins_a_session_and_a_wrong_one_does_not() {
    let site = Site::new("127.0.0.1").await;
    let token = new_token([9; 32]);
    let (person, label) = ("dana".to_owned(), "console".to_owned());
    let issue = Command::IssueToken { person, digest: hash_token(&token), label };
    site.core.tell(&StreamId::platform(), issue).await.unwrap();
    let fields = [("token", token.as_str()), ("next", "/p/qnt9-srs/runs")];
    let answer = site.post("/login", "", &fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.header("location"), "/p/qnt9-srs/runs");
    let cookie = answer.header("set-cookie");
    assert!(cookie.contains("; Path=/; HttpOnly; SameSite=Strict; Max-Age="), "{cookie}");
    let wrong = site.post("/login", "", &[("token", "q9p_00")]).await;
    assert_eq!((wrong.status, wrong.header("set-cookie")), (StatusCode::FORBIDDEN, ""));
    let attempt = AttemptId { run: RunId(1), job: "a".into(), attempt: 1 };
    let of_job = site.core.job_token(&StreamId::from("qnt9-srs"), &attempt);
    let job = site.post("/login", "", &[("token", &of_job)]).await;
    assert_eq!((job.status, job.header("set-cookie")), (StatusCode::FORBIDDEN, ""));
}

#[tokio::test]
async fn a_session_ends_when_the_token_that_began_it_is_revoked() {
    // Elsewhere, where reading too needs a session.
    let site = Site::new("10.0.0.1").await;
    let mut sessions = Vec::new();
    for byte in [1, 2] {
        let token = new_token([byte; 32]);
        let (person, label) = ("dana".to_owned(), format!("laptop {byte}"));
        let issue = Command::IssueToken { person, digest: hash_token(&token), label };
        site.core.tell(&StreamId::platform(), issue).await.unwrap();
        let answer = site.post("/login", "", &[("token", &token)]).await;
        let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
        sessions.push((hash_token(&token), cookie));
    }
    sessions.push((String::new(), site.cookie("dana").0));
    let reads = async |(_, cookie): &(String, String)| {
        let request = Request::get(site.url("/p/qnt9-srs/runs")).header("cookie", cookie);
        site.send(request, String::new()).await.status
    };
    for session in &sessions {
        assert_eq!(reads(session).await, StatusCode::OK, "{session:?}");
    }
    let revoke = Command::RevokeToken { digest: sessions[0].0.clone() };
    site.core.tell(&StreamId::platform(), revoke).await.unwrap();
    assert_eq!(reads(&sessions[0]).await, StatusCode::SEE_OTHER, "to the page that signs in");
    assert_eq!(reads(&sessions[1]).await, StatusCode::OK, "begun with another token");
    assert_eq!(reads(&sessions[2]).await, StatusCode::OK, "begun without a token");
}

#[tokio::test]
async fn the_printed_link_signs_in_once_and_leaves_no_token_in_the_address() {
    let site = Site::new("127.0.0.1").await;
    let link = site.core.sign_in_link("alice");
    let first = site.send(Request::get(&link), String::new()).await;
    assert_eq!((first.status, first.header("location")), (StatusCode::SEE_OTHER, "/"));
    assert!(!first.header("set-cookie").is_empty());
    let second = site.send(Request::get(&link), String::new()).await;
    assert_eq!((second.status, second.header("set-cookie")), (StatusCode::FORBIDDEN, ""));
}

#[tokio::test]
async fn no_form_without_session_and_proof_changes_anything() {
    let site = Site::new("127.0.0.1").await;
    let before = site.core.read(|state| state.sequence(&StreamId::from("qnt9-srs")));
    let (cookie, session) = site.cookie("alice");
    let (_, other) = site.cookie("dana");
    let good = site.proof(&session, ROLLBACK);
    let elsewhere = site.proof(&session, "/p/qnt9-srs/environments/staging/rollback");
    let of_other = site.proof(&other, ROLLBACK);
    let to = ("to", "sha256:00");
    for (cookie, proof) in [
        ("", good.as_str()),
        (cookie.as_str(), ""),
        (cookie.as_str(), elsewhere.as_str()),
        (cookie.as_str(), of_other.as_str()),
        (&format!("{cookie}0"), good.as_str()),
    ] {
        let answer = site.post(ROLLBACK, cookie, &[to, ("csrf", proof)]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{cookie} {proof}");
        assert!(answer.body.contains("Nothing was changed"), "{}", answer.body);
    }
    let request = site.form(ROLLBACK, &cookie).header("origin", "http://evil.example");
    let answer = site.send(request, body(&[to, ("csrf", &good)])).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let after = site.core.read(|state| state.sequence(&StreamId::from("qnt9-srs")));
    assert_eq!(before, after);
}

#[tokio::test]
async fn a_refusal_is_a_page_with_its_sentence() {
    let site = Site::new("127.0.0.1").await;
    let (cookie, session) = site.cookie("dana");
    let proof = site.proof(&session, ROLLBACK);
    let answer = site.post(ROLLBACK, &cookie, &[("to", "sha256:00"), ("csrf", &proof)]).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let sentence = "dana cannot roll back: it needs the role approver, and dana is developer.";
    assert!(answer.body.contains(sentence), "{}", answer.body);
    let path = "/p/qnt9-srs/runs/7/cancel";
    let proof = site.proof(&session, path);
    let answer = site.post(path, &cookie, &[("csrf", &proof)]).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(answer.body.contains("There is no run `7`"), "{}", answer.body);
}

#[tokio::test]
async fn signing_out_needs_the_proof_too() {
    let site = Site::new("127.0.0.1").await;
    let (cookie, session) = site.cookie("alice");
    let forged = site.post("/logout", &cookie, &[("csrf", "no")]).await;
    assert_eq!((forged.status, forged.header("set-cookie")), (StatusCode::FORBIDDEN, ""));
    let proof = site.proof(&session, "/logout");
    let out = site.post("/logout", &cookie, &[("csrf", &proof)]).await;
    assert!(out.header("set-cookie").contains("Max-Age=0"));
}

#[tokio::test]
async fn audit_shows_what_happened_newest_first_and_filters() {
    let site = Site::new("127.0.0.1").await;
    let stream = StreamId::from("qnt9-srs");
    for number in 0..60 {
        let title = format!("note {number} <b>");
        let notify = Command::Notify { call: None, title, text: String::new(), webhook: None };
        site.core.tell(&stream, notify).await.unwrap();
    }
    let newest = site.get("/p/qnt9-srs/audit").await.body;
    assert!(newest.contains("60 facts, each chained to the one before"));
    assert!(newest.contains("“note 59 &lt;b&gt;” was posted"));
    assert!(!newest.contains("note 9 "), "the tenth is on the next page");
    let older = site.get("/p/qnt9-srs/audit?before=11").await.body;
    assert!(older.contains("note 9 ") && !older.contains("note 10 "));
    let none = site.get("/p/qnt9-srs/audit?actor=alice").await.body;
    assert!(none.contains("No entry among those looked at is like this"));
}

/// A log of `lines` lines, a thousand of them in a blob: the runner's own words, then ten steps of
/// the same length, then the runner's again.
fn long_log(site: &Site, lines: u64) -> AttemptLog {
    let step_of = |number: u64| match number {
        1..=3 => None,
        number if number + 2 > lines => None,
        number => Some(((number - 1) * 10 / lines) as u32),
    };
    let mut chunks = Vec::new();
    let mut first_line = 1;
    while first_line <= lines {
        let until = (first_line + 999).min(lines);
        let mut content = String::new();
        for number in first_line..=until {
            let line = serde_json::json!({
                "line": number, "step": step_of(number), "at": 0, "text": format!("Line {number} of it"),
            });
            content.push_str(&format!("{line}\n"));
        }
        let blob = site.core.blobs().put_sealed(site.core.log_key(), content.as_bytes()).unwrap();
        chunks.push(LogChunk { first_line, lines: until - first_line + 1, blob: blob.to_string() });
        first_line = until + 1;
    }
    let line =
        |number| LogLine { number, step: None, at: Millis(0), text: "not sealed".to_owned() };
    AttemptLog::made_up(&site.core, chunks, vec![line(lines + 1), line(lines + 2)])
}

fn numbers(lines: &[LogLine]) -> Vec<u64> {
    lines.iter().map(|line| line.number).collect()
}

#[tokio::test]
async fn a_long_log_is_read_in_parts() {
    let site = Site::new("127.0.0.1").await;
    let log = long_log(&site, 20_500);
    assert_eq!(log.total(), 20_502);
    assert_eq!(numbers(&log.window(1001, 1000).unwrap()), (1001..=2000).collect::<Vec<_>>());
    assert_eq!(numbers(&log.window(20_499, 1000).unwrap()), [20_499, 20_500, 20_501, 20_502]);
    assert_eq!(numbers(&log.last(3).unwrap()), [20_500, 20_501, 20_502]);
    for step in 0..10 {
        let all = log.step(step, usize::MAX).unwrap();
        let first = u64::from(step) * 2050 + 1 + if step == 0 { 3 } else { 0 };
        assert_eq!(log.first_line_of(step).unwrap(), Some(first), "step {step}");
        assert_eq!(all[0].number, first, "step {step}");
        assert!(all.iter().all(|line| line.step == Some(step)));
        assert_eq!(
            all.len(),
            if step == 0 {
                2047
            } else if step == 9 {
                2048
            } else {
                2050
            }
        );
        let last = log.step(step, 200).unwrap();
        assert_eq!(numbers(&last), numbers(&all[all.len() - 200..]), "step {step}");
    }
    assert_eq!(log.step(10, 200).unwrap(), []);
    assert_eq!(log.first_line_of(10).unwrap(), None);
    let (hits, has_more) = log.search("LINE 20").unwrap();
    assert_eq!((hits.len(), has_more), (500, true));
    let (hits, has_more) = log.search("line 777 of").unwrap();
    assert_eq!((numbers(&hits), has_more), (vec![777], false));
    assert_eq!(numbers(&log.search("NOT SEALED").unwrap().0), [20_501, 20_502]);
}

#[tokio::test]
async fn a_lost_part_of_a_log_is_named() {
    let site = Site::new("127.0.0.1").await;
    let chunk = LogChunk { first_line: 1001, lines: 1000, blob: "0".repeat(64) };
    let log = AttemptLog::made_up(&site.core, vec![chunk], Vec::new());
    let error = log.window(1001, 10).unwrap_err();
    assert!(error.starts_with("Lines 1001 to 2000 cannot be read: "), "{error}");
}

#[tokio::test]
async fn watchers_are_told_that_something_changed() {
    let site = Site::new("127.0.0.1").await;
    let request = Request::get(site.url("/p/qnt9-srs/events")).body(Full::default()).unwrap();
    let mut answer = site.client.request(request).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let (title, text) = ("news".to_owned(), String::new());
    let notify = Command::Notify { call: None, title, text, webhook: None };
    site.core.tell(&StreamId::from("qnt9-srs"), notify).await.unwrap();
    let frame = answer.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(String::from_utf8_lossy(&frame), "event: changed\ndata: 1\n\n");
}

#[tokio::test]
async fn the_tail_of_a_job_that_nobody_follows_ends_at_once() {
    let site = Site::new("127.0.0.1").await;
    let answer = site.get("/p/qnt9-srs/runs/7/jobs/a/live?attempt=1&after=0").await;
    assert_eq!(answer.body, "event: end\ndata: end\n\n");
}
