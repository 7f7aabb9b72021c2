//! Settles pushes: says which refs moved and what lies at their new places.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use qnt9_engine::policy;
use qnt9_model::command::{RefMoved, WorkflowFile};
use qnt9_model::fact::{Commit, RefUpdate};
use qnt9_model::{Command, Entry, PushId, Sha, StreamId, UserText};
use qnt9_runner::git::Git;

use super::OrderError;
use crate::Core;

/// Where workflow files lie in a repository.
const WORKFLOWS: &str = ".github/workflows";
/// The file of the rules.
pub(crate) const POLICY_FILE: &str = "qnt9.toml";

/// The repository of a project.
#[must_use]
pub(crate) fn repository(core: &Core, stream: &StreamId) -> PathBuf {
    core.folder().root().join("git").join(format!("{stream}.git"))
}

/// Settles a push that nobody is receiving any more.
pub(super) async fn settle_abandoned(
    core: &Core,
    stream: &StreamId,
    push: PushId,
) -> Result<(), OrderError> {
    if !core.abandoned().contains(core, stream, push) {
        // Whoever receives it settles it; looking too often would only be noise.
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        return Ok(());
    }
    end_orphans(core, stream).await?;
    settle(core, stream, push).await.map(drop)
}

/// When a server begins to decide for a project: nobody else moves its refs from here on, and what moved
/// while nobody looked is taken in.
pub(super) async fn take_hold(core: Core, stream: StreamId, since: SystemTime) {
    let held = async {
        end_orphans(&core, &stream).await?;
        let git = git(&core, &stream);
        let cleared = tokio::task::spawn_blocking(move || git.clear_locks(since)).await;
        let cleared = cleared.map_err(io::Error::other).and_then(|cleared| cleared);
        let cleared = cleared.map_err(|error| OrderError::outside(&error))?;
        if cleared > 0 {
            tracing::warn!(%stream, cleared, "locks that a killed git left were removed");
        }
        let _one_at_a_time = core.settling().lock().await;
        take_in(&core, &stream).await
    };
    if let Err(error) = held.await {
        tracing::warn!(%stream, "what moved in the repository is not known: {error}");
    }
}

/// Ends what an earlier server left receiving: it could move a ref after its push was settled.
async fn end_orphans(core: &Core, stream: &StreamId) -> Result<(), OrderError> {
    let ended =
        git(core, stream).end_orphans().await.map_err(|error| OrderError::outside(&error))?;
    if ended > 0 {
        tracing::warn!(%stream, ended, "pushes that an earlier server was receiving were ended");
    }
    Ok(())
}

/// Makes refs known that are elsewhere than the log says, and that no open push is about: somebody moved
/// them behind the server's back. Nothing is started by it.
async fn take_in(core: &Core, stream: &StreamId) -> Result<(), OrderError> {
    // While it is being made there is nothing to take in.
    if !repository(core, stream).join("HEAD").is_file() {
        return Ok(());
    }
    let refs = git(core, stream).refs().await.map_err(|error| OrderError::outside(&error))?;
    let moved = core.read(|state| {
        let Some(project) = state.projects.get(stream) else { return Vec::new() };
        let in_push = |reference: &str| {
            let mut updates = project.pushes.values().flat_map(|push| &push.updates);
            updates.any(|update| update.reference == reference)
        };
        let names: BTreeSet<&String> = refs.keys().chain(project.refs.keys()).collect();
        let updates = names.into_iter().map(|reference| RefUpdate {
            reference: reference.clone(),
            old: project.refs.get(reference).cloned(),
            new: refs.get(reference).map(|sha| Sha::from(sha.as_str())),
        });
        updates.filter(|u| u.old != u.new && !in_push(&u.reference)).collect::<Vec<_>>()
    });
    // A repository that was just made is imported by whoever made it.
    let is_known = core
        .read(|state| state.projects.get(stream).is_some_and(|project| !project.refs.is_empty()));
    if moved.is_empty() || !is_known {
        return Ok(());
    }
    tracing::warn!(%stream, ?moved, "refs moved without a push; they are taken in, and nothing is started");
    let (moved, commits) = describe(core, stream, moved).await?;
    core.tell(stream, Command::ImportCommits { moved, commits }).await?;
    Ok(())
}

/// Asks the repository which of the push's refs moved, and says so.
pub(crate) async fn settle(
    core: &Core,
    stream: &StreamId,
    push: PushId,
) -> Result<Vec<Entry>, OrderError> {
    let updates = core.read(|state| {
        let push = state.projects.get(stream)?.pushes.get(&push)?;
        Some(push.updates.clone())
    });
    let Some(updates) = updates else { return Ok(Vec::new()) };
    let _one_at_a_time = core.settling().lock().await;
    let git = git(core, stream);
    let refs = git.refs().await.map_err(|error| OrderError::outside(&error))?;
    let moved = updates.into_iter().filter(|update| {
        let now = refs.get(&update.reference);
        now.map(String::as_str) == update.new.as_ref().map(Sha::as_str)
    });
    let (moved, commits) = describe(core, stream, moved.collect()).await?;
    let settled = core.tell(stream, Command::SettlePush { push, moved, commits }).await?;
    if let Err(error) = take_in(core, stream).await {
        tracing::warn!(%stream, "what else moved in the repository is not known: {error}");
    }
    Ok(settled)
}

/// Makes the refs of a repository that was just filled known, without starting anything.
pub(crate) async fn import(core: &Core, stream: &StreamId) -> Result<Vec<Entry>, OrderError> {
    let refs = git(core, stream).refs().await.map_err(|error| OrderError::outside(&error))?;
    let updates = refs.into_iter().map(|(reference, sha)| RefUpdate {
        reference,
        old: None,
        new: Some(sha.into()),
    });
    let (moved, commits) = describe(core, stream, updates.collect()).await?;
    Ok(core.tell(stream, Command::ImportCommits { moved, commits }).await?)
}

/// The git repository of a project.
pub(crate) fn git(core: &Core, stream: &StreamId) -> Git {
    Git::new(&repository(core, stream), &core.config().job_environment)
}

async fn describe(
    core: &Core,
    stream: &StreamId,
    updates: Vec<RefUpdate>,
) -> Result<(Vec<RefMoved>, Vec<Commit>), OrderError> {
    let git = git(core, stream);
    let fail = |error: qnt9_runner::git::GitError| OrderError::outside(&error);
    let known: Vec<String> = core.read(|state| {
        let project = state.projects.get(stream);
        project.map(|p| p.refs.values().map(ToString::to_string).collect()).unwrap_or_default()
    });
    let (mut moved, mut commits) = (Vec::new(), Vec::new());
    for update in updates {
        let Some(new) = update.new.clone() else {
            moved.push(RefMoved {
                update,
                changed_paths: None,
                workflows: Vec::new(),
                policy: None,
            });
            continue;
        };
        for commit in git.commits(&known, new.as_str()).await.map_err(fail)? {
            commits.push(Commit {
                sha: commit.sha.into(),
                parents: commit.parents.into_iter().map(Sha::from).collect(),
                author: commit.author,
                email: commit.email,
                title: UserText::from(commit.title),
            });
        }
        let changed_paths = match &update.old {
            Some(old) => Some(git.changed_paths(old.as_str(), new.as_str()).await.map_err(fail)?),
            None => None,
        };
        let workflows = workflows(&git, &new).await?;
        let policy = read(&git, &new, POLICY_FILE).await?.map(|text| read_policy(&text));
        moved.push(RefMoved { update, changed_paths, workflows, policy });
    }
    Ok((moved, commits))
}

fn read_policy(text: &str) -> Result<qnt9_model::Policy, String> {
    policy::read(POLICY_FILE, text).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        lines.join("\n")
    })
}

async fn read(git: &Git, commit: &Sha, path: &str) -> Result<Option<String>, OrderError> {
    let bytes = git.show(commit.as_str(), path).await.map_err(|e| OrderError::outside(&e))?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// The workflow files at a commit, parsed.
pub(crate) async fn workflows(git: &Git, commit: &Sha) -> Result<Vec<WorkflowFile>, OrderError> {
    let files = git.files(commit.as_str(), WORKFLOWS).await;
    let files = files.map_err(|error| OrderError::outside(&error))?;
    let mut workflows = Vec::new();
    for path in files.into_iter().filter(|path| path.ends_with(".yml") || path.ends_with(".yaml")) {
        let Some(text) = read(git, commit, &path).await? else { continue };
        workflows.push(WorkflowFile { workflow: parse(&path, &text), path });
    }
    Ok(workflows)
}

fn parse(path: &str, text: &str) -> Result<serde_json::Value, String> {
    match qnt9_workflow::parse(path, text) {
        Ok(workflow) => Ok(serde_json::to_value(workflow).expect("a workflow is plain data")),
        Err(problems) => {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Err(lines.join("\n"))
        }
    }
}
