use super::*;
use crate::sample;
use expect_test::{Expect, expect};

fn check(line: &str, texts: Vec<Text>, expected: &Expect) {
    let error = NewEntry::new(line.as_bytes().to_vec(), texts).unwrap_err();
    expected.assert_eq(&error.to_string());
}

#[test]
fn an_entry_knows_its_place_from_its_line() {
    let line = sample::line("project/a", 7, Digest::of(b"six"), "seven");
    let entry = NewEntry::new(line.clone(), Vec::new()).unwrap();
    assert_eq!((entry.stream(), entry.sequence()), ("project/a", 7));
    assert_eq!((entry.previous(), entry.digest()), (Digest::of(b"six"), Digest::of(&line)));
}

#[test]
fn a_line_that_cannot_be_a_fact_is_refused() {
    let zeros = Digest::ZERO;
    check(
        "",
        Vec::new(),
        &expect!["the line is not a fact: EOF while parsing a value at line 1 column 0"],
    );
    check(
        "{}",
        Vec::new(),
        &expect!["the line is not a fact: missing field `stream` at line 1 column 2"],
    );
    check(
        &format!(r#"{{"stream":"s","sequence":-1,"previous":"{zeros}"}}"#),
        Vec::new(),
        &expect![
            "the line is not a fact: invalid value: integer `-1`, expected u64 at line 1 column 27"
        ],
    );
    check(
        &format!(r#"{{"stream":"s","sequence":0,"previous":"{zeros}"}}"#),
        Vec::new(),
        &expect!["the sequence number 0 is out of range: streams count from 1"],
    );
    check(
        &format!(r#"{{"stream":"s","sequence":{},"previous":"{zeros}"}}"#, u64::MAX),
        Vec::new(),
        &expect!["the sequence number 18446744073709551615 is out of range: streams count from 1"],
    );
    check(
        &format!(r#"{{"stream":"","sequence":1,"previous":"{zeros}"}}"#),
        Vec::new(),
        &expect!["the stream's name has 0 bytes; 1 to 200 are allowed"],
    );
    check(
        r#"{"stream":"s","sequence":1,"previous":"00"}"#,
        Vec::new(),
        &expect![
            "the line is not a fact: `00` is not a SHA-256 digest: 64 lowercase hexadecimal digits are expected at line 1 column 43"
        ],
    );
    check(
        &format!("{{\"stream\":\"s\",\n\"sequence\":1,\"previous\":\"{zeros}\"}}"),
        Vec::new(),
        &expect!["the line contains a newline: a fact is exactly one line"],
    );
    check(
        &" ".repeat(LINE_BYTES_MAX + 1),
        Vec::new(),
        &expect!["the line has 8388609 bytes, more than the 8388608 a fact may have"],
    );
}

#[test]
fn a_text_that_cannot_be_kept_is_refused() {
    let line = String::from_utf8(sample::line("s", 1, Digest::ZERO, "x")).unwrap();
    let good = Text { digest: Digest::ZERO, salt: vec![1; 16], plaintext: b"hidden".to_vec() };
    check(
        &line,
        vec![good.clone(), good.clone()],
        &expect![
            "the text 0000000000000000000000000000000000000000000000000000000000000000 is given twice for one entry"
        ],
    );
    check(
        &line,
        vec![Text { salt: vec![0; 256], ..good.clone() }],
        &expect![
            "the salt of text 0000000000000000000000000000000000000000000000000000000000000000 has 256 bytes, more than the 255 allowed"
        ],
    );
    let plaintext = vec![0; TEXT_BYTES_MAX + 1];
    check(
        &line,
        vec![Text { plaintext, ..good.clone() }],
        &expect![
            "the text 0000000000000000000000000000000000000000000000000000000000000000 has 16777217 bytes, more than the 16777216 allowed: keep it as a blob"
        ],
    );
    assert!(!format!("{good:?}").contains("hidden"), "a text stays out of messages");
}
