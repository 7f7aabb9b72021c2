//! How soon the server is ready, and how much memory it needs at its peak.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::Options;
use super::http::Connection;
use super::platform::{Ground, Platform};
use crate::tools;

const READY_MAX: Duration = Duration::from_secs(1);
const PEAK_KB_MAX: u64 = 150_000;
/// How often memory is looked at; the kernel keeps the peak.
const PULSE: Duration = Duration::from_millis(200);

pub(super) fn prove(options: &Options) -> Result<()> {
    let ground = Ground::new(options, "memory")?;
    let fresh = ready(&ground, &["--empty"])?;
    let platform = ground.up(&["--exit"])?;
    let pid = platform.pid();
    let watch = std::thread::spawn(move || {
        let mut peak = None;
        while let Some(now) = peak_kb(pid) {
            peak = Some(now);
            std::thread::sleep(PULSE);
        }
        peak
    });
    let (summary, status) = platform.end()?;
    let peak = watch.join().ok().flatten().context("its memory was never seen")?;
    let after = ready(&ground, &["--empty"])?;
    tools::say(&format!(
        "ready in {} ms on a new folder, in {} ms after a delivery; peak {} MB",
        fresh.as_millis(),
        after.as_millis(),
        peak / 1000
    ));
    ensure!(status.success(), "the delivery ended with {status}: {summary}");
    ensure!(fresh.max(after) < READY_MAX, "it was not ready within {READY_MAX:?}");
    ensure!(peak < PEAK_KB_MAX, "it needed more than {} MB", PEAK_KB_MAX / 1000);
    ground.clear()
}

/// From the start of the program until its health answers.
fn ready(ground: &Ground, args: &[&str]) -> Result<Duration> {
    let (platform, took) = ready_within(ground, args, READY_MAX * 20)?;
    platform.wait_for("empty", |event| event["event"] == "empty")?;
    let status = platform.interrupt()?;
    ensure!(status.success(), "it ended with {status}");
    Ok(took)
}

/// A platform whose health answers, and how long that took.
pub(super) fn ready_within(
    ground: &Ground,
    args: &[&str],
    patience: Duration,
) -> Result<(Platform, Duration)> {
    let since = Instant::now();
    let platform = ground.up(args)?;
    let healthy = || {
        let answer = Connection::open(&ground.address())?.ask("GET", "/healthz", "", "")?;
        anyhow::Ok(answer.0 == 200)
    };
    while !healthy().unwrap_or(false) {
        ensure!(since.elapsed() < patience, "it never answered");
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok((platform, since.elapsed()))
}

/// The most memory the process had in RAM so far, as proc(5) says it in `VmHWM`.
pub(super) fn peak_kb(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
