//! Deploying a release, and waiting until its rollout has ended.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use qnt9_server::api::shapes::{
    Deployed, DeploymentShape, RolloutState, StepDeploy, SummaryShape, Url,
};

use super::call::{StepCall, output, summary};
use crate::cli::Deploy;
use crate::client::segment;
use crate::failure::Failure;
use crate::talk;

/// How often the rollout is looked at.
const PULSE: Duration = Duration::from_millis(150);

/// `qnt9 deploy`
pub async fn run(args: &Deploy) -> Result<ExitCode, Failure> {
    let call = StepCall::begin()?;
    let settings = match &args.env_file {
        Some(path) => settings(path)?,
        None => BTreeMap::new(),
    };
    let body = StepDeploy {
        call: call.key()?,
        environment: args.environment.clone().into(),
        release: args.release.clone().into(),
        settings,
    };
    let project = call.context().await?.project;
    let Deployed { deployment } = call.client.post("/api/v1/step/deploy", &body).await?;
    output("deployment", &deployment.to_string())?;
    let path = format!("/api/v1/projects/{}/deployments/{deployment}", segment(&project));
    let mut said = String::new();
    let ended = loop {
        let shape: DeploymentShape = call.client.get(&path).await?;
        let line = stands(&shape);
        if line != said {
            talk::say(&line);
            said = line;
        }
        if !matches!(shape.state, RolloutState::Starting | RolloutState::Moving) {
            break shape;
        }
        tokio::time::sleep(PULSE).await;
    };
    let page: SummaryShape = call.client.get(&format!("{path}/summary")).await?;
    summary(&format!("## {}\n\n{}\n", page.title, page.markdown))?;
    let url: Url = call
        .client
        .get(&format!("/api/v1/step/url?environment={}", segment(&args.environment)))
        .await?;
    output("url", &url.url)?;
    let release = ended.release.short();
    let reason = ended.reason.unwrap_or_default();
    match ended.state {
        RolloutState::Succeeded => {
            talk::line(&format!("{} serves {release} at {}", args.environment, url.url));
            Ok(ExitCode::SUCCESS)
        }
        RolloutState::RolledBack => Err(Failure::new(format!(
            "{release} was taken back from {} at {} %",
            args.environment, ended.percent_reached
        ))
        .detail(reason)
        .detail("the release before it serves all traffic again")),
        _ => Err(Failure::new(format!("{release} did not come up in {}", args.environment))
            .detail(reason)
            .detail("nothing changed: what served before still does")),
    }
}

/// One line that changes only when the rollout takes a step.
fn stands(shape: &DeploymentShape) -> String {
    let release = shape.release.short();
    match shape.state {
        RolloutState::Starting if shape.awaits_promotion => {
            let (environment, preview) = (&shape.environment, shape.preview.as_deref());
            let preview = preview.unwrap_or("its preview");
            format!("{release} waits at {preview}: qnt9 promote {environment}")
        }
        RolloutState::Starting => {
            format!("{release}: {} of {} replicas healthy", shape.ready, shape.replicas)
        }
        RolloutState::Moving => format!("{release}: {} % of the traffic", shape.percent),
        RolloutState::Succeeded => format!("{release}: all traffic"),
        RolloutState::RolledBack | RolloutState::Failed => format!("{release}: no traffic"),
    }
}

/// `KEY=VALUE` lines; blank ones and those that begin with `#` are passed over.
fn settings(path: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::because(format!("cannot read {}", path.display()), &error))?;
    let mut settings = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once('=').ok_or_else(|| {
            // The line itself may be a secret, so it is not shown.
            Failure::new(format!("{}:{}: not KEY=VALUE", path.display(), number + 1))
        })?;
        settings.insert(name.trim().to_owned(), value.to_owned());
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_lines_of_key_and_value() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("env");
        std::fs::write(&path, "# comment\nA=1\n\nB=x=y\n").unwrap();
        let settings = settings(&path).unwrap();
        assert_eq!(settings["A"], "1");
        assert_eq!(settings["B"], "x=y");
    }

    #[test]
    fn a_bad_line_is_named_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("env");
        std::fs::write(&path, "A=1\nhunter2\n").unwrap();
        let failure = settings(&path).unwrap_err().to_string();
        assert!(failure.contains("env:2: not KEY=VALUE"), "{failure}");
        assert!(!failure.contains("hunter2"));
    }
}
