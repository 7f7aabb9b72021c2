//! A switch of releases fails nobody.

use std::time::Duration;

use http::StatusCode;
use qnt9_cluster::gateway::{ControlError, Listener};
use qnt9_model::Place;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::backend::Backend;
use super::client::{self, Mode};
use super::house::{self, House, arm, free_address, get, place};
use super::rollout::Rollout;

/// The small version of the `switch_proof` example.
async fn switches_fail_nobody(mode: Mode) {
    let dir = tempfile::tempdir().unwrap();
    let running = house::start(dir.path());
    house::connect(dir.path()).await;
    let mut rollout = Rollout::begin(dir.path(), free_address()).await;
    let traffic = tokio::spawn(client::run(rollout.address, mode, 3_000, 1_000, 16));
    for release in 0..20 {
        let canary = release % 4 == 3;
        rollout.release(if canary { &[5, 25, 50, 100] } else { &[100] }).await;
    }
    let tally = traffic.await.unwrap();
    assert_eq!(tally.failures, Vec::<String>::new());
    assert_eq!(tally.requests(), 3_000);
    assert!(tally.answered.len() > 10, "traffic met {} releases", tally.answered.len());
    house::connect(dir.path()).await.stop().await.unwrap();
    running.await.unwrap().unwrap();
    for (release, answered) in &tally.answered {
        let records = house::journal(dir.path());
        let of_release = records.iter().filter(|record| record.arm == *release);
        assert_eq!(of_release.map(|record| record.requests).sum::<u64>(), *answered);
    }
    // The client's connections outlive all switches: one per worker.
    assert!(mode == Mode::Close || tally.connections == 16, "{} connections", tally.connections);
}

#[tokio::test(flavor = "multi_thread")]
async fn switches_fail_nobody_on_kept_connections() {
    switches_fail_nobody(Mode::KeepAlive).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn switches_fail_nobody_on_new_connections() {
    switches_fail_nobody(Mode::Close).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn switches_fail_nobody_on_http2() {
    switches_fail_nobody(Mode::Http2).await;
}

#[tokio::test]
async fn a_request_that_began_before_the_switch_is_answered_by_the_old_release() {
    let mut house = House::new().await;
    let (old, new) = (Backend::start("old").await, Backend::start("new").await);
    house.carry(vec![arm("old", 1, &[&old])]).await;
    get(house.address, "/").await;
    let address = house.address;
    let slow = tokio::spawn(async move { get(address, "/slow/400").await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    house.carry(vec![arm("new", 1, &[&new])]).await;
    assert_eq!(get(address, "/").await.backend, "new");
    assert_eq!(house.drain("old", Duration::ZERO).await, 1, "one is still on its way");
    let status = house.control.status().await.unwrap();
    assert_eq!(status.draining.len(), 1);
    assert_eq!(status.draining[0].backends[0].idle_connections, 0, "idle ones are closed");
    assert_eq!(house.drain("old", Duration::from_secs(10)).await, 0);
    let answer = slow.await.unwrap();
    assert_eq!((answer.status, answer.backend.as_str()), (StatusCode::OK, "old"));
    assert_eq!(house.control.status().await.unwrap().draining, []);
}

#[tokio::test]
async fn an_arm_with_weight_is_not_drained() {
    let mut house = House::new().await;
    let old = Backend::start("old").await;
    house.carry(vec![arm("old", 5, &[&old])]).await;
    let error = house.control.drain(&place(), "old", Duration::from_secs(10)).await.unwrap_err();
    assert!(matches!(error, ControlError::Refused { .. }));
    expect_test::expect![[r#"the gateway refused: arm "old" of production/stock has the weight 5; only an arm that gets no new requests can be drained"#]]
        .assert_eq(&error.to_string());
}

#[tokio::test]
async fn an_address_that_is_not_wanted_any_more_is_left_after_its_last_answer() {
    let mut house = House::new().await;
    let backend = Backend::start("old").await;
    house.carry(vec![arm("old", 1, &[&backend])]).await;
    let (address, other) = (house.address, free_address());
    let slow = tokio::spawn(async move { get(address, "/slow/300").await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let elsewhere = Listener {
        place: Place { environment: "staging".into(), ..place() },
        address: other,
        ..house.config.listeners[0].clone()
    };
    house.config.listeners = vec![elsewhere];
    house.apply().await.unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens there");
    assert_eq!(get(other, "/").await.backend, "old");
    assert_eq!(slow.await.unwrap().status, StatusCode::OK);
}

#[tokio::test]
async fn bodies_are_passed_on_while_they_come() {
    let mut house = House::new().await;
    let backend = Backend::start("echo").await;
    house.carry(vec![arm("echo", 1, &[&backend])]).await;
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    let head = "POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut seen = String::new();
    while !seen.contains("first") {
        let mut bytes = [0; 1024];
        let read = stream.read(&mut bytes).await.unwrap();
        assert!(read > 0, "closed after {seen:?}");
        seen.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
    }
    stream.write_all(b"4\r\nlast\r\n0\r\n\r\n").await.unwrap();
    while !seen.ends_with("0\r\n\r\n") {
        let mut bytes = [0; 1024];
        let read = stream.read(&mut bytes).await.unwrap();
        assert!(read > 0, "closed after {seen:?}");
        seen.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
    }
    assert!(seen.contains("4\r\nlast\r\n"), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_comes_back_whole() {
    let mut house = House::new().await;
    let backend = Backend::start("echo").await;
    house.carry(vec![arm("echo", 1, &[&backend])]).await;
    let body: bytes::Bytes =
        (0..20_000_000u32).map(|at| (at % 251) as u8).collect::<Vec<_>>().into();
    let request = http::Request::post("/echo").header("host", "x");
    let answer = house::ask(house.address, request.body(body.clone().into()).unwrap()).await;
    assert!(answer.body == body, "{} bytes came back", answer.body.len());
}
