//! Pushes and dispatches, and the runs they start.

use std::collections::BTreeMap;

use qnt9_model::command::{RefMoved, WorkflowFile};
use qnt9_model::fact::{Cause, Commit, Fact, RefUpdate};
use qnt9_model::{Command, PushId, Refusal, Role, Sha, UserText};
use qnt9_workflow::{Event, Object, Occurrence, Scope, Triggered, Value, Workflow};
use serde_json::json;

use super::On;
use crate::concurrency;
use crate::contexts::{self, RunFacts};

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
            facts.extend(moved.into_iter().filter_map(|moved| policy(on, moved)));
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
    let workflow = match read(file) {
        Ok(workflow) => workflow,
        Err(message) => {
            let path = file.path.clone();
            let message = UserText::from(message);
            return Some(Fact::WorkflowRefused { commit: commit.clone(), path, message });
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
        "repository": repository(on),
    });
    let new = NewRun {
        cause: Cause::Push { by: by.to_owned() },
        event_name: "push",
        reference: &moved.update.reference,
        commit,
        event,
        inputs: Vec::new(),
        title: head,
    };
    Some(new.fact(on, file, &workflow))
}

fn repository(on: &On<'_>) -> serde_json::Value {
    json!({
        "name": on.stream,
        "full_name": format!("{0}/{0}", on.stream),
        "default_branch": on.project.default_branch,
    })
}

fn read(file: &WorkflowFile) -> Result<Workflow, String> {
    let value = file.workflow.as_ref().map_err(Clone::clone)?;
    serde_json::from_value(value.clone()).map_err(|error| error.to_string())
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
    let workflow = read(file).map_err(refuse)?;
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
        "repository": repository(on),
    });
    let inputs: Vec<(String, Value)> = inputs;
    let new = NewRun {
        cause: Cause::Dispatch { by: by.to_owned() },
        event_name: "workflow_dispatch",
        reference,
        commit,
        event,
        inputs,
        title: workflow.display_name().to_owned(),
    };
    Ok(vec![new.fact(on, file, &workflow)])
}

fn next_number(on: &On<'_>, path: &str) -> u64 {
    on.project.numbers.get(path).copied().unwrap_or(0) + 1
}

struct NewRun<'a> {
    cause: Cause,
    event_name: &'a str,
    reference: &'a str,
    commit: &'a Sha,
    event: serde_json::Value,
    inputs: Vec<(String, Value)>,
    title: String,
}

impl NewRun<'_> {
    fn fact(self, on: &On<'_>, file: &WorkflowFile, workflow: &Workflow) -> Fact {
        let facts = RunFacts {
            stream: on.stream,
            default_branch: &on.project.default_branch,
            event_name: self.event_name,
            event: &self.event,
            reference: self.reference,
            commit: self.commit.as_str(),
            actor: self.cause.by(),
            workflow: workflow.display_name(),
            path: &file.path,
            run: None,
        };
        let mut contexts = Object::new();
        contexts.insert("github", contexts::github(&facts));
        let inputs: Object = self.inputs.iter().cloned().collect();
        contexts.insert("inputs", Value::Object(inputs));
        contexts.insert("vars", Value::Object(Object::new()));
        let scope = Scope::new(&contexts);
        let own = workflow.concurrency.as_ref();
        let concurrency = own.map(|own| concurrency::evaluate(own, &scope)).transpose();
        let concurrency = match concurrency {
            Ok(concurrency) => concurrency,
            Err(message) => {
                let message = UserText::from(message);
                let (commit, path) = (self.commit.clone(), file.path.clone());
                return Fact::WorkflowRefused { commit, path, message };
            }
        };
        let title = workflow.run_name.as_ref().and_then(|name| name.interpolate(&scope).ok());
        let title = title.filter(|title| !title.trim().is_empty()).unwrap_or(self.title);
        Fact::RunCreated {
            path: file.path.clone(),
            name: workflow.display_name().to_owned(),
            title: UserText::from(title),
            number: next_number(on, &file.path),
            cause: self.cause,
            reference: self.reference.to_owned(),
            commit: self.commit.clone(),
            event: UserText::from(self.event.to_string()),
            inputs: self
                .inputs
                .into_iter()
                .map(|(name, value)| (name, UserText::from(value.to_json_text())))
                .collect(),
            workflow: file.workflow.clone().unwrap_or_default(),
            concurrency,
            repeat: None,
        }
    }
}
