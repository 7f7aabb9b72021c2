//! The reference system from push to production without a person and without a failed request; then,
//! in a second life of the same platform, a bad release that is rolled back at its first step.

use anyhow::{Result, ensure};
use serde_json::Value;

use super::Options;
use super::platform::Ground;
use crate::tools;

/// Seconds of its own that a whole delivery may take.
const OWN_S_MAX: f64 = 30.0;

pub(super) fn prove(options: &Options) -> Result<()> {
    let ground = Ground::new(options, "delivery")?;
    let (summary, status) = ground.up(&["--exit"])?.end()?;
    tell("delivery", &summary);
    ensure!(status.success(), "it ended with {status}");
    ensure!(summary["result"] == "success", "it did not succeed");
    ensure!(summary["production"]["requests"].as_u64() > Some(0), "production had no users");
    ensure!(summary["production"]["failed"] == 0, "requests failed");
    ensure!(summary["rollback"].is_null(), "something was rolled back");
    ensure!(summary["totals"]["own_s"].as_f64() < Some(OWN_S_MAX), "over {OWN_S_MAX} s of its own");
    let serves = summary["production"]["release"].clone();

    let (summary, status) = ground.up(&["--exit", "--bad-release"])?.end()?;
    tell("bad release", &summary);
    ensure!(status.success(), "it ended with {status}");
    ensure!(summary["rollback"]["at_percent"] == 5, "it was not rolled back at 5 %");
    ensure!(summary["production"]["release"] == serves, "production serves another release");
    ground.clear()
}

fn tell(what: &str, summary: &Value) {
    let (totals, production) = (&summary["totals"], &summary["production"]);
    tools::say(&format!(
        "{what}: {}; {} s own, {} s waiting, {} s the user's; {} requests, {} failed; rollback {}",
        summary["result"],
        totals["own_s"],
        totals["waiting_s"],
        totals["user_s"],
        production["requests"],
        production["failed"],
        summary["rollback"],
    ));
}
