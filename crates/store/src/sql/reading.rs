//! Reading: entries from the archive and from the live table as one, texts, heads.

use super::{Driver, SqlLog, Value, queries, signed, snapshots};
use crate::digest::Digest;
use crate::entry::{StoredEntry, StoredText};
use crate::error::StoreError;
use crate::log::{Head, LogRead, SEGMENT_ENTRIES, SealedHead, Snapshot};
use crate::sealing::Seals;
use crate::segment::Segment;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

impl<D: Driver> LogRead for SqlLog<D> {
    fn sealed_head(&self, stream: &str) -> Result<Option<SealedHead>, StoreError> {
        self.driver.row(queries::HEAD, &[Value::Text(stream)], |row| {
            let head = Head { sequence: row.count(1)?, digest: row.digest(2)? };
            Ok(SealedHead { head, seal: row.digest(3)? })
        })
    }

    fn heads(&self) -> Result<BTreeMap<String, Head>, StoreError> {
        let heads = self.driver.rows(queries::HEADS, &[], |row| {
            Ok((row.text(0)?, Head { sequence: row.count(1)?, digest: row.digest(2)? }))
        })?;
        Ok(heads.into_iter().collect())
    }

    fn streams(&self) -> Result<Vec<String>, StoreError> {
        self.driver.rows(queries::STREAMS, &[], |row| row.text(0))
    }

    fn read(&self, stream: &str, from: u64, limit: usize) -> Result<Vec<StoredEntry>, StoreError> {
        read(&self.driver, Some(&self.keys.seals), stream, from, limit)
    }

    fn texts(
        &self,
        stream: &str,
        sequences: RangeInclusive<u64>,
    ) -> Result<Vec<StoredText>, StoreError> {
        let (first, last) = (*sequences.start(), *sequences.end());
        if i64::try_from(first).is_err() {
            return Ok(Vec::new());
        }
        let range =
            [Value::Text(stream), Value::Integer(signed(first)), Value::Integer(signed(last))];
        let rows = self.driver.rows(queries::TEXTS, &range, |row| {
            Ok((row.count(0)?, row.digest(1)?, row.bytes(2)?))
        })?;
        let open = |(sequence, digest, sealed): (u64, Digest, Option<Vec<u8>>)| {
            self.keys.open_text(stream, sequence, digest, sealed.as_deref())
        };
        rows.into_iter().map(open).collect()
    }

    fn snapshot(&self, stream: &str) -> Result<Option<Snapshot>, StoreError> {
        snapshots::snapshot(&self.driver, &self.keys, stream)
    }
}

enum Piece {
    Live(StoredEntry),
    Archived(Segment),
}

/// One statement asks the archive and the live table, so that entries which are being moved are seen
/// once. Entries that are in both are answered twice: to notice that is the verifier's business.
pub(super) fn read<D: Driver>(
    driver: &D,
    seals: Option<&Seals>,
    stream: &str,
    from: u64,
    limit: usize,
) -> Result<Vec<StoredEntry>, StoreError> {
    let limit = limit as u64;
    if limit == 0 || i64::try_from(from).is_err() {
        return Ok(Vec::new());
    }
    let to = from.saturating_add(limit - 1);
    let range = [
        Value::Text(stream),
        Value::Integer(signed(from)),
        Value::Integer(signed(to)),
        Value::Integer(signed(to.saturating_add(SEGMENT_ENTRIES))),
    ];
    let pieces = driver.rows(queries::READ, &range, |row| {
        let (first, last) = (row.count(0)?, row.count(1)?);
        let (content, seal) = (row.filled(2)?, row.filled(3)?);
        // A seal that is no digest cannot fit any entry, and neither does zero.
        let seal = Digest::from_slice(&seal).unwrap_or(Digest::ZERO);
        Ok(match row.bytes(4)? {
            None => Piece::Live(StoredEntry { sequence: first, line: content, seal: Some(seal) }),
            Some(_) => {
                let (previous, digest) = (row.digest(4)?, row.digest(5)?);
                Piece::Archived(Segment { first, last, previous, digest, content, seal })
            }
        })
    })?;
    let mut entries = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match piece {
            Piece::Live(entry) => entries.push(entry),
            Piece::Archived(segment) => {
                let opened = segment.open(stream, seals)?;
                entries.extend(opened.into_iter().filter(|e| (from..=to).contains(&e.sequence)));
            }
        }
    }
    entries.sort_by_key(|entry| entry.sequence);
    Ok(entries)
}
