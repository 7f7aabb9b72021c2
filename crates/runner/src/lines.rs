use crate::limits::LOG_LINE_BYTES_MAX;
use crate::mask::Masker;

/// Cuts a stream of bytes into lines, and overlong lines where no secret lies.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    buffer: Vec<u8>,
    /// The buffer goes on with a line whose beginning was already given out.
    continues: bool,
}

/// A line, or a part of an overlong one. Not yet masked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) text: String,
    /// The part does not begin a line, so it cannot be a workflow command.
    pub(crate) continues: bool,
}

impl Lines {
    pub(crate) fn push(&mut self, bytes: &[u8], masker: &Masker) -> Vec<Segment> {
        let mut segments = Vec::new();
        let scanned = self.buffer.len();
        self.buffer.extend_from_slice(bytes);
        let mut start = 0;
        let mut search = scanned;
        while let Some(found) = self.buffer[search..].iter().position(|&byte| byte == b'\n') {
            let end = search + found;
            self.cut_long(start..end, masker, &mut segments);
            start = end + 1;
            search = start;
        }
        self.buffer.drain(..start);
        // An unfinished line is given out early only beyond what any secret needs.
        let held_max = LOG_LINE_BYTES_MAX.max(2 * masker.longest());
        while self.buffer.len() > held_max {
            let cut = self.cut_at(&self.buffer[..held_max], masker);
            let part: Vec<u8> = self.buffer.drain(..cut).collect();
            segments.push(self.segment(&part));
            self.continues = true;
        }
        segments
    }

    /// The last line, if it had no line feed.
    pub(crate) fn finish(&mut self, masker: &Masker) -> Vec<Segment> {
        let mut segments = Vec::new();
        if !self.buffer.is_empty() {
            self.cut_long(0..self.buffer.len(), masker, &mut segments);
            self.buffer.clear();
        }
        segments
    }

    /// Gives out a complete line, in parts when it is too long.
    fn cut_long(
        &mut self,
        range: std::ops::Range<usize>,
        masker: &Masker,
        segments: &mut Vec<Segment>,
    ) {
        let line = self.buffer[range].to_vec();
        let mut rest = line.strip_suffix(b"\r").unwrap_or(&line);
        let part_max = LOG_LINE_BYTES_MAX.max(2 * masker.longest());
        while rest.len() > part_max {
            let (part, after) = rest.split_at(self.cut_at(&rest[..part_max], masker));
            segments.push(self.segment(part));
            self.continues = true;
            rest = after;
        }
        segments.push(self.segment(rest));
        self.continues = false;
    }

    /// Where to cut: never in a secret, and never at zero, or nothing would move.
    fn cut_at(&self, bytes: &[u8], masker: &Masker) -> usize {
        match masker.safe_cut(bytes) {
            0 => bytes.len(),
            cut => cut,
        }
    }

    fn segment(&self, bytes: &[u8]) -> Segment {
        Segment { text: String::from_utf8_lossy(bytes).into_owned(), continues: self.continues }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(chunks: &[&[u8]], masker: &Masker) -> Vec<String> {
        let mut lines = Lines::default();
        let mut segments: Vec<_> =
            chunks.iter().flat_map(|chunk| lines.push(chunk, masker)).collect();
        segments.extend(lines.finish(masker));
        segments.into_iter().map(|segment| segment.text).collect()
    }

    #[test]
    fn line_ends_of_both_kinds_and_a_missing_last_one() {
        let masker = Masker::default();
        assert_eq!(all(&[b"a\r\n\nb", b"c\nd"], &masker), ["a", "", "bc", "d"]);
        assert_eq!(all(&[b""], &masker), Vec::<String>::new());
        assert_eq!(all(&[b"x\n"], &masker), ["x"]);
    }

    #[test]
    fn bytes_that_are_not_text_are_replaced() {
        assert_eq!(all(&[b"a\xffb\n"], &Masker::default()), ["a\u{fffd}b"]);
    }

    #[test]
    fn parts_after_the_first_of_a_long_line_say_so() {
        let masker = Masker::default();
        let mut lines = Lines::default();
        let segments = lines.push(&[b'x'; 2 * LOG_LINE_BYTES_MAX + 5], &masker);
        let last = lines.push(b"\nnext\n", &masker);
        let flags: Vec<_> = segments.iter().chain(&last).map(|s| s.continues).collect();
        assert_eq!(flags, [false, true, true, false]);
    }

    proptest! {
        #[test]
        fn however_it_arrives_the_text_is_whole_and_the_secret_is_not_shown(
            before in 0..3 * LOG_LINE_BYTES_MAX,
            after in 0..2 * LOG_LINE_BYTES_MAX,
            chunk in 1..40_000usize,
        ) {
            let masker = Masker::new(["sesame-open"]);
            let text = format!("{}sesame-open{}\n", "ä".repeat(before / 2), "b".repeat(after));
            let chunks: Vec<&[u8]> = text.as_bytes().chunks(chunk).collect();
            let segments = all(&chunks, &masker);
            prop_assert!(segments.iter().all(|s| s.len() <= LOG_LINE_BYTES_MAX));
            prop_assert_eq!(segments.concat(), text.trim_end());
            let shown: String = segments.iter().map(|s| masker.mask(s).into_owned()).collect();
            prop_assert_eq!(shown, text.trim_end().replace("sesame-open", "***"));
        }
    }
}
