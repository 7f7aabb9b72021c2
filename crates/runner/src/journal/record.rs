use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::process::ProcessId;

/// The version of records and of the socket's conversation. Lower ones are understood: a shim outlives
/// the server that started it, and the next one may be newer. Of a higher one nothing is guessed.
///
/// 2 added [`Record::ProcessStarted`], [`Record::HandedOn`], [`Record::KillRequested`], the identity in
/// [`Record::Hello`] and the question to kill a job.
pub const PROTOCOL_VERSION: u32 = 2;

/// One entry of a job's journal. Times are milliseconds since the Unix epoch; steps are counted from
/// 0 in the order of the job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Record {
    /// The first record: who writes.
    Hello {
        /// [`PROTOCOL_VERSION`] of the writer.
        protocol: u32,
        /// The shim's process id.
        pid: u32,
        /// The shim's process, named for ever. `None` from a shim of protocol 1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        process: Option<ProcessId>,
        /// When it began.
        at: u64,
    },
    /// On disk before the step's process starts, so a step without a `StepFinished` may have acted.
    StepStarted {
        /// The step.
        index: u32,
        /// Its name, secrets masked.
        name: String,
        /// When it began.
        at: u64,
    },
    /// A process of a step has begun, by which it is found should this shim die.
    ProcessStarted {
        /// The step.
        step: u32,
        /// The process, which leads a group of its own.
        process: ProcessId,
    },
    /// Lines already masked.
    Log {
        /// The step, or `None` for what the shim says about the job as a whole.
        step: Option<u32>,
        /// In the order in which they were printed.
        lines: Vec<LogLine>,
    },
    /// What a step wrote to `GITHUB_STEP_SUMMARY`, secrets masked.
    Summary {
        /// The step.
        step: u32,
        /// All that it wrote.
        markdown: String,
    },
    /// A remark for people that is more than a line of the log.
    Annotation {
        /// The step, or `None` for the job as a whole.
        step: Option<u32>,
        /// The remark.
        #[serde(flatten)]
        annotation: Annotation,
    },
    /// What later steps get from this one and those before it, as a whole; written when a step has
    /// changed something.
    HandedOn {
        /// The step after which it stands so.
        step: u32,
        /// Variables of the job. `None` for a value that is kept nowhere: it holds a secret which is
        /// not among the job's secrets, or all together are too long.
        env: BTreeMap<String, Option<Vec<ValuePart>>>,
        /// Folders that `GITHUB_PATH` put first, the latest first.
        paths: Vec<String>,
        /// A step has hidden a value with `::add-mask::`, and such values are kept nowhere.
        masked: bool,
    },
    /// The end of a step. Skipped steps have this record only.
    StepFinished {
        /// The step.
        index: u32,
        /// Its name, secrets masked.
        name: String,
        /// Before `continue-on-error`.
        outcome: StepConclusion,
        /// After `continue-on-error`.
        conclusion: StepConclusion,
        /// Without those that hold a secret.
        outputs: BTreeMap<String, String>,
        /// When it began.
        started: u64,
        /// When it ended.
        finished: u64,
        /// The parts of `started..finished` that the platform itself used (terraform, the step
        /// commands of qnt9, built-in actions); the rest was the user's own work.
        ours: Vec<Interval>,
    },
    /// Somebody asked to cancel the job.
    CancelRequested {
        /// When.
        at: u64,
    },
    /// Somebody asked to end the job at once.
    KillRequested {
        /// When.
        at: u64,
    },
    /// The last record.
    JobFinished {
        /// How it went.
        result: JobResult,
        /// Without those that hold a secret and those that are empty.
        outputs: BTreeMap<String, String>,
        /// When.
        at: u64,
    },
}

/// A line as the console shows it. Workflow commands appear as GitHub's own logs show them, with
/// a leading `##[group]`, `##[endgroup]`, `##[error]`, `##[warning]`, `##[notice]`, `##[debug]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When it was read, in milliseconds since the Unix epoch.
    pub at: u64,
    /// Without its line feed, at most [`crate::limits::LOG_LINE_BYTES_MAX`] bytes before masking.
    pub text: String,
}

/// A piece of a value that a step handed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValuePart {
    /// As it stands.
    Text(String),
    /// The value of the job's secret of this name.
    Secret(String),
}

/// How much a remark matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnnotationLevel {
    /// `::error::`
    Error,
    /// `::warning::`
    Warning,
    /// `::notice::`
    Notice,
}

/// A remark of a step on a place in the sources, from `::error file=..,line=..::message`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Annotation {
    /// How much it matters.
    pub level: AnnotationLevel,
    /// What it says; may have several lines.
    pub message: String,
    /// `title=`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// `file=`, a path in the workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// `line=`, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// `endLine=`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_line: Option<u32>,
    /// `col=`, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// `endColumn=`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_column: Option<u32>,
}

impl Annotation {
    /// A remark on no place in particular.
    #[must_use]
    pub fn new(level: AnnotationLevel, message: String) -> Self {
        Self {
            level,
            message,
            title: None,
            file: None,
            line: None,
            end_line: None,
            column: None,
            end_column: None,
        }
    }
}

/// `steps.ID.outcome` and `steps.ID.conclusion`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepConclusion {
    /// It did what it should.
    Success,
    /// It ended with an error, or took too long.
    Failure,
    /// It was stopped because the job was.
    Cancelled,
    /// Its condition did not hold.
    Skipped,
}

impl StepConclusion {
    /// The word expressions compare with.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
        }
    }
}

/// What became of a job that ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobResult {
    /// No step concluded with a failure.
    Success,
    /// A step did, or the job could not begin.
    Failure,
    /// Somebody cancelled it, or it took too long.
    Cancelled,
}

impl JobResult {
    /// The word of `job.status` and `needs.JOB.result`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A stretch of time, milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// Included.
    pub start: u64,
    /// Excluded.
    pub end: u64,
}
