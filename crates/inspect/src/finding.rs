//! What is found, where, and what the code of it means.

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// It will fail, or has failed already without anybody noticing.
    Error,
    /// It works today by luck.
    Warning,
}

/// What a code is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Area {
    /// Workflow files.
    Workflow,
    /// Terraform.
    Terraform,
    /// Kubernetes manifests.
    Kubernetes,
    /// Dockerfiles.
    Image,
    /// What several files say about one thing.
    Agreement,
    /// Secrets.
    Secret,
}

/// A kind of mistake, known by its code.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Code {
    /// `QX3001`.
    pub id: &'static str,
    /// What it is about.
    pub area: Area,
    /// How bad it is.
    pub severity: Severity,
    /// A few words.
    pub title: &'static str,
    /// Why it is a mistake, and what happens.
    pub explanation: &'static str,
    /// How it looks.
    pub example: &'static str,
    /// How it is mended.
    pub fix: &'static str,
}

/// A mistake in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its kind: `QX3001`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about.
    pub area: Area,
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

/// A place in a file, in lines and characters from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl Place {
    /// The beginning of a line.
    pub(crate) const fn line(line: u32) -> Self {
        Self { line, column: 1 }
    }

    /// The place of a byte in a text.
    pub(crate) fn of(text: &str, byte: usize) -> Self {
        let byte = (0..=byte.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
        let before = &text[..byte.unwrap_or_default()];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: number(before.matches('\n').count() + 1),
            column: number(before[line_start..].chars().count() + 1),
        }
    }
}

/// A count as the number of a line or a column.
pub(crate) fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// What has been found so far.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Finding>);

impl Findings {
    pub(crate) fn add(
        &mut self,
        code: &'static Code,
        file: &str,
        place: Place,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.0.push(Finding {
            code: code.id,
            severity: code.severity,
            area: code.area,
            file: file.to_owned(),
            line: place.line,
            column: place.column,
            message: message.into(),
            hint: hint.into(),
        });
    }

    /// In the order of files and lines, each once.
    pub(crate) fn sorted(mut self) -> Vec<Finding> {
        let key = |one: &Finding| (one.file.clone(), one.line, one.column, one.code);
        self.0.sort_by_key(key);
        self.0.dedup();
        self.0
    }
}
