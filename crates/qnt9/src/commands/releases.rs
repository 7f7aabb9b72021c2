//! `qnt9 releases`

use std::process::ExitCode;

use qnt9_server::api::shapes::ReleaseShape;

use super::asking::Asking;
use crate::cli::Common;
use crate::failure::Failure;
use crate::render::deployments;

/// Lists them.
pub async fn run(common: &Common) -> Result<ExitCode, Failure> {
    let ask = Asking::of(common).await?;
    let releases: Vec<ReleaseShape> = ask.get("/releases").await?;
    ask.print(&releases, |releases, clock| deployments::releases(releases, clock));
    Ok(ExitCode::SUCCESS)
}
