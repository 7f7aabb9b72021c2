//! Folders of attempts that are over and kept, so that the job can be started again from one of its
//! steps: the journal, the description, the workspace and the temporary folder.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::shim_dir::ShimDir;

/// Moves the folder of an attempt whose shim is gone to `to`, on the same file system. What an earlier
/// one left there is replaced.
pub fn keep(dir: &Path, to: &Path) -> io::Result<()> {
    let shim_dir = ShimDir::new(dir);
    for needless in [shim_dir.socket(), shim_dir.talk()] {
        absent_is_fine(fs::remove_file(needless))?;
    }
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    absent_is_fine(fs::remove_dir_all(to))?;
    fs::rename(dir, to)?;
    File::open(to)?.set_modified(SystemTime::now())
}

/// How long ago the folder was kept.
pub fn age(kept: &Path) -> io::Result<Duration> {
    // A clock that was set back makes it young, not old.
    Ok(fs::metadata(kept)?.modified()?.elapsed().unwrap_or_default())
}

/// The bytes of all files below a folder, links not followed. Stops counting beyond `max`.
pub fn bytes(dir: &Path, max: u64) -> io::Result<u64> {
    let mut sum = 0;
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                folders.push(entry.path());
            }
            sum += metadata.len();
            if sum > max {
                return Ok(sum);
            }
        }
    }
    Ok(sum)
}

/// Copies what is in a folder into another, but for these names at its top: files with their modes and
/// times, folders, links as they are. Sockets and pipes of processes that are gone are passed over.
pub(crate) fn copy_tree(from: &Path, to: &Path, but: &[&str]) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if but.iter().any(|but| name == *but) {
            continue;
        }
        let (source, target) = (entry.path(), to.join(&name));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_tree(&source, &target, &[])?;
        } else if kind.is_symlink() {
            absent_is_fine(fs::remove_file(&target))?;
            std::os::unix::fs::symlink(fs::read_link(&source)?, &target)?;
        } else if kind.is_file() {
            fs::copy(&source, &target)?;
            // Tools that compare times, as make and cargo do, must find nothing changed.
            set_time(&target, entry.metadata()?.modified()?)?;
        }
    }
    fs::set_permissions(to, fs::metadata(from)?.permissions())
}

fn set_time(file: &Path, time: SystemTime) -> io::Result<()> {
    // A file that may only be read can be opened for reading, and its owner may set its times.
    File::open(file)?.set_modified(time)
}

fn absent_is_fine(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_copy_has_the_modes_the_times_and_the_links() {
        let dir = tempfile::TempDir::new().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir_all(from.join("a/b")).unwrap();
        fs::create_dir(from.join("left")).unwrap();
        fs::write(from.join("a/b/run"), "x").unwrap();
        let mode = fs::Permissions::from_mode(0o555);
        fs::set_permissions(from.join("a/b/run"), mode).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        set_time(&from.join("a/b/run"), time).unwrap();
        std::os::unix::fs::symlink("b/run", from.join("a/link")).unwrap();
        copy_tree(&from, &to, &["left"]).unwrap();
        let metadata = fs::metadata(to.join("a/b/run")).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o555);
        assert_eq!(metadata.modified().unwrap(), time);
        assert_eq!(fs::read_link(to.join("a/link")).unwrap(), Path::new("b/run"));
        assert!(!to.join("left").exists());
        assert!(bytes(&to, u64::MAX).unwrap() >= 1);
        assert!(bytes(&to, 0).unwrap() > 0);
    }
}
