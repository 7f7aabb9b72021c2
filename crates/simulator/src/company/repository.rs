//! A git repository, as far as the world needs one: branches and their heads, and pushes on their way.

use std::collections::BTreeMap;

use qnt9_model::command::RefMoved;
use qnt9_model::fact::{Commit, RefUpdate};
use qnt9_model::{Person, Policy, PushId, Sha};

use super::Workflows;
use crate::random::Random;

/// One project's repository.
#[derive(Clone, Debug, Default)]
pub(crate) struct Repository {
    heads: BTreeMap<String, Sha>,
    commits: u64,
    /// Offered and not yet settled; what each will have moved.
    pushes: BTreeMap<PushId, Written>,
}

/// A push as git wrote it. A company pushes the same few files all year: it names them only.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) update: RefUpdate,
    commits: Vec<Commit>,
    /// A bit for each of the company's files that is there.
    workflows: u64,
    policy: Option<Result<Policy, String>>,
}

impl Written {
    /// What the server is told that git moved, and the commits that came with it.
    fn told(&self, files: &Workflows) -> (Vec<RefMoved>, Vec<Commit>) {
        let changed = if self.commits.is_empty() { None } else { Some("src/main.rs".to_owned()) };
        let moved = RefMoved {
            update: self.update.clone(),
            changed_paths: Some(changed.into_iter().collect()),
            workflows: files.chosen(self.workflows),
            policy: self.policy.clone(),
        };
        (vec![moved], self.commits.clone())
    }
}

impl Repository {
    /// The head of a branch, by its full name.
    pub(crate) fn head(&self, reference: &str) -> Option<&Sha> {
        self.heads.get(reference)
    }

    /// New commits on a branch, which starts from `main` when it is new.
    pub(crate) fn write(
        &mut self,
        branch: &str,
        authors: &[&Person],
        workflows: u64,
        policy: Option<Result<Policy, String>>,
        random: &mut Random,
    ) -> Written {
        let reference = format!("refs/heads/{branch}");
        let old = self.heads.get(&reference).cloned();
        let mut parent = old.clone().or_else(|| self.heads.get("refs/heads/main").cloned());
        let mut commits = Vec::new();
        for author in authors {
            self.commits += 1;
            let sha = Sha(format!("{:016x}{:024x}", random.next(), self.commits));
            let title = if random.chance(20) { "Docs [skip ci]" } else { "Change" };
            commits.push(Commit {
                sha: sha.clone(),
                parents: parent.into_iter().collect(),
                author: author.name.clone(),
                email: author.email.clone(),
                title: format!("{title} {}", self.commits).into(),
            });
            parent = Some(sha);
        }
        let update = RefUpdate { reference, old, new: parent };
        Written { update, commits, workflows, policy }
    }

    /// A tag on the head of a branch, named like it; `None` when it is there already.
    pub(crate) fn tag(&self, branch: &str, workflows: u64) -> Option<Written> {
        let head = self.heads.get(&format!("refs/heads/{branch}"))?;
        let reference = format!("refs/tags/{branch}");
        let old = self.heads.get(&reference).cloned();
        if old.as_ref() == Some(head) {
            return None;
        }
        let update = RefUpdate { reference, old, new: Some(head.clone()) };
        Some(Written { update, commits: Vec::new(), workflows, policy: None })
    }

    /// The push was offered: it is being written.
    pub(crate) fn offer(&mut self, push: PushId, written: Written) {
        self.pushes.insert(push, written);
    }

    /// What git says a push has moved: all of it when its refs were still where it expected them,
    /// nothing otherwise. Asked twice it says the same.
    pub(crate) fn settle(
        &mut self,
        push: PushId,
        files: &Workflows,
    ) -> (Vec<RefMoved>, Vec<Commit>) {
        let none = (Vec::new(), Vec::new());
        let Some(written) = self.pushes.get(&push) else { return none };
        let RefUpdate { reference, old, new } = &written.update;
        let head = self.heads.get(reference);
        if head != new.as_ref() && head != old.as_ref() {
            return none;
        }
        if let Some(new) = new {
            self.heads.insert(reference.clone(), new.clone());
        }
        written.told(files)
    }
}
