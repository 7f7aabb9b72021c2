//! What users put in, kept so that it can be erased later.

use std::fmt;

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
        deserializer.deserialize_map(OneField)
    }
}

/// Reads an object of one field: its name says what the text is.
struct OneField;

impl<'de> de::Visitor<'de> for OneField {
    type Value = UserText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{\"$text\": …} or {\"$sealed\": …}")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<UserText, A::Error> {
        let key: Option<String> = map.next_key()?;
        let text = match key.as_deref() {
            Some(TEXT) => UserText::Clear(map.next_value()?),
            Some(SEALED) => UserText::Sealed(map.next_value()?),
            _ => return Err(de::Error::invalid_value(de::Unexpected::Map, &self)),
        };
        while map.next_entry::<de::IgnoredAny, de::IgnoredAny>()?.is_some() {}
        Ok(text)
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
pub fn seal(json: &str, salt: &mut dyn FnMut() -> [u8; 16]) -> (String, Vec<SealedText>) {
    let mut texts = Vec::new();
    let sealed = replace(json, TEXT, SEALED, &mut |text| {
        let salt = salt();
        let digest = salted_digest(&salt, &text);
        texts.push(SealedText { digest: digest.clone(), salt, text });
        Some(digest)
    });
    (sealed, texts)
}

/// Puts back every text that `find` still knows by its digest.
pub fn open(json: &str, find: &dyn Fn(&str) -> Option<String>) -> String {
    replace(json, SEALED, TEXT, &mut |digest| find(&digest))
}

/// Replaces each object `{"from": "a text"}` by `{"to": "another one"}`, where there is another one.
///
/// Works on JSON as `serde_json` writes it, without white space. A quote inside a text is escaped
/// there, so what such an object begins with cannot stand inside a text.
fn replace(
    json: &str,
    from: &str,
    to: &str,
    other: &mut dyn FnMut(String) -> Option<String>,
) -> String {
    let begins = format!("{{\"{from}\":");
    let mut replaced = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find(&begins) {
        let (before, object) = rest.split_at(at);
        replaced.push_str(before);
        let behind = &object[begins.len()..];
        let literal = literal(behind).filter(|literal| behind[literal.len()..].starts_with('}'));
        let text = literal.and_then(|literal| serde_json::from_str(literal).ok());
        match (literal, text.and_then(&mut *other)) {
            (Some(literal), Some(text)) => {
                replaced.push_str(
                    &Value::from(Map::from_iter([(to.to_owned(), text.into())])).to_string(),
                );
                rest = &behind[literal.len() + 1..];
            }
            _ => {
                replaced.push_str(&begins);
                rest = behind;
            }
        }
    }
    replaced.push_str(rest);
    replaced
}

/// The text with its quotes that this JSON begins with, if it begins with one.
fn literal(json: &str) -> Option<&str> {
    let mut escaped = false;
    let ends = |byte: u8| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    };
    let content = json.strip_prefix('"')?;
    content.bytes().position(ends).map(|end| &json[..end + 2])
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
