//! The contexts in which a run's and a job's expressions are evaluated: `github`, `inputs`, `vars`,
//! `needs`, `strategy`, `matrix`.

use qnt9_model::fact::{Cause, Outcome};
use qnt9_model::{JobKey, StreamId};
use qnt9_workflow::{Job, Object, Status, Value};

use crate::state::{JobPlan, LegState, Project, Run};

/// What is known of a run before it exists, or of one that does.
pub struct RunFacts<'a> {
    /// The project.
    pub stream: &'a StreamId,
    /// Its default branch.
    pub default_branch: &'a str,
    /// The event's name, `push`.
    pub event_name: &'a str,
    /// The event's payload.
    pub event: &'a serde_json::Value,
    /// The full ref.
    pub reference: &'a str,
    /// The commit.
    pub commit: &'a str,
    /// Who began it.
    pub actor: &'a str,
    /// Who asked for this run of it.
    pub triggering_actor: &'a str,
    /// The workflow's name.
    pub workflow: &'a str,
    /// Its file.
    pub path: &'a str,
    /// Run id, number and attempt, once there is one.
    pub run: Option<(u64, u64, u32)>,
}

/// The `github` context without what only a runner knows.
#[must_use]
pub fn github(facts: &RunFacts<'_>) -> Value {
    let mut github = Object::new();
    let mut set = |name: &str, value: Value| github.insert(name, value);
    let name = facts.reference;
    let branch = name.strip_prefix("refs/heads/");
    let tag = name.strip_prefix("refs/tags/");
    let kind = if tag.is_some() { "tag" } else { "branch" };
    set("actor", text(facts.actor));
    set("triggering_actor", text(facts.triggering_actor));
    set("event", facts.event.clone().into());
    set("event_name", text(facts.event_name));
    set("ref", text(name));
    set("ref_name", text(branch.or(tag).unwrap_or(name)));
    set("ref_type", text(kind));
    set("ref_protected", Value::Bool(branch == Some(facts.default_branch)));
    set("repository", text(&format!("{0}/{0}", facts.stream)));
    set("repository_owner", text(facts.stream.as_str()));
    set("sha", text(facts.commit));
    set("workflow", text(facts.workflow));
    set("workflow_ref", text(&format!("{0}/{0}/{1}@{2}", facts.stream, facts.path, name)));
    set("workflow_sha", text(facts.commit));
    set("base_ref", text(""));
    set("head_ref", text(""));
    if let Some((id, number, attempt)) = facts.run {
        set("run_id", text(&id.to_string()));
        set("run_number", text(&number.to_string()));
        set("run_attempt", text(&attempt.to_string()));
    }
    Value::Object(github)
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// The name GitHub gives the event that caused the run.
#[must_use]
pub fn event_name(project: &Project, run: &Run) -> &'static str {
    match &run.cause {
        Cause::Push { .. } => "push",
        Cause::Dispatch { .. } => "workflow_dispatch",
        Cause::Schedule { .. } => "schedule",
        Cause::Rerun { of, .. } => match project.runs.get(of) {
            Some(first) => event_name(project, first),
            None if run.inputs.is_empty() => "push",
            None => "workflow_dispatch",
        },
    }
}

/// `github`, `inputs` and `vars` of a run.
#[must_use]
pub fn of_run(stream: &StreamId, project: &Project, run: &Run) -> Object {
    let event = serde_json::from_str(run.event.show()).unwrap_or(serde_json::Value::Null);
    let first = project.runs.get(&run.first).unwrap_or(run);
    let facts = RunFacts {
        stream,
        default_branch: &project.default_branch,
        event_name: event_name(project, run),
        event: &event,
        reference: &run.reference,
        commit: run.commit.as_str(),
        actor: first.cause.by(),
        triggering_actor: run.cause.by(),
        workflow: &run.name,
        path: &run.path,
        run: Some((run.id.0, run.number, run.attempt)),
    };
    let mut contexts = Object::new();
    contexts.insert("github", github(&facts));
    contexts.insert("inputs", inputs(run));
    contexts.insert("vars", Value::Object(Object::new()));
    contexts
}

fn inputs(run: &Run) -> Value {
    let mut inputs = Object::new();
    for (name, value) in &run.inputs {
        inputs.insert(name.clone(), json(value.show()));
    }
    Value::Object(inputs)
}

fn json(text: &str) -> Value {
    serde_json::from_str::<serde_json::Value>(text).map_or(Value::Null, Value::from)
}

/// The `needs` context of a job: results and outputs of those it names.
#[must_use]
pub fn needs(run: &Run, needed: &[String]) -> Value {
    let mut needs = Object::new();
    for key in needed {
        let mut one = Object::new();
        let result = run.job_result(key).unwrap_or(Outcome::Skipped);
        one.insert("result", text(result.word()));
        one.insert("outputs", outputs(run, key));
        needs.insert(key.clone(), Value::Object(one));
    }
    Value::Object(needs)
}

/// `github`, `inputs`, `vars` and `needs`, by which a job's `if` and matrix are evaluated.
#[must_use]
pub fn of_job(project: &Project, run: &Run, job: &Job) -> Object {
    let mut contexts = of_run(&run.stream, project, run);
    contexts.insert("needs", needs(run, &job.needs));
    contexts
}

/// A job's outputs; of the legs of a matrix, the last one to end with a non-empty value counts.
#[must_use]
pub fn outputs(run: &Run, key: &str) -> Value {
    let mut outputs = Object::new();
    let legs = run.legs.values().filter(|leg| leg.job == key);
    let mut ended: Vec<_> = legs.filter_map(|leg| leg.attempts.last()).collect();
    ended.sort_by_key(|attempt| attempt.finished);
    for attempt in ended {
        for (name, value) in &attempt.outputs {
            if !value.show().is_empty() {
                outputs.insert(name.clone(), text(value.show()));
            }
        }
    }
    Value::Object(outputs)
}

/// All contexts of one leg, as its runner gets them; secrets are added by whoever may open them.
#[must_use]
pub fn of_leg(stream: &StreamId, project: &Project, run: &Run, job: &JobKey) -> Object {
    let mut contexts = of_run(stream, project, run);
    let Some(leg) = run.legs.get(job) else { return contexts };
    let needed = run.workflow.as_ref().and_then(|w| w.job(&leg.job)).map(|job| &job.needs);
    contexts.insert("needs", needs(run, needed.map_or(&[][..], |needs| needs)));
    contexts.insert("matrix", json(leg.leg.matrix.show()));
    contexts.insert("strategy", strategy(run, leg));
    contexts
}

fn strategy(run: &Run, leg: &LegState) -> Value {
    let mut strategy = Object::from_iter([
        ("fail-fast", Value::Bool(true)),
        ("job-index", Value::Number(0.0)),
        ("job-total", Value::Number(1.0)),
        ("max-parallel", Value::Number(1.0)),
    ]);
    let definition = run.workflow.as_ref().and_then(|w| w.job(&leg.job));
    if definition.is_none_or(|job| job.strategy.is_none()) {
        return Value::Object(strategy);
    }
    if let Some(JobPlan::Planned { legs, fail_fast, max_parallel, .. }) =
        run.job(&leg.job).map(|job| &job.plan)
    {
        let total = legs.len() as f64;
        strategy.insert("fail-fast", Value::Bool(*fail_fast));
        strategy.insert("job-index", Value::Number(f64::from(leg.leg.index)));
        strategy.insert("job-total", Value::Number(total));
        let parallel = max_parallel.map_or(total, f64::from);
        strategy.insert("max-parallel", Value::Number(parallel));
    }
    Value::Object(strategy)
}

/// What `success()` and its kin answer for a job: all its ancestors count, not only its parents.
#[must_use]
pub fn status(run: &Run, key: &str) -> Status {
    if run.cancel.is_some() {
        return Status::Cancelled;
    }
    let Some(workflow) = &run.workflow else { return Status::Failure };
    let results: Vec<Outcome> = workflow
        .ancestors(key)
        .iter()
        .map(|job| run.job_result(&job.key).unwrap_or(Outcome::Skipped))
        .collect();
    if results.contains(&Outcome::Failure) {
        Status::Failure
    } else if results.contains(&Outcome::Cancelled) {
        Status::Cancelled
    } else if results.contains(&Outcome::Skipped) {
        Status::Skipped
    } else {
        Status::Success
    }
}
