//! Measures the log on this machine's disk: `cargo run --release -p qnt9-store --example append_rate
//! -- [FOLDER]`. Every append is synced before it counts.
#![expect(clippy::print_stdout, reason = "a program that measures prints what it measured")]

use qnt9_store::{
    Digest, Head, Log, LogRead, MasterKey, Memory, NewEntry, Sqlite, Text, Writer, verify_stream,
};
use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const MEASURE: Duration = Duration::from_secs(3);
const COLD_ENTRIES: usize = 100_000;
const KEY: MasterKey = MasterKey::from_bytes([7; 32]);

fn main() -> Result<(), Box<dyn Error>> {
    let parent = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = parent.join(format!("qnt9-append-rate-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    let measured = measure_all(&folder.join("log.sqlite"));
    std::fs::remove_dir_all(&folder)?;
    measured
}

fn measure_all(file: &std::path::Path) -> Result<(), Box<dyn Error>> {
    println!("lines of {} bytes, one in eight with a text", line("s", Head::EMPTY).len());
    for callers in [1, 32] {
        for batch in [1, 128] {
            let writer = Writer::start(Sqlite::open(file, &KEY)?)?;
            println!(
                "SQLite, {callers:>2} callers, batches of {batch:>3}: {}",
                rate(&writer, callers, batch)?
            );
        }
    }
    let writer = Writer::start(Memory::new(&KEY))?;
    println!("memory,  1 caller,  batches of 128: {}", rate(&writer, 1, 128)?);
    drop(writer);

    let mut log = Sqlite::open(file, &KEY)?;
    let mut head = Head::EMPTY;
    for _ in 0..COLD_ENTRIES / 1000 {
        log.append(&batch_after("cold", &mut head, 1000)?)?;
    }
    drop(log);
    let began = Instant::now();
    let log = Sqlite::open(file, &KEY)?;
    println!("open: {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
    let began = Instant::now();
    let (mut from, mut bytes) = (1, 0);
    while let Some(last) = {
        let page = log.read("cold", from, 1000)?;
        bytes += page.iter().map(|entry| entry.line.len()).sum::<usize>();
        page.last().map(|entry| entry.sequence)
    } {
        from = last + 1;
    }
    println!(
        "read {COLD_ENTRIES} entries, {} MB, by a new connection: {:.0} ms",
        bytes / 1_000_000,
        began.elapsed().as_secs_f64() * 1e3
    );
    let began = Instant::now();
    let verified = verify_stream(&log, "cold", Some(&KEY))?;
    println!(
        "verify {} entries and their texts: {:.0} ms",
        verified.entries,
        began.elapsed().as_secs_f64() * 1e3
    );
    Ok(())
}

/// Every caller has a stream of its own and waits for each answer before it asks again.
fn rate(writer: &Writer, callers: usize, batch: usize) -> Result<String, Box<dyn Error>> {
    let began = Instant::now();
    let threads: Vec<_> = (0..callers)
        .map(|caller| {
            let handle = writer.handle();
            std::thread::spawn(move || {
                let stream = format!("project/{caller}");
                let mut head = handle.head(&stream).map_err(|error| error.to_string())?;
                let mut waits = Vec::new();
                while began.elapsed() < MEASURE {
                    let entries =
                        batch_after(&stream, &mut head, batch).map_err(|e| e.to_string())?;
                    let asked = Instant::now();
                    handle.append(entries).wait().map_err(|error| error.to_string())?;
                    waits.push(asked.elapsed());
                }
                Ok::<_, String>(waits)
            })
        })
        .collect();
    let mut waits = Vec::new();
    for thread in threads {
        waits.extend(thread.join().map_err(|_| "a caller panicked")??);
    }
    let seconds = began.elapsed().as_secs_f64();
    waits.sort_unstable();
    let milliseconds = |part: usize| waits[(waits.len() - 1) * part / 100].as_secs_f64() * 1e3;
    Ok(format!(
        "{:>7.0} entries/s, answered in {:.2} ms (median), {:.2} ms (99 %)",
        (waits.len() * batch) as f64 / seconds,
        milliseconds(50),
        milliseconds(99)
    ))
}

fn batch_after(
    stream: &str,
    head: &mut Head,
    count: usize,
) -> Result<Vec<NewEntry>, Box<dyn Error>> {
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        let plaintext = format!("what somebody wrote at {}", head.sequence).into_bytes();
        let text = Text { digest: Digest::of(&plaintext), salt: vec![1; 16], plaintext };
        let texts = if head.sequence.is_multiple_of(8) { vec![text] } else { Vec::new() };
        let entry = NewEntry::new(line(stream, *head), texts)?;
        *head = entry.as_head();
        entries.push(entry);
    }
    Ok(entries)
}

fn line(stream: &str, head: Head) -> Vec<u8> {
    let (sequence, previous) = (head.sequence + 1, head.digest);
    let payload = "x".repeat(200);
    format!(
        r#"{{"version":1,"stream":"{stream}","sequence":{sequence},"time":1795000000000,"actor":{{"person":"alice"}},"kind":"StepFinished","previous":"{previous}","payload":{{"note":"{payload}"}}}}"#
    )
    .into_bytes()
}
