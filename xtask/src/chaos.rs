//! `cargo xtask chaos`: deliveries of a small project while its processes are killed at random
//! instants. Every run must end as it does without kills, nothing may be done twice, and nothing that
//! was shown may be lost.

mod delivery;
pub(crate) mod fixture;
mod judge;
mod kills;
mod lane;
mod plan;
mod questions;
mod reference;
mod report;
pub(crate) mod site;
mod users;
mod watch;

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result, bail};

use self::lane::{Lane, Outcome};
use self::site::Programs;
use crate::{prove, run, tools};

const USAGE: &str = "\
usage: cargo xtask chaos --kills N [--seed S] [--each M] [--at-once L] [--release] [--json]

  --kills N     kills in all
  --seed S      the first delivery's seed (1); the next delivery has the next one
  --each M      kills for each delivery (10)
  --at-once L   deliveries at the same time (half of the processors)
  --release     with the release build
  --programs D  with the programs that were built into this folder, as target/debug, without building
  --reference   one delivery of the reference system instead, under all the kills
  --json        one line of JSON for each delivery and one for the sum, on stdout
";

/// What was asked for.
struct Options {
    kills: usize,
    seed: u64,
    each: usize,
    at_once: usize,
    release: bool,
    programs: Option<PathBuf>,
    reference: bool,
    json: bool,
}

/// Runs `cargo xtask chaos`; an error says how many deliveries went wrong.
pub(crate) fn chaos(args: &[String]) -> Result<()> {
    let options = Options::read(args)?;
    let programs = programs(&options)?;
    let outcomes = if options.reference {
        let outcome = reference::deliver(&programs, options.seed, options.kills)?;
        report::one(&outcome, options.json);
        vec![outcome]
    } else {
        deliver(&options, &programs)?
    };
    report::sum(&outcomes, options.json);
    let wrong = outcomes.iter().filter(|outcome| !outcome.deviations.is_empty()).count();
    if wrong > 0 {
        bail!("{wrong} of {} deliveries did not come out as without kills", outcomes.len());
    }
    Ok(())
}

impl Options {
    fn read(args: &[String]) -> Result<Self> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let mut options = Self {
            kills: 0,
            seed: 1,
            each: 10,
            at_once: (processors / 2).max(1),
            release: false,
            programs: None,
            reference: false,
            json: false,
        };
        let mut args = args.iter().map(String::as_str);
        while let Some(arg) = args.next() {
            let mut number = || {
                let value = args.next().with_context(|| format!("{arg} needs a number"))?;
                value.parse::<u64>().with_context(|| format!("`{value}` is no number"))
            };
            match arg {
                "--kills" => options.kills = usize::try_from(number()?)?,
                "--seed" => options.seed = number()?,
                "--each" => options.each = usize::try_from(number()?)?,
                "--at-once" => options.at_once = usize::try_from(number()?.max(1))?,
                "--release" => options.release = true,
                "--programs" => options.programs = args.next().map(PathBuf::from),
                "--reference" => options.reference = true,
                "--json" => options.json = true,
                other => bail!("`{other}` is not understood\n{USAGE}"),
            }
        }
        if options.kills == 0 || options.each == 0 {
            bail!("how many kills?\n{USAGE}");
        }
        Ok(options)
    }
}

fn programs(options: &Options) -> Result<Programs> {
    if let Some(folder) = &options.programs {
        return Programs::built_into(folder);
    }
    let qnt9 = prove::build(options.release)?;
    let profile = if options.release { &["--release"][..] } else { &[] };
    let build = ["build", "--locked", "-p", "qnt9", "--example", "new_project"];
    run("build", "cargo", &[&build, profile].concat())?;
    Programs::built_into(qnt9.parent().context("a program lies in a folder")?)
}

/// Deliveries one after the other, and as many at once as was asked for, until the kills are done.
fn deliver(options: &Options, programs: &Programs) -> Result<Vec<Outcome>> {
    let next = AtomicU64::new(options.seed);
    let outcomes = Mutex::new(Vec::new());
    // Kills that were done or are planned in a delivery that is on its way.
    let taken = Mutex::new(0);
    let take = || {
        let mut taken = taken.lock().ok()?;
        let kills = options.each.min(options.kills - *taken);
        *taken += kills;
        (kills > 0).then_some(kills)
    };
    let work = || -> Result<()> {
        let mut lane: Option<Lane> = None;
        while let Some(kills) = take() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let mut on = match lane.take() {
                Some(lane) => lane,
                None => Lane::open(programs, &seed.to_string())?,
            };
            let outcome = on.deliver(seed, kills);
            report::one(&outcome, options.json);
            // A delivery may be over before all that was planned for it.
            if let Ok(mut taken) = taken.lock() {
                *taken -= kills - outcome.done.len();
            }
            if outcome.deviations.is_empty() {
                lane = Some(on);
            } else {
                tools::say(&format!(
                    "  kept: {}\n  again: cargo xtask chaos --kills {kills} --each {kills} --seed {seed}",
                    on.folder().display()
                ));
            }
            if let Ok(mut outcomes) = outcomes.lock() {
                outcomes.push(outcome);
            }
        }
        lane.map_or(Ok(()), Lane::close)
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..options.at_once).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| {
            worker.join().map_err(|_| anyhow::anyhow!("a delivery fell over"))?
        })
    })?;
    outcomes.into_inner().context("a delivery fell over")
}

#[cfg(test)]
mod tests {
    use super::{Options, Programs, deliver};

    #[test]
    fn two_deliveries_under_ten_kills_each_come_out_as_without() {
        let test = std::env::current_exe().expect("a test is a program");
        let built = test.ancestors().nth(2).expect("it lies in target/debug/deps");
        let programs = Programs::built_into(built).expect("`cargo build --workspace --examples`");
        let options = Options {
            kills: 20,
            seed: 3,
            each: 10,
            at_once: 2,
            release: false,
            programs: None,
            reference: false,
            json: false,
        };
        let outcomes = deliver(&options, &programs).expect("deliveries without kills go well");
        let deviations: Vec<&String> =
            outcomes.iter().flat_map(|outcome| &outcome.deviations).collect();
        assert!(deviations.is_empty(), "{deviations:#?}");
        let kills: usize = outcomes.iter().map(|outcome| outcome.done.len()).sum();
        assert_eq!(kills, options.kills);
        assert!(outcomes.iter().all(|outcome| outcome.met.requests > 0), "there were users");
    }
}
