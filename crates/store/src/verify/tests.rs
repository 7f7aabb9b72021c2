use super::*;
use crate::entry::NewEntry;
use crate::log::Log;
use crate::sample::OTHER_KEY;
use crate::sample::{self, KEY};
use crate::segment::Segment;
use crate::{Memory, Sqlite};
use expect_test::{Expect, expect};
use proptest::prelude::*;
use proptest::sample::Index;
use rusqlite::{Connection, params};
use std::path::PathBuf;
use tempfile::TempDir;

/// A log of eight entries in stream `s`, entry 3 with a text, and two in stream `t`; somebody with a
/// database tool, but without the master key, works on its file.
struct Victim {
    _folder: TempDir,
    file: PathBuf,
    entries: Vec<NewEntry>,
}

impl Victim {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("log.sqlite");
        let mut entries = sample::entries("s", Head::EMPTY, 2);
        let texts = vec![sample::text("a secret")];
        entries.push(sample::entry_with("s", entries[1].as_head(), "three", texts));
        entries.extend(sample::entries("s", entries[2].as_head(), 5));
        let mut log = Sqlite::open(&file, &KEY).unwrap();
        log.append(&entries).unwrap();
        log.append(&sample::entries("t", Head::EMPTY, 2)).unwrap();
        Self { _folder: folder, file, entries }
    }

    fn sql(&self, statements: &str) {
        Connection::open(&self.file).unwrap().execute_batch(statements).unwrap();
    }

    fn put_line(&self, sequence: u64, line: &[u8]) {
        let connection = Connection::open(&self.file).unwrap();
        let update = "UPDATE entries SET line = $1 WHERE stream = 's' AND sequence = $2";
        let changed = connection.execute(update, params![line, sequence as i64]).unwrap();
        assert_eq!(changed, 1);
    }

    /// Makes every line after `sequence` name the digest of the one before it, and the head the
    /// last, as somebody does who knows how the chain is made.
    fn rechain_after(&self, sequence: u64) {
        let connection = Connection::open(&self.file).unwrap();
        let select = "SELECT line FROM entries WHERE stream = 's' AND sequence = $1";
        let read = |at: u64| -> Vec<u8> {
            connection.query_row(select, [at as i64], |row| row.get(0)).unwrap()
        };
        let end = self.entries.len() as u64;
        for at in sequence + 1..=end {
            let old = LineHeader::of(&read(at)).unwrap().previous.to_string();
            let new = Digest::of(&read(at - 1)).to_string();
            let line = String::from_utf8(read(at)).unwrap().replace(&old, &new);
            self.put_line(at, line.as_bytes());
        }
        let digest = Digest::of(&read(end));
        let update = "UPDATE heads SET digest = $1 WHERE stream = 's'";
        connection.execute(update, [digest.as_bytes()]).unwrap();
    }

    /// What the verifier says with the key and without it.
    fn check(&self, expected: &Expect) {
        let log = Sqlite::open_reader(&self.file, &KEY).unwrap();
        let say = |key| match verify_stream(&log, "s", key) {
            Ok(verified) => format!("{} good entries", verified.entries),
            Err(error) => error.to_string(),
        };
        let said = format!("with the key: {}\nwithout:      {}\n", say(Some(&KEY)), say(None));
        expected.assert_eq(&said);
        assert_eq!(verify_stream(&log, "t", Some(&KEY)).unwrap().entries, 2);
    }
}

fn changed(entry: &NewEntry) -> Vec<u8> {
    let line = String::from_utf8(entry.line().to_vec()).unwrap();
    line.replace("note", "mote").into_bytes()
}

#[test]
fn an_untouched_log_is_whole() {
    Victim::new().check(&expect![[r#"
        with the key: 8 good entries
        without:      8 good entries
    "#]]);
}

#[test]
fn each_changed_line_is_named() {
    for place in 1..=8 {
        let victim = Victim::new();
        victim.put_line(place, &changed(&victim.entries[place as usize - 1]));
        let log = Sqlite::open_reader(&victim.file, &KEY).unwrap();
        for key in [None, Some(&KEY)] {
            match verify_stream(&log, "s", key) {
                Err(VerifyError::Tampered(Tampered { sequence, reason, .. })) => {
                    assert_eq!((sequence, reason), (place, Reason::Changed));
                }
                other => panic!("{place}: {other:?}"),
            }
        }
    }
}

/// The change may be in the very field that makes the chain.
#[test]
fn each_changed_link_is_named() {
    for place in 1..=8 {
        let victim = Victim::new();
        let line = sample::line("s", place, Digest::of(b"other"), "x");
        victim.put_line(place, &line);
        let log = Sqlite::open_reader(&victim.file, &KEY).unwrap();
        for key in [None, Some(&KEY)] {
            match verify_stream(&log, "s", key) {
                Err(VerifyError::Tampered(Tampered { sequence, reason, .. })) => {
                    assert_eq!((sequence, reason), (place, Reason::Changed));
                }
                other => panic!("{place}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_line_that_is_no_fact_is_named() {
    let victim = Victim::new();
    victim.put_line(5, b"\xff\x00 nonsense");
    victim.check(&expect![[r#"
        with the key: entry 5 of stream `s` was changed: its digest is not the recorded one
        without:      entry 5 of stream `s` was changed: its digest is not the recorded one
    "#]]);
}

#[test]
fn a_deleted_entry_is_named() {
    let victim = Victim::new();
    victim.sql("DELETE FROM entries WHERE stream = 's' AND sequence = 4");
    victim.check(&expect![[r#"
        with the key: entry 4 of stream `s` is missing: entry 5 comes in its place
        without:      entry 4 of stream `s` is missing: entry 5 comes in its place
    "#]]);
}

#[test]
fn a_cut_tail_is_named() {
    let victim = Victim::new();
    victim.sql("DELETE FROM entries WHERE stream = 's' AND sequence > 6");
    victim.check(&expect![[r#"
        with the key: entry 7 of stream `s` is missing: the log ends before it
        without:      entry 7 of stream `s` is missing: the log ends before it
    "#]]);
}

#[test]
fn a_cut_tail_with_a_fitting_head_needs_the_key_to_be_found() {
    let victim = Victim::new();
    victim.sql("DELETE FROM entries WHERE stream = 's' AND sequence > 6");
    let connection = Connection::open(&victim.file).unwrap();
    let digest = victim.entries[5].digest();
    let update = "UPDATE heads SET sequence = 6, digest = $1 WHERE stream = 's'";
    connection.execute(update, [digest.as_bytes()]).unwrap();
    victim.check(&expect![[r#"
        with the key: entry 6 of stream `s` is not reliably the last one: the record of the stream's end was changed
        without:      6 good entries
    "#]]);
}

#[test]
fn a_deleted_head_is_noticed() {
    let victim = Victim::new();
    victim.sql("DELETE FROM heads WHERE stream = 's'");
    victim.check(&expect![[r#"
        with the key: entry 1 of stream `s` is there, but the record of the stream's end was deleted
        without:      entry 1 of stream `s` is there, but the record of the stream's end was deleted
    "#]]);
    let log = Sqlite::open_reader(&victim.file, &KEY).unwrap();
    assert_eq!(log.streams().unwrap(), ["s", "t"]);
}

#[test]
fn swapped_entries_are_named() {
    let victim = Victim::new();
    victim.sql(
        "UPDATE entries SET sequence = 99 WHERE stream = 's' AND sequence = 4;
         UPDATE entries SET sequence = 4 WHERE stream = 's' AND sequence = 5;
         UPDATE entries SET sequence = 5 WHERE stream = 's' AND sequence = 99;",
    );
    victim.check(&expect![[r#"
        with the key: entry 4 of stream `s` is missing: in its place stands entry 5 of stream `s`
        without:      entry 4 of stream `s` is missing: in its place stands entry 5 of stream `s`
    "#]]);
}

#[test]
fn an_entry_of_another_stream_is_named() {
    let victim = Victim::new();
    victim.sql(
        "UPDATE entries SET (line, seal) =
             (SELECT line, seal FROM entries WHERE stream = 't' AND sequence = 2)
         WHERE stream = 's' AND sequence = 2",
    );
    victim.check(&expect![[r#"
        with the key: entry 2 of stream `s` is missing: in its place stands entry 2 of stream `t`
        without:      entry 2 of stream `s` is missing: in its place stands entry 2 of stream `t`
    "#]]);
}

#[test]
fn an_inserted_entry_is_named() {
    let victim = Victim::new();
    let forged = sample::entry("s", victim.entries[3].as_head(), "forged");
    victim.sql("UPDATE entries SET sequence = -sequence WHERE stream = 's' AND sequence >= 5");
    victim.sql("UPDATE entries SET sequence = 1 - sequence WHERE stream = 's' AND sequence < 0");
    let connection = Connection::open(&victim.file).unwrap();
    let insert = "INSERT INTO entries (stream, sequence, line, seal) VALUES ('s', 5, $1, $2)";
    connection.execute(insert, params![forged.line(), [0_u8; 32]]).unwrap();
    victim.check(&expect![[r#"
        with the key: entry 5 of stream `s` was changed: its digest is not the recorded one
        without:      entry 6 of stream `s` is missing: in its place stands entry 5 of stream `s`
    "#]]);
}

#[test]
fn an_entry_added_at_the_end_is_named() {
    let victim = Victim::new();
    let forged = sample::entry("s", victim.entries[7].as_head(), "forged");
    let connection = Connection::open(&victim.file).unwrap();
    let insert = "INSERT INTO entries (stream, sequence, line, seal) VALUES ('s', 9, $1, $2)";
    connection.execute(insert, params![forged.line(), [0_u8; 32]]).unwrap();
    victim.check(&expect![[r#"
        with the key: entry 9 of stream `s` was added from outside: the recorded end of the stream is before it
        without:      entry 9 of stream `s` was added from outside: the recorded end of the stream is before it
    "#]]);
}

/// Without the key a rewritten chain is a chain: only the seals know better.
#[test]
fn a_rewritten_chain_needs_the_key_to_be_found() {
    let victim = Victim::new();
    victim.put_line(4, &changed(&victim.entries[3]));
    victim.rechain_after(4);
    victim.check(&expect![[r#"
        with the key: entry 4 of stream `s` does not have the seal of the master key: it was rewritten together with what follows it, or its seal was changed
        without:      8 good entries
    "#]]);
}

#[test]
fn a_rewritten_last_entry_needs_the_key_to_be_found() {
    let victim = Victim::new();
    victim.put_line(8, &changed(&victim.entries[7]));
    victim.rechain_after(8);
    victim.check(&expect![[r#"
        with the key: entry 8 of stream `s` does not have the seal of the master key: it was rewritten together with what follows it, or its seal was changed
        without:      8 good entries
    "#]]);
}

/// Both lines are genuine, each with a good seal, but they are from two copies of the log.
#[test]
fn an_entry_of_another_copy_is_named() {
    let victim = Victim::new();
    let mut copy = Memory::new(&KEY);
    let mut before = sample::entries("s", Head::EMPTY, 3);
    before.push(sample::entry("s", before[2].as_head(), "another four"));
    copy.append(&before).unwrap();
    let five = sample::entry("s", before[3].as_head(), "another five");
    copy.append(std::slice::from_ref(&five)).unwrap();
    let seal = copy.read("s", 5, 1).unwrap()[0].seal.unwrap();
    let connection = Connection::open(&victim.file).unwrap();
    let update = "UPDATE entries SET line = $1, seal = $2 WHERE stream = 's' AND sequence = 5";
    connection.execute(update, params![five.line(), seal.as_bytes()]).unwrap();
    victim.check(&expect![[r#"
        with the key: entry 5 of stream `s` was taken from another copy of the log: it does not follow the one before
        without:      entry 5 of stream `s` was changed: its digest is not the recorded one
    "#]]);
}

#[test]
fn a_changed_seal_is_named() {
    let victim = Victim::new();
    victim.sql("UPDATE entries SET seal = x'00' WHERE stream = 's' AND sequence = 4");
    victim.check(&expect![[r#"
        with the key: entry 4 of stream `s` does not have the seal of the master key: it was rewritten together with what follows it, or its seal was changed
        without:      8 good entries
    "#]]);
}

#[test]
fn a_changed_text_is_named() {
    let victim = Victim::new();
    victim.sql("UPDATE texts SET sealed = zeroblob(80)");
    victim.check(&expect![[r#"
        with the key: entry 3 of stream `s` has a text, d9f5c0ee27135baedc7d678108f90a950c5527e7e5c4b601e14f215181eae8ad, that was changed
        without:      entry 3 of stream `s` has a text, d9f5c0ee27135baedc7d678108f90a950c5527e7e5c4b601e14f215181eae8ad, that was changed
    "#]]);
}

/// Whatever is done to one line, it is found, and no entry before it is blamed.
#[test]
fn any_flipped_bit_is_found() {
    let mut log = Memory::new(&KEY);
    log.append(&sample::entries("s", Head::EMPTY, 4)).unwrap();
    let head = log.sealed_head("s").unwrap();
    let stored = log.read("s", 1, 9).unwrap();
    for place in 0..stored.len() {
        for bit in 0..stored[place].line.len() * 8 {
            let mut tampered = stored.clone();
            tampered[place].line[bit / 8] ^= 1 << (bit % 8);
            for key in [None, Some(&KEY)] {
                let found = verify("s", &tampered, head.as_ref(), key).unwrap_err();
                assert_eq!(found.sequence, place as u64 + 1, "bit {bit}: {found}");
            }
        }
    }
}

#[test]
fn a_log_that_grows_meanwhile_is_whole() {
    let mut log = Memory::new(&KEY);
    log.append(&sample::entries("s", Head::EMPTY, 10)).unwrap();
    let reader = log.clone();
    let writer = std::thread::spawn(move || {
        for _ in 0..500 {
            let head = log.head("s").unwrap();
            log.append(&sample::entries("s", head, 1)).unwrap();
        }
    });
    while !writer.is_finished() {
        verify_stream(&reader, "s", Some(&KEY)).unwrap();
    }
    writer.join().unwrap();
    assert_eq!(verify_stream(&reader, "s", Some(&KEY)).unwrap().entries, 510);
}

/// One thing that somebody with a database tool does to an entry, given as places counted from 0.
#[derive(Debug, Clone)]
enum Tampering {
    FlipBit {
        at: Index,
        bit: Index,
    },
    FlipSealBit {
        at: Index,
        bit: Index,
    },
    Drop {
        at: Index,
    },
    Swap {
        at: Index,
        other: Index,
    },
    /// A copy stands in the place of another entry.
    Overwrite {
        at: Index,
        other: Index,
    },
    /// It stays in the archive and comes back live, or the other way round.
    Double {
        at: Index,
    },
}

fn tampering() -> impl Strategy<Value = Tampering> {
    let i = any::<Index>;
    prop_oneof![
        3 => (i(), i()).prop_map(|(at, bit)| Tampering::FlipBit { at, bit }),
        1 => (i(), i()).prop_map(|(at, bit)| Tampering::FlipSealBit { at, bit }),
        1 => i().prop_map(|at| Tampering::Drop { at }),
        1 => (i(), i()).prop_map(|(at, other)| Tampering::Swap { at, other }),
        1 => (i(), i()).prop_map(|(at, other)| Tampering::Overwrite { at, other }),
        1 => i().prop_map(|at| Tampering::Double { at }),
    ]
}

fn flip(bytes: &mut [u8], bit: Index) {
    let bit = bit.index(bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
}

impl Tampering {
    /// Changes the entries; answers the one that is to be named, or `None` if nothing changed.
    fn apply(&self, entries: &mut Vec<StoredEntry>) -> Option<u64> {
        let count = entries.len();
        let bad = match self {
            Self::FlipBit { at, bit } => {
                let at = at.index(count);
                flip(&mut entries[at].line, *bit);
                at
            }
            Self::FlipSealBit { at, bit } => {
                let at = at.index(count);
                let mut seal = *entries[at].seal.unwrap().as_bytes();
                flip(&mut seal, *bit);
                entries[at].seal = Some(Digest::from_bytes(seal));
                at
            }
            Self::Drop { at } => {
                let at = at.index(count);
                entries.remove(at);
                at
            }
            Self::Swap { at, other } | Self::Overwrite { at, other } => {
                let (at, other) = (at.index(count), other.index(count));
                if at == other {
                    return None;
                }
                let (one, two) = (entries[at].clone(), entries[other].clone());
                entries[other] = StoredEntry { sequence: two.sequence, ..one.clone() };
                if matches!(self, Self::Overwrite { .. }) {
                    return Some(other as u64 + 1);
                }
                entries[at] = StoredEntry { sequence: one.sequence, ..two };
                at.min(other)
            }
            Self::Double { at } => {
                let at = at.index(count);
                entries.insert(at, entries[at].clone());
                at
            }
        };
        Some(bad as u64 + 1)
    }
}

fn named(result: Result<Verified, VerifyError>) -> u64 {
    match result {
        Err(VerifyError::Tampered(tampered)) => tampered.sequence,
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Over entries as they are read: any single change is named exactly.
    #[test]
    fn any_tampering_is_named_exactly(count in 1_u64..40, tampering in tampering()) {
        let mut log = Memory::new(&KEY);
        log.append(&sample::entries("s", Head::EMPTY, count)).unwrap();
        let head = log.sealed_head("s").unwrap();
        let mut entries = log.read("s", 1, 100).unwrap();
        if let Some(bad) = tampering.apply(&mut entries) {
            let found = verify("s", &entries, head.as_ref(), Some(&KEY)).unwrap_err();
            prop_assert_eq!(found.sequence, bad, "{}", found);
            // Without the key nobody can tell that a seal is wrong.
            if !matches!(tampering, Tampering::FlipSealBit { .. }) {
                let found = verify("s", &entries, head.as_ref(), None).unwrap_err();
                prop_assert_eq!(found.sequence, bad, "{}", found);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// The same in a file, with a part of the entries in the archive, whose pieces are made anew by
    /// somebody who knows how but does not have the key.
    #[test]
    fn any_tampering_with_a_file_is_named_exactly(
        count in 2_u64..60,
        archived in prop::collection::vec(any::<Index>(), 0..4),
        tampering in tampering(),
    ) {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("log.sqlite");
        let mut log = Sqlite::open(&file, &KEY).unwrap();
        log.append(&sample::entries("s", Head::EMPTY, count)).unwrap();
        let mut ends: Vec<u64> = archived.iter().map(|at| 1 + at.index(count as usize) as u64).collect();
        ends.sort_unstable();
        for end in ends {
            log.compact("s", end).unwrap();
        }
        let bad = tamper(&file, &tampering);
        if let Some(bad) = bad {
            prop_assert_eq!(named(verify_stream(&log, "s", Some(&KEY))), bad);
        }
    }

    /// A flipped bit in a compressed piece of the archive spoils what follows in that piece: an entry
    /// of it is named, and none before is blamed that can still be read.
    #[test]
    fn any_flipped_bit_of_the_archive_is_found(bit in any::<Index>(), column in 0..4_usize) {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("log.sqlite");
        let mut log = Sqlite::open(&file, &KEY).unwrap();
        log.append(&sample::entries("s", Head::EMPTY, 60)).unwrap();
        while log.compact("s", 20).unwrap().is_some() {}
        while log.compact("s", 40).unwrap().is_some() {}
        let column = ["content", "previous", "digest", "seal"][column];
        let connection = Connection::open(&file).unwrap();
        let select = format!("SELECT {column} FROM segments WHERE first_sequence = 21");
        let mut bytes: Vec<u8> = connection.query_row(&select, [], |row| row.get(0)).unwrap();
        flip(&mut bytes, bit);
        let update = format!("UPDATE segments SET {column} = $1 WHERE first_sequence = 21");
        connection.execute(&update, [bytes]).unwrap();
        match verify_stream(&log, "s", Some(&KEY)).unwrap_err() {
            VerifyError::Tampered(Tampered { sequence, reason, .. }) => {
                prop_assert!((21..=40).contains(&sequence), "{}", sequence);
                prop_assert_eq!(reason, Reason::ArchiveChanged { first: 21, last: 40 });
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Reads every entry with its place, changes one, and writes all of them back.
fn tamper(file: &std::path::Path, tampering: &Tampering) -> Option<u64> {
    let connection = Connection::open(file).unwrap();
    let log = Sqlite::open_reader(file, &KEY).unwrap();
    let mut statement = connection
        .prepare("SELECT first_sequence, last_sequence FROM segments ORDER BY first_sequence")
        .unwrap();
    let segments = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let segments: Vec<(i64, i64)> = segments.map(Result::unwrap).collect();
    let segments: Vec<(u64, u64)> = segments
        .into_iter()
        .map(|(first, last)| (first.cast_unsigned(), last.cast_unsigned()))
        .collect();
    let mut entries = log.read("s", 1, 1000).unwrap();
    let originals = entries.clone();
    let bad = tampering.apply(&mut entries)?;
    let is_archived = |sequence| segments.iter().any(|(_, last)| sequence <= *last);
    if matches!(tampering, Tampering::Double { .. }) && !is_archived(bad) {
        // The database itself refuses a second live entry in one place.
        return None;
    }
    let was_doubled = entries.iter().filter(|entry| entry.sequence == bad).count() == 2;
    connection.execute_batch("DELETE FROM entries; DELETE FROM segments").unwrap();
    for (first, last) in segments {
        let inside = |entry: &&StoredEntry| (first..=last).contains(&entry.sequence);
        let mut inside: Vec<StoredEntry> = entries.iter().filter(inside).cloned().collect();
        inside.dedup_by_key(|entry| entry.sequence);
        let previous =
            if first == 1 { Digest::ZERO } else { originals[first as usize - 2].digest() };
        let before = Head { sequence: first - 1, digest: previous };
        let mut segment = Segment::new("s", before, &inside, &Seals::new(&OTHER_KEY));
        segment.last = last;
        if inside == originals[first as usize - 1..last as usize] {
            segment.seal = Seals::new(&KEY).segment("s", &segment);
        }
        let insert = "INSERT INTO segments VALUES ('s', $1, $2, $3, $4, $5, $6)";
        let row = params![
            first.cast_signed(),
            last.cast_signed(),
            segment.previous.as_bytes(),
            segment.digest.as_bytes(),
            segment.content,
            segment.seal.as_bytes()
        ];
        connection.execute(insert, row).unwrap();
        entries.retain(|entry| {
            !(first..=last).contains(&entry.sequence) || was_doubled && entry.sequence == bad
        });
    }
    entries.dedup_by_key(|entry| entry.sequence);
    for entry in entries {
        let insert = "INSERT INTO entries VALUES ('s', $1, $2, $3)";
        let seal = entry.seal.unwrap();
        let row = params![entry.sequence.cast_signed(), entry.line, seal.as_bytes()];
        connection.execute(insert, row).unwrap();
    }
    Some(bad)
}
