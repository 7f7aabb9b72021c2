//! Tries a release that runs and has no traffic yet: its paths are asked, its programs are run.

use std::net::SocketAddr;
use std::time::Duration;

use qnt9_cluster::health::{self, Health, Probe};
use qnt9_engine::rollout;
use qnt9_model::policy::SmokeTest;
use qnt9_model::{Command, DeploymentId, ReleaseDigest, StreamId};

use super::{OrderError, replicas};
use crate::Core;

/// How long one path may take to answer.
const PATH_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one program may run.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);
/// Lines of a program's words that a report shows.
const SAID_LINES_MAX: usize = 20;

/// What is tried, and where.
struct Trial {
    environment: String,
    release: ReleaseDigest,
    address: SocketAddr,
    tests: Vec<SmokeTest>,
}

/// Tries the deployment's release, and says how it went. Each test is run, also after one that failed, so
/// that the report is whole.
pub(super) async fn test(
    core: &Core,
    stream: &StreamId,
    deployment: DeploymentId,
) -> Result<(), OrderError> {
    let trial = core.read(|state| {
        let project = state.projects.get(stream)?;
        let known = project.deployments.get(&deployment)?;
        let address = rollout::tried_at(project, known)?;
        Some(Trial {
            environment: known.place.environment.to_string(),
            release: known.release.clone(),
            address: address.parse().ok()?,
            tests: rollout::smoke_tests(known).to_vec(),
        })
    });
    let Some(trial) = trial else {
        return Err(OrderError::Outside(format!("deployment {deployment} cannot be reached yet")));
    };
    let mut lines = Vec::with_capacity(trial.tests.len());
    let mut passed = true;
    for test in &trial.tests {
        let result = match test {
            SmokeTest::Path(path) => ask(trial.address, path).await,
            SmokeTest::Command(command) => run(core, &trial, command).await?,
        };
        lines.push(match result {
            Ok(()) => format!("{test}: passed"),
            Err(why) => {
                passed = false;
                format!("{test}: {why}")
            }
        });
    }
    let report = lines.join("\n");
    core.tell(stream, Command::SmokeTested { deployment, passed, report }).await?;
    Ok(())
}

async fn ask(address: SocketAddr, path: &str) -> Result<(), String> {
    let probe = Probe { address, path: path.to_owned(), expect_status: http::StatusCode::OK };
    match health::check(&probe, PATH_TIMEOUT).await {
        Health::Healthy => Ok(()),
        Health::Unhealthy(unhealthy) => Err(unhealthy.to_string()),
    }
}

/// Runs a program of the release. An error is one of this machine; how the program came out is the result.
async fn run(
    core: &Core,
    trial: &Trial,
    command: &[String],
) -> Result<Result<(), String>, OrderError> {
    let folder = replicas::release_folder(core, &trial.release).await?;
    let mut environment = core.config().job_environment.clone();
    environment.retain(|(name, _)| matches!(name.as_str(), "PATH" | "HOME" | "LANG" | "TZ"));
    environment.extend([
        ("URL".to_owned(), format!("http://{}", trial.address)),
        ("QNT9_ENVIRONMENT".to_owned(), trial.environment.clone()),
        ("QNT9_RELEASE".to_owned(), trial.release.to_string()),
    ]);
    let ran = qnt9_runner::run_to_end(&folder, command, &environment, COMMAND_TIMEOUT).await;
    Ok(match ran {
        Err(error) => Err(format!("it cannot be started: {error}")),
        Ok(ran) => match ran.status {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(format!("{status}{}", last_lines(&ran.said))),
            None => Err(format!("it did not end within {} s", COMMAND_TIMEOUT.as_secs())),
        },
    })
}

fn last_lines(said: &str) -> String {
    let lines: Vec<&str> = said.lines().collect();
    let last = &lines[lines.len().saturating_sub(SAID_LINES_MAX)..];
    last.iter().map(|line| format!("\n    {line}")).collect()
}
