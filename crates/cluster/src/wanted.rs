//! The replicas that should run against those that do.

use std::collections::BTreeSet;

use qnt9_model::order::WantedReplica;

/// What has to happen so that exactly the wanted replicas run; both lists are sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Wanted, but not running.
    pub start: Vec<WantedReplica>,
    /// Running, but not wanted. A replica that runs another release than the wanted one is in both
    /// lists: it is stopped as what it is and started as what it should be.
    pub stop: Vec<WantedReplica>,
}

impl Difference {
    /// Whether nothing has to happen.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.start.is_empty() && self.stop.is_empty()
    }
}

/// Compares what is wanted with what runs; order and repetition in the arguments mean nothing.
#[must_use]
pub fn difference(wanted: &[WantedReplica], running: &[WantedReplica]) -> Difference {
    let wanted: BTreeSet<_> = wanted.iter().collect();
    let running: BTreeSet<_> = running.iter().collect();
    Difference {
        start: wanted.difference(&running).copied().cloned().collect(),
        stop: running.difference(&wanted).copied().cloned().collect(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use qnt9_model::{DeploymentId, Place, ReleaseDigest};

    use super::*;

    fn replica() -> impl Strategy<Value = WantedReplica> {
        (0..2u8, 0..3u64, 0..3u32, 0..2u8).prop_map(|(service, deployment, replica, release)| {
            WantedReplica {
                place: Place {
                    environment: "staging".into(),
                    service: format!("service-{service}"),
                },
                deployment: DeploymentId(deployment),
                replica,
                release: ReleaseDigest(format!("sha256:{release}")),
            }
        })
    }

    proptest! {
        #[test]
        fn carrying_out_the_difference_yields_what_is_wanted(
            wanted in prop::collection::vec(replica(), 0..12),
            running in prop::collection::vec(replica(), 0..12),
        ) {
            let difference = difference(&wanted, &running);
            let mut after: BTreeSet<_> = running.into_iter().collect();
            for replica in &difference.stop {
                prop_assert!(after.remove(replica), "stops only what runs");
            }
            for replica in &difference.start {
                prop_assert!(after.insert(replica.clone()), "starts only what does not run");
            }
            prop_assert_eq!(after, wanted.into_iter().collect());
        }

        #[test]
        fn nothing_to_do_when_everything_wanted_runs(
            wanted in prop::collection::vec(replica(), 0..12),
        ) {
            prop_assert!(difference(&wanted, &wanted).is_empty());
        }
    }
}
