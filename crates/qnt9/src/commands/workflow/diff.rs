//! `qnt9 workflow diff`

use std::path::Path;
use std::process::ExitCode;

use qnt9_runner::git::{Git, GitError, worktree};
use qnt9_workflow::difference::{Aspect, Change, WorkflowFile, difference};

use super::{FOLDER, all, read};
use crate::cli::{Common, WorkflowDiff};
use crate::commands::asking::{format, print};
use crate::failure::Failure;

/// Says what a change to the workflows changes.
pub(super) async fn run(common: &Common, args: &WorkflowDiff) -> Result<ExitCode, Failure> {
    let base = side(&args.base).await?;
    let head = match &args.head {
        Some(head) => side(head).await?,
        None => folder(Path::new("."))?,
    };
    let changes = difference(&base, &head);
    print(format(common), &changes, |changes| drawn(changes));
    Ok(ExitCode::SUCCESS)
}

/// A folder that holds a repository, or else a revision of the repository at hand.
async fn side(name: &str) -> Result<Vec<WorkflowFile>, Failure> {
    let path = Path::new(name);
    if path.is_dir() { folder(path) } else { revision(name).await }
}

fn folder(root: &Path) -> Result<Vec<WorkflowFile>, Failure> {
    let folder = root.join(FOLDER);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let files = all(&folder)?.into_iter().map(|file| {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok((name, read(&file)?))
    });
    files.collect()
}

/// The workflows of a branch, tag or commit.
async fn revision(name: &str) -> Result<Vec<WorkflowFile>, Failure> {
    let environment = crate::up::job_environment(None);
    let here = std::fs::canonicalize(".")
        .map_err(|error| Failure::because("cannot tell which folder this is", &error))?;
    let cannot = |error: GitError| Failure::because(format!("cannot read {name}"), &error);
    let worktree = worktree(&here, &environment).await.map_err(cannot)?.ok_or_else(|| {
        Failure::new(format!("`{name}` is no folder, and there is no git repository here"))
            .hint("name two folders, or call this in a repository and name branches or commits")
    })?;
    let git = Git::new(&worktree.repository, &environment);
    let Some(commit) = git.resolve(name).await.map_err(cannot)? else {
        return Err(Failure::new(format!("there is no branch, tag, commit or folder `{name}`"))
            .hint("`git log --oneline` shows the commits that are here; a shallow clone has few"));
    };
    let mut files = Vec::new();
    for path in git.files(&commit, FOLDER).await.map_err(cannot)? {
        let file = Path::new(&path);
        let is_workflow = file.extension().is_some_and(|it| it == "yml" || it == "yaml");
        if !is_workflow || file.parent() != Some(Path::new(FOLDER)) {
            continue;
        }
        if let Some(content) = git.show(&commit, &path).await.map_err(cannot)? {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.push((name, String::from_utf8_lossy(&content).into_owned()));
        }
    }
    Ok(files)
}

fn drawn(changes: &[Change]) -> String {
    if changes.is_empty() {
        return "nothing that workflows say has changed".to_owned();
    }
    let mut lines = Vec::new();
    let mut place = None;
    for change in changes {
        let own = (&change.file, &change.job);
        if place != Some(own) {
            place = Some(own);
            lines.push(match &change.job {
                Some(job) => format!("{}, job {job}", change.file),
                None => change.file.clone(),
            });
        }
        lines.extend(aspect(change));
    }
    lines.join("\n")
}

fn aspect(change: &Change) -> Vec<String> {
    let Change { aspect, before, after, .. } = change;
    if *aspect == Aspect::Job {
        let text = if after.is_empty() { "is gone" } else { "is new" };
        return vec![format!("  {text}")];
    }
    let mut lines = vec![format!("  {}", called(*aspect))];
    lines.extend(before.iter().map(|what| format!("    - {what}")));
    lines.extend(after.iter().map(|what| format!("    + {what}")));
    lines
}

fn called(aspect: Aspect) -> &'static str {
    match aspect {
        Aspect::Workflow => "the file",
        Aspect::Job => "the job",
        Aspect::Environments => "environments, with their gates and secrets",
        Aspect::Secrets => "secrets that it reads",
        Aspect::Permissions => "permissions of its token",
        Aspect::Events => "events that start it",
        Aspect::Runner => "runner",
        Aspect::Needs => "jobs before it",
        Aspect::Condition => "condition",
        Aspect::Uses => "actions and workflows that it uses",
        Aspect::Scripts => "scripts",
    }
}
