//! `cargo xtask prove NAME`: the promises about time, memory and failures, measured on the whole program.
//! Each proof prints its figures and fails when its promise is broken.

mod delivery;
pub(crate) mod http;
mod kill;
mod memory;
mod million;
mod platform;
mod promote;
mod strategies;
mod upgrade;
mod users;

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use cargo_metadata::MetadataCommand;

use crate::{run, tools};

pub(crate) const USAGE: &str = "\
usage: cargo xtask prove NAME [--release] [--tries N]

  delivery   the reference system from push to production, then a bad release that is rolled back
  kill       no request fails while the server is killed in the middle of a canary and started again
  promote    N (20) further good releases are all promoted under traffic
  strategies N (20) releases by blue-green, with as many switches back, by canary and by rolling: no request fails
  upgrade    a job of two minutes and the users of a service do not notice two upgrades of the program
  switches   no request fails over 100,000 requests and 20 switches, with and without keep-alive
  million    a log of a million facts: ready from a snapshot in under 1 s, without in under 10 s, verified in under 5 s
  memory     the server is ready in under 1 s and needs less than 150 MB
";

/// How a proof is made.
struct Options {
    /// The program under test.
    program: PathBuf,
    /// Whether it is built for release.
    release: bool,
    tries: u32,
}

/// Makes one proof; an error says which promise is broken.
pub(crate) fn prove(args: &[String]) -> Result<()> {
    let mut args = args.iter().map(String::as_str);
    let name = args.next().unwrap_or_default();
    let (mut release, mut tries) = (false, 20);
    while let Some(arg) = args.next() {
        match arg {
            "--release" => release = true,
            "--tries" => {
                let number = args.next().context("--tries needs a number")?;
                tries = number.parse().with_context(|| format!("`{number}` is no number"))?;
            }
            other => bail!("`{other}` is not understood\n{USAGE}"),
        }
    }
    if name == "switches" {
        return switches(release);
    }
    let proof = match name {
        "delivery" => delivery::prove,
        "kill" => kill::prove,
        "promote" => promote::prove,
        "memory" => memory::prove,
        "million" => million::prove,
        "strategies" => strategies::prove,
        "upgrade" => upgrade::prove,
        _ => bail!("`{name}` is no proof\n{USAGE}"),
    };
    proof(&Options { program: build(release)?, release, tries })?;
    tools::say(&format!("{name}: proved"));
    Ok(())
}

/// Builds the program and says where it lies.
pub(crate) fn build(release: bool) -> Result<PathBuf> {
    let profile = if release { &["--release"][..] } else { &[] };
    run("build", "cargo", &[&["build", "--locked", "-p", "qnt9"], profile].concat())?;
    let metadata = MetadataCommand::new().no_deps().exec()?;
    let folder = if release { "release" } else { "debug" };
    Ok(metadata.target_directory.join(folder).join("qnt9").into())
}

/// The gateway's own proof, with the figures that are promised.
fn switches(release: bool) -> Result<()> {
    let (requests, rate, releases) = ("100000", "1000", "20");
    let profile = if release { &["--release"][..] } else { &[] };
    let package = ["-p", "qnt9-cluster", "--example", "switch_proof"];
    let args =
        [&["run", "--locked", "--quiet"], profile, &package, &["--", requests, rate, releases]];
    run("switches", "cargo", &args.concat())
}
