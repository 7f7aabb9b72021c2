//! Log lines: what they look like, which of them are loud, and windows of a long log.

mod ansi;

use maud::{Markup, html};

use crate::time::Clock;
use qnt9_model::Millis;

/// Lines in one window of a log page.
pub const WINDOW_LINES: u64 = 1_000;
/// Lines of an open step on a run's page; the log page has all.
pub const STEP_LINES_MAX: usize = 200;
/// Lines that a search shows at most.
pub const HITS_MAX: usize = 500;

/// One line of a job's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Its number in the attempt's log, from 1.
    pub number: u64,
    /// The step that wrote it; `None` for what the runner says of the job as a whole.
    pub step: Option<u32>,
    /// When.
    pub at: Millis,
    /// Its text, secrets masked.
    pub text: String,
}

/// The first line of the window that a line is in.
#[must_use]
pub const fn window_of(line: u64) -> u64 {
    (line.saturating_sub(1) / WINDOW_LINES) * WINDOW_LINES + 1
}

/// Whether lines can be linked to where they stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchors {
    /// These are the lines that `#L7` means.
    Here,
    /// They are quoted; the lines themselves are elsewhere.
    Elsewhere,
}

/// How lines are shown.
pub struct Lines<'a> {
    /// Zone of the times.
    pub clock: &'a Clock,
    /// Where the log's page is, with its query begun: line numbers link there.
    pub href: &'a str,
    /// A text to mark.
    pub mark: Option<&'a str>,
    /// Whether links lead to these very rows.
    pub anchors: Anchors,
}

impl Lines<'_> {
    /// The rows of these lines.
    #[must_use]
    pub fn rows(&self, lines: &[LogLine]) -> Markup {
        // The end of a group has nothing to say.
        let shown = lines.iter().filter(|line| line.text != "##[endgroup]");
        html! { @for line in shown { (self.row(line)) } }
    }

    fn row(&self, line: &LogLine) -> Markup {
        let (kind, text) = kind(&line.text);
        let number = line.number;
        let class = if kind.is_empty() { "l".to_owned() } else { format!("l {kind}") };
        let id = (self.anchors == Anchors::Here).then(|| format!("L{number}"));
        html! {
            div class=(class) id=[id] {
                a.n href={ (self.href) "&line=" (number) "#L" (number) } { (number) }
                span.t title=(self.clock.exact(line.at)) { (self.clock.wall(line.at)) }
                span { @for piece in ansi::pieces(text) { (self.piece(&piece)) } }
            }
            "\n"
        }
    }

    fn piece(&self, piece: &ansi::Piece) -> Markup {
        let text = html! {
            @match self.mark {
                Some(mark) if !mark.is_empty() => (marked(&piece.text, mark)),
                _ => (piece.text),
            }
        };
        html! {
            @if piece.class.is_empty() { (text) } @else { span class=(piece.class) { (text) } }
        }
    }
}

/// The class of a line by the marks that the runner puts in front, and the text behind them.
fn kind(text: &str) -> (&'static str, &str) {
    const MARKS: [(&str, &str); 6] = [
        ("##[error]", "err"),
        ("##[warning]", "warn"),
        ("##[group]", "grp"),
        ("##[notice]", "grp"),
        ("##[debug]", "dim"),
        ("##[command]", "grp"),
    ];
    for (mark, class) in MARKS {
        if let Some(rest) = text.strip_prefix(mark) {
            return (class, rest);
        }
    }
    let start = text.trim_start();
    let is_loud = ["error:", "error[", "Error:", "fatal:", "✗", "│ Error:"];
    if is_loud.iter().any(|word| start.starts_with(word)) || start.contains(" panicked at ") {
        return ("err", text);
    }
    ("", text)
}

/// The text with each place where `mark` stands in it highlighted, whatever its case.
fn marked(text: &str, mark: &str) -> Markup {
    let mut rest = text;
    let mut parts: Vec<(&str, &str)> = Vec::new();
    while let Some((at, end)) = find(rest, mark) {
        parts.push((&rest[..at], &rest[at..end]));
        rest = &rest[end..];
    }
    html! { @for (before, hit) in parts { (before) mark { (hit) } } (rest) }
}

/// Where `needle` first stands in `text` whatever its case, as a range of bytes.
#[must_use]
pub fn find(text: &str, needle: &str) -> Option<(usize, usize)> {
    if needle.is_ascii() {
        // A match of ASCII bytes begins and ends between characters.
        let at = find_ascii(text.as_bytes(), needle.as_bytes())?;
        return Some((at, at + needle.len()));
    }
    let needle: Vec<char> = needle.chars().flat_map(char::to_lowercase).collect();
    text.char_indices().find_map(|(at, _)| {
        let mut wanted = needle.iter();
        let mut chars = text[at..].char_indices();
        loop {
            let Some((offset, c)) = chars.next() else {
                return wanted.as_slice().is_empty().then_some((at, text.len()));
            };
            if wanted.as_slice().is_empty() {
                return Some((at, at + offset));
            }
            if !c.to_lowercase().all(|lower| wanted.next() == Some(&lower)) {
                return None;
            }
        }
    })
}

/// Where ASCII bytes first stand in others whatever their case.
#[must_use]
pub fn find_ascii(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return None;
    }
    bytes.windows(needle.len()).position(|window| window.eq_ignore_ascii_case(needle))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_begin_at_whole_thousands() {
        assert_eq!(window_of(0), 1);
        assert_eq!(window_of(1), 1);
        assert_eq!(window_of(1000), 1);
        assert_eq!(window_of(1001), 1001);
        assert_eq!(window_of(999_999), 999_001);
    }

    #[test]
    fn search_finds_whatever_the_case() {
        assert_eq!(find("the End", "end"), Some((4, 7)));
        assert_eq!(find("Grüße", "RÜSS"), None);
        assert_eq!(find("Grüße", "RÜß"), Some((1, 6)));
        assert_eq!(find("aab", "ab"), Some((1, 3)));
        assert_eq!(find("abc", ""), None);
        assert_eq!(find("", "a"), None);
        assert_eq!(find("größer ALS", "als"), Some((9, 12)));
    }

    #[test]
    fn a_line_cannot_bring_markup_of_its_own() {
        let clock = Clock { now: Millis(0), zone: jiff::tz::TimeZone::UTC };
        let lines = Lines {
            clock: &clock,
            href: "/log?attempt=1",
            mark: Some("script"),
            anchors: Anchors::Here,
        };
        let line = LogLine {
            number: 7,
            step: None,
            at: Millis(0),
            text: "##[error]<script>alert(1)</script> \u{1b}[31m<b>\u{1b}[0m".to_owned(),
        };
        expect_test::expect![[r#"
            <div class="l err" id="L7"><a class="n" href="/log?attempt=1&amp;line=7#L7">7</a><span class="t" title="Thu 01 Jan 1970 00:00:00 UTC">00:00:00</span><span>&lt;<mark>script</mark>&gt;alert(1)&lt;/<mark>script</mark>&gt; <span class="f1">&lt;b&gt;</span></span></div>
        "#]].assert_eq(&lines.rows(&[line]).into_string());
    }
}
