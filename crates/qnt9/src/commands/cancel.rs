//! `qnt9 cancel RUN`

use std::process::ExitCode;

use qnt9_server::api::shapes::RunShape;

use super::asking::Asking;
use crate::cli::{Common, RunOnly};
use crate::failure::Failure;
use crate::render::runs::state;

/// Stops a run.
pub async fn run(common: &Common, args: &RunOnly) -> Result<ExitCode, Failure> {
    let ask = Asking::of(common).await?;
    let run: RunShape = ask.post(&format!("/runs/{}/cancel", args.run), &()).await?;
    ask.print(&run, |run, _| format!("run {}: {}", run.id, state(run)));
    Ok(ExitCode::SUCCESS)
}
