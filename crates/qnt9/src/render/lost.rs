//! A job whose runner was lost: what is known, and what each decision means.

use qnt9_model::fact::Outcome;
use qnt9_server::api::shapes::{LegShape, ResolveDecision};

use super::{AT_WORK, Clock, NOT_YET, Table, sign};

/// Which steps ended, which was under way, which were never begun.
pub fn known(run: u64, leg: &LegShape, clock: &Clock) -> String {
    let place = leg.environment.as_ref().map(|name| format!(", for {name}")).unwrap_or_default();
    let attempt = leg.attempts.last();
    let lost = attempt.and_then(|attempt| attempt.finished);
    let when = lost.map(|at| format!(" {}", clock.relative(at))).unwrap_or_default();
    let mut text = format!("job {} of run {run}{place}: its runner was lost{when}\n", leg.job);
    let Some(known) = &leg.known else { return text };
    text.push_str(&format!("  {}\n", known.reason));
    if known.asked {
        text.push_str("  it is being looked for once more\n");
    }
    let mut table = Table::bare();
    for step in &known.ended {
        let outcome = step.outcome.unwrap_or(Outcome::Success);
        table.row([format!("{} {}", sign(outcome), step.name), outcome.word().to_owned()]);
    }
    if let Some(step) = &known.in_flight {
        let words = "was under way: it may have done all, some or nothing of its work";
        table.row([format!("{AT_WORK} {}", step.name), words.to_owned()]);
    }
    for step in &known.not_begun {
        table.row([format!("{NOT_YET} {}", step.name), "not begun".to_owned()]);
    }
    text.extend(table.lines().iter().map(|line| format!("  {line}\n")));
    if attempt.is_some_and(|attempt| attempt.log_lines > 0) {
        text.push_str("  the end of its log:\n");
    }
    text
}

/// What a decision means.
pub const fn consequence(decision: ResolveDecision) -> &'static str {
    match decision {
        ResolveDecision::Resume => {
            "resume: its runner is looked for once more; if it is found, what it did and does counts"
        }
        ResolveDecision::Rerun => {
            "rerun: the job begins anew, and the steps that ended are run a second time"
        }
        ResolveDecision::Abandon => {
            "abandon: the job counts as failed; what its steps changed stays changed"
        }
    }
}

/// The command's own word.
pub const fn verb(decision: ResolveDecision) -> &'static str {
    match decision {
        ResolveDecision::Resume => "resume",
        ResolveDecision::Rerun => "rerun",
        ResolveDecision::Abandon => "abandon",
    }
}
