//! What is going on, on one screen.

use qnt9_server::api::shapes::{EnvironmentShape, PlaceShape, ProjectShape, RunShape};
use serde::Serialize;

use super::deployments::stands;
use super::{Clock, Table, cut, runs, short_reference};

/// Ended runs that are shown beside those that go on.
const ENDED_RUNS_SHOWN: usize = 5;
/// Where a rollout stands is cut to this; `qnt9 environments` says it in full.
const ROLLOUT_CHARS_MAX: usize = 40;
/// A problem's text is cut to this.
const PROBLEM_CHARS_MAX: usize = 160;

/// A project, its environments, and the runs that go on or ended last.
#[derive(Debug, Serialize)]
pub struct Status {
    /// The project.
    pub project: ProjectShape,
    /// Its environments.
    pub environments: Vec<EnvironmentShape>,
    /// Its runs, newest first.
    pub runs: Vec<RunShape>,
}

impl Status {
    /// Keeps the runs that go on, and the last ones that ended.
    pub fn new(
        project: ProjectShape,
        environments: Vec<EnvironmentShape>,
        mut runs: Vec<RunShape>,
    ) -> Self {
        let mut ended = 0;
        runs.retain(|run| {
            ended += usize::from(run.result.is_some());
            run.result.is_none() || ended <= ENDED_RUNS_SHOWN
        });
        Self { project, environments, runs }
    }

    /// For people.
    pub fn text(&self, url: &str, clock: &Clock) -> String {
        let mut text = format!("{}   {}   {url}\n\n", self.project.name, self.branches());
        text.push_str(&self.places(clock).text(2, "no environments"));
        text.push('\n');
        text.push_str(&runs::table(self.runs.iter(), clock).text(2, "no runs yet"));
        for problem in &self.project.problems {
            let message = cut(&problem.message, PROBLEM_CHARS_MAX);
            let (path, commit) = (&problem.path, problem.commit.short());
            text.push_str(&format!("\n  ✗ {path} of {commit}: {message}\n"));
        }
        text
    }

    fn branches(&self) -> String {
        let heads = self.project.refs.iter().filter(|(name, _)| name.starts_with("refs/heads/"));
        let branches =
            heads.map(|(name, sha)| format!("{} {}", short_reference(name), sha.short()));
        branches.collect::<Vec<_>>().join(", ")
    }

    fn places(&self, clock: &Clock) -> Table {
        let heads = ["ENVIRONMENT", "SERVES", "COMMIT", "SINCE", "BY", "ADDRESS", "NOW"];
        let mut table = Table::new(heads);
        for environment in &self.environments {
            if environment.services.is_empty() {
                table.row(place(environment, None, clock));
            }
            for service in &environment.services {
                table.row(place(environment, Some(service), clock));
            }
        }
        table
    }
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
