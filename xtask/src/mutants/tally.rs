//! What became of the changes that were tried.

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Of a hundred changes that compile, tests must notice so many.
const NOTICED_PERCENT_MIN: usize = 90;
/// A random part of all changes says something from this size on.
const PART_MIN: usize = 20;

/// How many changes were tried and what became of them. Those that do not compile count for nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// A test failed, or the tests did not come to an end.
    pub(crate) noticed: usize,
    /// All tests passed.
    pub(crate) missed: usize,
    pub(crate) unviable: usize,
    /// All there are to try.
    pub(crate) planned: usize,
}

impl Tally {
    /// Reads the lists that cargo-mutants keeps while it works; one that does not exist yet is empty.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let count = |name: &str| -> Result<usize> {
            let path = folder.join(name);
            match fs::read_to_string(&path) {
                Ok(text) => Ok(text.lines().filter(|line| !line.trim().is_empty()).count()),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
                Err(error) => Err(error).with_context(|| path.display().to_string()),
            }
        };
        let path = folder.join("mutants.json");
        let planned = match fs::read(&path) {
            Ok(text) => serde_json::from_slice::<Vec<serde_json::Value>>(&text)
                .with_context(|| path.display().to_string())?
                .len(),
            // There is nothing to change in what differs.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        Ok(Self {
            noticed: count("caught.txt")? + count("timeout.txt")?,
            missed: count("missed.txt")?,
            unviable: count("unviable.txt")?,
            planned,
        })
    }

    /// Whether tests notice too little. A few of many changes do not say so.
    pub(crate) fn is_too_low(self) -> bool {
        let viable = self.noticed + self.missed;
        let tells = self.tried() >= self.planned || viable >= PART_MIN;
        tells && self.noticed * 100 < viable * NOTICED_PERCENT_MIN
    }

    fn tried(self) -> usize {
        self.noticed + self.missed + self.unviable
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let viable = self.noticed + self.missed;
        write!(f, "{} of {viable} changes were noticed", self.noticed)?;
        if let Some(percent) = (self.noticed * 100).checked_div(viable) {
            write!(f, " ({percent} %)")?;
        }
        let left = self.planned.saturating_sub(self.tried());
        if left > 0 {
            write!(f, "; the time was over before {left} others were tried")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(noticed: usize, missed: usize, unviable: usize, planned: usize) -> Tally {
        Tally { noticed, missed, unviable, planned }
    }

    #[test]
    fn nine_of_ten_are_enough() {
        assert!(!tally(9, 1, 5, 15).is_too_low());
        assert!(tally(8, 1, 5, 14).is_too_low());
        assert!(!tally(0, 0, 3, 3).is_too_low());
    }

    #[test]
    fn a_part_of_all_tells_from_twenty_on() {
        assert!(!tally(16, 3, 40, 100).is_too_low());
        assert!(tally(16, 4, 40, 100).is_too_low());
        assert!(!tally(18, 2, 40, 100).is_too_low());
    }

    #[test]
    fn says_what_is_left() {
        assert_eq!(
            tally(9, 1, 2, 20).to_string(),
            "9 of 10 changes were noticed (90 %); the time was over before 8 others were tried"
        );
        assert_eq!(tally(0, 0, 1, 1).to_string(), "0 of 0 changes were noticed");
    }

    #[test]
    fn reads_what_cargo_mutants_leaves() -> Result<()> {
        let folder = tempfile::tempdir()?;
        assert_eq!(Tally::read(folder.path())?, Tally::default());
        fs::write(folder.path().join("mutants.json"), "[{}, {}, {}, {}, {}]")?;
        fs::write(folder.path().join("caught.txt"), "a\nb\n")?;
        fs::write(folder.path().join("timeout.txt"), "c\n")?;
        fs::write(folder.path().join("missed.txt"), "")?;
        fs::write(folder.path().join("unviable.txt"), "d\n")?;
        assert_eq!(Tally::read(folder.path())?, tally(3, 0, 1, 5));
        fs::write(folder.path().join("mutants.json"), "[{")?;
        assert!(Tally::read(folder.path()).is_err());
        Ok(())
    }
}
