//! What is going on, or was, on one screen.

use qnt9_server::api::shapes::{
    EnvironmentShape, MomentShape, PlaceShape, ProjectShape, StatusShape, WaitingShape,
};

use super::deployments::stands;
use super::{Clock, Table, WAITS, cut, runs, short_reference};

/// Where a rollout stands is cut to this; `qnt9 environments` says it in full.
const ROLLOUT_CHARS_MAX: usize = 40;
/// A problem's text is cut to this.
const PROBLEM_CHARS_MAX: usize = 160;
/// A fact's sentence is cut to this.
const FACT_CHARS_MAX: usize = 100;

/// A project, its environments, the runs that go on or ended last, and what gates hold.
pub fn text(status: &StatusShape, url: &str, clock: &Clock) -> String {
    let project = &status.project;
    let mut text = format!("{}   {}   {url}\n", project.name, branches(project));
    if let Some(then) = &status.then {
        text.push_str(&self::then(then, clock));
    }
    // What stood then is told as of then: what ran is not finished, what was recent is recent.
    let clock = &status.then.as_ref().map_or_else(|| clock.clone(), |then| clock.at(then.at));
    text.push('\n');
    text.push_str(&places(&status.environments, clock).text(2, "no environments"));
    text.push('\n');
    text.push_str(&runs::table(status.runs.iter(), clock).text(2, "no runs yet"));
    for waiting in &status.waiting {
        text.push_str(&self::waiting(waiting, clock));
    }
    for problem in &project.problems {
        let message = cut(&problem.message, PROBLEM_CHARS_MAX);
        let (path, commit) = (&problem.path, problem.commit.short());
        text.push_str(&format!("\n  ✗ {path} of {commit}: {message}\n"));
    }
    text
}

/// Which moment this is, and the way to the facts beside it.
fn then(then: &MomentShape, clock: &Clock) -> String {
    let at = clock.exact(then.at);
    let what = cut(&then.what, FACT_CHARS_MAX);
    let beside = match (then.previous, then.next) {
        (None, None) => String::new(),
        (Some(previous), None) => format!("; before it: --fact {previous}"),
        (None, Some(next)) => format!("; after it: --fact {next}"),
        (Some(previous), Some(next)) => format!("; before it: --fact {previous}, after: {next}"),
    };
    format!(
        "as it stood at {at}, after fact {} of {}{beside}\n  {}: {what}\n",
        then.fact, then.newest, then.by
    )
}

fn waiting(waiting: &WaitingShape, clock: &Clock) -> String {
    let WaitingShape { run, job, environment, .. } = waiting;
    let since = clock.relative(waiting.since);
    let head = format!("\n  {WAITS} {run}.{job} waits for {environment}, asked for {since}\n");
    let lines = waiting.missing.iter().map(|line| format!("      {line}\n"));
    head + &lines.collect::<String>()
}

fn branches(project: &ProjectShape) -> String {
    let heads = project.refs.iter().filter(|(name, _)| name.starts_with("refs/heads/"));
    let branches = heads.map(|(name, sha)| format!("{} {}", short_reference(name), sha.short()));
    branches.collect::<Vec<_>>().join(", ")
}

fn places(environments: &[EnvironmentShape], clock: &Clock) -> Table {
    let heads = ["ENVIRONMENT", "SERVES", "COMMIT", "SINCE", "BY", "ADDRESS", "NOW"];
    let mut table = Table::new(heads);
    for environment in environments {
        if environment.services.is_empty() {
            table.row(place(environment, None, clock));
        }
        for service in &environment.services {
            table.row(place(environment, Some(service), clock));
        }
    }
    table
}

fn place(
    environment: &EnvironmentShape,
    service: Option<&PlaceShape>,
    clock: &Clock,
) -> [String; 7] {
    let serving = service.and_then(|service| service.serving.as_ref());
    let rollout = service.and_then(|service| service.rollout.as_ref());
    let release = serving.map(|one| format!("{} {}", one.service, one.release.short()));
    let commit = serving.and_then(|one| one.commit.as_ref());
    let since = serving.map(|one| clock.relative(one.finished.unwrap_or(one.requested)));
    let waiting = environment.waiting.iter().map(|run| format!("run {run} waits"));
    let moving = rollout
        .map(|one| cut(&format!("{}: {}", one.release.short(), stands(one)), ROLLOUT_CHARS_MAX));
    let now: Vec<String> = waiting.chain(moving).collect();
    [
        environment.name.to_string(),
        release.unwrap_or_else(|| "nothing yet".to_owned()),
        commit.map(|commit| commit.short().to_owned()).unwrap_or_default(),
        since.unwrap_or_default(),
        serving.map(|one| one.by.clone()).unwrap_or_default(),
        service.and_then(|service| service.url.clone()).unwrap_or_default(),
        now.join("; "),
    ]
}
