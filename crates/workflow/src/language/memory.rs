//! How much a workflow may hold, counted as GitHub counts.

use super::token::{Token, TokenKind};

/// What GitHub reckons for an object, in bytes.
const OBJECT_BYTES: usize = 24;
/// What GitHub reckons for a text beyond its characters, in bytes.
const TEXT_BYTES: usize = 26;
/// The most values of all files together.
const EVENTS_MAX: usize = 1_000_000;

/// The limits of reading a workflow. The defaults are GitHub's.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The longest file, in UTF-16 code units.
    pub file_chars_max: usize,
    /// The deepest nesting of lists and mappings.
    pub depth_max: usize,
    /// What a workflow and all it calls may take, in bytes as GitHub counts them.
    pub result_bytes_max: usize,
    /// How many files one workflow may call together with itself.
    pub files_max: usize,
    /// How deep workflows may call each other.
    pub calls_depth_max: usize,
    /// How many jobs a workflow may have with those of what it calls.
    pub jobs_max: Option<usize>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_chars_max: 1024 * 1024,
            depth_max: 50,
            result_bytes_max: 10 * 1024 * 1024,
            files_max: 51,
            calls_depth_max: 9,
            jobs_max: None,
        }
    }
}

/// What has been read so far.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    bytes: usize,
    depth: usize,
    events: usize,
}

/// Which limit was passed, in GitHub's words.
pub(crate) type Exceeded = &'static str;

impl Memory {
    pub(crate) fn add_text(&mut self, text: &str, limits: &Limits) -> Result<(), Exceeded> {
        self.add(text_bytes(text), limits)
    }

    pub(crate) fn add_token(&mut self, token: &Token, limits: &Limits) -> Result<(), Exceeded> {
        let text = match &token.kind {
            TokenKind::String(text) | TokenKind::Expression(text) => text_bytes(text),
            _ => 0,
        };
        self.add(OBJECT_BYTES + text, limits)
    }

    pub(crate) fn count_event(&mut self) -> Result<(), Exceeded> {
        self.events += 1;
        if self.events > EVENTS_MAX {
            return Err(
                "Maximum events exceeded while evaluating the template. This may indicate \
                        an infinite loop or too many nested loops.",
            );
        }
        Ok(())
    }

    pub(crate) fn enter(&mut self, limits: &Limits) -> Result<(), Exceeded> {
        if self.depth >= limits.depth_max {
            return Err("Maximum object depth exceeded");
        }
        self.depth += 1;
        Ok(())
    }

    pub(crate) fn leave(&mut self) {
        self.depth -= 1;
    }

    /// Starts at the top of another file.
    pub(crate) fn surface(&mut self) {
        self.depth = 0;
    }

    fn add(&mut self, bytes: usize, limits: &Limits) -> Result<(), Exceeded> {
        self.bytes += bytes;
        if self.bytes > limits.result_bytes_max {
            return Err("Maximum object size exceeded");
        }
        Ok(())
    }
}

fn text_bytes(text: &str) -> usize {
    TEXT_BYTES + 2 * text.encode_utf16().count()
}
