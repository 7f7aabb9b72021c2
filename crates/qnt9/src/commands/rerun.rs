//! `qnt9 rerun RUN [--failed | --job KEY]`, an ended run once more; and `qnt9 rerun RUN.JOB`, a job
//! whose runner was lost.

use std::process::ExitCode;

use qnt9_server::api::shapes::{Rerun as Body, ResolveDecision, Started};

use super::asking::Asking;
use super::lost;
use crate::cli::{Common, LostJob, Rerun};
use crate::failure::Failure;

/// Runs an ended run once more, or decides about a lost job.
pub async fn run(common: &Common, args: &Rerun) -> Result<ExitCode, Failure> {
    if args.subject.contains('.') {
        if args.failed || args.job.is_some() {
            return Err(Failure::usage("--failed and --job are about an ended run").hint(format!(
                "`qnt9 rerun {0}` decides about a job whose runner was lost; of an ended run: qnt9 \
                 rerun RUN --job KEY",
                args.subject
            )));
        }
        let job = LostJob { job: args.subject.clone(), yes: args.yes };
        return lost::run(common, &job, ResolveDecision::Rerun).await;
    }
    let run: u64 = args.subject.parse().map_err(|_| {
        Failure::usage(format!("`{}` is neither RUN nor RUN.JOB", args.subject))
            .hint("`qnt9 runs` lists runs, `qnt9 runs RUN` a run's jobs")
    })?;
    let ask = Asking::of(common).await?;
    let body = Body { failed: args.failed, job: args.job.as_deref().map(Into::into) };
    let started: Started = ask.post(&format!("/runs/{run}/rerun"), &body).await?;
    let what = match (&args.job, args.failed) {
        (Some(job), _) => format!("job {job} of run {run} once more, and the jobs that need it"),
        (None, true) => format!("the jobs of run {run} that failed, and the jobs that need them"),
        (None, false) => format!("run {run} once more"),
    };
    ask.print(&started, |started, _| format!("started run {}: {what}", started.run));
    ask.say(&format!("hint: qnt9 logs -f {}", started.run));
    Ok(ExitCode::SUCCESS)
}
