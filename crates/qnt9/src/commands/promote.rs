//! `qnt9 promote ENVIRONMENT`

use std::process::ExitCode;

use qnt9_server::api::shapes::DeploymentShape;

use super::asking::Asking;
use super::rollback::until_it_serves;
use crate::cli::{Common, Promote};
use crate::client::segment;
use crate::failure::Failure;

/// Lets what waits at its preview have all traffic, and waits until it does.
pub async fn run(common: &Common, args: &Promote) -> Result<ExitCode, Failure> {
    let ask = Asking::of(common).await?;
    let path = format!("/environments/{}/promote", segment(&args.environment));
    let promoted: Vec<DeploymentShape> = ask.post(&path, &()).await?;
    ask.print(&promoted, |promoted, _| {
        let line = |one: &DeploymentShape| {
            let release = one.release.short();
            format!("{release} of {} gets all traffic of {}", one.service, one.environment)
        };
        promoted.iter().map(line).collect::<Vec<_>>().join("\n")
    });
    for one in &promoted {
        until_it_serves(&ask, one.id).await?;
    }
    Ok(ExitCode::SUCCESS)
}
