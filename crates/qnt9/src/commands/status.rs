//! `qnt9 status`

use std::process::ExitCode;

use super::asking::Asking;
use crate::cli::Common;
use crate::failure::Failure;
use crate::render::status::Status;

/// Runs that are looked through for those that go on: as many as the server lists at once.
const RUNS_SEEN: usize = 500;

/// Shows what is going on.
pub async fn run(common: &Common) -> Result<ExitCode, Failure> {
    let ask = Asking::of(common).await?;
    let project = ask.get("").await?;
    let environments = ask.get("/environments").await?;
    let runs = ask.get(&format!("/runs?limit={RUNS_SEEN}")).await?;
    let status = Status::new(project, environments, runs);
    ask.print(&status, |status, clock| status.text(ask.client.url(), clock));
    Ok(ExitCode::SUCCESS)
}
