//! The chain of digests, and texts that can be erased without breaking it.

use std::collections::BTreeMap;

use qnt9_model::entry::{EntryError, NO_PREVIOUS, digest};
use qnt9_model::{Actor, Entry, Fact, Millis, UserText};

fn entry(title: &str) -> Entry {
    Entry {
        stream: "shop".into(),
        sequence: 1,
        time: Millis(1_000),
        actor: Actor::Person { name: "alice".to_owned(), demo: false },
        fact: Fact::NotificationPosted {
            call: None,
            title: title.into(),
            text: "It \"works\"\n✓".into(),
            webhook: None,
        },
    }
}

/// Salts that are never the same.
fn salts() -> impl FnMut() -> [u8; 16] {
    let mut count = 0u128;
    move || {
        count += 1;
        count.to_le_bytes()
    }
}

#[test]
fn a_sealed_entry_opens_to_what_it_was() {
    let entry = entry("Done");
    let sealed = entry.seal(NO_PREVIOUS, &mut salts());
    let texts: BTreeMap<String, String> =
        sealed.texts.iter().map(|text| (text.digest.clone(), text.text.clone())).collect();
    let find = |digest: &str| texts.get(digest).cloned();
    assert_eq!(Entry::open(&sealed.line, &find).unwrap(), entry);
    assert!(!sealed.line.contains("Done"), "what users put in is not in the line");
    assert!(!sealed.line.contains('\n'));
}

#[test]
fn an_erased_text_leaves_the_line_and_its_digest_as_they_are() {
    let sealed = entry("Done").seal(NO_PREVIOUS, &mut salts());
    let erased = Entry::open(&sealed.line, &|_| None).unwrap();
    let Fact::NotificationPosted { title, .. } = &erased.fact else { panic!("another kind") };
    assert_eq!(*title, UserText::Sealed(sealed.texts[0].digest.clone()));
    assert_eq!(title.show(), "(erased)");
    let again = erased.seal(NO_PREVIOUS, &mut || panic!("nothing is left to seal"));
    assert_eq!((again.line, again.digest), (sealed.line, sealed.digest));
}

#[test]
fn equal_texts_cannot_be_told_from_their_digests() {
    let mut salts = salts();
    let one = entry("Done").seal(NO_PREVIOUS, &mut salts);
    let two = entry("Done").seal(NO_PREVIOUS, &mut salts);
    assert_ne!(one.texts[0].digest, two.texts[0].digest);
}

#[test]
fn any_changed_byte_changes_the_digest() {
    let sealed = entry("Done").seal(NO_PREVIOUS, &mut salts());
    for at in 0..sealed.line.len() {
        let mut bytes = sealed.line.clone().into_bytes();
        bytes[at] ^= 1;
        let changed = String::from_utf8_lossy(&bytes).into_owned();
        assert_ne!(digest(&changed), sealed.digest, "byte {at}");
    }
    let elsewhere = entry("Done").seal(&sealed.digest, &mut salts());
    assert_ne!(elsewhere.digest, sealed.digest, "its place in the chain is part of it");
}

#[test]
fn a_text_that_looks_like_a_sealed_one_is_only_a_text() {
    for title in ["{\"$text\":\"x\"}", "{\"$sealed\":\"x\"}", "", "\\", "\"}", "\\\"", "\u{1}é\n"]
    {
        let entry = entry(title);
        let sealed = entry.seal(NO_PREVIOUS, &mut salts());
        let texts = sealed.texts.clone();
        let find = |digest: &str| {
            texts.iter().find(|text| text.digest == digest).map(|text| text.text.clone())
        };
        assert_eq!(Entry::open(&sealed.line, &find).unwrap(), entry);
    }
}

#[test]
fn sealing_leaves_alone_what_is_no_text() {
    for json in [
        r#"{"$text":5}"#,
        r#"{"$text":"a","b":1}"#,
        r#"{"$text":{"$text":null}}"#,
        r#"{"a":"{\"$text\":\"b\"}"}"#,
        r#"["{","$text",{"$text":[]}]"#,
    ] {
        let (sealed, texts) = qnt9_model::text::seal(json, &mut salts());
        assert_eq!((sealed.as_str(), texts.len()), (json, 0));
    }
}

#[test]
fn what_cannot_be_read_says_what_it_is() {
    let line = entry("Done").seal(NO_PREVIOUS, &mut salts()).line;
    let open = |line: &str| Entry::open(line, &|_| None).unwrap_err();
    let errors = [
        open("not json"),
        open(&line.replace("\"version\":1", "\"version\":2")),
        open(&line.replace("notification-posted", "notification-imagined")),
        open(&line.replace("\"title\"", "\"heading\"")),
    ];
    expect_test::expect![[r#"
        the entry is not an envelope this program knows
        entry 1 of shop has envelope version 2, written by a later qnt9
        entry 1 of shop says `notification-imagined`, which cannot be read
        entry 1 of shop says `notification-posted`, which cannot be read"#]]
    .assert_eq(&errors.map(|error| error.to_string()).join("\n"));
    assert!(matches!(open("{}"), EntryError::Envelope(_)));
}
