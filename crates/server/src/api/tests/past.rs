//! Back in time: the board as it stood, and what cannot be shown.

use http::StatusCode;
use qnt9_model::Millis;
use serde_json::{Value, json};

use super::site::{Site, project};
use crate::machine::now;
use crate::past::When;

async fn at(site: &Site, query: &str) -> Value {
    site.get(&project(&format!("/status?{query}")), &site.token("vic")).await.ok()
}

fn newest(site: &Site) -> u64 {
    site.core.read(|state| state.sequence(&"shop".into()))
}

/// Every fact of the project's past, folded alone, is what the machine had when it was recorded.
#[tokio::test]
async fn each_moment_is_the_state_that_the_machine_had_then() {
    let site = Site::new().await;
    let stream = "shop".into();
    let mut seen = vec![(newest(&site), site.core.read(|state| state.projects[&stream].clone()))];
    let (run, _) = site.gated().await;
    seen.push((newest(&site), site.core.read(|state| state.projects[&stream].clone())));
    let approve = project(&format!("/runs/{run}/approve"));
    site.post(&approve, &site.token("alice"), &json!({})).await.ok();
    seen.push((newest(&site), site.core.read(|state| state.projects[&stream].clone())));
    // In an order in which what was folded before helps, and does not.
    for order in [[2, 0, 1], [0, 1, 2], [1, 2, 0]] {
        for (fact, then) in order.map(|index: usize| &seen[index]) {
            let moment = site.core.past(&stream, When::Entry(*fact)).await.unwrap();
            assert_eq!(moment.last.sequence, *fact);
            assert!(moment.state.projects[&stream] == *then, "fact {fact}");
            assert_eq!(moment.state.projects.len(), 1, "another project's past is its own");
            assert!(moment.state.platform.people.contains_key("alice"));
        }
    }
}

#[tokio::test]
async fn the_board_of_an_earlier_moment_names_it_and_its_neighbours() {
    let site = Site::new().await;
    let (run, _) = site.gated().await;
    let waiting = newest(&site);
    let approve = project(&format!("/runs/{run}/approve"));
    site.post(&approve, &site.token("alice"), &json!({})).await.ok();
    let today = at(&site, "").await;
    assert_eq!((&today["then"], &today["waiting"]), (&Value::Null, &json!([])));
    let then = at(&site, &format!("fact={waiting}")).await;
    assert_eq!(then["waiting"][0]["run"], json!(run));
    assert_eq!(then["waiting"][0]["environment"], "production");
    assert_eq!(then["runs"][0]["waits_for"], json!(["production"]));
    assert_eq!(then["then"]["previous"], waiting - 1);
    assert_eq!(then["then"]["next"], waiting + 1);
    assert_eq!(then["then"]["newest"], newest(&site));
    // A moment is that of the last fact by then, and facts of one millisecond go together.
    let recorded = then["then"]["recorded"].as_i64().unwrap();
    let same = at(&site, &format!("at={recorded}")).await;
    assert!(same["then"]["fact"].as_u64().unwrap() >= waiting);
    let last = at(&site, &format!("at={}", now().0)).await;
    assert_eq!(
        (&last["then"]["fact"], &last["then"]["next"]),
        (&json!(newest(&site)), &json!(null))
    );
    assert_eq!(last["runs"], today["runs"]);
}

#[tokio::test]
async fn a_moment_that_cannot_be_shown_says_why() {
    let site = Site::new().await;
    let first = at(&site, "fact=1").await["then"]["recorded"].as_i64().unwrap();
    let (before, later) = (first - 1, Millis(now().0 + 3_600_000).0);
    for (query, word) in [
        (format!("at={before}"), "no facts by then"),
        (format!("at={later}"), "still to come"),
        ("at=2999-01-01T00:00:00Z".to_owned(), "still to come"),
        ("fact=9999".to_owned(), "still to come"),
        ("fact=0".to_owned(), "still to come"),
        ("at=yesterday".to_owned(), "is no moment"),
        ("at=1&fact=1".to_owned(), "not both"),
    ] {
        let answer = site.get(&project(&format!("/status?{query}")), &site.token("vic")).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}: {}", answer.body);
        assert!(answer.body.contains(word), "{query}: {}", answer.body);
    }
    let nobody = site.get(&project("/status?fact=1"), "").await;
    assert_eq!(nobody.status, StatusCode::UNAUTHORIZED);
}
