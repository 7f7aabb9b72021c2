//! What a server that died left in a repository: a `git receive-pack` that may still move refs, and the
//! locks of one that was killed.

use std::io;
use std::path::Path;
use std::time::SystemTime;

use super::Git;
use crate::process::{Leftovers, Mark, ProcessId};

/// In the environment of every git that takes in a push: the repository, and which server started it.
pub(super) const RECEIVES: &str = "QNT9_RECEIVES";
/// What git calls a lock of its own.
const LOCK: &str = "lock";

impl Git {
    /// The value of [`RECEIVES`] for what this process starts.
    pub(super) fn receives(&self) -> String {
        let this = ProcessId::of(std::process::id());
        let started = this.map(|this| this.start_time).unwrap_or_default();
        format!("{}{}.{started}", self.receives_here(), std::process::id())
    }

    fn receives_here(&self) -> String {
        format!("{}#", self.repository.display())
    }

    /// Ends every `git receive-pack` in this repository that another process than this one has started,
    /// and returns how many processes that were. From then on only pushes that this process takes in move
    /// refs.
    pub async fn end_orphans(&self) -> io::Result<usize> {
        let begins = format!("{RECEIVES}={}", self.receives_here());
        let but = format!("{RECEIVES}={}", self.receives());
        let mark = Some(Mark::Begins { begins, but });
        Leftovers { mark, ..Leftovers::default() }.kill().await
    }

    /// Removes the locks of refs that were taken before that moment, and returns how many. To be called
    /// when nobody who took them lives any more; git itself leaves them for ever.
    pub fn clear_locks(&self, before: SystemTime) -> io::Result<usize> {
        let top = ["packed-refs.lock", "HEAD.lock", "config.lock"];
        let mut removed = 0;
        for name in top {
            removed += usize::from(clear(&self.repository.join(name), before)?);
        }
        Ok(removed + clear_below(&self.repository.join("refs"), before)?)
    }
}

fn clear_below(folder: &Path, before: SystemTime) -> io::Result<usize> {
    let mut removed = 0;
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        read => read?,
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            removed += clear_below(&path, before)?;
        } else if path.extension().is_some_and(|extension| extension == LOCK) {
            removed += usize::from(clear(&path, before)?);
        }
    }
    Ok(removed)
}

fn clear(lock: &Path, before: SystemTime) -> io::Result<bool> {
    let taken = match std::fs::metadata(lock) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        metadata => metadata?.modified()?,
    };
    if taken >= before {
        return Ok(false);
    }
    match std::fs::remove_file(lock) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        removed => Ok(removed.is_ok()),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn only_what_others_started_in_this_repository_is_ended() {
        let dir = tempfile::TempDir::new().unwrap();
        let (git, other) = (Git::new(dir.path(), &[]), Git::new(&dir.path().join("other"), &[]));
        let start =
            |mark: String| Command::new("sleep").arg("300").env(RECEIVES, mark).spawn().unwrap();
        let mut own = start(git.receives());
        let mut elsewhere = start(format!("{}1.1", other.receives_here()));
        let mut orphan = start(format!("{}1.1", git.receives_here()));
        let reaper = std::thread::spawn(move || orphan.wait().unwrap());
        assert_eq!(git.end_orphans().await.unwrap(), 1);
        assert!(!reaper.join().unwrap().success());
        for child in [&mut own, &mut elsewhere] {
            assert!(child.try_wait().unwrap().is_none());
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    #[tokio::test]
    async fn a_lock_that_a_killed_git_left_keeps_nobody_out_any_more() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = std::env::var("PATH").unwrap();
        let git = Git::new(&dir.path().join("r.git"), &[("PATH".to_owned(), path)]);
        git.init("main").await.unwrap();
        let by =
            super::super::Signature { name: "A".into(), email: "a@x".into(), at: 1_700_000_000 };
        let commit = git.commit(&[], &[], "First", &by).await.unwrap();
        let lock = dir.path().join("r.git/refs/heads/main.lock");
        std::fs::write(&lock, "").unwrap();
        assert!(git.update_ref("refs/heads/main", &commit, None).await.is_err());
        let before = std::fs::metadata(&lock).unwrap().modified().unwrap();
        assert_eq!(git.clear_locks(before).unwrap(), 0, "one that is taken now stays");
        assert_eq!(git.clear_locks(before + Duration::from_secs(1)).unwrap(), 1);
        git.update_ref("refs/heads/main", &commit, None).await.unwrap();
    }
}
