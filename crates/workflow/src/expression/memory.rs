//! What an evaluation holds in memory, counted as GitHub's runner counts it, so that an expression of
//! a few characters cannot make a text of gigabytes.

use std::fmt;

use super::operand::Operand;
use super::{EXPRESSION_DEPTH_MAX, EXPRESSION_MEMORY_BYTES_MAX};

/// What a value costs that is not a text, in bytes.
const VALUE_BYTES: u32 = 24;
/// What a text costs beside its characters, in bytes.
const TEXT_BYTES: u32 = 26;
/// What a character costs, in bytes: GitHub's are UTF-16.
const UNIT_BYTES: u32 = 2;
/// What an item of a filtered array costs, in bytes.
const ITEM_BYTES: u32 = 8;

/// The evaluation holds more than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exceeded;

/// What the evaluation holds, by level of the tree.
pub(super) struct Memory {
    total: u32,
    levels: [u32; EXPRESSION_DEPTH_MAX],
    /// The deepest level that holds anything.
    deepest: usize,
}

impl Memory {
    pub(super) fn new() -> Self {
        Self { total: 0, levels: [0; EXPRESSION_DEPTH_MAX], deepest: 0 }
    }

    /// Counts the value of a node at a level. A primitive value refers to nothing, so what the levels
    /// below it held is free again.
    pub(super) fn hold(&mut self, level: usize, value: &Operand<'_>) -> Result<(), Exceeded> {
        if value.is_primitive() {
            while self.deepest > level {
                self.total -= std::mem::take(&mut self.levels[self.deepest]);
                self.deepest -= 1;
            }
        }
        let bytes = match value {
            Operand::Text(text) => text_bytes(text),
            Operand::Filtered(items) => {
                VALUE_BYTES.saturating_add(count(items.len()).saturating_mul(ITEM_BYTES))
            }
            _ => VALUE_BYTES,
        };
        // The sum was within the limit before, so it saturates only beyond it.
        self.levels[level] = self.levels[level].saturating_add(bytes);
        self.total = self.total.saturating_add(bytes);
        self.deepest = self.deepest.max(level);
        if self.total > EXPRESSION_MEMORY_BYTES_MAX { Err(Exceeded) } else { Ok(()) }
    }
}

fn text_bytes(text: &str) -> u32 {
    let units = if text.is_ascii() { text.len() } else { text.encode_utf16().count() };
    TEXT_BYTES.saturating_add(count(units).saturating_mul(UNIT_BYTES))
}

/// A count; what does not fit is beyond the limit anyhow.
fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// A text that a function puts together from pieces; it stops at the limit instead of growing past it.
#[derive(Default)]
pub(super) struct LimitedText {
    text: String,
    bytes: u32,
}

impl LimitedText {
    /// Adds a piece, which counts as a text of its own.
    pub(super) fn push(&mut self, piece: &str) -> Result<(), Exceeded> {
        if piece.is_empty() {
            return Ok(());
        }
        self.grow(piece, text_bytes(piece))
    }

    fn grow(&mut self, piece: &str, bytes: u32) -> Result<(), Exceeded> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > EXPRESSION_MEMORY_BYTES_MAX {
            return Err(Exceeded);
        }
        self.text.push_str(piece);
        Ok(())
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

impl fmt::Write for LimitedText {
    /// Counts the characters alone.
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        self.grow(piece, text_bytes(piece) - TEXT_BYTES).map_err(|Exceeded| fmt::Error)
    }
}
