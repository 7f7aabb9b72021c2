//! Measures the fact log beside plain inserts of the same durability on this machine's disk:
//! `cargo run --release -p qnt9-store --example append_rate -- [FOLDER [ROUNDS]]`.
//!
//! Every transaction is synced before it counts: SQLite in write-ahead mode with synchronous=FULL,
//! PostgreSQL with fsync and synchronous_commit on. Rounds are interleaved, so that whatever else the
//! machine does meets all of them; the table shows medians.
#![expect(clippy::print_stdout, reason = "a program that measures prints what it measured")]

use futures_util::future::try_join_all;
use qnt9_store::{
    Digest, Head, Log, LogHandle, MasterKey, NewEntry, Postgres, Sqlite, Text, Writer,
};
use rusqlite::{Connection, params};
use scratch::{Scratch, Syncs};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls, Statement};

#[path = "../tests/scratch/mod.rs"]
mod scratch;

const ROUND: Duration = Duration::from_millis(700);
const ROUNDS: usize = 7;
const BATCHES: [usize; 3] = [1, 16, 128];
/// So many ask at once where group commit is measured.
const CALLERS: usize = 32;
const KEY: MasterKey = MasterKey::from_bytes([7; 32]);

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Something that makes entries durable.
trait Contestant {
    fn name(&self) -> &'static str;
    /// Stores so many entries in one transaction, durable when it returns.
    fn commit(&mut self, entries: usize) -> Outcome<()>;
}

fn main() -> Outcome<()> {
    let parent = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let rounds = std::env::args().nth(2).map_or(Ok(ROUNDS), |given| given.parse())?;
    let folder = parent.join(format!("qnt9-append-rate-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    let measured = measure_all(&folder, rounds);
    std::fs::remove_dir_all(&folder)?;
    measured
}

fn measure_all(folder: &Path, rounds: usize) -> Outcome<()> {
    let server = Scratch::start_in(folder, Syncs::Always);
    let mut contestants: Vec<Box<dyn Contestant>> = vec![
        Box::new(FactLog::new("fact log on SQLite", Sqlite::open(&folder.join("log"), &KEY)?)),
        Box::new(PlainSqlite::new(&folder.join("plain"))?),
        Box::new(FactLog::new("fact log on PostgreSQL", Postgres::open(&server.url(), &KEY)?)),
        Box::new(PlainPostgres::new(&server.url())?),
    ];
    println!("lines of {} bytes, one in eight with a text; {rounds} rounds", plain_line(1).len());
    println!("\n| entries a second | one by one | batches of 16 | batches of 128 |");
    println!("| --- | ---: | ---: | ---: |");
    let mut rates = vec![vec![Vec::new(); BATCHES.len()]; contestants.len()];
    for _ in 0..rounds {
        for (batch, entries) in BATCHES.into_iter().enumerate() {
            for (contestant, rates) in contestants.iter_mut().zip(&mut rates) {
                rates[batch].push(rate(contestant.as_mut(), entries)?);
            }
        }
    }
    for (contestant, rates) in contestants.iter().zip(&mut rates) {
        let medians: Vec<String> =
            rates.iter_mut().map(|rates| format!("{:.0}", median(rates))).collect();
        println!("| {} | {} |", contestant.name(), medians.join(" | "));
    }
    drop(contestants);
    println!("\n{CALLERS} callers at once, one entry each and each waiting for its answer:");
    let sqlite = Writer::start(Sqlite::open(&folder.join("group"), &KEY)?)?;
    println!("  fact log on SQLite: {:.0} entries a second", group_rate(&sqlite)?);
    drop(sqlite);
    let postgres = Writer::start(Postgres::open(&server.url(), &KEY)?)?;
    println!("  fact log on PostgreSQL: {:.0} entries a second", group_rate(&postgres)?);
    Ok(())
}

fn rate(contestant: &mut dyn Contestant, entries: usize) -> Outcome<f64> {
    let began = Instant::now();
    let mut stored = 0;
    while began.elapsed() < ROUND {
        contestant.commit(entries)?;
        stored += entries;
    }
    Ok(stored as f64 / began.elapsed().as_secs_f64())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Our log: chained, sealed, texts encrypted.
struct FactLog<L> {
    name: &'static str,
    log: L,
    head: Head,
}

impl<L: Log> FactLog<L> {
    fn new(name: &'static str, log: L) -> Self {
        Self { name, log, head: Head::EMPTY }
    }
}

impl<L: Log> Contestant for FactLog<L> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn commit(&mut self, entries: usize) -> Outcome<()> {
        let mut batch = Vec::with_capacity(entries);
        for _ in 0..entries {
            let entry = next_entry("rate", self.head)?;
            self.head = entry.as_head();
            batch.push(entry);
        }
        Ok(self.log.append(&batch)?)
    }
}

/// The same bytes as rows of one table, without chain, seals and encryption.
struct PlainSqlite {
    connection: Connection,
    sequence: u64,
}

impl PlainSqlite {
    fn new(file: &Path) -> Outcome<Self> {
        let connection = Connection::open(file)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch("CREATE TABLE rows (sequence INTEGER PRIMARY KEY, line BLOB)")?;
        Ok(Self { connection, sequence: 0 })
    }
}

impl Contestant for PlainSqlite {
    fn name(&self) -> &'static str {
        "plain inserts, SQLite"
    }

    fn commit(&mut self, entries: usize) -> Outcome<()> {
        let transaction = self.connection.transaction()?;
        {
            let mut insert = transaction.prepare_cached("INSERT INTO rows VALUES ($1, $2)")?;
            for _ in 0..entries {
                self.sequence += 1;
                insert.execute(params![self.sequence.cast_signed(), plain_line(self.sequence)])?;
            }
        }
        Ok(transaction.commit()?)
    }
}

struct PlainPostgres {
    runtime: Runtime,
    client: Client,
    insert: Statement,
    sequence: i64,
}

impl PlainPostgres {
    fn new(url: &str) -> Outcome<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (client, insert) = runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
            tokio::spawn(connection);
            client
                .batch_execute("CREATE TABLE rows (sequence BIGINT PRIMARY KEY, line BYTEA)")
                .await?;
            let insert = client.prepare("INSERT INTO rows VALUES ($1, $2)").await?;
            Ok::<_, tokio_postgres::Error>((client, insert))
        })?;
        Ok(Self { runtime, client, insert, sequence: 0 })
    }
}

impl Contestant for PlainPostgres {
    fn name(&self) -> &'static str {
        "plain inserts, PostgreSQL"
    }

    fn commit(&mut self, entries: usize) -> Outcome<()> {
        let first = self.sequence + 1;
        self.sequence += entries as i64;
        let rows = (first..=self.sequence).map(|row| (row, plain_line(row.cast_unsigned())));
        let rows: Vec<(i64, Vec<u8>)> = rows.collect();
        let (client, insert) = (&mut self.client, &self.insert);
        self.runtime.block_on(async {
            let transaction = client.transaction().await?;
            let one = |(row, line): &(i64, Vec<u8>)| {
                let (row, line, transaction) = (*row, line.clone(), &transaction);
                async move { transaction.execute(insert, &[&row, &line]).await }
            };
            try_join_all(rows.iter().map(one)).await?;
            transaction.commit().await
        })?;
        Ok(())
    }
}

/// Every caller has a stream of its own and waits for each answer before it asks again.
fn group_rate(writer: &Writer) -> Outcome<f64> {
    let began = Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let handle = writer.handle();
            std::thread::spawn(move || append_until(&handle, caller, began + 4 * ROUND))
        })
        .collect();
    let mut stored = 0;
    for caller in callers {
        stored += caller.join().map_err(|_| "a caller panicked")??;
    }
    Ok(stored as f64 / began.elapsed().as_secs_f64())
}

fn append_until(handle: &LogHandle, caller: usize, end: Instant) -> Result<u64, String> {
    let stream = format!("group/{caller}");
    let mut head = Head::EMPTY;
    while Instant::now() < end {
        let entry = next_entry(&stream, head).map_err(|error| error.to_string())?;
        head = entry.as_head();
        handle.append(vec![entry]).wait().map_err(|error| error.to_string())?;
    }
    Ok(head.sequence)
}

fn next_entry(stream: &str, head: Head) -> Outcome<NewEntry> {
    let plaintext = format!("what somebody wrote at {}", head.sequence).into_bytes();
    let text = Text { digest: Digest::of(&plaintext), salt: vec![1; 16], plaintext };
    let texts = if head.sequence.is_multiple_of(8) { vec![text] } else { Vec::new() };
    Ok(NewEntry::new(line(stream, head), texts)?)
}

fn plain_line(sequence: u64) -> Vec<u8> {
    line("rate", Head { sequence, digest: Digest::ZERO })
}

fn line(stream: &str, head: Head) -> Vec<u8> {
    let (sequence, previous) = (head.sequence + 1, head.digest);
    let payload = "x".repeat(200);
    format!(
        r#"{{"version":1,"stream":"{stream}","sequence":{sequence},"time":1795000000000,"actor":{{"person":"alice"}},"kind":"step-finished","previous":"{previous}","payload":{{"note":"{payload}"}}}}"#
    )
    .into_bytes()
}
