//! Repositories of one's own: `qnt9 init` proposes what is needed, `qnt9 up --project` delivers them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::platform::{Home, Platform, said};

/// A copy of one of the small projects, as their owner would have it.
fn project(home: &Home, name: &str) -> PathBuf {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            let to = to.join(path.file_name().unwrap());
            if path.is_dir() {
                copy(&path, &to);
            } else {
                fs::copy(&path, to).unwrap();
            }
        }
    }
    let place = home.path(name);
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/projects").join(name), &place);
    place
}

fn up<'a>(home: &'a Home, place: &Path) -> Platform<'a> {
    let port = home.port.to_string();
    let command = home.command(&["up", "--port", &port, "--project", place.to_str().unwrap()]);
    Platform::launch(home, command, home.url())
}

/// Init, up, one approval; then production answers.
async fn reaches_production(name: &str, path: &str, answer: &str) {
    let home = Home::new();
    let place = project(&home, name);
    let proposed = home.run(&["init", place.to_str().unwrap()]);
    assert!(proposed.status.success(), "{}", said(&proposed));
    let mut platform = up(&home, &place);
    platform.hear("qnt9 approve production");
    let approved = home.run(&["approve", "production"]);
    assert!(approved.status.success(), "{}", said(&approved));
    platform.hear("success");
    let line = platform.hear("production: http://");
    let url = line.split_whitespace().last().unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let body = client.get(format!("{url}{path}")).send().await.unwrap().text().await.unwrap();
    assert!(body.contains(answer), "{body}");
    let doctor =
        home.run(&["--json", "doctor", "env", "production", "--repo", place.to_str().unwrap()]);
    let examined: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    assert_eq!(examined["failures"], 0, "{examined:#}");
    assert_eq!(platform.interrupt().code(), Some(0));
    assert_eq!(home.processes(), []);
}

#[tokio::test]
async fn a_site_of_files_reaches_production() {
    reaches_production("static-site", "/contact", "Ring the bell.").await;
}

#[tokio::test]
async fn a_node_service_reaches_production() {
    let node = Command::new("node").arg("--version").output();
    assert!(node.is_ok(), "this test needs node on the PATH");
    reaches_production("node-service", "/greet?name=Ada", "Hello, Ada!").await;
}

#[tokio::test]
async fn a_python_service_reaches_production() {
    reaches_production("python-service", "/convert?celsius=100", "212").await;
}

#[tokio::test]
async fn a_git_repository_is_delivered_by_its_own_commit_and_its_next_one_after_it() {
    let home = Home::new();
    let place = project(&home, "static-site");
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=ada", "-c", "user.email=ada@example.com"]).args(args);
        let output = git.current_dir(&place).env("GIT_CONFIG_NOSYSTEM", "1").output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    git(&["init", "-q", "-b", "main"]);
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "A site"]);
    let port = home.port.to_string();
    let exit = ["up", "--port", &port, "--exit", "--project", place.to_str().unwrap()];

    let without = home.run(&exit);
    let text = said(&without);
    assert_eq!(without.status.code(), Some(1), "{text}");
    assert!(text.contains("has no qnt9.toml") && text.contains("qnt9 init"), "{text}");

    assert!(home.run(&["init", place.to_str().unwrap()]).status.success());
    let text = said(&home.run(&exit));
    assert!(text.contains("qnt9.toml of") && text.contains("is not committed"), "{text}");

    for _ in 0..2 {
        git(&["add", "."]);
        git(&["commit", "-q", "-m", "Deliver it"]);
        let head = git(&["rev-parse", "HEAD"]);
        fs::write(place.join("public/draft.html"), format!("not yet committed on {head}")).unwrap();
        let held = home.run(&exit);
        let text = said(&held);
        assert_eq!(held.status.code(), Some(3), "only a person can go on: {text}");
        assert!(text.contains(&format!("{} to main", &head[..7])), "{text}");
        assert!(text.contains("public/draft.html and what else is not committed (1)"), "{text}");
        assert!(text.contains("✓ deploy-staging"), "{text}");
    }
}

#[test]
fn what_init_proposes_is_never_written_over() {
    let home = Home::new();
    let place = project(&home, "static-site");
    fs::write(place.join("qnt9.toml"), "mine").unwrap();
    let refused = home.run(&["init", place.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert_eq!(fs::read_to_string(place.join("qnt9.toml")).unwrap(), "mine");
    assert!(!place.join(".github").exists(), "nothing was begun");
    assert!(home.run(&["init", "--force", place.to_str().unwrap()]).status.success());
    let rules = fs::read_to_string(place.join("qnt9.toml")).unwrap();
    let policy = qnt9_engine::policy::read("qnt9.toml", &rules).unwrap();
    assert_eq!(policy.services[0].command, ["qnt9", "serve-static", "site"]);
}
