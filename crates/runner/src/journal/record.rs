use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The version of records and of the socket's conversation. A server that reads a higher one must
/// not guess.
pub const PROTOCOL_VERSION: u32 = 1;

/// One entry of a job's journal. Times are milliseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Record {
    /// The first record: who writes.
    Hello {
        protocol: u32,
        pid: u32,
        at: u64,
    },
    /// On disk before the step's process starts, so a step without a `StepFinished` may have acted.
    StepStarted {
        index: u32,
        name: String,
        at: u64,
    },
    /// Lines already masked. `step` is `None` for what the shim says about the job as a whole.
    Log {
        step: Option<u32>,
        lines: Vec<LogLine>,
    },
    Summary {
        step: u32,
        markdown: String,
    },
    Annotation {
        step: Option<u32>,
        #[serde(flatten)]
        annotation: Annotation,
    },
    /// Skipped steps have this record only.
    StepFinished {
        index: u32,
        name: String,
        /// Before `continue-on-error`.
        outcome: StepConclusion,
        /// After `continue-on-error`.
        conclusion: StepConclusion,
        outputs: BTreeMap<String, String>,
        started: u64,
        finished: u64,
        /// The parts of `started..finished` that the platform itself used (terraform, the step
        /// commands of qnt9, built-in actions); the rest was the user's own work.
        ours: Vec<Interval>,
    },
    CancelRequested {
        at: u64,
    },
    /// The last record.
    JobFinished {
        result: JobResult,
        outputs: BTreeMap<String, String>,
        at: u64,
    },
}

/// A line as the console shows it. Workflow commands appear as GitHub's own logs show them, with
/// a leading `##[group]`, `##[endgroup]`, `##[error]`, `##[warning]`, `##[notice]`, `##[debug]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    pub at: u64,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnnotationLevel {
    Error,
    Warning,
    Notice,
}

/// A remark of a step on a place in the sources, from `::error file=..,line=..::message`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Annotation {
    pub level: AnnotationLevel,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_line: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
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
    Success,
    Failure,
    Cancelled,
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
    Success,
    Failure,
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
    pub start: u64,
    pub end: u64,
}
