//! `qnt9 logs RUN|RUN.JOB`

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use qnt9_model::JobKey;
use qnt9_server::api::shapes::{LegShape, LogLine, Phase, RunDetail};
use serde::Serialize;

use super::asking::{Asking, query, run_and_job};
use crate::cli::{Common, Logs};
use crate::client::segment;
use crate::failure::Failure;
use crate::render::run::legs;
use crate::talk::{self, Format, Reader};

/// How often a run is looked at for its next job.
const PULSE: Duration = Duration::from_millis(300);

/// A line of a log with its job: what `--json` prints.
#[derive(Serialize)]
struct JobLine<'a> {
    job: &'a str,
    #[serde(flatten)]
    line: LogLine,
}

/// Prints the log of a job, or of all jobs of a run one after the other.
pub async fn run(common: &Common, args: &Logs) -> Result<ExitCode, Failure> {
    if args.subject.contains('.') {
        let (run, job) = run_and_job(&args.subject)?;
        let ask = Asking::of(common).await?;
        Log { ask: &ask, args, run, job }.print().await?;
        return Ok(ExitCode::SUCCESS);
    }
    let run = args.subject.parse::<u64>().map_err(|_| {
        Failure::new(format!("`{}` is neither RUN nor RUN.JOB", args.subject))
            .hint("`qnt9 runs` lists runs, `qnt9 runs RUN` a run's jobs")
    })?;
    let ask = Asking::of(common).await?;
    whole_run(&ask, args, run).await?;
    Ok(ExitCode::SUCCESS)
}

/// Prints job after job, each when it has begun; following, until the run has ended.
async fn whole_run(ask: &Asking, args: &Logs, run: u64) -> Result<(), Failure> {
    let mut printed: BTreeSet<JobKey> = BTreeSet::new();
    loop {
        let detail: RunDetail = ask.get(&format!("/runs/{run}")).await?;
        let (begun, later): (Vec<&LegShape>, Vec<&LegShape>) =
            legs(&detail).partition(|leg| !leg.attempts.is_empty());
        if begun.len() + later.len() > 1 && (args.attempt.is_some() || args.from > 1) {
            let known: Vec<&str> = legs(&detail).map(|leg| leg.job.as_str()).collect();
            return Err(Failure::new("--attempt and --from are about one job")
                .hint(format!("say which: {run}.{}", known.join(&format!(", {run}.")))));
        }
        let next = begun.iter().find(|leg| !printed.contains(&leg.job));
        match next {
            Some(leg) => {
                ask.say(&format!("── {}", leg.job));
                // A lost job's log goes on only after a person's decision.
                let follow = args.follow && leg.phase != Phase::Lost;
                let log = Log { ask, args, run, job: leg.job.as_str() };
                if log.print_with(follow).await? == Reader::Gone {
                    return Ok(());
                }
                printed.insert(leg.job.clone());
            }
            None if !args.follow || detail.run.finished.is_some() => {
                if printed.is_empty() {
                    return not_begun(ask, &detail);
                }
                return Ok(());
            }
            None => tokio::time::sleep(PULSE).await,
        }
    }
}

/// Nothing was written yet: because gates hold the run, or because no runner is free.
fn not_begun(ask: &Asking, detail: &RunDetail) -> Result<(), Failure> {
    let run = detail.run.id;
    let held: Vec<&str> =
        legs(detail).filter(|leg| leg.phase == Phase::Gated).map(|leg| leg.job.as_str()).collect();
    if held.is_empty() {
        ask.say(&format!("no job of run {run} has begun"));
        return Ok(());
    }
    let message = format!("no job of run {run} has begun: gates hold {}", held.join(", "));
    Err(Failure::held(message).hint(format!("qnt9 why {run}")))
}

/// The log of one job.
struct Log<'a> {
    ask: &'a Asking,
    args: &'a Logs,
    run: u64,
    job: &'a str,
}

impl Log<'_> {
    async fn print(&self) -> Result<Reader, Failure> {
        self.print_with(self.args.follow).await
    }

    async fn print_with(&self, follow: bool) -> Result<Reader, Failure> {
        let attempt = self.args.attempt.map(|attempt| attempt.to_string());
        let from = self.args.from.to_string();
        let query = query(&[
            ("attempt", attempt.as_deref()),
            ("from", Some(&from)),
            ("follow", follow.then_some("1")),
        ]);
        let below = format!("/runs/{}/jobs/{}/log{query}", self.run, segment(self.job));
        let accept = match self.ask.format {
            Format::Text => "text/plain",
            Format::Json => "application/jsonl",
        };
        let mut response = self.ask.client.stream(&self.ask.path(&below), accept).await?;
        let (mut rest, mut empty) = (Vec::new(), true);
        loop {
            let piece = response.chunk().await;
            let piece = piece.map_err(|error| {
                Failure::because(format!("the log of {}.{} broke off", self.run, self.job), &error)
            })?;
            let Some(piece) = piece else { break };
            empty = false;
            let reader = match self.ask.format {
                Format::Text => talk::bytes(&piece),
                Format::Json => {
                    rest.extend_from_slice(&piece);
                    self.print_lines(&mut rest)?
                }
            };
            if reader == Reader::Gone {
                return Ok(Reader::Gone);
            }
        }
        if empty {
            let job = format!("{}.{}", self.run, self.job);
            self.ask.say(&format!("no such line in the log of {job}; see: qnt9 why {job}"));
        }
        Ok(Reader::There)
    }

    /// Prints the whole lines of what came, and keeps the beginning of the next.
    fn print_lines(&self, rest: &mut Vec<u8>) -> Result<Reader, Failure> {
        let whole = whole_lines(rest);
        for line in whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let line = serde_json::from_slice(line)
                .map_err(|error| Failure::because("a line of the log cannot be read", &error))?;
            if talk::json(&JobLine { job: self.job, line }) == Reader::Gone {
                return Ok(Reader::Gone);
            }
        }
        Ok(Reader::There)
    }
}

/// Takes the whole lines off the beginning.
fn whole_lines(rest: &mut Vec<u8>) -> Vec<u8> {
    let end = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    rest.drain(..end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_cut_in_two_by_the_network_is_put_together() {
        let mut rest = b"one\ntwo\nthr".to_vec();
        assert_eq!(whole_lines(&mut rest), b"one\ntwo\n");
        assert_eq!(whole_lines(&mut rest), b"");
        rest.extend_from_slice(b"ee\n");
        assert_eq!(whole_lines(&mut rest), b"three\n");
        assert!(rest.is_empty());
    }
}
