//! `qnt9 runs retry RUN.JOB --from-step N`

use std::process::ExitCode;

use qnt9_server::api::shapes::{Retry as Body, RunDetail, Started};

use super::asking::{Asking, run_and_job};
use crate::cli::{Common, Retry};
use crate::client::segment;
use crate::failure::Failure;
use crate::render::run::legs;

/// Goes on from a step of a failed job, in a new run that takes over the rest.
pub async fn run(common: &Common, args: &Retry) -> Result<ExitCode, Failure> {
    let (run, job) = run_and_job(&args.job)?;
    let ask = Asking::of(common).await?;
    let step = match args.from_step.parse::<u32>() {
        Ok(0) => return Err(Failure::usage("steps are counted from 1")),
        Ok(place) => place - 1,
        Err(_) => {
            let detail: RunDetail = ask.get(&format!("/runs/{run}")).await?;
            by_name(&detail, job, &args.from_step)?
        }
    };
    let path = format!("/runs/{run}/jobs/{}/retry", segment(job));
    let started: Started = ask.post(&path, &Body { step }).await?;
    let place = step + 1;
    ask.print(&started, |started, _| {
        format!("started run {}: job {job} of run {run} from its step {place} on", started.run)
    });
    ask.say(&format!("hint: qnt9 logs -f {}", started.run));
    Ok(ExitCode::SUCCESS)
}

/// The number, from 0, of the step of that name in the job's last attempt.
fn by_name(detail: &RunDetail, job: &str, name: &str) -> Result<u32, Failure> {
    let leg = legs(detail).find(|leg| leg.job.as_str() == job);
    let steps = leg.and_then(|leg| leg.attempts.last()).map(|attempt| attempt.steps.as_slice());
    let steps = steps.unwrap_or_default();
    let found: Vec<u32> =
        steps.iter().filter(|step| step.name == name).map(|step| step.step).collect();
    match found.as_slice() {
        [only] => Ok(*only),
        [] => {
            let known: Vec<String> =
                steps.iter().map(|step| format!("{} {}", step.step + 1, step.name)).collect();
            Err(Failure::new(format!("no step of job {job} is called `{name}`"))
                .hint(format!("its steps that ended are {}", known.join(", "))))
        }
        several => {
            let places: Vec<String> = several.iter().map(|step| (step + 1).to_string()).collect();
            Err(Failure::new(format!("several steps of job {job} are called `{name}`"))
                .hint(format!("say which by its number: {}", places.join(", "))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;

    #[test]
    fn a_step_goes_by_its_name_too() {
        let detail = sample::detail();
        assert_eq!(by_name(&detail, "test.1", "cargo test").unwrap(), 1);
        let unknown = by_name(&detail, "test.1", "deploy").unwrap_err().to_string();
        assert!(unknown.contains("1 Check out, 2 cargo test"), "{unknown}");
        assert!(by_name(&detail, "none", "deploy").is_err());
    }
}
