//! Rows as `COPY` writes them in its text format: one line each, columns between tabs, `\N` for NULL,
//! and a backslash before what would be misread.

use std::borrow::Cow;

use bytes::{Buf as _, BytesMut};

pub(crate) const NULL: &str = "\\N";

/// Cuts what arrives into lines, of which a chunk may hold several, or a part.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    rest: BytesMut,
}

impl Lines {
    pub(crate) fn add(&mut self, chunk: &[u8]) {
        self.rest.extend_from_slice(chunk);
    }

    /// The next whole line, without its end.
    pub(crate) fn next(&mut self) -> Option<BytesMut> {
        let end = self.rest.iter().position(|byte| *byte == b'\n')?;
        let line = self.rest.split_to(end);
        self.rest.advance(1);
        Some(line)
    }
}

/// What a column's text stands for.
pub(crate) fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut signs = text.chars();
    while let Some(sign) = signs.next() {
        if sign != '\\' {
            plain.push(sign);
            continue;
        }
        match signs.next() {
            Some('b') => plain.push('\u{8}'),
            Some('f') => plain.push('\u{c}'),
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some('t') => plain.push('\t'),
            Some('v') => plain.push('\u{b}'),
            Some(other) => plain.push(other),
            None => {}
        }
    }
    Cow::Owned(plain)
}

/// Writes a text as a column's.
pub(crate) fn escape_into(text: &str, line: &mut String) {
    for sign in text.chars() {
        match sign {
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            sign => line.push(sign),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_escaped_comes_back(text in any::<String>()) {
            let mut line = String::new();
            escape_into(&text, &mut line);
            prop_assert!(!line.contains(['\t', '\n', '\r']));
            prop_assert_eq!(unescaped(&line), text);
        }

        #[test]
        fn lines_come_out_whole_however_they_arrive(
            lines in prop::collection::vec("[a-z]{0,5}", 0..6),
            size in 1usize..7,
        ) {
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            let (mut cutter, mut found) = (Lines::default(), Vec::new());
            for chunk in text.as_bytes().chunks(size) {
                cutter.add(chunk);
                while let Some(line) = cutter.next() {
                    found.push(String::from_utf8(line.to_vec()).unwrap());
                }
            }
            prop_assert_eq!(found, lines);
        }
    }
}
