//! Runs: made, begun, overtaken, ended.

use std::collections::BTreeMap;

use qnt9_model::fact::{Cause, Concurrency};
use qnt9_model::planted::{self, Fault};
use qnt9_model::{Fact, RunId};

use super::Applying;
use crate::packed::Packed;
use crate::state::{Job, JobPlan, Run, RunBody, StoredWorkflow};

/// After so many new runs, what was opened of old ones is forgotten.
const RUNS_BETWEEN_SHUTS: usize = 256;

impl Applying<'_> {
    pub(super) fn run(&mut self, fact: &Fact) {
        let (time, demo) = (self.time(), self.by_demo());
        match fact {
            Fact::RunCreated { .. } => self.create_run(fact, demo),
            Fact::RunStarted { run } => {
                if let Some(run) = self.project.runs.get_mut(run) {
                    run.started = Some(time);
                }
            }
            Fact::RunSuperseded { run, by, over } => {
                if let Some(run) = self.project.runs.get_mut(run) {
                    run.superseded = Some((*by, over.clone()));
                    run.cancel = Some(format!("run {by} took its place in {over}"));
                    run.cancelled = Some(time);
                }
            }
            Fact::RunCancelRequested { run, reason } => {
                if let Some(run) = self.project.runs.get_mut(run) {
                    run.cancel.get_or_insert_with(|| reason.clone());
                    run.cancelled.get_or_insert(time);
                }
            }
            Fact::RunKillRequested { run, reason } => {
                if let Some(run) = self.project.runs.get_mut(run) {
                    run.cancel.get_or_insert_with(|| reason.clone());
                    run.cancelled.get_or_insert(time);
                    run.killed = true;
                }
            }
            Fact::RunFinished { run, result } => {
                self.project.live.remove(run);
                self.project.at_work.remove(run);
                if let Some(run) = self.project.runs.get_mut(run) {
                    run.finished = Some((*result, time));
                }
                self.leave_groups(*run);
                self.put_away(*run);
            }
            _ => {}
        }
    }

    /// Packs a run that is over. Now and then also forgets what was opened of others for somebody to
    /// look at.
    fn put_away(&mut self, id: RunId) {
        let runs = &mut self.project.runs;
        if let Some(run) = runs.get_mut(&id) {
            if planted::is(Fault::PackedLosesOutputs) {
                let attempts = run.legs.values_mut().flat_map(|leg| &mut leg.attempts);
                attempts.for_each(|attempt| attempt.outputs.clear());
            }
            run.body.pack();
        }
        if runs.len().is_multiple_of(RUNS_BETWEEN_SHUTS) {
            runs.values_mut().for_each(|run| run.body.shut());
            self.project.deployments.values_mut().for_each(|past| past.windows.shut());
        }
    }

    /// Takes a run out of the concurrency groups in which neither it nor a job of it is any more.
    pub(super) fn leave_groups(&mut self, id: RunId) {
        let project = &mut *self.project;
        let Some(run) = project.runs.get(&id) else { return };
        let of_legs = run.legs.values().filter_map(|leg| leg.leg.concurrency.as_ref());
        for Concurrency { group, .. } in run.concurrency.iter().chain(of_legs) {
            if run.is_in_group(group) {
                continue;
            }
            if let Some(runs) = project.groups.get_mut(group) {
                runs.remove(&id);
                if runs.is_empty() {
                    project.groups.remove(group);
                }
            }
        }
    }

    fn create_run(&mut self, fact: &Fact, demo: bool) {
        let Fact::RunCreated {
            path,
            name,
            title,
            number,
            cause,
            reference,
            commit,
            event,
            inputs,
            workflow: source,
            concurrency,
            repeat,
        } = fact
        else {
            return;
        };
        let id = RunId(self.entry.sequence);
        let written = self.project.keep_workflow(id, path, source);
        let StoredWorkflow { source, workflow, .. } = self.project.workflows[&written].clone();
        let keys = workflow.iter().flat_map(|workflow| &workflow.jobs);
        let jobs = keys
            .map(|job| Job { key: job.key.clone(), plan: JobPlan::Waiting })
            .collect::<Vec<_>>();
        let mut run = Run {
            id,
            stream: self.entry.stream.clone(),
            path: path.clone(),
            name: name.clone(),
            title: title.clone(),
            number: *number,
            cause: cause.clone(),
            demo,
            reference: reference.clone(),
            commit: commit.clone(),
            written,
            source,
            workflow,
            concurrency: concurrency.clone(),
            created: self.time(),
            started: None,
            cancel: None,
            cancelled: None,
            killed: false,
            first: id,
            attempt: 1,
            superseded: None,
            finished: None,
            body: Packed::open(RunBody {
                event: event.clone(),
                inputs: inputs.clone(),
                jobs,
                legs: BTreeMap::new(),
            }),
        };
        let last = self.project.numbers.entry(path.clone()).or_default();
        *last = (*last).max(*number);
        if let (Some(repeat), Cause::Rerun { of, .. }) = (repeat, cause) {
            self.take_over(&mut run, *of, repeat);
        }
        if let Cause::Schedule { schedule, due, .. } = cause {
            self.pass_schedule(path, schedule, *due);
        }
        self.project.live.insert(id);
        if let Some(concurrency) = &run.concurrency {
            self.project.groups.entry(concurrency.group.clone()).or_default().insert(id);
        }
        self.project.runs.insert(id, run);
        self.note_work(id);
    }
}
