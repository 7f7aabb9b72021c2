//! Measures a log of a million entries: `cargo run --release -p qnt9-store --example million --
//! [FOLDER [ENTRIES]]`. Lines are about 400 bytes, one in eight has a text.
#![expect(clippy::print_stdout, reason = "a program that measures prints what it measured")]

use qnt9_store::{
    Digest, Head, Log, LogRead, MasterKey, NewEntry, NewSnapshot, Sqlite, Text, verify_stream,
};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

const KEY: MasterKey = MasterKey::from_bytes([7; 32]);
const ENTRIES: u64 = 1_000_000;
const BATCH: u64 = 1000;
const STATE_BYTES: usize = 60_000_000;
const STREAM: &str = "shop";

fn main() -> Result<(), Box<dyn Error>> {
    let parent = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let entries = std::env::args().nth(2).map_or(Ok(ENTRIES), |given| given.parse())?;
    let folder = parent.join(format!("qnt9-million-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    let measured = measure(&folder.join("log.sqlite"), entries);
    std::fs::remove_dir_all(&folder)?;
    measured
}

fn measure(file: &Path, entries: u64) -> Result<(), Box<dyn Error>> {
    let began = Began::now();
    let mut log = Sqlite::open(file, &KEY)?;
    let mut head = Head::EMPTY;
    while head.sequence < entries {
        log.append(&batch_after(&mut head)?)?;
    }
    began.report("append, in batches of 1000");
    drop(log);
    size(file)?;
    read_all(file, "live")?;

    let mut log = Sqlite::open(file, &KEY)?;
    let mut state = vec![0; STATE_BYTES];
    // Any bytes that do not compress.
    state.iter_mut().enumerate().for_each(|(at, byte)| *byte = ((at * at) >> 7) as u8);
    let began = Began::now();
    log.put_snapshot(NewSnapshot::new(STREAM, head, 1, state))?;
    began.report("write a snapshot of 60 MB");
    drop(log);
    let began = Began::now();
    let log = Sqlite::open_reader(file, &KEY)?;
    let snapshot = log.snapshot(STREAM)?.ok_or("there is no snapshot")?;
    let tail = log.read(STREAM, snapshot.at.sequence + 1, 1000)?;
    began.report("open, read the snapshot and the tail");
    println!("  {} MB of state, {} entries of tail", snapshot.state.len() / 1_000_000, tail.len());
    drop(log);

    let mut log = Sqlite::open(file, &KEY)?;
    let began = Began::now();
    let mut slowest = 0.0_f64;
    loop {
        let one = Instant::now();
        if log.compact(STREAM, entries)?.is_none() {
            break;
        }
        slowest = slowest.max(one.elapsed().as_secs_f64());
    }
    began.report("archive all entries");
    println!("  the longest step: {:.0} ms", slowest * 1e3);
    drop(log);
    size(file)?;
    read_all(file, "archived")
}

fn read_all(file: &Path, what: &str) -> Result<(), Box<dyn Error>> {
    let began = Began::now();
    let log = Sqlite::open_reader(file, &KEY)?;
    let (mut from, mut bytes, mut texts) = (1, 0, 0);
    while let Some(last) = {
        let page = log.read(STREAM, from, 1000)?;
        bytes += page.iter().map(|entry| entry.line.len()).sum::<usize>();
        page.last().map(|entry| entry.sequence)
    } {
        texts += log.texts(STREAM, from..=last)?.len();
        from = last + 1;
    }
    began.report(&format!("open and read all entries and texts, {what}"));
    println!("  {} entries, {} MB, {texts} texts", from - 1, bytes / 1_000_000);
    let began = Began::now();
    let verified = verify_stream(&log, STREAM, Some(&KEY))?;
    began.report(&format!("verify, {what}"));
    println!("  {} good entries", verified.entries);
    Ok(())
}

/// When something began, by the clock and by the processor time of this process.
struct Began(Instant, f64);

impl Began {
    fn now() -> Self {
        Self(Instant::now(), processor_seconds())
    }

    fn report(&self, what: &str) {
        let (wall, processor) = (self.0.elapsed().as_secs_f64(), processor_seconds() - self.1);
        println!("{what}: {wall:.2} s ({processor:.2} s of processor time)");
    }
}

/// Linux counts it in hundredths of a second; elsewhere it stays 0.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn size(file: &Path) -> Result<(), Box<dyn Error>> {
    println!("  {} MB on disk", std::fs::metadata(file)?.len() / 1_000_000);
    Ok(())
}

fn batch_after(head: &mut Head) -> Result<Vec<NewEntry>, Box<dyn Error>> {
    let mut entries = Vec::new();
    for _ in 0..BATCH {
        let plaintext = format!("what somebody wrote at {}", head.sequence).into_bytes();
        let text = Text { digest: Digest::of(&plaintext), salt: vec![1; 16], plaintext };
        let texts = if head.sequence.is_multiple_of(8) { vec![text] } else { Vec::new() };
        let entry = NewEntry::new(line(*head), texts)?;
        *head = entry.as_head();
        entries.push(entry);
    }
    Ok(entries)
}

/// Like the facts of a delivery: some fields vary, some repeat.
fn line(head: Head) -> Vec<u8> {
    let (sequence, previous) = (head.sequence + 1, head.digest);
    let run = sequence / 40;
    let time = 1_795_000_000_000 + sequence * 977;
    let release = Digest::of(&run.to_be_bytes());
    format!(
        r#"{{"version":1,"stream":"{STREAM}","sequence":{sequence},"time":{time},"actor":{{"attempt":"{run}.build.1"}},"kind":"step-finished","previous":"{previous}","payload":{{"attempt":"{run}.build.1","step":{},"conclusion":"success","release":"sha256:{release}","lines":{},"note":"Compiling and linking what changed since the run before"}}}}"#,
        sequence % 40,
        sequence % 977,
    )
    .into_bytes()
}
