//! Keeps secrets out of everything that leaves a step: log lines, outputs, summaries, names.
//!
//! A secret is looked for as it is and in the forms in which programs print one: base64 at each of
//! the three alignments at which it may lie inside a longer text, percent-, JSON- and XML-escaped,
//! and line by line. What is found becomes `***`.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::limits::MASK_DERIVED_BYTES_MIN;

const MASK: &str = "***";

/// The set of texts to hide. Grows while a job runs, by `::add-mask::`.
#[derive(Default)]
pub struct Masker {
    patterns: BTreeSet<String>,
    automaton: Option<AhoCorasick>,
    longest: usize,
}

impl Masker {
    /// Hides these texts.
    #[must_use]
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut masker = Self::default();
        for secret in secrets {
            masker.collect(secret);
        }
        masker.build();
        masker
    }

    /// Hides one more text from now on. An empty or blank one hides nothing.
    pub fn add(&mut self, secret: &str) {
        let before = self.patterns.len();
        self.collect(secret);
        if self.patterns.len() != before {
            self.build();
        }
    }

    /// The text with every secret replaced.
    #[must_use]
    pub fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match &self.automaton {
            Some(automaton) if automaton.is_match(text) => {
                let mut masked = String::with_capacity(text.len());
                let mut end = 0;
                for found in automaton.find_iter(text) {
                    masked.push_str(&text[end..found.start()]);
                    masked.push_str(MASK);
                    end = found.end();
                }
                masked.push_str(&text[end..]);
                Cow::Owned(masked)
            }
            Some(_) | None => Cow::Borrowed(text),
        }
    }

    /// Whether masking would change the text.
    #[must_use]
    pub fn contains_secret(&self, text: &str) -> bool {
        self.automaton.as_ref().is_some_and(|automaton| automaton.is_match(text))
    }

    /// Where a long text may be cut so that no secret is split: at most `text.len()` less what a
    /// secret that has only begun could need. Zero means: read on before cutting.
    pub(crate) fn safe_cut(&self, text: &[u8]) -> usize {
        let mut cut = text.len().saturating_sub(self.longest.saturating_sub(1));
        if let Some(automaton) = &self.automaton {
            for found in automaton.find_iter(text) {
                if found.start() < cut && cut < found.end() {
                    cut = found.start();
                }
            }
        }
        while cut > 0 && cut < text.len() && text[cut] & 0b1100_0000 == 0b1000_0000 {
            cut -= 1;
        }
        cut
    }

    /// The length of the longest text to hide, in bytes.
    pub(crate) fn longest(&self) -> usize {
        self.longest
    }

    fn collect(&mut self, secret: &str) {
        if secret.trim().is_empty() {
            return;
        }
        self.collect_forms(secret);
        let trimmed = secret.trim();
        if trimmed.len() != secret.len() {
            self.collect_forms(trimmed);
        }
        if trimmed.contains('\n') {
            for line in trimmed.lines().map(str::trim) {
                if line.len() >= MASK_DERIVED_BYTES_MIN {
                    self.collect_forms(line);
                }
            }
        }
    }

    fn collect_forms(&mut self, secret: &str) {
        self.patterns.insert(secret.to_owned());
        if secret.len() < MASK_DERIVED_BYTES_MIN {
            return;
        }
        self.patterns.extend(base64_forms(secret.as_bytes()));
        self.patterns.extend([
            percent_encoded(secret, Hex::Upper),
            percent_encoded(secret, Hex::Lower),
            percent_encoded(secret, Hex::Upper).replace("%20", "+"),
            json_escaped(secret),
            xml_escaped(secret),
        ]);
    }

    fn build(&mut self) {
        self.longest = self.patterns.iter().map(String::len).max().unwrap_or(0);
        self.automaton = (!self.patterns.is_empty()).then(|| {
            AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .build(&self.patterns)
                .expect("secrets are far fewer than the automaton's two billion states")
        });
    }
}

impl std::fmt::Debug for Masker {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Masker").field("patterns", &self.patterns.len()).finish()
    }
}

/// The characters of a longer base64 text that depend on nothing but the secret, for each of the
/// three places at which the secret may begin within a group of three bytes.
fn base64_forms(secret: &[u8]) -> impl Iterator<Item = String> {
    (0..3usize).flat_map(move |shift| {
        let mut bytes = vec![0; shift];
        bytes.extend_from_slice(secret);
        let first = (shift * 8).div_ceil(6);
        let last = bytes.len() * 8 / 6;
        [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)]
            .map(|text| text[first..last].to_owned())
    })
}

#[derive(Clone, Copy)]
enum Hex {
    Upper,
    Lower,
}

/// Percent-encoding of everything but RFC 3986's unreserved characters.
fn percent_encoded(text: &str, hex: Hex) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match (byte, hex) {
            (b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~', _) => {
                encoded.push(char::from(byte));
            }
            (_, Hex::Upper) => write!(encoded, "%{byte:02X}").expect("a String takes all text"),
            (_, Hex::Lower) => write!(encoded, "%{byte:02x}").expect("a String takes all text"),
        }
    }
    encoded
}

fn json_escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn xml_escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&apos;")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "hunter2 & <co> \"x\"";

    #[test]
    fn each_encoded_form_is_hidden() {
        let masker = Masker::new([SECRET]);
        for form in [
            SECRET.to_owned(),
            percent_encoded(SECRET, Hex::Upper),
            percent_encoded(SECRET, Hex::Lower),
            percent_encoded(SECRET, Hex::Upper).replace("%20", "+"),
            json_escaped(SECRET),
            xml_escaped(SECRET),
        ] {
            assert_eq!(masker.mask(&format!("a {form} b")), "a *** b", "{form}");
        }
    }

    #[test]
    fn lines_of_a_multi_line_secret_are_hidden_but_not_the_shortest() {
        let masker = Masker::new(["{\n  \"password\": \"hunter2\"\n}\n"]);
        assert_eq!(masker.mask("say \"password\": \"hunter2\""), "say ***");
        assert_eq!(masker.mask("fn main() {"), "fn main() {");
    }

    #[test]
    fn blank_secrets_hide_nothing() {
        let masker = Masker::new(["", "  ", "\n"]);
        assert_eq!(masker.mask("a b\n"), "a b\n");
    }

    #[test]
    fn the_longest_of_two_secrets_wins() {
        let masker = Masker::new(["tok", "token-1234"]);
        assert_eq!(masker.mask("token-1234 tok"), "*** ***");
    }

    proptest! {
        #[test]
        fn base64_of_any_text_around_a_secret_never_shows_it(
            before in ".{0,9}", secret in "[ -~]{8,24}", after in ".{0,9}"
        ) {
            prop_assume!(secret.trim().len() >= 8);
            let masker = Masker::new([secret.as_str()]);
            let encoded = base64::engine::general_purpose::STANDARD
                .encode(format!("{before}{secret}{after}"));
            prop_assert!(masker.contains_secret(&encoded), "{encoded}");
        }

        #[test]
        fn cutting_a_text_anywhere_allowed_leaves_no_part_of_a_secret(
            secret in "[a-z]{6,12}", before in "[A-Z]{0,40}", after in "[A-Z]{0,40}"
        ) {
            let masker = Masker::new([secret.as_str()]);
            let text = format!("{before}{secret}{after}");
            for end in 0..=text.len() {
                let read = &text.as_bytes()[..end];
                let cut = masker.safe_cut(read);
                let (first, rest) = text.split_at(cut);
                let shown = format!("{}{}", masker.mask(first), masker.mask(rest));
                prop_assert_eq!(shown, format!("{before}***{after}"));
            }
        }
    }
}
