//! Where every page is, so that links and routes cannot drift apart.

use qnt9_model::{AttemptId, DeploymentId, EnvironmentName, JobKey, RunId, StreamId};

/// The sign-in page.
pub const LOGIN: &str = "/login";
/// Where the form of the sign-in page for the demo's people posts to.
pub const LOGIN_DEMO: &str = "/login/demo";
/// Where signing out posts to.
pub const LOGOUT: &str = "/logout";

/// The home page of a project.
#[must_use]
pub fn home(project: &StreamId) -> String {
    format!("/p/{}", segment(project.as_str()))
}

/// A page directly under a project: `runs`, `environments`, `audit`.
#[must_use]
pub fn section(project: &StreamId, name: &str) -> String {
    format!("{}/{name}", home(project))
}

/// What differs between two releases, or between what two environments serve.
#[must_use]
pub fn difference(project: &StreamId, from: &str, to: &str) -> String {
    format!("{}?from={}&to={}", section(project, "diff"), segment(from), segment(to))
}

/// A run.
#[must_use]
pub fn run(project: &StreamId, run: RunId) -> String {
    format!("{}/runs/{run}", home(project))
}

/// A run with one of its jobs in view.
#[must_use]
pub fn run_job(project: &StreamId, id: RunId, job: &JobKey) -> String {
    format!("{}?job={}#job", run(project, id), segment(job.as_str()))
}

/// What a form about a run posts to: `approve`, `reject`, `cancel`, `rerun`, `resolve`.
#[must_use]
pub fn run_act(project: &StreamId, id: RunId, act: &str) -> String {
    format!("{}/{act}", run(project, id))
}

/// The log of an attempt. `view` is `log`, `log.txt` (raw), `lines` (a fragment) or `live`.
#[must_use]
pub fn log(project: &StreamId, attempt: &AttemptId, view: &str) -> String {
    let job = segment(attempt.job.as_str());
    format!("{}/jobs/{job}/{view}?attempt={}", run(project, attempt.run), attempt.attempt)
}

/// An artifact of a run.
#[must_use]
pub fn artifact(project: &StreamId, id: RunId, name: &str) -> String {
    format!("{}/artifacts/{}", run(project, id), segment(name))
}

/// An environment.
#[must_use]
pub fn environment(project: &StreamId, name: &EnvironmentName) -> String {
    format!("{}#env-{}", section(project, "environments"), segment(name.as_str()))
}

/// What a form about an environment posts to: `rollback`, `abort`, `promote`.
#[must_use]
pub fn environment_act(project: &StreamId, name: &EnvironmentName, act: &str) -> String {
    format!("{}/environments/{}/{act}", home(project), segment(name.as_str()))
}

/// A deployment.
#[must_use]
pub fn deployment(project: &StreamId, id: DeploymentId) -> String {
    format!("{}/deployments/{id}", home(project))
}

/// One segment of a path or one value of a query, with everything escaped that is not plain.
#[must_use]
pub fn segment(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}
