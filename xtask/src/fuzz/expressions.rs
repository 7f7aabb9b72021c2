//! Expressions: ours against `@actions/expressions`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use qnt9_workflow::conformance::expressions::Outcome;
use qnt9_workflow::{Object, Value};
use serde_json::{Map, json};

use super::differences;
use super::generator::{self, Origin};
use super::oracle::{Oracle, Theirs};
use super::random::Random;
use crate::tools;

/// How many expressions share their contexts.
const PER_CONTEXTS: usize = 50;
/// How many disagreements are printed.
const PRINTED_MAX: usize = 50;
/// How often a disagreement is made smaller at most.
const SHRINKS_MAX: usize = 200;
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

type Contexts = Map<String, serde_json::Value>;

pub(super) fn run(count: u64, seed: u64) -> Result<()> {
    let mut oracle = Oracle::start()?;
    let mut random = Random::new(seed);
    let mut tally = Tally::default();
    let (started, mut said) = (Instant::now(), Instant::now());
    let mut done = 0;
    while done < count {
        let contexts = generator::contexts(&mut random);
        let number = PER_CONTEXTS.min(usize::try_from(count - done)?);
        let made: Vec<(String, Origin)> =
            (0..number).map(|_| generator::expression(&mut random)).collect();
        let expressions: Vec<String> = made.iter().map(|(text, _)| text.clone()).collect();
        let theirs = oracle.ask(&contexts, &expressions)?;
        let json = serde_json::to_string(&contexts)?;
        let known = object(&contexts)?;
        for ((expression, origin), theirs) in made.iter().zip(theirs) {
            let ours = Outcome::of(expression, &known);
            match verdict(expression, &json, *origin, &ours, &theirs) {
                Verdict::Agreed => tally.agreed(&ours),
                Verdict::Known(reason) => *tally.known.entry(reason).or_default() += 1,
                Verdict::Disagreed => {
                    tally.disagreed += 1;
                    if tally.disagreed <= PRINTED_MAX {
                        let small = shrunk(&mut oracle, &contexts, expression, *origin)?;
                        print(&mut oracle, &contexts, &small)?;
                    }
                }
            }
        }
        done += number as u64;
        if said.elapsed() >= PROGRESS_EVERY {
            said = Instant::now();
            let seconds = started.elapsed().as_secs();
            tools::say(&format!("{done} of {count} after {seconds} s"));
        }
    }
    tally.say(done, seed, started.elapsed());
    if tally.disagreed > 0 {
        bail!("{} disagreements", tally.disagreed);
    }
    Ok(())
}

#[derive(Default)]
struct Tally {
    values: usize,
    errors: BTreeMap<String, usize>,
    known: BTreeMap<&'static str, usize>,
    disagreed: usize,
}

impl Tally {
    fn agreed(&mut self, ours: &Outcome) {
        match ours {
            Outcome::Value { .. } => self.values += 1,
            Outcome::Error { kind, .. } => *self.errors.entry(kind.clone()).or_default() += 1,
        }
    }

    fn say(&self, count: u64, seed: u64, took: Duration) {
        tools::say(&format!("{count} expressions from seed {seed} in {} s", took.as_secs()));
        tools::say(&format!("  agreed in their value: {}", self.values));
        for (kind, number) in &self.errors {
            tools::say(&format!("  agreed in a {kind} error: {number}"));
        }
        for (reason, number) in &self.known {
            tools::say(&format!("  known difference ({reason}): {number}"));
        }
        tools::say(&format!("  disagreed: {}", self.disagreed));
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Agreed,
    /// The package is known to be wrong there.
    Known(&'static str),
    Disagreed,
}

fn verdict(
    expression: &str,
    contexts: &str,
    origin: Origin,
    ours: &Outcome,
    theirs: &Theirs,
) -> Verdict {
    if agree(ours, theirs) {
        return Verdict::Agreed;
    }
    match differences::known(expression, contexts, origin, ours, theirs) {
        Some(reason) => Verdict::Known(reason),
        None => Verdict::Disagreed,
    }
}

fn agree(ours: &Outcome, theirs: &Theirs) -> bool {
    match (ours, theirs) {
        (Outcome::Value { kind, value }, Theirs::Value { kind: their_kind, json }) => {
            kind == their_kind && serde_json::Value::from(value.clone()) == *json
        }
        // What is no token is named in the same words at the same place.
        (Outcome::Error { kind, message }, Theirs::Error { kind: their_kind, message: theirs }) => {
            kind == their_kind && (kind != "lexing" || message == theirs)
        }
        _ => false,
    }
}

/// The smallest expression found by leaving pieces out that still disagrees.
fn shrunk(
    oracle: &mut Oracle,
    contexts: &Contexts,
    expression: &str,
    origin: Origin,
) -> Result<String> {
    let known = object(contexts)?;
    let json = serde_json::to_string(contexts)?;
    let mut smallest = expression.to_owned();
    for _ in 0..SHRINKS_MAX {
        let candidates = smaller(&smallest);
        let theirs = oracle.ask(contexts, &candidates)?;
        let found = candidates.into_iter().zip(theirs).find(|(candidate, theirs)| {
            let ours = Outcome::of(candidate, &known);
            verdict(candidate, &json, origin, &ours, theirs) == Verdict::Disagreed
        });
        match found {
            Some((candidate, _)) => smallest = candidate,
            None => break,
        }
    }
    Ok(smallest)
}

/// The text without each of its stretches, the long ones first.
fn smaller(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let mut candidates = Vec::new();
    let mut length = characters.len() / 2;
    while length > 0 {
        for start in 0..=characters.len() - length {
            let kept = characters[..start].iter().chain(&characters[start + length..]);
            candidates.push(kept.collect());
        }
        length = if length > 8 { length / 2 } else { length - 1 };
    }
    candidates
}

/// Prints a disagreement as a case whose outcome is theirs.
fn print(oracle: &mut Oracle, contexts: &Contexts, expression: &str) -> Result<()> {
    let theirs = oracle.ask(contexts, &[expression.to_owned()])?.remove(0);
    let ours = Outcome::of(expression, &object(contexts)?);
    let used: Contexts = contexts
        .iter()
        .filter(|(name, _)| expression.to_lowercase().contains(&name.to_lowercase()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let case = match theirs {
        Theirs::Value { kind, json } => {
            json!({ "expr": expression, "contexts": used, "result": { "kind": kind, "value": json } })
        }
        Theirs::Error { kind, message } => {
            json!({ "expr": expression, "contexts": used, "err": { "kind": kind, "value": message } })
        }
    };
    tools::say(&format!("{case}\n  but ours: {ours}"));
    Ok(())
}

fn object(contexts: &Contexts) -> Result<Object> {
    match Value::from_json_text(&serde_json::Value::Object(contexts.clone()).to_string())? {
        Value::Object(object) => Ok(object),
        _ => bail!("contexts are an object"),
    }
}
