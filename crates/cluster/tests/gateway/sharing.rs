//! Traffic is shared out exactly by weight.

use std::collections::BTreeMap;

use super::backend::Backend;
use super::client::{self, Mode};
use super::house::{House, arm, get};

async fn shares(weights: &[(&str, u32)], requests: u64, workers: u64) -> BTreeMap<String, u64> {
    let mut house = House::new().await;
    let mut backends = Vec::new();
    for (name, _) in weights {
        backends.push(Backend::start(name).await);
    }
    let arms = weights.iter().zip(&backends).map(|((name, weight), b)| arm(name, *weight, &[b]));
    house.carry(arms.collect()).await;
    let tally = client::run(house.address, Mode::KeepAlive, requests, 5_000, workers).await;
    assert_eq!(tally.failures, Vec::<String>::new());
    tally.answered
}

fn counts<const N: usize>(counts: [(&str, u64); N]) -> BTreeMap<String, u64> {
    counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_are_exact_also_with_clients_at_once_and_zero_gets_nothing() {
    let got = shares(&[("a", 70), ("b", 30), ("c", 0)], 500, 10).await;
    assert_eq!(got, counts([("a", 350), ("b", 150)]));
    let got = shares(&[("new", 5), ("old", 95)], 1000, 10).await;
    assert_eq!(got, counts([("new", 50), ("old", 950)]));
}

#[tokio::test]
async fn replicas_of_an_arm_take_turns() {
    let mut house = House::new().await;
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    house.carry(vec![arm("release", 1, &[&one, &two])]).await;
    let mut got: BTreeMap<String, u64> = BTreeMap::new();
    for _ in 0..20 {
        *got.entry(get(house.address, "/").await.backend).or_default() += 1;
    }
    assert_eq!(got, counts([("one", 10), ("two", 10)]));
}

#[tokio::test]
async fn a_busy_replica_is_spared() {
    let mut house = House::new().await;
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    house.carry(vec![arm("release", 1, &[&one, &two])]).await;
    let address = house.address;
    let slow = tokio::spawn(async move { get(address, "/slow/300").await.backend });
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let mut others = Vec::new();
    for _ in 0..6 {
        others.push(get(address, "/").await.backend);
    }
    let busy = slow.await.unwrap();
    assert!(others.iter().all(|other| *other != busy), "{busy} was busy, asked {others:?}");
}
