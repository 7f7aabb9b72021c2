//! What checks answer, and whether they could be reached.

use qnt9_model::fact::Fact;
use qnt9_model::{CheckId, Command, Refusal, UserText};

use super::On;
use crate::state::{Check, LegPhase};

pub(super) fn decide(on: &On<'_>, command: &Command) -> Result<Vec<Fact>, Refusal> {
    on.platform_only("speak for a check")?;
    match command {
        Command::AnswerCheck { check, passed, reason } => {
            let known = waiting(on, *check)?;
            if let Some((_, before, text)) = &known.answer {
                return same_answer(*check, (*before, text.show()), (*passed, reason));
            }
            let reason = UserText::from(reason.as_str());
            Ok(vec![Fact::CheckAnswered { check: *check, passed: *passed, reason }])
        }
        Command::CheckTried { check, failure } => {
            let known = on.project.check(*check);
            if known.is_none_or(|known| known.delivered.is_some()) {
                return Ok(Vec::new());
            }
            Ok(vec![match failure {
                None => Fact::CheckDelivered { check: *check },
                Some(reason) => Fact::CheckUndelivered { check: *check, reason: reason.clone() },
            }])
        }
        _ => Err(on.wrong("ask it here")),
    }
}

/// Saying the same twice is saying it once; a check does not change its mind.
fn same_answer(
    check: CheckId,
    before: (bool, &str),
    now: (bool, &str),
) -> Result<Vec<Fact>, Refusal> {
    if before == now {
        return Ok(Vec::new());
    }
    let word = if before.0 { "passed" } else { "failed" };
    let now = format!("it has answered already: {word}, {}", before.1);
    Err(Refusal::CheckClosed { check, now })
}

/// A check of a job that still waits, answered or not.
fn waiting<'a>(on: &On<'a>, id: CheckId) -> Result<&'a Check, Refusal> {
    let legs = on.project.live_runs().flat_map(|run| run.legs.values());
    let mut asked = legs.flat_map(|leg| leg.checks.iter().map(move |check| (leg, check)));
    let Some((leg, check)) = asked.find(|(_, check)| check.id == id) else {
        let now = "no job waits for it; its run is over, or there is no such check".to_owned();
        return Err(Refusal::CheckClosed { check: id, now });
    };
    let newest = leg.checks.iter().rfind(|other| other.name == check.name);
    let now = if leg.phase != LegPhase::Gated {
        super::stands(leg)
    } else if newest.is_some_and(|newest| newest.id != id) {
        "release or plan changed since, and it was asked anew".to_owned()
    } else if on.now >= check.until && check.answer.is_none() {
        "its time is over".to_owned()
    } else {
        return Ok(check);
    };
    Err(Refusal::CheckClosed { check: id, now })
}
