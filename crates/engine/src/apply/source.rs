//! Pushes, commits and the files in force.

use std::sync::Arc;

use qnt9_model::fact::{Schedule, ScheduledWorkflow};
use qnt9_model::planted::{self, Fault};
use qnt9_model::{Fact, Millis, PushId};

use super::Applying;
use crate::calendar;
use crate::state::{Push, ScheduleState};

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
                project.history.see(&project.commits, commits);
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
            Fact::SchedulesAdopted { workflows, .. } => {
                let now = offered;
                let before = std::mem::take(&mut project.schedules);
                project.schedules = workflows
                    .iter()
                    .flat_map(|adopted| schedules_of(adopted, &before, now))
                    .collect();
            }
            Fact::ScheduleSkipped { path, schedule, due, .. } => {
                self.pass_schedule(path, schedule, *due);
            }
            Fact::MachineWoke {} => project.woke = offered,
            _ => {}
        }
    }

    /// A moment of a schedule has been dealt with.
    pub(super) fn pass_schedule(&mut self, path: &str, schedule: &Schedule, due: Millis) {
        let known = &mut self.project.schedules;
        for state in known.iter_mut().filter(|s| s.path == path && s.schedule == *schedule) {
            // Moments that passed meanwhile are counted by the one that was started late.
            let again = planted::is(Fault::ScheduleTwice);
            state.after = if again { due.plus(-1) } else { due.max(self.entry.time) };
            state.due = calendar::next_of(schedule, state.after);
        }
    }
}

/// The schedules of a workflow; one that was in force before keeps the moments it has dealt with.
fn schedules_of(
    adopted: &ScheduledWorkflow,
    before: &[ScheduleState],
    now: Millis,
) -> Vec<ScheduleState> {
    let workflow = Arc::new(adopted.workflow.clone());
    let state = |schedule: &Schedule| {
        let known = before.iter().find(|b| b.path == adopted.path && b.schedule == *schedule);
        let after = known.map_or(now, |known| known.after);
        ScheduleState {
            path: adopted.path.clone(),
            workflow: workflow.clone(),
            schedule: schedule.clone(),
            after,
            due: calendar::next_of(schedule, after),
        }
    };
    adopted.schedules.iter().map(state).collect()
}
