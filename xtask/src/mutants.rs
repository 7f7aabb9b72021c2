//! Mutation testing of the engine: cargo-mutants changes it in small ways, one at a time, and a change
//! that no test notices is a rule that no test holds.

mod tally;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use self::tally::Tally;
use crate::tools;

/// What is changed.
const CHANGED: &str = "crates/engine/src";
/// Where cargo-mutants leaves what it found.
const FOUND: &str = "mutants.out";
/// Cases of the property tests for each change: they find a broken rule in the first few or hardly.
const PROPERTY_CASES: &str = "8";
/// As many stories for the oracle of `why`.
const ORACLE_STORIES: &str = "600";
/// A change that makes the tests take this long is taken for an endless loop.
const TEST_SECONDS_MIN: &str = "30";
/// What [`changed`] may add to a run of all checks.
const CHANGED_SECONDS_MAX: u64 = 280;
const INSTALL: &str = "cargo install cargo-mutants --version ^27 --locked";

/// `--changed [BASE]` does what every run of all checks does, `--diff BASE` the same without an end to
/// its time; all else goes to `cargo mutants`.
pub(crate) fn mutants(args: &[String]) -> Result<()> {
    if let Some((_, rest)) = args.split_first().filter(|(first, _)| *first == "--changed") {
        return changed(rest.first().map(String::as_str));
    }
    if !is_installed() {
        bail!("cargo-mutants is missing: `{INSTALL}`");
    }
    let mut rest: Vec<String> = args.to_vec();
    if let Some(at) = rest.iter().position(|arg| arg == "--diff") {
        let base = rest.get(at + 1).context("`--diff` wants a commit to compare with")?;
        let Some(diff) = difference(base)? else {
            tools::say(&format!("nothing under {CHANGED} changed since {base}"));
            return Ok(());
        };
        rest.splice(at..=at + 1, ["--in-diff".to_owned(), diff]);
    }
    let status = start(&rest)?.wait().context("cargo-mutants cannot be waited for")?;
    // 2: some were missed; 3: some timed out. Both are findings, and listed by cargo-mutants itself.
    if !status.success() {
        bail!("not every change was noticed: see {FOUND}/missed.txt ({status})");
    }
    Ok(())
}

/// What every run of all checks does: changes, in random order and for a bounded time, only what
/// differs from `base`, by default from where the branch began or from the commit before. Too low a
/// share of noticed changes is an error; what keeps this from being looked at is said.
pub(crate) fn changed(base: Option<&str>) -> Result<()> {
    let skipped = |why: &str| tools::say(&format!("\n== mutation testing is skipped: {why}"));
    let Some(base) = base_of(base)? else {
        skipped("the commit before is not known here; name one: `cargo xtask ci --base COMMIT`");
        return Ok(());
    };
    let Some(diff) = difference(&base)? else {
        skipped(&format!("nothing under {CHANGED} changed since {base}"));
        return Ok(());
    };
    if !is_installed() {
        skipped(&format!("cargo-mutants is missing (`{INSTALL}`)"));
        return Ok(());
    }
    tools::say(&format!(
        "\n== mutation testing of what changed under {CHANGED} since {base}, at most \
         {CHANGED_SECONDS_MAX} s"
    ));
    forget_findings()?;
    let child = start(&["--in-diff".to_owned(), diff, "--shuffle".to_owned()])?;
    let ended = wait_at_most(child, Duration::from_secs(CHANGED_SECONDS_MAX))?;
    if let Some(status) = ended
        && !matches!(status.code(), Some(0 | 2 | 3))
    {
        bail!("cargo-mutants did not come to an end of its own: see {FOUND}/log ({status})");
    }
    let tally = Tally::read(Path::new(FOUND))?;
    tools::say(&tally.to_string());
    if tally.is_too_low() {
        bail!(
            "tests notice too few of the changes: add tests for those in {FOUND}/missed.txt, or \
             name them with their reason in .cargo/mutants.toml"
        );
    }
    Ok(())
}

fn is_installed() -> bool {
    tools::answers("cargo", &["mutants", "--version"])
}

/// Starts cargo-mutants on the engine, each change as cheap to build and to test as it can be.
fn start(args: &[String]) -> Result<Child> {
    let mut command = Command::new("cargo");
    command.args(["mutants", "--package", "qnt9-engine", "--colors", "never"]);
    command.args(["--minimum-test-timeout", TEST_SECONDS_MIN]);
    // What other builds leave in the tree is large, and may vanish while it is copied.
    command.args(["--gitignore", "true"]);
    if tools::answers("cargo", &["nextest", "--version"]) {
        command.args(["--test-tool", "nextest"]);
    }
    command
        .args(args)
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_INCREMENTAL", "1")
        .env("PROPTEST_CASES", PROPERTY_CASES)
        .env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true")
        .env("ORACLE_STORIES", ORACLE_STORIES)
        .spawn()
        .context("cargo cannot be started")
}

/// The status, or nothing if the time was over first; what has been found until then is kept.
fn wait_at_most(mut child: Child, time: Duration) -> Result<Option<ExitStatus>> {
    let end = Instant::now() + time;
    while Instant::now() < end {
        if let Some(status) = child.try_wait().context("cargo-mutants cannot be waited for")? {
            return Ok(Some(status));
        }
        thread::sleep(Duration::from_millis(200));
    }
    // It ends the tests it runs and removes its copy of the tree; a kill would leave both.
    let asked = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    if !asked.context("kill cannot be started")?.success() {
        child.kill().context("cargo-mutants cannot be ended")?;
    }
    child.wait().context("cargo-mutants cannot be waited for")?;
    Ok(None)
}

/// Findings of an earlier run are not taken for those of this one.
fn forget_findings() -> Result<()> {
    match fs::remove_dir_all(FOUND) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{FOUND} cannot be removed"))
        }
        _ => Ok(()),
    }
}

/// The commit to compare with: the one given, else where the branch left the remote's default
/// branch, else the one before. Nothing in a clone that has no other commit.
fn base_of(given: Option<&str>) -> Result<Option<String>> {
    if let Some(given) = given {
        let commit = git(&["rev-parse", "--verify", "--quiet", &format!("{given}^{{commit}}")])?;
        return commit.map(Some).with_context(|| format!("{given} is no commit of this clone"));
    }
    let head = git(&["rev-parse", "HEAD"])?;
    let left = git(&["merge-base", "HEAD", "origin/HEAD"])?;
    match left.filter(|left| Some(left) != head.as_ref()) {
        Some(left) => Ok(Some(left)),
        None => git(&["rev-parse", "--verify", "--quiet", "HEAD^"]),
    }
}

/// What git answers, if it succeeds.
fn git(args: &[&str]) -> Result<Option<String>> {
    let output = Command::new("git").args(args).output().context("git cannot be started")?;
    let text = String::from_utf8(output.stdout).context("git's answer is not UTF-8")?;
    Ok(output.status.success().then(|| text.trim().to_owned()))
}

/// A file with what changed of the engine since that commit; nothing if nothing did.
fn difference(base: &str) -> Result<Option<String>> {
    // As cargo-mutants reads it, whatever the user has configured.
    let plain = ["-c", "diff.noprefix=false", "-c", "diff.mnemonicPrefix=false"];
    let diff = Command::new("git")
        .args(plain)
        .args(["diff", "--no-ext-diff", "--no-color", base, "--", CHANGED])
        .output()
        .context("git cannot be started")?;
    if !diff.status.success() {
        bail!("git diff {base}: {}", String::from_utf8_lossy(&diff.stderr).trim());
    }
    if diff.stdout.trim_ascii().is_empty() {
        return Ok(None);
    }
    let file = Path::new("target/mutants.diff");
    fs::write(file, diff.stdout)
        .with_context(|| format!("{} cannot be written", file.display()))?;
    Ok(Some(file.display().to_string()))
}
