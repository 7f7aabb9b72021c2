//! `qnt9 environments`

use std::process::ExitCode;

use qnt9_server::api::shapes::EnvironmentShape;

use super::asking::Asking;
use crate::cli::Common;
use crate::failure::Failure;
use crate::render::environments;

/// Lists them.
pub async fn run(common: &Common) -> Result<ExitCode, Failure> {
    let ask = Asking::of(common).await?;
    let environments: Vec<EnvironmentShape> = ask.get("/environments").await?;
    ask.print(&environments, |environments, clock| environments::list(environments, clock));
    Ok(ExitCode::SUCCESS)
}
