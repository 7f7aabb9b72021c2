//! Notifications.

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
    /// Tries that failed, and the last one's reason.
    pub failures: u32,
    /// The last failure.
    pub failure: Option<String>,
}
