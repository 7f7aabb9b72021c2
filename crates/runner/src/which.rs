use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Finds a program as a shell would: a name on `path`, anything with a slash from `dir`.
pub(crate) fn which(program: &str, path: &str, dir: &Path) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(dir.join(program)).filter(|file| is_executable(file));
    }
    std::env::split_paths(path)
        .map(|folder| dir.join(folder).join(program))
        .find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
