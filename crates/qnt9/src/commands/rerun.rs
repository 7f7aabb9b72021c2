//! `qnt9 rerun RUN`

use std::process::ExitCode;

use qnt9_server::api::shapes::Started;

use super::asking::Asking;
use crate::cli::{Common, RunOnly};
use crate::failure::Failure;

/// Runs an ended run once more.
pub async fn run(common: &Common, args: &RunOnly) -> Result<ExitCode, Failure> {
    let ask = Asking::of(common).await?;
    let started: Started = ask.post(&format!("/runs/{}/rerun", args.run), &()).await?;
    ask.print(&started, |started, _| {
        format!("started run {}: run {} once more", started.run, args.run)
    });
    ask.say(&format!("hint: qnt9 logs -f {}", started.run));
    Ok(ExitCode::SUCCESS)
}
