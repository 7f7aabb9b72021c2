//! The files of a release, unpacked where nothing can leave the folder.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use flate2::read::GzDecoder;
use qnt9_model::ReleaseDigest;
use tar::{Entry, EntryType};

use crate::RegistryError;
use crate::checked::{appear_whole, check_path, sync_folder, write_new};
use crate::image::FILES_MAX;
use crate::layout::{self, Release};
use crate::upload::UNPACKED_BYTES_MAX;

const PERMISSIONS: u32 = 0o777;

/// Unpacks the release `digest` of the layout into the folder `into`, which appears whole or not at
/// all. A folder that is there already was unpacked before, and is left as it is.
///
/// # Errors
/// A release of another digest, damaged bytes, or an entry that could reach outside: a path with
/// `..`, an absolute one, a link that leaves the folder, a device.
pub fn extract(
    layout: &Path,
    digest: &ReleaseDigest,
    into: &Path,
) -> Result<Release, RegistryError> {
    let parts = layout::read_parts(layout)?;
    if parts.release.digest != *digest {
        let (expected, found) = (digest.to_string(), parts.release.digest.to_string());
        return Err(RegistryError::Digest { what: "the release".to_owned(), expected, found });
    }
    if into.is_dir() {
        return Ok(parts.release);
    }
    // All bytes are verified before the first of them is unpacked.
    layout::verify_blob(layout, &parts.layer, "the layer")?;
    let path = parts.layer.path(layout)?;
    let layer = File::open(&path).map_err(RegistryError::io(&path))?;
    appear_whole(into, |folder| unpack(layer, folder))?;
    Ok(parts.release)
}

fn unpack(layer: File, folder: &Path) -> Result<(), RegistryError> {
    let stream = |source| RegistryError::Stream { what: "a layer", source };
    let limited = GzDecoder::new(layer).take(UNPACKED_BYTES_MAX + 1);
    let mut archive = tar::Archive::new(limited);
    let mut left = UNPACKED_BYTES_MAX;
    let mut paths = BTreeSet::new();
    for entry in archive.entries().map_err(stream)? {
        let mut entry = entry.map_err(stream)?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let path = path.strip_suffix('/').unwrap_or(&path).to_owned();
        check_path(&path)?;
        if !paths.insert(path.clone()) {
            return Err(RegistryError::Twice { path });
        }
        if paths.len() as u64 > FILES_MAX {
            return Err(RegistryError::TooLarge { limit: FILES_MAX, unit: "files" });
        }
        let written = unpack_entry(&mut entry, &path, folder, left)?;
        left = left.saturating_sub(written);
    }
    sync_folder(folder)
}

/// Writes one entry; answers how many bytes it took.
fn unpack_entry<R: Read>(
    entry: &mut Entry<'_, R>,
    path: &str,
    folder: &Path,
    left: u64,
) -> Result<u64, RegistryError> {
    make_parents(path, folder)?;
    let target = folder.join(path);
    let kind = match entry.header().entry_type() {
        EntryType::Regular | EntryType::Continuous => {
            let mode = entry.header().mode().unwrap_or(0o644) & PERMISSIONS;
            let written = write_new(&target, 0o600, entry, left, "a layer")?;
            // Set afterwards, because the process's umask cuts the mode of a new file.
            let set = fs::set_permissions(&target, fs::Permissions::from_mode(mode));
            set.map_err(RegistryError::io(&target))?;
            return Ok(written);
        }
        EntryType::Directory => {
            make_folder(&target)?;
            return Ok(0);
        }
        EntryType::Symlink => {
            let link = entry.link_name_bytes().unwrap_or_default();
            let link = String::from_utf8_lossy(&link).into_owned();
            check_link(path, &link)?;
            symlink(&link, &target).map_err(RegistryError::io(&target))?;
            return Ok(0);
        }
        EntryType::Link => "a hard link",
        EntryType::Char | EntryType::Block => "a device",
        EntryType::Fifo => "a named pipe",
        _ => "of a kind that is not known",
    };
    Err(RegistryError::Kind { path: path.to_owned(), kind })
}

/// Makes the folders above a path. What lies there already must be a folder itself: following a link
/// could lead outside.
fn make_parents(path: &str, folder: &Path) -> Result<(), RegistryError> {
    for above in crate::image::folders_of(path) {
        make_folder(&folder.join(above)).map_err(|error| match error {
            RegistryError::Io { .. } => RegistryError::Path {
                path: path.to_owned(),
                reason: "something above it is not a folder",
            },
            other => other,
        })?;
    }
    Ok(())
}

fn make_folder(path: &Path) -> Result<(), RegistryError> {
    match fs::symlink_metadata(path) {
        Ok(there) if there.is_dir() => Ok(()),
        _ => fs::create_dir(path).map_err(RegistryError::io(path)),
    }
}

/// A link may lead only to something inside, as seen from where it stands.
fn check_link(path: &str, link: &str) -> Result<(), RegistryError> {
    let mut depth = path.matches('/').count();
    let outside = || RegistryError::Path {
        path: format!("{path} -> {link}"),
        reason: "the link leads out of the release",
    };
    if link.is_empty() || link.starts_with('/') {
        return Err(outside());
    }
    for part in link.split('/') {
        match part {
            ".." => depth = depth.checked_sub(1).ok_or_else(outside)?,
            "" | "." => {}
            _ => depth += 1,
        }
    }
    Ok(())
}
