//! Moving entries from the live table into sealed segments. Both happen in one transaction, so a
//! crash leaves every entry in exactly one of the two.

use super::{Driver, Value, queries, signed};
use crate::digest::Digest;
use crate::entry::StoredEntry;
use crate::error::StoreError;
use crate::log::{Head, SEGMENT_ENTRIES};
use crate::sealing::Keys;
use crate::segment::{SEGMENT_BYTES_MAX, Segment};
use crate::verify::Verifier;
use std::ops::RangeInclusive;

pub(super) fn compact<D: Driver>(
    driver: &D,
    keys: &Keys,
    stream: &str,
    upto: u64,
) -> Result<Option<RangeInclusive<u64>>, StoreError> {
    driver.transact(|driver| {
        driver.lock(&[stream])?;
        let archived = driver.row(queries::LAST_SEGMENT, &[Value::Text(stream)], |row| {
            Ok(Head { sequence: row.count(0)?, digest: row.digest(1)? })
        })?;
        let before = archived.unwrap_or(Head::EMPTY);
        let entries = oldest_live(driver, stream, upto)?;
        if entries.is_empty() {
            return Ok(None);
        }
        // What was changed stays where it is, for somebody to look at.
        let mut verifier = Verifier::after(stream, Some(keys.seals.clone()), before);
        entries.iter().try_for_each(|entry| verifier.push(entry))?;
        verifier.judge_last(None)?;
        let segment = Segment::new(stream, before, &entries, &keys.seals);
        put(driver, stream, &segment)?;
        let (first, last) = (segment.first, segment.last);
        let range =
            [Value::Text(stream), Value::Integer(signed(first)), Value::Integer(signed(last))];
        driver.execute(queries::DELETE_LIVE, &range)?;
        Ok(Some(first..=last))
    })
}

fn oldest_live<D: Driver>(
    driver: &D,
    stream: &str,
    upto: u64,
) -> Result<Vec<StoredEntry>, StoreError> {
    let parameters = [
        Value::Text(stream),
        Value::Integer(signed(upto)),
        Value::Integer(signed(SEGMENT_ENTRIES)),
    ];
    let mut entries = driver.rows(queries::OLDEST_LIVE, &parameters, |row| {
        let seal = row.bytes(2)?.as_deref().and_then(Digest::from_slice);
        let seal = Some(seal.unwrap_or(Digest::ZERO));
        Ok(StoredEntry { sequence: row.count(0)?, line: row.filled(1)?, seal })
    })?;
    let mut bytes = 0;
    let fits = entries.iter().take_while(|entry| {
        let has_room = bytes < SEGMENT_BYTES_MAX;
        bytes += entry.line.len();
        has_room
    });
    let fits = fits.count();
    entries.truncate(fits);
    Ok(entries)
}

fn put<D: Driver>(driver: &D, stream: &str, segment: &Segment) -> Result<(), StoreError> {
    let row = [
        Value::Text(stream),
        Value::Integer(signed(segment.first)),
        Value::Integer(signed(segment.last)),
        Value::Bytes(segment.previous.as_bytes()),
        Value::Bytes(segment.digest.as_bytes()),
        Value::Bytes(&segment.content),
        Value::Bytes(segment.seal.as_bytes()),
    ];
    driver.execute(queries::PUT_SEGMENT, &row)
}
