use std::sync::atomic::AtomicU64;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::scenario::tests::scenario;

pub(crate) const TEXT: &str = r#"
    thresholds = { p95_ms = 1 }
    [[request]]
    name = "homepage"
    path = "/"
    [[request]]
    name = "search"
    method = "POST"
    path = "/search"
    json = '{"query": "AAPL"}'
    expect_status = 404
"#;

/// Answers requests one after the other: `/` with 200, anything else with 404; breaks off every
/// `break_off`th one, if that is not 0.
pub(crate) async fn service(break_off: u64) -> (Target, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::from(listener.local_addr().unwrap());
    let connections = Arc::new(AtomicU64::new(0));
    let (count, asked) = (connections.clone(), Arc::new(AtomicU64::new(0)));
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::Relaxed);
            let asked = asked.clone();
            tokio::spawn(async move {
                let mut bytes = [0; 4096];
                while let Ok(read @ 1..) = stream.read(&mut bytes).await {
                    let number = asked.fetch_add(1, Ordering::Relaxed) + 1;
                    if break_off > 0 && number.is_multiple_of(break_off) {
                        return;
                    }
                    let request = std::str::from_utf8(&bytes[..read]).unwrap();
                    let status = if request.starts_with("GET / ") { "200 OK" } else { "404 No" };
                    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 5\r\n\r\nhello");
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    if request.contains("connection: close") {
                        return;
                    }
                }
            });
        }
    });
    (target, connections)
}

#[tokio::test]
async fn users_keep_their_connections_and_everything_is_counted() {
    let (target, connections) = service(0).await;
    let plan = Plan { users: 5, duration: Duration::from_millis(1300), ..Plan::default() };
    let mut told = Vec::new();
    let measured = run(&target, &scenario(TEXT), &plan, |now| told.push(*now)).await.unwrap();
    assert_eq!(measured.failed, 0, "{:?}", measured.failures);
    assert!(measured.requests > 100, "{measured:?}");
    assert_eq!((measured.connections, connections.load(Ordering::Relaxed)), (5, 5));
    let [homepage, search] = &measured.names[..] else { panic!("{measured:?}") };
    assert_eq!(homepage.requests + search.requests, measured.requests);
    assert!(homepage.requests > 0 && search.requests > 0);
    let [told] = told[..] else { panic!("one second has passed, told {told:?}") };
    assert_eq!((told.users, told.failed), (5, 0));
    assert_eq!(told.rate, told.requests);
    assert_eq!(
        measured.seconds.iter().map(|second| second.requests).sum::<u64>(),
        measured.requests
    );
}

#[tokio::test]
async fn lost_connections_are_failures_and_the_user_goes_on() {
    let (target, _) = service(10).await;
    let plan = Plan { users: 2, duration: Duration::from_millis(300), ..Plan::default() };
    let measured = run(&target, &scenario(TEXT), &plan, |_| ()).await.unwrap();
    assert!(measured.requests > 20, "{measured:?}");
    assert_eq!(measured.failures.keys().collect::<Vec<_>>(), ["connection lost"]);
    assert_eq!(measured.failed, measured.requests / 10, "every tenth, and never tried again");
}

#[tokio::test]
async fn another_status_than_expected_is_a_failure() {
    let (target, _) = service(0).await;
    let text = TEXT.replace("expect_status = 404", "");
    let plan = Plan { duration: Duration::from_millis(100), ..Plan::default() };
    let measured = run(&target, &scenario(&text), &plan, |_| ()).await.unwrap();
    assert_eq!(measured.failures.keys().collect::<Vec<_>>(), ["status 404"]);
    assert_eq!(measured.names[1].failed, measured.names[1].requests);
    assert_eq!(measured.names[0].failed, 0);
}

#[tokio::test]
async fn nobody_there_is_a_measurement() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::from(listener.local_addr().unwrap());
    drop(listener);
    let plan = Plan { duration: Duration::from_millis(100), ..Plan::default() };
    let measured = run(&target, &scenario(TEXT), &plan, |_| ()).await.unwrap();
    assert!(measured.requests > 0);
    assert_eq!(measured.failures["connection refused"], measured.requests);
    assert_eq!(measured.times, None);
}

#[tokio::test]
async fn silence_is_a_timeout_with_its_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::from(listener.local_addr().unwrap());
    let plan = Plan {
        duration: Duration::from_millis(50),
        answer_timeout: Duration::from_millis(80),
        ..Plan::default()
    };
    let measured = run(&target, &scenario(TEXT), &plan, |_| ()).await.unwrap();
    assert_eq!((measured.requests, measured.failures["timeout"]), (1, 1));
    assert!(measured.times.unwrap().p95_ms >= 80.0);
}

#[tokio::test]
async fn without_users_nothing_is_sent() {
    let (target, connections) = service(0).await;
    let plan = Plan { users: 0, ..Plan::default() };
    let measured = run(&target, &scenario(TEXT), &plan, |_| ()).await.unwrap();
    assert_eq!((measured.requests, connections.load(Ordering::Relaxed)), (0, 0));
}

proptest! {
    #[test]
    fn users_come_evenly_stay_together_and_leave_evenly(
        users in 1..200u64, up in 0..100u64, hold in 1..100u64, down in 0..100u64,
    ) {
        let second = Duration::from_secs;
        let plan = Plan {
            users, ramp_up: second(up), duration: second(hold), ramp_down: second(down),
            ..Plan::default()
        };
        prop_assert_eq!(plan.users_at(plan.length()), 0);
        prop_assert_eq!(plan.users_at(second(up)), users);
        prop_assert_eq!(plan.users_at(second(up + hold) - Duration::from_millis(1)), users);
        for at in 1..=up {
            let fair = users as f64 * at as f64 / up as f64;
            prop_assert!((plan.users_at(second(at)) as f64 - fair).abs() <= 1.0);
        }
        for at in 0..down {
            let fair = users as f64 * (down - at) as f64 / down as f64;
            let present = plan.users_at(second(up + hold + at)) as f64;
            prop_assert!((present - fair).abs() <= 1.0, "{present} for {fair}");
        }
    }
}
