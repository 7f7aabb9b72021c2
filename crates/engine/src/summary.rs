//! A deployment in one page of Markdown: what it brought, where, by whose word, by which plan, through
//! which gates, how its traffic moved, and how it would be taken back.

use std::fmt::Write as _;

use qnt9_model::fact::{DeploymentOutcome, Direction};
use qnt9_model::policy::Strategy;
use qnt9_model::{Actor, Millis};

use crate::calendar;
use crate::gates::duration;
use crate::rollback::RollbackPlan;
use crate::rollout::companions;
use crate::state::{Deployment, LegState, Project, Run};

/// Commits that are listed by their titles.
const COMMITS_MAX: usize = 20;
/// Letters of the bar that stands for all traffic.
const BAR_CHARS: u32 = 20;
const UTC: &str = "UTC";

/// What became of it, in one line.
#[must_use]
pub fn title(project: &Project, of: &Deployment) -> String {
    let release = of.release.short();
    let commit = project.releases.get(&of.release).map(|release| release.commit.short());
    let commit = commit.map(|commit| format!(" of {commit}")).unwrap_or_default();
    let environment = &of.place.environment;
    match &of.outcome {
        None => format!("{release}{commit} goes to {environment}"),
        Some((DeploymentOutcome::Succeeded, _)) => match of.direction {
            Direction::Forward => format!("{release}{commit} serves {environment}"),
            Direction::Rollback => format!("{environment} is back at {release}{commit}"),
        },
        Some((DeploymentOutcome::RolledBack { at_percent, .. }, _)) => {
            format!("{release}{commit} was taken back from {environment} at {at_percent} %")
        }
        Some((DeploymentOutcome::Failed { .. }, _)) => {
            format!("{release}{commit} did not come up in {environment}")
        }
    }
}

/// The page, without its title.
#[must_use]
pub fn markdown(project: &Project, of: &Deployment) -> String {
    let mut text = String::new();
    what(&mut text, project, of);
    permission(&mut text, project, of);
    plan(&mut text, project, of);
    text.push_str("\n### Rollout\n\n```\n");
    rollout(&mut text, of);
    for other in companions(project, of) {
        rollout(&mut text, other);
    }
    text.push_str("```\n");
    after(&mut text, of);
    text.push_str("\n### Rollback plan\n\n");
    for line in RollbackPlan::of_deployment(project, of).lines() {
        item(&mut text, &line);
    }
    text
}

fn what(text: &mut String, project: &Project, of: &Deployment) {
    let release = project.releases.get(&of.release);
    let mut rows = vec![("Environment", of.place.environment.to_string())];
    let services = companions(project, of).map(|other| other.place.service.as_str());
    let services: Vec<&str> = std::iter::once(of.place.service.as_str()).chain(services).collect();
    rows.push(("Service", services.join(", ")));
    rows.push(("Release", format!("`{}`", of.release)));
    if let Some(release) = release {
        rows.push(("Commit", format!("`{}`", release.commit)));
        let configuration = release.configuration.iter();
        rows.extend(configuration.map(|(_, digest)| ("Configuration", format!("`{digest}`"))));
    }
    let run = run_of(project, of);
    let by = run.map_or_else(|| of.by.to_string(), |run| run.cause.by().to_owned());
    rows.push(("Asked for", format!("{} by {by}", moment(of.requested))));
    if let Some(run) = run {
        rows.push(("Run", format!("{} ({})", run.id, run.name)));
    }
    rows.push(("Outcome", outcome(of)));
    text.push_str("| | |\n| --- | --- |\n");
    for (name, value) in rows {
        let _ = writeln!(text, "| {name} | {} |", in_cell(&value));
    }
    commits(text, project, of);
}

fn outcome(of: &Deployment) -> String {
    let Some((outcome, at)) = &of.outcome else { return "it goes on".to_owned() };
    let took = duration(at.since(of.requested).max(0));
    match outcome {
        DeploymentOutcome::Succeeded => format!("serves all traffic after {took}"),
        DeploymentOutcome::RolledBack { reason, at_percent } => {
            format!("taken back at {at_percent} % after {took}: {reason}")
        }
        DeploymentOutcome::Failed { reason } => format!("failed after {took}: {}", reason.show()),
    }
}

fn commits(text: &mut String, project: &Project, of: &Deployment) {
    let commit_of = |deployment: &Deployment| {
        project.releases.get(&deployment.release).map(|release| release.commit.clone())
    };
    let previous = of.previous.and_then(|id| project.deployments.get(&id)).and_then(commit_of);
    let (Some(head), Direction::Forward) = (commit_of(of), of.direction) else { return };
    let commits = project.commits_between(previous.as_ref(), &head);
    if commits.is_empty() {
        return;
    }
    let count = commits.len();
    let since = previous.map(|previous| format!(" since {}", previous.short()));
    let _ = writeln!(text, "\n### Commits ({count}{})\n", since.unwrap_or_default());
    for commit in commits.iter().take(COMMITS_MAX) {
        let (sha, title) = (commit.sha.short(), commit.title.show());
        item(text, &format!("`{sha}` {title} ({})", commit.author));
    }
    if count > COMMITS_MAX {
        item(text, &format!("and {} more", count - COMMITS_MAX));
    }
}

/// By whose word it went: the gates as they stood, and who approved.
fn permission(text: &mut String, project: &Project, of: &Deployment) {
    text.push_str("\n### Gates\n\n");
    let Some(leg) = leg_of(project, of) else {
        let by = match &of.by {
            Actor::Platform => {
                "by itself: what served before did badly while it was watched".into()
            }
            by => format!("by the word of {by}; no gate is asked"),
        };
        return item(text, &by);
    };
    match &leg.opened {
        None => item(text, "they never opened"),
        Some((at, _, proof)) => {
            let waited = duration(at.since(leg.queued).max(0));
            item(text, &format!("opened {} after {waited}", moment(*at)));
            let _ = writeln!(text, "\n```\n{}\n```", proof.join("\n"));
        }
    }
    let approved = leg.approvals.iter().filter(|approval| approval.approved);
    let approved: Vec<String> = approved
        .map(|approval| {
            let plan = approval.rollback_plan.as_ref().and_then(|digest| digest.get(..12));
            let plan = plan.map(|plan| format!(", rollback plan `{plan}`")).unwrap_or_default();
            let comment = approval.comment.as_ref().map(|text| format!(": {}", text.show()));
            let comment = comment.unwrap_or_default();
            format!("{} approved {}{plan}{comment}", approval.person, moment(approval.at))
        })
        .collect();
    if !approved.is_empty() {
        text.push('\n');
    }
    approved.iter().for_each(|line| item(text, line));
}

fn plan(text: &mut String, project: &Project, of: &Deployment) {
    let run = of.call.as_ref().map(|call| call.attempt.run);
    let key = run.map(|run| (run, of.place.environment.clone()));
    let Some(plan) = key.and_then(|key| project.plans.get(&key)) else { return };
    let summary = &plan.summary;
    let _ = writeln!(
        text,
        "\n### Terraform plan\n\n{} to add, {} to change, {} to destroy (`{}`)",
        summary.add, summary.change, summary.destroy, plan.hash
    );
    if !summary.lines.is_empty() {
        text.push('\n');
    }
    for line in &summary.lines {
        let action = format!("{:?}", line.action).to_lowercase();
        item(text, &format!("{action} `{}`", line.address));
    }
}

/// How its traffic moved, as bars.
fn rollout(text: &mut String, of: &Deployment) {
    let strategy = match of.terms.strategy {
        Strategy::ByShare if of.steps.len() > 1 => "canary".to_owned(),
        Strategy::ByShare => "all at once".to_owned(),
        Strategy::BlueGreen { .. } => "blue-green".to_owned(),
        Strategy::Rolling { .. } => "rolling".to_owned(),
    };
    let replicas = match of.replicas {
        1 => "1 replica".to_owned(),
        many => format!("{many} replicas"),
    };
    let _ = writeln!(text, "{}: {strategy}, {replicas}", of.place.service);
    if let Some((passed, report)) = &of.smoke {
        let how = if *passed { "passed" } else { "failed" };
        let _ = writeln!(text, "  smoke tests {how}");
        for line in report.show().lines() {
            let _ = writeln!(text, "    {line}");
        }
    }
    if let Some((by, at)) = &of.promoted {
        let after = duration(at.since(of.requested).max(0));
        let _ = writeln!(text, "  promoted by {by} after {after}");
    }
    for (at, percent) in &of.history {
        let filled = percent * BAR_CHARS / 100;
        let bar = "█".repeat(filled as usize) + &"░".repeat((BAR_CHARS - filled) as usize);
        let after = duration(at.since(of.requested).max(0));
        let _ = writeln!(text, "  {bar} {percent:>3} % after {after}");
    }
    if !of.verdict_reason.is_empty() {
        let _ = writeln!(text, "  the judge: {}", of.verdict_reason);
    }
}

fn after(text: &mut String, of: &Deployment) {
    let (Some(watched), Some(rule)) = (&of.watched, &of.terms.watch) else {
        if let Some(rule) = &of.terms.watch {
            let _ = writeln!(text, "\nIt is watched for {} from then on.", duration(rule.for_ms));
        }
        return;
    };
    let until = watched.ended.unwrap_or(watched.until);
    let long = duration(until.since(watched.since).max(0));
    let stands = if watched.ended.is_some() { "was watched for" } else { "is watched for" };
    let _ =
        writeln!(text, "\nIt {stands} {long} (of {}): {}", duration(rule.for_ms), watched.reason);
}

fn run_of<'a>(project: &'a Project, of: &Deployment) -> Option<&'a Run> {
    project.runs.get(&of.call.as_ref()?.attempt.run)
}

fn leg_of<'a>(project: &'a Project, of: &Deployment) -> Option<&'a LegState> {
    run_of(project, of)?.legs.get(&of.call.as_ref()?.attempt.job)
}

fn moment(at: Millis) -> String {
    calendar::moment(at, UTC)
}

fn item(text: &mut String, line: &str) {
    let _ = writeln!(text, "- {}", line.replace('\n', "\n  "));
}

/// A table's cell holds one line, and no bars of its own.
fn in_cell(value: &str) -> String {
    value.lines().next().unwrap_or_default().replace('|', "\\|")
}
