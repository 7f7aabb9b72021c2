//! The time inside a `run:` step that belongs to the platform and not to the user's own commands.
//!
//! Whoever works for the platform inside a step (qnt9's step commands, the terraform wrapper)
//! appends a line `START END`, milliseconds since the Unix epoch, to the file that `QNT9_OWN_TIME`
//! names.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use crate::journal::Interval;

/// Adds an interval to the file that `QNT9_OWN_TIME` names.
pub fn note_own_time(file: &Path, interval: Interval) -> io::Result<()> {
    // One write, so that what others append at the same time does not mix with it.
    let line = format!("{} {}\n", interval.start, interval.end);
    File::options().append(true).create(true).open(file)?.write_all(line.as_bytes())
}

/// The union of the lines' intervals within `started..finished`, sorted and disjoint. A line that
/// is no interval was cut off by a kill, and counts for nothing.
pub(crate) fn parse(text: &str, started: u64, finished: u64) -> Vec<Interval> {
    let mut intervals: Vec<Interval> = text
        .lines()
        .filter_map(|line| {
            let (start, end) = line.trim().split_once(' ')?;
            let start = start.parse::<u64>().ok()?.max(started);
            let end = end.parse::<u64>().ok()?.min(finished);
            (start < end).then_some(Interval { start, end })
        })
        .collect();
    intervals.sort_by_key(|interval| interval.start);
    let mut union: Vec<Interval> = Vec::new();
    for interval in intervals {
        match union.last_mut() {
            Some(last) if interval.start <= last.end => last.end = last.end.max(interval.end),
            _ => union.push(interval),
        }
    }
    union
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_read() {
        let dir = tempfile::TempDir::new().unwrap();
        let file = dir.path().join("own");
        let noted = [Interval { start: 1, end: 5 }, Interval { start: 7, end: 9 }];
        for interval in noted {
            note_own_time(&file, interval).unwrap();
        }
        assert_eq!(parse(&std::fs::read_to_string(file).unwrap(), 0, 99), noted);
    }

    #[test]
    fn overlaps_are_joined_and_the_rest_is_cut_to_the_step() {
        let text = "300 400\n90 150\n120 180\nnonsense\n500\n700 650\n950 2000\n";
        let expected = [(100, 180), (300, 400), (950, 1000)];
        let expected: Vec<_> =
            expected.into_iter().map(|(start, end)| Interval { start, end }).collect();
        assert_eq!(parse(text, 100, 1000), expected);
    }
}
