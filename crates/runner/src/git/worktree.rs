//! What git knows of a folder that somebody works in.

use std::path::{Path, PathBuf};

use super::{Git, GitError, output, split_nul};

/// A folder that lies in a git repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worktree {
    /// Where git keeps the repository.
    pub repository: PathBuf,
    /// Whether the folder is the top of the repository.
    pub is_top: bool,
    /// The files of the folder that git keeps or would take, from the folder.
    pub files: Vec<String>,
    /// Those that are not as the last commit has them.
    pub changed: Vec<String>,
    /// The branch that is checked out.
    pub branch: Option<String>,
    /// The last commit.
    pub head: Option<String>,
    /// Every branch, here and as last seen at remotes.
    pub branches: Vec<String>,
}

/// Looks at a folder; `None` when it lies in no repository. Nothing is changed.
pub async fn worktree(
    folder: &Path,
    environment: &[(String, String)],
) -> Result<Option<Worktree>, GitError> {
    let Some(top) = folder.ancestors().find(|folder| folder.join(".git").exists()) else {
        return Ok(None);
    };
    let git = Git::new(&top.join(".git"), environment);
    let ask = async |args: &[&str]| {
        let mut command = git.command();
        // Where the repository lies is found as git finds it: `.git` may be a file that says it.
        command.env_remove("GIT_DIR").arg("-C").arg(folder).args(args);
        output(args.first().copied().unwrap_or_default(), command, b"").await
    };
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim().to_owned();
    let repository = text(ask(&["rev-parse", "--absolute-git-dir"]).await?);
    let files = split_nul(&ask(&["ls-files", "-z", "-c", "-o", "--exclude-standard"]).await?);
    let head = ask(&["rev-parse", "--verify", "-q", "HEAD"]).await.ok().map(text);
    let status = ["status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "."];
    let changed = split_nul(&ask(&status).await?);
    let refs = ["for-each-ref", "--format=%(refname)", "refs/heads", "refs/remotes"];
    let refs = text(ask(&refs).await?);
    let branch = ask(&["symbolic-ref", "-q", "--short", "HEAD"]).await.ok().map(text);
    Ok(Some(Worktree {
        repository: PathBuf::from(repository),
        is_top: top == folder,
        files,
        changed: changed.iter().filter_map(|line| line.get(3..)).map(str::to_owned).collect(),
        branch,
        head,
        branches: refs.lines().filter_map(branch_name).map(str::to_owned).collect(),
    }))
}

fn branch_name(reference: &str) -> Option<&str> {
    let remote = |rest: &'_ str| rest.split_once('/').map(|(_, name)| name.len());
    match reference.strip_prefix("refs/heads/") {
        Some(name) => Some(name),
        None => {
            let rest = reference.strip_prefix("refs/remotes/")?;
            let name = &rest[rest.len() - remote(rest)?..];
            (name != "HEAD").then_some(name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::{NewFile, Signature};

    #[tokio::test]
    async fn a_folder_s_files_branch_and_changes_are_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = [("PATH".to_owned(), std::env::var("PATH").unwrap())];
        assert_eq!(worktree(folder.path(), &path).await.unwrap(), None);

        let git = Git::new(&folder.path().join(".git"), &path);
        git.init("main").await.unwrap();
        git.run(&["config", "core.bare", "false"], b"").await.unwrap();
        let file =
            |path: &str| NewFile { path: path.into(), content: b"x".into(), executable: false };
        let by = Signature { name: "a".into(), email: "a@b".into(), at: 1 };
        let commit = git.commit(&[file("a"), file(".gitignore")], &[], "m", &by).await.unwrap();
        git.update_ref("refs/heads/main", &commit, None).await.unwrap();
        git.update_ref("refs/remotes/origin/release/1", &commit, None).await.unwrap();
        for revision in ["main", "HEAD", "origin/release/1", &commit[..10], &commit] {
            let named = git.resolve(revision).await.unwrap();
            assert_eq!(named.as_deref(), Some(commit.as_str()), "{revision}");
        }
        for none in ["HEAD~1", "absent", "--all", ""] {
            assert_eq!(git.resolve(none).await.unwrap(), None, "{none}");
        }
        std::fs::write(folder.path().join(".gitignore"), "ignored\n").unwrap();
        std::fs::write(folder.path().join("ignored"), "").unwrap();
        std::fs::write(folder.path().join("new"), "").unwrap();

        let found = worktree(folder.path(), &path).await.unwrap().unwrap();
        assert_eq!((found.branch.as_deref(), found.head), (Some("main"), Some(commit)));
        assert_eq!(found.branches, ["main", "release/1"]);
        assert!(found.is_top);
        assert!(found.files.contains(&"new".to_owned()), "{:?}", found.files);
        assert!(!found.files.contains(&"ignored".to_owned()), "{:?}", found.files);
        assert!(found.changed.contains(&"new".to_owned()), "{:?}", found.changed);
    }
}
