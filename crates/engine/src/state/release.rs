//! Releases, and what is known of them: evidence and plans.

use qnt9_model::plan::PlanSummary;
use qnt9_model::{Actor, CallKey, EnvironmentName, Millis, ReleaseDigest, Sha, UserText};
use serde::{Deserialize, Serialize};

/// A release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// Its digest.
    pub digest: ReleaseDigest,
    /// The service.
    pub service: String,
    /// Further services that run from it.
    pub further: Vec<String>,
    /// The commit.
    pub commit: Sha,
    /// Digests of its configuration.
    pub configuration: Vec<(String, String)>,
    /// Bytes.
    pub bytes: u64,
    /// When it was built.
    pub built: Millis,
    /// By which job.
    pub by: Actor,
}

impl Release {
    /// All services that run from it.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.service).chain(&self.further).map(String::as_str)
    }
}

/// Something proved or not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The call that recorded it.
    pub call: Option<CallKey>,
    /// What kind.
    pub kind: String,
    /// Where.
    pub environment: Option<EnvironmentName>,
    /// Of which commit.
    pub commit: Sha,
    /// Of which release.
    pub release: Option<ReleaseDigest>,
    /// Whether it passed.
    pub passed: bool,
    /// Figures.
    pub summary: String,
    /// The time scale it was made under.
    pub time_scale: u32,
    /// When.
    pub at: Millis,
    /// Why it failed, as a person wrote it down.
    pub cause: Option<Cause>,
}

impl Evidence {
    /// Whether it failed and nobody has written down why.
    #[must_use]
    pub fn is_unexplained(&self) -> bool {
        !self.passed && self.cause.is_none()
    }
}

/// Why something failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// Who wrote it.
    pub by: String,
    /// What they wrote.
    pub text: UserText,
    /// When.
    pub at: Millis,
}

/// A recorded plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The call that recorded it.
    pub call: CallKey,
    /// Its hash.
    pub hash: String,
    /// What it would do.
    pub summary: PlanSummary,
    /// When.
    pub at: Millis,
}
