use std::fs::File;
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::globs::{self, Hidden};

/// `hashFiles(...)`: the SHA-256 of the SHA-256s of the matching files in the workspace, in order
/// of their paths; the empty text when none matches.
pub(super) fn hash_files(workspace: &Path, patterns: &[String]) -> Result<String, String> {
    let found = globs::find(workspace, &patterns.join("\n"), Hidden::Include)
        .map_err(|error| error.to_string())?;
    let mut files = found.files.iter().filter(|file| file.starts_with(workspace)).peekable();
    if files.peek().is_none() {
        return Ok(String::new());
    }
    let mut all = Sha256::new();
    for file in files {
        let digest = hash_file(file)
            .map_err(|error| format!("hashFiles cannot read {}: {error}", file.display()))?;
        all.update(digest);
    }
    Ok(hex::encode(all.finalize()))
}

fn hash_file(path: &Path) -> io::Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    let mut file = File::open(path)?;
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match io::Read::read(&mut file, &mut chunk)? {
            0 => return Ok(hasher.finalize().into()),
            count => hasher.update(&chunk[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_github() {
        let dir = tempfile::TempDir::new().unwrap();
        std::fs::write(dir.path().join("a.lock"), "a").unwrap();
        std::fs::write(dir.path().join("b.lock"), "b").unwrap();
        let digests = [Sha256::digest("a"), Sha256::digest("b")].concat();
        let expected = hex::encode(Sha256::digest(digests));
        assert_eq!(hash_files(dir.path(), &["**/*.lock".into()]), Ok(expected));
        assert_eq!(hash_files(dir.path(), &["*.none".into()]), Ok(String::new()));
        assert_eq!(hash_files(dir.path(), &["/etc/hostname".into()]), Ok(String::new()));
    }
}
