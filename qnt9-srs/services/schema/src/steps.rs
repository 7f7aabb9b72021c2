//! The steps, in the order in which they are taken.

/// What a step does to the releases before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Adds what the new release needs. Earlier releases must not notice.
    Expand,
    /// Removes what only earlier releases needed. It waits until none of them is in use.
    Contract,
}

/// One step; number n brings version n - 1 of the database to version n. Released steps are never edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// `NNNN_expand_WHAT` or `NNNN_contract_WHAT`, the name of its file in `migrations/`.
    pub name: &'static str,
    pub sql: &'static str,
}

macro_rules! steps {
    ($($name:literal,)*) => {
        &[$(Step { name: $name, sql: include_str!(concat!("../migrations/", $name, ".sql")) },)*]
    };
}

/// Every step there is.
pub const STEPS: &[Step] = steps![
    "0001_expand_stocks",
    "0002_expand_releases",
    "0003_expand_stock_identifiers",
    "0004_expand_stock_identifiers_valid",
    "0005_expand_stock_search_name",
    "0006_expand_accounts",
    "0007_expand_watchlists",
    "0008_contract_stock_search_name",
];

impl Step {
    /// What the file's name says; a step whose name says nothing is held to the stricter rule.
    pub fn phase(&self) -> Phase {
        if self.name.get(5..).is_some_and(|rest| rest.starts_with("contract_")) {
            Phase::Contract
        } else {
            Phase::Expand
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    #[test]
    fn steps_are_numbered_in_order_and_say_their_phase() {
        for (number, step) in (1..).zip(STEPS) {
            let phase = match step.phase() {
                Phase::Expand => "expand",
                Phase::Contract => "contract",
            };
            let start = format!("{number:04}_{phase}_");
            assert!(step.name.starts_with(&start), "{} does not start with {start}", step.name);
        }
    }

    #[test]
    fn every_file_is_a_step() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        let files: BTreeSet<String> = fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        let steps: BTreeSet<String> = STEPS.iter().map(|s| format!("{}.sql", s.name)).collect();
        assert_eq!(files, steps);
    }
}
