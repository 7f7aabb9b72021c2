use super::*;
use crate::generator::tests::{TEXT, service};
use crate::scenario::tests::scenario;

fn plan(connections: Connections) -> SteadyPlan {
    SteadyPlan { rate: 200, connections, answer_timeout: Duration::from_secs(5), seed: 1 }
}

async fn half_a_second(connections: Connections, break_off: u64) -> (Measured, u64) {
    let (target, accepted) = service(break_off).await;
    let steady = Steady::start(&target, &scenario(TEXT), plan(connections)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(250)).await;
    let early = steady.counts();
    tokio::time::sleep(Duration::from_millis(250)).await;
    let measured = steady.stop().await;
    assert!(early.requests > 0 && early.requests < measured.requests, "{early:?}");
    // 0.5 s at 200/s; a busy machine may stop it a little later.
    assert!((95..=140).contains(&measured.requests), "{} requests", measured.requests);
    (measured, accepted.load(Ordering::Relaxed))
}

#[tokio::test]
async fn the_rate_is_kept_on_few_connections() {
    let (measured, accepted) = half_a_second(Connections::Kept, 0).await;
    assert_eq!(measured.failed, 0, "{:?}", measured.failures);
    assert!(accepted < measured.requests / 2, "{accepted} connections");
    assert_eq!(measured.dropped, 0);
}

#[tokio::test]
async fn every_request_may_have_its_own_connection() {
    let (measured, accepted) = half_a_second(Connections::OnePerRequest, 0).await;
    assert_eq!(measured.failed, 0, "{:?}", measured.failures);
    assert_eq!((measured.connections, accepted), (measured.requests, measured.requests));
}

#[tokio::test]
async fn broken_connections_count_as_failed() {
    let (measured, _) = half_a_second(Connections::Kept, 10).await;
    assert_eq!(measured.failed, measured.requests / 10);
    assert_eq!(measured.failures["connection lost"], measured.failed);
}

#[tokio::test]
async fn refused_connections_count_as_failed() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let target = Target::from(listener.local_addr().unwrap());
    drop(listener);
    let steady = Steady::start(&target, &scenario(TEXT), plan(Connections::Kept)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(steady.counts().failed > 0);
    let measured = steady.stop().await;
    assert_eq!(measured.failures["connection refused"], measured.requests);
}
