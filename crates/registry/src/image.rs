//! What goes into a release, and building it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::RegistryError;
use crate::checked::{appear_whole, check_path};
use crate::layout::{self, Release};

/// Files in one release.
pub const FILES_MAX: u64 = 100_000;

/// Everything a release is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The service it is a release of.
    pub service: String,
    /// The commit it is built from, 40 hexadecimal digits.
    pub commit: String,
    /// The program, relative to the top of the release, and its arguments.
    pub entrypoint: Vec<String>,
    /// Processor the program is for, as OCI names it: `amd64`, `arm64`.
    pub architecture: String,
    /// The files, in any order.
    pub files: Vec<ImageFile>,
    /// Digests of configuration that belongs to the release without being in it, by name.
    pub configuration: BTreeMap<String, String>,
}

/// One file of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFile {
    /// Its path from the top of the release, without a leading slash.
    pub path: String,
    /// Where its bytes are.
    pub content: Content,
    /// Its permission bits; all others are dropped.
    pub mode: u32,
}

/// The bytes of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// At hand.
    Bytes(Vec<u8>),
    /// In a file.
    File(PathBuf),
}

/// Builds the release as an OCI image layout in the new folder `layout`.
///
/// # Errors
/// A path that leaves the release or stands there twice, or a file that cannot be read.
pub fn build(image: &Image, layout: &Path) -> Result<Release, RegistryError> {
    check_files(&image.files)?;
    appear_whole(layout, |folder| layout::write(image, folder))
}

/// OCI's name of the processor this program runs on.
#[must_use]
pub const fn native_architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}

fn check_files(files: &[ImageFile]) -> Result<(), RegistryError> {
    if files.is_empty() {
        return Err(RegistryError::Empty);
    }
    if files.len() as u64 > FILES_MAX {
        return Err(RegistryError::TooLarge { limit: FILES_MAX, unit: "files" });
    }
    let mut paths = BTreeSet::new();
    for file in files {
        check_path(&file.path)?;
        if !paths.insert(file.path.as_str()) {
            return Err(RegistryError::Twice { path: file.path.clone() });
        }
    }
    let folders: BTreeSet<&str> = paths.iter().flat_map(|path| folders_of(path)).collect();
    match folders.intersection(&paths).next() {
        Some(path) => Err(RegistryError::Twice { path: (*path).to_owned() }),
        None => Ok(()),
    }
}

/// The folders above a path, outermost first.
pub(crate) fn folders_of(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(slash, _)| &path[..slash])
}
