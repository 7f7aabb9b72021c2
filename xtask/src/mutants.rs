//! Mutation testing of the engine: cargo-mutants changes it in small ways, one at a time, and a change
//! that no test notices is a rule that no test holds.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::tools;

/// What is changed.
const CHANGED: &str = "crates/engine/src";
/// Cases of the property tests for each change: they find a broken rule in the first few or hardly.
const PROPERTY_CASES: &str = "8";
/// As many stories for the oracle of `why`.
const ORACLE_STORIES: &str = "600";

/// `--diff BASE` looks only at what changed since that commit; all else goes to `cargo mutants`.
pub(crate) fn mutants(args: &[String]) -> Result<()> {
    if !tools::answers("cargo", &["mutants", "--version"]) {
        bail!("cargo-mutants is missing: `cargo install cargo-mutants --version ^27 --locked`");
    }
    let mut rest: Vec<String> = args.to_vec();
    if let Some(at) = rest.iter().position(|arg| arg == "--diff") {
        let base = rest.get(at + 1).context("`--diff` wants a commit to compare with")?;
        let diff = since(base)?;
        if diff.trim().is_empty() {
            tools::say(&format!("nothing under {CHANGED} changed since {base}"));
            return Ok(());
        }
        let file = Path::new("target/mutants.diff");
        fs::write(file, diff).with_context(|| format!("{} cannot be written", file.display()))?;
        rest.splice(at..=at + 1, ["--in-diff".to_owned(), file.display().to_string()]);
    }
    let status = Command::new("cargo")
        .args(["mutants", "--package", "qnt9-engine", "--test-tool", "nextest"])
        .args(&rest)
        .env("PROPTEST_CASES", PROPERTY_CASES)
        .env("ORACLE_STORIES", ORACLE_STORIES)
        .status()
        .context("cargo cannot be started")?;
    // 2: some were missed; 3: some timed out. Both are findings, and listed by cargo-mutants itself.
    if !status.success() {
        bail!("not every change was noticed: see mutants.out/missed.txt ({status})");
    }
    Ok(())
}

fn since(base: &str) -> Result<String> {
    let diff = Command::new("git").args(["diff", base, "--", CHANGED]).output();
    let diff = diff.context("git cannot be started")?;
    if !diff.status.success() {
        bail!("git diff {base}: {}", String::from_utf8_lossy(&diff.stderr).trim());
    }
    String::from_utf8(diff.stdout).context("the difference is not UTF-8")
}
