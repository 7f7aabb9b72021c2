//! `qnt9 resume|rerun|abandon RUN.JOB`: what becomes of a job whose runner was lost.
//!
//! What is known is said before anything is decided; on a terminal it is asked once more.

use std::process::ExitCode;

use qnt9_server::api::shapes::{LegShape, Phase, Resolve, ResolveDecision, RunDetail, RunShape};

use super::asking::{Asking, query, run_and_job};
use crate::cli::{Common, LostJob};
use crate::client::segment;
use crate::failure::Failure;
use crate::render::lost::{consequence, known};
use crate::render::run::legs;
use crate::render::runs::state;
use crate::{render, talk};

/// Lines of its log that are shown.
const LOG_LINES: u64 = 5;

/// Says what is known, asks, and decides.
pub async fn run(
    common: &Common,
    args: &LostJob,
    decision: ResolveDecision,
) -> Result<ExitCode, Failure> {
    let (run, job) = run_and_job(&args.job)?;
    let ask = Asking::of(common).await?;
    let detail: RunDetail = ask.get(&format!("/runs/{run}")).await?;
    let leg = lost(&detail, job)?;
    ask.say(&render::harmless(known(run, leg, &ask.clock).trim_end()));
    for line in last_lines(&ask, run, leg).await? {
        ask.say(&render::harmless(&format!("    {line}")));
    }
    ask.say(&format!("\n{}", consequence(decision)));
    confirm(args, decision)?;
    decide(&ask, run, leg.job.as_str(), decision).await
}

/// `qnt9 resolve`, as it was asked before there were three answers: at once.
pub async fn at_once(
    common: &Common,
    job: &str,
    decision: ResolveDecision,
) -> Result<ExitCode, Failure> {
    let (run, job) = run_and_job(job)?;
    decide(&Asking::of(common).await?, run, job, decision).await
}

async fn decide(
    ask: &Asking,
    run: u64,
    job: &str,
    decision: ResolveDecision,
) -> Result<ExitCode, Failure> {
    let below = format!("/runs/{run}/jobs/{}/resolve", segment(job));
    let shape: RunShape = ask.post(&below, &Resolve { decision }).await?;
    let words = match decision {
        ResolveDecision::Resume => "is looked for once more",
        ResolveDecision::Rerun => "runs again",
        ResolveDecision::Abandon => "counts as failed",
    };
    ask.print(&shape, |run, _| format!("job {job} {words}; run {}: {}", run.id, state(run)));
    Ok(ExitCode::SUCCESS)
}

/// The job of that name, when its runner was lost; else what can be done instead.
fn lost<'a>(detail: &'a RunDetail, job: &str) -> Result<&'a LegShape, Failure> {
    let run = detail.run.id;
    let mut of_job = detail.jobs.iter().filter(|one| one.key == job).flat_map(|one| &one.legs);
    let named = legs(detail).find(|leg| leg.job.as_str() == job);
    let leg = named.or_else(|| of_job.clone().find(|leg| leg.phase == Phase::Lost));
    let Some(leg) = leg.or_else(|| of_job.next()) else {
        let known: Vec<&str> = legs(detail).map(|leg| leg.job.as_str()).collect();
        return Err(Failure::new(format!("run {run} has no job `{job}` that ran"))
            .hint(format!("there are {}; `qnt9 runs {run}` shows them", known.join(", "))));
    };
    if leg.phase == Phase::Lost {
        return Ok(leg);
    }
    let failure = Failure::new(format!(
        "nothing is to be decided about job {} of run {run}: its runner was not lost",
        leg.job
    ));
    Err(match detail.run.finished {
        Some(_) => failure.hint(format!(
            "to run it again, as a new run that takes over the rest: qnt9 rerun {run} --job {}",
            leg.job
        )),
        None => failure.hint(format!("where it stands: qnt9 why {run}.{}", leg.job)),
    })
}

/// The end of its log, where a reader sees how far it came.
async fn last_lines(ask: &Asking, run: u64, leg: &LegShape) -> Result<Vec<String>, Failure> {
    let Some(attempt) = leg.attempts.last().filter(|attempt| attempt.log_lines > 0) else {
        return Ok(Vec::new());
    };
    let from = (attempt.log_lines.saturating_sub(LOG_LINES) + 1).to_string();
    let number = attempt.number.to_string();
    let query = query(&[("attempt", Some(&number)), ("from", Some(&from))]);
    let below = format!("/runs/{run}/jobs/{}/log{query}", segment(leg.job.as_str()));
    let response = ask.client.stream(&ask.path(&below), "text/plain").await?;
    let text = response.text().await;
    let text = text.map_err(|error| Failure::because("its log broke off", &error))?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// On a terminal a person says yes; elsewhere the command line does.
fn confirm(args: &LostJob, decision: ResolveDecision) -> Result<(), Failure> {
    if args.yes {
        return Ok(());
    }
    let verb = render::lost::verb(decision);
    match talk::confirmed(&format!("{verb} {}? [y/N] ", args.job)) {
        talk::Confirmation::Yes => Ok(()),
        talk::Confirmation::No => Err(Failure::new("nothing was decided: the job still waits")),
        talk::Confirmation::NobodyThere => {
            Err(Failure::usage("nothing was decided: nobody is there to confirm it")
                .hint(format!("if that is what you want: qnt9 {verb} {} --yes", args.job)))
        }
    }
}
