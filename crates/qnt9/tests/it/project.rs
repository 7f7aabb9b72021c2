//! A small project on a platform, and a developer's clone of it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output};

use qnt9_model::{Command as Ask, Person, Role, StreamId};
use qnt9_runner::git::{NewFile, Signature};
use qnt9_server::{Config, LogPlace, NewProject, Server, hash_token};
use serde_json::Value;

use crate::platform::{Home, PROJECT, Platform, QNT9, said};

/// Files of a commit: path and text.
pub(crate) type Files<'a> = &'a [(&'a str, &'a str)];

/// Rules without a gate.
pub(crate) const NO_GATES: &str = "[project]\nname = \"shop\"\n";

/// Puts the project into the data folder. No command line makes projects yet, so this asks the server
/// itself, which serves nobody meanwhile.
pub(crate) async fn create(home: &Home, files: Files<'_>) {
    create_in(home, LogPlace::Folder, &[PROJECT], files).await;
}

/// Puts several projects with the same files into a log.
pub(crate) async fn create_in(home: &Home, log: LogPlace, projects: &[&str], files: Files<'_>) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = Config {
        data: home.data(),
        key_file: home.path("key"),
        listen: SocketAddr::from(([127, 0, 0, 1], home.port)),
        first_environment_port: home.port + 1,
        program: QNT9.into(),
        slots: 2,
        job_environment: vec![("PATH".to_owned(), home.search_path())],
        postgres: None,
        public_read: true,
        log,
        keep_live: None,
    };
    let file = |(path, text): &(&str, &str)| NewFile {
        path: (*path).to_owned(),
        content: text.as_bytes().to_vec(),
        executable: false,
    };
    let files: Vec<NewFile> = files.iter().map(file).collect();
    let by = Signature { name: "Dora".to_owned(), email: email("dora"), at: 1_700_000_000 };
    let server = Server::start(config).await.unwrap();
    let core = server.core();
    let platform = StreamId::platform();
    for (name, role) in PEOPLE {
        let (name, email) = (name.to_owned(), email(name));
        let digest = hash_token(&token(&name));
        let person = Person { name: name.clone(), email, role, demo: false };
        core.tell(&platform, Ask::AddPerson { person }).await.unwrap();
        let label = "test".to_owned();
        core.tell(&platform, Ask::IssueToken { person: name, digest, label }).await.unwrap();
    }
    for name in projects {
        let project = NewProject {
            name: (*name).into(),
            embedded: false,
            time_scale: 1,
            default_branch: "main".to_owned(),
        };
        core.create_project(&project, &files, &by).await.unwrap();
    }
    server.stop().await;
}

/// The project's people. Those of the demonstration may act for the reference project only.
const PEOPLE: [(&str, Role); 5] = [
    ("anna", Role::Approver),
    ("ben", Role::Approver),
    ("cleo", Role::Approver),
    ("dora", Role::Developer),
    ("root", Role::Admin),
];

/// The token of one of the project's people.
pub(crate) fn token(person: &str) -> String {
    format!("token-of-{person}")
}

fn email(person: &str) -> String {
    format!("{person}@shop.example")
}

/// A developer's clone.
pub(crate) struct Clone<'a> {
    home: &'a Home,
    /// `http://HOST:PORT` of the server it was cloned from, and the project.
    from: (String, &'static str),
    folder: PathBuf,
}

impl<'a> Clone<'a> {
    pub(crate) fn of(platform: &Platform<'a>) -> Self {
        let (home, project) = (platform.home, platform.project);
        let name = format!("clone-{project}");
        let from = (platform.url.clone(), project);
        let clone = Self { home, from, folder: home.path(&name) };
        let url = format!("{}/git/{project}.git", platform.url);
        let cloned = clone.git_in(home.path(""), &["clone", "-q", &url, &name]);
        assert!(cloned.status.success(), "{}", said(&cloned));
        clone
    }

    /// git, as this person would run it.
    fn git_in(&self, folder: PathBuf, args: &[&str]) -> Output {
        let mut git = Command::new("git");
        git.args(args).current_dir(folder);
        self.home.prepare(&mut git);
        git.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0");
        git.output().unwrap()
    }

    pub(crate) fn git(&self, args: &[&str]) -> Output {
        self.git_in(self.folder.clone(), args)
    }

    /// Commits these files in the name of this person.
    pub(crate) fn commit(&self, person: &str, title: &str, files: Files<'_>) {
        for (path, text) in files {
            let path = self.folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let (name, email) =
            (format!("user.name={person}"), format!("user.email={}", email(person)));
        for args in [&["add", "."][..], &["-c", &name, "-c", &email, "commit", "-q", "-m", title]] {
            let output = self.git(args);
            assert!(output.status.success(), "{}", said(&output));
        }
    }

    /// Pushes HEAD to this branch with this person's token; what the pusher sees.
    pub(crate) fn try_push(&self, person: &str, branch: &str) -> Output {
        let token = token(person);
        let (url, project) = &self.from;
        let host = url.replace("http://", &format!("http://{person}:{token}@"));
        let to = format!("{host}/git/{project}.git");
        self.git(&["push", &to, &format!("HEAD:refs/heads/{branch}")])
    }

    /// Pushes to main, which must succeed; what the pusher sees.
    pub(crate) fn push(&self, person: &str) -> String {
        let pushed = self.try_push(person, "main");
        assert!(pushed.status.success(), "{}", said(&pushed));
        said(&pushed)
    }
}

/// A project with one workflow, on a platform; a commit to main starts it.
pub(crate) async fn create_with_workflow(home: &Home, rules: &str, workflow: &str) {
    create(home, &[("qnt9.toml", rules), (".github/workflows/ci.yml", workflow)]).await;
}

/// Pushes a commit of dora's that changes nothing but a text, and answers the run that it starts.
pub(crate) async fn start_run(platform: &Platform<'_>, clone: &Clone<'_>) -> u64 {
    clone.commit("dora", "Say something", &[("README.md", "Something.\n")]);
    let seen = clone.push("dora");
    assert!(seen.contains("qnt9: run "), "it starts one run: {seen}");
    newest_run(platform).await
}

/// The id of the newest run.
pub(crate) async fn newest_run(platform: &Platform<'_>) -> u64 {
    let runs = platform.get("dora", "/runs").await;
    let newest: Option<&Value> = runs.as_array().unwrap().first();
    newest.expect("the push started a run")["id"].as_u64().unwrap()
}
