//! Triggers that start nothing: branches that nobody has, times that never come.

use crate::finding::{Area, Code, Findings, Severity};
use crate::reading::Reading;
use crate::yaml::Node;

pub(super) const NO_SUCH_BRANCH: Code = Code {
    id: "QX2008",
    area: Area::Workflow,
    severity: Severity::Warning,
    title: "a branch that does not exist",
    explanation: "The workflow starts on pushes to a branch that the repository does not have, so it never starts: often `master` where \
                  the branch is `main`.",
    example: "on:\n  push:\n    branches: [master]          # the repository has main",
    fix: "on:\n  push:\n    branches: [main]",
};

pub(super) const NEVER: Code = Code {
    id: "QX2009",
    area: Area::Workflow,
    severity: Severity::Error,
    title: "a schedule that never comes",
    explanation: "The day does not exist in any of the months, or a field is out of its range: the workflow never starts, and nothing says so.",
    example: "- cron: \"0 3 31 2 *\"            # February has no 31st",
    fix: "- cron: \"0 3 28 2 *\"",
};

pub(super) fn branches(reading: &Reading<'_>, findings: &mut Findings) {
    let Some(known) = reading.repository.branches() else { return };
    for flow in &reading.flows {
        for event in ["push", "pull_request", "pull_request_target"] {
            let Some(branches) = flow.event(event).and_then(|node| node.get("branches")) else {
                continue;
            };
            let names: Vec<&Node> = branches.texts();
            let plain = |node: &&&Node| {
                node.text().is_some_and(|text| !text.contains(['*', '?', '[', '!', '+']))
            };
            // One name of several may be yet to come: `main` beside `master`.
            let is_known = |node: &Node| node.text().is_some_and(|text| known.contains(text));
            if names.iter().any(|node| is_known(node)) {
                continue;
            }
            for node in names.iter().filter(plain) {
                let name = node.text().unwrap_or_default();
                let list: Vec<&str> = known.iter().map(String::as_str).collect();
                let message =
                    format!("no branch is called `{name}`: `{event}` never starts this workflow");
                let hint = format!("there is: {}", list.join(", "));
                findings.add(&NO_SUCH_BRANCH, &flow.file, node.place, message, hint);
            }
        }
    }
}

pub(super) fn schedules(reading: &Reading<'_>, findings: &mut Findings) {
    for flow in &reading.flows {
        let entries = flow.event("schedule").map(Node::items).unwrap_or_default();
        for cron in entries.iter().filter_map(|entry| entry.get("cron")) {
            if let Some(reason) = cron.text().and_then(never) {
                let hint = "write minute, hour, day of the month, month and day of the week so that such a moment exists";
                findings.add(&NEVER, &flow.file, cron.place, reason, hint);
            }
        }
    }
}

/// Why a schedule never comes, when it does not.
pub(in crate::checks) fn never(cron: &str) -> Option<String> {
    const RANGES: [(&str, u32, u32); 5] = [
        ("minute", 0, 59),
        ("hour", 0, 23),
        ("day of the month", 1, 31),
        ("month", 1, 12),
        ("day of the week", 0, 7),
    ];
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    const LENGTHS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let fields: Vec<&str> = cron.split_whitespace().collect();
    if fields.len() != 5 {
        return Some(format!(
            "`{cron}` has {} fields, and a schedule has five: it never comes",
            fields.len()
        ));
    }
    let number = |text: &str| {
        let by_name = MONTHS.iter().position(|month| text.eq_ignore_ascii_case(month));
        text.parse().ok().or_else(|| Some(u32::try_from(by_name?).ok()? + 1))
    };
    // First and last of every range in a field; `None` for what is no number, such as MON.
    let ranges = |field: &str| -> Option<Vec<(u32, u32)>> {
        let one = |part: &str| {
            let part = part.split('/').next().unwrap_or(part);
            match part.split_once('-') {
                Some((first, last)) => Some((number(first)?, number(last)?)),
                None => number(part).map(|only| (only, only)),
            }
        };
        field.split(',').map(one).collect()
    };
    for (field, (name, least, most)) in fields.iter().zip(RANGES) {
        for (first, last) in ranges(field).unwrap_or_default() {
            if first < least || last > most {
                return Some(format!(
                    "the {name} of `{cron}` is out of its range, {least} to {most}: it never comes"
                ));
            }
        }
    }
    let (days, months) = (ranges(fields[2])?, ranges(fields[3])?);
    let fits = months.iter().flat_map(|(first, last)| *first..=*last).any(|month| {
        let length = LENGTHS.get(month.saturating_sub(1) as usize).copied().unwrap_or(31);
        days.iter().any(|(first, _)| *first <= length)
    });
    // A day of the week beside the day of the month is enough.
    let any_weekday = fields[4] == "*";
    (!fits && any_weekday)
        .then(|| format!("`{cron}` never comes: no such month has a day {}", fields[2]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_that_no_month_has_never_comes() {
        assert!(never("0 3 31 2 *").unwrap().contains("no such month"));
        assert!(never("0 3 31 4,6 *").is_some());
        assert!(never("61 3 * * *").unwrap().contains("minute"));
        assert!(never("0 3 * *").unwrap().contains("4 fields"));
        for comes in
            ["0 3 31 1-2 *", "0 3 29 2 *", "*/15 * * * MON-FRI", "0 3 31 2 1", "0 0 1 jan *"]
        {
            assert_eq!(never(comes), None, "{comes}");
        }
    }
}
