//! Finds any of many values in a text, in one look over it.
//!
//! Each value is known by one *anchor*: six bytes of it that few other values have, so that millions of
//! addresses with one domain, or numbers with one prefix, do not share theirs. At each place of a text
//! a filter of one bit says whether an anchor can be there; only then values are compared.

use crate::values::{Reach, ValueId, Values};

const ANCHOR_BYTES: usize = 6;
const ANCHOR_MASK: u64 = (1 << (8 * ANCHOR_BYTES)) - 1;
const FILTER_BITS: u32 = 24;
const COUNTER_BITS: u32 = 22;
/// An odd number whose multiples spread over all bits (2^64 over the golden ratio).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// The values that are looked for in every text.
pub(crate) struct Index<'a> {
    values: &'a Values,
    /// Sorted by anchor.
    anchors: Vec<Anchor>,
    filter: Vec<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Anchor {
    bytes: u64,
    value: ValueId,
    /// Where in the value it begins.
    offset: u8,
}

impl<'a> Index<'a> {
    pub(crate) fn of(values: &'a Values) -> Self {
        let wanted: Vec<ValueId> =
            values.ids().filter(|id| values.reach(*id) == Reach::Everywhere).collect();
        let mut counts = vec![0u8; 1 << COUNTER_BITS];
        for id in &wanted {
            for (_, bytes) in windows(values.text(*id)) {
                let count = &mut counts[spread(bytes, COUNTER_BITS)];
                *count = count.saturating_add(1);
            }
        }
        let rarest = |id: &ValueId| {
            let count = |(_, bytes): &(usize, u64)| counts[spread(*bytes, COUNTER_BITS)];
            let (offset, bytes) = windows(values.text(*id)).min_by_key(count)?;
            let offset = u8::try_from(offset).expect("values are kept up to fewer bytes");
            Some(Anchor { bytes, value: *id, offset })
        };
        let mut anchors: Vec<Anchor> = wanted.iter().filter_map(rarest).collect();
        anchors.sort_unstable();
        let mut filter = vec![0u64; 1 << (FILTER_BITS - 6)];
        for anchor in &anchors {
            let bit = spread(anchor.bytes, FILTER_BITS);
            filter[bit >> 6] |= 1 << (bit & 63);
        }
        Self { values, anchors, filter }
    }

    /// How many values it knows.
    pub(crate) fn len(&self) -> usize {
        self.anchors.len()
    }

    /// Tells each value that stands in the text, which is normal already.
    pub(crate) fn find(&self, text: &[u8], mut found: impl FnMut(ValueId)) {
        for (end, bytes) in windows(text) {
            let bit = spread(bytes, FILTER_BITS);
            if self.filter[bit >> 6] & (1 << (bit & 63)) == 0 {
                continue;
            }
            let first = self.anchors.partition_point(|anchor| anchor.bytes < bytes);
            let same = self.anchors[first..].iter().take_while(|anchor| anchor.bytes == bytes);
            for anchor in same {
                let Some(start) = end.checked_sub(usize::from(anchor.offset)) else { continue };
                let value = self.values.text(anchor.value);
                if text[start..].starts_with(value) && stands_alone(text, start, value) {
                    found(anchor.value);
                }
            }
        }
    }
}

/// A value that is one word must not be part of a longer one, and a number not of a longer number: a
/// name is not in every place that begins like it. Anything else is found wherever it stands.
fn stands_alone(text: &[u8], start: usize, value: &[u8]) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || !byte.is_ascii();
    let is_word = value.iter().all(|byte| is_letter(*byte));
    let has_letters = value.iter().any(|byte| is_letter(*byte));
    let goes_on = |inside: Option<&u8>, outside: Option<&u8>| {
        let (Some(inside), Some(outside)) = (inside, outside) else { return false };
        match (is_word, has_letters) {
            (true, _) => is_letter(*outside) || outside.is_ascii_digit(),
            (false, true) => false,
            (false, false) => inside.is_ascii_digit() && outside.is_ascii_digit(),
        }
    };
    let before = start.checked_sub(1).and_then(|at| text.get(at));
    let after = text.get(start + value.len());
    !goes_on(value.first(), before) && !goes_on(value.last(), after)
}

/// Each six bytes that follow each other, and where they begin.
fn windows(text: &[u8]) -> impl Iterator<Item = (usize, u64)> {
    let mut bytes = 0;
    text.iter().enumerate().filter_map(move |(at, byte)| {
        bytes = (bytes << 8 | u64::from(*byte)) & ANCHOR_MASK;
        Some(((at + 1).checked_sub(ANCHOR_BYTES)?, bytes))
    })
}

fn spread(bytes: u64, bits: u32) -> usize {
    usize::try_from(bytes.wrapping_mul(SPREAD) >> (u64::BITS - bits)).expect("few bits")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::values::normal;

    fn found(values: &[&str], text: &str) -> Vec<String> {
        let mut known = Values::default();
        let column = known.column("c");
        values.iter().for_each(|value| known.add(column, value));
        let mut found = Vec::new();
        Index::of(&known).find(normal(text).as_bytes(), |id| {
            found.push(String::from_utf8(known.text(id).to_vec()).unwrap());
        });
        found
    }

    #[test]
    fn values_are_found_wherever_they_stand() {
        let values = ["anna@firma.de", "bob@firma.de", "+49 170 1234567", "Schmidt", "Jörg Groß"];
        let check =
            |text: &str, expected: &[&str]| assert_eq!(found(&values, text), expected, "{text}");
        check("call ANNA@firma.de, or bob@firma.de!", &["anna@firma.de", "bob@firma.de"]);
        check("xanna@firma.dex", &["anna@firma.de"]);
        check("{\"to\":\"+49 170 1234567\"}", &["+49 170 1234567"]);
        check("x+49 170 1234567x", &["+49 170 1234567"]);
        check("+49 170 12345678", &[]);
        check("Schmidtstraße", &[]);
        check("an Schmidt.", &["schmidt"]);
        check("an JÖRG GROSS", &[]);
        check("an jörg groß", &["jörg groß"]);
        check("firma.de", &[]);
        check("", &[]);
    }

    proptest! {
        /// Against the plain way to look for them.
        #[test]
        fn it_finds_what_is_there(
            values in prop::collection::vec("[a-c@.]{6,10}", 1..20),
            text in "[a-c@.]{0,60}",
        ) {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            let got: std::collections::BTreeSet<String> =
                found(&values, &text).into_iter().collect();
            let there = |value: &&&str| value.chars().any(char::is_alphabetic)
                && value.contains(['@', '.']) && text.contains(**value);
            for value in values.iter().filter(there) {
                prop_assert!(got.contains(*value), "{} in {}", value, text);
            }
            for value in got {
                prop_assert!(text.contains(&value) && values.contains(&value.as_str()));
            }
        }
    }
}
