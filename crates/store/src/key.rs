//! The master key, which lies outside the data folder, and the keys derived from it.
//!
//! Every purpose has a key of its own: HMAC-SHA256 of the master key over a label, which is the
//! first block of HKDF-Expand (RFC 5869); extraction is not needed because the master key is
//! uniformly random already. Sealing is XChaCha20-Poly1305 with a random 24-byte nonce, long enough
//! that random nonces never meet. A sealed value is `format (1 byte) | nonce (24) | ciphertext and
//! tag`.

use crate::digest::Digest;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{Key, KeyInit as _, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Number of bytes in the master key and in each key derived from it.
pub const KEY_BYTES: usize = 32;
/// A key file holds the key as hexadecimal digits and a newline.
const KEY_FILE_BYTES: usize = 2 * KEY_BYTES + 1;
const NONCE_BYTES: usize = 24;
const SEALED_FORMAT: u8 = 1;

/// The key that protects everything at rest. Its `Debug` shows the fingerprint only.
#[derive(Clone)]
pub struct MasterKey {
    secret: [u8; KEY_BYTES],
}

impl MasterKey {
    /// Reads the key file, or makes it with random bytes and mode 0600 when it does not exist.
    ///
    /// Two processes that start at once agree on one key: the file appears whole or not at all.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyError> {
        match Self::load(path) {
            Err(KeyError::Missing { .. }) => {
                create_key_file(path)?;
                Self::load(path)
            }
            loaded => loaded,
        }
    }

    /// Reads the key file; refuses one that others may read or whose content is no key.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let io = |source| KeyError::Io { path: path.to_owned(), source };
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(KeyError::Missing { path: path.to_owned() });
            }
            opened => opened.map_err(io)?,
        };
        let mode = file.metadata().map_err(io)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Readable { path: path.to_owned(), mode });
        }
        let mut content = Vec::with_capacity(KEY_FILE_BYTES + 1);
        // One byte more than a key file has is enough to know that it is none.
        file.take(KEY_FILE_BYTES as u64 + 1).read_to_end(&mut content).map_err(io)?;
        let not_a_key = || KeyError::NotAKey { path: path.to_owned() };
        let digits = content.strip_suffix(b"\n").unwrap_or(&content);
        let mut secret = [0; KEY_BYTES];
        hex::decode_to_slice(digits, &mut secret).map_err(|_| not_a_key())?;
        Ok(Self { secret })
    }

    /// A key whose bytes come from elsewhere, such as a secret manager or a seeded simulation.
    pub const fn from_bytes(secret: [u8; KEY_BYTES]) -> Self {
        Self { secret }
    }

    /// Sixteen hexadecimal digits that tell keys apart and reveal nothing of them.
    pub fn fingerprint(&self) -> String {
        let mac = self.mac_key("fingerprint").mac(&[]);
        hex::encode(&mac.as_bytes()[..8])
    }

    /// Encrypts and authenticates. `label` names the purpose and selects the key; `aad` is what the
    /// value belongs to (a name, a version): opening demands the same `aad`.
    pub fn seal(&self, label: &str, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, Unsealable> {
        self.seal_key(label).seal(aad, plaintext)
    }

    /// Opens what [`MasterKey::seal`] made with the same key, label and `aad`.
    pub fn open(&self, label: &str, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Unsealable> {
        self.seal_key(label).open(aad, sealed)
    }

    /// The key that seals for one purpose, for callers that seal often.
    pub fn seal_key(&self, label: &str) -> SealKey {
        let key = Key::from(self.derive("seal", label));
        SealKey { cipher: XChaCha20Poly1305::new(&key) }
    }

    /// The key that authenticates for one purpose.
    pub fn mac_key(&self, label: &str) -> MacKey {
        let key = self.derive("mac", label);
        MacKey { hmac: new_hmac(&key) }
    }

    /// `usage` keeps the cipher's keys and the authenticator's apart even under one label.
    fn derive(&self, usage: &str, label: &str) -> [u8; KEY_BYTES] {
        let mut hmac = new_hmac(&self.secret);
        hmac.update(b"qnt9 ");
        hmac.update(usage.as_bytes());
        hmac.update(b" ");
        hmac.update(label.as_bytes());
        hmac.update(&[1]);
        hmac.finalize().into_bytes().into()
    }
}

/// Encrypts and opens for one purpose.
#[derive(Clone)]
pub struct SealKey {
    cipher: XChaCha20Poly1305,
}

impl SealKey {
    /// Encrypts and authenticates; two seals of one value differ.
    pub fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, Unsealable> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(Unsealable::NoRandomness)?;
        let payload = Payload { msg: plaintext, aad };
        let ciphertext = self
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| Unsealable::TooLong { bytes: plaintext.len() })?;
        let mut sealed = Vec::with_capacity(1 + NONCE_BYTES + ciphertext.len());
        sealed.push(SEALED_FORMAT);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        Ok(sealed)
    }

    /// Opens what was sealed with the same key and `aad`.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Unsealable> {
        let (&format, rest) = sealed.split_first().ok_or(Unsealable::Changed)?;
        if format != SEALED_FORMAT {
            return Err(Unsealable::UnknownFormat { format });
        }
        let (nonce, ciphertext) =
            rest.split_first_chunk::<NONCE_BYTES>().ok_or(Unsealable::Changed)?;
        let payload = Payload { msg: ciphertext, aad };
        self.cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| Unsealable::Changed)
    }
}

/// Authenticates for one purpose with HMAC-SHA256.
#[derive(Clone)]
pub struct MacKey {
    hmac: Hmac<Sha256>,
}

impl MacKey {
    /// The authenticator of the parts, each preceded by its length so that parts cannot shift.
    pub fn mac(&self, parts: &[&[u8]]) -> Digest {
        let mut hmac = self.hmac.clone();
        for part in parts {
            hmac.update(&(part.len() as u64).to_be_bytes());
            hmac.update(part);
        }
        Digest::from_bytes(hmac.finalize().into_bytes().into())
    }
}

/// The key file is not usable.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No file, and only loading was asked for.
    #[error("there is no master key at {path}")]
    Missing {
        /// The key file.
        path: PathBuf,
    },
    /// Group or others have a permission on it.
    #[error(
        "the master key {path} may be read by others (mode {mode:04o}): run `chmod 600 {path}`, and replace the key if somebody may have seen it"
    )]
    Readable {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The content has another size or other characters.
    #[error(
        "{path} is no master key: 64 hexadecimal digits and a newline are expected; restore the file from its backup, data sealed with the old key cannot be opened with a new one"
    )]
    NotAKey {
        /// The key file.
        path: PathBuf,
    },
    /// The operating system gave no random bytes for a new key.
    #[error("the operating system gave no random bytes for a new master key")]
    NoRandomness(#[source] getrandom::Error),
    /// Reading or writing failed.
    #[error("the master key {path} cannot be read or written")]
    Io {
        /// The key file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

/// A value was not sealed or not opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsealable {
    /// Another key, another label, another owner, or changed bytes: which of them cannot be known.
    #[error("the sealed value does not open: it was changed, moved, or sealed with another key")]
    Changed,
    /// A newer program sealed it.
    #[error("the sealed value has format {format}, which this version does not know")]
    UnknownFormat {
        /// The first byte found.
        format: u8,
    },
    /// The cipher's limit of 256 GiB.
    #[error("{bytes} bytes are too many to seal at once")]
    TooLong {
        /// The length given.
        bytes: usize,
    },
    /// The operating system gave no random bytes for the nonce.
    #[error("the operating system gave no random bytes")]
    NoRandomness(#[source] getrandom::Error),
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.fingerprint())
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey")
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey")
    }
}

fn new_hmac(key: &[u8]) -> Hmac<Sha256> {
    <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length")
}

/// Writes the key beside its place and links it there, so that a crash leaves no half key and a
/// process that is first wins.
fn create_key_file(path: &Path) -> Result<(), KeyError> {
    let io = |source| KeyError::Io { path: path.to_owned(), source };
    let mut secret = [0; KEY_BYTES];
    getrandom::fill(&mut secret).map_err(KeyError::NoRandomness)?;
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder).map_err(io)?;
    // The draft's name is random, so that one left over by a crash is never in the way.
    let mut suffix = [0; 8];
    getrandom::fill(&mut suffix).map_err(KeyError::NoRandomness)?;
    let draft = folder.join(format!(".master-key-{}", hex::encode(suffix)));
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(hex::encode(secret).as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        match fs::hard_link(&draft, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        }
    };
    let written = write();
    let removed = fs::remove_file(&draft);
    written.and(removed).and_then(|()| File::open(folder)?.sync_all()).map_err(io)
}

#[cfg(test)]
mod tests;
