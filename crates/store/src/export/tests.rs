use super::*;
use crate::Memory;
use crate::log::Log as _;
use crate::sample::{self, KEY, OTHER_KEY};
use expect_test::{Expect, expect};

fn exported() -> Vec<String> {
    let mut log = Memory::new(&KEY);
    log.append(&sample::entries("s", Head::EMPTY, 3)).unwrap();
    log.append(&sample::entries("t", Head::EMPTY, 2)).unwrap();
    let mut out = Vec::new();
    for stream in log.streams().unwrap() {
        export(&log, &stream, &mut out).unwrap();
    }
    String::from_utf8(out).unwrap().lines().map(|line| format!("{line}\n")).collect()
}

fn say(lines: &[String], key: Option<&MasterKey>) -> String {
    match verify_export(lines.concat().as_bytes(), key) {
        Ok(verified) => {
            let streams = verified.iter().map(|stream| (stream.stream.as_str(), stream.entries));
            format!("{:?}", streams.collect::<Vec<_>>())
        }
        Err(error) => error.to_string(),
    }
}

fn check(change: impl FnOnce(&mut Vec<String>), expected: &Expect) {
    let mut lines = exported();
    change(&mut lines);
    let said =
        format!("with the key: {}\nwithout:      {}\n", say(&lines, Some(&KEY)), say(&lines, None));
    expected.assert_eq(&said);
}

#[test]
fn an_export_verifies_with_the_key_and_without() {
    let lines = exported();
    assert_eq!(say(&lines, None), r#"[("s", 3), ("t", 2)]"#);
    assert_eq!(say(&lines, Some(&KEY)), r#"[("s", 3), ("t", 2)]"#);
    assert!(say(&lines, Some(&OTHER_KEY)).contains("the record of the stream's end was changed"));
    assert_eq!(say(&[], None), "[]");
}

/// The format is a promise to other people's tools.
#[test]
fn an_export_ends_with_the_head() {
    expect![[r#"
        {"head":{"stream":"s","sequence":3,"digest":"68f72b0f482f89bdea66e1d747d98bae4b6156b01df07d2d712b09ac5284ddaa","seal":"33fb7a55b999f3087f644397ee55dd38da317b3017e735b46906b3b69e2fb21b"}}
    "#]].assert_eq(&exported()[3]);
    assert_eq!(exported()[2].trim_end().as_bytes(), sample::entries("s", Head::EMPTY, 3)[2].line());
}

#[test]
fn a_changed_line_is_named() {
    check(
        |lines| lines[1] = lines[1].replace("note", "mote"),
        &expect![[r#"
        with the key: entry 2 of stream `s` was changed: its digest is not the recorded one
        without:      entry 2 of stream `s` was changed: its digest is not the recorded one
    "#]],
    );
}

#[test]
fn a_missing_line_is_named() {
    check(
        |lines| drop(lines.remove(1)),
        &expect![[r#"
        with the key: entry 2 of stream `s` is missing: entry 3 comes in its place
        without:      entry 2 of stream `s` is missing: entry 3 comes in its place
    "#]],
    );
}

#[test]
fn swapped_lines_are_named() {
    check(
        |lines| lines.swap(1, 2),
        &expect![[r#"
        with the key: entry 2 of stream `s` is missing: entry 3 comes in its place
        without:      entry 2 of stream `s` is missing: entry 3 comes in its place
    "#]],
    );
}

#[test]
fn an_unreadable_line_is_named() {
    check(
        |lines| lines[1] = "garbage\n".to_owned(),
        &expect![[r#"
        with the key: entry 2 of stream `s` was changed: its digest is not the recorded one
        without:      entry 2 of stream `s` was changed: its digest is not the recorded one
    "#]],
    );
}

#[test]
fn a_cut_export_is_named() {
    check(
        |lines| lines.truncate(5),
        &expect![[r#"
        with the key: line 5 of the export: the export ends without the head of its last stream: it is cut
        without:      line 5 of the export: the export ends without the head of its last stream: it is cut
    "#]],
    );
    check(
        |lines| lines[6].truncate(40),
        &expect![[r#"
        with the key: line 7 of the export: it is cut: no newline ends it
        without:      line 7 of the export: it is cut: no newline ends it
    "#]],
    );
}

#[test]
fn a_head_moved_back_needs_the_key_to_be_found() {
    let two_entries = |lines: &mut Vec<String>| {
        let second = Digest::of(lines[1].trim_end().as_bytes()).to_string();
        let mut head: serde_json::Value = serde_json::from_str(&lines[3]).unwrap();
        head["head"]["sequence"] = 2.into();
        head["head"]["digest"] = second.into();
        lines[3] = format!("{head}\n");
        lines.remove(2);
    };
    check(
        two_entries,
        &expect![[r#"
        with the key: entry 2 of stream `s` is not reliably the last one: the record of the stream's end was changed
        without:      [("s", 2), ("t", 2)]
    "#]],
    );
}

#[test]
fn one_stream_twice_is_refused() {
    check(
        |lines| lines.extend_from_within(..4),
        &expect![[r#"
        with the key: line 11 of the export: the stream was there before
        without:      line 11 of the export: the stream was there before
    "#]],
    );
}

#[test]
fn a_head_alone_is_refused() {
    check(
        |lines| drop(lines.drain(..3)),
        &expect![[r#"
        with the key: line 1 of the export: a head without entries before it
        without:      line 1 of the export: a head without entries before it
    "#]],
    );
}
