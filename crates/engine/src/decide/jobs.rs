//! What runners say of their attempts, and what people decide about lost ones.

use qnt9_model::fact::{Fact, Outcome};
use qnt9_model::limits::{JOB_OUTPUT_BYTES_MAX, LEASE_MS, LOST_ATTEMPTS_MAX};
use qnt9_model::planted::{self, Fault};
use qnt9_model::{AttemptId, Command, Refusal, Role, UserText};

use super::On;
use crate::orders::room;
use crate::state::{LegPhase, LegState};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

pub(super) fn decide(on: &On<'_>, command: &Command) -> Result<Vec<Fact>, Refusal> {
    match command {
        Command::KeepArtifact { attempt, name, blob, bytes, retention_days } => {
            let (run, _) = on.caller("keep an artifact", attempt)?;
            let known = on.project.artifacts.get(&(run.id, name.clone()));
            if known.is_some_and(|known| known.attempt == *attempt && known.blob == *blob) {
                return Ok(Vec::new());
            }
            let expires = on.now.plus(i64::from(*retention_days) * DAY_MS);
            let (name, blob) = (name.clone(), blob.clone());
            let attempt = attempt.clone();
            Ok(vec![Fact::ArtifactKept { attempt, name, blob, bytes: *bytes, expires }])
        }
        Command::ResolveLost { run, job, decision } => {
            on.person("decide about a lost job", Role::Developer)?;
            resolve_lost(on, *run, job, *decision)
        }
        _ => {
            on.platform_only("speak for a runner")?;
            of_runner(on, command)
        }
    }
}

fn of_runner(on: &On<'_>, command: &Command) -> Result<Vec<Fact>, Refusal> {
    match command {
        Command::StartJob { attempt, runner } => {
            let running = on.project.running_leg(attempt).and_then(|leg| leg.attempts.last());
            match running {
                Some(running) if running.runner == *runner => return Ok(Vec::new()),
                Some(running) => {
                    let now = format!("runner {} has it", running.runner);
                    return Err(Refusal::Stale { attempt: attempt.to_string(), now });
                }
                None => {}
            }
            let run = on.run(attempt.run)?;
            let is_next = |leg: &&LegState| {
                leg.phase == LegPhase::Open && leg.attempt_id(attempt.run) == *attempt
            };
            let Some(leg) = run.legs.get(&attempt.job).filter(is_next) else {
                return Err(stale(on, attempt));
            };
            if run.started.is_none() {
                return Err(Refusal::Invalid {
                    what: format!("attempt {attempt}"),
                    reason: "its run waits for its turn".to_owned(),
                });
            }
            if room(run, &leg.job) == 0 {
                return Err(Refusal::Invalid {
                    what: format!("attempt {attempt}"),
                    reason: "`max-parallel` lets no more legs of its job run now".to_owned(),
                });
            }
            let (attempt, runner) = (attempt.clone(), runner.clone());
            Ok(vec![Fact::JobStarted { attempt, runner, resumes: leg.resumes.clone() }])
        }
        Command::FinishStep { attempt, step, name, outcome, conclusion, span, user, own } => {
            let (_, leg) = on.attempt(attempt)?;
            let last = leg.attempts.last();
            let known = last.is_some_and(|last| last.steps.contains_key(step));
            if known && !planted::is(Fault::StepTwice) {
                return Ok(Vec::new());
            }
            Ok(vec![Fact::StepFinished {
                attempt: attempt.clone(),
                step: *step,
                name: name.clone(),
                outcome: *outcome,
                conclusion: *conclusion,
                started: span.started,
                finished: span.finished,
                user: *user,
                own: own.clone(),
            }])
        }
        Command::SealLog { attempt, first_line, lines, blob } => {
            let (_, leg) = on.attempt(attempt)?;
            let sealed = leg.attempts.last().and_then(|last| last.log.last());
            let next = sealed.map_or(1, |chunk| chunk.first_line + chunk.lines);
            if *first_line < next && !planted::is(Fault::LogTwice) {
                return Ok(Vec::new());
            }
            if *first_line > next && !planted::is(Fault::LogGap) {
                return Err(Refusal::Invalid {
                    what: format!("log of attempt {attempt}"),
                    reason: format!("line {next} is the next to seal, not line {first_line}"),
                });
            }
            Ok(vec![Fact::LogSealed {
                attempt: attempt.clone(),
                first_line: *first_line,
                lines: *lines,
                blob: blob.clone(),
            }])
        }
        Command::FinishJob { attempt, result, outputs, reason, summary } => {
            on.attempt(attempt)?;
            finish(attempt, *result, outputs, reason.as_deref(), summary.as_deref())
        }
        Command::RenewLease { attempt } => {
            let (_, leg) = on.attempt(attempt)?;
            let last = leg.attempts.last();
            let is_news = last.is_some_and(|last| {
                last.asked.is_some() || on.now.since(last.heard) >= LEASE_MS / 2
            });
            let renewed = is_news.then(|| Fact::LeaseRenewed { attempt: attempt.clone() });
            Ok(renewed.into_iter().collect())
        }
        Command::ResumeJob { attempt, proof } => resume(on, attempt, proof),
        Command::LoseJob { attempt, reason } => {
            if let Some(answer) = still_lost(on, attempt, reason) {
                return Ok(answer);
            }
            let (_, leg) = on.attempt(attempt)?;
            let unprotected =
                leg.leg.environment.is_none() || planted::is(Fault::LostRetriesProtected);
            let retry = unprotected
                && (leg.attempts.len() < LOST_ATTEMPTS_MAX as usize
                    || planted::is(Fault::LostRetriesForever));
            let (attempt, reason) = (attempt.clone(), reason.clone());
            Ok(vec![Fact::JobLost { attempt, reason, retry }])
        }
        _ => Err(on.wrong("ask it here")),
    }
}

/// The leg whose attempt this is, when it is lost and nothing has been decided about it: no later
/// attempt has begun.
fn lost<'a>(on: &On<'a>, attempt: &AttemptId) -> Option<&'a LegState> {
    let leg = on.project.live_run(attempt.run)?.legs.get(&attempt.job)?;
    let last = leg.attempts.last().filter(|last| last.number == attempt.attempt)?;
    let undecided = match leg.phase {
        LegPhase::Lost => true,
        // It would be tried again by itself, and has not been.
        LegPhase::Open => last.finished.is_some() && last.result.is_none(),
        _ => false,
    };
    undecided.then_some(leg)
}

/// The runner of a lost attempt is there after all: what it did and does counts again.
fn resume(on: &On<'_>, attempt: &AttemptId, proof: &str) -> Result<Vec<Fact>, Refusal> {
    if on.project.running_leg(attempt).is_some() {
        return Ok(Vec::new());
    }
    if lost(on, attempt).is_none() && !planted::is(Fault::ResumeOverLaterAttempt) {
        return Err(stale(on, attempt));
    }
    Ok(vec![Fact::JobResumed { attempt: attempt.clone(), proof: proof.to_owned() }])
}

/// The answer to a person's wish to look for a lost runner once more: it is not there.
fn still_lost(on: &On<'_>, attempt: &AttemptId, reason: &str) -> Option<Vec<Fact>> {
    let leg = lost(on, attempt).filter(|leg| leg.phase == LegPhase::Lost)?;
    let asked = leg.attempts.last().is_some_and(|last| last.asked.is_some());
    let fact = Fact::JobLost { attempt: attempt.clone(), reason: reason.to_owned(), retry: false };
    Some(asked.then_some(fact).into_iter().collect())
}

fn finish(
    attempt: &qnt9_model::AttemptId,
    result: Outcome,
    outputs: &[(String, String)],
    reason: Option<&str>,
    summary: Option<&str>,
) -> Result<Vec<Fact>, Refusal> {
    let bytes: usize = outputs.iter().map(|(name, value)| name.len() + value.len()).sum();
    let (result, outputs, reason) = if bytes > JOB_OUTPUT_BYTES_MAX {
        let reason = format!(
            "its outputs take {bytes} bytes, and at most {JOB_OUTPUT_BYTES_MAX} are allowed; pass \
             large data as an artifact"
        );
        (Outcome::Failure, Vec::new(), Some(reason))
    } else {
        let outputs = outputs.iter().map(|(name, value)| (name.clone(), value.as_str().into()));
        (result, outputs.collect(), reason.map(str::to_owned))
    };
    Ok(vec![Fact::JobFinished {
        attempt: attempt.clone(),
        result,
        outputs,
        reason: reason.map(UserText::from),
        summary: summary.map(UserText::from),
    }])
}

fn resolve_lost(
    on: &On<'_>,
    run: qnt9_model::RunId,
    job: &qnt9_model::JobKey,
    decision: qnt9_model::command::Decision,
) -> Result<Vec<Fact>, Refusal> {
    let run = on.run(run)?;
    let leg = run.legs.get(job).ok_or_else(|| Refusal::Unknown {
        what: "job",
        name: job.to_string(),
        known: Some(super::names(run.legs.keys())),
    })?;
    if leg.phase != LegPhase::Lost {
        return Err(Refusal::Invalid {
            what: format!("job {job} of run {}", run.id),
            reason: format!("there is nothing to decide: {}", super::stands(leg)),
        });
    }
    let attempt =
        qnt9_model::AttemptId { run: run.id, job: job.clone(), attempt: leg.attempts.len() as u32 };
    match decision {
        qnt9_model::command::Decision::Resume => {
            let asked = leg.attempts.last().is_some_and(|last| last.asked.is_some());
            let fact = (!asked).then_some(Fact::JobResumeRequested { attempt });
            Ok(fact.into_iter().collect())
        }
        qnt9_model::command::Decision::Rerun => Ok(vec![Fact::JobRerun { attempt }]),
        qnt9_model::command::Decision::Abandon => {
            let reason = "its runner was lost, and it was given up";
            finish(&attempt, Outcome::Failure, &[], Some(reason), None)
        }
    }
}

fn stale(on: &On<'_>, attempt: &qnt9_model::AttemptId) -> Refusal {
    let leg = on.project.runs.get(&attempt.run).and_then(|run| run.legs.get(&attempt.job));
    Refusal::Stale {
        attempt: attempt.to_string(),
        now: leg.map_or_else(|| "there is no such job".to_owned(), super::stands),
    }
}
