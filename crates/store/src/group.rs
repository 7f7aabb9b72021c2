//! Which batches of a group may be stored: the rules of the chain and of fences, the same for every
//! kind of log.

use crate::entry::NewEntry;
use crate::error::Conflict;
use crate::lease::{Fence, Lease};
use crate::log::Head;
use qnt9_model::planted::{self, Fault};
use std::collections::{BTreeMap, BTreeSet};

/// Entries that are stored all or none.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// In the order in which they are stored; of one stream or of several.
    pub entries: &'a [NewEntry],
    /// The batch is refused unless each of these leases is still held under that number.
    pub fences: &'a [Fence],
}

impl<'a> From<&'a [NewEntry]> for Batch<'a> {
    fn from(entries: &'a [NewEntry]) -> Self {
        Self { entries, fences: &[] }
    }
}

/// What is done with a group.
#[derive(Debug)]
pub(crate) struct Verdict<'a> {
    /// For each batch, whether it is stored.
    pub(crate) results: Vec<Result<(), Conflict>>,
    /// The entries to store, in order.
    pub(crate) entries: Vec<&'a NewEntry>,
    /// The heads that are others afterwards.
    pub(crate) heads: BTreeMap<&'a str, Head>,
}

/// Every stream that the group appends to.
pub(crate) fn streams<'a>(batches: &[Batch<'a>]) -> BTreeSet<&'a str> {
    batches.iter().flat_map(|batch| batch.entries).map(NewEntry::stream).collect()
}

/// Every stream whose lease the group names.
pub(crate) fn fenced<'a>(batches: &[Batch<'a>]) -> BTreeSet<&'a str> {
    batches.iter().flat_map(|batch| batch.fences).map(|fence| fence.stream.as_str()).collect()
}

/// Judges the batches one after the other, each upon those before it that are stored. Heads and
/// leases are as they are now; a stream without one is not in the map.
pub(crate) fn judge<'a>(
    batches: &[Batch<'a>],
    stored: &BTreeMap<&str, Head>,
    leases: &BTreeMap<&str, Lease>,
) -> Verdict<'a> {
    let mut verdict = Verdict { results: Vec::new(), entries: Vec::new(), heads: BTreeMap::new() };
    for batch in batches {
        let result = check_fences(batch.fences, leases).and_then(|()| {
            let mut after = BTreeMap::new();
            for entry in batch.entries {
                let stream = entry.stream();
                let before = after.get(stream).or_else(|| verdict.heads.get(stream));
                let head = before.or_else(|| stored.get(stream)).copied().unwrap_or(Head::EMPTY);
                entry.check_follows(head)?;
                after.insert(stream, entry.as_head());
            }
            Ok(after)
        });
        verdict.results.push(result.map(|after| {
            verdict.heads.extend(after);
            let lost = planted::is(Fault::BatchHalfStored) && batch.entries.len() > 1;
            verdict.entries.extend(&batch.entries[..batch.entries.len() - usize::from(lost)]);
        }));
    }
    verdict
}

fn check_fences(fences: &[Fence], leases: &BTreeMap<&str, Lease>) -> Result<(), Conflict> {
    for fence in fences {
        let lease = leases.get(fence.stream.as_str());
        let allowed = lease.is_some_and(|lease| lease.allows(fence.number));
        if !allowed && !planted::is(Fault::FenceNotCompared) {
            return Err(Conflict::Fenced {
                stream: fence.stream.clone(),
                fence: fence.number,
                current: lease.map_or(0, |lease| lease.fence),
                holder: lease.map(|lease| lease.holder.clone()).unwrap_or_default(),
            });
        }
    }
    Ok(())
}
