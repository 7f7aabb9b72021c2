//! `qnt9 init`: proposes what qnt9 needs to deliver a repository.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use qnt9_inspect::{Proposal, Proposed, Repository, Wishes, propose, services_below};
use serde::Serialize;

use super::asking::{format, print};
use crate::cli::{Common, Init};
use crate::failure::Failure;
use crate::places;
use crate::repository::Folder;

/// What `--json` prints.
#[derive(Serialize)]
struct Initiated {
    #[serde(flatten)]
    proposal: Proposal,
    /// Whether the files were written.
    written: bool,
}

/// Looks at the repository, and writes the files that are not there.
pub async fn run(common: &Common, args: &Init) -> Result<ExitCode, Failure> {
    let folder = Folder::read(&args.dir).await?;
    let data = places::data_folder(common.data.as_deref())?;
    let branch = folder.worktree.as_ref().and_then(|worktree| worktree.branch.clone());
    let wishes = Wishes {
        project: common.project.clone().unwrap_or_else(|| project_name(&folder.name())),
        approver: places::owner(&data)?,
        branch: branch.unwrap_or_else(|| "main".to_owned()),
    };
    let proposal = propose(&folder.repository, &wishes)
        .ok_or_else(|| nothing_to_run(&args.dir, &folder.repository))?;
    if !args.dry_run {
        check_free(&folder.path, &proposal.files, args.force)?;
        proposal.files.iter().try_for_each(|file| write(&folder.path, file))?;
    }
    let initiated = Initiated { proposal, written: !args.dry_run };
    print(format(common), &initiated, |initiated| text(initiated, args));
    Ok(ExitCode::SUCCESS)
}

fn nothing_to_run(dir: &Path, repository: &Repository) -> Failure {
    let below = services_below(repository);
    if !below.is_empty() {
        return Failure::new(format!(
            "{} has its services in folders, and init proposes for one at the top alone",
            dir.display()
        ))
        .detail(format!("services: {}", below.join(", ")))
        .hint("write qnt9.toml by hand: a `[service.NAME] command = [..]` for each; its program is started at the top of the release");
    }
    let failure = Failure::new(format!("nothing in {} can be run as a service", dir.display()))
        .detail("looked for: package.json with a start script, a Python program (app.py, main.py, server.py), Cargo.toml, go.mod, index.html");
    if repository.has_file("Dockerfile") {
        return failure.hint(
            "images are not built from a Dockerfile yet; write qnt9.toml by hand: `[service.NAME] command = [..]` with what its CMD says",
        );
    }
    failure.hint("write qnt9.toml by hand: `[service.NAME] command = [..]` says what starts it")
}

/// Nothing is begun when a file is in the way.
fn check_free(dir: &Path, files: &[Proposed], force: bool) -> Result<(), Failure> {
    let there: Vec<&str> = files
        .iter()
        .map(|file| file.path.as_str())
        .filter(|path| dir.join(path).exists())
        .collect();
    if there.is_empty() || force {
        return Ok(());
    }
    let are = if there.len() == 1 { "is" } else { "are" };
    Err(Failure::new(format!("{} {are} there already, and nothing was written", there.join(", ")))
        .hint("see what would be written with --dry-run; write over it with --force"))
}

fn write(dir: &Path, file: &Proposed) -> Result<(), Failure> {
    let path = dir.join(&file.path);
    let failed = |error| Failure::because(format!("cannot write {}", path.display()), &error);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut open = OpenOptions::new();
    let mut written = open.write(true).create(true).truncate(true).open(&path).map_err(failed)?;
    written.write_all(file.text.as_bytes()).map_err(failed)
}

/// A project's name made of a folder's.
fn project_name(folder: &str) -> String {
    let safe: String = folder
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' })
        .take(64)
        .collect();
    let safe = safe.trim_matches(['-', '_']);
    if safe.is_empty() || safe == "platform" { "project".to_owned() } else { safe.to_owned() }
}

fn text(initiated: &Initiated, args: &Init) -> String {
    let Initiated { proposal, written } = initiated;
    let mut text = String::new();
    for file in &proposal.files {
        match written {
            true => text.push_str(&format!("wrote {}\n", file.path)),
            false => text.push_str(&format!("{}:\n\n{}\n", file.path, file.text)),
        }
    }
    for note in &proposal.notes {
        text.push_str(&format!("note: {note}\n"));
    }
    if *written {
        let dir = args.dir.display();
        text.push_str(&format!(
            "next: look them over and commit them, then: qnt9 up --project {dir}\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_over_unless_that_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let files = [Proposed { path: "qnt9.toml".to_owned(), text: "new".to_owned() }];
        std::fs::write(folder.path().join("qnt9.toml"), "old").unwrap();
        let refused = check_free(folder.path(), &files, false).unwrap_err().to_string();
        assert!(
            refused.contains("qnt9.toml is there already") && refused.contains("--force"),
            "{refused}"
        );
        check_free(folder.path(), &files, true).unwrap();
        write(folder.path(), &files[0]).unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join("qnt9.toml")).unwrap(), "new");
    }

    #[test]
    fn a_project_s_name_is_safe() {
        assert_eq!(project_name("My Shop (2)"), "My-Shop--2");
        assert_eq!(project_name("..."), "project");
        assert_eq!(project_name("platform"), "project");
    }
}
