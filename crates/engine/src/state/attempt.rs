//! A try at a leg: its steps, its log, what it asked for and kept.

use std::collections::BTreeMap;

use qnt9_model::fact::{Outcome, ResumePoint, Span};
use qnt9_model::{AttemptId, Millis, UserText};
use serde::{Deserialize, Serialize};

/// One try at a leg.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Counted from 1.
    pub number: u32,
    /// Which runner has it.
    pub runner: String,
    /// When it was handed over.
    pub started: Millis,
    /// When it ended or was lost.
    pub finished: Option<Millis>,
    /// Its result.
    pub result: Option<Outcome>,
    /// Its steps that ended, by number.
    pub steps: BTreeMap<u32, StepState>,
    /// Its sealed log.
    pub log: Vec<LogChunk>,
    /// Its outputs.
    pub outputs: Vec<(String, UserText)>,
    /// What its steps wrote to their summaries, as Markdown.
    pub summary: Option<UserText>,
    /// What went wrong where the steps do not say.
    pub reason: Option<String>,
    /// Where it took up an earlier attempt.
    pub resumes: Option<ResumePoint>,
    /// When it was last heard of.
    pub heard: Millis,
    /// Since when the world is asked whether its runner is there.
    pub asked: Option<Millis>,
    /// Since when its processes are to be ended at once, and why.
    pub kill: Option<(Millis, String)>,
}

/// A step that ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepState {
    /// Its name.
    pub name: String,
    /// Before `continue-on-error`.
    pub outcome: Outcome,
    /// After it.
    pub conclusion: Outcome,
    /// From when to when.
    pub span: Span,
    /// Whether its time is the user's.
    pub user: bool,
    /// Parts that were qnt9's or terraform's own.
    pub own: Vec<Span>,
}

/// A sealed stretch of a log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogChunk {
    /// The first line, from 1.
    pub first_line: u64,
    /// How many.
    pub lines: u64,
    /// The blob.
    pub blob: String,
}

/// A declared wait.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wait {
    /// From.
    pub from: Millis,
    /// Until.
    pub until: Millis,
    /// What for.
    pub reason: UserText,
}

/// A kept artifact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Artifact {
    /// The blob.
    pub blob: String,
    /// Bytes.
    pub bytes: u64,
    /// When it may be deleted.
    pub expires: Millis,
    /// Which attempt kept it.
    pub attempt: AttemptId,
}
