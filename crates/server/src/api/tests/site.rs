//! A server's API with one small project, listening on this machine until it is dropped.

use std::path::PathBuf;

use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use qnt9_model::command::{RefMoved, WorkflowFile};
use qnt9_model::fact::{Commit, Outcome, RefUpdate};
use qnt9_model::{
    Actor, AttemptId, CallKey, Command, Entry, Fact, Person, ReleaseDigest, Role, RunId, Sha,
    StreamId,
};
use qnt9_store::{DataFolder, MasterKey, Sqlite, Writer};
use serde_json::Value;

use crate::machine::Machine;
use crate::{Config, Core, hash_token};

/// The commit that everything here is about.
pub(super) const COMMIT: &str = "1111111111111111111111111111111111111111";

pub(super) const POLICY: &str = r#"
[project]
name = "shop"
[service.stock]
command = ["bin/stock"]
[environment.production]
branches = ["main"]
approvals = { needed = 1, from = ["alice", "dana"], exclude = "dispatcher" }
"#;

const WORKFLOW: &str = "
name: Ship
on: workflow_dispatch
jobs:
  build:
    runs-on: ubuntu-latest
    steps: [{run: make}]
  deploy:
    needs: build
    runs-on: ubuntu-latest
    environment: production
    steps: [{run: qnt9 deploy}]
";

/// The path of something of the project.
pub(super) fn project(path: &str) -> String {
    format!("/api/v1/projects/shop{path}")
}

pub(super) struct Site {
    pub(super) core: Core,
    port: u16,
    client: Client<HttpConnector, Full<bytes::Bytes>>,
    // The folder outlives the server.
    _folder: tempfile::TempDir,
    _writer: Writer,
}

/// An answer, read.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.body))
    }

    /// The JSON of an answer that must be a yes.
    pub(super) fn ok(&self) -> Value {
        assert!(self.status.is_success(), "{}: {}", self.status, self.body);
        if self.body.is_empty() { Value::Null } else { self.json() }
    }
}

impl Site {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listen = listener.local_addr().unwrap();
        let data = DataFolder::open(&folder.path().join("data")).unwrap();
        let key = MasterKey::load_or_create(&folder.path().join("key")).unwrap();
        let writer = Writer::start(Sqlite::open(&data.log(), &key).unwrap()).unwrap();
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
        let router = crate::api::router(core.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let client = Client::builder(TokioExecutor::new()).build_http();
        let port = listen.port();
        let site = Self { core, port, client, _folder: folder, _writer: writer };
        site.people().await;
        site.sources().await;
        site
    }

    async fn people(&self) {
        let roles = [
            ("alice", Role::Admin),
            ("carol", Role::Developer),
            ("dana", Role::Approver),
            ("vic", Role::Viewer),
        ];
        for (name, role) in roles {
            let email = format!("{name}@example.org");
            let person = Person { name: name.to_owned(), email, role, demo: false };
            self.platform(Command::AddPerson { person }).await;
            let digest = hash_token(&self.token(name));
            let (person, label) = (name.to_owned(), "test".to_owned());
            self.platform(Command::IssueToken { person, digest, label }).await;
        }
        for name in ["shop", "other"] {
            let (project, default_branch) = (StreamId::from(name), "main".to_owned());
            let (embedded, time_scale) = (true, 20);
            let create = Command::CreateProject { project, embedded, time_scale, default_branch };
            self.platform(create).await;
        }
    }

    async fn platform(&self, command: Command) {
        self.core.tell(&StreamId::platform(), command).await.unwrap();
    }

    async fn sources(&self) {
        let update = RefUpdate {
            reference: "refs/heads/main".to_owned(),
            old: None,
            new: Some(Sha::from(COMMIT)),
        };
        let policy = Some(Ok(qnt9_engine::policy::read("qnt9.toml", POLICY).unwrap()));
        let workflows = vec![self.workflow()];
        let moved = vec![RefMoved { update, changed_paths: None, workflows, policy }];
        let commit = Commit {
            sha: COMMIT.into(),
            parents: Vec::new(),
            author: "Carol".to_owned(),
            email: "carol@example.org".to_owned(),
            title: "First".into(),
        };
        self.tell(Command::ImportCommits { moved, commits: vec![commit] }).await;
    }

    fn workflow(&self) -> WorkflowFile {
        let path = ".github/workflows/ship.yml".to_owned();
        let workflow = qnt9_workflow::parse(&path, WORKFLOW).unwrap();
        WorkflowFile { workflow: Ok(serde_json::to_value(workflow).unwrap()), path }
    }

    /// What the machine itself says of the project.
    pub(super) async fn tell(&self, command: Command) -> Vec<Entry> {
        self.core.tell(&"shop".into(), command).await.unwrap()
    }

    /// A person's token; any text serves as one whose digest was issued.
    pub(super) fn token(&self, person: &str) -> String {
        format!("q9p_{person}")
    }

    /// A run of the workflow, dispatched by carol.
    pub(super) async fn dispatched(&self) -> RunId {
        let command = Command::Dispatch {
            reference: "refs/heads/main".to_owned(),
            commit: COMMIT.into(),
            workflow: self.workflow(),
            inputs: Vec::new(),
        };
        let carol = Actor::Person { name: "carol".to_owned(), demo: false };
        let entries = self.core.ask(&"shop".into(), &carol, command).await.unwrap();
        let created = entries.iter().find(|e| matches!(e.fact, Fact::RunCreated { .. })).unwrap();
        RunId(created.sequence)
    }

    /// The first attempt of a job, handed to a runner.
    pub(super) async fn started(&self, run: RunId, job: &str) -> AttemptId {
        let attempt = AttemptId { run, job: job.into(), attempt: 1 };
        let (id, runner) = (attempt.clone(), "local".to_owned());
        self.tell(Command::StartJob { attempt: id, runner }).await;
        attempt
    }

    pub(super) async fn finish(&self, attempt: &AttemptId) {
        let command = Command::FinishJob {
            attempt: attempt.clone(),
            result: Outcome::Success,
            outputs: Vec::new(),
            reason: None,
            summary: None,
        };
        self.tell(command).await;
    }

    /// A run whose build is done, with a release, and whose deploy waits for its gates.
    pub(super) async fn gated(&self) -> (RunId, ReleaseDigest) {
        let run = self.dispatched().await;
        let build = self.started(run, "build").await;
        let digest = format!("sha256:{}", hex::encode([u8::try_from(run.0).unwrap(); 32]));
        let release = ReleaseDigest::from(digest);
        let command = Command::BuildRelease {
            call: CallKey { attempt: build.clone(), step: 0, call: 1 },
            release: release.clone(),
            service: "stock".to_owned(),
            configuration: Vec::new(),
            bytes: 1,
            further: Vec::new(),
        };
        let job = Actor::Job(build.clone());
        self.core.ask(&"shop".into(), &job, command).await.unwrap();
        self.finish(&build).await;
        (run, release)
    }

    pub(super) fn job_token(&self, attempt: &AttemptId) -> String {
        self.core.job_token(&"shop".into(), attempt)
    }

    pub(super) async fn get(&self, path: &str, token: &str) -> Answer {
        self.send("GET", path, token, Vec::new()).await
    }

    pub(super) async fn post(&self, path: &str, token: &str, body: &Value) -> Answer {
        self.send("POST", path, token, body.to_string().into_bytes()).await
    }

    pub(super) async fn send(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: Vec<u8>,
    ) -> Answer {
        let request = self.request(method, path, token).body(Full::from(body)).unwrap();
        self.answer(request).await
    }

    pub(super) fn request(&self, method: &str, path: &str, token: &str) -> http::request::Builder {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://127.0.0.1:{}{path}", self.port))
            .header("content-type", "application/json");
        match token {
            "" => request,
            token => request.header("authorization", format!("Bearer {token}")),
        }
    }

    pub(super) async fn answer(&self, request: Request<Full<bytes::Bytes>>) -> Answer {
        let answer = self.client.request(request).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        Answer { status, body: String::from_utf8(body.to_vec()).unwrap() }
    }
}
