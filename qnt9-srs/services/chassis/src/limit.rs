//! Rate limits: so many requests in any minute, by who asks.
//!
//! Each replica counts for itself, so two replicas together let twice as many through.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, StatusCode};
use ring::hmac;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::answer::ApiError;

pub const LOAD_TEST_HEADER: &str = "x-load-test-key";
const WINDOW: Duration = Duration::from_secs(60);
/// So many askers are told apart; beyond that, those who have asked nothing in this minute are forgotten.
const ASKERS_MAX: usize = 100_000;

/// What somebody may ask of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    Anonymous,
    Free,
    Paid,
}

impl Tier {
    /// Requests in any minute.
    pub fn requests_per_minute_max(self) -> usize {
        match self {
            Self::Anonymous => 10,
            Self::Free => 30,
            Self::Paid => 100,
        }
    }
}

/// Remembers who asked when, for one minute.
pub struct Limiter {
    load_test_key: Option<String>,
    asked: Mutex<HashMap<String, VecDeque<Instant>>>,
}

impl Limiter {
    /// `load_test_key` comes from [`crate::config::Config`], which has none in production.
    pub fn new(load_test_key: Option<String>) -> Self {
        Self { load_test_key, asked: Mutex::default() }
    }

    /// Counts a request of `asker`, or refuses it. A request that names the load-test key passes uncounted.
    pub fn pass(
        &self,
        tier: Tier,
        asker: &str,
        headers: &HeaderMap,
        now: Instant,
    ) -> Result<(), ApiError> {
        if self.is_load_test(headers) {
            return Ok(());
        }
        let max = tier.requests_per_minute_max();
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.len() >= ASKERS_MAX {
            asked.retain(|_, times| times.back().is_some_and(|last| now - *last < WINDOW));
        }
        let times = asked.entry(asker.to_owned()).or_default();
        while times.front().is_some_and(|first| now - *first >= WINDOW) {
            times.pop_front();
        }
        if let Some(first) = times.front().filter(|_| times.len() >= max) {
            let seconds = (WINDOW - (now - *first)).as_secs() + 1;
            return Err(ApiError::new(
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limited",
                format!("more than {max} requests in a minute; try again in {seconds} s"),
            )
            .with_details(json!({ "tier": tier, "requests_per_minute_max": max }))
            .retry_after(seconds));
        }
        times.push_back(now);
        Ok(())
    }

    fn is_load_test(&self, headers: &HeaderMap) -> bool {
        let Some(key) = &self.load_test_key else { return false };
        let Some(given) = headers.get(LOAD_TEST_HEADER) else { return false };
        // Comparing authentication codes takes the same time wherever the two differ.
        let secret = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
        hmac::verify(&secret, key.as_bytes(), hmac::sign(&secret, given.as_bytes()).as_ref())
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    fn passes(limiter: &Limiter, tier: Tier, asker: &str, now: Instant) -> bool {
        limiter.pass(tier, asker, &HeaderMap::new(), now).is_ok()
    }

    #[test]
    fn each_tier_has_its_number_in_any_minute() {
        for (tier, max) in [(Tier::Anonymous, 10), (Tier::Free, 30), (Tier::Paid, 100)] {
            let (limiter, start) = (Limiter::new(None), Instant::now());
            for n in 0..max {
                let now = start + Duration::from_millis(n * 10);
                assert!(passes(&limiter, tier, "a", now), "{tier:?}: request {n}");
            }
            assert!(!passes(&limiter, tier, "a", start + Duration::from_secs(59)), "{tier:?}");
            assert!(passes(&limiter, tier, "b", start), "{tier:?}: another asker");
            // The first request is a minute old, the second is not.
            let later = start + Duration::from_millis(60_005);
            assert!(passes(&limiter, tier, "a", later), "{tier:?}");
            assert!(!passes(&limiter, tier, "a", later), "{tier:?}");
        }
    }

    #[test]
    fn a_refusal_says_when_to_come_back() {
        let (limiter, start) = (Limiter::new(None), Instant::now());
        for _ in 0..10 {
            assert!(passes(&limiter, Tier::Anonymous, "a", start));
        }
        let now = start + Duration::from_secs(50);
        let refused = limiter.pass(Tier::Anonymous, "a", &HeaderMap::new(), now).unwrap_err();
        assert_eq!((refused.status.as_u16(), refused.retry_after_s), (429, Some(11)));
    }

    #[test]
    fn the_load_test_passes_with_its_key_and_only_where_there_is_one() {
        let start = Instant::now();
        let headers = |key: &str| {
            HeaderMap::from_iter([(LOAD_TEST_HEADER.parse().unwrap(), key.parse().unwrap())])
        };
        let times = |limiter: &Limiter, key: &str| {
            let pass = |_: &i32| limiter.pass(Tier::Anonymous, "a", &headers(key), start).is_ok();
            (0..50).filter(pass).count()
        };
        assert_eq!(times(&Limiter::new(Some(KEY.to_owned())), KEY), 50);
        assert_eq!(times(&Limiter::new(Some(KEY.to_owned())), "something else"), 10);
        assert_eq!(times(&Limiter::new(None), KEY), 10);
    }
}
