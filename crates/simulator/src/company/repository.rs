//! A git repository, as far as the world needs one: branches and their heads, and pushes on their way.

use std::collections::BTreeMap;

use qnt9_model::command::{RefMoved, WorkflowFile};
use qnt9_model::fact::{Commit, RefUpdate};
use qnt9_model::{Person, Policy, PushId, Sha};

use crate::random::Random;

/// One project's repository.
#[derive(Clone, Debug, Default)]
pub(crate) struct Repository {
    heads: BTreeMap<String, Sha>,
    commits: u64,
    /// Offered and not yet settled; what each will have moved.
    pushes: BTreeMap<PushId, Written>,
}

/// A push as git wrote it.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) moved: Vec<RefMoved>,
    pub(crate) commits: Vec<Commit>,
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
        workflows: Vec<WorkflowFile>,
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
        let changed_paths = Some(vec!["src/main.rs".to_owned()]);
        Written { moved: vec![RefMoved { update, changed_paths, workflows, policy }], commits }
    }

    /// The push was offered: it is being written.
    pub(crate) fn offer(&mut self, push: PushId, written: Written) {
        self.pushes.insert(push, written);
    }

    /// What git says a push has moved: all of it when its refs were still where it expected them,
    /// nothing otherwise. Asked twice it says the same.
    pub(crate) fn settle(&mut self, push: PushId) -> Written {
        let none = Written { moved: Vec::new(), commits: Vec::new() };
        let Some(written) = self.pushes.get(&push) else { return none };
        let is_there = written
            .moved
            .iter()
            .all(|moved| self.heads.get(&moved.update.reference) == moved.update.new.as_ref());
        let fits = written
            .moved
            .iter()
            .all(|moved| self.heads.get(&moved.update.reference) == moved.update.old.as_ref());
        if !is_there && !fits {
            return none;
        }
        for moved in &written.moved {
            if let Some(new) = &moved.update.new {
                self.heads.insert(moved.update.reference.clone(), new.clone());
            }
        }
        written.clone()
    }
}
