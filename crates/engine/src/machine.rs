//! One command through the machine: decide, apply, and let follow what follows.

use qnt9_model::fact::Fact;
use qnt9_model::limits::FACTS_PER_COMMAND_MAX;
use qnt9_model::{Actor, Ask, Entry, Millis, Refusal, StreamId};

use crate::apply::apply;
use crate::state::State;
use crate::{decide, settle};

/// Decides a command and applies its facts and all that follow from them to `state`. The entries
/// returned are to be made durable before anybody is told; if that fails, the state is to be thrown
/// away and folded again from what is durable.
pub fn step(state: &mut State, ask: &Ask, now: Millis) -> Result<Vec<Entry>, Refusal> {
    step_and_settle(state, ask, now, settle::settle)
}

/// As [`step`], looking at every run that is not over instead of at those that were touched: slower,
/// and the same. Tests and the simulator hold [`step`] to it.
pub fn step_looking_at_everything(
    state: &mut State,
    ask: &Ask,
    now: Millis,
) -> Result<Vec<Entry>, Refusal> {
    step_and_settle(state, ask, now, settle::settle_looking_at_everything)
}

fn step_and_settle(
    state: &mut State,
    ask: &Ask,
    now: Millis,
    settle: fn(&mut State, &StreamId, Millis) -> Vec<Fact>,
) -> Result<Vec<Entry>, Refusal> {
    let facts = decide::decide(state, ask, now)?;
    let mut entries = Vec::with_capacity(facts.len());
    append(state, &ask.stream, &ask.by, facts, now, &mut entries);
    loop {
        let facts = settle(state, &ask.stream, now);
        if facts.is_empty() {
            return Ok(entries);
        }
        append(state, &ask.stream, &Actor::Platform, facts, now, &mut entries);
        assert!(
            entries.len() <= FACTS_PER_COMMAND_MAX,
            "one command caused more than {FACTS_PER_COMMAND_MAX} facts: the rules run in circles"
        );
    }
}

fn append(
    state: &mut State,
    stream: &StreamId,
    actor: &Actor,
    facts: Vec<Fact>,
    time: Millis,
    entries: &mut Vec<Entry>,
) {
    for fact in facts {
        let sequence = state.sequence(stream) + 1;
        let entry = Entry { stream: stream.clone(), sequence, time, actor: actor.clone(), fact };
        apply(state, &entry);
        entries.push(entry);
    }
}
