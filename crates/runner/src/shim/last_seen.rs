use std::fmt;

use crate::journal::{JobResult, JournalError, Reader, Record, StepConclusion};
use crate::process::ProcessId;
use crate::shim_dir::ShimDir;

/// What the journal of a shim that died says of its job. As text it is the end of a sentence for whoever
/// decides what becomes of the job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastSeen {
    /// In order, skipped ones included.
    pub completed: Vec<CompletedStep>,
    /// The step that had begun.
    pub in_flight: Option<StepAtWork>,
    /// The machine was started again since.
    pub rebooted: bool,
    /// Where the journal is damaged: what came after is not known.
    pub damaged: Option<String>,
}

/// A step that ended before its shim died.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletedStep {
    /// Its place in the job, from 0.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// After `continue-on-error`.
    pub conclusion: StepConclusion,
}

/// A step that had begun and may have acted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepAtWork {
    /// Its place in the job, from 0.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// When it began, in milliseconds since the Unix epoch.
    pub since: u64,
}

/// The whole of a dead shim's journal.
#[derive(Debug, Default)]
pub(super) struct Journal {
    pub(super) shim: Option<ProcessId>,
    pub(super) processes: Vec<ProcessId>,
    pub(super) result: Option<JobResult>,
    pub(super) last_seen: LastSeen,
    /// Something was written beyond who writes.
    pub(super) has_begun: bool,
}

/// Reads the journal up to its end or to the first damage, whichever comes first.
pub(super) fn read(dir: &ShimDir) -> Result<Journal, JournalError> {
    let mut journal = Journal::default();
    if !dir.journal().exists() {
        return Ok(journal);
    }
    let mut reader = Reader::open(&dir.journal(), 0)?;
    loop {
        match reader.next_record() {
            Ok(Some(record)) => journal.take(record),
            Ok(None) => break,
            Err(error) if error.is_damage() => {
                journal.has_begun = true;
                journal.last_seen.damaged = Some(crate::with_causes(&error));
                break;
            }
            Err(error) => return Err(error),
        }
    }
    let shim = journal.shim.as_ref();
    journal.last_seen.rebooted = shim.is_some_and(|shim| !shim.is_of_this_boot());
    Ok(journal)
}

/// Whether a step may have begun. What cannot be read is taken for a yes.
pub(super) fn has_begun(dir: &ShimDir) -> bool {
    read(dir).map_or(true, |journal| journal.has_begun)
}

impl Journal {
    fn take(&mut self, record: Record) {
        let seen = &mut self.last_seen;
        self.has_begun |= !matches!(record, Record::Hello { .. });
        match record {
            Record::Hello { process, .. } => self.shim = process,
            Record::ProcessStarted { process, .. } => self.processes.push(process),
            Record::StepStarted { index, name, at } => {
                seen.in_flight = Some(StepAtWork { index, name, since: at });
            }
            Record::StepFinished { index, name, conclusion, .. } => {
                seen.completed.push(CompletedStep { index, name, conclusion });
                seen.in_flight = None;
            }
            Record::JobFinished { result, .. } => self.result = Some(result),
            _ => {}
        }
    }
}

impl fmt::Display for LastSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let completed: Vec<String> = self.completed.iter().map(ToString::to_string).collect();
        match completed.as_slice() {
            [] => f.write_str("no step had completed")?,
            [one] => write!(f, "completed: step {one}")?,
            several => write!(f, "completed: steps {}", several.join(", "))?,
        }
        match &self.in_flight {
            Some(step) => write!(f, "; at work was step {step}, which may have acted")?,
            None => f.write_str("; no step was at work")?,
        }
        match &self.damaged {
            Some(damaged) => write!(f, "; what came then is not known: {damaged}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for CompletedStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.conclusion {
            StepConclusion::Success => "",
            StepConclusion::Failure => ", failed",
            StepConclusion::Cancelled => ", cancelled",
            StepConclusion::Skipped => ", skipped",
        };
        write!(f, "{} ({}{how})", self.index + 1, self.name)
    }
}

impl fmt::Display for StepAtWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.index + 1, self.name)?;
        let since = i64::try_from(self.since).ok();
        match since.and_then(|since| jiff::Timestamp::from_millisecond(since).ok()) {
            Some(since) => write!(f, " since {since:.0}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn completed(index: u32, name: &str, conclusion: StepConclusion) -> CompletedStep {
        CompletedStep { index, name: name.to_owned(), conclusion }
    }

    #[test]
    fn a_person_can_decide_by_its_words() {
        let nothing = LastSeen::default();
        expect!["no step had completed; no step was at work"].assert_eq(&nothing.to_string());
        let name = "Apply".to_owned();
        let step = StepAtWork { index: 2, name, since: 1_763_906_602_123 };
        let seen = LastSeen {
            completed: vec![
                completed(0, "Check out", StepConclusion::Success),
                completed(1, "Lint", StepConclusion::Failure),
            ],
            in_flight: Some(step),
            ..LastSeen::default()
        };
        expect!["completed: steps 1 (Check out), 2 (Lint, failed); at work was step 3 (Apply) since 2025-11-23T14:03:22Z, which may have acted"].assert_eq(&seen.to_string());
        let damaged = Some("the journal is damaged at byte 77".to_owned());
        let seen = LastSeen { damaged, in_flight: None, ..seen };
        expect!["completed: steps 1 (Check out), 2 (Lint, failed); no step was at work; what came then is not known: the journal is damaged at byte 77"].assert_eq(&seen.to_string());
    }
}
