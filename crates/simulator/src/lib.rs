//! A seeded company around the real machine: people, repositories, runners, a gateway and all that
//! goes wrong between them drive the engine and the log, and an auditor holds every fact against books
//! of its own.
//!
//! ```text
//! world    an agenda of events; each has an identity, and so chances of its own
//! server   the engine over the log in memory, as the machine's thread runs them
//! audit    what must be true of every fact, worked out from the facts alone
//! reader   the same books and the same state over an exported log, forwards and backwards
//! ```
//!
//! [`simulate`] runs one seed. Whatever happens, it happens again for the same seed. A failure is a
//! value: the seed, what was broken, and the fewest deeds and accidents that still break it.
//!
//! No clock, no randomness but its own, no I/O: it starts no process and opens no file.

mod audit;
mod company;
pub mod coverage;
mod random;
pub mod reader;
mod server;
mod shrink;
mod swarm;
pub mod told;
mod world;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use audit::Broken;
use company::Workflows;
use world::World;

pub use coverage::Coverage;

/// Facts that a seed reaches before its faults stop.
pub const FACTS_LEAST: u64 = 2_000;

/// How time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rhythm {
    /// As fast as anything can happen, until there are enough facts.
    Dense,
    /// Working hours of a team, for so many days.
    Office {
        /// How long.
        days: u32,
        /// How many people.
        team: usize,
    },
}

/// How to simulate.
#[derive(Clone, Debug)]
pub struct Options {
    /// How time passes.
    pub rhythm: Rhythm,
    /// Facts after which faults stop, where the rhythm is dense.
    pub facts: u64,
    /// Stop right after this fact.
    pub until: Option<u64>,
    /// Keep a line for everything that happens.
    pub trace: bool,
    /// Deeds and accidents to leave out.
    pub skip: BTreeSet<u64>,
    /// Tries at making a failure smaller.
    pub shrinks: u32,
    /// Facts that are said to be broken, so that tests have something to find.
    #[cfg(test)]
    forbids: Option<fn(&qnt9_model::Fact) -> bool>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rhythm: Rhythm::Dense,
            facts: FACTS_LEAST,
            until: None,
            trace: false,
            skip: BTreeSet::new(),
            shrinks: 200,
            #[cfg(test)]
            forbids: None,
        }
    }
}

/// A world in which nothing was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Facts of all streams.
    pub facts: u64,
    /// Deeds and accidents.
    pub happenings: u64,
    /// What occurred.
    pub coverage: Coverage,
    /// The last digest of every stream: the same seed gives the same.
    pub heads: Vec<(String, String)>,
    /// Lines, when they were asked for.
    pub trace: Vec<String>,
}

/// A world in which something was broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("seed {seed} breaks `{invariant}` at fact {fact}: {detail}")]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The invariant's name; `panic` when the machine itself gave up.
    pub invariant: String,
    /// What was found.
    pub detail: String,
    /// Facts until then.
    pub fact: u64,
    /// Deeds and accidents until then, and how many of them are needed.
    pub happenings: usize,
    /// How many of them are left in the trace.
    pub needed: usize,
    /// The fact at which it breaks when only those happen.
    pub shrunk_fact: u64,
    /// Everything that happened in the smallest world that still breaks it, line by line.
    pub trace: Vec<String>,
}

/// Lives through the world of a seed.
///
/// # Errors
/// What was broken first, made as small as `options.shrinks` tries could make it.
pub fn simulate(seed: u64, options: &Options) -> Result<Report, Box<Failure>> {
    let attempt = attempt(seed, options);
    match attempt.broken {
        None => Ok(Report {
            seed,
            facts: attempt.facts,
            happenings: attempt.happened.len() as u64,
            coverage: attempt.coverage,
            heads: attempt.heads,
            trace: attempt.trace,
        }),
        Some(broken) => {
            Err(Box::new(shrink::shrink(seed, options, &broken, &attempt.happened, attempt.facts)))
        }
    }
}

/// One life of a world.
struct Attempt {
    broken: Option<Broken>,
    facts: u64,
    happened: Vec<u64>,
    coverage: Coverage,
    heads: Vec<(String, String)>,
    trace: Vec<String>,
}

fn attempt(seed: u64, options: &Options) -> Attempt {
    static WORKFLOWS: OnceLock<Arc<Workflows>> = OnceLock::new();
    let workflows = WORKFLOWS.get_or_init(|| Arc::new(Workflows::read())).clone();
    let mut world = World::new(seed, options, workflows);
    let lived = catch_unwind(AssertUnwindSafe(|| world.live()));
    let broken = match lived {
        Ok(lived) => lived.err(),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Some(Broken::new("panic", text.unwrap_or("without a word")))
        }
    };
    let heads = world.heads();
    Attempt {
        broken,
        facts: world.auditor.facts,
        happened: std::mem::take(&mut world.happened),
        coverage: std::mem::take(&mut world.coverage),
        heads: heads.into_iter().map(|(name, head)| (name, head.digest.to_string())).collect(),
        trace: std::mem::take(&mut world.trace),
    }
}
