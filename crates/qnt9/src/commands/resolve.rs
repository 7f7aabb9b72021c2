//! `qnt9 resolve RUN.JOB rerun|abandon`

use std::process::ExitCode;

use qnt9_server::api::shapes::{Resolve as Body, ResolveDecision, RunShape};

use super::asking::{Asking, run_and_job};
use crate::cli::{Common, Resolution, Resolve};
use crate::client::segment;
use crate::failure::Failure;
use crate::render::runs::state;

/// Decides about a job whose runner was lost.
pub async fn run(common: &Common, args: &Resolve) -> Result<ExitCode, Failure> {
    let (run, job) = run_and_job(&args.job)?;
    let ask = Asking::of(common).await?;
    let (decision, words) = match args.decision {
        Resolution::Rerun => (ResolveDecision::Rerun, "runs again"),
        Resolution::Abandon => (ResolveDecision::Abandon, "counts as failed"),
    };
    let below = format!("/runs/{run}/jobs/{}/resolve", segment(job));
    let run: RunShape = ask.post(&below, &Body { decision }).await?;
    ask.print(&run, |run, _| format!("job {job} {words}; run {}: {}", run.id, state(run)));
    Ok(ExitCode::SUCCESS)
}
