//! What is where.

use qnt9_server::api::shapes::{DeploymentShape, EnvironmentShape, PlaceShape};

use super::deployments::stands;
use super::{Clock, Table};

/// Each environment with what serves, what is on its way and by which rules.
pub fn list(environments: &[EnvironmentShape], clock: &Clock) -> String {
    if environments.is_empty() {
        return "no environments: the project's qnt9.toml declares none\n".to_owned();
    }
    let shown = environments.iter().map(|one| environment(one, clock));
    shown.collect::<Vec<_>>().join("\n")
}

fn environment(environment: &EnvironmentShape, clock: &Clock) -> String {
    let mut table = Table::bare();
    let mut add = |what: &str, text: String| table.row([what.to_owned(), text]);
    for place in &environment.services {
        add("serves", serves(place, clock));
        if let Some(url) = &place.url {
            add("at", url.clone());
        }
        if let Some(rollout) = &place.rollout {
            add("rollout", rolls_out(rollout));
        }
    }
    if environment.services.is_empty() {
        add("serves", "nothing yet".to_owned());
    }
    for run in &environment.waiting {
        add("waits", format!("run {run} for its gates"));
    }
    if let Some(run) = environment.held_by {
        add("held by", format!("run {run}"));
    }
    for (number, rule) in environment.rules.iter().enumerate() {
        add(if number == 0 { "rules" } else { "" }, rule.clone());
    }
    format!("{}\n{}", environment.name, table.text(2, ""))
}

fn serves(place: &PlaceShape, clock: &Clock) -> String {
    let Some(serving) = &place.serving else { return format!("{}: nothing yet", place.service) };
    let since = clock.relative(serving.finished.unwrap_or(serving.requested));
    let rollback = if serving.rollback { ", a rollback" } else { "" };
    let (service, release) = (&place.service, serving.release.short());
    format!("{service} {release}{}, {since} by {}{rollback}", commit(serving), serving.by)
}

fn rolls_out(rollout: &DeploymentShape) -> String {
    let release = rollout.release.short();
    format!("deployment {}: {release}{}, {}", rollout.id, commit(rollout), stands(rollout))
}

/// ` of 9f03c1a`, where the commit is known.
fn commit(deployment: &DeploymentShape) -> String {
    let commit = deployment.commit.as_ref();
    commit.map(|commit| format!(" of {}", commit.short())).unwrap_or_default()
}
