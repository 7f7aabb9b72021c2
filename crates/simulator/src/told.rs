//! Facts in a line each, for those who read a failure.

use qnt9_model::Entry;

/// The longest line.
const LINE_CHARS_MAX: usize = 240;

/// An entry in one line: where, who, what.
#[must_use]
pub fn entry(entry: &Entry) -> String {
    let mut text = format!("{} {} {}: {:?}", entry.stream, entry.sequence, entry.actor, entry.fact);
    if let Some((end, _)) = text.char_indices().nth(LINE_CHARS_MAX) {
        text.truncate(end);
        text.push('…');
    }
    text
}
