use super::*;
use crate::contract::{self, LogPlace};
use crate::group::Batch;
use crate::log::{Erasure, Head, Log, LogRead as _};
use crate::sample::{self, KEY, OTHER_KEY};
use crate::{Conflict, verify_stream};
use expect_test::{Expect, expect};
use proxy::{Cut, Proxy};
use scratch::{Scratch, Syncs};

mod proxy;
#[path = "../../tests/scratch/mod.rs"]
mod scratch;

/// A log in a database; the next one finds the database empty.
struct InDatabase(String);

impl InDatabase {
    fn new(url: &str) -> Self {
        let database = Database::unconnected(Server::new(url).unwrap(), Access::Write);
        database.batch("DROP SCHEMA IF EXISTS qnt9 CASCADE").unwrap();
        Self(url.to_owned())
    }

    fn log(&self) -> Postgres {
        Postgres::open(&self.0, &KEY).unwrap()
    }
}

impl LogPlace for InDatabase {
    fn open(&self) -> Box<dyn Log> {
        Box::new(self.log())
    }

    fn crash(&mut self, _: Box<dyn Log>) {}

    /// The database notices only by itself that the connection ended.
    fn crash_before_commit(&mut self, _: Box<dyn Log>, group: &[Batch<'_>]) {
        let log = self.log();
        log.driver.begin().unwrap();
        assert!(crate::sql::write_group(&log.driver, &log.keys, group).is_ok());
    }
}

/// `QNT9_TEST_DATABASE_URL` may name an empty database of another server.
#[test]
fn a_log_in_postgresql_keeps_the_contract() {
    let given = std::env::var("QNT9_TEST_DATABASE_URL").ok();
    let scratch = given.is_none().then(|| Scratch::start(Syncs::Never));
    let url = given.or_else(|| scratch.as_ref().map(Scratch::url)).unwrap();
    contract::holds(|| InDatabase::new(&url), 16);
    contract::conflicts_say_what_does_not_fit(InDatabase::new(&url).log());
}

#[test]
fn what_a_database_must_be() {
    let scratch = Scratch::start(Syncs::Never);
    let place = InDatabase(scratch.url());
    let none = Postgres::open_reader(&place.0, &KEY).unwrap_err();
    assert!(matches!(none, StoreError::Missing { .. }), "{none:?}");

    let mut log = place.log();
    log.append(&sample::entries("s", Head::EMPTY, 3)).unwrap();
    for open in [Postgres::open, Postgres::open_reader] {
        let error = open(&place.0, &OTHER_KEY).unwrap_err();
        assert!(matches!(error, StoreError::WrongKey { .. }), "{error:?}");
    }
    let mut reader = Postgres::open_reader(&place.0, &KEY).unwrap();
    assert_eq!(reader.head("s").unwrap().sequence, 3);
    let next = sample::entries("s", log.head("s").unwrap(), 1);
    let refused = reader.append(&next).unwrap_err();
    assert!(matches!(refused, StoreError::ReadOnly { .. }), "{refused:?}");

    log.driver.batch("INSERT INTO schema_steps VALUES (2)").unwrap();
    let newer = Postgres::open(&place.0, &KEY).unwrap_err();
    assert!(matches!(newer, StoreError::NewerSchema { found: 2, known: 1, .. }), "{newer:?}");
}

#[test]
fn a_database_that_turns_read_only_and_back_loses_nothing() {
    let scratch = Scratch::start(Syncs::Never);
    let mut log = InDatabase(scratch.url()).log();
    let entries = sample::entries("s", Head::EMPTY, 2);
    log.append(&entries[..1]).unwrap();
    log.driver.batch("SET default_transaction_read_only = on").unwrap();
    let refused = log.append(&entries[1..]).unwrap_err();
    assert!(matches!(refused, StoreError::ReadOnly { .. }), "{refused:?}");
    assert!(refused.to_string().contains("database `postgres` at 127.0.0.1:"), "{refused}");
    assert!(refused.to_string().contains("standby"), "{refused}");
    assert_eq!(log.head("s").unwrap(), entries[0].as_head());
    log.driver.batch("SET default_transaction_read_only = off").unwrap();
    log.append(&entries[1..]).unwrap();
    assert_eq!(verify_stream(&log, "s", Some(&KEY)).unwrap().entries, 2);
}

/// The server's own configuration may trade durability for speed; the log's appends do not.
#[test]
fn an_append_is_synced_whatever_the_server_is_told() {
    let scratch = Scratch::start(Syncs::Never);
    let log = InDatabase(scratch.url()).log();
    log.driver.batch("ALTER DATABASE postgres SET synchronous_commit = off").unwrap();
    let log = InDatabase(scratch.url()).log();
    let setting = log.driver.row("SHOW synchronous_commit", &[], |row| row.text(0));
    assert_eq!(setting.unwrap().as_deref(), Some("on"));
}

/// Console and interface read on threads that run asynchronous tasks.
#[test]
fn it_may_be_asked_from_within_a_runtime() {
    let scratch = Scratch::start(Syncs::Never);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut log = InDatabase(scratch.url()).log();
        log.append(&sample::entries("s", Head::EMPTY, 1)).unwrap();
        let writer = crate::Writer::start(log).unwrap();
        assert_eq!(writer.handle().head("s").unwrap().sequence, 1);
    });
}

/// Two servers append to one stream at the same time: each place is won exactly once.
#[test]
fn racing_servers_lose_nothing_and_win_nothing_twice() {
    let scratch = Scratch::start(Syncs::Never);
    let url = scratch.url();
    InDatabase(url.clone()).log();
    let racers: Vec<_> = (0..3)
        .map(|racer| {
            let mut log = InDatabase(url.clone()).log();
            std::thread::spawn(move || {
                let mut mine = 0;
                while mine < 20 {
                    let head = log.head("s").unwrap();
                    let note = format!("racer {racer}");
                    match log.append(&[sample::entry("s", head, &note)]) {
                        Ok(()) => mine += 1,
                        Err(StoreError::Conflict(Conflict::Sequence { .. })) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        })
        .collect();
    racers.into_iter().for_each(|racer| racer.join().unwrap());
    let log = InDatabase(url).log();
    assert_eq!(verify_stream(&log, "s", Some(&KEY)).unwrap().entries, 60);
}

/// The answer to a commit is lost, after the commit took place or before.
#[test]
fn a_commit_without_an_answer_is_looked_for_and_not_repeated() {
    let scratch = Scratch::start(Syncs::Never);
    let proxy = Proxy::start(&scratch.url());
    let mut log = InDatabase(proxy.url()).log();
    let mut head = Head::EMPTY;
    for cut in [Cut::AfterCommit, Cut::BeforeCommit, Cut::AfterCommit, Cut::BeforeCommit] {
        let mut entries = sample::entries("s", head, 3);
        // A refused batch is still the refused one.
        let stale = sample::entries("s", head, 1);
        head = entries[2].as_head();
        entries.extend(sample::entries("t", log.head("t").unwrap(), 1));
        proxy.cut(cut);
        let results = log.append_group(&[entries[..].into(), stale[..].into()]).unwrap();
        assert!(proxy.has_cut(), "the commit went through the proxy");
        assert!(results[0].is_ok() && results[1].is_err(), "{results:?}");
        assert_eq!(log.head("s").unwrap(), head);
    }
    assert_eq!(verify_stream(&log, "s", Some(&KEY)).unwrap().entries, 12);
    assert_eq!(verify_stream(&log, "t", Some(&KEY)).unwrap().entries, 4);
}

/// When the database stays away, the caller is told that nobody knows, and can find out later.
#[test]
fn a_commit_whose_outcome_stays_unknown_is_said_to_be_so() {
    let scratch = Scratch::start(Syncs::Never);
    let proxy = Proxy::start(&scratch.url());
    let mut log = InDatabase(proxy.url()).log();
    let entries = sample::entries("s", Head::EMPTY, 1);
    proxy.cut(Cut::AfterCommitForEver);
    let unknown = log.append(&entries).unwrap_err();
    assert!(matches!(unknown, StoreError::OutcomeUnknown { .. }), "{unknown:?}");
    let away = log.head("s").unwrap_err();
    assert!(matches!(away, StoreError::Away { .. }), "{away:?}");
    let away = log.append(&sample::entries("t", Head::EMPTY, 1)).unwrap_err();
    assert!(matches!(away, StoreError::Away { .. }), "{away:?}");
    proxy.mend();
    assert_eq!(log.head("s").unwrap(), entries[0].as_head());
    assert_eq!(log.head("t").unwrap(), Head::EMPTY);
}

/// The connection is lost while the group is written, before anything is committed.
#[test]
fn a_transaction_that_is_cut_off_stores_nothing() {
    let scratch = Scratch::start(Syncs::Never);
    let proxy = Proxy::start(&scratch.url());
    let mut log = InDatabase(proxy.url()).log();
    let entries = sample::entries("s", Head::EMPTY, 5);
    proxy.cut(Cut::AfterBegin);
    let away = log.append(&entries).unwrap_err();
    assert!(matches!(away, StoreError::Away { .. }), "{away:?}");
    assert_eq!(log.head("s").unwrap(), Head::EMPTY);
    log.append(&entries).unwrap();
    assert_eq!(verify_stream(&log, "s", Some(&KEY)).unwrap().entries, 5);
}

#[test]
fn an_erased_text_and_a_changed_line_are_noticed() {
    let scratch = Scratch::start(Syncs::Never);
    let mut log = InDatabase(scratch.url()).log();
    let secret = sample::text("a secret");
    let first = sample::entry_with("s", Head::EMPTY, "one", vec![secret.clone()]);
    let second = sample::entry("s", first.as_head(), "two");
    log.append(&[first, second]).unwrap();
    assert_eq!(log.erase("s", &secret.digest).unwrap(), Erasure::Erased);
    assert_eq!(verify_stream(&log, "s", Some(&KEY)).unwrap().entries, 2);
    log.driver.batch("UPDATE entries SET line = '\\x7b7d' WHERE sequence = 2").unwrap();
    let error = verify_stream(&log, "s", Some(&KEY)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "entry 2 of stream `s` was changed: its digest is not the recorded one"
    );
}

#[test]
fn an_address_that_cannot_be_used_says_why() {
    fn check(url: &str, expected: &Expect) {
        expected.assert_eq(&Postgres::open(url, &KEY).unwrap_err().to_string());
    }
    check("", &expect!["the address of the database cannot be used: it names no host"]);
    check(
        "postgres://qnt9:secret@127.0.0.1:port/x",
        &expect!["the address of the database cannot be used: invalid value for option `port`"],
    );
    check(
        "postgres://qnt9:secret@db.internal/x?sslmode=require",
        &expect![
            "the address of the database cannot be used: it asks for TLS (sslmode=require), which qnt9 does not speak with PostgreSQL yet; make an encrypted tunnel and give the address of its near end"
        ],
    );
    check(
        "postgres://qnt9:secret@127.0.0.1:1/x",
        &expect![
            "database `x` at 127.0.0.1:1 does not answer: nothing was written; qnt9 goes on as soon as it answers"
        ],
    );
}
