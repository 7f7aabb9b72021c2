//! What a client is told when a release cannot answer, and what is tried again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use expect_test::{Expect, expect};
use http::Request;
use http_body_util::Full;
use qnt9_cluster::gateway::Arm;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::backend::Backend;
use super::house::{Answer, House, arm, ask, free_address, get};

fn told(answer: &Answer, hidden: &[SocketAddr], expected: &Expect) {
    let mut text = format!("{}\n{}", answer.status, String::from_utf8_lossy(&answer.body));
    for address in hidden {
        text = text.replace(&address.to_string(), "ADDRESS");
    }
    expected.assert_eq(&text);
}

#[tokio::test]
async fn nothing_to_ask_is_told_at_once() {
    let mut house = House::new().await;
    house.carry(vec![]).await;
    told(
        &get(house.address, "/").await,
        &[],
        &expect![[r#"
            503 Service Unavailable
            {"error":"no_release","message":"no release takes traffic at production/stock"}
        "#]],
    );
    let backend = Backend::start("idle").await;
    house.carry(vec![arm("idle", 0, &[&backend])]).await;
    assert_eq!(get(house.address, "/").await.status, 503);
    house.carry(vec![arm("empty", 1, &[])]).await;
    told(
        &get(house.address, "/").await,
        &[],
        &expect![[r#"
            503 Service Unavailable
            {"error":"no_backend","message":"release empty at production/stock has no running replica"}
        "#]],
    );
    let nobody = free_address();
    house.carry(vec![Arm { arm: "gone".to_owned(), weight: 1, backends: vec![nobody] }]).await;
    told(
        &get(house.address, "/").await,
        &[nobody],
        &expect![[r#"
            503 Service Unavailable
            {"error":"no_backend_reached","message":"no replica of release gone at production/stock takes a connection; last ADDRESS: Connection refused (os error 111)"}
        "#]],
    );
}

#[tokio::test]
async fn a_killed_replica_is_passed_over() {
    let mut house = House::new().await;
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    house.carry(vec![arm("release", 1, &[&one, &two])]).await;
    let address = house.address;
    for _ in 0..10 {
        get(address, "/").await;
    }
    let in_flight: Vec<_> =
        (0..8).map(|_| tokio::spawn(async move { get(address, "/slow/200").await })).collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(one);
    for answer in in_flight {
        assert_eq!(answer.await.unwrap().status, 200, "a GET without an answer is asked again");
    }
    for _ in 0..50 {
        let request = Request::post("/echo").header("host", "x");
        let answer = ask(address, request.body(Full::from("body")).unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.backend.as_str()), (200, "two"));
    }
}

/// A backend that closes each connection after one answer, without saying so before.
async fn closing_backend(answers: bool) -> (SocketAddr, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicU64::new(0));
    let count = asked.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            count.fetch_add(1, Ordering::Relaxed);
            if answers {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
            }
        }
    });
    (address, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_a_backend_closes_silently_fail_no_get() {
    let (address, asked) = closing_backend(true).await;
    let mut house = House::new().await;
    house.carry(vec![Arm { arm: "closing".to_owned(), weight: 1, backends: vec![address] }]).await;
    for _ in 0..300 {
        assert_eq!(get(house.address, "/").await.status, 200);
    }
    assert!(asked.load(Ordering::Relaxed) >= 300);
}

#[tokio::test]
async fn a_post_without_an_answer_is_never_sent_twice() {
    let (address, asked) = closing_backend(false).await;
    let mut house = House::new().await;
    house.carry(vec![Arm { arm: "mute".to_owned(), weight: 1, backends: vec![address] }]).await;
    let request = Request::post("/").header("host", "x").body(Full::from("body")).unwrap();
    told(
        &ask(house.address, request).await,
        &[address],
        &expect![[r#"
            502 Bad Gateway
            {"error":"answer_lost","message":"a replica of release mute at production/stock broke off before it answered: ADDRESS: connection closed before message completed"}
        "#]],
    );
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    let empty = Request::post("/").header("host", "x").body(Full::new(Bytes::new())).unwrap();
    assert_eq!(ask(house.address, empty).await.status, 502);
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    assert_eq!(get(house.address, "/").await.status, 502);
    assert_eq!(asked.load(Ordering::Relaxed), 4, "a GET is sent once more");
}

#[tokio::test]
async fn an_upgrade_is_refused_plainly() {
    let mut house = House::new().await;
    let backend = Backend::start("any").await;
    house.carry(vec![arm("any", 1, &[&backend])]).await;
    let request = Request::get("/").header("host", "x").header("connection", "upgrade");
    let request = request.header("upgrade", "websocket").body(Full::default()).unwrap();
    told(
        &ask(house.address, request).await,
        &[],
        &expect![[r#"
            501 Not Implemented
            {"error":"upgrade_not_supported","message":"the gateway does not carry WebSocket, CONNECT or other upgraded protocols yet"}
        "#]],
    );
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_passed_on_as_broken_and_counted_as_bad() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf ").await.unwrap();
    });
    let mut house = House::new().await;
    house.carry(vec![Arm { arm: "torn".to_owned(), weight: 1, backends: vec![address] }]).await;
    let mut client = TcpStream::connect(house.address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    // The connection ends before the promised length: a client cannot mistake it for an answer.
    let _ = client.read_to_string(&mut answer).await;
    assert!(answer.contains("content-length: 10") && answer.ends_with("half "), "{answer}");
    let records = house.stop().await;
    assert_eq!((records[0].requests, records[0].bad), (1, 1));
}
