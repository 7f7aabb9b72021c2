//! Words that nobody bears: syllables with an ending that no language has, so that a replaced name is
//! seen to be one and is never a real one by chance.

use super::keyed::{Bytes, Keyed};

const CONSONANTS: [char; 16] =
    ['b', 'd', 'f', 'g', 'h', 'j', 'k', 'l', 'm', 'n', 'p', 'r', 's', 't', 'v', 'z'];
const VOWELS: [char; 4] = ['a', 'e', 'i', 'o'];
const ENDING: &str = "xq";
/// 16 consonants times 4 vowels.
pub(crate) const SYLLABLE_BITS: usize = 6;
const SYLLABLE_CHARS: usize = 2;
const WORDS_MAX: usize = 4;
/// Syllables of a word, where nothing asks for more.
const SYLLABLES: usize = 3;
/// Free text is not made longer than this many characters.
const FREE_TEXT_CHARS_MAX: usize = 2000;
/// The mailbox part of an address: so many letters of 32 are 80 bits.
const MAILBOX_CHARS: usize = 16;
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// Reserved by RFC 2606: mail to it reaches nobody.
const MAIL_DOMAIN: &str = "@masked.example";

/// Replacements of different inputs that must differ have this many bits of the keyed function, so
/// that two among a million meet with a probability below 2^-39. The copy's own unique indexes prove it
/// anew at every load.
pub(crate) const UNIQUE_BITS: usize = 80;

/// An address of mail that reaches nobody.
pub(crate) fn e_mail(keyed: &Keyed, text: &str, chars_max: usize) -> String {
    let mut stream = keyed.bytes(b'e', text.as_bytes());
    let length = MAILBOX_CHARS.min(chars_max.saturating_sub(MAIL_DOMAIN.len())).max(1);
    let letter = |stream: &mut Bytes| char::from(BASE32[stream.below(32) as usize]);
    let mailbox: String = (0..length).map(|_| letter(&mut stream)).collect();
    format!("{mailbox}{MAIL_DOMAIN}")
}

/// The shortest column whose addresses can all differ.
pub(crate) const E_MAIL_CHARS: usize = MAILBOX_CHARS + MAIL_DOMAIN.len();

/// As many words as the name has, capitalised as they are. `bits` are those of the input that must be
/// seen in it.
pub(crate) fn name(keyed: &Keyed, text: &str, chars_max: usize, bits: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().take(WORDS_MAX).collect();
    let Some(count) = Some(words.len()).filter(|count| *count > 0) else { return text.to_owned() };
    let syllables = bits.div_ceil(SYLLABLE_BITS).div_ceil(count).max(SYLLABLES);
    // One character between two words.
    let room = chars_max.saturating_sub(count - 1) / count;
    let room = room.saturating_sub(ENDING.len()) / SYLLABLE_CHARS;
    let mut stream = keyed.bytes(b'n', text.as_bytes());
    let made = words.iter().map(|like| {
        let word = word(&mut stream, syllables.min(room));
        if like.starts_with(char::is_uppercase) { capitalised(&word) } else { word }
    });
    let made: Vec<String> = made.collect();
    cut(&made.join(" "), chars_max)
}

/// The shortest column whose names, each of one word at least, can all differ.
pub(crate) const NAME_CHARS: usize =
    UNIQUE_BITS.div_ceil(SYLLABLE_BITS) * SYLLABLE_CHARS + ENDING.len() + WORDS_MAX * 4;

/// Words, about as long together as the text.
pub(crate) fn free_text(keyed: &Keyed, text: &str, chars_max: usize) -> String {
    let length = text.chars().count().min(chars_max).min(FREE_TEXT_CHARS_MAX);
    let mut stream = keyed.bytes(b't', text.as_bytes());
    let mut made = String::new();
    while made.len() < length {
        if !made.is_empty() {
            made.push(' ');
        }
        let syllables = 1 + stream.below(3) as usize;
        made.push_str(&word(&mut stream, syllables));
    }
    cut(&made, length)
}

fn word(stream: &mut Bytes, syllables: usize) -> String {
    let mut word = String::with_capacity(syllables * SYLLABLE_CHARS + ENDING.len());
    for _ in 0..syllables {
        word.push(CONSONANTS[stream.below(16) as usize]);
        word.push(VOWELS[stream.below(4) as usize]);
    }
    word.push_str(ENDING);
    word
}

fn capitalised(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_uppercase() + rest
}

fn cut(text: &str, chars_max: usize) -> String {
    text.chars().take(chars_max).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::replace::keyed::MaskingKey;

    fn keyed() -> Keyed {
        MaskingKey::new([7; 32]).function("test")
    }

    proptest! {
        #[test]
        fn lengths_hold(text in "\\PC{1,60}", limit in 1usize..80) {
            prop_assert!(name(&keyed(), &text, limit, 0).chars().count() <= limit);
            prop_assert!(free_text(&keyed(), &text, limit).chars().count() <= limit);
            let unique = name(&keyed(), &text, usize::MAX, UNIQUE_BITS);
            let letters = unique.replace("xq", "").replace(' ', "").len();
            prop_assert!(text.trim().is_empty() || letters / 2 * SYLLABLE_BITS >= UNIQUE_BITS);
        }

        #[test]
        fn what_must_differ_fits_the_least_length(text in "[A-Za-z]{1,8}( [A-Za-z]{1,8}){0,5}") {
            let unique = name(&keyed(), &text, NAME_CHARS, UNIQUE_BITS);
            let letters = unique.to_lowercase().replace("xq", "").replace(' ', "").len();
            prop_assert!(letters / 2 * SYLLABLE_BITS >= UNIQUE_BITS, "{}", unique);
        }
    }

    #[test]
    fn names_and_addresses_keep_their_form() {
        let replaced = name(&keyed(), "Anna Schmidt", usize::MAX, 0);
        assert_eq!(replaced.split(' ').count(), 2);
        assert!(replaced.split(' ').all(|word| word.starts_with(char::is_uppercase)));
        assert!(replaced.ends_with("xq"));
        assert_eq!(replaced, name(&keyed(), "Anna Schmidt", usize::MAX, 0));
        assert_ne!(replaced, name(&keyed(), "Anna Schmitt", usize::MAX, 0));
        assert_eq!(name(&keyed(), "", 10, 0), "");
        let mail = e_mail(&keyed(), "anna@firma.de", 254);
        assert!(mail.ends_with("@masked.example") && mail.len() == E_MAIL_CHARS);
    }
}
