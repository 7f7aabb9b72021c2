//! Appending a group in one transaction, and finding out what became of one when the database went
//! away while it committed.

use super::{Driver, Value, leases, queries, reading, signed, unsealed};
use crate::digest::Digest;
use crate::entry::NewEntry;
use crate::error::{Conflict, StoreError};
use crate::group::{self, Batch, Verdict};
use crate::log::Head;
use crate::sealing::Keys;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How often a group is tried whose outcome was unknown, before the caller is told so.
const ATTEMPTS_MAX: u32 = 3;

pub(super) fn append_group<D: Driver>(
    driver: &D,
    keys: &Keys,
    batches: &[Batch<'_>],
) -> Result<Vec<Result<(), Conflict>>, StoreError> {
    // What the group stored, if a commit that nobody answered took place after all.
    let mut in_doubt: Option<Stored> = None;
    let mut attempts = 1;
    loop {
        let mut written = None;
        let told = driver.transact(|driver| {
            lock(driver, batches)?;
            // The lock was waited for, so that commit has taken place or never will.
            if let Some(Stored { results, last: Some(last) }) = &in_doubt
                && is_there(driver, last)?
            {
                return Ok(results.clone());
            }
            in_doubt = None;
            let stored = write_group(driver, keys, batches)?;
            let results = stored.results.clone();
            written = Some(stored);
            Ok(results)
        });
        match told {
            Err(StoreError::OutcomeUnknown { .. }) if attempts < ATTEMPTS_MAX => {
                in_doubt = written.or(in_doubt);
                attempts += 1;
            }
            Err(error) if in_doubt.is_some() => {
                let (place, source) = (driver.place(), Arc::new(error));
                return Err(StoreError::OutcomeUnknown { place, source });
            }
            told => return told,
        }
    }
}

/// What a transaction stored, if it was committed.
#[derive(Debug)]
pub(crate) struct Stored {
    results: Vec<Result<(), Conflict>>,
    /// One of its entries; the transaction is there if and only if this entry is.
    last: Option<NewEntry>,
}

/// Writes what may be stored of the group, within a transaction.
pub(crate) fn write_group<D: Driver>(
    driver: &D,
    keys: &Keys,
    batches: &[Batch<'_>],
) -> Result<Stored, StoreError> {
    let heads = heads(driver, group::streams(batches).iter().copied())?;
    let leases = leases::stored(driver, group::fenced(batches).iter().copied())?;
    let verdict = group::judge(batches, &heads, &leases);
    write(driver, keys, &verdict)?;
    let last = verdict.entries.last().map(|last| (*last).clone());
    Ok(Stored { results: verdict.results, last })
}

fn lock<D: Driver>(driver: &D, batches: &[Batch<'_>]) -> Result<(), StoreError> {
    let (streams, fenced) = (group::streams(batches), group::fenced(batches));
    driver.lock(&streams.union(&fenced).copied().collect::<Vec<_>>())
}

fn is_there<D: Driver>(driver: &D, entry: &NewEntry) -> Result<bool, StoreError> {
    let (stream, sequence) = (entry.stream(), entry.sequence());
    let stored = reading::read(driver, None, stream, sequence, 1)?;
    Ok(stored.first().is_some_and(|stored| stored.digest() == entry.digest()))
}

fn heads<'a, D: Driver>(
    driver: &D,
    streams: impl Iterator<Item = &'a str> + Clone,
) -> Result<BTreeMap<&'a str, Head>, StoreError> {
    let sets: Vec<_> = streams.clone().map(|stream| vec![Value::Text(stream)]).collect();
    let heads = driver.rows_each(queries::HEAD, &sets, |row| {
        Ok((row.text(0)?, Head { sequence: row.count(1)?, digest: row.digest(2)? }))
    })?;
    let heads: BTreeMap<String, Head> = heads.into_iter().collect();
    Ok(streams.filter_map(|stream| Some((stream, *heads.get(stream)?))).collect())
}

/// Writes entries, texts and heads. They go to the database together, for each would otherwise wait
/// for the answer to the one before.
fn write<D: Driver>(driver: &D, keys: &Keys, verdict: &Verdict<'_>) -> Result<(), StoreError> {
    let entries: Vec<_> =
        verdict.entries.iter().map(|entry| (*entry, keys.seals.entry(&entry.digest()))).collect();
    let entry_rows = entries.iter().map(|(entry, seal)| {
        vec![
            Value::Text(entry.stream()),
            Value::Integer(signed(entry.sequence())),
            Value::Bytes(entry.line()),
            Value::Bytes(seal.as_bytes()),
        ]
    });
    let texts = sealed_texts(driver, keys, &verdict.entries)?;
    let text_rows = texts.iter().map(|(entry, digest, sealed)| {
        vec![
            Value::Text(entry.stream()),
            Value::Integer(signed(entry.sequence())),
            Value::Bytes(digest.as_bytes()),
            Value::Bytes(sealed),
        ]
    });
    let heads = verdict.heads.iter();
    let heads: Vec<_> =
        heads.map(|(stream, head)| (*stream, keys.seals.head(stream, head))).collect();
    let head_rows = heads.iter().map(|(stream, sealed)| {
        vec![
            Value::Text(stream),
            Value::Integer(signed(sealed.head.sequence)),
            Value::Bytes(sealed.head.digest.as_bytes()),
            Value::Bytes(sealed.seal.as_bytes()),
        ]
    });
    driver.execute_all(&[
        (queries::APPEND, entry_rows.collect()),
        (queries::APPEND_TEXT, text_rows.collect()),
        (queries::PUT_HEAD, head_rows.collect()),
    ])
}

type SealedText<'a> = (&'a NewEntry, Digest, Vec<u8>);

fn sealed_texts<'a, D: Driver>(
    driver: &D,
    keys: &Keys,
    entries: &[&'a NewEntry],
) -> Result<Vec<SealedText<'a>>, StoreError> {
    let mut texts = Vec::new();
    for &entry in entries {
        for text in entry.texts() {
            let sealed = keys
                .seal_text(entry.stream(), entry.sequence(), text)
                .map_err(|error| unsealed(driver.place(), error))?;
            texts.push((entry, text.digest, sealed));
        }
    }
    Ok(texts)
}
