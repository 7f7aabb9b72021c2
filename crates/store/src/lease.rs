//! Leases: which of several servers may append to a stream, until when, and how a late one is
//! noticed.
//!
//! A lease is held for a while and renewed before it ends. Its fence is a number that grows by one
//! each time the lease changes hands. Whoever appends names the fence under which it holds the
//! stream, and the log compares it in the very transaction of the append: a server that slept past
//! its lease is refused, whatever it believes about the time. Time is the log's own (the database's
//! clock, or what [`crate::Memory`] is told), so that the servers' clocks need not agree.

use crate::error::StoreError;
use qnt9_model::planted::{self, Fault};
use std::time::Duration;

/// Taking and giving back the right to append. Each call is one transaction.
pub trait Leases {
    /// Takes the lease of a stream for `ttl` from now, if nobody else holds it. Whoever holds it
    /// already keeps the fence, and has it for `ttl` from now.
    fn take(
        &mut self,
        stream: &str,
        holder: &LeaseHolder,
        ttl: Duration,
    ) -> Result<TakenLease, StoreError>;

    /// Extends leases to `ttl` from now; answers for each whether it is still held under that
    /// fence. A lease that ran out and that nobody took is held again.
    fn renew(&mut self, fences: &[Fence], ttl: Duration) -> Result<Vec<Renewal>, StoreError>;

    /// Gives leases back, so that others may take them at once. One that is not held under that
    /// fence any more is left as it is.
    fn release(&mut self, fences: &[Fence]) -> Result<(), StoreError>;

    /// Every lease that is held now, sorted by stream.
    fn holders(&self) -> Result<Vec<Lease>, StoreError>;
}

/// Who holds a lease.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeaseHolder {
    /// Names one running server; another start of the same server has another id.
    pub id: String,
    /// Where it is reached.
    pub address: String,
}

/// The right to append to a stream, as it is named with an append.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fence {
    /// The stream.
    pub stream: String,
    /// How often its lease had changed hands when it was taken; the first holder has 1.
    pub number: u64,
}

/// What became of the attempt to take a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TakenLease {
    /// It is ours.
    Taken {
        /// To be named with every append.
        fence: u64,
    },
    /// Somebody else has it.
    Held {
        /// The id of the holder.
        by: String,
        /// Where the holder is reached.
        address: String,
        /// When the lease ends, in milliseconds since 1970 by the log's clock.
        until: u64,
    },
}

/// What became of a lease that was to be extended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// It is held for the time asked.
    Renewed,
    /// Somebody else took it, or it was released.
    Lost,
}

/// A lease as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The stream.
    pub stream: String,
    /// How often the lease changed hands.
    pub fence: u64,
    /// Who holds it, or held it last.
    pub holder: LeaseHolder,
    /// When it ends or ended, in milliseconds since 1970 by the log's clock; 0 once it is released.
    pub until: u64,
}

impl Lease {
    /// The lease after `holder` took it, or, where somebody else has it, what to answer.
    pub(crate) fn taken(
        stored: Option<&Self>,
        stream: &str,
        holder: &LeaseHolder,
        (now, ttl): (u64, Duration),
    ) -> Result<Self, TakenLease> {
        let is_theirs = |lease: &Self| lease.holder.id == holder.id && lease.until != RELEASED;
        let fence = match stored {
            Some(lease) if is_theirs(lease) => lease.fence,
            Some(lease) if lease.is_held(now) && !planted::is(Fault::LeaseTakenTwice) => {
                let LeaseHolder { id: by, address } = lease.holder.clone();
                return Err(TakenLease::Held { by, address, until: lease.until });
            }
            Some(lease) => lease.fence + u64::from(!planted::is(Fault::FenceNotRaised)),
            None => 1,
        };
        let until = end(now, ttl);
        Ok(Self { stream: stream.to_owned(), fence, holder: holder.clone(), until })
    }

    /// The lease after it was renewed under `fence`, unless it is lost.
    pub(crate) fn renewed(&self, fence: &Fence, (now, ttl): (u64, Duration)) -> Option<Self> {
        self.allows(fence.number).then(|| Self { until: end(now, ttl), ..self.clone() })
    }

    /// The lease after it was released under `fence`, unless it was another's already.
    pub(crate) fn released(&self, fence: &Fence) -> Option<Self> {
        (self.fence == fence.number).then(|| Self { until: RELEASED, ..self.clone() })
    }

    /// Whether it may be appended under this fence. That the lease ran out is no obstacle as long
    /// as nobody took it: then nobody else has appended either.
    pub(crate) const fn allows(&self, fence: u64) -> bool {
        self.fence == fence && self.until != RELEASED
    }

    pub(crate) const fn is_held(&self, now: u64) -> bool {
        self.until > now
    }
}

/// Stands for the end of a lease that was given back.
const RELEASED: u64 = 0;

/// At least a millisecond away, so that no lease that was just taken looks released.
fn end(now: u64, ttl: Duration) -> u64 {
    let milliseconds = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1);
    // SQL's integers are signed.
    now.saturating_add(milliseconds).min(i64::MAX.unsigned_abs())
}
