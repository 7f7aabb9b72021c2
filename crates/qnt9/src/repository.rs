//! A repository in a folder of this machine.

use std::path::{Path, PathBuf};

use qnt9_inspect::{FILE_BYTES_MAX, Repository};
use qnt9_runner::git::{Worktree, worktree};

use crate::failure::Failure;
use crate::folder;

/// Folders of dependencies and of what builds leave behind, where git does not say what counts.
const PASSED_OVER: &[&str] =
    &["node_modules", "target", ".terraform", ".venv", "venv", "__pycache__", "dist", "build"];

/// A folder, its files, and what git knows of them.
pub struct Folder {
    /// Its absolute path.
    pub path: PathBuf,
    pub repository: Repository,
    /// `None` where it lies in no git repository.
    pub worktree: Option<Worktree>,
}

impl Folder {
    /// Reads the files that git keeps or would take; without git, all but those of dependencies.
    pub async fn read(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let path = path
            .canonicalize()
            .map_err(|error| Failure::because(format!("cannot read {shown}"), &error))?;
        if !path.is_dir() {
            return Err(Failure::new(format!("{shown} is not a folder"))
                .hint("name the folder of a repository"));
        }
        let worktree = worktree(&path, &crate::up::job_environment(None)).await;
        let worktree = worktree
            .map_err(|error| Failure::because(format!("git cannot tell about {shown}"), &error))?;
        let files: Vec<(String, PathBuf)> = match &worktree {
            Some(worktree) => {
                let place = |file: &String| (file.clone(), path.join(file));
                let there = worktree.files.iter().map(place).filter(|(_, place)| place.is_file());
                there.collect()
            }
            None => folder::list(&path, PASSED_OVER)?,
        };
        let read = files.into_iter().map(|(name, place)| {
            let cannot =
                |error| Failure::because(format!("cannot read {}", place.display()), &error);
            let bytes = std::fs::metadata(&place).map_err(cannot)?.len();
            // What is too long to steer anything is known by its path alone.
            let is_short = usize::try_from(bytes).is_ok_and(|bytes| bytes <= FILE_BYTES_MAX);
            let content = if is_short { std::fs::read(&place).map_err(cannot)? } else { vec![0] };
            Ok((name, content))
        });
        let mut repository = Repository::new(read.collect::<Result<Vec<_>, Failure>>()?);
        if let Some(worktree) =
            worktree.as_ref().filter(|one| one.is_top && !one.branches.is_empty())
        {
            repository = repository.with_branches(worktree.branches.iter().cloned());
        }
        Ok(Self { path, repository, worktree })
    }

    /// The folder's own name.
    pub fn name(&self) -> String {
        let name = self.path.file_name().map(|name| name.to_string_lossy().into_owned());
        name.unwrap_or_else(|| "project".to_owned())
    }
}
