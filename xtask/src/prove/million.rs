//! A log of a million facts: how soon a server is ready with and without a snapshot, how much memory it
//! needs, and how long its verification takes.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::Options;
use super::memory::{peak_kb, ready_within};
use super::platform::Ground;
use crate::{run, tools};

const ENTRIES: &str = "1000000";
/// From the start of the program until its health answers, the whole log being folded.
const FOLDED_MAX: Duration = Duration::from_secs(10);
/// The same, from a snapshot.
const RESTORED_MAX: Duration = Duration::from_secs(1);
const VERIFIED_MAX: Duration = Duration::from_secs(5);

pub(super) fn prove(options: &Options) -> Result<()> {
    let ground = Ground::new(options, "million")?;
    let (data, key) = (ground.data(), ground.folder().join("key"));
    let (data_text, key_text) = (data.display().to_string(), key.display().to_string());
    let example = ["run", "--locked", "--quiet", "--release", "-p", "qnt9-server"];
    let args = ["--example", "long_log", "--", &data_text, &key_text, ENTRIES];
    run("a long log", "cargo", &[&example[..], &args].concat())?;

    let (folded, folded_kb) = start(&ground)?;
    let (restored, restored_kb) = start(&ground)?;
    let since = Instant::now();
    let verified = Command::new(ground.program())
        .args(["audit", "verify", "--data", &data_text])
        .env("XDG_CONFIG_HOME", ground.folder().join("config"))
        .env("QNT9_KEY_FILE", &key)
        .status()?;
    let verify = since.elapsed();
    tools::say(&format!(
        "| {ENTRIES} facts | time | memory at its peak |\n| --- | --- | --- |\n\
         | ready, the whole log folded | {:.2} s | {} MB |\n\
         | ready, from a snapshot | {:.2} s | {} MB |\n\
         | `qnt9 audit verify` | {:.2} s | |",
        folded.as_secs_f64(),
        folded_kb / 1000,
        restored.as_secs_f64(),
        restored_kb / 1000,
        verify.as_secs_f64()
    ));
    ensure!(verified.success(), "the log does not verify");
    ensure!(folded < FOLDED_MAX, "it was not ready within {FOLDED_MAX:?} without a snapshot");
    ensure!(restored < RESTORED_MAX, "it was not ready within {RESTORED_MAX:?} from a snapshot");
    ensure!(verify < VERIFIED_MAX, "it was not verified within {VERIFIED_MAX:?}");
    ground.clear()
}

/// How soon the server is ready, and its memory; it is then stopped, which makes a snapshot.
fn start(ground: &Ground) -> Result<(Duration, u64)> {
    let (platform, took) = ready_within(ground, &["--empty"], FOLDED_MAX * 6)?;
    let peak = peak_kb(platform.pid()).unwrap_or_default();
    platform.wait_for("empty", |event| event["event"] == "empty")?;
    let status = platform.interrupt()?;
    ensure!(status.success(), "it ended with {status}");
    Ok((took, peak))
}
