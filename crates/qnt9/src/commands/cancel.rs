//! `qnt9 cancel RUN [--force]`

use std::process::ExitCode;

use qnt9_server::api::shapes::{Cancel as Body, RunShape};

use super::asking::Asking;
use crate::cli::{Cancel, Common};
use crate::failure::Failure;
use crate::render::runs::state;

/// Stops a run.
pub async fn run(common: &Common, args: &Cancel) -> Result<ExitCode, Failure> {
    let ask = Asking::of(common).await?;
    let path = format!("/runs/{}/cancel", args.run);
    let run: RunShape = ask.post(&path, &Body { force: args.force }).await?;
    ask.print(&run, |run, _| format!("run {}: {}", run.id, state(run)));
    if run.finished.is_none() && !args.force {
        ask.say(&format!(
            "its jobs get time to clean up; to end them at once: qnt9 cancel {} --force",
            run.id
        ));
    }
    Ok(ExitCode::SUCCESS)
}
