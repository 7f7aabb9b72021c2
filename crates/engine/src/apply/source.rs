//! Pushes, commits and the files in force.

use qnt9_model::{Fact, PushId};

use super::Applying;
use crate::state::Push;

impl Applying<'_> {
    pub(super) fn source(&mut self, fact: &Fact) {
        let offered = self.time();
        let project = &mut *self.project;
        match fact {
            Fact::PushOffered { by, updates } => {
                let push = Push { by: by.clone(), updates: updates.clone(), offered };
                project.pushes.insert(PushId(self.entry.sequence), push);
            }
            Fact::PushSettled { push, moved } => {
                let by = project.pushes.remove(push).map(|push| push.by);
                for update in moved {
                    if let (Some(by), Some(sha)) = (&by, &update.new) {
                        project.pushers.entry(sha.clone()).or_default().insert(by.clone());
                    }
                    match &update.new {
                        Some(sha) => project.refs.insert(update.reference.clone(), sha.clone()),
                        None => project.refs.remove(&update.reference),
                    };
                }
            }
            Fact::CommitsSeen { commits } => {
                for commit in commits {
                    project.commits.insert(commit.sha.clone(), commit.clone());
                }
            }
            Fact::PolicyAdopted { commit, policy } => {
                project.policy = Some((commit.clone(), policy.clone()));
                project.policy_problem = None;
            }
            Fact::PolicyRefused { commit, message } => {
                project.policy_problem = Some((commit.clone(), message.clone()));
            }
            Fact::WorkflowRefused { commit, path, message } => {
                let problem = (commit.clone(), path.clone(), message.clone());
                project.workflow_problems.push(problem);
            }
            _ => {}
        }
    }
}
