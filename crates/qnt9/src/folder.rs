//! Reads a folder's files.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Folders that belong to tools and not to what is delivered.
const LEFT_OUT: &[&str] = &[".git"];

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path from the folder, with `/`.
    pub path: String,
    pub content: Vec<u8>,
    /// Its permission bits.
    pub mode: u32,
}

/// Every file below a folder, sorted by path, at most so many bytes together. Links are followed to
/// files, not to folders: those could lead in circles.
pub fn read(dir: &Path, bytes_max: u64) -> Result<Vec<File>, Failure> {
    let mut bytes_left = bytes_max;
    let mut files = Vec::new();
    for (path, place) in list(dir, &[])? {
        let cannot = |error| Failure::because(format!("cannot read {}", place.display()), &error);
        let metadata = fs::metadata(&place).map_err(cannot)?;
        bytes_left = bytes_left.checked_sub(metadata.len()).ok_or_else(|| {
            Failure::new(format!("{} has more than {bytes_max} bytes", dir.display()))
        })?;
        let mode = metadata.permissions().mode() & 0o777;
        files.push(File { path, content: fs::read(&place).map_err(cannot)?, mode });
    }
    Ok(files)
}

/// The path of every file below a folder, as it is called there, and where it lies; sorted. Folders of
/// these names are passed over.
pub fn list(dir: &Path, passed_over: &[&str]) -> Result<Vec<(String, PathBuf)>, Failure> {
    let mut found = Vec::new();
    let mut folders = vec![(String::new(), dir.to_owned())];
    while let Some((below, folder)) = folders.pop() {
        let cannot = |error| Failure::because(format!("cannot read {}", folder.display()), &error);
        for entry in fs::read_dir(&folder).map_err(cannot)? {
            let entry = entry.map_err(cannot)?;
            let name = entry.file_name();
            let name = name.to_str().ok_or_else(|| {
                Failure::new(format!("the name of {} is no text", entry.path().display()))
            })?;
            let path = if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
            let is_left_out = LEFT_OUT.contains(&name) || passed_over.contains(&name);
            let kind = entry.file_type().map_err(cannot)?;
            if kind.is_dir() && !is_left_out {
                folders.push((path, entry.path()));
            } else if kind.is_file() || (kind.is_symlink() && entry.path().is_file()) {
                found.push((path, entry.path()));
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_sorted_without_what_belongs_to_git() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["b.txt", "a/c.txt", ".git/config"] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        std::os::unix::fs::symlink(".", folder.path().join("circle")).unwrap();
        let paths: Vec<String> =
            read(folder.path(), 100).unwrap().into_iter().map(|file| file.path).collect();
        assert_eq!(paths, ["a/c.txt", "b.txt"]);
        let refused = read(folder.path(), 1).unwrap_err().to_string();
        assert!(refused.contains("more than 1 bytes"), "{refused}");
    }
}
