//! An artifact on its way: files packed as tar.gz, and unpacked with care.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};
use thiserror::Error;

use crate::limits::{ARTIFACT_BYTES_MAX, ARTIFACT_FILES_MAX};
use crate::paths::inside;

#[derive(Debug, Error)]
pub(crate) enum ArchiveError {
    #[error("{path}")]
    File { path: PathBuf, source: io::Error },
    #[error("the archive is damaged")]
    Damaged(#[source] io::Error),
    #[error("the archive holds `{name}`, which would lie outside of the folder")]
    LeadsOut { name: String },
    #[error("the archive holds `{name}`, which is neither a file nor a folder")]
    NotAFile { name: String },
    #[error("it has more than {ARTIFACT_FILES_MAX} files")]
    TooMany,
    #[error("it has more than {ARTIFACT_BYTES_MAX} bytes")]
    TooLarge,
}

/// What was packed.
#[derive(Debug)]
pub(crate) struct Packed {
    pub(crate) files: usize,
    /// Of the archive.
    pub(crate) bytes: u64,
    /// SHA-256 of the archive, in hexadecimal.
    pub(crate) digest: String,
}

/// Packs `files`, named by their paths below `root`. The same files give the same bytes, since
/// neither owners nor times are kept.
pub(crate) fn pack(
    root: &Path,
    files: &[PathBuf],
    level: u32,
    archive: &Path,
) -> Result<Packed, ArchiveError> {
    if files.len() > ARTIFACT_FILES_MAX {
        return Err(ArchiveError::TooMany);
    }
    let at = |path: &Path| {
        let path = path.to_path_buf();
        move |source| ArchiveError::File { path, source }
    };
    let target = File::create(archive).map_err(at(archive))?;
    let hashing = Hashing { inner: target, hasher: Sha256::new(), bytes: 0 };
    let mut builder = tar::Builder::new(GzEncoder::new(hashing, Compression::new(level)));
    let mut total = 0;
    for path in files {
        let mut file = File::open(path).map_err(at(path))?;
        let metadata = file.metadata().map_err(at(path))?;
        total += metadata.len();
        if total > ARTIFACT_BYTES_MAX {
            return Err(ArchiveError::TooLarge);
        }
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_size(metadata.len());
        header.set_mode(metadata.permissions().mode() & 0o777);
        let name = path.strip_prefix(root).unwrap_or(path);
        // The file may grow while it is read; the archive holds what its header says.
        let content = (&mut file).take(metadata.len());
        builder.append_data(&mut header, name, content).map_err(at(path))?;
    }
    let finish = || -> io::Result<Hashing> { builder.into_inner()?.finish() };
    let mut hashing = finish().map_err(at(archive))?;
    hashing.inner.flush().map_err(at(archive))?;
    let digest = hex::encode(hashing.hasher.finalize());
    Ok(Packed { files: files.len(), bytes: hashing.bytes, digest })
}

/// Unpacks into `dir` and returns how many files there were. Nothing is written outside of `dir`,
/// neither by a name nor through a link that already lies in it.
pub(crate) fn unpack(archive: &Path, dir: &Path) -> Result<usize, ArchiveError> {
    let file = File::open(archive)
        .map_err(|source| ArchiveError::File { path: archive.to_path_buf(), source })?;
    let limited = GzDecoder::new(file).take(ARTIFACT_BYTES_MAX + 1);
    let mut tar = tar::Archive::new(limited);
    let mut count = 0;
    for entry in tar.entries().map_err(ArchiveError::Damaged)? {
        let mut entry = entry.map_err(ArchiveError::Damaged)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let leads_out = || ArchiveError::LeadsOut { name: name.clone() };
        if Path::new(&name).is_absolute() {
            return Err(leads_out());
        }
        let path = inside(dir, &name).map_err(|_| leads_out())?;
        match entry.header().entry_type() {
            EntryType::Directory => {
                create_folder(&path)?;
                check_real(dir, &path, leads_out)?;
            }
            EntryType::Regular | EntryType::Continuous => {
                count += 1;
                if count > ARTIFACT_FILES_MAX {
                    return Err(ArchiveError::TooMany);
                }
                let parent = path.parent().filter(|_| path != dir).ok_or_else(leads_out)?;
                create_folder(parent)?;
                check_real(dir, parent, leads_out)?;
                write_entry(&mut entry, &path)?;
            }
            _ => return Err(ArchiveError::NotAFile { name }),
        }
    }
    // The checksum stands at the very end, behind all that tar wants to read.
    let mut rest = tar.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(ArchiveError::Damaged)?;
    if rest.limit() == 0 { Err(ArchiveError::TooLarge) } else { Ok(count) }
}

fn create_folder(path: &Path) -> Result<(), ArchiveError> {
    fs::create_dir_all(path).map_err(|source| ArchiveError::File { path: path.into(), source })
}

/// Links resolved, `path` must still lie in `dir`.
fn check_real(
    dir: &Path,
    path: &Path,
    leads_out: impl Fn() -> ArchiveError,
) -> Result<(), ArchiveError> {
    let real = |path: &Path| {
        path.canonicalize().map_err(|source| ArchiveError::File { path: path.into(), source })
    };
    if real(path)?.starts_with(real(dir)?) { Ok(()) } else { Err(leads_out()) }
}

fn write_entry(entry: &mut tar::Entry<'_, impl Read>, path: &Path) -> Result<(), ArchiveError> {
    let at = |source| ArchiveError::File { path: path.to_path_buf(), source };
    // Removing first replaces a link instead of writing through it.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(error)),
        Ok(()) | Err(_) => {}
    }
    let mode = entry.header().mode().map_err(ArchiveError::Damaged)? & 0o777;
    let mut file =
        File::options().write(true).create_new(true).mode(mode).open(path).map_err(at)?;
    let size = entry.size();
    let written = io::copy(entry, &mut file).map_err(at)?;
    if written == size {
        Ok(())
    } else {
        Err(ArchiveError::Damaged(io::ErrorKind::UnexpectedEof.into()))
    }
}

/// Hashes and counts what is written.
struct Hashing {
    inner: File,
    hasher: Sha256,
    bytes: u64,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    /// An archive with one entry that tar's own builder would refuse to write.
    fn malicious(kind: EntryType, name: &str, link: &str) -> (TempDir, PathBuf) {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("evil.tar.gz");
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        if !link.is_empty() {
            header.set_link_name_literal(link).unwrap();
        }
        let content: &[u8] = if kind == EntryType::Regular { b"evil" } else { b"" };
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        let encoder = GzEncoder::new(File::create(&path).unwrap(), Compression::fast());
        let mut builder = tar::Builder::new(encoder);
        builder.append(&header, content).unwrap();
        builder.into_inner().unwrap().finish().unwrap();
        (dir, path)
    }

    #[test]
    fn what_is_packed_comes_back_with_its_mode() {
        let dir = TempDir::new().unwrap();
        let (source, target) = (dir.path().join("source"), dir.path().join("target"));
        fs::create_dir_all(source.join("deep")).unwrap();
        fs::create_dir(&target).unwrap();
        let long = format!("deep/{}", "n".repeat(180));
        for name in ["tool", long.as_str()] {
            fs::write(source.join(name), name).unwrap();
        }
        fs::set_permissions(source.join("tool"), PermissionsExt::from_mode(0o755)).unwrap();
        let files = [source.join("tool"), source.join(&long)];
        let archive = dir.path().join("a.tar.gz");
        let packed = pack(&source, &files, 6, &archive).unwrap();
        let again = pack(&source, &files, 6, &dir.path().join("b.tar.gz")).unwrap();
        assert_eq!(packed.digest, again.digest);
        assert_eq!(packed.digest, hex::encode(Sha256::digest(fs::read(&archive).unwrap())));
        assert_eq!(unpack(&archive, &target).unwrap(), 2);
        assert_eq!(fs::read_to_string(target.join(&long)).unwrap(), long);
        let mode = fs::metadata(target.join("tool")).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111);
    }

    #[test]
    fn nothing_gets_out_of_the_folder() {
        for (kind, name, link) in [
            (EntryType::Regular, "../evil", ""),
            (EntryType::Regular, "a/../../evil", ""),
            (EntryType::Regular, "/tmp/qnt9-evil", ""),
            (EntryType::Symlink, "link", "/etc"),
            (EntryType::Link, "link", "/etc/hostname"),
            (EntryType::Fifo, "pipe", ""),
            (EntryType::Char, "device", ""),
        ] {
            let (dir, archive) = malicious(kind, name, link);
            let target = dir.path().join("inner/target");
            fs::create_dir_all(&target).unwrap();
            assert!(unpack(&archive, &target).is_err(), "{name}");
            assert_eq!(fs::read_dir(&target).unwrap().count(), 0, "{name}");
            assert!(!dir.path().join("inner/evil").exists());
            assert!(!Path::new("/tmp/qnt9-evil").exists());
        }
    }

    #[test]
    fn a_link_that_lies_in_the_folder_already_leads_nowhere() {
        let (dir, archive) = malicious(EntryType::Regular, "link/evil", "");
        let (target, outside) = (dir.path().join("target"), dir.path().join("outside"));
        fs::create_dir(&target).unwrap();
        fs::create_dir(&outside).unwrap();
        symlink(&outside, target.join("link")).unwrap();
        assert!(matches!(unpack(&archive, &target), Err(ArchiveError::LeadsOut { .. })));
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);

        let (dir, archive) = malicious(EntryType::Regular, "file", "");
        let outside = dir.path().join("outside");
        fs::write(&outside, "good").unwrap();
        symlink(&outside, dir.path().join("file")).unwrap();
        assert_eq!(unpack(&archive, dir.path()).unwrap(), 1);
        assert_eq!(fs::read_to_string(outside).unwrap(), "good");
    }

    #[test]
    fn a_damaged_archive_is_an_error() {
        let (dir, archive) = malicious(EntryType::Regular, "file", "");
        let bytes = fs::read(&archive).unwrap();
        for cut in [0, 5, bytes.len() / 2, bytes.len() - 1] {
            fs::write(&archive, &bytes[..cut]).unwrap();
            assert!(unpack(&archive, dir.path()).is_err(), "cut at {cut}");
        }
    }
}
