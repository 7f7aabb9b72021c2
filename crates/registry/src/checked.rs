//! Paths that stay inside, streams that end, and files that survive a power cut.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::RegistryError;

/// Checks that a path is relative, goes down only and is written in its one normal way.
pub(crate) fn check_path(path: &str) -> Result<(), RegistryError> {
    const PATH_BYTES_MAX: usize = 1024;
    const NAME_BYTES_MAX: usize = 255;
    let parts = || path.split('/');
    let reason = if path.is_empty() {
        "it is empty"
    } else if path.starts_with('/') {
        "it is absolute"
    } else if parts().any(|part| part == "..") {
        "it goes up with `..`"
    } else if parts().any(|part| part.is_empty() || part == ".") {
        "it has an empty part or a `.`"
    } else if path.contains(['\0', '\\']) || path.chars().any(char::is_control) {
        "it contains a backslash or a control character"
    } else if parts().any(|part| part.starts_with(".wh.")) {
        "names that begin with `.wh.` mean deleted files in a layer"
    } else if path.len() > PATH_BYTES_MAX || parts().any(|part| part.len() > NAME_BYTES_MAX) {
        "it is too long"
    } else {
        return Ok(());
    };
    Err(RegistryError::Path { path: path.to_owned(), reason })
}

/// Passes bytes on and computes their digest and number.
pub(crate) struct Hashing<T> {
    pub(crate) inner: T,
    hash: Sha256,
    bytes: u64,
}

impl<T> Hashing<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self { inner, hash: Sha256::new(), bytes: 0 }
    }

    /// What was passed on to, its digest in hexadecimal, and the number of bytes.
    pub(crate) fn finish(self) -> (T, String, u64) {
        (self.inner, hex::encode(self.hash.finalize()), self.bytes)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(buffer)?;
        self.hash.update(&buffer[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(&buffer[..count]);
        self.bytes += count as u64;
        Ok(count)
    }
}

/// sha256 in hexadecimal.
pub(crate) fn digest_of(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Copies at most `limit` bytes into a new file, synced.
pub(crate) fn write_new(
    path: &Path,
    mode: u32,
    content: &mut dyn Read,
    limit: u64,
    what: &'static str,
) -> Result<u64, RegistryError> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(RegistryError::io(path))?;
    let mut buffer = vec![0; 128 * 1024];
    let mut bytes = 0;
    loop {
        let count = match content.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => return Err(RegistryError::Stream { what, source }),
        };
        bytes += count as u64;
        if bytes > limit {
            return Err(RegistryError::TooLarge { limit, unit: "bytes" });
        }
        file.write_all(&buffer[..count]).map_err(RegistryError::io(path))?;
    }
    file.sync_all().map_err(RegistryError::io(path))?;
    Ok(bytes)
}

/// A new name survives a power cut only once its folder is synced.
pub(crate) fn sync_folder(path: &Path) -> Result<(), RegistryError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(RegistryError::io(path))
}

/// Fills a folder beside `target` and renames it there, so that `target` appears whole or not at
/// all. When somebody else was first, theirs stays: both have the same content.
pub(crate) fn appear_whole<T>(
    target: &Path,
    fill: impl FnOnce(&Path) -> Result<T, RegistryError>,
) -> Result<T, RegistryError> {
    let parent = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(parent).map_err(RegistryError::io(parent))?;
    let draft = tempfile::Builder::new().prefix(".unfinished-").tempdir_in(parent);
    let draft = draft.map_err(RegistryError::io(parent))?;
    let folder = draft.path().join("whole");
    std::fs::create_dir(&folder).map_err(RegistryError::io(&folder))?;
    let filled = fill(&folder)?;
    match std::fs::rename(&folder, target) {
        Err(_) if target.is_dir() => {}
        renamed => renamed.map_err(RegistryError::io(target))?,
    }
    sync_folder(parent)?;
    Ok(filled)
}
