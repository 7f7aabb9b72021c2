//! Blobs: files named by the SHA-256 digest of their content, under `sha256/ab/cdef..`.
//!
//! A blob is synced, file and folder, before its digest is given out, and it appears whole or not at
//! all. A *sealed* blob is encrypted, and its name is the digest of the ciphertext: two seals of one
//! content have two names, so a name tells nothing about the content, and every blob, sealed or not,
//! is verified the same way without a key. Deleting the blob erases the content.

use crate::digest::Digest;
use crate::key::{SealKey, Unsealable};
use sha2::{Digest as _, Sha256};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

const COPY_BYTES: usize = 128 * 1024;
const SHARD_DIGITS: usize = 2;
const UNFINISHED: &str = "unfinished";

/// The blobs of one data folder. Clones name the same place.
#[derive(Debug, Clone)]
pub struct Blobs {
    root: PathBuf,
}

impl Blobs {
    /// Uses this folder, and makes it where there is none.
    pub fn open(root: &Path) -> Result<Self, BlobError> {
        let blobs = Self { root: root.to_owned() };
        make_folder(&blobs.shards())?;
        make_folder(&blobs.unfinished())?;
        sync_folder(root)?;
        Ok(blobs)
    }

    /// Stores the bytes and answers their digest. Storing them again changes nothing, or repairs
    /// the blob where it was damaged.
    pub fn put(&self, mut content: &[u8]) -> Result<Digest, BlobError> {
        self.put_from(&mut content).map(|(digest, _)| digest)
    }

    /// Stores what the reader gives to its end; answers digest and length in bytes.
    pub fn put_from(&self, content: &mut dyn Read) -> Result<(Digest, u64), BlobError> {
        let mut draft = Draft::create(&self.unfinished())?;
        let (digest, length) = digest_of(content, |bytes| {
            draft.file.write_all(bytes).map_err(|error| failed(&draft.path, error))
        })?;
        draft.file.sync_all().map_err(|error| failed(&draft.path, error))?;
        let path = self.path(&digest);
        let shard = path.parent().expect("a blob lies in its shard's folder");
        if make_folder(shard)? == Made::New {
            sync_folder(&self.shards())?;
        }
        draft.rename_to(&path)?;
        sync_folder(shard)?;
        Ok((digest, length))
    }

    /// The content, verified: bytes that do not have this digest are never given out.
    pub fn get(&self, digest: &Digest) -> Result<Vec<u8>, BlobError> {
        let content = fs::read(self.path(digest)).map_err(|error| self.missing(digest, error))?;
        if Digest::of(&content) != *digest {
            return Err(BlobError::Changed { digest: *digest, path: self.path(digest) });
        }
        Ok(content)
    }

    /// The file, for content too long to hold. It is not verified; see [`Blobs::verify`].
    pub fn open_file(&self, digest: &Digest) -> Result<File, BlobError> {
        File::open(self.path(digest)).map_err(|error| self.missing(digest, error))
    }

    /// Reads the whole blob and compares its digest; answers its length in bytes.
    pub fn verify(&self, digest: &Digest) -> Result<u64, BlobError> {
        let mut file = self.open_file(digest)?;
        let (found, length) = digest_of(&mut file, |_| Ok(()))?;
        if found != *digest {
            return Err(BlobError::Changed { digest: *digest, path: self.path(digest) });
        }
        Ok(length)
    }

    /// Encrypts the content and stores the ciphertext; the answer is the ciphertext's digest.
    pub fn put_sealed(&self, key: &SealKey, content: &[u8]) -> Result<Digest, BlobError> {
        // The name binds the ciphertext already, so no further binding is needed.
        self.put(&key.seal(&[], content)?)
    }

    /// The content of a sealed blob.
    pub fn get_sealed(&self, key: &SealKey, digest: &Digest) -> Result<Vec<u8>, BlobError> {
        Ok(key.open(&[], &self.get(digest)?)?)
    }

    /// Is there a blob of this name?
    pub fn exists(&self, digest: &Digest) -> Result<bool, BlobError> {
        self.path(digest).try_exists().map_err(|error| failed(&self.path(digest), error))
    }

    /// Where the blob lies, whether or not it exists.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        let (shard, rest) = name.split_at(SHARD_DIGITS);
        self.shards().join(shard).join(rest)
    }

    /// Removes the blob for good; answers whether there was one.
    pub fn delete(&self, digest: &Digest) -> Result<bool, BlobError> {
        let path = self.path(digest);
        match fs::remove_file(&path) {
            Ok(()) => {
                sync_folder(path.parent().expect("a blob lies in its shard's folder"))?;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed(&path, error)),
        }
    }

    /// The digests of all blobs, sorted.
    pub fn list(&self) -> Result<Vec<Digest>, BlobError> {
        let mut digests = Vec::new();
        for shard in names(&self.shards())?.into_iter().filter(|name| name.len() == SHARD_DIGITS) {
            for rest in names(&self.shards().join(&shard))? {
                // A file of another name is not ours, and is left alone.
                digests.extend(format!("{shard}{rest}").parse::<Digest>());
            }
        }
        digests.sort_unstable();
        Ok(digests)
    }

    /// Removes what a crash left half written. Only the holder of the data folder may do so, before
    /// anybody puts blobs.
    pub(crate) fn clear_unfinished(root: &Path) -> Result<(), BlobError> {
        let unfinished = Self::open(root)?.unfinished();
        for name in names(&unfinished)? {
            let path = unfinished.join(name);
            fs::remove_file(&path).map_err(|error| failed(&path, error))?;
        }
        Ok(())
    }

    fn shards(&self) -> PathBuf {
        self.root.join("sha256")
    }

    fn unfinished(&self) -> PathBuf {
        self.root.join(UNFINISHED)
    }

    fn missing(&self, digest: &Digest, error: io::Error) -> BlobError {
        match error.kind() {
            ErrorKind::NotFound => BlobError::Missing { digest: *digest },
            _ => failed(&self.path(digest), error),
        }
    }
}

/// A blob that is being written; dropped before it is complete, it leaves nothing.
struct Draft {
    file: File,
    path: PathBuf,
    renamed: bool,
}

impl Draft {
    fn create(folder: &Path) -> Result<Self, BlobError> {
        let mut name = [0; 16];
        getrandom::fill(&mut name).map_err(|error| failed(folder, io::Error::other(error)))?;
        let path = folder.join(hex::encode(name));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        Ok(Self { file: file.map_err(|error| failed(&path, error))?, path, renamed: false })
    }

    fn rename_to(mut self, path: &Path) -> Result<(), BlobError> {
        fs::rename(&self.path, path).map_err(|error| failed(path, error))?;
        self.renamed = true;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.renamed
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "an unfinished blob stays behind");
        }
    }
}

/// A blob could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// There is none of this name.
    #[error("there is no blob {digest}: it was deleted, or never stored here")]
    Missing {
        /// The name.
        digest: Digest,
    },
    /// The file was changed or the disk damaged it.
    #[error(
        "the blob {digest} is damaged: {path} no longer has that digest; put the content again or restore it from a backup"
    )]
    Changed {
        /// The name.
        digest: Digest,
        /// The file.
        path: PathBuf,
    },
    /// There is no room left; nothing of the blob remains.
    #[error(
        "no room left on the disk for {path}: the blob was not stored; free some space and try again"
    )]
    Full {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The file system refused.
    #[error("the blob file {path} cannot be read or written")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// What was to be stored could not be read to its end.
    #[error("the content of a new blob could not be read to its end")]
    Source(#[source] io::Error),
    /// The content does not open, or could not be sealed.
    #[error(transparent)]
    Seal(#[from] Unsealable),
}

/// Reads to the end and shows every piece to `each`; answers digest and length in bytes.
fn digest_of(
    content: &mut dyn Read,
    mut each: impl FnMut(&[u8]) -> Result<(), BlobError>,
) -> Result<(Digest, u64), BlobError> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; COPY_BYTES];
    let mut length = 0;
    loop {
        let count = match content.read(&mut buffer) {
            Ok(0) => return Ok((Digest::from_bytes(hash.finalize().into()), length)),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(BlobError::Source(error)),
        };
        hash.update(&buffer[..count]);
        each(&buffer[..count])?;
        length += count as u64;
    }
}

#[derive(PartialEq)]
enum Made {
    New,
    Before,
}

fn make_folder(path: &Path) -> Result<Made, BlobError> {
    if path.is_dir() {
        return Ok(Made::Before);
    }
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map(|()| Made::New).map_err(|error| failed(path, error))
}

/// A new name survives a power cut only once its folder is synced.
fn sync_folder(path: &Path) -> Result<(), BlobError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(|error| failed(path, error))
}

fn names(folder: &Path) -> Result<Vec<String>, BlobError> {
    let read = || {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    };
    read().map_err(|error| failed(folder, error))
}

fn failed(path: &Path, source: io::Error) -> BlobError {
    let path = path.to_owned();
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => BlobError::Full { path, source },
        _ => BlobError::Io { path, source },
    }
}

#[cfg(test)]
mod tests;
