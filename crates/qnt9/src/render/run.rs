//! One run with its jobs.

use qnt9_engine::accounting::Shares;
use qnt9_server::api::shapes::{
    AttemptShape, JobShape, LegShape, Phase, Plan, RunDetail, RunShape,
};

use super::clock::took;
use super::runs::{run_sign, state};
use super::{AT_WORK, Clock, NOT_YET, Table, WAITS, count, cut, short_reference, sign, why};
use qnt9_model::fact::Outcome;

/// A reason longer than this goes on in the log.
const REASON_CHARS_MAX: usize = 160;

/// What it is, and below it a line per job; more where a job did not come out well.
pub fn detail(detail: &RunDetail, clock: &Clock) -> String {
    let mut text = head(&detail.run, clock);
    for (name, value) in &detail.inputs {
        text.push_str(&format!("  input    {name} = {}\n", plain(value)));
    }
    text.push_str(&format!("  time     {}\n\n", shares(&detail.time)));
    let width = detail.jobs.iter().flat_map(names).map(|name| name.chars().count()).max();
    for job in &detail.jobs {
        text.push_str(&self::job(job, &detail.jobs, width.unwrap_or(0), clock));
    }
    let failed =
        legs(detail).filter(|leg| leg.result == Some(Outcome::Failure) && !leg.attempts.is_empty());
    let logs: Vec<String> =
        failed.map(|leg| format!("qnt9 logs {}.{}", detail.run.id, leg.job)).collect();
    if !logs.is_empty() {
        text.push_str(&format!("\n  logs: {}\n", logs.join("   ")));
    }
    text
}

/// An input as its person typed it: a text without the quotes that JSON puts around it.
fn plain(value: &str) -> String {
    serde_json::from_str::<String>(value).unwrap_or_else(|_| value.to_owned())
}

/// Every leg, in the order of the file.
pub fn legs(detail: &RunDetail) -> impl Iterator<Item = &LegShape> {
    detail.jobs.iter().flat_map(|job| &job.legs)
}

fn head(run: &RunShape, clock: &Clock) -> String {
    let mut lines = vec![
        format!("{} run {}   {} #{}   {}", run_sign(run), run.id, run.name, run.number, state(run)),
        format!("  title    {}", cut(&run.title, REASON_CHARS_MAX)),
        format!(
            "  from     {} by {} on {} {}, {}",
            run.event,
            run.by,
            short_reference(&run.reference),
            run.commit.short(),
            clock.relative(run.created)
        ),
    ];
    lines.extend(run.rerun_of.map(|of| format!("  rerun    of run {of}")));
    lines.extend(run.cancel.as_ref().map(|reason| format!("  cancel   {reason}")));
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// `24.1 s: 1.1 s qnt9, 20.0 s your commands, 3.0 s declared waits`
fn shares(time: &Shares) -> String {
    let total = time.own_ms + time.user_ms + time.waiting_ms;
    let parts = [
        (time.own_ms, "qnt9"),
        (time.user_ms, "your commands"),
        (time.waiting_ms, "declared waits"),
    ];
    let parts = parts.into_iter().filter(|(ms, _)| *ms > 0);
    let parts: Vec<String> = parts.map(|(ms, whose)| format!("{} {whose}", took(ms))).collect();
    format!("{}: {}", took(total), parts.join(", "))
}

/// What stands in the column of names.
fn names(job: &JobShape) -> Vec<&str> {
    if job.legs.is_empty() {
        return vec![&job.key];
    }
    job.legs.iter().map(|leg| leg.job.as_str()).collect()
}

fn job(job: &JobShape, jobs: &[JobShape], width: usize, clock: &Clock) -> String {
    if !job.legs.is_empty() {
        return job.legs.iter().map(|leg| self::leg(leg, width, clock)).collect();
    }
    let reason = job.reason.as_deref().map(|reason| cut(reason, REASON_CHARS_MAX));
    let reason = reason.map(|reason| reason.trim_end_matches(':').to_owned());
    let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    let (sign, state) = match (job.plan, job.result) {
        (Plan::Impossible, _) => (sign(Outcome::Failure), format!("cannot run{reason}")),
        (Plan::Skipped, _) => (sign(Outcome::Skipped), format!("skipped{reason}")),
        (_, Some(result)) => (sign(result), result.word().to_owned()),
        (_, None) => (NOT_YET, format!("waits for {}", open_needs(job, jobs).join(", "))),
    };
    format!("  {sign} {:<width$}   {state}\n", job.key)
}

/// The jobs that it needs and that have not ended.
fn open_needs<'a>(job: &'a JobShape, jobs: &[JobShape]) -> Vec<&'a str> {
    let ended = |key: &str| jobs.iter().any(|other| other.key == key && other.result.is_some());
    job.needs.iter().map(String::as_str).filter(|key| !ended(key)).collect()
}

fn leg(leg: &LegShape, width: usize, clock: &Clock) -> String {
    let attempt = leg.attempts.last();
    let (sign, state) = leg_state(leg, attempt, clock);
    let mut text = format!("  {sign} {:<width$}   {state}\n", leg.job.as_str());
    if leg.result == Some(Outcome::Success) || leg.result == Some(Outcome::Skipped) {
        return text;
    }
    if let Some(attempt) = attempt {
        text.push_str(&steps(attempt, clock));
    }
    let reason = leg.reason.as_ref().or_else(|| attempt?.reason.as_ref());
    if let Some(reason) = reason {
        text.push_str(&format!("      {}\n", cut(reason, REASON_CHARS_MAX)));
    }
    if let Some(tree) = &leg.why {
        text.push_str(&why::parts(tree, 6, clock));
    }
    text
}

fn leg_state(leg: &LegShape, attempt: Option<&AttemptShape>, clock: &Clock) -> (char, String) {
    let environment = leg.environment.as_ref().map(|name| name.as_str()).unwrap_or_default();
    let number = attempt.filter(|attempt| attempt.number > 1);
    let number = number.map(|attempt| format!(", attempt {}", attempt.number)).unwrap_or_default();
    let time = attempt.map(|attempt| clock.took(attempt.started, attempt.finished));
    let time = time.unwrap_or_default();
    match (leg.phase, leg.result) {
        (Phase::Gated, _) => (WAITS, format!("waits for the gates of {environment}")),
        (Phase::Pending, _) => (NOT_YET, "waits for its concurrency group".to_owned()),
        (Phase::Queued, _) => (NOT_YET, "waits for a free runner".to_owned()),
        (Phase::Running, _) => (AT_WORK, format!("{time}{number}")),
        (Phase::Lost, _) => (WAITS, "its runner was lost: a person must decide".to_owned()),
        (Phase::Done, Some(Outcome::Success)) => {
            let steps = attempt.map_or(0, |attempt| attempt.steps.len());
            (sign(Outcome::Success), format!("{time:<9}{}{number}", count(steps, "step")))
        }
        (Phase::Done, result) => {
            let result = result.unwrap_or(Outcome::Failure);
            let state = format!("{time:<9}{}{number}", result.word());
            (sign(result), state.trim_start().to_owned())
        }
    }
}

fn steps(attempt: &AttemptShape, clock: &Clock) -> String {
    let mut table = Table::bare();
    for step in &attempt.steps {
        let passed_over = step.outcome != step.conclusion;
        table.row([
            format!("{} {}", sign(step.outcome), step.name),
            clock.took(step.started, Some(step.finished)),
            if passed_over { "continue-on-error".to_owned() } else { String::new() },
        ]);
    }
    if let Some(step) = &attempt.running {
        let time = clock.took(step.started, None);
        table.row([format!("{AT_WORK} {}", step.name), time, String::new()]);
    }
    table.lines().iter().map(|line| format!("      {line}\n")).collect()
}
