//! Leases as rows, one for each stream that was ever held.

use super::{Driver, Row, SqlLog, Unreadable, Value, queries, signed};
use crate::error::StoreError;
use crate::lease::{Fence, Lease, LeaseHolder, Leases, Renewal, TakenLease};
use std::collections::BTreeMap;
use std::time::Duration;

impl<D: Driver> Leases for SqlLog<D> {
    fn take(
        &mut self,
        stream: &str,
        holder: &LeaseHolder,
        ttl: Duration,
    ) -> Result<TakenLease, StoreError> {
        self.driver.transact(|driver| {
            driver.lock(&[stream])?;
            let stored = stored(driver, std::iter::once(stream))?;
            match Lease::taken(stored.get(stream), stream, holder, (now(driver)?, ttl)) {
                Ok(lease) => {
                    put(driver, &lease)?;
                    Ok(TakenLease::Taken { fence: lease.fence })
                }
                Err(held) => Ok(held),
            }
        })
    }

    fn renew(&mut self, fences: &[Fence], ttl: Duration) -> Result<Vec<Renewal>, StoreError> {
        self.driver.transact(|driver| {
            let stored = locked(driver, fences)?;
            let time = (now(driver)?, ttl);
            let renew = |fence: &Fence| {
                let lease = stored.get(fence.stream.as_str());
                match lease.and_then(|lease| lease.renewed(fence, time)) {
                    Some(lease) => put(driver, &lease).map(|()| Renewal::Renewed),
                    None => Ok(Renewal::Lost),
                }
            };
            fences.iter().map(renew).collect()
        })
    }

    fn release(&mut self, fences: &[Fence]) -> Result<(), StoreError> {
        self.driver.transact(|driver| {
            let stored = locked(driver, fences)?;
            let released = |fence: &Fence| stored.get(fence.stream.as_str())?.released(fence);
            fences.iter().filter_map(released).try_for_each(|lease| put(driver, &lease))
        })
    }

    fn holders(&self) -> Result<Vec<Lease>, StoreError> {
        let now = now(&self.driver)?;
        let leases = self.driver.rows(queries::LEASES, &[], lease)?;
        Ok(leases.into_iter().filter(|lease| lease.is_held(now)).collect())
    }
}

/// The leases of these streams, held or not.
pub(super) fn stored<'a, D: Driver>(
    driver: &D,
    streams: impl Iterator<Item = &'a str> + Clone,
) -> Result<BTreeMap<&'a str, Lease>, StoreError> {
    let sets: Vec<_> = streams.clone().map(|stream| vec![Value::Text(stream)]).collect();
    let leases = driver.rows_each(queries::LEASE, &sets, lease)?;
    let leases: BTreeMap<String, Lease> =
        leases.into_iter().map(|lease| (lease.stream.clone(), lease)).collect();
    Ok(streams.filter_map(|stream| Some((stream, leases.get(stream)?.clone()))).collect())
}

fn locked<'a, D: Driver>(
    driver: &D,
    fences: &'a [Fence],
) -> Result<BTreeMap<&'a str, Lease>, StoreError> {
    let mut streams: Vec<&str> = fences.iter().map(|fence| fence.stream.as_str()).collect();
    streams.sort_unstable();
    streams.dedup();
    driver.lock(&streams)?;
    stored(driver, streams.into_iter())
}

fn put<D: Driver>(driver: &D, lease: &Lease) -> Result<(), StoreError> {
    let row = [
        Value::Text(&lease.stream),
        Value::Integer(signed(lease.fence)),
        Value::Text(&lease.holder.id),
        Value::Text(&lease.holder.address),
        Value::Integer(signed(lease.until)),
    ];
    driver.execute(queries::PUT_LEASE, &row)
}

fn lease(row: &dyn Row) -> Result<Lease, Unreadable> {
    let holder = LeaseHolder { id: row.text(2)?, address: row.text(3)? };
    Ok(Lease { stream: row.text(0)?, fence: row.count(1)?, holder, until: row.count(4)? })
}

fn now<D: Driver>(driver: &D) -> Result<u64, StoreError> {
    let now = driver.row(D::NOW, &[], |row| row.count(0))?;
    now.ok_or_else(|| StoreError::Corrupt {
        place: driver.place(),
        what: "the database does not tell the time".to_owned(),
        source: None,
    })
}
