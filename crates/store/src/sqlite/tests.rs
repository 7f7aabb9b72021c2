use super::*;
use crate::contract::{self, LogPlace};
use crate::group::Batch;
use crate::log::{Erasure, Head, Log, LogRead as _, NewSnapshot};
use crate::sample::{self, KEY, OTHER_KEY};
use crate::verify_stream;
use std::fs;
use tempfile::TempDir;

/// A log file in a temporary folder of its own.
struct InFolder(TempDir);

impl InFolder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("log.sqlite")
    }

    fn log(&self) -> Sqlite {
        Sqlite::open(&self.file(), &KEY).unwrap()
    }

    /// What the disk would hold if the machine stopped now.
    fn copy(&self) -> Self {
        let copy = Self::new();
        for file in fs::read_dir(self.0.path()).unwrap() {
            let file = file.unwrap();
            // The index of the write-ahead log is memory, and does not survive.
            if !file.file_name().to_string_lossy().ends_with("-shm") {
                fs::copy(file.path(), copy.0.path().join(file.file_name())).unwrap();
            }
        }
        copy
    }
}

impl LogPlace for InFolder {
    fn open(&self) -> Box<dyn Log> {
        Box::new(self.log())
    }

    fn crash(&mut self, log: Box<dyn Log>) {
        let copy = self.copy();
        drop(log);
        *self = copy;
    }

    fn crash_before_commit(&mut self, log: Box<dyn Log>, group: &[Batch<'_>]) {
        drop(log);
        let log = self.log();
        // With next to no cache the uncommitted pages are already in the file when the crash comes.
        log.driver.connection.pragma_update(None, "cache_size", 1).unwrap();
        let mut copy = None;
        let stopped = log.driver.transact(|driver| {
            crate::sql::write_group(driver, &log.keys, group)?;
            copy = Some(self.copy());
            Err::<(), _>(StoreError::Closed)
        });
        assert!(matches!(stopped, Err(StoreError::Closed)));
        drop(log);
        *self = copy.unwrap();
    }
}

#[test]
fn a_log_in_sqlite_keeps_the_contract() {
    contract::holds(InFolder::new, 48);
    contract::conflicts_say_what_does_not_fit(InFolder::new().log());
}

#[test]
fn an_appended_entry_is_synced() {
    let place = InFolder::new();
    let log = place.log();
    let pragma = |name| -> i64 {
        log.driver.connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0)).unwrap()
    };
    // 2 is FULL: the write-ahead log is synced before a commit returns.
    assert_eq!((pragma("synchronous"), pragma("secure_delete")), (2, 1));
}

/// Wherever a power cut tears the write-ahead log, whole transactions are there and no half one.
#[test]
fn a_torn_write_ahead_log_loses_whole_transactions_only() {
    let place = InFolder::new();
    let mut log = place.log();
    let mut heads = vec![Head::EMPTY];
    for round in 0..6 {
        let batch = sample::entries("s", heads[round], 3 + 20 * (round as u64 % 2));
        log.append(&batch).unwrap();
        heads.push(batch.last().unwrap().as_head());
    }
    let whole = place.copy();
    let wal = fs::read(whole.0.path().join("log.sqlite-wal")).unwrap();
    let mut seen = Vec::new();
    for cut in (0..wal.len()).step_by(1009).chain([wal.len()]) {
        let torn = whole.copy();
        fs::write(torn.0.path().join("log.sqlite-wal"), &wal[..cut]).unwrap();
        let mut log = torn.log();
        let head = log.head("s").unwrap();
        assert!(heads.contains(&head), "cut at {cut}: {head:?}");
        assert_eq!(verify_stream(&log, "s", Some(&KEY)).unwrap().head, head);
        log.append(&sample::entries("s", head, 1)).unwrap();
        seen.push(head.sequence);
    }
    seen.dedup();
    let all: Vec<u64> = heads.iter().map(|head| head.sequence).collect();
    assert_eq!(seen, all, "every prefix was met, in order");
}

#[test]
fn an_erased_text_is_in_no_file_any_more() {
    let place = InFolder::new();
    let mut log = place.log();
    let (short, long) = (sample::text("a secret"), sample::text(&"long secret ".repeat(2000)));
    let texts = vec![short.clone(), long.clone()];
    let first = sample::entry_with("s", Head::EMPTY, "one", texts);
    let second = sample::entry_with("s", first.as_head(), "two", vec![sample::text("kept")]);
    log.append(&[first, second]).unwrap();
    let at = log.read("s", 1, 1).unwrap()[0].as_head();
    log.put_snapshot(NewSnapshot::new("s", at, 1, b"may hold a secret".to_vec())).unwrap();

    let blobs = |sql| log.driver.rows(sql, &[], |row| Ok(row.bytes(0)?.unwrap())).unwrap();
    let mut sealed: Vec<Vec<u8>> = blobs("SELECT sealed FROM texts WHERE sequence = 1");
    let snapshot = blobs("SELECT sealed FROM snapshot_chunks");
    assert_eq!((sealed.len(), snapshot.len()), (2, 1));
    sealed.extend(snapshot);
    // A page is the largest piece that is surely stored in one run.
    let pieces: Vec<&[u8]> = sealed.iter().flat_map(|sealed| sealed.chunks(200)).collect();
    let remaining = || {
        let files = fs::read_dir(place.0.path()).unwrap();
        let files: Vec<Vec<u8>> =
            files.map(|file| fs::read(file.unwrap().path()).unwrap()).collect();
        let found = |piece: &&&[u8]| {
            files.iter().any(|file| file.windows(piece.len()).any(|window| window == **piece))
        };
        pieces.iter().filter(found).count()
    };
    assert!(remaining() > pieces.len() / 2, "the search finds what is there");

    assert_eq!(log.erase("s", &short.digest).unwrap(), Erasure::Erased);
    assert_eq!(log.erase("s", &long.digest).unwrap(), Erasure::Erased);
    assert_eq!(remaining(), 0);
    assert_eq!(log.snapshot("s").unwrap(), None);
    assert_eq!(log.texts("s", 2..=2).unwrap()[0].text, Some(sample::text("kept")));
    assert_eq!(verify_stream(&log, "s", Some(&KEY)).unwrap().entries, 2);
}

#[test]
fn an_erasure_that_a_reader_holds_up_says_so_and_can_be_finished() {
    let place = InFolder::new();
    let mut log = place.log();
    let secret = sample::text("a secret");
    log.append(&[sample::entry_with("s", Head::EMPTY, "one", vec![secret.clone()])]).unwrap();
    log.driver.connection.busy_timeout(Duration::from_millis(10)).unwrap();

    let reader = Sqlite::open_reader(&place.file(), &KEY).unwrap();
    reader.driver.connection.execute_batch("BEGIN; SELECT * FROM texts").unwrap();
    let unfinished = log.erase("s", &secret.digest).unwrap_err();
    assert!(matches!(unfinished, StoreError::EraseUnfinished { .. }), "{unfinished:?}");
    assert_eq!(log.texts("s", 1..=1).unwrap()[0].text, None);
    drop(reader);
    assert_eq!(log.erase("s", &secret.digest).unwrap(), Erasure::AlreadyErased);
    let wal = fs::metadata(place.0.path().join("log.sqlite-wal")).unwrap();
    assert_eq!(wal.len(), 0);
}

#[test]
fn a_full_disk_stores_nothing_and_the_log_goes_on_when_there_is_room() {
    let place = InFolder::new();
    let mut log = place.log();
    let batch = sample::entries("s", Head::EMPTY, 10);
    log.append(&batch).unwrap();
    let head = batch[9].as_head();

    let pages: i64 =
        log.driver.connection.query_row("PRAGMA page_count", [], |r| r.get(0)).unwrap();
    log.driver.connection.pragma_update(None, "max_page_count", pages + 2).unwrap();
    let large = sample::entries("s", head, 500);
    let full = log.append(&large).unwrap_err();
    assert!(matches!(full, StoreError::Full { .. }), "{full:?}");
    assert!(full.to_string().contains("no room left on the disk"), "{full}");
    assert_eq!(log.head("s").unwrap(), head);
    assert_eq!(verify_stream(&log, "s", Some(&KEY)).unwrap().entries, 10);

    log.driver.connection.pragma_update(None, "max_page_count", 1_000_000).unwrap();
    log.append(&large).unwrap();
    assert_eq!(verify_stream(&log, "s", Some(&KEY)).unwrap().entries, 510);
}

/// Archiving needs room before it frees some; without it every entry stays where it was.
#[test]
fn a_full_disk_does_not_keep_entries_from_being_read_while_they_are_archived() {
    let place = InFolder::new();
    let mut log = place.log();
    log.append(&sample::entries("s", Head::EMPTY, 300)).unwrap();
    let before = log.read("s", 1, 300).unwrap();
    let pages: i64 =
        log.driver.connection.query_row("PRAGMA page_count", [], |r| r.get(0)).unwrap();
    log.driver.connection.pragma_update(None, "max_page_count", pages).unwrap();
    let full = log.compact("s", 300).unwrap_err();
    assert!(matches!(full, StoreError::Full { .. }), "{full:?}");
    let at = log.head("s").unwrap();
    let full = log.put_snapshot(NewSnapshot::new("s", at, 1, vec![7; 100_000])).unwrap_err();
    assert!(matches!(full, StoreError::Full { .. }), "{full:?}");
    assert_eq!(log.read("s", 1, 300).unwrap(), before);
    assert_eq!(log.snapshot("s").unwrap(), None);

    log.driver.connection.pragma_update(None, "max_page_count", 1_000_000).unwrap();
    assert_eq!(log.compact("s", 300).unwrap(), Some(1..=300));
    assert_eq!(log.read("s", 1, 300).unwrap(), before);
    assert_eq!(verify_stream(&log, "s", Some(&KEY)).unwrap().entries, 300);
}

#[test]
fn a_database_that_turns_read_only_and_back_loses_nothing() {
    let place = InFolder::new();
    let mut log = place.log();
    let entries = sample::entries("s", Head::EMPTY, 2);
    log.append(&entries[..1]).unwrap();
    log.driver.connection.pragma_update(None, "query_only", "ON").unwrap();
    let refused = log.append(&entries[1..]).unwrap_err();
    assert!(matches!(refused, StoreError::ReadOnly { .. }), "{refused:?}");
    assert!(refused.to_string().contains("mounted read-only"), "{refused}");
    assert_eq!(log.head("s").unwrap(), entries[0].as_head());
    log.driver.connection.pragma_update(None, "query_only", "OFF").unwrap();
    log.append(&entries[1..]).unwrap();
    assert_eq!(verify_stream(&log, "s", Some(&KEY)).unwrap().entries, 2);
}

#[test]
fn a_log_of_the_first_version_is_brought_up_to_date() {
    let place = InFolder::new();
    let connection = Connection::open(place.file()).unwrap();
    connection.pragma_update(None, "journal_mode", "WAL").unwrap();
    connection.execute_batch(schema::STEPS[0]).unwrap();
    connection.pragma_update(None, "user_version", 1).unwrap();
    connection
        .execute("INSERT INTO master_key (fingerprint) VALUES ($1)", [KEY.fingerprint()])
        .unwrap();
    let older = Sqlite::open_reader(&place.file(), &KEY).unwrap_err();
    assert!(matches!(older, StoreError::OlderSchema { found: 1, .. }), "{older:?}");
    let mut log = place.log();
    log.append(&sample::entries("s", Head::EMPTY, 3)).unwrap();
    log.compact("s", 2).unwrap();
    assert_eq!(verify_stream(&log, "s", Some(&KEY)).unwrap().entries, 3);
}

#[test]
fn another_key_is_refused_at_once() {
    let place = InFolder::new();
    drop(place.log());
    for open in [Sqlite::open, Sqlite::open_reader] {
        let error = open(&place.file(), &OTHER_KEY).unwrap_err();
        assert!(matches!(error, StoreError::WrongKey { .. }), "{error:?}");
        assert!(error.to_string().contains("bring back the key file"), "{error}");
    }
    assert!(Sqlite::open(&place.file(), &KEY).is_ok());
}

#[test]
fn a_file_that_is_no_log_is_left_as_it_is() {
    let place = InFolder::new();
    let content = b"this is somebody's letter, not a database".repeat(100);
    fs::write(place.file(), &content).unwrap();
    let error = Sqlite::open(&place.file(), &KEY).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    assert_eq!(fs::read(place.file()).unwrap(), content);
}

#[test]
fn a_log_of_a_newer_version_is_refused() {
    let place = InFolder::new();
    place.log().driver.connection.pragma_update(None, "user_version", 99).unwrap();
    let error = Sqlite::open(&place.file(), &KEY).unwrap_err();
    assert!(matches!(error, StoreError::NewerSchema { found: 99, known: 2, .. }), "{error:?}");
}

#[test]
fn a_reader_never_writes_and_needs_a_log() {
    let place = InFolder::new();
    let missing = Sqlite::open_reader(&place.file(), &KEY).unwrap_err();
    assert!(matches!(missing, StoreError::Missing { .. }), "{missing:?}");
    drop(place.log());
    let mut reader = Sqlite::open_reader(&place.file(), &KEY).unwrap();
    let error = reader.append(&sample::entries("s", Head::EMPTY, 1)).unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
}

/// A state that does not follow from the entries that are there must not be gone on with.
#[test]
fn a_snapshot_whose_entry_is_another_is_refused() {
    let place = InFolder::new();
    let mut log = place.log();
    let entries = sample::entries("s", Head::EMPTY, 3);
    log.append(&entries).unwrap();
    let at = entries[1].as_head();
    log.put_snapshot(NewSnapshot::new("s", at, 1, b"state".to_vec())).unwrap();
    let is_refused = |log: &Sqlite| {
        matches!(log.snapshot("s"), Err(StoreError::SnapshotOfOtherHistory { sequence: 2, .. }))
    };
    assert!(!is_refused(&log));
    let change = "UPDATE entries SET line = CAST(line || ' ' AS BLOB) WHERE sequence = 2";
    log.driver.connection.execute(change, []).unwrap();
    assert!(is_refused(&log));
    log.driver.connection.execute("DELETE FROM entries WHERE sequence = 2", []).unwrap();
    assert!(is_refused(&log));
}

#[test]
fn a_snapshot_of_many_chunks_is_read_whole_and_the_one_before_is_gone() {
    let place = InFolder::new();
    let mut log = place.log();
    let entries = sample::entries("s", Head::EMPTY, 2);
    log.append(&entries).unwrap();
    for (entry, bytes) in entries.iter().zip([2_500_000, 1_100_001]) {
        let state: Vec<u8> = (0_u32..bytes).map(|at| (at % 251) as u8).collect();
        let snapshot = NewSnapshot::new("s", entry.as_head(), 4, state.clone());
        log.put_snapshot(snapshot).unwrap();
        let read = log.snapshot("s").unwrap().unwrap();
        assert_eq!((read.at, read.state_version), (entry.as_head(), 4));
        assert!(read.state == state, "{bytes} bytes");
    }
    let count = "SELECT count(*) FROM snapshot_chunks";
    let chunks: i64 = log.driver.connection.query_row(count, [], |row| row.get(0)).unwrap();
    assert_eq!(chunks, 2, "chunks of the older one were removed");
}

#[test]
fn a_changed_text_or_snapshot_is_refused() {
    let place = InFolder::new();
    let mut log = place.log();
    let texts = vec![sample::text("one"), sample::text("two")];
    let first = sample::entry_with("s", Head::EMPTY, "one", texts);
    log.append(&[first]).unwrap();
    let at = log.head("s").unwrap();
    log.put_snapshot(NewSnapshot::new("s", at, 1, b"state".to_vec())).unwrap();
    // Moving a sealed text to another name is a change, too.
    log.driver
        .connection
        .execute("UPDATE texts SET sealed = (SELECT sealed FROM texts ORDER BY digest LIMIT 1)", [])
        .unwrap();
    log.driver.connection.execute("UPDATE snapshot_chunks SET sealed = zeroblob(60)", []).unwrap();
    assert!(matches!(log.texts("s", 1..=1), Err(StoreError::TextChanged { sequence: 1, .. })));
    assert!(matches!(log.snapshot("s"), Err(StoreError::SnapshotChanged { .. })));
}
