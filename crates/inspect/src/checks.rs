//! The checks: each looks at everything that was read and notes what it finds.

mod agreement;
mod images;
mod kubernetes;
mod secrets;
mod terraform;
mod versions;
mod workflows;

use crate::finding::{Finding, Findings};
use crate::reading::Reading;
use crate::{Code, Month, Repository};

/// A check.
type Check = fn(&Reading<'_>, &mut Findings);

/// Every check, by what it is about.
const CHECKS: &[&[Check]] = &[
    workflows::CHECKS,
    terraform::CHECKS,
    kubernetes::CHECKS,
    images::CHECKS,
    agreement::CHECKS,
    secrets::CHECKS,
];

/// Every code, by what it is about.
pub const CODES: &[&[Code]] = &[
    workflows::CODES,
    terraform::CODES,
    kubernetes::CODES,
    images::CODES,
    agreement::CODES,
    secrets::CODES,
    crate::secret::CODES,
];

/// Finds the mistakes of a repository, in the order of its files. `today` decides which versions have
/// come to their end.
pub fn inspect(repository: &Repository, today: Month) -> Vec<Finding> {
    let reading = Reading::of(repository, today);
    let mut findings = Findings::default();
    for check in CHECKS.iter().copied().flatten() {
        check(&reading, &mut findings);
    }
    findings.sorted()
}
