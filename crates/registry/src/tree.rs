//! The digest of a folder of configuration.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::RegistryError;
use crate::checked::Hashing;

/// Folders that tools make beside the configuration: they are not part of it.
const NOT_CONFIGURATION: [&str; 2] = [".git", ".terraform"];

/// The digest of everything in a folder, `sha256:` in front: names, contents, links, and whether a
/// file may be executed; not times, owners or the folder's own name. `.git` and `.terraform` are
/// left out.
///
/// # Errors
/// A file that cannot be read, or something that is neither file, folder nor link.
pub fn tree_digest(folder: &Path) -> Result<String, RegistryError> {
    let mut hash = Sha256::new();
    hash.update(b"tree 1\n");
    add_folder(folder, "", &mut hash)?;
    Ok(format!("sha256:{}", hex::encode(hash.finalize())))
}

fn add_folder(folder: &Path, below: &str, hash: &mut Sha256) -> Result<(), RegistryError> {
    let at = |source| RegistryError::Io { path: folder.to_owned(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(at)? {
        names.push(entry.map_err(at)?.file_name());
    }
    names.sort();
    for name in names {
        if NOT_CONFIGURATION.iter().any(|other| name == *other) {
            continue;
        }
        let path = folder.join(&name);
        let name = format!("{below}{}", name.to_string_lossy());
        let metadata = fs::symlink_metadata(&path).map_err(RegistryError::io(&path))?;
        if metadata.is_dir() {
            add_folder(&path, &format!("{name}/"), hash)?;
        } else if metadata.is_symlink() {
            let target = fs::read_link(&path).map_err(RegistryError::io(&path))?;
            add(hash, "link", &name, &target.to_string_lossy());
        } else if metadata.is_file() {
            let executable = metadata.permissions().mode() & 0o100 != 0;
            let kind = if executable { "program" } else { "file" };
            add(hash, kind, &name, &file_digest(&path)?);
        } else {
            let path = path.display().to_string();
            return Err(RegistryError::Kind { path, kind: "neither a file, a folder nor a link" });
        }
    }
    Ok(())
}

/// Each part is preceded by its length, so that one name cannot pass for another.
fn add(hash: &mut Sha256, kind: &str, name: &str, content: &str) {
    for part in [kind, name, content] {
        hash.update(format!("{} {part}\n", part.len()));
    }
}

fn file_digest(path: &Path) -> Result<String, RegistryError> {
    let file = File::open(path).map_err(RegistryError::io(path))?;
    let mut file = Hashing::new(file);
    io::copy(&mut file, &mut io::sink()).map_err(RegistryError::io(path))?;
    Ok(file.finish().1)
}
