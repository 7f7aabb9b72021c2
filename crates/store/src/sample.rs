//! Entries and keys for the tests of this crate.

use crate::digest::Digest;
use crate::entry::{NewEntry, Text};
use crate::key::MasterKey;
use crate::log::Head;

pub(crate) const KEY: MasterKey = MasterKey::from_bytes([7; 32]);
pub(crate) const OTHER_KEY: MasterKey = MasterKey::from_bytes([8; 32]);

/// A line as the writer of facts makes it, at any place with any digest before it.
pub(crate) fn line(stream: &str, sequence: u64, previous: Digest, note: &str) -> Vec<u8> {
    format!(
        r#"{{"version":1,"stream":"{stream}","sequence":{sequence},"time":0,"actor":"test","kind":"noted","previous":"{previous}","payload":{{"note":"{note}"}}}}"#
    )
    .into_bytes()
}

/// The entry that comes right after `head`.
pub(crate) fn entry(stream: &str, head: Head, note: &str) -> NewEntry {
    entry_with(stream, head, note, Vec::new())
}

pub(crate) fn entry_with(stream: &str, head: Head, note: &str, texts: Vec<Text>) -> NewEntry {
    let line = line(stream, head.sequence + 1, head.digest, note);
    NewEntry::new(line, texts).expect("a good line")
}

/// `count` entries, each after the one before, starting after `head`.
pub(crate) fn entries(stream: &str, mut head: Head, count: u64) -> Vec<NewEntry> {
    let next = |number| {
        let entry = entry(stream, head, &format!("note {number}"));
        head = entry.as_head();
        entry
    };
    (0..count).map(next).collect()
}

pub(crate) fn text(plaintext: &str) -> Text {
    let salt = b"sixteen bytes .."[..].to_vec();
    let digest = Digest::of(&[&salt[..], plaintext.as_bytes()].concat());
    Text { digest, salt, plaintext: plaintext.as_bytes().to_vec() }
}
