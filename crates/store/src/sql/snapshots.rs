//! Snapshots in encrypted chunks. Each chunk is a transaction of its own, so that appends go on
//! between them; the snapshot is in force with the transaction of its last chunk.

use super::{Driver, Value, queries, reading, signed, unsealed};
use crate::error::StoreError;
use crate::log::{Head, NewSnapshot, Progress, Snapshot};
use crate::sealing::{ChunkPlace, Keys};

/// The state is cut into chunks of this size.
const CHUNK_BYTES: usize = 1024 * 1024;

pub(super) fn put_part<D: Driver>(
    driver: &D,
    keys: &Keys,
    new: &mut NewSnapshot,
) -> Result<bool, StoreError> {
    let (generation, written) = match new.progress {
        Progress::New => match begin(driver, new)? {
            Some(generation) => (generation, 0),
            None => return Ok(true),
        },
        Progress::Chunks { generation, written } => (generation, written),
        Progress::Kept => return Ok(!drop_stale_chunk(driver, &new.stream)?),
    };
    let Snapshot { at, state_version, state } = &new.snapshot;
    let count = state.len().div_ceil(CHUNK_BYTES).max(1);
    let start = written * CHUNK_BYTES;
    let chunk = &state[start..state.len().min(start + CHUNK_BYTES)];
    let place = ChunkPlace { at: *at, state_version: *state_version, index: written, count };
    let sealed = keys
        .seal_chunk(&new.stream, &place, chunk)
        .map_err(|error| unsealed(driver.place(), error))?;
    let is_last = written + 1 == count;
    driver.transact(|driver| {
        let row = [
            Value::Text(&new.stream),
            Value::Integer(generation),
            Value::Integer(signed(written as u64)),
            Value::Bytes(&sealed),
        ];
        driver.execute(queries::PUT_CHUNK, &row)?;
        if is_last { keep(driver, new, generation, count) } else { Ok(()) }
    })?;
    new.progress = match is_last {
        true => Progress::Kept,
        false => Progress::Chunks { generation, written: written + 1 },
    };
    Ok(false)
}

/// The snapshot of the stream, if there is one and it is of this history.
pub(super) fn snapshot<D: Driver>(
    driver: &D,
    keys: &Keys,
    stream: &str,
) -> Result<Option<Snapshot>, StoreError> {
    let mut kept = find(driver, stream)?;
    while let Some(now) = kept {
        let read = read(driver, keys, stream, &now);
        // Chunks that do not fit may be those of a snapshot that was replaced meanwhile.
        let again = if read.is_err() { find(driver, stream)? } else { None };
        match again {
            Some(other) if other.generation != now.generation => kept = Some(other),
            _ => return read.map(Some),
        }
    }
    Ok(None)
}

pub(super) fn drop_all<D: Driver>(driver: &D, stream: &str) -> Result<(), StoreError> {
    driver.execute(queries::DROP_SNAPSHOT, &[Value::Text(stream)])?;
    driver.execute(queries::DROP_CHUNKS, &[Value::Text(stream)])
}

/// The row of a snapshot in force.
struct Kept {
    at: Head,
    state_version: u32,
    generation: i64,
    chunks: usize,
}

fn find<D: Driver>(driver: &D, stream: &str) -> Result<Option<Kept>, StoreError> {
    driver.row(queries::SNAPSHOT, &[Value::Text(stream)], |row| {
        Ok(Kept {
            at: Head { sequence: row.count(0)?, digest: row.digest(1)? },
            // Numbers that do not fit are not ours, and then the chunks do not open.
            state_version: u32::try_from(row.count(2)?).unwrap_or(u32::MAX),
            generation: row.integer(3)?,
            chunks: usize::try_from(row.count(4)?).unwrap_or(usize::MAX),
        })
    })
}

fn read<D: Driver>(
    driver: &D,
    keys: &Keys,
    stream: &str,
    kept: &Kept,
) -> Result<Snapshot, StoreError> {
    check_history(driver, stream, kept.at)?;
    let mut state = Vec::new();
    for index in 0..kept.chunks {
        let parameters = [
            Value::Text(stream),
            Value::Integer(kept.generation),
            Value::Integer(signed(index as u64)),
        ];
        let sealed = driver.row(queries::CHUNK, &parameters, |row| row.filled(0))?;
        let changed = || StoreError::SnapshotChanged { stream: stream.to_owned() };
        let Kept { at, state_version, chunks: count, .. } = *kept;
        let place = ChunkPlace { at, state_version, index, count };
        state.extend(keys.open_chunk(stream, &place, &sealed.ok_or_else(changed)?)?);
    }
    Ok(Snapshot { at: kept.at, state_version: kept.state_version, state })
}

/// Chooses a generation, unless a later snapshot is kept already.
fn begin<D: Driver>(driver: &D, new: &NewSnapshot) -> Result<Option<i64>, StoreError> {
    let (stream, at) = (&new.stream, new.snapshot.at);
    let head = driver.row(queries::HEAD, &[Value::Text(stream)], |row| row.count(1))?;
    let head = head.unwrap_or(Head::EMPTY.sequence);
    if !(1..=head).contains(&at.sequence) {
        let (stream, sequence) = (stream.clone(), at.sequence);
        return Err(StoreError::SnapshotAhead { stream, sequence, head });
    }
    check_history(driver, stream, at)?;
    let kept = find(driver, stream)?;
    if kept.as_ref().is_some_and(|kept| kept.at.sequence > at.sequence) {
        return Ok(None);
    }
    let last =
        driver.row(queries::LAST_GENERATION, &[Value::Text(stream)], |row| row.integer(0))?;
    let generation = last.max(kept.map(|kept| kept.generation)).unwrap_or(0);
    Ok(Some(generation.saturating_add(1)))
}

fn check_history<D: Driver>(driver: &D, stream: &str, at: Head) -> Result<(), StoreError> {
    let entry = reading::read(driver, None, stream, at.sequence, 1)?;
    match entry.first() {
        Some(entry) if entry.digest() == at.digest => Ok(()),
        _ => Err(StoreError::SnapshotOfOtherHistory {
            stream: stream.to_owned(),
            sequence: at.sequence,
        }),
    }
}

/// Puts the snapshot in force, unless an erasure took chunks of it away: then it may hold a copy of
/// what was erased.
fn keep<D: Driver>(
    driver: &D,
    new: &NewSnapshot,
    generation: i64,
    count: usize,
) -> Result<(), StoreError> {
    driver.lock(&[&new.stream])?;
    let generation_of = [Value::Text(&new.stream), Value::Integer(generation)];
    let there = driver.row(queries::COUNT_CHUNKS, &generation_of, |row| row.integer(0))?;
    if there != Some(signed(count as u64)) {
        return Ok(());
    }
    let Snapshot { at, state_version, .. } = &new.snapshot;
    let row = [
        Value::Text(&new.stream),
        Value::Integer(signed(at.sequence)),
        Value::Bytes(at.digest.as_bytes()),
        Value::Integer(i64::from(*state_version)),
        Value::Integer(generation),
        Value::Integer(signed(count as u64)),
    ];
    driver.execute(queries::PUT_SNAPSHOT, &row)
}

/// Answers whether there was one.
fn drop_stale_chunk<D: Driver>(driver: &D, stream: &str) -> Result<bool, StoreError> {
    let stale = driver.row(queries::STALE_CHUNK, &[Value::Text(stream)], |row| {
        Ok((row.integer(0)?, row.integer(1)?))
    })?;
    let Some((generation, chunk)) = stale else { return Ok(false) };
    let place = [Value::Text(stream), Value::Integer(generation), Value::Integer(chunk)];
    driver.transact(|driver| driver.execute(queries::DROP_CHUNK, &place))?;
    Ok(true)
}
