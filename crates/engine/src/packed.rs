//! What is over and only read now and then, kept as few bytes and opened when somebody looks.
//!
//! Bytes: `MessagePack` with field names (what facts and state are made of says its own shape, with
//! fields left out and enums told by a tag, so a format without names could not carry it), pressed
//! with LZ4.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, OnceLock};

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value that is either at hand or packed. Looking at it and changing it open it; only
/// [`Packed::pack`] packs it.
pub struct Packed<T>(Kept<T>);

enum Kept<T> {
    Open(Box<T>),
    /// The bytes, and the value once somebody has looked.
    Packed(Arc<[u8]>, OnceLock<Box<T>>),
}

const WAS_PACKED: &str = "what this program packed it can open";
const PLAIN: &str = "the state is plain data, which can always be packed";

impl<T> Packed<T> {
    /// A value at hand.
    pub fn open(value: T) -> Self {
        Self(Kept::Open(Box::new(value)))
    }

    /// Forgets what was opened only to look at it.
    pub fn shut(&mut self) {
        if let Kept::Packed(_, opened) = &mut self.0 {
            opened.take();
        }
    }

    /// How many bytes it is packed in.
    #[must_use]
    pub fn packed_bytes(&self) -> Option<usize> {
        match &self.0 {
            Kept::Open(_) => None,
            Kept::Packed(bytes, _) => Some(bytes.len()),
        }
    }
}

impl<T: Serialize> Packed<T> {
    /// Packs the value: it will hardly be looked at any more.
    pub fn pack(&mut self) {
        if let Kept::Open(value) = &self.0 {
            self.0 = Kept::Packed(press(&**value).into(), OnceLock::new());
        }
    }
}

impl<T: DeserializeOwned> Deref for Packed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.0 {
            Kept::Open(value) => value,
            Kept::Packed(bytes, opened) => {
                opened.get_or_init(|| Box::new(unpress(bytes).expect(WAS_PACKED)))
            }
        }
    }
}

impl<T: DeserializeOwned> DerefMut for Packed<T> {
    fn deref_mut(&mut self) -> &mut T {
        if let Kept::Packed(bytes, opened) = &mut self.0 {
            let opened = opened.take();
            let value = opened.unwrap_or_else(|| Box::new(unpress(bytes).expect(WAS_PACKED)));
            self.0 = Kept::Open(value);
        }
        let Kept::Open(value) = &mut self.0 else { unreachable!("it was just opened") };
        value
    }
}

impl<T: Clone> Clone for Packed<T> {
    fn clone(&self) -> Self {
        Self(match &self.0 {
            Kept::Open(value) => Kept::Open(value.clone()),
            Kept::Packed(bytes, _) => Kept::Packed(bytes.clone(), OnceLock::new()),
        })
    }
}

impl<T: Default> Default for Packed<T> {
    fn default() -> Self {
        Self::open(T::default())
    }
}

impl<T: fmt::Debug + DeserializeOwned> fmt::Debug for Packed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: PartialEq + DeserializeOwned> PartialEq for Packed<T> {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Kept::Packed(one, _), Kept::Packed(other, _)) if one == other => true,
            _ => **self == **other,
        }
    }
}

impl<T: Serialize> Serialize for Packed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Kept::Open(value) => (false, Bytes(&press(&**value))).serialize(serializer),
            Kept::Packed(bytes, _) => (true, Bytes(bytes)).serialize(serializer),
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Packed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (packed, bytes) = <(bool, OwnedBytes)>::deserialize(deserializer)?;
        if packed {
            return Ok(Self(Kept::Packed(bytes.0.into(), OnceLock::new())));
        }
        unpress(&bytes.0).map(Self::open).map_err(D::Error::custom)
    }
}

/// Packs plain data into few bytes.
pub(crate) fn press<T: Serialize>(value: &T) -> Vec<u8> {
    lz4_flex::compress_prepend_size(&rmp_serde::to_vec_named(value).expect(PLAIN))
}

/// Reads what [`press`] wrote.
pub(crate) fn unpress<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, UnpressError> {
    let plain = lz4_flex::decompress_size_prepended(bytes)?;
    Ok(rmp_serde::from_slice(&plain)?)
}

/// Bytes that are no packed value.
#[derive(Debug, thiserror::Error)]
pub enum UnpressError {
    /// They are torn or were never pressed.
    #[error("the bytes cannot be expanded")]
    Bytes(#[from] lz4_flex::block::DecompressError),
    /// They are something else.
    #[error("the bytes are of another shape")]
    Shape(#[from] rmp_serde::decode::Error),
}

/// Bytes as bytes, not as a list of numbers.
struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

struct OwnedBytes(Vec<u8>);

impl<'de> Deserialize<'de> for OwnedBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = OwnedBytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<OwnedBytes, E> {
                Ok(OwnedBytes(bytes.to_vec()))
            }

            fn visit_byte_buf<E: serde::de::Error>(self, bytes: Vec<u8>) -> Result<OwnedBytes, E> {
                Ok(OwnedBytes(bytes))
            }
        }
        deserializer.deserialize_byte_buf(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_the_same_when_opened_and_changed() {
        let words: Vec<String> = (0..100).map(|n| format!("word {n}")).collect();
        let mut packed = Packed::open(words.clone());
        assert_eq!(packed.packed_bytes(), None);
        packed.pack();
        assert!(packed.packed_bytes().is_some_and(|bytes| bytes < 600));
        assert_eq!(*packed, words);
        assert_eq!(packed, Packed::open(words), "packed or not is no difference");
        let mut changed = packed.clone();
        changed.push("more".to_owned());
        assert_ne!(changed, packed);
        packed.shut();
        assert!(matches!(&packed.0, Kept::Packed(_, opened) if opened.get().is_none()));
        assert_eq!(packed.len(), 100);
    }

    #[test]
    fn packed_values_are_compared_by_what_they_are() {
        let packed = |value: &str| {
            let mut packed = Packed::open(value.to_owned());
            packed.pack();
            packed
        };
        assert_eq!(packed("one"), packed("one"));
        assert_ne!(packed("one"), packed("other"));
    }

    #[test]
    fn what_was_never_packed_is_refused() {
        let error = serde_json::from_str::<Packed<u32>>("[true, 7]").unwrap_err().to_string();
        assert!(error.contains("invalid type: integer `7`, expected bytes"), "{error}");
    }

    #[test]
    fn what_is_torn_is_no_value() {
        let mut bytes = press(&vec![1_u32; 1000]);
        assert!(unpress::<Vec<u32>>(&bytes).is_ok());
        assert!(matches!(unpress::<String>(&bytes), Err(UnpressError::Shape(_))));
        bytes.truncate(5);
        assert!(matches!(unpress::<Vec<u32>>(&bytes), Err(UnpressError::Bytes(_))));
    }
}
