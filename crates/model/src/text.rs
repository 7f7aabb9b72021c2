//! What users put in, kept so that it can be erased later.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value};

/// Text that came from a user (an input, an output, a message). In a fact it stands as a salted
/// digest; the text itself is stored beside the log, encrypted, and can be erased without breaking
/// the chain of digests.
///
/// Serialised as `{"$text": "…"}` before sealing, `{"$sealed": "DIGEST"}` in the log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UserText {
    /// The text is at hand.
    Clear(String),
    /// Only its salted digest is left: it was erased, or it has not been opened.
    Sealed(String),
}

impl UserText {
    /// The text, or a note in its place that says it was erased.
    #[must_use]
    pub fn show(&self) -> &str {
        match self {
            Self::Clear(text) => text,
            Self::Sealed(_) => "(erased)",
        }
    }
}

impl From<&str> for UserText {
    fn from(text: &str) -> Self {
        Self::Clear(text.to_owned())
    }
}

impl From<String> for UserText {
    fn from(text: String) -> Self {
        Self::Clear(text)
    }
}

const TEXT: &str = "$text";
const SEALED: &str = "$sealed";

impl Serialize for UserText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (key, text) = match self {
            Self::Clear(text) => (TEXT, text),
            Self::Sealed(digest) => (SEALED, digest),
        };
        serializer.collect_map([(key, text)])
    }
}

impl<'de> Deserialize<'de> for UserText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = Map::deserialize(deserializer)?;
        match map.iter().next() {
            Some((key, Value::String(text))) if key == TEXT => Ok(Self::Clear(text.clone())),
            Some((key, Value::String(text))) if key == SEALED => Ok(Self::Sealed(text.clone())),
            _ => Err(de::Error::custom("expected {\"$text\": …} or {\"$sealed\": …}")),
        }
    }
}

/// A text on its way into the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedText {
    /// sha256 of salt and text, in hexadecimal: what the fact says instead of the text.
    pub digest: String,
    /// 16 random bytes, so that a short text cannot be guessed from its digest.
    pub salt: [u8; 16],
    /// The text.
    pub text: String,
}

/// Replaces every clear user text inside a serialised fact by its salted digest and returns the
/// texts. `salt` gives fresh random bytes for each.
pub fn seal(value: &mut Value, salt: &mut dyn FnMut() -> [u8; 16]) -> Vec<SealedText> {
    let mut texts = Vec::new();
    seal_into(value, salt, &mut texts);
    texts
}

fn seal_into(value: &mut Value, salt: &mut dyn FnMut() -> [u8; 16], texts: &mut Vec<SealedText>) {
    match value {
        Value::Object(map) if map.len() == 1 && map.get(TEXT).is_some_and(Value::is_string) => {
            if let Some(Value::String(text)) = map.remove(TEXT) {
                let salt = salt();
                let digest = salted_digest(&salt, &text);
                map.insert(SEALED.to_owned(), Value::String(digest.clone()));
                texts.push(SealedText { digest, salt, text });
            }
        }
        Value::Object(map) => {
            map.iter_mut().for_each(|(_, inner)| seal_into(inner, salt, texts));
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| seal_into(inner, salt, texts)),
        _ => {}
    }
}

/// Puts back every text that `find` still knows by its digest.
pub fn open(value: &mut Value, find: &dyn Fn(&str) -> Option<String>) {
    match value {
        Value::Object(map) if map.len() == 1 && map.contains_key(SEALED) => {
            let text = map.get(SEALED).and_then(Value::as_str).and_then(find);
            if let Some(text) = text {
                map.clear();
                map.insert(TEXT.to_owned(), Value::String(text));
            }
        }
        Value::Object(map) => map.iter_mut().for_each(|(_, inner)| open(inner, find)),
        Value::Array(items) => items.iter_mut().for_each(|inner| open(inner, find)),
        _ => {}
    }
}

/// sha256 over the salt and the text, in hexadecimal.
#[must_use]
pub fn salted_digest(salt: &[u8; 16], text: &str) -> String {
    use sha2::{Digest as _, Sha256};
    let mut hash = Sha256::new();
    hash.update(salt);
    hash.update(text.as_bytes());
    hex::encode(hash.finalize())
}
