//! Set-up and checks for people who work on qnt9: `cargo xtask test`, `cargo xtask ci`, `cargo xtask
//! prove`, `cargo xtask chaos`, `cargo xtask fuzz`.

mod chaos;
mod fuzz;
mod mutants;
mod prove;
mod tools;

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

const USAGE: &str = "\
usage: cargo xtask COMMAND

  test   install what the tests need, then run them all (further arguments go to the test runner)
  ci     formatting, clippy without warnings, then `test`, then mutation testing of what changed in the
         engine (since `--base COMMIT`, or since the commit before): what must pass before a change lands
  prove  measure one of the promises on the whole program: `cargo xtask prove` lists them
  chaos  kill processes at random during deliveries: `cargo xtask chaos` says how
  planted  switch on each planted fault of engine and store, and see after how many seeds the
         simulator finds it (--seeds N, --json, names of faults)
  fuzz   compare with another program on random input: `cargo xtask fuzz` says how
  mutants  change the engine in small ways and see whether its tests notice: `--changed [BASE]` as `ci`
         does, `--diff BASE` all that changed since that commit, else what `cargo mutants` is told
         (`--shard 1/8`)
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let result = match args.next().as_deref() {
        Some("test") => test(&args.collect::<Vec<_>>()),
        Some("ci") => ci(&args.collect::<Vec<_>>()),
        Some("prove") => prove::prove(&args.collect::<Vec<_>>()),
        Some("chaos") => chaos::chaos(&args.collect::<Vec<_>>()),
        Some("mutants") => mutants::mutants(&args.collect::<Vec<_>>()),
        Some("fuzz") => fuzz::fuzz(&args.collect::<Vec<_>>()),
        Some("planted") => planted(&args.collect::<Vec<_>>()),
        _ => {
            tools::say(USAGE);
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tools::say(&format!("\nxtask: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn ci(args: &[String]) -> Result<()> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let base = match args[..] {
        [] => None,
        ["--base", commit] => Some(commit),
        _ => bail!("`ci` takes nothing but `--base COMMIT`"),
    };
    run("formatting", "cargo", &["fmt", "--all", "--check"])?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    run("clippy", "cargo", &clippy)?;
    test(&[])?;
    conformance()?;
    mutants::changed(base)
}

/// Runs the cases that others wrote, where they lie beside the checkout.
fn conformance() -> Result<()> {
    /// The kinds of cases, as the command and the folder are called.
    const KINDS: &[(&str, &str)] = &[
        ("expressions", "expressions"),
        ("workflows", "workflow-reader"),
        ("actionlint", "actionlint"),
    ];
    for (kind, folder) in KINDS {
        let folder = format!("../shared/conformance/{folder}");
        if !Path::new(&folder).is_dir() {
            tools::say(&format!("\n== no cases for {kind}: {folder} is not there"));
            continue;
        }
        let command = ["run", "--package", "qnt9", "--locked", "--quiet", "--", "conformance"];
        run("cases", "cargo", &[&command[..], &[*kind, folder.as_str()]].concat())?;
    }
    Ok(())
}

/// Installs what the tests need and runs them. The binary is built first: whole-program tests start
/// it as a user would.
fn test(rest: &[String]) -> Result<()> {
    tools::provide()?;
    run("build", "cargo", &["build", "--workspace", "--locked"])?;
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    if tools::answers("cargo", &["nextest", "--version"]) {
        let args = [&["nextest", "run", "--workspace", "--locked", "--no-fail-fast"][..], &rest];
        run("tests", "cargo", &args.concat())
    } else {
        let args = [&["test", "--workspace", "--locked", "--no-fail-fast"][..], &rest];
        run("tests", "cargo", &args.concat())
    }
}

/// The board of planted faults. The switch for them is a feature that only this build turns on.
fn planted(rest: &[String]) -> Result<()> {
    let board = ["run", "--release", "--locked", "--package", "qnt9-simulator"];
    let features = ["--features", "planted", "--example", "planted", "--"];
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    run("planted faults", "cargo", &[&board[..], &features, &rest].concat())
}

/// Runs a command in sight of the user; an error when it fails.
fn run(what: &str, program: &str, args: &[&str]) -> Result<()> {
    tools::say(&format!("\n== {what}: {program} {}", args.join(" ")));
    let status = Command::new(program)
        .args(args)
        .status()
        .with_context(|| format!("{program} cannot be started"))?;
    if !status.success() {
        bail!("{what} failed: `{program} {}` ended with {status}", args.join(" "));
    }
    Ok(())
}
