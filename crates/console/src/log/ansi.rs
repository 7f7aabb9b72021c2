//! Terminal colours in log lines.

/// A stretch of text and the classes it is shown with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) text: String,
    pub(crate) class: String,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Look {
    bold: bool,
    faint: bool,
    italic: bool,
    underline: bool,
    colour: Option<u8>,
}

impl Look {
    fn class(self) -> String {
        let marks =
            [(self.bold, "a1"), (self.faint, "a2"), (self.italic, "a3"), (self.underline, "a4")];
        let mut classes: Vec<String> =
            marks.iter().filter(|(on, _)| *on).map(|(_, class)| (*class).to_owned()).collect();
        classes.extend(self.colour.map(|colour| format!("f{colour}")));
        classes.join(" ")
    }

    /// Applies the numbers of a `CSI … m`. Colours beyond the eight are shown plain.
    fn apply(&mut self, numbers: &str) {
        let mut numbers = numbers.split(';').map(|number| number.parse::<u16>().unwrap_or(0));
        while let Some(number) = numbers.next() {
            match number {
                0 => *self = Self::default(),
                1 => self.bold = true,
                2 => self.faint = true,
                3 => self.italic = true,
                4 => self.underline = true,
                22 => (self.bold, self.faint) = (false, false),
                23 => self.italic = false,
                24 => self.underline = false,
                30..=37 => self.colour = Some((number - 30) as u8),
                90..=97 => self.colour = Some((number - 90) as u8),
                39 => self.colour = None,
                38 | 48 => match numbers.next() {
                    Some(5) => drop(numbers.next()),
                    Some(2) => drop(numbers.nth(2)),
                    _ => {}
                },
                _ => {}
            }
        }
    }
}

/// Splits a line at its escape sequences; those that do not concern its look are left out.
pub(crate) fn pieces(line: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut look = Look::default();
    let mut rest = line;
    while let Some(at) = rest.find('\u{1b}') {
        push(&mut pieces, &rest[..at], look);
        rest = &rest[at + 1..];
        if let Some(sequence) = rest.strip_prefix('[') {
            let is_final = |c: char| ('\u{40}'..='\u{7e}').contains(&c);
            let Some(end) = sequence.find(is_final) else { return pieces };
            if sequence[end..].starts_with('m') {
                look.apply(&sequence[..end]);
            }
            rest = &sequence[end + 1..];
        } else if let Some(command) = rest.strip_prefix(']') {
            // A title or a link, up to BEL or ESC \.
            let end = command.find(['\u{7}', '\u{1b}']).unwrap_or(command.len());
            rest = command[end..].strip_prefix('\u{7}').unwrap_or(&command[end..]);
        } else {
            let mut chars = rest.chars();
            chars.next();
            rest = chars.as_str();
        }
    }
    push(&mut pieces, rest, look);
    pieces
}

fn push(pieces: &mut Vec<Piece>, text: &str, look: Look) {
    // Other control characters have no look of their own and could confuse what is copied.
    let text: String = text.chars().filter(|c| !c.is_control() || *c == '\t').collect();
    if !text.is_empty() {
        pieces.push(Piece { text, class: look.class() });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(line: &str) -> String {
        let pieces = pieces(line).into_iter();
        pieces.map(|piece| format!("[{}|{}]", piece.class, piece.text)).collect()
    }

    #[test]
    fn colours_become_classes_and_other_sequences_vanish() {
        assert_eq!(shown("plain"), "[|plain]");
        assert_eq!(shown("\u{1b}[1;32mok\u{1b}[0m done"), "[a1 f2|ok][| done]");
        assert_eq!(shown("\u{1b}[38;5;196mred\u{1b}[39m"), "[|red]");
        assert_eq!(shown("a\u{1b}[2Kb\u{1b}]8;;http://x\u{7}c\u{8}d"), "[|a][|b][|cd]");
        assert_eq!(shown("cut \u{1b}[3"), "[|cut ]");
    }

    proptest! {
        #[test]
        fn no_text_is_lost_where_there_are_no_escapes(line in "[^\u{1b}\\p{Cc}]*") {
            let text: String = pieces(&line).into_iter().map(|piece| piece.text).collect();
            prop_assert_eq!(text, line);
        }

        #[test]
        fn any_line_is_taken(line in "(\u{1b}|\\[|[0-9;]|m|\\]|.)*") {
            for piece in pieces(&line) {
                let has_escape = piece.text.contains('\u{1b}');
                prop_assert!(!has_escape, "{}", piece.text.escape_debug());
            }
        }
    }
}
