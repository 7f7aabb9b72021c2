//! Starting and stopping, and what a start needs.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::platform::{Home, Platform, said, wait_until};

#[tokio::test]
async fn an_empty_platform_serves_until_ctrl_c_and_leaves_nothing_running() {
    let home = Home::new();
    let platform = home.up();
    assert!(platform.heard.iter().any(|line| line.contains(&home.url())), "{:?}", platform.heard);
    let (status, body) = platform.healthz().await;
    assert_eq!(status, 200, "{body}");
    assert!(body.contains(r#""status":"ok""#), "{body}");
    assert!(!home.processes().is_empty());
    assert_eq!(platform.interrupt().code(), Some(0));
    assert_eq!(home.processes(), []);
}

/// The one test with a PostgreSQL of its own, as users have it without `DATABASE_URL`.
#[tokio::test]
async fn ctrl_c_stops_its_postgresql_too() {
    let home = Home::new();
    let mut command = home.command(&["up", "--empty", "--port", &home.port.to_string()]);
    command.env_remove("DATABASE_URL");
    let platform = Platform::start(&home, command);
    let started = home.data().join("postgres");
    let runs = || home.processes().iter().any(|(_, command)| command.contains("postgres -D"));
    wait_until(&format!("PostgreSQL runs in {}", started.display()), runs);
    assert_eq!(platform.interrupt().code(), Some(0));
    wait_until("nothing is left running", || home.processes().is_empty());
}

#[tokio::test]
async fn a_data_folder_has_one_server_and_a_second_is_told_which() {
    let home = Home::new();
    let first = home.up();
    let second = home.run(&["up", "--empty", "--port", &(home.port + 1).to_string()]);
    let text = said(&second);
    assert_eq!(second.status.code(), Some(1), "{text}");
    assert!(text.contains(&first.pid().to_string()), "{text}");
    assert!(text.contains(&home.url()), "{text}");
    assert!(text.contains("--data"), "{text}");
    let (status, _) = first.healthz().await;
    assert_eq!(status, 200, "the first one goes on");
}

#[test]
fn a_taken_port_is_named_with_a_way_out() {
    let home = Home::new();
    let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, home.port)).unwrap();
    let refused = home.run(&["up", "--empty", "--port", &home.port.to_string()]);
    let text = said(&refused);
    assert_eq!(refused.status.code(), Some(4), "{text}");
    assert!(text.contains(&format!("127.0.0.1:{} is taken", home.port)), "{text}");
    assert!(text.contains("qnt9 up --port"), "{text}");
    assert!(!home.data().join("log.sqlite").exists(), "nothing was begun");
}

/// With a network terraform is fetched; a proxy that nobody answers at is a machine without one.
#[test]
fn a_missing_terraform_is_named_with_the_way_to_get_it() {
    let home = Home::new();
    std::fs::remove_file(home.path("bin").join("terraform")).unwrap();
    let git = Command::new("sh").args(["-c", "command -v git"]).output().unwrap();
    let git = String::from_utf8(git.stdout).unwrap();
    symlink(git.trim(), home.path("bin").join("git")).unwrap();
    let mut command = home.command(&["up", "--empty", "--port", &home.port.to_string()]);
    command.env("PATH", home.path("bin")).env("HTTPS_PROXY", "http://127.0.0.1:9");
    let refused = command.output().unwrap();
    let text = said(&refused);
    assert_eq!(refused.status.code(), Some(4), "{text}");
    assert!(text.contains("this machine lacks terraform\n"), "{text}");
    assert!(text.contains("terraform is not on PATH"), "{text}");
    assert!(text.contains("https://developer.hashicorp.com/terraform/install"), "{text}");
}
