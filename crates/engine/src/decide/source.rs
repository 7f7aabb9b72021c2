//! Pushes and dispatches, and the runs they start.

use std::collections::BTreeMap;
use std::sync::Arc;

use qnt9_model::command::{RefMoved, WorkflowFile};
use qnt9_model::fact::{Cause, Commit, Fact, RefUpdate, Schedule, ScheduledWorkflow};
use qnt9_model::{Command, PushId, Refusal, Role, Sha, UserText};
use qnt9_workflow::{Event, Occurrence, Triggered, Value, Workflow};
use serde::Deserialize as _;
use serde_json::json;

use super::On;
use crate::launch::{self, NewRun};
use crate::state::StoredWorkflow;

pub(super) fn decide(on: &On<'_>, command: &Command) -> Result<Vec<Fact>, Refusal> {
    match command {
        Command::OfferPush { updates } => {
            let by = on.person("push", Role::Developer)?.to_owned();
            Ok(vec![Fact::PushOffered { by, updates: updates.clone() }])
        }
        Command::SettlePush { push, moved, commits } => {
            on.platform_only("settle a push")?;
            settle_push(on, *push, moved, commits)
        }
        Command::ImportCommits { moved, commits } => {
            on.platform_only("import commits")?;
            let is_news = |moved: &&RefMoved| {
                on.project.refs.get(&moved.update.reference) != moved.update.new.as_ref()
            };
            let moved: Vec<&RefMoved> = moved.iter().filter(is_news).collect();
            let mut facts = seen(on, commits);
            if !moved.is_empty() {
                let moved = moved.iter().map(|moved| moved.update.clone()).collect();
                facts.push(Fact::PushSettled { push: PushId(0), moved });
            }
            for moved in moved {
                facts.extend(policy(on, moved));
                facts.extend(schedules(on, moved));
            }
            Ok(facts)
        }
        Command::Dispatch { reference, commit, workflow, inputs } => {
            let by = on.person("dispatch a workflow", Role::Developer)?;
            dispatch(on, by, reference, commit, workflow, inputs)
        }
        _ => Err(on.wrong("ask it here")),
    }
}

fn seen(on: &On<'_>, commits: &[Commit]) -> Vec<Fact> {
    let is_new = |commit: &&Commit| !on.project.commits.contains_key(&commit.sha);
    let commits: Vec<Commit> = commits.iter().filter(is_new).cloned().collect();
    if commits.is_empty() { Vec::new() } else { vec![Fact::CommitsSeen { commits }] }
}

fn policy(on: &On<'_>, moved: &RefMoved) -> Option<Fact> {
    let branch = moved.update.reference.strip_prefix("refs/heads/");
    if branch != Some(on.project.default_branch.as_str()) {
        return None;
    }
    let commit = moved.update.new.clone()?;
    Some(match moved.policy.as_ref()? {
        Ok(policy) => Fact::PolicyAdopted { commit, policy: policy.clone() },
        Err(message) => Fact::PolicyRefused { commit, message: UserText::from(message.as_str()) },
    })
}

/// The schedules of the default branch, when they or their workflows are others than before.
fn schedules(on: &On<'_>, moved: &RefMoved) -> Option<Fact> {
    let branch = moved.update.reference.strip_prefix("refs/heads/");
    if branch != Some(on.project.default_branch.as_str()) {
        return None;
    }
    let commit = moved.update.new.clone()?;
    let workflows: Vec<ScheduledWorkflow> =
        moved.workflows.iter().filter_map(|file| scheduled(on, file)).collect();
    let listed = workflows.iter().flat_map(|workflow| {
        workflow.schedules.iter().map(|schedule| (&workflow.path, schedule, &workflow.workflow))
    });
    let known = on.project.schedules.iter().map(|s| (&s.path, &s.schedule, &*s.workflow));
    (!listed.eq(known)).then_some(Fact::SchedulesAdopted { commit, workflows })
}

/// A workflow that schedules start. One that cannot be read is reported by what else it does.
fn scheduled(on: &On<'_>, file: &WorkflowFile) -> Option<ScheduledWorkflow> {
    let workflow = read(on, file).ok()?;
    let schedules: Vec<Schedule> = workflow.schedules().map(schedule).collect();
    let source = file.workflow.as_ref().ok()?.clone();
    let path = file.path.clone();
    (!schedules.is_empty()).then_some(ScheduledWorkflow { path, workflow: source, schedules })
}

fn schedule(of: &qnt9_workflow::Schedule) -> Schedule {
    Schedule { cron: of.cron.clone(), timezone: of.timezone.clone() }
}

fn settle_push(
    on: &On<'_>,
    id: PushId,
    moved: &[RefMoved],
    commits: &[Commit],
) -> Result<Vec<Fact>, Refusal> {
    let Some(push) = on.project.pushes.get(&id) else { return Ok(Vec::new()) };
    let mut facts = seen(on, commits);
    let updates: Vec<RefUpdate> = moved.iter().map(|moved| moved.update.clone()).collect();
    facts.push(Fact::PushSettled { push: id, moved: updates });
    for moved in moved {
        facts.extend(policy(on, moved));
        facts.extend(schedules(on, moved));
        let Some(commit) = &moved.update.new else { continue };
        for file in &moved.workflows {
            facts.extend(push_run(on, &push.by, moved, commit, file, commits));
        }
    }
    number_apart(&mut facts);
    Ok(facts)
}

/// One push may start the same workflow for several refs: each run gets a number of its own.
fn number_apart(facts: &mut [Fact]) {
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    for fact in facts {
        if let Fact::RunCreated { path, number, .. } = fact {
            let last = last.entry(path.clone()).or_insert(*number - 1);
            *last += 1;
            *number = *last;
        }
    }
}

/// The run that a push starts in one workflow file, if it does.
fn push_run(
    on: &On<'_>,
    by: &str,
    moved: &RefMoved,
    commit: &Sha,
    file: &WorkflowFile,
    commits: &[Commit],
) -> Option<Fact> {
    let workflow = match read(on, file) {
        Ok(workflow) => workflow,
        Err(message) => {
            return Some(refused(commit, &file.path, message));
        }
    };
    let find = |sha: &Sha| {
        let new = commits.iter().find(|commit| &commit.sha == sha);
        new.or_else(|| on.project.commits.get(sha))
    };
    let head = find(commit).map(|commit| commit.title.show().to_owned()).unwrap_or_default();
    let occurrence = Occurrence {
        event: Event::Push,
        reference: &moved.update.reference,
        changed_paths: moved.changed_paths.as_deref(),
        commit_message: Some(&head),
    };
    if let Triggered::No { .. } = workflow.triggered_by(&occurrence) {
        return None;
    }
    let listed = commits.iter().map(|commit| {
        json!({"id": commit.sha, "message": commit.title.show(),
               "author": {"name": commit.author, "email": commit.email}})
    });
    let event = json!({
        "ref": moved.update.reference,
        "before": moved.update.old,
        "after": commit,
        "created": moved.update.old.is_none(),
        "pusher": {"name": by},
        "sender": {"login": by},
        "head_commit": {"id": commit, "message": head},
        "commits": listed.collect::<Vec<_>>(),
        "repository": launch::repository(on.stream, on.project),
    });
    let new = NewRun {
        stream: on.stream,
        project: on.project,
        path: &file.path,
        source: file.workflow.as_ref().unwrap_or(&serde_json::Value::Null),
        workflow: &workflow,
        cause: Cause::Push { by: by.to_owned() },
        event_name: "push",
        reference: &moved.update.reference,
        commit,
        event,
        inputs: Vec::new(),
        title: head,
    };
    Some(new.fact().unwrap_or_else(|message| refused(commit, &file.path, message)))
}

fn refused(commit: &Sha, path: &str, message: String) -> Fact {
    let (commit, path) = (commit.clone(), path.to_owned());
    Fact::WorkflowRefused { commit, path, message: UserText::from(message) }
}

/// Most files are as they were when a run of theirs was last made, and have been read then.
fn read(on: &On<'_>, file: &WorkflowFile) -> Result<Arc<Workflow>, String> {
    let value = file.workflow.as_ref().map_err(Clone::clone)?;
    match on.project.newest_workflow(&file.path).filter(|newest| *newest.source == *value) {
        Some(StoredWorkflow { workflow: Some(known), .. }) => Ok(known.clone()),
        _ => Workflow::deserialize(value).map(Arc::new).map_err(|error| error.to_string()),
    }
}

fn dispatch(
    on: &On<'_>,
    by: &str,
    reference: &str,
    commit: &Sha,
    file: &WorkflowFile,
    inputs: &[(String, String)],
) -> Result<Vec<Fact>, Refusal> {
    let refuse = |reason: String| Refusal::Dispatch { path: file.path.clone(), reason };
    if on.project.refs.get(reference) != Some(commit) {
        return Err(refuse(format!("{reference} is not at {}", commit.short())));
    }
    let workflow = read(on, file).map_err(refuse)?;
    let occurrence = Occurrence {
        event: Event::WorkflowDispatch,
        reference,
        changed_paths: None,
        commit_message: None,
    };
    if let Triggered::No { reason } = workflow.triggered_by(&occurrence) {
        return Err(refuse(reason));
    }
    let inputs = workflow.dispatch_inputs(inputs).map_err(|error| refuse(error.to_string()))?;
    let as_text: serde_json::Map<String, serde_json::Value> =
        inputs.iter().map(|(name, value)| (name.clone(), json!(value.to_text()))).collect();
    let event = json!({
        "inputs": as_text,
        "ref": reference,
        "workflow": file.path,
        "sender": {"login": by},
        "repository": launch::repository(on.stream, on.project),
    });
    let inputs: Vec<(String, Value)> = inputs;
    let new = NewRun {
        stream: on.stream,
        project: on.project,
        path: &file.path,
        source: file.workflow.as_ref().unwrap_or(&serde_json::Value::Null),
        workflow: &workflow,
        cause: Cause::Dispatch { by: by.to_owned() },
        event_name: "workflow_dispatch",
        reference,
        commit,
        event,
        inputs,
        title: workflow.display_name().to_owned(),
    };
    Ok(vec![new.fact().map_err(refuse)?])
}
