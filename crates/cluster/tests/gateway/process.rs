//! A gateway in a process of its own, killed and started again.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use qnt9_cluster::gateway::{Config, Listener, write_config};
use qnt9_model::DeploymentId;

use super::backend::Backend;
use super::house::{arm, connect, free_address, get, journal, place};

const DIR_VARIABLE: &str = "GATEWAY_TEST_DIR";

/// Not a test of its own but the process that [`start`] makes of this program.
#[test]
#[ignore = "runs until it is stopped; other tests start it"]
fn gateway_process() {
    let Some(dir) = std::env::var_os(DIR_VARIABLE) else { return };
    qnt9_cluster::gateway::run_blocking(dir.as_ref()).unwrap();
}

fn start(dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["process::gateway_process", "--exact", "--ignored"])
        .env(DIR_VARIABLE, dir)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn a_killed_gateway_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let backend = Backend::start("release").await;
    let listener = Listener {
        place: place(),
        generation: 40,
        address: free_address(),
        rollout: Some(DeploymentId(9)),
        arms: vec![arm("release", 1, &[&backend])],
    };
    let address = listener.address;
    write_config(dir.path(), &Config { generation: 4, listeners: vec![listener] }).unwrap();
    for round in 1..=3 {
        let mut gateway = start(dir.path());
        let mut control = connect(dir.path()).await;
        assert_eq!(control.pid(), gateway.id());
        assert_eq!(control.status().await.unwrap().generation, 4);
        assert_eq!(get(address, "/").await.backend, "release");
        tokio::time::sleep(Duration::from_millis(1300)).await;
        gateway.kill().unwrap();
        gateway.wait().unwrap();
        let records = journal(dir.path());
        let windows: Vec<u64> = records.iter().map(|record| record.window).collect();
        assert_eq!(windows, (1..=windows.len() as u64).collect::<Vec<_>>());
        assert_eq!(records.iter().map(|record| record.requests).sum::<u64>(), round);
    }
}

#[tokio::test]
async fn a_terminated_gateway_answers_what_it_began() {
    let dir = tempfile::tempdir().unwrap();
    let backend = Backend::start("release").await;
    let arms = vec![arm("release", 1, &[&backend])];
    let address = free_address();
    let listener = Listener { place: place(), generation: 1, address, rollout: None, arms };
    write_config(dir.path(), &Config { generation: 1, listeners: vec![listener] }).unwrap();
    let mut gateway = start(dir.path());
    connect(dir.path()).await;
    let slow = tokio::spawn(async move { get(address, "/slow/300").await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let pid = rustix::process::Pid::from_child(&gateway);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(slow.await.unwrap().status, 200);
    assert!(gateway.wait().unwrap().success());
    assert_eq!(journal(dir.path()).iter().map(|record| record.requests).sum::<u64>(), 1);
}
