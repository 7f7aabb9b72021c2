use std::time::Duration;

use qnt9_runner::replica::{self, ReplicaError, ReplicaSpec};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

use super::*;

fn spec(script: &str) -> ReplicaSpec {
    let command = ["sh", "-c", script].map(str::to_owned).to_vec();
    let env = vec![
        ("PATH".to_owned(), "/usr/bin:/bin".to_owned()),
        ("PASSWORD".to_owned(), "s3same-open".to_owned()),
    ];
    let address = "127.0.0.1:4000".parse().unwrap();
    ReplicaSpec::new("7-0".into(), command, "/tmp".into(), env, address)
}

async fn until<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds().await {
        assert!(Instant::now() < deadline, "never: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

const SERVICE: &str = "trap 'echo bye; exit 5' TERM; echo ready; while true; do sleep 0.02; done";

#[tokio::test]
async fn a_replica_runs_logs_and_stops_when_told() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path().join("r");
    assert_eq!(replica::status(&dir).await.unwrap(), None);
    assert_eq!(replica::stop(&dir, Duration::ZERO).await.unwrap(), None);
    replica::start(&shim_program(), &dir, &spec(SERVICE)).await.unwrap();
    let status = replica::status(&dir).await.unwrap().unwrap();
    assert!(status.running() && is_alive(status.pid()));
    assert_eq!((status.id(), status.address().port()), ("7-0", 4000));
    until("a line", || async { !replica::last_log_lines(&dir, 5).unwrap().is_empty() }).await;

    // A second start finds the first.
    replica::start(&shim_program(), &dir, &spec(SERVICE)).await.unwrap();
    let again = replica::status(&dir).await.unwrap().unwrap();
    assert_eq!(again.pid(), status.pid());

    let ended = replica::stop(&dir, Duration::from_secs(5)).await.unwrap().unwrap();
    assert_eq!(ended.exit().and_then(|exit| exit.code), Some(5));
    assert!(!is_alive(status.pid()));
    let lines = replica::last_log_lines(&dir, 5).unwrap();
    let texts: Vec<&str> =
        lines.iter().filter_map(|line| line.split_once(' ')).map(|l| l.1).collect();
    // The shell may also tell of the sleep that the signal ended.
    assert_eq!((texts.first(), texts.last()), (Some(&"ready"), Some(&"bye")), "{texts:?}");
    assert!(lines[0].starts_with("20") && lines[0].contains("Z "), "{lines:?}");
    assert_eq!(replica::status(&dir).await.unwrap(), Some(ended));
    for file in std::fs::read_dir(&dir).unwrap().flatten() {
        let text = std::fs::read(file.path()).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&text).contains("s3same"), "{file:?}");
    }
}

#[tokio::test]
async fn an_end_is_kept_and_who_does_not_end_is_killed() {
    let dir = TempDir::new().unwrap();
    let short = dir.path().join("short");
    replica::start(&shim_program(), &short, &spec("echo oops >&2; exit 3")).await.unwrap();
    until("the end", || async {
        replica::status(&short).await.unwrap().is_some_and(|status| !status.running())
    })
    .await;
    let ended = replica::status(&short).await.unwrap().unwrap();
    assert_eq!(ended.exit().and_then(|exit| exit.code), Some(3));
    assert!(replica::last_log_lines(&short, 1).unwrap()[0].ends_with("oops"));
    replica::start(&shim_program(), &short, &spec(SERVICE)).await.unwrap();
    assert!(replica::status(&short).await.unwrap().unwrap().running(), "it can be started again");
    replica::stop(&short, Duration::from_secs(5)).await.unwrap();

    let deaf = dir.path().join("deaf");
    let script = "trap '' TERM; setsid sleep 300 & while true; do sleep 0.02; done";
    replica::start(&shim_program(), &deaf, &spec(script)).await.unwrap();
    let pid = replica::status(&deaf).await.unwrap().unwrap().pid();
    let ended = replica::stop(&deaf, Duration::from_millis(100)).await.unwrap().unwrap();
    assert_eq!(ended.exit().and_then(|exit| exit.signal), Some(9));
    assert!(!is_alive(pid));
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let dir = TempDir::new().unwrap();
    let mut spec = spec("");
    spec.command = vec!["./no-such-service".into()];
    let error = replica::start(&shim_program(), &dir.path().join("r"), &spec).await.unwrap_err();
    let ReplicaError::NotStarted { said, .. } = &error else { panic!("{error:?}") };
    assert!(said.contains("./no-such-service") && said.contains("/tmp"), "{said}");
}

#[tokio::test]
async fn what_a_dead_supervisor_left_is_seen_and_ended() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path().join("r");
    replica::start(&shim_program(), &dir, &spec("while true; do sleep 0.02; done")).await.unwrap();
    let first = replica::status(&dir).await.unwrap().unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", first.pid())).unwrap();
    let parent = stat.rsplit_once(") ").unwrap().1.split(' ').nth(1).unwrap().parse().unwrap();
    kill_process(Pid::from_raw(parent).unwrap(), Signal::KILL).unwrap();
    until("the orphan", || async { !replica::status(&dir).await.unwrap().unwrap().running() })
        .await;
    assert!(is_alive(first.pid()), "the service itself goes on");
    replica::start(&shim_program(), &dir, &spec(SERVICE)).await.unwrap();
    assert!(!is_alive(first.pid()), "two of them would serve");
    let second = replica::status(&dir).await.unwrap().unwrap();
    assert!(second.running() && second.pid() != first.pid());
    replica::stop(&dir, Duration::from_secs(5)).await.unwrap();
}

/// The machine was started again, and the number of the replica's process belongs to another.
#[tokio::test]
async fn after_a_reboot_the_number_of_the_old_process_means_nothing() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path().join("r");
    let mut bystander = std::process::Command::new("sleep").arg("300").spawn().unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", bystander.id())).unwrap();
    let start_time: u64 =
        stat.rsplit_once(") ").unwrap().1.split(' ').nth(19).unwrap().parse().unwrap();
    std::fs::create_dir(&dir).unwrap();
    let status = serde_json::json!({
        "id": "7-0", "pid": bystander.id(), "start_time": start_time, "boot": "an earlier one",
        "address": "127.0.0.1:4000", "started_ms": 1, "exit": null,
    });
    std::fs::write(dir.join("status.json"), status.to_string()).unwrap();
    assert!(!replica::status(&dir).await.unwrap().unwrap().running());
    replica::stop(&dir, Duration::ZERO).await.unwrap();
    replica::start(&shim_program(), &dir, &spec(SERVICE)).await.unwrap();
    assert!(bystander.try_wait().unwrap().is_none(), "a stranger was killed");
    replica::stop(&dir, Duration::from_secs(5)).await.unwrap();
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}
