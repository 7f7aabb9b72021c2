//! PostgreSQL killed and started again while two writers append: every acknowledged entry is there
//! exactly once, and the writers go on by themselves.
#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests too")]

use qnt9_store::{
    Head, LogHandle, LogRead as _, MasterKey, NewEntry, Postgres, StoreError, Writer, verify_stream,
};
use scratch::{Scratch, Syncs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

mod scratch;

const KEY: MasterKey = MasterKey::from_bytes([7; 32]);
const KILLS: u64 = 20;
const WRITERS: usize = 2;
const BATCH: u64 = 3;

/// What one writer was told.
#[derive(Debug, Default)]
struct Told {
    acknowledged: Vec<Head>,
    refused: u32,
    /// Batches whose outcome the log could not tell at the time, and that were there afterwards.
    found: u32,
}

#[test]
fn what_was_acknowledged_is_there_once_after_twenty_kills_of_the_server() {
    let mut server = Scratch::start(Syncs::Never);
    let writer = Writer::start(Postgres::open(&server.url(), &KEY).unwrap()).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        .map(|number| {
            let (handle, stop) = (writer.handle(), stop.clone());
            std::thread::spawn(move || append_until(&handle, &stream(number), &stop))
        })
        .collect();
    for kill in 0..KILLS {
        std::thread::sleep(Duration::from_millis(40 + (kill * 37) % 160));
        server.kill();
        server.start_again();
    }
    std::thread::sleep(Duration::from_millis(300));
    stop.store(true, Ordering::SeqCst);
    let told: Vec<Told> = writers.into_iter().map(|writer| writer.join().unwrap()).collect();

    let log = Postgres::open_reader(&server.url(), &KEY).unwrap();
    for (number, told) in told.iter().enumerate() {
        let stream = stream(number);
        let entries = verify_stream(&log, &stream, Some(&KEY)).unwrap().entries;
        let batches = told.acknowledged.len() as u64 + u64::from(told.found);
        assert_eq!(entries, batches * BATCH, "{stream}: nothing is there twice");
        for head in &told.acknowledged {
            let stored = log.read(&stream, head.sequence, 1).unwrap();
            assert_eq!(stored[0].as_head(), *head, "{stream}");
        }
        assert!(told.acknowledged.len() as u64 > KILLS, "{stream} got on: {told:?}");
    }
}

/// Appends batch after batch; after a failure it looks where the stream stands, as a server does.
fn append_until(handle: &LogHandle, stream: &str, stop: &AtomicBool) -> Told {
    let mut told = Told::default();
    let mut head = Head::EMPTY;
    while !stop.load(Ordering::SeqCst) {
        let batch = batch(stream, head);
        let after = batch.last().unwrap().as_head();
        match handle.append(batch).wait() {
            Ok(()) => {
                told.acknowledged.push(after);
                head = after;
            }
            Err(StoreError::Away { .. }) => {
                told.refused += 1;
                assert_eq!(look(handle, stream), head, "nothing was to be written");
            }
            Err(StoreError::OutcomeUnknown { .. }) => {
                let now = look(handle, stream);
                assert!(now == head || now == after, "all of the batch or nothing");
                told.found += u32::from(now == after);
                head = now;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    told
}

/// Where the stream stands, once the database answers.
fn look(handle: &LogHandle, stream: &str) -> Head {
    loop {
        match handle.head(stream) {
            Ok(head) => return head,
            Err(StoreError::Away { .. }) => std::thread::sleep(Duration::from_millis(20)),
            Err(error) => panic!("{error:?}"),
        }
    }
}

fn stream(writer: usize) -> String {
    format!("project/{writer}")
}

fn batch(stream: &str, mut head: Head) -> Vec<NewEntry> {
    let entry = |_| {
        let (sequence, previous) = (head.sequence + 1, head.digest);
        let line = format!(
            r#"{{"version":1,"stream":"{stream}","sequence":{sequence},"time":0,"actor":"test","kind":"noted","previous":"{previous}","payload":{{}}}}"#
        );
        let entry = NewEntry::new(line.into_bytes(), Vec::new()).unwrap();
        head = entry.as_head();
        entry
    };
    (0..BATCH).map(entry).collect()
}
