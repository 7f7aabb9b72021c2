//! A layout as one stream, and taking one in from somebody who is not trusted.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use qnt9_model::ReleaseDigest;
use tar::{EntryType, Header};

use crate::RegistryError;
use crate::checked::{Hashing, appear_whole, sync_folder, write_new};
use crate::layout::{self, BLOBS, INDEX_FILE, LAYOUT_FILE, Parts, Release};

/// The largest upload that is taken.
pub const UPLOAD_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// The largest layer, unpacked.
pub const UNPACKED_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// The folder of a release below the folder of all releases.
#[must_use]
pub fn release_folder(releases: &Path, digest: &ReleaseDigest) -> PathBuf {
    // Digests are checked before they name a file, so that nothing else can be named.
    releases
        .join(digest.0.strip_prefix("sha256:").unwrap_or("not-a-digest").replace(['/', '.'], "_"))
}

/// Writes the layout as a tar archive: the documents that name the blobs, then the blobs.
///
/// # Errors
/// What is wrong with the layout, or with the writer.
pub fn pack(layout: &Path, into: &mut dyn Write) -> Result<Release, RegistryError> {
    let parts = layout::read_parts(layout)?;
    let mut archive = tar::Builder::new(into);
    let blobs = [&parts.manifest, &parts.config, &parts.layer];
    let names = [LAYOUT_FILE.to_owned(), INDEX_FILE.to_owned()];
    let blobs = blobs.map(|blob| blob.hex().map(|hex| format!("{BLOBS}/{hex}")));
    for name in names.into_iter().map(Ok).chain(blobs) {
        let name = name?;
        let path = layout.join(&name);
        let file = layout::open(&path, &name)?;
        let bytes = file.metadata().map_err(RegistryError::io(&path))?.len();
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_size(bytes);
        header.set_mtime(0);
        let appended = archive.append_data(&mut header, &name, file.take(bytes));
        appended.map_err(|source| RegistryError::Stream { what: "an upload", source })?;
    }
    let finished = archive.finish();
    finished.map_err(|source| RegistryError::Stream { what: "an upload", source })?;
    Ok(parts.release)
}

/// Takes in what [`pack`] wrote and keeps it as a folder named by its digest below `releases`. Every
/// path, size and digest is checked first; of an upload with a fault nothing stays. The same release
/// again changes nothing.
///
/// # Errors
/// The first fault found.
pub fn unpack_upload(upload: &mut dyn Read, releases: &Path) -> Result<Release, RegistryError> {
    fs::create_dir_all(releases).map_err(RegistryError::io(releases))?;
    let draft = tempfile::Builder::new().prefix(".upload-").tempdir_in(releases);
    let draft = draft.map_err(RegistryError::io(releases))?;
    let folder = draft.path();
    receive(upload, folder)?;
    let parts = layout::read_parts(folder)?;
    check_nothing_else(folder, &parts)?;
    layout::verify_blob(folder, &parts.layer, "the layer")?;
    check_diff_id(folder, &parts)?;
    let target = release_folder(releases, &parts.release.digest);
    appear_whole(&target, |whole| {
        for name in [LAYOUT_FILE, INDEX_FILE, "blobs"] {
            let to = whole.join(name);
            fs::rename(folder.join(name), &to).map_err(RegistryError::io(&to))?;
        }
        sync_folder(whole)
    })?;
    Ok(parts.release)
}

/// Writes the entries of the archive as files; only the few names a layout has are taken.
fn receive(upload: &mut dyn Read, folder: &Path) -> Result<(), RegistryError> {
    let blobs = folder.join(BLOBS);
    fs::create_dir_all(&blobs).map_err(RegistryError::io(&blobs))?;
    let stream = |source| RegistryError::Stream { what: "an upload", source };
    let mut archive = tar::Archive::new(upload);
    let mut left = UPLOAD_BYTES_MAX;
    let mut seen = BTreeSet::new();
    for entry in archive.entries().map_err(stream)? {
        let mut entry = entry.map_err(stream)?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if !entry.header().entry_type().is_file() {
            return Err(RegistryError::Kind { path, kind: "not a regular file" });
        }
        if !is_layout_name(&path) {
            return Err(RegistryError::Unexpected { path });
        }
        if !seen.insert(path.clone()) {
            return Err(RegistryError::Twice { path });
        }
        let size = entry.size();
        if size > left {
            return Err(RegistryError::TooLarge { limit: UPLOAD_BYTES_MAX, unit: "bytes" });
        }
        left -= size;
        let found = write_new(&folder.join(&path), 0o644, &mut entry, size, "an upload")?;
        if found != size {
            return Err(RegistryError::Size { what: path, expected: size, found });
        }
    }
    sync_folder(&blobs)?;
    sync_folder(folder)
}

fn is_layout_name(path: &str) -> bool {
    let blob = path.strip_prefix(BLOBS).and_then(|rest| rest.strip_prefix('/'));
    let is_digest = |name: &str| {
        name.len() == 64 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    path == LAYOUT_FILE || path == INDEX_FILE || blob.is_some_and(is_digest)
}

/// A blob that no document names would be stored for nothing, unverified.
fn check_nothing_else(folder: &Path, parts: &Parts) -> Result<(), RegistryError> {
    let named = [parts.manifest.hex()?, parts.config.hex()?, parts.layer.hex()?];
    let blobs = folder.join(BLOBS);
    for entry in fs::read_dir(&blobs).map_err(RegistryError::io(&blobs))? {
        let name = entry.map_err(RegistryError::io(&blobs))?.file_name();
        let name = name.to_string_lossy().into_owned();
        if !named.contains(&name.as_str()) {
            return Err(RegistryError::Unexpected { path: format!("{BLOBS}/{name}") });
        }
    }
    Ok(())
}

fn check_diff_id(folder: &Path, parts: &Parts) -> Result<(), RegistryError> {
    let path = parts.layer.path(folder)?;
    let file = File::open(&path).map_err(RegistryError::io(&path))?;
    let mut unpacked = Hashing::new(GzDecoder::new(file)).take(UNPACKED_BYTES_MAX + 1);
    let copied = io::copy(&mut unpacked, &mut io::sink());
    let bytes = copied.map_err(|source| RegistryError::Stream { what: "a layer", source })?;
    if bytes > UNPACKED_BYTES_MAX {
        return Err(RegistryError::TooLarge { limit: UNPACKED_BYTES_MAX, unit: "bytes" });
    }
    let found = format!("sha256:{}", unpacked.into_inner().finish().1);
    if found == parts.diff_id {
        return Ok(());
    }
    let what = "the unpacked layer".to_owned();
    Err(RegistryError::Digest { what, expected: parts.diff_id.clone(), found })
}
