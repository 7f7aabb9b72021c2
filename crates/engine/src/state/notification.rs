//! Notifications.

use qnt9_model::limits::{DELIVERY_PAUSE_FACTOR, DELIVERY_PAUSE_MS};
use qnt9_model::{Actor, CallKey, Millis, UserText};
use serde::{Deserialize, Serialize};

/// A notification.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    /// The call that posted it.
    pub call: Option<CallKey>,
    /// Its title.
    pub title: UserText,
    /// Its text.
    pub text: UserText,
    /// Where it goes.
    pub webhook: Option<UserText>,
    /// When it was posted.
    pub posted: Millis,
    /// By whom.
    pub by: Actor,
    /// When it was delivered.
    pub delivered: Option<Millis>,
    /// How often and why it was not delivered.
    pub delivery: Delivery,
}

/// How reaching somebody outside has failed so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// Tries that failed.
    pub failures: u32,
    /// The last failure.
    pub failure: Option<String>,
    /// When the next try is due.
    pub retry: Option<Millis>,
}

impl Delivery {
    /// Notes a try that failed; the next one is due after a pause that grows up to `longest_ms`.
    pub(crate) fn failed(&mut self, at: Millis, reason: &str, longest_ms: i64) {
        let growth = DELIVERY_PAUSE_FACTOR.saturating_pow(self.failures);
        let pause = DELIVERY_PAUSE_MS.saturating_mul(growth).min(longest_ms);
        self.failures += 1;
        self.failure = Some(reason.to_owned());
        self.retry = Some(at.plus(pause));
    }
}
