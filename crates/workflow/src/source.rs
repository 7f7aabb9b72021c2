//! The text of a file, and places in it.

use std::ops::Range;

use crate::{Diagnostic, Position};

pub(crate) struct Source<'a> {
    pub(crate) file: &'a str,
    pub(crate) text: &'a str,
    /// The byte at which each character starts, unless every character is one byte.
    offsets: Option<Vec<usize>>,
    /// The byte at which each line starts.
    lines: Vec<usize>,
}

impl<'a> Source<'a> {
    pub(crate) fn new(file: &'a str, text: &'a str) -> Self {
        let offsets =
            (!text.is_ascii()).then(|| text.char_indices().map(|(offset, _)| offset).collect());
        let ends = text.match_indices('\n').map(|(newline, _)| newline + 1);
        let lines = std::iter::once(0).chain(ends).collect();
        Self { file, text, offsets, lines }
    }

    /// The byte at which the character with this number starts.
    pub(crate) fn offset(&self, character: usize) -> usize {
        match &self.offsets {
            Some(offsets) => offsets.get(character).copied().unwrap_or(self.text.len()),
            None => character.min(self.text.len()),
        }
    }

    pub(crate) fn position(&self, offset: usize) -> Position {
        let line = self.lines.partition_point(|start| *start <= offset);
        let before = &self.text[self.lines[line - 1]..offset];
        let characters = if self.offsets.is_none() { before.len() } else { before.chars().count() };
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Position { line: number(line), column: number(characters + 1) }
    }

    pub(crate) fn diagnostic(&self, span: Range<usize>, message: impl Into<String>) -> Diagnostic {
        let Position { line, column } = self.position(span.start);
        Diagnostic {
            file: self.file.to_owned(),
            line,
            column,
            span: self.visible(span),
            message: message.into(),
            hint: None,
        }
    }

    /// Where a stretch of a scalar stands in the file: at the same occurrence of its first line
    /// there, or, when quoting has changed it, at the start of the scalar.
    pub(crate) fn locate(
        &self,
        span: &Range<usize>,
        scalar: &str,
        stretch: Range<usize>,
    ) -> Range<usize> {
        let Some(part) = scalar[stretch.clone()].lines().next().filter(|part| !part.is_empty())
        else {
            return span.clone();
        };
        let before = scalar[..stretch.start].matches(part).count();
        let written = &self.text[span.clone()];
        match written.match_indices(part).nth(before) {
            Some((at, _)) => {
                let start = span.start + at;
                start..start + part.len()
            }
            None => span.clone(),
        }
    }

    /// The span without white space at its end, and at least one character long where there is one.
    fn visible(&self, span: Range<usize>) -> Range<usize> {
        let length = self.text[span.clone()].trim_end().len();
        let first = self.text[span.start..].chars().next().map_or(0, char::len_utf8);
        span.start..span.start + length.max(first)
    }
}
