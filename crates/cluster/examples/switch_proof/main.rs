//! Proof that switching fails nobody:
//! `cargo run --release -p qnt9-cluster --example switch_proof -- [REQUESTS [RATE [RELEASES]]]`.
//!
//! For each way of connecting (kept alive, closed after each request, HTTP/2) it sends REQUESTS
//! (100000) at RATE a second (1500) through a gateway in a process of its own, while RELEASES (20)
//! replace each other, every fourth by canary steps. Old replicas are killed as soon as they are
//! drained. It prints what the client saw and what the gateway's journal says, and fails when one
//! request failed or the two disagree.
#![expect(clippy::print_stdout, reason = "a program that reports")]

mod backend;
mod client;
mod rollout;

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, ExitCode};
use std::time::{Duration, Instant};

use client::{Mode, Tally};
use qnt9_cluster::gateway::Control;
use qnt9_cluster::gateway::journal::{Position, Reader, Record};
use rollout::Rollout;

const WORKERS: u64 = 32;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [gateway, dir] = args.as_slice()
        && gateway == "gateway"
    {
        qnt9_cluster::gateway::run_blocking(dir.as_ref()).expect("the gateway runs");
        return ExitCode::SUCCESS;
    }
    let number = |at: usize, otherwise: u64| {
        args.get(at).map_or(otherwise, |text| text.parse().expect("a number"))
    };
    let (requests, rate, releases) = (number(0, 100_000), number(1, 1_500), number(2, 20));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut all_good = true;
    for mode in [Mode::KeepAlive, Mode::Close, Mode::Http2] {
        all_good &= runtime.block_on(prove(mode, requests, rate, releases));
    }
    if all_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn prove(mode: Mode, requests: u64, rate: u64, releases: u64) -> bool {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut gateway = start_gateway(dir.path()).await;
    let mut rollout = Rollout::begin(dir.path(), free_address()).await;
    let begun = Instant::now();
    let traffic = tokio::spawn(client::run(rollout.address, mode, requests, rate, WORKERS));
    let pause = Duration::from_micros(requests * 1_000_000 / rate / (releases + 1));
    for release in 0..releases {
        tokio::time::sleep_until((begun + pause * (release as u32 + 1)).into()).await;
        let canary = release % 4 == 3;
        rollout.release(if canary { &[5, 25, 50, 100] } else { &[100] }).await;
    }
    let tally = traffic.await.expect("the client does not panic");
    let took = begun.elapsed();
    let memory = peak_memory(gateway.id());
    let control = Control::connect(dir.path()).await.expect("the gateway still runs");
    control.stop().await.expect("the gateway stops");
    let ended = gateway.wait().expect("the gateway was started");
    let journal = Reader::new(dir.path(), Position::default()).read().expect("a journal").records;
    report(mode, &tally, took, &rollout, &journal, &memory);
    ended.success() && tally.failures.is_empty() && agrees(&tally, &journal)
}

fn report(
    mode: Mode,
    tally: &Tally,
    took: Duration,
    rollout: &Rollout,
    journal: &[Record],
    memory: &str,
) {
    let rate = tally.requests() as f64 / took.as_secs_f64();
    let mut switches = rollout.switches.clone();
    switches.sort_unstable();
    let mut times = tally.took.clone();
    times.sort_unstable();
    let at = |times: &[Duration], share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "{mode:?}: {} requests, {} failed, {rate:.0}/s over {} connections; {} releases answered",
        tally.requests(),
        tally.failures.len(),
        tally.connections,
        tally.answered.len(),
    );
    println!(
        "  {} switches, applied in {:?} (median), {:?} (slowest)",
        switches.len(),
        at(&switches, 0.5),
        at(&switches, 1.0)
    );
    println!(
        "  answers: p50 {:?}, p95 {:?}, p99 {:?}, slowest {:?}",
        at(&times, 0.5),
        at(&times, 0.95),
        at(&times, 0.99),
        at(&times, 1.0)
    );
    println!(
        "  journal: {} records, {} requests, {} bad; gateway's peak memory {memory}",
        journal.len(),
        journal.iter().map(|record| record.requests).sum::<u64>(),
        journal.iter().map(|record| record.bad).sum::<u64>(),
    );
    for failure in tally.failures.iter().take(10) {
        println!("  {failure}");
    }
}

/// Whether the journal says of every release what the client saw.
fn agrees(tally: &Tally, journal: &[Record]) -> bool {
    tally.answered.iter().all(|(release, answered)| {
        let of_release = journal.iter().filter(|record| record.arm == *release);
        *answered == of_release.map(|record| record.requests).sum::<u64>()
    })
}

async fn start_gateway(dir: &Path) -> Child {
    let program = std::env::current_exe().expect("this program");
    let gateway = Command::new(program).arg("gateway").arg(dir).spawn().expect("a process");
    while Control::connect(dir).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    gateway
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound address")
}

fn peak_memory(pid: u32) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.unwrap_or("unknown").trim().to_owned()
}
