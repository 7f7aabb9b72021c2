//! How texts and snapshots are laid out before they are sealed, and what binds them to their place.

use crate::digest::Digest;
use crate::log::Text;

/// Salt and plaintext as they are sealed: `length of salt (1 byte) | salt | plaintext`.
pub(crate) fn frame(text: &Text) -> Vec<u8> {
    let salt_length = u8::try_from(text.salt.len()).expect("an entry's salts were measured");
    let mut content = Vec::with_capacity(1 + text.salt.len() + text.plaintext.len());
    content.push(salt_length);
    content.extend_from_slice(&text.salt);
    content.extend_from_slice(&text.plaintext);
    content
}

pub(crate) fn unframe(digest: Digest, content: &[u8]) -> Option<Text> {
    let (&salt_length, rest) = content.split_first()?;
    let (salt, plaintext) = rest.split_at_checked(usize::from(salt_length))?;
    Some(Text { digest, salt: salt.to_vec(), plaintext: plaintext.to_vec() })
}

/// Binds a text to its entry. The parts in front have a fixed length, so none can run into another.
pub(crate) fn text_aad(stream: &str, sequence: u64, digest: &Digest) -> Vec<u8> {
    [&sequence.to_be_bytes()[..], digest.as_bytes(), stream.as_bytes()].concat()
}

pub(crate) fn snapshot_aad(stream: &str, sequence: u64) -> Vec<u8> {
    [&sequence.to_be_bytes()[..], stream.as_bytes()].concat()
}
