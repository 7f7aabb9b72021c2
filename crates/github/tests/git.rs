//! The real git against our server: clone, push, and everything that must be refused.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod house;

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use house::{DEVELOPER, Event, House, JOB, JOB_ELSEWHERE, VIEWER, said};
use qnt9_github::git::{GitHost, router};
use qnt9_model::PushId;

const MEGABYTE: usize = 1024 * 1024;

/// A hosted repository with one commit on `main`, and a folder for clones.
struct Hosted {
    house: House,
    address: String,
    folder: tempfile::TempDir,
}

impl Hosted {
    async fn new(public_read: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repository = folder.path().join("hosted.git");
        let seed = folder.path().join("seed");
        git_in(folder.path(), &["init", "-q", "-b", "main", "seed"]).await;
        commit(&seed, "README.md", b"hello\n").await;
        git_in(folder.path(), &["clone", "-q", "--bare", "seed", "hosted.git"]).await;
        let house = House::new(repository);
        let host = GitHost {
            door: Arc::new(house.clone()),
            repositories: Arc::new(house.clone()),
            public_read,
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, router(host)).await });
        Self { house, address, folder }
    }

    /// The repository's address with a token in it; without one for an empty token.
    fn url(&self, token: &str) -> String {
        let user = if token.is_empty() { String::new() } else { format!("any:{token}@") };
        format!("http://{user}{}/git/shop.git", self.address)
    }

    async fn clone_as(&self, token: &str, name: &str) -> Output {
        git(self.folder.path(), &["clone", &self.url(token), name]).await
    }

    /// A clone that pushes with the developer's token.
    async fn working_copy(&self) -> PathBuf {
        let cloned = self.clone_as(DEVELOPER, "copy").await;
        assert!(cloned.status.success(), "{}", said(&cloned));
        self.folder.path().join("copy")
    }

    async fn hosted_refs(&self) -> String {
        git_in(&self.house.repository, &["for-each-ref", "--format=%(refname)"]).await
    }

    fn settled(&self) -> bool {
        self.house.events().contains(&Event::Settled(PushId(41)))
    }
}

async fn git(folder: &Path, arguments: &[&str]) -> Output {
    tokio::process::Command::new("git")
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .envs([("GIT_AUTHOR_NAME", "dora"), ("GIT_AUTHOR_EMAIL", "dora@example.org")])
        .envs([("GIT_COMMITTER_NAME", "dora"), ("GIT_COMMITTER_EMAIL", "dora@example.org")])
        .kill_on_drop(true)
        .output()
        .await
        .expect("git is on PATH; this test needs the real one")
}

async fn git_in(folder: &Path, arguments: &[&str]) -> String {
    let output = git(folder, arguments).await;
    assert!(output.status.success(), "git {arguments:?}: {}", said(&output));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

async fn commit(folder: &Path, file: &str, content: &[u8]) {
    std::fs::write(folder.join(file), content).unwrap();
    git_in(folder, &["add", "."]).await;
    git_in(folder, &["commit", "-q", "-m", file]).await;
}

/// Bytes that do not shrink.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..bytes / 8).flat_map(|_| next()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_announced_written_settled_and_answered() {
    let hosted = Hosted::new(true).await;
    let copy = hosted.working_copy().await;
    let old = git_in(&copy, &["rev-parse", "HEAD"]).await;
    commit(&copy, "more.txt", b"more\n").await;
    let new = git_in(&copy, &["rev-parse", "HEAD"]).await;
    let pushed = git(&copy, &["push", "origin", "main", "main:refs/heads/develop"]).await;
    assert!(pushed.status.success(), "{}", said(&pushed));
    let remark = "remote: qnt9: run 42, development: http://127.0.0.1/shop/runs/42";
    assert!(said(&pushed).contains(remark), "{}", said(&pushed));
    assert_eq!(hosted.hosted_refs().await, "refs/heads/develop\nrefs/heads/main");

    let events = hosted.house.events();
    let [Event::Offered(by, updates), rest @ ..] = events.as_slice() else {
        panic!("the push was not announced first: {events:?}");
    };
    assert_eq!(rest, [Event::Settled(PushId(41))]);
    assert_eq!(by.to_string(), "dora");
    let moved = |reference: &str| {
        let update = updates.iter().find(|update| update.reference == reference).unwrap();
        (update.old.clone().map(|sha| sha.0), update.new.clone().map(|sha| sha.0))
    };
    assert_eq!(moved("refs/heads/main"), (Some(old), Some(new.clone())));
    assert_eq!(moved("refs/heads/develop"), (None, Some(new)));

    let deleted = git(&copy, &["push", "origin", ":develop"]).await;
    assert!(deleted.status.success(), "{}", said(&deleted));
    assert_eq!(hosted.hosted_refs().await, "refs/heads/main");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_of_the_protocol_clones_and_fetches() {
    let hosted = Hosted::new(true).await;
    for version in ["0", "1", "2"] {
        let setting = format!("protocol.version={version}");
        let name = format!("clone-{version}");
        git_in(hosted.folder.path(), &["-c", &setting, "clone", "-q", &hosted.url(""), &name])
            .await;
        let clone = hosted.folder.path().join(name);
        assert_eq!(std::fs::read_to_string(clone.join("README.md")).unwrap(), "hello\n");
        git_in(&clone, &["-c", &setting, "fetch", "-q", "--all"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_big_push_and_its_fetch_are_streamed() {
    let hosted = Hosted::new(true).await;
    let copy = hosted.working_copy().await;
    // Larger than git's buffer, so that it tries first with an empty request and then sends chunks.
    commit(&copy, "big.bin", &noise(48 * MEGABYTE)).await;
    let pushed = git(&copy, &["push", "origin", "main"]).await;
    assert!(pushed.status.success(), "{}", said(&pushed));
    let offers = hosted.house.events();
    let offers = offers.iter().filter(|event| matches!(event, Event::Offered(..)));
    assert_eq!(offers.count(), 1, "trying whether one may push announces nothing");
    let cloned = hosted.clone_as("", "again").await;
    assert!(cloned.status.success(), "{}", said(&cloned));
    let again = std::fs::read(hosted.folder.path().join("again/big.bin")).unwrap();
    assert!(again == noise(48 * MEGABYTE));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_negotiation_comes_packed() {
    let hosted = Hosted::new(true).await;
    let copy = hosted.working_copy().await;
    // A client with many commits of its own names them all: git sends that with gzip.
    for number in 0..200 {
        let message = format!("own {number}");
        git_in(&copy, &["commit", "-q", "--allow-empty", "-m", &message]).await;
    }
    let other = hosted.folder.path().join("seed");
    commit(&other, "news.txt", b"news\n").await;
    let bare = hosted.house.repository.display().to_string();
    git_in(&other, &["push", "-q", &bare, "main"]).await;
    for version in ["0", "2"] {
        let setting = format!("protocol.version={version}");
        git_in(&copy, &["update-ref", "-d", "refs/remotes/origin/main"]).await;
        git_in(&copy, &["-c", &setting, "fetch", "-q", "origin"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_needs_a_token_unless_it_is_public() {
    let open = Hosted::new(true).await;
    assert!(open.clone_as("", "anonymous").await.status.success());
    let closed = Hosted::new(false).await;
    assert!(!closed.clone_as("", "anonymous").await.status.success());
    let wrong = closed.clone_as("guess", "wrong").await;
    assert!(said(&wrong).contains("Authentication failed"), "{}", said(&wrong));
    let elsewhere = closed.clone_as(JOB_ELSEWHERE, "elsewhere").await;
    let text = "there is no project `shop` that you have access to";
    assert!(said(&elsewhere).contains(text), "{}", said(&elsewhere));
    for token in [DEVELOPER, VIEWER, JOB] {
        let cloned = closed.clone_as(token, token).await;
        assert!(cloned.status.success(), "{}", said(&cloned));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_push_is_told_why() {
    let hosted = Hosted::new(true).await;
    let copy = hosted.working_copy().await;
    commit(&copy, "more.txt", b"more\n").await;
    for (token, why) in [
        ("", "could not read Username"),
        ("guess", "Authentication failed"),
        (VIEWER, "remote: vera cannot push: it needs the role developer, and vera is viewer"),
        (JOB, "remote: job 7.test.1 cannot push: only people do, a job's token may only read"),
    ] {
        let pushed = git(&copy, &["push", &hosted.url(token), "main"]).await;
        assert!(!pushed.status.success() && said(&pushed).contains(why), "{}", said(&pushed));
    }
    assert!(hosted.house.events().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_push_moves_nothing_and_shows_the_reason() {
    let hosted = Hosted::new(true).await;
    let copy = hosted.working_copy().await;
    commit(&copy, "big.bin", &noise(8 * MEGABYTE)).await;
    let before = git_in(&hosted.house.repository, &["rev-parse", "main"]).await;
    *hosted.house.closed.lock().unwrap() = Some("the disk is full".to_owned());
    let pushed = git(&copy, &["push", "origin", "main"]).await;
    let text = said(&pushed);
    assert!(!pushed.status.success(), "{text}");
    assert!(text.contains("remote: qnt9: qnt9 takes no commands now: the disk is full"), "{text}");
    assert!(text.contains("! [remote rejected] main -> main (refused)"), "{text}");
    assert_eq!(git_in(&hosted.house.repository, &["rev-parse", "main"]).await, before);
    assert!(hosted.house.events().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn other_refs_than_branches_and_tags_are_not_taken() {
    let hosted = Hosted::new(true).await;
    let copy = hosted.working_copy().await;
    let pushed = git(&copy, &["push", "origin", "main:refs/qnt9/own"]).await;
    let text = said(&pushed);
    let why =
        "remote: qnt9: `refs/qnt9/own` cannot be pushed: only branches and tags are kept here";
    assert!(!pushed.status.success() && text.contains(why), "{text}");
    assert_eq!(hosted.hosted_refs().await, "refs/heads/main");
}

#[tokio::test(flavor = "multi_thread")]
async fn git_dying_in_the_middle_of_a_push_is_a_failure_and_is_settled() {
    let hosted = Hosted::new(true).await;
    let copy = hosted.working_copy().await;
    commit(&copy, "big.bin", &noise(8 * MEGABYTE)).await;
    for instead in ["head -c 100000 > /dev/null; kill -9 $$", "exit 3"] {
        hosted.house.events.lock().unwrap().clear();
        *hosted.house.instead.lock().unwrap() = Some(instead);
        let pushed = git(&copy, &["push", "origin", "main"]).await;
        assert!(!pushed.status.success(), "{}", said(&pushed));
        assert!(said(&pushed).contains("git ended with"), "{}", said(&pushed));
        assert!(hosted.settled(), "{:?}", hosted.house.events());
    }
    // And once git works again, the same push goes through.
    *hosted.house.instead.lock().unwrap() = None;
    git_in(&copy, &["push", "-q", "origin", "main"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pusher_who_goes_away_leaves_a_settled_push() {
    let hosted = Hosted::new(true).await;
    let copy = hosted.working_copy().await;
    commit(&copy, "more.txt", b"more\n").await;
    *hosted.house.instead.lock().unwrap() =
        Some("sleep 1; exec git receive-pack --stateless-rpc \"$1\"");
    let push = git(&copy, &["push", "origin", "main"]);
    let gone = tokio::time::timeout(Duration::from_millis(500), push).await;
    assert!(gone.is_err(), "the pusher was stopped before git had answered");
    for _ in 0..100 {
        if hosted.settled() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the push was never settled: {:?}", hosted.house.events());
}
