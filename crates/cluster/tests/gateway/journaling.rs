//! The journal says what clients met.

use std::time::Duration;

use qnt9_cluster::gateway::journal::Record;
use qnt9_model::DeploymentId;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::backend::Backend;
use super::house::{House, arm, get, place};

fn sum(records: &[Record], arm: &str) -> (u64, u64) {
    let of_arm = || records.iter().filter(|record| record.arm == arm);
    (of_arm().map(|record| record.requests).sum(), of_arm().map(|record| record.bad).sum())
}

#[tokio::test]
async fn each_arm_has_its_requests_and_the_bad_among_them() {
    let mut house = House::new().await;
    let (old, new) = (Backend::start("old").await, Backend::start("new").await);
    house.roll_out(7, vec![arm("old", 1, &[&old]), arm("new", 1, &[&new])]).await;
    for request in 0..20 {
        get(house.address, if request % 4 < 2 { "/fail" } else { "/" }).await;
    }
    house.roll_out(7, vec![arm("gone", 1, &[])]).await;
    get(house.address, "/").await;
    let records = house.stop().await;
    assert_eq!(sum(&records, "old"), (10, 5));
    assert_eq!(sum(&records, "new"), (10, 5));
    assert_eq!(sum(&records, "gone"), (1, 1), "no answer at all is bad");
    for record in &records {
        assert_eq!(record.place, place());
        assert_eq!(record.rollout, Some(DeploymentId(7)));
        assert_eq!(record.generation, if record.arm == "gone" { 20 } else { 10 });
        assert_eq!(record.latency.count(), record.requests);
    }
}

#[tokio::test]
async fn a_rollout_without_traffic_is_seen_and_silence_without_one_is_not() {
    let mut house = House::new().await;
    let backend = Backend::start("any").await;
    house.carry(vec![arm("any", 1, &[&backend])]).await;
    let address = house.address;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    house.roll_out(3, vec![arm("any", 95, &[&backend]), arm("new", 5, &[])]).await;
    get(address, "/").await;
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let records = house.stop().await;
    let new: Vec<_> = records.iter().filter(|record| record.arm == "new").collect();
    assert!(new.len() >= 2, "{records:?}");
    assert!(new.iter().all(|record| record.requests == 0 && record.generation == 20));
    assert!(new.windows(2).all(|pair| pair[0].window + 1 == pair[1].window));
    assert!(new[0].window > 1, "the first second had neither a rollout nor requests");
}

#[tokio::test]
async fn a_client_that_leaves_counts_only_after_it_has_waited() {
    let mut house = House::new().await;
    let backend = Backend::start("slow").await;
    house.roll_out(1, vec![arm("slow", 1, &[&backend])]).await;
    for patience_ms in [50, 1200] {
        let mut stream = TcpStream::connect(house.address).await.unwrap();
        stream.write_all(b"GET /slow/5000 HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        tokio::time::sleep(Duration::from_millis(patience_ms)).await;
    }
    house.roll_out(1, vec![]).await;
    assert_eq!(house.drain("slow", Duration::from_secs(3)).await, 0, "nobody waits any more");
    assert_eq!(sum(&house.stop().await, "slow"), (1, 1));
}
