//! Bits that only who has the key can predict, the same for the same input.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

const BLOCK_BYTES: usize = 32;

/// The secret of one target environment. Two environments' copies cannot be matched with each other.
#[derive(Clone)]
pub struct MaskingKey([u8; BLOCK_BYTES]);

impl MaskingKey {
    /// A key of 32 random bytes, or derived from such.
    #[must_use]
    pub const fn new(bytes: [u8; BLOCK_BYTES]) -> Self {
        Self(bytes)
    }

    /// The function for one domain: values of one domain are replaced alike wherever they stand.
    pub(crate) fn function(&self, domain: &str) -> Keyed {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes any key");
        mac.update(b"qnt9 masking 1 ");
        mac.update(domain.as_bytes());
        let secret = mac.finalize().into_bytes();
        Keyed(Hmac::new_from_slice(&secret).expect("HMAC takes any key"))
    }
}

impl fmt::Debug for MaskingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MaskingKey")
    }
}

/// A pseudorandom function of one domain.
#[derive(Clone)]
pub(crate) struct Keyed(Hmac<Sha256>);

impl Keyed {
    /// As many bytes as are asked for, of an input that begins with a word for its purpose.
    pub(crate) fn bytes(&self, purpose: u8, input: &[u8]) -> Bytes {
        let mut mac = self.0.clone();
        mac.update(&[purpose]);
        mac.update(input);
        Bytes { mac, block: [0; BLOCK_BYTES], next: BLOCK_BYTES, blocks: 0 }
    }
}

impl fmt::Debug for Keyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyed")
    }
}

/// An endless stream of pseudorandom bytes.
pub(crate) struct Bytes {
    mac: Hmac<Sha256>,
    block: [u8; BLOCK_BYTES],
    next: usize,
    blocks: u32,
}

impl Bytes {
    pub(crate) fn word(&mut self) -> u32 {
        const WORD_BYTES: usize = 4;
        if self.next + WORD_BYTES > BLOCK_BYTES {
            let mut mac = self.mac.clone();
            mac.update(&self.blocks.to_le_bytes());
            self.block = mac.finalize().into_bytes().into();
            self.blocks += 1;
            self.next = 0;
        }
        let bytes = &self.block[self.next..self.next + WORD_BYTES];
        self.next += WORD_BYTES;
        u32::from_le_bytes(bytes.try_into().expect("four bytes"))
    }

    /// A number below `limit`, which is not zero.
    pub(crate) fn below(&mut self, limit: u32) -> u32 {
        // Of 2^32 equally likely products the high half is below the limit, as evenly as can be.
        let product = u64::from(self.word()) * u64::from(limit);
        u32::try_from(product >> 32).expect("the high half of a product of two words")
    }
}
