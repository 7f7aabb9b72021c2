//! The time inside a `run:` step that belongs to the platform and not to the user's own commands.
//!
//! Whoever works for the platform inside a step (qnt9's step commands, the terraform wrapper)
//! appends a line `START END`, milliseconds since the Unix epoch, to the file that `QNT9_OWN_TIME`
//! names.

use crate::journal::Interval;

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
    fn overlaps_are_joined_and_the_rest_is_cut_to_the_step() {
        let text = "300 400\n90 150\n120 180\nnonsense\n500\n700 650\n950 2000\n";
        let expected = [(100, 180), (300, 400), (950, 1000)];
        let expected: Vec<_> =
            expected.into_iter().map(|(start, end)| Interval { start, end }).collect();
        assert_eq!(parse(text, 100, 1000), expected);
    }
}
