//! `qnt9 rollback ENVIRONMENT --to RELEASE | --abort`

use std::process::ExitCode;
use std::time::Duration;

use qnt9_model::DeploymentId;
use qnt9_server::api::shapes::{DeploymentShape, Rollback as Body, RollbackShape, RolloutState};

use super::asking::Asking;
use crate::cli::{Common, Rollback};
use crate::client::segment;
use crate::failure::Failure;
use crate::render::{deployments, harmless};

/// How often the rollout is looked at.
const PULSE: Duration = Duration::from_millis(150);

/// Takes an environment back, or stops its rollout.
pub async fn run(common: &Common, args: &Rollback) -> Result<ExitCode, Failure> {
    let ask = Asking::of(common).await?;
    let environment = format!("/environments/{}", segment(&args.environment));
    let Some(to) = &args.to else {
        let stopped: DeploymentShape = ask.post(&format!("{environment}/abort"), &()).await?;
        ask.print(&stopped, |one, _| {
            format!("deployment {} to {}: {}", one.id, one.environment, deployments::stands(one))
        });
        return Ok(ExitCode::SUCCESS);
    };
    let body = Body { to: to.clone(), dry_run: args.dry_run };
    let shape: RollbackShape = ask.post(&format!("{environment}/rollback"), &body).await?;
    ask.print(&shape, |shape, _| deployments::rollback(&args.environment, shape));
    match shape.deployment {
        Some(deployment) => until_it_serves(&ask, deployment).await,
        None => Ok(ExitCode::SUCCESS),
    }
}

/// Waits until the rollout has ended, and says how.
pub(super) async fn until_it_serves(
    ask: &Asking,
    deployment: DeploymentId,
) -> Result<ExitCode, Failure> {
    let mut said = String::new();
    loop {
        let shape: DeploymentShape = ask.get(&format!("/deployments/{deployment}")).await?;
        let stands = deployments::stands(&shape);
        if stands != said {
            ask.say(&harmless(&format!("  deployment {deployment}: {stands}")));
            said = stands;
        }
        match shape.state {
            RolloutState::Starting | RolloutState::Moving => tokio::time::sleep(PULSE).await,
            RolloutState::Succeeded => return Ok(ExitCode::SUCCESS),
            RolloutState::RolledBack | RolloutState::Failed => {
                let message = format!(
                    "{} stays as it was: deployment {deployment} {said}",
                    shape.environment
                );
                let failure = Failure::new(message).detail(shape.reason.unwrap_or_default());
                return Err(failure.hint(format!("qnt9 why deployment {deployment}")));
            }
        }
    }
}
