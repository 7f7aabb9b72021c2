//! `qnt9 deployments`

use std::process::ExitCode;

use qnt9_server::api::shapes::DeploymentShape;

use super::asking::{Asking, query};
use crate::cli::{Common, Deployments};
use crate::failure::Failure;
use crate::render::deployments;

/// Lists them.
pub async fn run(common: &Common, args: &Deployments) -> Result<ExitCode, Failure> {
    let ask = Asking::of(common).await?;
    let query = query(&[("environment", args.environment.as_deref())]);
    let deployments: Vec<DeploymentShape> = ask.get(&format!("/deployments{query}")).await?;
    ask.print(&deployments, |deployments, clock| deployments::list(deployments, clock));
    Ok(ExitCode::SUCCESS)
}
