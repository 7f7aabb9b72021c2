//! Deployments, releases and rollbacks.

use qnt9_server::api::shapes::{DeploymentShape, ReleaseShape, RollbackShape, RolloutState};

use super::{Clock, Table, count, cut};

/// Digits of a digest in lists: enough to name the release to `qnt9 rollback --to`.
const DIGEST_DIGITS: usize = 12;
/// Reasons and titles are cut to this.
const TEXT_CHARS_MAX: usize = 120;

/// A line per deployment, and below it why it went wrong.
pub fn list(deployments: &[DeploymentShape], clock: &Clock) -> String {
    if deployments.is_empty() {
        return "no deployments".to_owned();
    }
    let mut table = Table::new([
        "  ID",
        "ENVIRONMENT",
        "SERVICE",
        "RELEASE",
        "COMMIT",
        "STATE",
        "BY",
        "ASKED",
        "TOOK",
    ]);
    for one in deployments {
        let back = if one.rollback { " (rollback)" } else { "" };
        table.row([
            format!("{} {}", sign(one.state), one.id),
            one.environment.to_string(),
            one.service.clone(),
            digits(one.release.as_str()),
            one.commit.as_ref().map(|commit| commit.short().to_owned()).unwrap_or_default(),
            format!("{}{back}", stands(one)),
            one.by.clone(),
            clock.relative(one.requested),
            clock.took(one.requested, one.finished),
        ]);
    }
    let mut lines = table.lines();
    // From the last to the first, so that the places of those before do not move.
    for (row, one) in deployments.iter().enumerate().rev() {
        if let Some(reason) = &one.reason {
            let reason = format!("    {}", cut(reason, TEXT_CHARS_MAX));
            lines.insert(row + 2, reason);
        }
    }
    lines.join("\n")
}

/// Where a rollout stands, in words.
pub fn stands(deployment: &DeploymentShape) -> String {
    let DeploymentShape { ready, replicas, percent, percent_reached, .. } = deployment;
    match deployment.state {
        RolloutState::Starting if deployment.awaits_promotion => {
            let preview = deployment.preview.as_deref().unwrap_or("its preview");
            format!("waits at {preview} to be promoted")
        }
        RolloutState::Starting => format!("{ready} of {replicas} replicas healthy"),
        RolloutState::Moving if deployment.verdict_reason.is_empty() => {
            format!("{percent} % of the traffic")
        }
        RolloutState::Moving => {
            format!("{percent} % of the traffic, {}", deployment.verdict_reason)
        }
        RolloutState::Succeeded => "succeeded".to_owned(),
        RolloutState::RolledBack => format!("rolled back at {percent_reached} %"),
        RolloutState::Failed => "failed".to_owned(),
    }
}

const fn sign(state: RolloutState) -> char {
    match state {
        RolloutState::Starting | RolloutState::Moving => super::AT_WORK,
        RolloutState::Succeeded => '✓',
        RolloutState::RolledBack | RolloutState::Failed => '✗',
    }
}

/// A line per release.
pub fn releases(releases: &[ReleaseShape], clock: &Clock) -> String {
    let mut table = Table::new(["RELEASE", "SERVICE", "COMMIT", "SIZE", "BUILT", "BY", "SERVES"]);
    for one in releases {
        let serves: Vec<&str> = one.serves.iter().map(|name| name.as_str()).collect();
        table.row([
            digits(one.digest.as_str()),
            one.service.clone(),
            one.commit.short().to_owned(),
            size(one.bytes),
            clock.relative(one.built),
            one.by.clone(),
            serves.join(", "),
        ]);
    }
    table.text(0, "no releases")
}

/// What a rollback does, or would do.
pub fn rollback(environment: &str, shape: &RollbackShape) -> String {
    let verb = if shape.deployment.is_some() { "goes back" } else { "would go back" };
    let from = shape.from.as_ref().map(|from| format!(" from {}", from.short()));
    let commit = shape.commit.as_ref().map(|commit| format!(" of {}", commit.short()));
    let mut text = format!(
        "{environment} {verb}{} to {}{}: {} of {}\n",
        from.unwrap_or_default(),
        shape.to.short(),
        commit.unwrap_or_default(),
        count(shape.replicas as usize, "replica"),
        shape.service
    );
    if shape.warm {
        text.push_str("its replicas were kept: all traffic moves at once\n");
    } else if !shape.steps.is_empty() {
        let steps: Vec<String> = shape.steps.iter().map(|step| format!("{step} %")).collect();
        let steps = steps.join(", ");
        text.push_str(&format!("traffic: {steps}, as soon as they are healthy\n"));
    }
    text.push_str(&format!("gates: {}\n", shape.gates));
    for line in &shape.not_undone {
        text.push_str(&format!("not undone: {line}\n"));
    }
    if !shape.undone.is_empty() {
        let stop = if shape.undone.len() == 1 { "stops" } else { "stop" };
        let commits = count(shape.undone.len(), "commit");
        text.push_str(&format!("\n{commits} {stop} being live:\n"));
        let mut table = Table::bare();
        for commit in &shape.undone {
            let sha = commit.sha.short().to_owned();
            table.row([sha, commit.author.clone(), cut(&commit.title, TEXT_CHARS_MAX)]);
        }
        text.push_str(&table.text(2, ""));
    }
    text
}

fn digits(digest: &str) -> String {
    digest.trim_start_matches("sha256:").chars().take(DIGEST_DIGITS).collect()
}

/// `9.4 MB`.
fn size(bytes: u64) -> String {
    let units = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "kB")];
    let unit = units.into_iter().find(|(length, _)| bytes >= *length);
    unit.map_or_else(
        || format!("{bytes} B"),
        |(length, unit)| format!("{}.{} {unit}", bytes / length, bytes % length * 10 / length),
    )
}
