//! Entries made ready for the store: lines that link to each other, texts beside them.

use std::collections::BTreeMap;

use qnt9_model::entry::NO_PREVIOUS;
use qnt9_model::{Entry, StreamId};
use qnt9_store::{Head, NewEntry, Text};

use super::fold::Heads;

/// The entries of each stream behind its head, in order; `heads` are the new heads afterwards.
pub(super) fn seal(
    entries: &[Entry],
    heads: &mut Heads,
) -> Result<BTreeMap<StreamId, Vec<NewEntry>>, String> {
    let mut batches: BTreeMap<StreamId, Vec<NewEntry>> = BTreeMap::new();
    for entry in entries {
        let head = heads.entry(entry.stream.clone()).or_insert(Head::EMPTY);
        let new = seal_one(entry, head)?;
        *head = new.as_head();
        batches.entry(entry.stream.clone()).or_default().push(new);
    }
    Ok(batches)
}

fn seal_one(entry: &Entry, head: &Head) -> Result<NewEntry, String> {
    let previous = match *head {
        Head::EMPTY => NO_PREVIOUS.to_owned(),
        head => head.digest.to_string(),
    };
    let mut salt_failure = None;
    let sealed = entry.seal(&previous, &mut || {
        let mut salt = [0; 16];
        if let Err(error) = getrandom::fill(&mut salt) {
            salt_failure = Some(error);
        }
        salt
    });
    if let Some(error) = salt_failure {
        return Err(format!("the system gives no random bytes: {error}"));
    }
    let texts = sealed.texts.iter().map(|text| {
        let digest = text.digest.parse().expect("a digest was just computed");
        let plaintext = text.text.clone().into_bytes();
        Text { digest, salt: text.salt.to_vec(), plaintext }
    });
    NewEntry::new(sealed.line.into_bytes(), texts.collect()).map_err(|error| error.to_string())
}
