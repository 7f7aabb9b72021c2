use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use expect_test::expect;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// Answers one raw text after the other, the last again and again; counts the questions.
async fn service(answers: &'static [&'static str]) -> (Probe, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let turn = count.fetch_add(1, Ordering::Relaxed);
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await.unwrap();
            stream.write_all(answers[turn.min(answers.len() - 1)].as_bytes()).await.unwrap();
        }
    });
    (Probe { address, path: "/health".to_owned(), expect_status: StatusCode::OK }, asked)
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const NOT_FOUND: &str = "HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\n\r\nno route\n";
const PATIENCE: Patience = Patience {
    successes: 3,
    interval: Duration::from_millis(1),
    answer_timeout: Duration::from_secs(5),
    deadline: Duration::from_secs(20),
};

async fn said(probe: &Probe) -> String {
    match check(probe, Duration::from_secs(5)).await {
        Health::Healthy => "healthy".to_owned(),
        Health::Unhealthy(unhealthy) => {
            unhealthy.to_string().replace(&probe.address.to_string(), "ADDRESS")
        }
    }
}

#[tokio::test]
async fn the_answer_that_came_is_shown() {
    assert_eq!(said(&service(&[OK]).await.0).await, "healthy");
    expect!["GET http://ADDRESS/health: expected 200, got 404: no route"]
        .assert_eq(&said(&service(&[NOT_FOUND]).await.0).await);
    expect!["GET http://ADDRESS/health: expected 200, got 503 with an empty body"]
        .assert_eq(&said(&service(&["HTTP/1.1 503 X\r\ncontent-length: 0\r\n\r\n"]).await.0).await);
    expect!["GET http://ADDRESS/health: expected 200, got no answer: connection closed before message completed"]
        .assert_eq(&said(&service(&[""]).await.0).await);
    expect!["GET http://ADDRESS/health: expected 200, got no answer: invalid HTTP version parsed"]
        .assert_eq(&said(&service(&["SSH-2.0-OpenSSH_9.2\r\n"]).await.0).await);
}

#[tokio::test]
async fn a_long_answer_is_cut() {
    let long = Box::leak(format!("HTTP/1.0 500 X\r\n\r\n{}", "x".repeat(100_000)).into_boxed_str());
    let answers: &'static [&'static str] = Box::leak(Box::new([&*long]));
    let (probe, _) = service(answers).await;
    let Health::Unhealthy(Unhealthy { got: Got::Status { excerpt, .. }, .. }) =
        check(&probe, Duration::from_secs(5)).await
    else {
        panic!("answered 500")
    };
    assert!(excerpt.len() <= EXCERPT_CHARS);
}

#[tokio::test]
async fn nobody_there_is_said_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let probe = Probe { address, path: "/health".to_owned(), expect_status: StatusCode::OK };
    expect![
        "GET http://ADDRESS/health: expected 200, got no answer: Connection refused (os error 111)"
    ]
    .assert_eq(&said(&probe).await);
}

#[tokio::test]
async fn silence_ends_with_the_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let probe = Probe { address, path: "/".to_owned(), expect_status: StatusCode::OK };
    let Health::Unhealthy(unhealthy) = check(&probe, Duration::from_millis(30)).await else {
        panic!("nobody answers")
    };
    assert_eq!(unhealthy.got, Got::Nothing("not within 30 ms".to_owned()));
}

#[tokio::test]
async fn successes_must_be_in_a_row() {
    let (probe, asked) = service(&[OK, OK, NOT_FOUND, OK, OK, OK]).await;
    assert_eq!(wait_until_healthy(&probe, PATIENCE).await, Ok(6));
    assert_eq!(asked.load(Ordering::Relaxed), 6);
}

#[tokio::test]
async fn patience_ends_with_what_was_answered_last() {
    let (probe, _) = service(&[OK, NOT_FOUND]).await;
    let patience = Patience { deadline: Duration::from_millis(50), ..PATIENCE };
    let error = wait_until_healthy(&probe, patience).await.unwrap_err();
    assert!(error.asked > 1);
    assert!(error.to_string().ends_with("expected 200, got 404: no route"), "{error}");
}
