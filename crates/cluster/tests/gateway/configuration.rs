//! What the gateway makes of configurations and questions that it cannot use.

use std::net::SocketAddr;
use std::path::Path;

use expect_test::{Expect, expect};
use qnt9_cluster::gateway::{CONFIG_FILE, Config, ControlError, GatewayError, Listener, run};
use qnt9_model::Place;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, UnixStream};

use super::backend::Backend;
use super::house::{self, House, arm, get};

/// A text that hides nothing in a message.
const NOTHING: &str = "\0";

async fn carrying() -> (House, Backend) {
    let mut house = House::new().await;
    let backend = Backend::start("old").await;
    house.carry(vec![arm("old", 1, &[&backend])]).await;
    (house, backend)
}

/// The configuration was refused with these words, which the status repeats, and the old one goes on.
async fn refused(house: &mut House, error: &ControlError, hidden: &str, expected: &Expect) {
    let ControlError::Refused { reason } = error else { panic!("{error}") };
    expected.assert_eq(&reason.replace(hidden, "HIDDEN"));
    let status = house.control.status().await.unwrap();
    assert_eq!(status.refused.as_ref(), Some(reason));
    assert_eq!(status.generation, 1);
    assert_eq!(get(house.address, "/").await.backend, "old");
}

#[tokio::test]
async fn an_address_in_use_keeps_no_other_place_from_being_carried() {
    let (mut house, _backend) = carrying().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = taken.local_addr().unwrap();
    let place = Place { environment: "staging".into(), service: "stock".to_owned() };
    let first = house.config.listeners[0].clone();
    let listener = Listener { place, address, arms: vec![], ..first };
    // It comes first, so that the other place is switched after it failed.
    house.config.listeners.insert(0, listener);
    house.config.listeners[1].arms.clear();
    let applied = house.apply().await.unwrap();
    assert_eq!(applied.generation, 2);
    let [unbound] = &applied.unbound[..] else { panic!("{applied:?}") };
    assert_eq!((unbound.address, unbound.place.to_string().as_str()), (address, "staging/stock"));
    expect!["Address already in use (os error 98)"].assert_eq(&unbound.reason);
    assert_eq!(house.control.status().await.unwrap().unbound, applied.unbound);
    assert_eq!(get(house.address, "/").await.status, 503, "the other place has its new arms: none");

    // Nobody has to ask: it is tried again every second.
    drop(taken);
    let since = std::time::Instant::now();
    while !house.control.status().await.unwrap().unbound.is_empty() {
        assert!(since.elapsed() < std::time::Duration::from_secs(10), "it was not tried again");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(get(address, "/").await.status, 503);
    assert_eq!(house.control.apply().await.unwrap().unbound, []);
}

#[tokio::test]
async fn what_is_not_understood_is_refused_and_nothing_changes() {
    let (mut house, _backend) = carrying().await;
    let file = house.dir.path().join(CONFIG_FILE);
    let hidden = house.dir.path().to_str().unwrap().to_owned();
    std::fs::write(&file, "{\"generation\": 2,").unwrap();
    let error = house.control.apply().await.unwrap_err();
    let expected = expect![
        "the gateway's configuration HIDDEN/config.json is not understood: EOF while parsing a value at line 1 column 17"
    ];
    refused(&mut house, &error, &hidden, &expected).await;

    std::fs::remove_file(&file).unwrap();
    let error = house.control.apply().await.unwrap_err();
    refused(&mut house, &error, &hidden, &expect!["there is no configuration yet"]).await;
}

#[tokio::test]
async fn generations_do_not_go_back_and_do_not_change_their_content() {
    let (mut house, _backend) = carrying().await;
    assert_eq!(
        house.control.apply().await.unwrap().generation,
        1,
        "applying again changes nothing"
    );
    house.config.generation = 0;
    house.config.listeners[0].arms.clear();
    let error = house.apply().await.unwrap_err();
    let expected = expect!["generation 1 is carried already with other content; count up"];
    refused(&mut house, &error, NOTHING, &expected).await;

    let older = Config { generation: 0, listeners: vec![] };
    qnt9_cluster::gateway::write_config(house.dir.path(), &older).unwrap();
    let error = house.control.apply().await.unwrap_err();
    let expected = expect!["generation 0 is older than generation 1, which is carried"];
    refused(&mut house, &error, NOTHING, &expected).await;
}

#[tokio::test]
async fn questions_that_are_none_are_refused_and_the_conversation_goes_on() {
    let (house, _backend) = carrying().await;
    let socket = UnixStream::connect(house.dir.path().join("gateway.sock")).await.unwrap();
    let (reader, mut writer) = socket.into_split();
    let mut lines = BufReader::new(reader).lines();
    let greeting = lines.next_line().await.unwrap().unwrap();
    assert_eq!(greeting, format!(r#"{{"protocol":1,"pid":{}}}"#, std::process::id()));
    writer.write_all(b"hello\n{\"ask\":\"fly\"}\n{\"ask\":\"apply\"}\n").await.unwrap();
    let mut answers = String::new();
    for _ in 0..3 {
        answers += &(lines.next_line().await.unwrap().unwrap() + "\n");
    }
    expect![[r#"
        {"answer":"refused","reason":"not a question: expected value at line 1 column 1"}
        {"answer":"refused","reason":"not a question: unknown variant `fly`, expected one of `apply`, `status`, `drain`, `drain_backend`, `stop` at line 1 column 12"}
        {"answer":"applied","generation":1,"unbound":[]}
    "#]]
    .assert_eq(&answers);
}

#[tokio::test]
async fn a_second_gateway_on_the_same_directory_names_the_first() {
    let (house, _backend) = carrying().await;
    let error = run(house.dir.path()).await.unwrap_err();
    assert!(matches!(error, GatewayError::AlreadyRuns { .. }));
    let text = error.to_string().replace(house.dir.path().to_str().unwrap(), "DIR");
    assert_eq!(text, format!("a gateway (process {}) already serves DIR", std::process::id()));
    assert_eq!(get(house.address, "/").await.backend, "old");
}

#[tokio::test]
async fn no_gateway_is_told_as_such() {
    let error =
        qnt9_cluster::gateway::Control::connect(Path::new("/nonexistent")).await.unwrap_err();
    expect!["no gateway answers at /nonexistent/gateway.sock"].assert_eq(&error.to_string());
}

#[tokio::test]
async fn a_directory_may_lie_deeper_than_a_socket_address_is_long() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("d".repeat(120)).join("e".repeat(120));
    let running = house::start(&deep);
    house::connect(&deep).await.stop().await.unwrap();
    running.await.unwrap().unwrap();
}
